"""When something follows from time alone: what the shell sets its timer to.

Promises: pure; an early ``Ticked`` is harmless, so an instant may be named that turns out to ask for nothing; a ``Schedule``
answers as ``next_due`` does, from the steps that it was told of.
"""

import heapq
import itertools

from supervisor.core.draft import Draft
from supervisor.core.evolve import replace
from supervisor.core.names import ElectionName, Instant, ProcessId
from supervisor.core.state import Election, ElectionPhase, Process, ProcessPhase, State
from supervisor.core.written import written

Due = tuple[Instant, ...]
_CALM = (ElectionPhase.LEADING, ElectionPhase.FOLLOWING)


class Schedule:
    """Told of every step, and asked now and then: what one election waits for costs nothing while another moves."""

    def __init__(self) -> None:
        self._due: dict[ElectionName | ProcessId, Due] = {}
        self._stale_elections: set[ElectionName] = set()
        self._stale_processes: set[ProcessId] = set()
        """What was written since it was last asked."""
        self._heap: list[tuple[Instant, int, ElectionName | ProcessId]] = []
        """Every instant ever named that is still to come; what is waited for no more is passed over when its time comes."""
        self._numbers = itertools.count()

    def note(self, before: State, after: State) -> None:
        """A step was made."""
        self._stale_elections.update(written(before.elections, after.elections))
        self._stale_processes.update(written(before.processes, after.processes))

    def next_due(self, state: State, *, after: Instant) -> Instant | None:
        """The first instant later than ``after`` at which something follows from time alone; None when nothing does.

        ``state`` is the one last noted. ``after`` is when ``Ticked`` was last given, and only ever rises: what was due by then
        has been answered, and waits for something else.
        """
        for name in self._stale_elections:
            e = state.elections.get(name)
            self._set(name, () if e is None else of_election(e))
        for pid in self._stale_processes:
            p = state.processes.get(pid)
            self._set(pid, () if p is None else of_process(p))
        self._stale_elections.clear()
        self._stale_processes.clear()
        heap = self._heap
        while heap and (heap[0][0] <= after or heap[0][0] not in self._due.get(heap[0][2], ())):
            heapq.heappop(heap)
        found = [at for at in _of_sessions(state) if at > after]
        return min([*found, heap[0][0]] if heap else found, default=None)

    def _set(self, key: ElectionName | ProcessId, due: Due) -> None:
        before = self._due.get(key, ())
        if due == before:
            return
        if due:
            self._due[key] = due
        else:
            del self._due[key]
        for at in due:
            if at not in before:
                heapq.heappush(self._heap, (at, next(self._numbers), key))


def next_due(state: State, *, after: Instant) -> Instant | None:
    """As ``Schedule.next_due``, for a state by itself."""
    schedule = Schedule()
    # Plain mappings: those of a state tell only what its last step wrote.
    whole = replace(state, elections=dict(state.elections), processes=dict(state.processes))
    schedule.note(replace(state, elections={}, processes={}), whole)
    return schedule.next_due(state, after=after)


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
            due += [e.campaign_deadline, e.withdraw_at, None if e.proclaiming is not None else e.proclaim_at]
            due.append(e.held_until if e.prepare else None)
        case ElectionPhase.LEADING | ElectionPhase.PROVING:
            due += [e.leave_at, None if e.proclaiming is not None else e.proclaim_at]
            due.extend(p.clear_at for p in e.waits_for)
            due.append(e.note_at)
        case _:
            pass
    return tuple(at for at in due if at is not None)


def of_process(p: Process) -> Due:
    """Times that a process waits for."""
    ends_by = p.ends_by if p.phase in (ProcessPhase.STARTING, ProcessPhase.RUNNING) else None
    stop = (None, None) if p.killed else (p.kill_at, p.signal_at)
    return tuple(at for at in (*stop, p.retry_at, p.ready_by, ends_by) if at is not None)


def touch_due(draft: Draft) -> None:
    """Mark for the reconciler whatever has come due."""
    now = draft.now
    for e in draft.elections.freeze().values():
        if _may_be_due(e, now):
            due = of_election(e)
            if due and min(due) <= now:
                draft.dirty.add(e.spec.name)
    for p in draft.processes.freeze().values():
        if _waits(p) and any(at <= now for at in of_process(p)):
            draft.dirty.add(p.id.election)


def _may_be_due(e: Election, now: Instant) -> bool:
    """False for nearly all of a thousand that lead, or follow, and wait for nothing but their next word: seen at a glance."""
    if e.phase not in _CALM or e.retry_at is not None or e.waits_for or e.leave_at is not None or e.prepare:
        return True
    return (e.proclaim_at is not None and e.proclaim_at <= now) or not (
        e.campaign_deadline is None and e.withdraw_at is None
    )


def _waits(p: Process) -> bool:
    """Likewise of a process: whether it waits for any time."""
    return not (p.kill_at is p.signal_at is p.retry_at is p.ready_by is p.ends_by is None)
