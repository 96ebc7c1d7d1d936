"""What keeps leaders where they are, or is about to move them, in words: pauses, drains, switchovers.

Promises: pure. Does not: decide; it reads what the core decided.
"""

from collections.abc import Iterator

from supervisor.control import views
from supervisor.core import candidates, requests
from supervisor.core.requests import OPEN, Stage
from supervisor.core.state import Election, ElectionPhase, State


def paused(state: State, e: Election) -> str:
    """Who paused an election, and since when; empty: nobody has."""
    pause = state.requests.paused(e.spec.name)
    return "" if pause is None else f"by {pause.by or 'somebody'} since {pause.since or 'some time'}"


def drained(state: State) -> str:
    """Who drained this node, and since when; empty: nobody has."""
    drain = state.requests.drains.get(state.node)
    return "" if drain is None else f"by {drain.by or 'somebody'} since {drain.since or 'some time'}"


def switchover(state: State, e: Election) -> str:
    """What is asked for or under way; empty: nothing."""
    if e.handover is not None and e.phase is not ElectionPhase.DETACHED:
        return f"handing over to {e.handover.node}: {e.handover.cause}"
    asked = state.requests.switchovers.get(e.spec.name)
    if asked is None or asked.stage not in OPEN:
        return ""
    whom = asked.to or "the next healthy node"
    if asked.stage is Stage.ACCEPTED:
        return f"{asked.node} hands over to {whom}"
    when = f" at {requests.in_words(asked.at)}" if asked.at is not None else ""
    return f"to {whom}{when}, asked for by {asked.by or 'somebody'}"


def reasons(state: State) -> Iterator[views.Reason]:
    """Of the node and the fleet. A pause and a drain are somebody's wish, and still not how it should stay."""
    fleet = state.requests.pauses.get(requests.FLEET)
    if fleet is not None:
        text = f"PAUSED by {fleet.by} since {fleet.since}: nobody moves, and nobody takes over (supervisor resume)"
        yield views.Reason(kind=views.UNHEALTHY, subject="fleet", text=text)
    if drained(state):
        text = f"DRAINED {drained(state)}: this node leads nothing (supervisor undrain)"
        yield views.Reason(kind=views.UNHEALTHY, subject="node", text=text)
    if state.requests.problem:
        text = f"requests to nodes cannot be seen, so no switchover, pause or drain: {state.requests.problem}"
        yield views.Reason(kind=views.UNHEALTHY, subject="etcd", text=text)


def reasons_of(state: State, e: Election) -> Iterator[views.Reason]:
    """Of one election."""
    if e.spec.name in state.requests.pauses:
        text = f"PAUSED {paused(state, e)}: nobody moves, and nobody takes over (supervisor resume {e.spec.name})"
        yield views.Reason(kind=views.UNHEALTHY, subject=e.spec.name, text=text)
    if e.withheld:
        yield views.Reason(kind=views.UNHEALTHY, subject=e.spec.name, text=f"first in the queue, but {e.withheld}")
    if drained(state) and e.phase is ElectionPhase.LEADING:
        waits = "" if candidates.fit(state, e) else f", and leads on: {candidates.why_nobody(state, e)}"
        text = f"is to be handed over{waits}"
        yield views.Reason(kind=views.UNSETTLED, subject=e.spec.name, text=text)
