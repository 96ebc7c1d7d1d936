"""Ends what cannot be looked after any more: an earlier daemon's leftovers, or a dead guardian's children.

Promises: ``kill_leftovers`` returns when nothing of this state directory's earlier daemons is alive, or raises naming
what is; ``Remains`` kills by cgroup where there is one, and by marker, known main pids, their sessions and descendants.
Never kills this process, its ancestors, or a process with another state directory's marker.
Does not: find an orphan that dropped its environment outside a cgroup after its guardian died. (While the guardian
lives it does: see ``containment``.)
"""

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from supervisor.guardian import cgroup
from supervisor.guardian.census import Living, cgroup_path, descendants, everyone, kill_all, look, read_file, variable
from supervisor.guardian.containment import STATE_VARIABLE

_RECORD: Final = "guardian.json"
_ROUND_SECONDS: Final = 0.02


class LeftoversError(Exception):
    """Something of an earlier daemon does not die. The message names it."""


def state_mark(state_dir: str) -> str:
    """Names a state directory in markers and cgroups: the same after every restart, different in another container."""
    root = os.stat("/")  # two containers may share pids and have the same path in different roots
    return f"{_fnv1a(os.fsencode(f'{os.path.realpath(state_dir)}|{root.st_dev}|{root.st_ino}')):016x}"


def _fnv1a(data: bytes) -> int:
    """64 bits of Fowler, Noll and Vo. Nobody's secret hangs on it, and hashlib would bring libcrypto: 3.7 MB."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % (1 << 64)
    return value


def record(state_dir: str, top: str | None) -> None:
    """Note where a guardian keeps its cgroups, before it makes any run. OSError when it cannot be written."""
    text = json.dumps({"v": 1, "pid": os.getpid(), "cgroup": top})
    path = f"{state_dir}/{_RECORD}"
    with suppress(FileNotFoundError):
        os.unlink(f"{path}.new")
    fd = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(f"{path}.new", path)


def kill_leftovers(state_dir: str, *, timeout_seconds: float) -> tuple[str, ...]:
    """End all that earlier daemons of this state directory left; returns whom. Raises LeftoversError."""
    mark = state_mark(state_dir)
    remains = Remains(cgroups=_cgroups(state_dir, mark), variable=STATE_VARIABLE, value=mark, whole=True)
    named: dict[int, str] = {}
    give_up = time.monotonic() + timeout_seconds
    while found := remains.strike():
        named |= {process.pid: str(process) for process in found}
        if time.monotonic() > give_up:
            raise LeftoversError(
                f"left by an earlier supervisor of {state_dir} and not to be killed: {', '.join(map(str, found))}"
            )
        time.sleep(_ROUND_SECONDS)
    remains.remove()
    return tuple(named.values())


def _cgroups(state_dir: str, mark: str) -> list[str]:
    """The recorded subtree, and any of ours beside it in case the record is lost."""
    name = f"{cgroup.PREFIX}{mark}-"
    found: set[str] = set()
    with suppress(OSError, ValueError, TypeError, KeyError):
        found.add(os.fspath(json.loads(read_file(f"{state_dir}/{_RECORD}") or b"")["cgroup"]))
    with suppress(OSError, cgroup.CgroupUnusableError):
        above = cgroup.find_own()
        found.update(f"{above}/{beside}" for beside in os.listdir(above))
    mine = (cgroup_path(os.getpid()) or "").split("/")
    # A wrong or foreign record must not become a weapon: only what bears our name, and never what we are in ourselves.
    return [
        path
        for path in found
        if (last := os.path.basename(path)).startswith(name) and os.path.isdir(path) and last not in mine
    ]


class Remains:
    """Processes that are to die, though their guardian cannot see to it."""

    def __init__(
        self,
        *,
        cgroups: list[str],
        variable: str,
        value: str,
        whole: bool,
        mains: Mapping[int, int] | None = None,
    ) -> None:
        """``value`` is the marker to look for, ``whole`` or as its beginning; ``mains`` are known pids and starts."""
        self._cgroups = cgroups
        self._variable = variable.encode()
        self._value = value.encode()
        self._whole = whole
        self._mains = dict(mains or {})

    def strike(self) -> list[Living]:
        """One round of SIGKILL; returns who was found alive. Nobody found: all are dead."""
        inside: dict[int, Living] = {}
        for top in self._cgroups:
            if cgroup.populated(top):
                inside |= {pid: process for pid in cgroup.pids(top) if (process := look(pid)) is not None}
                cgroup.kill(top)
        found = {process.pid: process for process in kill_all(self._find)}
        return list((inside | found).values())

    def remove(self) -> None:
        """Remove the cgroups, when all are dead."""
        for top in self._cgroups:
            cgroup.remove(top)

    def _find(self) -> list[Living]:
        processes = everyone()
        spared = {os.getpid()}
        at = processes.get(os.getpid())
        while at is not None and at.parent in processes and at.parent not in spared:
            spared.add(at.parent)
            at = processes[at.parent]
        roots = [p.pid for p in processes.values() if p.pid not in spared and self._is_ours(p)]
        return [p for p in descendants(roots, processes) if p.pid not in spared and not p.zombie]

    def _is_ours(self, process: Living) -> bool:
        start = self._mains.get(process.pid, self._mains.get(process.session))
        if start is not None and (process.start == start if process.pid in self._mains else process.start >= start):
            return True
        marker = variable(process.pid, self._variable)
        if marker is None:
            return False
        return marker == self._value if self._whole else marker.startswith(self._value)
