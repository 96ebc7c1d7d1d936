"""Ports of loopback for servers of tests.

Promises: a port is given once on this machine while the process that asked for it lives, whatever else is being tested
beside it; nobody listens on it now; and it lies below those the kernel gives to the near ends of connections, so that
none of these is in the way when the server starts, or starts again. Does not: keep the port open.
"""

import contextlib
import itertools
import os
import socket

_FIRST, _LAST = 12_000, 31_999
_reserved: list[socket.socket] = []
_candidates = itertools.cycle(range(_FIRST, _LAST + 1))
_begun = False


def free_port() -> int:
    """One port of 127.0.0.1. Raises AssertionError when there is none."""
    global _begun  # noqa: PLW0603 # where to look first differs between processes, and is worked out once in each
    if not _begun:
        _begun = True
        for _ in range(os.getpid() * 97 % (_LAST - _FIRST)):
            next(_candidates)
    for _ in range(_LAST - _FIRST + 1):
        port = next(_candidates)
        if _reserve(port):
            return port
    raise AssertionError("no port is free")


def free_ports(count: int) -> list[int]:
    """So many, all different."""
    return [free_port() for _ in range(count)]


def _reserve(port: int) -> bool:
    """Whether it is ours from now on. An abstract socket of its name says so to other processes and ends with ours."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0supervisor-tests/port-{port}")
    except OSError:
        claim.close()
        return False
    with contextlib.closing(socket.socket()) as trial:
        # As a server does it: what lingers of an earlier connection is not in its way.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            return False
    _reserved.append(claim)
    return True
