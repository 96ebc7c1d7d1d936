"""The old files beside a log file: ``FILE.1`` the youngest, ``FILE.2.gz`` a packed one.

Promises: names are moved by rename only, so a crash leaves every old file whole under one name; at most ``keep`` stay; a
packed file appears whole, after it is on the disk, and before the one it was made of goes: a crash in between leaves
both, and the next round takes the other away. Writer and packer may work at the same time: names change under one lock.
Does not: touch numbers beyond a gap; they may be somebody else's.
"""

import contextlib
import os
import stat
import threading
import zlib
from pathlib import Path
from typing import Final

_COPY_BYTES: Final = 256 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS
"""zlib's word for gzip's own header and trailer."""


class Series:
    """One log file's old ones."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._half = path.with_name(f"{path.name}.gz.part")

    def shift(self, keep: int) -> None:
        """Makes the file itself ``FILE.1``; everything else moves on, the surplus goes. Raises OSError."""
        with self._lock:
            free = 1
            while self._of(free):
                free += 1
            for number in range(free - 1, 0, -1):
                for old in self._of(number):
                    if number >= keep:  # falls off the end; several do when ``keep`` was lowered
                        old.unlink()
                    else:
                        old.replace(self._named(number + 1, old.suffix == ".gz"))
            if keep > 0:
                self._path.replace(self._named(1, packed=False))
            else:
                self._path.unlink()

    def pack(self) -> None:
        """Packs every old file that is not yet, the youngest first. Raises OSError."""
        self._half.unlink(missing_ok=True)  # of a supervisor that did not come to the end
        number = 1
        while old := self._of(number):
            if not old[0].name.endswith(".gz"):
                self._pack(old[0], number)
            number += 1

    def _pack(self, plain: Path, number: int) -> None:
        try:
            source = os.open(plain, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:  # rotated away meanwhile
            return
        try:
            status = os.fstat(source)
            if not stat.S_ISREG(status.st_mode):
                return
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            target = os.open(self._half, flags, 0o600)
            try:
                _gzip(source, target)
                os.fchown(target, status.st_uid, status.st_gid)
                os.fchmod(target, stat.S_IMODE(status.st_mode))
                os.fsync(target)
            finally:
                os.close(target)
            self._replace(status.st_ino, number)
        finally:
            os.close(source)
            with contextlib.suppress(OSError):
                self._half.unlink(missing_ok=True)

    def _replace(self, inode: int, number: int) -> None:
        """Puts the packed file in the place of the one it was made of, wherever that has moved meanwhile."""
        with self._lock:
            while old := self._of(number):
                if old[0].lstat().st_ino == inode:
                    self._half.replace(self._named(number, packed=True))
                    old[0].unlink()
                    return
                number += 1

    def _of(self, number: int) -> list[Path]:
        """The files of a number: the plain one before the packed one, which a crash may have left beside it."""
        both = (self._named(number, packed=False), self._named(number, packed=True))
        return [path for path in both if os.path.lexists(path)]

    def _named(self, number: int, packed: bool) -> Path:  # private, and named at each call
        return self._path.with_name(f"{self._path.name}.{number}{'.gz' if packed else ''}")


def _gzip(source: int, target: int) -> None:
    packer = zlib.compressobj(level=6, wbits=_GZIP)
    while chunk := os.read(source, _COPY_BYTES):
        _write(target, packer.compress(chunk))
    _write(target, packer.flush())


def _write(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]
