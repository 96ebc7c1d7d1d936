"""The dead-man's switch, and the only process of ours that forks.

Promises: no leader process outlives its kill-by, whatever has become of the daemon; "empty" is observed, never assumed;
when the daemon dies, everything it started is stopped and its leases are revoked as soon as that is proven.
Does not: decide who leads, restart anything, read the file, or load more than the standard library (``link`` and
``launch``, the daemon's end, aside).
"""
