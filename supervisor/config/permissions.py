"""Who else could change a file: for root, whose configuration is what runs as root.

Promises: a file that another user than root owns or may write to, and one that could be replaced by way of a directory or a
symbolic link on its path, has a reason here; a sticky directory such as /tmp lets nobody replace root's, and on a
read-only mount nobody writes. Does not: open anything, or change any mode.
"""

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

ROOT = 0
MAX_LINKS = 40
"""As the kernel."""

REMEDY = "--insecure-permissions accepts it as it is"


def problem(path: Path) -> tuple[str, str] | None:
    """Why root should not believe what the file at ``path`` says, and what to do; None when nobody else can change it."""
    for way, status, is_last in _chain(path):
        what = "this file" if is_last else "the symbolic link" if stat.S_ISLNK(status.st_mode) else "the directory"
        found = _who(status, is_last=is_last)
        if found is not None and not _read_only(way):
            why, mend = found
            shown = what if is_last and way == path.absolute() else f"{what} {way}"
            return f"{shown} {why}: whoever that is could have root run anything", f"run: {mend} {way}; or {REMEDY}"
    return None


def _who(status: os.stat_result, *, is_last: bool) -> tuple[str, str] | None:
    """By whom it can be changed, and the command against it."""
    if status.st_uid != ROOT:
        return f"belongs to {_user(status.st_uid)}", "chown -h root" if stat.S_ISLNK(status.st_mode) else "chown root"
    if stat.S_ISLNK(status.st_mode) or (not is_last and status.st_mode & stat.S_ISVTX):
        return None
    if status.st_mode & stat.S_IWOTH:
        return "may be written to by everybody", "chmod go-w"
    if status.st_mode & stat.S_IWGRP and status.st_gid != ROOT:
        return f"may be written to by the group {_group(status.st_gid)}", "chmod g-w"
    return None


def _chain(path: Path) -> Iterator[tuple[Path, os.stat_result, bool]]:
    """Every directory and symbolic link that is passed on the way to a file, and the file. Ends where it cannot be looked at."""
    here, left, links = Path("/"), [*path.absolute().parts[1:]], 0
    try:
        yield here, here.lstat(), False
        while left:
            name = left.pop(0)
            if name == "..":
                here = here.parent
                continue
            here = here / name
            status = here.lstat()
            yield here, status, not left and not stat.S_ISLNK(status.st_mode)
            if stat.S_ISLNK(status.st_mode):
                links += 1
                if links > MAX_LINKS:
                    return
                target = here.readlink()
                left = [*(target.parts[1:] if target.is_absolute() else target.parts), *left]
                here = Path("/") if target.is_absolute() else here.parent
    except OSError:
        return  # whoever reads the file says what is wrong with it


def _read_only(path: Path) -> bool:
    """As a ConfigMap is mounted, whose directory has mode 0777."""
    try:
        return bool(os.statvfs(path if not path.is_symlink() else path.parent).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _user(uid: int) -> str:
    try:
        return f"the user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"the user {uid}"


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
