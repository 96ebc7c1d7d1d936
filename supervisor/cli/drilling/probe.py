"""The leader process of a drill: it does nothing but say, every few milliseconds, that it lives.

Run by path with ``python -I -S``, standard library only. One line a beat, each one ``write`` to a descriptor opened with
O_APPEND, so that no beat is ever mixed with another::

    web-1.drill 1234 8123456789012 4711
    node        token CLOCK_BOOTTIME in nanoseconds, pid

Does not: heed anything but signals, or outlive the file's directory.
"""

import os
import sys
import time

EVERY_SECONDS = 0.004


def main() -> int:
    """Beat until something ends this process."""
    out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    who = f"{os.environ['SUPERVISOR_NODE']} {os.environ['SUPERVISOR_FENCING_TOKEN']}"
    pid = os.getpid()
    while True:
        os.write(out, f"{who} {time.clock_gettime_ns(time.CLOCK_BOOTTIME)} {pid}\n".encode())
        time.sleep(EVERY_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
