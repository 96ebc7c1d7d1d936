"""The first process of a container: what ``supervisor run`` becomes there, with the daemon as its child.

Promises: standard library only. Whoever loses its parent in the container becomes our child, and is waited for when it ends; signals
that somebody sent us go on to the daemon (what a terminal sends, the daemon gets from the terminal). When the daemon has ended,
its guardian is given the time to end what runs and to give the leases back, since with us the kernel ends all that is left; then we
end with the daemon's exit code (128 and the signal, if one ended it), even if others are still running. Does not: anything
where it is not pid 1; there, whoever is does it.
"""

import fcntl
import os
import signal
import sys
import time
from typing import Final

PATIENCE_SECONDS: Final = 80.0
"""For the guardian, after the daemon; as in the units (``ExecStopPost``)."""
_FROM_THE_KERNEL: Final = 0x80
_OF_A_TERMINAL: Final = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTSTP, signal.SIGWINCH})


def main() -> int:
    """Start the command line that is given after the lock's path; returns its exit code."""
    lock, *command = sys.argv[1:]
    every = signal.valid_signals()
    signal.pthread_sigmask(signal.SIG_BLOCK, every)
    # Python ignores these two; who is started is to have what everybody has.
    default = [signal.SIGPIPE, signal.SIGXFSZ]
    daemon = os.posix_spawn(command[0], command, os.environ, setsigmask=(), setsigdef=default)
    code: int | None = None
    until = 0.0
    while code is None or (held(lock) and time.monotonic() < until):
        # The guardian is our child by then, and its end a SIGCHLD; the second is for a lock that somebody else holds.
        found = signal.sigtimedwait(every, 1.0 if code is not None else 3600.0)
        if found is not None and found.si_signo != signal.SIGCHLD:
            if code is None and not (found.si_code == _FROM_THE_KERNEL and found.si_signo in _OF_A_TERMINAL):
                os.kill(daemon, found.si_signo)
            continue
        ended = dict(reap())
        if daemon in ended:
            code = os.waitstatus_to_exitcode(ended[daemon])
            until = time.monotonic() + PATIENCE_SECONDS
    return code if code >= 0 else 128 - code


def reap() -> list[tuple[int, int]]:
    """Pids and statuses of all that have ended."""
    found: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        found.append((pid, status))


def held(lock: str) -> bool:
    """Whether a guardian lives."""
    try:
        fd = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


if __name__ == "__main__":
    sys.exit(main())
