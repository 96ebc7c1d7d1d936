"""One daemon per control socket: a lock file beside it, held for as long as the daemon lives.

Promises: the kernel holds the lock (``flock``), so a SIGKILLed daemon leaves none; whoever is refused learns the holder's
pid; a socket that a dead daemon left is removed only by the holder of the lock, and nothing but a socket ever is.
Standard library only: it is taken before the guardian is started. Does not: pass the lock to children (close-on-exec).

    AlreadyRunning    another daemon serves this socket           stop it, or choose another socket
    LockRefused       the place is not fit for a control socket   choose another socket
"""

import fcntl
import os
import stat
import time
from pathlib import Path
from typing import Final

from supervisor import paths

_PID_PATIENCE_SECONDS: Final = 0.5


class AlreadyRunning(Exception):  # noqa: N818 # says what is the case, for the person who started a second one
    """Another daemon holds the lock. ``pid`` is None when it has not said which."""

    def __init__(self, path: Path, pid: int | None) -> None:
        self.path = path
        self.pid = pid
        who, how = ("an unknown pid", "") if pid is None else (f"pid {pid}", f" (kill {pid})")
        remedy = f"stop it{how}, or give this one its own --socket, --state-dir and --node"
        super().__init__(f"another supervisor has {path}: {who}; {remedy}")


class LockRefused(Exception):  # noqa: N818 # as above
    """The socket cannot be there. The message says why and what to do."""


class Lock:
    """The lock, held until ``release`` or the end of the process."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd

    def release(self) -> None:
        """Give it up. The file stays, empty: removing it would let two hold it. Twice is harmless."""
        if self._fd >= 0:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = -1


def acquire(path: Path) -> Lock:
    """Become the only daemon of this control socket, or of whatever else ``path`` stands for.

    Its directory is made (0755 for root, else 0700) when absent; the lock file is ``path`` with ``.lock`` added.
    Raises: AlreadyRunning, LockRefused.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        _make_directory(path.parent)
        fd = os.open(path.with_name(path.name + ".lock"), flags, 0o600)
    except OSError as error:
        remedy = "choose another place with --socket or --state-dir"
        raise LockRefused(f"cannot lock {path}: {error.strerror}; {remedy}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove_stale(path)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        pid = _holder(fd)
        os.close(fd)
        raise AlreadyRunning(path, pid) from None
    except BaseException:
        os.close(fd)
        raise
    return Lock(path, fd)


def _make_directory(directory: Path) -> None:
    mode = 0o755 if os.geteuid() == 0 else 0o700
    directory.parent.mkdir(parents=True, exist_ok=True)
    try:
        directory.mkdir(mode=mode)
    except FileExistsError:
        problem = paths.problem_of_shared_place(directory, os.geteuid())
        if problem:
            raise LockRefused(problem) from None


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise LockRefused(f"{path} exists and is not a socket; move it away, or choose another place with --socket")
    path.unlink()


def _holder(fd: int) -> int | None:
    """The pid in the file; waits a moment for a holder that has just taken the lock and not written yet."""
    deadline = time.monotonic() + _PID_PATIENCE_SECONDS
    while True:
        word = os.pread(fd, 32, 0).strip()
        if word.isdigit():
            return int(word)
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.01)
