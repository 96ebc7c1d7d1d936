"""What adopting a file would do here and now: what it costs (``diff``), seen against what runs and who queues.

Promises: pure; says for every election and process of the old and the new file whether it is kept, changed live, restarted,
campaigned for anew, stopped or started, from which keys, and whether anything that runs or is held here ends by it; for
what this node leads and would give up, who is next in the queue as the watch shows it, and for how long nobody serves, at
most and as last observed. What it says is what ``reconcile`` does with the same file: ``tests/core/test_planning.py``.
Does not: ask anybody, or decide: a queue may have changed by the time the file is adopted.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from supervisor.core import candidates, diff
from supervisor.core.diff import Cost
from supervisor.core.differences import KeyChange, differences
from supervisor.core.evolve import replace
from supervisor.core.names import ElectionName, ProcessId, Role
from supervisor.core.outage import Gap, of_handover, of_restart
from supervisor.core.spec import ElectionSpec, ProcessSpec, Spec
from supervisor.core.state import Election, ElectionPhase, Process, ProcessPhase, State

MOST_DOCUMENT_BYTES = 65_536
"""Longer values are no documents of ours, and are not read."""
_QUEUED = frozenset({ElectionPhase.CAMPAIGNING, ElectionPhase.FOLLOWING, ElectionPhase.PROVING})
_ENDING = frozenset({ElectionPhase.STEPPING_DOWN, ElectionPhase.RESIGNING})
_CHILD = frozenset({ProcessPhase.STARTING, ProcessPhase.RUNNING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Successor:
    """Who is next in the queue behind this node, by its own word."""

    node: str = ""
    """Empty: nobody, or a stranger whose value is no document of ours."""
    key: str = ""
    """Of its candidacy; empty: nobody else queues."""
    health: str = ""
    priority: int | None = None
    certain: bool = True
    """False: the queue was never seen, or etcd does not answer."""

    def __str__(self) -> str:
        """``web-2 (healthy, priority 50)``."""
        if not self.key:
            return "nobody else queues" if self.certain else "who else queues is unknown"
        said = [self.health] if self.health else []
        said += [f"priority {self.priority}"] if self.priority is not None else []
        name = self.node or f"a candidate that is no supervisor ({self.key})"
        return (f"{name} ({', '.join(said)})" if said else name) + ("" if self.certain else ", as last seen")


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One election or process, and what becomes of it. ``etcd`` is neither, and has no name."""

    cost: Cost
    kind: str
    """``election``, ``process`` or ``etcd``."""
    name: str
    role: str = ""
    """Of a process."""
    here: str = ""
    """What of it there is on this node now: ``leads``, ``queues``, ``running``; empty: nothing."""
    ends: bool = False
    """Something that runs, or is held, here ends by it: a child, a term, a place in the queue."""
    keys: tuple[KeyChange, ...] = ()
    why: str = ""
    successor: Successor | None = None
    gap: Gap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All of it: elections first, each in the order of their names."""

    items: tuple[Planned, ...]
    notes: tuple[str, ...] = ()

    @property
    def changes(self) -> tuple[Planned, ...]:
        """What is not kept as it is."""
        return tuple(item for item in self.items if item.cost is not Cost.KEEP)


def plan(state: State, new: Spec) -> Plan:
    """What adopting ``new`` in this state would do."""
    old = state.spec if state.spec is not None else Spec(node=new.node)
    moved = diff.moves(old, new)
    items: list[Planned] = []
    if diff.goes_another_way(old, new) or (moved and state.elections):
        cost = Cost.RECAMPAIGN if moved else Cost.LIVE
        items.append(Planned(cost=cost, kind="etcd", name="etcd", keys=differences(old.etcd, new.etcd)))
    elections = {
        name: _election(state, name, old.elections.get(name), new.elections.get(name), moved=moved)
        for name in sorted({*old.elections, *new.elections})
    }
    items += elections.values()
    before, after = _processes(old), _processes(new)
    for pid in sorted({*before, *after}):
        above = elections.get(pid.election)
        items.append(_process(state, pid, before.get(pid), after.get(pid), above))
    return Plan(items=tuple(items), notes=tuple(_notes(state, old, new)))


def _processes(spec: Spec) -> dict[ProcessId, ProcessSpec]:
    found = spec.process_specs()
    if spec.local_etcd is not None:
        found[spec.local_etcd.id] = spec.local_etcd
    return found


def _notes(state: State, old: Spec, new: Spec) -> Iterable[str]:
    if state.stopping:
        yield f"this supervisor is ending ({state.stopping}): nothing of this will happen"
    if diff.goes_another_way(old, new):
        yield (
            "before anything of the file is in force, its etcd is asked whether it is the same cluster; if it is not, or "
            "does not answer, the whole file is refused"
        )
    yield from _held(state, old, new)
    if state.pending is not None:
        yield "another file is about to be adopted, or refused, as soon as its etcd has answered"


def _held(state: State, old: Spec, new: Spec) -> Iterable[str]:
    """What keeps the file from being done at once, or moves leaders after it: pauses, drains, priorities."""
    moved = diff.moves(old, new)
    for name, e in state.elections.items():
        after = new.elections.get(name)
        if e.phase is not ElectionPhase.LEADING:
            continue
        if state.requests.paused(name) is not None:
            if diff.of_election(e.spec, after, moved=moved) in (Cost.RECAMPAIGN, Cost.STOP):
                yield f"{name} is paused: this node leads on as it is until `supervisor resume`, and its term ends then"
        elif after is not None and after.priority != e.spec.priority:
            best = candidates.best(state, replace(e, spec=after))
            if best is not None:
                yield (
                    f"{name}: {best.node} has the higher priority then ({best.priority}): once that has been so for a while, and this "
                    f"term is {after.priority_cooldown_seconds:g} s old, it is handed the office"
                )
    if state.node in state.requests.drains:
        yield "this node is drained: it leads nothing and stands for nothing until `supervisor undrain`"


# --- elections -------------------------------------------------------------------------------------------------------


def _election(
    state: State, name: ElectionName, declared: ElectionSpec | None, after: ElectionSpec | None, *, moved: bool
) -> Planned:
    e = state.elections.get(name)
    # What is in force here may be older than the file: a change waits for the term, or the candidacy, to end.
    # What has left the file and not yet begun to end goes on when it is back.
    stands = e is not None and (e.phase is ElectionPhase.LEADING or e.phase in _QUEUED)
    before = e.spec if e is not None and stands else declared
    cost = diff.of_election(before, after, moved=moved)
    keys = differences(before, after) if before is not None and after is not None else ()
    leads = e is not None and e.phase is ElectionPhase.LEADING
    queues = e is not None and e.phase in _QUEUED
    ends = (leads or queues) and cost in (Cost.RECAMPAIGN, Cost.STOP)
    successor = _successor(state, e) if e is not None and leads and ends else None
    gap = None
    if e is not None and leads and ends:
        assert successor is not None
        term = [p for p in _members(state, name) if p.alive and p.term is not None and p.term == e.term]
        gap = of_handover(e, term, succeeded=bool(successor.key), again=cost is Cost.RECAMPAIGN)
    return Planned(
        cost=cost,
        kind="election",
        name=name,
        here="leads" if leads else "queues" if queues else "stepping down" if e and e.phase in _ENDING else "",
        ends=ends,
        keys=keys,
        why=_why_election(cost, e, before, after, moved=moved),
        successor=successor,
        gap=gap,
    )


def _why_election(
    cost: Cost, e: Election | None, before: ElectionSpec | None, after: ElectionSpec | None, *, moved: bool
) -> str:
    match cost:
        case Cost.START:
            return "not in the file before" if e is None else "back in the file; what is left of it ends first"
        case Cost.STOP:
            return "no longer in the file"
        case Cost.RECAMPAIGN if moved:
            return "etcd changes"
        case Cost.RECAMPAIGN:
            assert before is not None
            assert after is not None
            fields = {"ttl", "lost_grace", "safety_margin"}
            by_policy = not fields & {k.key for k in differences(before, after)}
            return "any change under an election with reload: resign" if by_policy else ""
        case _:
            return ""


def _successor(state: State, e: Election) -> Successor:
    """The candidate behind us."""
    certain = e.queue_at is not None and state.store.reachable is True
    behind = [c for c in e.queue if c.create_revision != e.create_revision]
    if not behind:
        return Successor(certain=certain)
    value = behind[0].value
    try:
        found = json.loads(value) if len(value) <= MOST_DOCUMENT_BYTES else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("node"), str):
        return Successor(key=behind[0].key, certain=certain)
    priority = found.get("priority")
    return Successor(
        node=found["node"][:100],
        key=behind[0].key,
        health=found["health"][:20] if isinstance(found.get("health"), str) else "",
        priority=priority if isinstance(priority, int) and abs(priority) < 2**31 else None,
        certain=certain,
    )


# --- processes -------------------------------------------------------------------------------------------------------


def _process(
    state: State, pid: ProcessId, declared: ProcessSpec | None, after: ProcessSpec | None, above: Planned | None
) -> Planned:
    p = state.processes.get(pid)
    child = p is not None and p.phase in _CHILD
    before = p.spec if p is not None and child else declared
    cost = diff.of_process(before, after)
    spec = after or before
    assert spec is not None
    keys = differences(before, after) if before is not None and after is not None else ()
    why = ""
    if p is not None and p.term is not None and p.alive and above is not None and above.ends:
        # With its term, whatever the file says of it.
        why = f"its election's term ends: {above.why}" if above.why else "its election's term ends"
        cost = Cost.STOP if after is None or above.cost is Cost.STOP else Cost.RECAMPAIGN
    ends = child and cost in (Cost.RESTART, Cost.STOP, Cost.RECAMPAIGN)
    return Planned(
        cost=cost,
        kind="process",
        name=str(pid),
        role=spec.role.value,
        here=_here(p),
        ends=ends,
        keys=keys,
        why=why or _why_process(cost, p, spec, above, runs=child),
        gap=of_restart(p, after) if p is not None and after is not None and ends and cost is Cost.RESTART else None,
    )


def _here(p: Process | None) -> str:
    if p is None:
        return ""
    if p.halted and not p.alive:
        return "stopped by an operator"
    return "" if p.phase is ProcessPhase.STOPPED else p.phase.value


def _why_process(cost: Cost, p: Process | None, spec: ProcessSpec, above: Planned | None, *, runs: bool) -> str:
    match cost:
        case Cost.START:
            return "not in the file before" + _where(spec, above)
        case Cost.STOP:
            return "no longer in the file" if runs else "no longer in the file; does not run here"
        case Cost.RESTART if not runs and p is not None and p.phase in (ProcessPhase.GAVE_UP, ProcessPhase.COMPLETED):
            return f"it has {'given up' if p.phase is ProcessPhase.GAVE_UP else 'completed'}, and is started anew"
        case Cost.RESTART if not runs:
            return "does not run here now; its next start is with the new settings"
        case Cost.LIVE if not runs:
            return "does not run here now"
        case _:
            return ""


def _where(spec: ProcessSpec, above: Planned | None) -> str:
    if above is None:
        return ""
    leads = above.here == "leads" and not above.ends
    match spec.role:
        case Role.LEADER:
            return "" if leads else f"; starts when this node leads {above.name}"
        case Role.FOLLOWER:
            return f"; starts when this node does not lead {above.name}" if above.here == "leads" else ""
        case _:
            return ""


def _members(state: State, name: ElectionName) -> list[Process]:
    found = (state.processes.get(pid) for pid in state.members.get(name) or ())
    return [p for p in found if p is not None]


def subjects(items: Iterable[Planned]) -> frozenset[str]:
    """The names of what changes, with the elections of the processes among them: whose well-being shows that it worked."""
    return frozenset(item.name for item in items if item.cost is not Cost.KEEP)
