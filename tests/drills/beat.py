"""The leader process of a drill: writes that it lives, every few milliseconds, to one file that all nodes share.

Run by path with ``python -I -S -E``: standard library only. One line per beat, one ``write`` each on an O_APPEND
descriptor, so lines of many writers never mix::

    job n1 1234 8123456789012 4711 start
    election node token CLOCK_BOOTTIME-nanoseconds pid kind

``--ignore-term`` ignores every signal that can be ignored. ``--fork`` leaves behind a daemon of the old school
(double fork, setsid) that beats as well, while the first process stays.
"""

import os
import signal
import sys
import time

_EVERY_SECONDS = 0.02


def _ignore_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)


def _leave_a_daemon() -> bool:
    """True in the daemon that is left behind, false in the process that stays."""
    middle = os.fork()
    if middle:
        os.waitpid(middle, 0)
        return False
    os.setsid()
    if os.fork():
        os._exit(0)
    return True


def main() -> None:
    """Beat until something ends this process."""
    path, *options = sys.argv[1:]
    if "--ignore-term" in options:
        _ignore_signals()
    daemon = "--fork" in options and _leave_a_daemon()
    names = (os.environ[f"SUPERVISOR_{name}"] for name in ("ELECTION", "NODE", "FENCING_TOKEN"))
    who = " ".join(names)
    pid = os.getpid()
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    kind = "start"
    while True:
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        os.write(out, f"{who} {now} {pid} {kind}\n".encode())
        kind = "daemon" if daemon else "beat"
        time.sleep(_EVERY_SECONDS)


if __name__ == "__main__":
    main()
