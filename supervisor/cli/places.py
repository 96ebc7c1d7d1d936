"""What ``doctor`` looks at of a place: every step on the way to it, whether we can write there, and how much room there is.

Promises: the trial file has no name and is gone when it is closed; nothing is made that was not there.
"""

import errno
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from supervisor.config.permissions import steps
from supervisor.core.evolve import replace
from supervisor.core.fitness.facts import PlaceFacts
from supervisor.core.spec import LogTarget, ProcessSpec

_NETWORK: Final = ("nfs", "cifs", "smb", "ceph", "glusterfs", "fuse.glusterfs", "fuse.sshfs", "afs", "9p")
_TRIAL_BYTES: Final = 4096


def file(path: Path, check: str, what: str, *, secret: bool = False) -> PlaceFacts:
    """A file that is read."""
    return PlaceFacts(check=check, path=str(path.absolute()), what=what, steps=tuple(steps(path)), secret=secret)


def directory(path: Path, check: str, what: str) -> PlaceFacts:
    """A directory that is written to, or the one that it would be made in."""
    path = path.absolute()
    facts = PlaceFacts(check=check, path=str(path), what=what, steps=tuple(steps(path)))
    there = next((at for at in (path, *path.parents) if at.exists()), Path("/"))
    if not there.is_dir():
        return replace(facts, write_error=f"{there} is not a directory")
    room = os.statvfs(there)
    return replace(
        facts,
        write_error=_trial(there, exists=there == path),
        free_bytes=room.f_bavail * room.f_frsize,
        free_inodes=room.f_favail if room.f_files else None,
        network=_network(there),
    )


def logs(processes: Iterable[ProcessSpec]) -> list[PlaceFacts]:
    """Where the processes' output goes."""
    found: dict[Path, None] = {}
    for process in processes:
        if LogTarget.FILE in process.log.destinations():
            named = (process.log.file, process.log.stderr_file)
            found.update(dict.fromkeys(Path(name).parent for name in named if name is not None))
    return [directory(path, "log.directory", "a log's directory") for path in found]


def _trial(there: Path, *, exists: bool) -> str:
    """Why nothing can be written there; empty when it can."""
    try:
        if not exists:  # to be made later: no trial may leave a directory behind
            return "" if os.access(there, os.W_OK | os.X_OK) else f"it cannot be made: {there} is not writable"
        with tempfile.TemporaryFile(dir=there) as trial:
            trial.write(b"\0" * _TRIAL_BYTES)
            trial.flush()
            os.fsync(trial.fileno())
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        return f"cannot write there: {'no space left' if full else error.strerror}"
    return ""


def _network(path: Path) -> str:
    """The kind of file system, if it is another machine's."""
    device = path.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text(errors="replace").splitlines():
        left, _, right = line.partition(" - ")
        kind = right.split(" ")[0]
        if left.split()[2] == wanted and kind.startswith(_NETWORK):
            return kind
    return ""
