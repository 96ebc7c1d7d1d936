"""Who else could change a file: for root, whose configuration is what runs as root.

Promises: a file that another user than root owns or may write to, and one that could be replaced by way of a directory or a
symbolic link on its path, has a reason here; a sticky directory such as /tmp lets nobody replace root's, and on a
read-only mount nobody writes. The way is walked here, and judged by the rule that ``doctor`` has too (``core.fitness.places``).
Does not: open anything, or change any mode.
"""

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from supervisor.core.fitness.facts import StepFacts
from supervisor.core.fitness.places import changer

ROOT = 0
MAX_LINKS = 40
"""As the kernel."""

REMEDY = "--insecure-permissions accepts it as it is"


def problem(path: Path) -> tuple[str, str] | None:
    """Why root should not believe what the file at ``path`` says, and what to do; None when nobody else can change it."""
    for step in steps(path):
        found = changer(step, ROOT)
        if found is not None:
            what = "this file" if step.last else "the symbolic link" if step.link else "the directory"
            shown = what if step.last and step.path == str(path.absolute()) else f"{what} {step.path}"
            why = f"{shown} {found.why}: whoever that is could have root run anything"
            return why, f"run: {found.remedy} {step.path}; or {REMEDY}"
    return None


def steps(path: Path) -> Iterator[StepFacts]:
    """Every directory and symbolic link that is passed on the way to a place, and the place. Ends where it cannot be looked at.

    Where nobody writes, on a read-only mount (a ConfigMap's directory has mode 0777), modes mean nothing: those are left out.
    """
    here, left, links = Path("/"), [*path.absolute().parts[1:]], 0
    try:
        yield from _step(here, here.lstat(), last=not left)
        while left:
            name = left.pop(0)
            if name == "..":
                here = here.parent
                continue
            here = here / name
            status = here.lstat()
            link = stat.S_ISLNK(status.st_mode)
            yield from _step(here, status, last=not left and not link)
            if link:
                links += 1
                if links > MAX_LINKS:
                    return
                target = here.readlink()
                left = [*(target.parts[1:] if target.is_absolute() else target.parts), *left]
                here = Path("/") if target.is_absolute() else here.parent
    except OSError:
        return  # whoever reads the file says what is wrong with it


def _step(path: Path, status: os.stat_result, *, last: bool) -> Iterator[StepFacts]:
    link = stat.S_ISLNK(status.st_mode)
    if _read_only(path.parent if link else path):
        return
    owner = group = ""
    with suppress(KeyError):
        owner = pwd.getpwuid(status.st_uid).pw_name
    with suppress(KeyError):
        group = grp.getgrgid(status.st_gid).gr_name
    yield StepFacts(
        path=str(path),
        uid=status.st_uid,
        gid=status.st_gid,
        mode=stat.S_IMODE(status.st_mode),
        link=link,
        last=last,
        owner=owner,
        group=group,
    )


def _read_only(path: Path) -> bool:
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False
