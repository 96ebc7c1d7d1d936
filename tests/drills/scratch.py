"""Directories of a run: they go with it, or with the next run should it have died, unless they are kept as evidence."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from supervisor.guardian.leftovers import LeftoversError, kill_leftovers

_PREFIX = "drill-"
_OWNER = "owner"
_MEMORY = Path("/dev/shm")


def start_of(pid: int) -> int:
    """When a process began, in clock ticks: a pid may be used again, this pair is not. 0: there is no such process."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0


def make(*, in_memory: bool = False) -> Path:
    """A directory of this process; on tmpfs, if there is one, where the disk's speed is not the subject."""
    made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_MEMORY if in_memory and _MEMORY.is_dir() else None))
    (made / _OWNER).write_text(f"{os.getpid()} {start_of(os.getpid())}")
    return made


def keep(directory: Path) -> None:
    """Nobody removes it any more but people."""
    (directory / _OWNER).unlink(missing_ok=True)


def sweep() -> None:
    """Remove those whose owner is dead, and the cgroups that its guardians may have left."""
    for above in {Path(tempfile.gettempdir()), _MEMORY}:
        for owner in above.glob(f"{_PREFIX}*/{_OWNER}"):
            with suppress(OSError, ValueError):
                pid, start = owner.read_text().split()
                if start_of(int(pid)) != int(start):
                    remove(owner.parent)


def remove(directory: Path) -> None:
    """All of it, and the cgroups of the state directories in it."""
    for state in directory.glob("*/state"):
        with suppress(OSError, LeftoversError):
            kill_leftovers(str(state), timeout_seconds=10)
    shutil.rmtree(directory, ignore_errors=True)
