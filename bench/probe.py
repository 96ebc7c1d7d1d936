"""The leader process of every bench: says every millisecond that it lives, in one file that all sides' nodes share.

Run by path with ``python -I -S -E``: standard library only. ``probe.py FILE [NODE]``. One line per heartbeat, one ``write``
each on an O_APPEND descriptor, in the format of the drills, so that their checker judges it::

    job n1 1234 8123456789012 4711 start
    election node token CLOCK_BOOTTIME-nanoseconds pid kind

The token is what whoever started it gives for one: ours, ``etcdctl lock``'s, conch's, the naive port's; 0 when it gives none.
"""

import os
import sys
import time

TOKENS = ("SUPERVISOR_FENCING_TOKEN", "ETCD_LOCK_REV", "CONCH_REV", "NAIVE_TOKEN")
EVERY_SECONDS = 0.001


def main() -> None:
    """Until something ends it."""
    path, *name = sys.argv[1:]
    node = os.environ.get("SUPERVISOR_NODE") or (name[0] if name else "nobody")
    token = next((os.environ[t] for t in TOKENS if os.environ.get(t, "").isdecimal()), "0")
    pid = os.getpid()
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    kind = "start"
    while True:
        os.write(out, f"job {node} {token} {time.clock_gettime_ns(time.CLOCK_BOOTTIME)} {pid} {kind}\n".encode())
        kind = "beat"
        time.sleep(EVERY_SECONDS)


if __name__ == "__main__":
    main()
