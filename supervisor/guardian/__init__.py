"""The dead-man's switch, and the only process of ours that forks.

Promises: no leader process outlives its kill-by, whatever has become of the daemon; "empty" is observed, never assumed;
when the daemon dies, everything it started is ended and its leases are revoked once nothing of their terms is alive.
Does not: decide who leads, restart anything, read the file, or load more than the standard library (``link``, the
daemon's end, aside).
"""
