"""A log file that rotates by size and by age.

Promises: appends whole lines in order and loses none by rotating or reopening; no file exceeds the size given unless a
single line does; at most ``keep`` old files stay, ``FILE.1`` the youngest; a file that somebody else moved, removed or
truncated is found again at the next line, so ``logrotate`` and ``rm`` both work; a directory that goes away under a file
in use is made again. What is made new after a rotation has the mode and owner of what was rotated.
Does not: make directories it has never written to (a mistyped path must not grow a tree), follow a symbolic link as the
file itself (whoever may write the directory could lead it anywhere), or write to a file that is no longer there under its
name. What is not a regular file (``/dev/null``, a FIFO) is written and never rotated.
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
from supervisor.processes.packer import Packer
from supervisor.processes.rotation import Series
from supervisor.processes.sink import STALL_SECONDS, Gap, Outlet, OutletError

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
    errno.ELOOP: "name the file itself, not a symbolic link to it",
}


class FileOutlet(Outlet):
    """One log file, shared by every process that names it. ``spec`` may be replaced at any time, from any thread."""

    def __init__(
        self,
        path: str,
        spec: LogSpec,
        *,
        warn: Callable[[str], None],
        packer: Packer,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """``wall_clock``: seconds since the epoch. It says which day a line belongs to, and nothing else."""
        super().__init__()
        self.spec = spec
        self._path = Path(path)
        self._series = Series(self._path)
        self._warn = warn
        self._packer = packer
        self._wall_clock = wall_clock
        self._fd: int | None = None
        self._regular = False
        self._size = 0
        self._written_at = 0.0
        """By the wall clock, of the last line in the file."""
        self._directory: os.stat_result | None = None
        self._rotation_trouble = False
        self._rotate_after = 0.0
        self._errno = 0

    def write(self, data: bytes) -> None:
        """Appends whole lines, rotating between two where needed. Raises OutletError."""
        written = 0
        try:
            self._find()
            if self._is_of_another_age():
                self._rotate()
            while written < len(data):
                end = self._fitting(data, written)
                if end == written:
                    self._rotate()
                    continue
                written += self._append(memoryview(data)[written:end])
            self._written_at = self._wall_clock()
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

    def hung(self) -> None:
        """Warns."""
        self._warn(
            f"log file {self._path} has taken nothing for {STALL_SECONDS:g} s; lines are dropped until it does: "
            "see to its disk"
        )

    def recovered(self, gap: Gap) -> None:
        """Says what is missing. Not in the file: somebody may be parsing it."""
        self._warn(f"log file {self._path} is written again: {gap}")

    def reopen(self) -> None:
        """Closes the file and opens what is under its name, or makes it. Raises OSError."""
        self.close()
        self._open()

    def close(self) -> None:
        """Closes the file; a later write opens it again."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    # --- finding it ------------------------------------------------------------------------------------------------

    def _find(self) -> None:
        """Makes sure that the open file is the one under our name, and knows its size."""
        if self._fd is not None:
            try:
                named, ours = self._path.stat(follow_symlinks=self._is_device()), os.fstat(self._fd)
            except FileNotFoundError:
                self.close()
            else:
                if (named.st_dev, named.st_ino) != (ours.st_dev, ours.st_ino):
                    self.close()
                self._size = ours.st_size
        if self._fd is None:
            self._open()

    def _is_device(self) -> bool:
        return str(self._path.parent) in ("/dev", "/dev/fd")  # only root makes links there: /dev/stdout is one

    def _open(self) -> None:
        # Non-blocking for the sake of a FIFO without a reader, which is an error then and not a hang.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        if not self._is_device():
            flags |= os.O_NOFOLLOW
        try:
            self._fd = os.open(self._path, flags, FILE_MODE)
        except FileNotFoundError:
            if self._directory is None:
                raise
            self._make_directory_again(self._directory)
            self._fd = os.open(self._path, flags, FILE_MODE)
        status = os.fstat(self._fd)
        self._regular = stat.S_ISREG(status.st_mode)
        self._size = status.st_size
        self._written_at = status.st_mtime
        if self._directory is None:
            self._directory = self._path.parent.stat()

    def _make_directory_again(self, like: os.stat_result) -> None:
        directory = self._path.parent
        directory.mkdir(mode=0o700)
        with contextlib.suppress(OSError):
            os.chown(directory, like.st_uid, like.st_gid)
        directory.chmod(stat.S_IMODE(like.st_mode))

    # --- writing it ------------------------------------------------------------------------------------------------

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

    def _mend(self, data: bytes, written: int) -> int:
        """Takes a torn line back, so that the file holds whole lines only. Returns how much is written after that."""
        whole = data.rfind(b"\n", 0, written) + 1
        if whole < written and self._regular and self._fd is not None:
            with contextlib.suppress(OSError):
                if os.fstat(self._fd).st_size == self._size:  # otherwise somebody else wrote behind it
                    os.ftruncate(self._fd, self._size - (written - whole))
        return whole

    # --- rotating it -----------------------------------------------------------------------------------------------

    def _is_of_another_age(self) -> bool:
        """Whether the last line was written in an earlier day, hour or whatever ``max_age`` is, of UTC."""
        age = self.spec.max_age_seconds
        if age is None or not self._regular or self._size == 0 or time.monotonic() < self._rotate_after:
            return False
        return self._written_at // age != self._wall_clock() // age

    def _rotate(self) -> None:
        """Shifts the old files by one. A failure is told once and leaves the file growing: lines matter more than size."""
        try:
            like = os.fstat(self._fd) if self._fd is not None else None
            self._series.shift(self.spec.keep)
        except OSError as error:
            self._rotate_after = time.monotonic() + ROTATION_RETRY_SECONDS
            if not self._rotation_trouble:
                self._warn(
                    f"log file {self._path} cannot be rotated and grows beyond its limits: {error.strerror}; "
                    "let the supervisor's user write its directory"
                )
            self._rotation_trouble = True
            return
        self._rotation_trouble = False
        self.close()
        self._open()
        self._take_after(like)
        if self.spec.compress and self.spec.keep > 0:
            self._packer.ask(self._series, str(self._path), self._warn)

    def _take_after(self, like: os.stat_result | None) -> None:
        """Mode and owner that somebody gave the file stay with its name."""
        if like is None or self._fd is None:
            return
        with contextlib.suppress(OSError):
            new = os.fstat(self._fd)
            if (new.st_uid, new.st_gid) != (like.st_uid, like.st_gid):
                os.fchown(self._fd, like.st_uid, like.st_gid)
            if stat.S_IMODE(new.st_mode) != stat.S_IMODE(like.st_mode):
                os.fchmod(self._fd, stat.S_IMODE(like.st_mode))
