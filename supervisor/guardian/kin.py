"""Is a process inside a run's containment? The daemon's question, answered from /proc without asking the guardian.

Promises: with cgroups, the kernel's own answer. Without: the main process, whoever descends from it or shares its session,
and whoever carries the run's marker in its environment. A process that has ended is inside only if what is left of it says so.
Does not: see into the past: a helper that was double-forked, left the session and cleaned its environment is a stranger
where there are no cgroups.
"""

import os
from typing import Final

from supervisor.guardian.census import cgroup_path, look, variable
from supervisor.guardian.containment import RUN_VARIABLE
from supervisor.guardian.protocol import Ready

_DEEPEST: Final = 64
"""Generations."""


def is_inside(pid: int, *, run: int, main: int, directory: str, ready: Ready) -> bool:
    """``main``: the run's main pid while it is not reaped, else 0. ``directory``: its cgroup; empty: it has none."""
    if pid <= 1:
        return False
    if main and pid == main:
        return True
    if directory:
        return _in_cgroup(pid, ready.path, directory)
    if ready.path:
        return False  # there are cgroups, and none of this run: it is over
    if variable(pid, RUN_VARIABLE.encode()) == f"{ready.marker}{run}".encode():
        return True
    return main > 0 and _descends(pid, main)


def _in_cgroup(pid: int, top: str, directory: str) -> bool:
    _, found, inside = (cgroup_path(pid) or "").partition(f"/{os.path.basename(top)}/")
    return bool(found) and f"{inside}/".startswith(directory.removeprefix(f"{top}/") + "/")


def _descends(pid: int, main: int) -> bool:
    for _ in range(_DEEPEST):
        process = look(pid)
        if process is None:
            return False
        if main in (process.session, process.parent):
            return True
        pid = process.parent
        if pid <= 1:
            return False
    return False
