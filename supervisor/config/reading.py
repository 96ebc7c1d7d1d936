"""The bytes of a file that somebody may be writing at this moment.

Promises: never blocks on a FIFO; while another process has the file open to write and goes on writing, the reader waits, a
bounded time, so that half a file is not taken for a whole one; everything that keeps it from being read is a problem with a
remedy. Does not: decode it.
"""

import errno
import fcntl
import os
import signal
import stat
import time
from pathlib import Path
from typing import BinaryIO

from supervisor.config.problems import Place, Problems

MAX_FILE_BYTES = 10_000_000
LOOK_AGAIN_SECONDS = 0.02
QUIET_SECONDS = 1.0
"""A writer that has not written for so long is one that keeps its file open: there is no more to wait for."""


def read(path: Path, problems: Problems, *, patience_seconds: float) -> bytes | None:
    """The bytes of a regular file of bearable size. None when there are none; ``problems`` says why."""
    place = Place(file=str(path))
    try:
        with open(path, "rb", opener=_open_now) as file:  # Path.open knows no opener
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                problems.add(place, "this is not a regular file", "save it as a file: it is read again at every reload")
                return None
            data = _whole(file, time.monotonic() + patience_seconds)
    except FileNotFoundError:
        problems.add(place, "there is no such file", "check the path, or start from one of config/examples")
    except PermissionError:
        problems.add(
            place, f"user {os.geteuid()} may not read this file", "change its mode or owner, or run as another user"
        )
    except IsADirectoryError:
        problems.add(place, "this is a directory", "name the file in it")
    except (OSError, ValueError) as e:
        reason = e.strerror if isinstance(e, OSError) and e.strerror else str(e)
        problems.add(place, f"this file cannot be read: {reason}", "check the path and the disk")
    else:
        if len(data) <= MAX_FILE_BYTES:
            return data
        problems.add(
            place, f"this file is larger than {MAX_FILE_BYTES // 10**6} MB", "name the right file, or split it"
        )
    return None


def _open_now(path: str, flags: int) -> int:
    """Open without blocking: a FIFO would keep the daemon waiting for its writer."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _whole(file: BinaryIO, patient_until: float) -> bytes:
    """What is in the file once its writer has closed it, or the time is up."""
    quiet_since, before = time.monotonic(), _stamp(file)
    while True:
        writing = _is_being_written(file.fileno())
        if (now := time.monotonic()) >= min(patient_until, quiet_since + QUIET_SECONDS):
            writing = False
        if not writing:
            file.seek(0)
            data = file.read(MAX_FILE_BYTES + 1)
            if (after := _stamp(file)) == before or now >= patient_until:
                return data
        else:
            time.sleep(LOOK_AGAIN_SECONDS)
            after = _stamp(file)
        if after != before:
            quiet_since, before = time.monotonic(), after


def _stamp(file: BinaryIO) -> tuple[int, int, int]:
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _is_being_written(fd: int) -> bool:
    """Whether a process has the file open for writing: then the kernel gives out no read lease on it.

    The lease is given back at once. Should a writer come in between, the kernel would tell us by SIGIO, which ends a process:
    by SIGURG, which does not. Where leases are not to be had (a file of another user, a network), nobody is said to write.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
