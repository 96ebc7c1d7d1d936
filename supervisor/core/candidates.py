"""Who in a queue could take an office over, as far as their documents say.

Promises: pure; a candidate that is no node like ours says nothing, and is never chosen, passed over or moved: its own client
may take a key that somebody else deleted for a win. Does not: know whether a candidate is alive (its lease says).
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from supervisor.core.events import Candidate
from supervisor.core.names import NodeName
from supervisor.core.state import Election, Health, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a candidate's document says of it."""

    node: NodeName
    state: str
    health: str
    priority: int = 0
    paused: bool = False
    """It knows that nobody moves."""


def standing(value: bytes) -> Standing | None:
    """Of a document like ours; None for anything else."""
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("node"), str) or not found["node"]:
        return None
    priority = found.get("priority")
    return Standing(
        node=NodeName(found["node"]),
        state=str(found.get("state")),
        health=str(found.get("health")),
        priority=priority if isinstance(priority, int) and not isinstance(priority, bool) else 0,
        paused=found.get("paused") is True,
    )


def of_node(queue: Iterable[Candidate], node: NodeName) -> Candidate | None:
    """The first candidate that says it is this node."""
    return next((c for c in queue if (s := standing(c.value)) is not None and s.node == node), None)


def problem(state: State, e: Election, candidate: Candidate) -> str:
    """Why this candidate cannot be handed the office; empty when it can."""
    found = standing(candidate.value)
    if found is None:
        return f"{candidate.key} is no supervisor: it says neither who it is nor how it is"
    if found.node in state.requests.drains:
        return f"{found.node} is drained"
    if found.state != "candidate":
        return f"{found.node} is {found.state}"
    if found.health != Health.HEALTHY:
        return f"{found.node} is {found.health}"
    strangers = [c for c in ahead(e, candidate) if standing(c.value) is None]
    if strangers:
        return f"{strangers[0].key} is before {found.node} in the queue, and is no supervisor: it does not step aside"
    return ""


def ahead(e: Election, candidate: Candidate) -> tuple[Candidate, ...]:
    """Those between us and this candidate."""
    mine = e.create_revision or 0
    return tuple(c for c in e.queue if mine < c.create_revision < candidate.create_revision)


def fit(state: State, e: Election) -> list[tuple[Candidate, Standing]]:
    """All that could be handed the office, those of the highest priority first, and the oldest of these."""
    found = []
    for c in e.queue:
        said = standing(c.value)
        if said is not None and c.lease != e.lease and not problem(state, e, c):
            found.append((c, said))
    return sorted(found, key=lambda pair: (-pair[1].priority, pair[0].create_revision))


def outranked(e: Election) -> bool:
    """Whether any candidate's document names a higher priority than ours. Cheap: asked whenever the queue is looked at."""
    mine = e.spec.priority
    usual = b'"priority":0,'
    for c in e.queue:
        if c.lease == e.lease or (mine >= 0 and usual in c.value) or not c.value.startswith(b"{"):
            continue
        said = standing(c.value)
        if said is not None and said.priority > mine:
            return True
    return False


def best(state: State, e: Election) -> Standing | None:
    """The fit candidate that outranks us most, if any does."""
    if not outranked(e):
        return None
    return next((said for _, said in fit(state, e) if said.priority > e.spec.priority), None)


def why_nobody(state: State, e: Election) -> str:
    """Why there is nobody to hand the office to, for people."""
    others = [c for c in e.queue if c.lease != e.lease]
    if not others:
        return "nobody else stands for it"
    return "; ".join(problem(state, e, c) for c in others[:5])
