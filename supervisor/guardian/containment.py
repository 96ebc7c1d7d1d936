"""What holds the processes of a run together, and knows when none is left.

Promises: "empty" is observed. A run is empty when its main pid is reaped and (a) its cgroup is unpopulated, where there
are cgroups, and (b) no child of the guardian is left that may be of the run. The guardian is a child subreaper: whoever
double-forks becomes its child, and stays one (as a zombie at last) until the guardian itself reaps it. So a look at
the guardian's own children that finds none of the run proves that there was none when the look began, and then there
cannot be one later.
An orphan is ascribed by what was seen of it before, its cgroup, the marker in its environment, or its session. One that
hides all four is suspected of every run that is older than it: blocked on, and killed with the first of them.
Does not: notice work handed to someone else's daemon (``systemd-run``, ``docker run``).
"""

import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from supervisor.guardian import cgroup
from supervisor.guardian.census import (
    Living,
    cgroup_path,
    descendants,
    everyone,
    kill_all,
    look,
    own_children,
    send,
    variable,
)
from supervisor.guardian.record import changing_record

STATE_VARIABLE: Final = "SUPERVISOR_STATE"
"""Marks every child with the state directory it belongs to: how a later daemon finds what an earlier one left."""
RUN_VARIABLE: Final = "SUPERVISOR_RUN"
"""Marks every child with its guardian and run."""


@changing_record
class Box:
    """What is known of one run's processes."""

    run: int
    term: str | None
    top: str | None
    inside: str
    """Its cgroup, below ``top``."""
    events_fd: int | None
    """cgroup.events: POLLPRI when it becomes empty."""
    main: int = 0
    """Its main pid, and the session that this makes."""
    start: int = 0
    reaped: bool = False
    others: frozenset[int] = frozenset()
    """Sessions ever seen in it, beside that of its main pid."""

    @property
    def directory(self) -> str | None:
        """Its cgroup."""
        return None if self.top is None else f"{self.top}/{self.inside}"

    @property
    def procs(self) -> str | None:
        """What the child writes itself into before exec."""
        return None if (directory := self.directory) is None else cgroup.procs_file(directory)

    def saw(self, session: int) -> None:
        """Somebody of the run was seen in this session."""
        if session != self.main and session not in self.others:
            self.others |= {session}

    def knows(self, session: int) -> bool:
        """Whether somebody of the run ever was."""
        return session == self.main or session in self.others


def run_directory(term: str | None, run: int, scope: str) -> str:
    """The cgroup of a run, below the guardian's own."""
    of_term = "no-term" if term is None else f"term.{_file_name(term)}"
    return f"{of_term}/{run}.{_file_name(scope)}"


class Containment:
    """All runs of one guardian."""

    def __init__(self, *, state: str, instance: str, top: str | None) -> None:
        self.kind = "session" if top is None else "cgroup"
        self.top = top
        self.marker = f"{instance}."
        self.helpers: set[int] = set()
        """Children of the guardian that are no run's."""
        self._state = state
        self._boxes: dict[int, Box] = {}
        self._owners: dict[tuple[int, int], int] = {}

    def open(self, run: int, term: str | None, scope: str) -> Box:
        """Make the place for a run. OSError when its cgroup cannot be made."""
        inside, events_fd = "", None
        if self.top is not None:
            inside = run_directory(term, run, scope)
            directory = f"{self.top}/{inside}"
            os.makedirs(directory)
            events_fd = os.open(f"{directory}/cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
            os.read(events_fd, 256)  # kernfs tells only readers of what has changed since they read
        term = None if term is None else sys.intern(term)
        self._boxes[run] = Box(run=run, term=term, top=self.top, inside=inside, events_fd=events_fd)
        return self._boxes[run]

    def enter(self, run: int, pid: int) -> None:
        """The run's main pid: just forked and not reaped, so the pid is its for now."""
        box, process = self._boxes[run], look(pid)
        assert process is not None, "a child that nobody reaped is in /proc"
        box.main, box.start = pid, process.start

    def variables(self, run: int) -> dict[str, str]:
        """What every child of the run carries in its environment."""
        return {STATE_VARIABLE: self._state, RUN_VARIABLE: f"{self.marker}{run}"}

    def reaped(self, run: int) -> None:
        """The main pid was waited for; from now on it may be anyone's."""
        self._boxes[run].reaped = True

    def close(self, run: int) -> None:
        """Forget a run that is empty, and remove its cgroup."""
        box = self._boxes.pop(run)
        self._owners = {key: owner for key, owner in self._owners.items() if owner != run}
        if box.events_fd is not None:
            os.close(box.events_fd)
        if (directory := box.directory) is not None:
            cgroup.remove(directory)
            if not any(other.term == box.term for other in self._boxes.values()):
                cgroup.remove(os.path.dirname(directory))

    def remove(self) -> None:
        """Remove the whole subtree, when nothing runs."""
        if self.top is not None:
            cgroup.remove(self.top)

    def empty(self, runs: Iterable[int]) -> set[int]:
        """Those of the runs in which nothing is alive."""
        boxes = [self._boxes[run] for run in runs]
        candidates = {b.run for b in boxes if b.reaped and not ((at := b.directory) and cgroup.populated(at))}
        if candidates:
            found = own_children()
            for process, owners in self._our_children(everyone() if found is None else found):
                # Zombies count: one that hides a child born during the look is reaped first, and then looked again.
                candidates -= owners if not process.zombie else owners or set(candidates)
        return candidates

    def kill(self, runs: set[int]) -> None:
        """One round of SIGKILL for all of these runs. Repeat it until they are empty."""
        boxes = [self._boxes[run] for run in runs]
        for box in boxes:
            if (directory := box.directory) is not None:
                cgroup.kill(directory)
                # Between fork and its entry the main pid is in no cgroup of ours; unreaped, its pid is still its.
                if not box.reaped:
                    with suppress(ProcessLookupError):
                        os.kill(box.main, signal.SIGKILL)
        if self.top is None:
            kill_all(lambda: self._members(runs))
        else:
            for process in self._members(runs):
                send(process, signal.SIGKILL)

    def signal(self, run: int, signo: int, *, but: int) -> None:
        """Signal everyone alive in a run but one, once. Who is forked meanwhile may not hear of it."""
        for process in self._alive({run}).values():
            if process.pid != but:
                send(process, signo)

    def names(self, runs: set[int]) -> tuple[str, ...]:
        """``pid (name)`` of everyone alive in these runs."""
        found = self._alive(runs)
        return tuple(str(found[pid]) for pid in sorted(found))

    def _alive(self, runs: set[int]) -> dict[int, Living]:
        found = {process.pid: process for process in self._members(runs)}
        for run in runs:
            directory = self._boxes[run].directory
            for pid in cgroup.pids(directory) if directory is not None else ():
                if pid not in found and (process := look(pid)) is not None:
                    found[pid] = process
        return found

    # --- whose is it -------------------------------------------------------------------------------------------------

    def _members(self, runs: set[int]) -> list[Living]:
        processes = everyone()
        members: dict[int, Living] = {}
        for top, owners in self._our_children(processes):
            tree = list(descendants([top.pid], processes))
            if len(owners) == 1:
                self._remember(next(iter(owners)), tree)
            if owners & runs:
                members.update({process.pid: process for process in tree if not process.zombie})
        return list(members.values())

    def _remember(self, run: int, tree: list[Living]) -> None:
        box = self._boxes[run]
        for process in tree:
            self._owners[process.key] = run
            if process.start >= box.start:
                box.saw(process.session)

    def _our_children(self, processes: dict[int, Living]) -> list[tuple[Living, set[int]]]:
        """The guardian's own children with the runs that each is, or may be, of."""
        me = os.getpid()
        mains = {box.main: box.run for box in self._boxes.values() if not box.reaped}
        return [
            (process, {mains[process.pid]} if process.pid in mains else self._owners_of(process))
            for process in processes.values()
            if process.parent == me and process.pid not in self.helpers
        ]

    def _owners_of(self, orphan: Living) -> set[int]:
        known = self._owners.get(orphan.key)
        if known is not None:
            return {known}
        if (run := self._by_cgroup(orphan.pid)) is not None or (run := self._by_marker(orphan.pid)) is not None:
            return {run}
        older = {run: box for run, box in self._boxes.items() if box.main and box.start <= orphan.start}
        by_session = {run for run, box in older.items() if box.knows(orphan.session)}
        return by_session or set(older)

    def _by_cgroup(self, pid: int) -> int | None:
        if self.top is None:
            return None
        _, found, inside = (cgroup_path(pid) or "").partition(f"/{os.path.basename(self.top)}/")
        for box in self._boxes.values() if found else ():
            if (inside + "/").startswith(f"{box.inside}/"):
                return box.run
        return None

    def _by_marker(self, pid: int) -> int | None:
        marker = (variable(pid, RUN_VARIABLE.encode()) or b"").decode(errors="replace")
        if not marker.startswith(self.marker):
            return None
        number = marker.removeprefix(self.marker)
        run = int(number) if number.removeprefix("-").isdecimal() else None
        return run if run in self._boxes else None


def _file_name(text: str) -> str:
    """Letters, digits, dots, dashes; no separator, no surprise, not too long."""
    # The end of a long name is what tells it from others: a term's token, a scope's number.
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in text)[-100:]
