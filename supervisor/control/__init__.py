"""The local control API: gRPC on a unix socket, and the lock that makes one daemon its only server.

Promises: asks the daemon only through ``ports``; never decides; a client that hangs, vanishes or reads slowly costs the
daemon nothing but the memory of one reply. Does not: listen on a network, know click or rich (``cli`` does), or say
anything that it cannot give a source and an age for.
"""
