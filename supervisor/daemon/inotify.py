"""inotify: wakes when something in one of some directories changed.

Promises: non-blocking; a directory that cannot be watched, or a kernel that has no watches left, is no error: whoever
waits looks again now and then. Directories, not files: a rename-save replaces the file that a watch on it would still
be looking at. Does not: say what changed; compare.
Ours, not a library's, because those that are kept load anyio and a thread (5 MB) or start ldconfig to find libc.
"""

import ctypes
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

_CLOSE_WRITE, _ATTRIB, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x8, 0x4, 0x40, 0x80, 0x100, 0x200
_MASK: Final = _CLOSE_WRITE | _ATTRIB | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE
"""Not every write: a log that grows beside the file would keep us awake. Whoever saves a file closes it."""
_ONLYDIR: Final = 0x01000000


class Inotify:
    """One set of watched directories."""

    def __init__(self) -> None:
        """Raises OSError where inotify is not to be had."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        self._watches: set[int] = set()

    def fileno(self) -> int:
        """Readable when something changed; then ``drain``."""
        return self._fd

    def cover(self, directories: Iterable[os.PathLike[str]]) -> None:
        """Watch these and no others, as they are now: a directory that was replaced is watched anew."""
        paths = {os.fsencode(directory) for directory in directories}
        found = {self._libc.inotify_add_watch(self._fd, path, _MASK | _ONLYDIR) for path in paths}
        for watch in self._watches - found:
            self._libc.inotify_rm_watch(self._fd, watch)  # fails when its directory is gone, and the watch with it
        self._watches = {watch for watch in found if watch >= 0}

    def drain(self) -> None:
        """Forget what was told."""
        with suppress(BlockingIOError):
            while os.read(self._fd, 1 << 16):
                pass

    def close(self) -> None:
        """Watch nothing any more."""
        os.close(self._fd)
