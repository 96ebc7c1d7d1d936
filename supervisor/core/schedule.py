"""When something follows from time alone: what the shell sets its timer to.

Promises: pure; an early ``Ticked`` is harmless, so an instant may be named that turns out to ask for nothing; a ``Schedule``
answers as ``next_due`` does, and remembers what it found for each election and process while that is the same object.
"""

from bisect import bisect_right

from supervisor.core.draft import Draft
from supervisor.core.names import ElectionName, Instant, ProcessId
from supervisor.core.state import Election, ElectionPhase, Process, ProcessPhase, State

Due = tuple[Instant, ...]


class Schedule:
    """Asked again and again about states that follow one another."""

    def __init__(self) -> None:
        self._elections: dict[ElectionName, tuple[Election, Due]] = {}
        self._processes: dict[ProcessId, tuple[Process, Due]] = {}
        self._of: State | None = None
        self._found: list[Instant] = []
        """All that elections and processes of that state wait for, in order."""

    def next_due(self, state: State, *, after: Instant) -> Instant | None:
        """The first instant later than ``after`` at which something follows from time alone; None when nothing does.

        ``after`` is when ``Ticked`` was last given: what was due by then has been answered, and waits for something else.
        """
        of = self._of
        if of is None or of.elections is not state.elections or of.processes is not state.processes:
            self._found = sorted(self._look(state))
        self._of = state
        found = [at for at in _of_sessions(state) if at > after]
        found += self._found[(place := bisect_right(self._found, after)) : place + 1]
        return min(found, default=None)

    def _look(self, state: State) -> list[Instant]:
        found: list[Instant] = []
        elections, processes = self._elections, self._processes
        for name, e in state.elections.items():
            known = elections.get(name)
            if known is None or known[0] is not e:
                known = elections[name] = (e, of_election(e))
            found += known[1]
        for pid, p in state.processes.items():
            known_p = processes.get(pid)
            if known_p is None or known_p[0] is not p:
                known_p = processes[pid] = (p, of_process(p))
            found += known_p[1]
        if len(elections) > len(state.elections) or len(processes) > len(state.processes):
            self._elections, self._processes = {}, {}  # some were removed: the others are found anew
        return found


def next_due(state: State, *, after: Instant) -> Instant | None:
    """As ``Schedule.next_due``, for a state by itself."""
    return Schedule().next_due(state, after=after)


def _of_sessions(state: State) -> list[Instant]:
    due: list[Instant] = []
    for s in state.sessions.values():
        if not s.asked:
            due.append(s.next_at)
        if s.lease is not None:
            due.append(s.lease_deadline if s.lost else s.renew_deadline)
            if s.confirmed_at and s.confirming_at is None:
                due.append(s.confirm_at)
    due += [d.next_at for d in state.doomed.values() if not d.asked]
    due += [s.next_at for s in state.sights.values() if not s.asked]
    return due


def of_election(e: Election) -> Due:
    """Times that an election's phase waits for. What waits for an answer waits for no time."""
    due: list[Instant | None] = []
    if not e.asked and not e.disarming:
        due.append(e.retry_at)
    match e.phase:
        case ElectionPhase.DETACHED:
            due += [e.hold_until, None if e.standby else Instant(e.since + e.spec.ttl_seconds)]
        case ElectionPhase.FOLLOWING:
            due += [e.campaign_deadline, None if e.proclaiming is not None else e.proclaim_at]
        case ElectionPhase.LEADING | ElectionPhase.PROVING:
            due.append(None if e.proclaiming is not None else e.proclaim_at)
            due.extend(p.clear_at for p in e.waits_for)
        case _:
            pass
    return tuple(at for at in due if at is not None)


def of_process(p: Process) -> Due:
    """Times that a process waits for."""
    ends_by = p.ends_by if p.phase in (ProcessPhase.STARTING, ProcessPhase.RUNNING) else None
    return tuple(at for at in (None if p.killed else p.kill_at, p.retry_at, p.ready_by, ends_by) if at is not None)


def touch_due(draft: Draft) -> None:
    """Mark for the reconciler whatever has come due."""
    now = draft.now
    for e in draft.elections.values():
        due = of_election(e)
        if due and min(due) <= now:
            draft.dirty.add(e.spec.name)
    for p in draft.processes.values():
        if any(at <= now for at in of_process(p)):
            draft.dirty.add(p.id.election)
