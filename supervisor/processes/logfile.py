"""A log file that rotates by size.

Promises: appends whole lines in order and loses none by rotating; no file exceeds the size given unless a single line
does; at most ``keep`` old files stay, ``FILE.1`` the youngest; a file that somebody else moved, removed or truncated is
found again at the next line, so ``logrotate`` and ``rm`` both work.
Does not: make directories (a mistyped path must not grow a tree), compress, or write to a file that is no longer there
under its name. What is not a regular file (``/dev/null``, a FIFO) is written and never rotated.
"""

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from supervisor.core.spec import LogSpec
from supervisor.processes.sink import Gap, Outlet, OutletError

FILE_MODE: Final = 0o640
"""Logs hold what programs should not have printed; the group may read them, the world may not."""

ROTATION_RETRY_SECONDS: Final = 10.0

_REMEDIES: Final = {
    errno.ENOENT: "create its directory",
    errno.ENOTDIR: "create its directory",
    errno.ENOSPC: "free space on its disk",
    errno.EDQUOT: "free space or raise the quota",
    errno.EACCES: "let the supervisor's user write there",
    errno.EPERM: "let the supervisor's user write there",
    errno.EROFS: "mount it writable",
    errno.EISDIR: "name a file, not a directory",
}


class FileOutlet(Outlet):
    """One log file, shared by every process that names it. ``spec`` may be replaced at any time, from any thread."""

    def __init__(self, path: str, spec: LogSpec, *, warn: Callable[[str], None]) -> None:
        super().__init__()
        self.spec = spec
        self._path = Path(path)
        self._warn = warn
        self._fd: int | None = None
        self._regular = False
        self._size = 0
        self._rotation_trouble = False
        self._rotate_after = 0.0
        self._errno = 0

    def write(self, data: bytes) -> None:
        """Appends whole lines, rotating between two where needed. Raises OutletError."""
        written = 0
        try:
            self._find()
            while written < len(data):
                end = self._fitting(data, written)
                if end == written:
                    self._rotate()
                    continue
                written += self._append(memoryview(data)[written:end])
        except OSError as error:
            self._errno = error.errno or 0
            raise OutletError(error.strerror or str(error), written=self._mend(data, written)) from error

    def failed(self) -> None:
        """Warns, with what to do."""
        remedy = _REMEDIES.get(self._errno, "see to the file")
        self._warn(
            f"log file {self._path} cannot be written: {self.trouble}; lines are dropped until it can: {remedy}, "
            "or change log.file"
        )

    def recovered(self, gap: Gap) -> None:
        """Says what is missing. Not in the file: somebody may be parsing it."""
        self._warn(f"log file {self._path} is written again: {gap}")

    def close(self) -> None:
        """Closes the file; a later write opens it again."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _find(self) -> None:
        """Makes sure that the open file is the one under our name, and knows its size."""
        if self._fd is not None:
            try:
                named, ours = self._path.stat(), os.fstat(self._fd)
            except FileNotFoundError:
                self.close()
            else:
                if (named.st_dev, named.st_ino) != (ours.st_dev, ours.st_ino):
                    self.close()
                self._size = ours.st_size
        if self._fd is None:
            self._open()

    def _open(self) -> None:
        # Non-blocking for the sake of a FIFO without a reader, which is an error then and not a hang.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        self._fd = os.open(self._path, flags, FILE_MODE)
        status = os.fstat(self._fd)
        self._regular = stat.S_ISREG(status.st_mode)
        self._size = status.st_size

    def _fitting(self, data: bytes, start: int) -> int:
        """The end of the lines that go into the current file; ``start`` itself if it must be rotated first."""
        limit = self.spec.max_size_bytes
        room = limit - self._size
        grows = limit <= 0 or not self._regular or time.monotonic() < self._rotate_after
        if grows or len(data) - start <= room:
            return len(data)
        end = data.rfind(b"\n", start, start + max(0, room)) + 1
        if end > start:
            return end
        if self._size > 0:
            return start
        return data.find(b"\n", start) + 1 or len(data)  # one line larger than any file may be gets a file of its own

    def _append(self, data: memoryview) -> int:
        if self._fd is None:
            self._open()
        assert self._fd is not None
        count = os.write(self._fd, data)
        self._size += count
        return count

    def _rotate(self) -> None:
        """Shifts the old files by one. A failure is told once and leaves the file growing: lines matter more than size."""
        try:
            self._shift()
        except OSError as error:
            self._rotate_after = time.monotonic() + ROTATION_RETRY_SECONDS
            if not self._rotation_trouble:
                self._warn(
                    f"log file {self._path} cannot be rotated and grows beyond {self.spec.max_size_bytes} bytes: "
                    f"{error.strerror}; let the supervisor's user write its directory"
                )
            self._rotation_trouble = True
            return
        self._rotation_trouble = False
        self.close()
        self._open()

    def _shift(self) -> None:
        free = 1
        while self._old(free).exists():
            free += 1
        for number in range(free - 1, 0, -1):
            if number >= self.spec.keep:  # falls off the end; several do when ``keep`` was lowered
                self._old(number).unlink()
            else:
                self._old(number).replace(self._old(number + 1))
        if self.spec.keep > 0:
            self._path.replace(self._old(1))
        else:
            self._path.unlink()

    def _old(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _mend(self, data: bytes, written: int) -> int:
        """Takes a torn line back, so that the file holds whole lines only. Returns how much is written after that."""
        whole = data.rfind(b"\n", 0, written) + 1
        if whole < written and self._regular and self._fd is not None:
            with contextlib.suppress(OSError):
                if os.fstat(self._fd).st_size == self._size:  # otherwise somebody else wrote behind it
                    os.ftruncate(self._fd, self._size - (written - whole))
        return whole
