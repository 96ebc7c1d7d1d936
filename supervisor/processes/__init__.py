"""The operating system's side of a process: its output, its probes, its environment and its user.

Promises: nothing here blocks the event loop on a child, a disk or a terminal, and nothing here forks.
Does not: decide when a process runs (the core does), or start and end one (the guardian does).
"""
