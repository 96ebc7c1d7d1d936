"""Moving leaders about: switchover, pause, drain. Each writes a request into etcd and tells what becomes of it.

Promises: what is told was seen in the state; a request that nobody answered in time is taken back, one that is under way is not;
asked twice, the second finds that nothing is to do. Does not: move anything. Whoever leads decides (``core.handover``).
"""

import os
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial

from supervisor.control import leaders, views
from supervisor.control.ports import Ports
from supervisor.control.words import duration
from supervisor.core import candidates, requests
from supervisor.core.names import ElectionName, NodeName
from supervisor.core.requests import OPEN, Stage, Switchover
from supervisor.core.state import Election, State

_Mark = tuple[Stage, str]
Told = AsyncGenerator[views.Progress, None]

KEPT_SECONDS = 300.0
"""A request outlives its time limit by this much, for clocks that disagree; then it is nobody's any more."""
READY_SECONDS = 10.0
"""How long a finished switchover looks at the new leader before it says what it sees."""
DONE, ALREADY, SCHEDULED = "done", "already", "scheduled"
REFUSED, ABORTED, TIMED_OUT = "refused", "aborted", "timed-out"


def end(outcome: str, text: str) -> views.Progress:
    """The last word."""
    return views.Progress(text=text, outcome=outcome)


async def switchover(
    ports: Ports, name: ElectionName, to: NodeName, *, at: float | None, wait_seconds: float, by: str
) -> Told:
    """Ask whoever leads to hand over, and tell what becomes of it."""
    state = ports.state()
    standing = state.requests.switchovers.get(name)
    if (early := _early(ports, state, name, to, at)) is not None:
        yield early
        return
    until = (at if at is not None else ports.wall() + wait_seconds) + KEPT_SECONDS
    asked = Switchover(id=os.urandom(8).hex(), to=to, at=at, until=until, by=f"{state.node} ({by})")
    path = requests.switchover_path(name)
    problem = await ports.write_request(path, requests.written(asked), standing.revision if standing else 0)
    if problem:
        yield end(REFUSED, f"not asked: {problem}")
        return
    if at is not None:
        yield end(SCHEDULED, f"{_whom(to)} is to lead at {requests.in_words(at)}")
        return
    yield views.Progress(text=f"asked {_leader(ports, name).words} to hand over to {_whom(to)}")
    async for told in _follow(ports, name, asked, wait_seconds):
        yield told


def _early(ports: Ports, state: State, name: ElectionName, to: NodeName, at: float | None) -> views.Progress | None:
    """What can be said without asking anybody."""
    e = state.elections[name]
    leader = _leader(ports, name)
    if at is None and to and leader.state == views.KNOWN and leader.node == to:
        return end(ALREADY, f"{to} leads already (token {leader.token})")
    if not state.requests.known:
        return end(REFUSED, "etcd has not told yet what is asked of nodes; try again")
    if state.requests.problem:
        return end(REFUSED, f"requests cannot be made: {state.requests.problem}")
    if (pause := state.requests.paused(name)) is not None and at is None:
        return end(REFUSED, f"paused by {pause.by} since {pause.since}: nobody moves (supervisor resume)")
    if to and at is None and (why := _not_there(state, e, to)):
        return end(REFUSED, why)
    other = state.requests.switchovers.get(name)
    if other is not None and other.stage in OPEN and ports.wall() < other.until:
        when = f"at {requests.in_words(other.at)} " if other.at is not None else ""
        remedy = "; --cancel takes it back" if other.stage is Stage.ASKED else ""
        return end(REFUSED, f"a switchover to {_whom(other.to)} {when}is asked for already, by {other.by}{remedy}")
    return None


def _not_there(state: State, e: Election, to: NodeName) -> str:
    if to in state.requests.drains:
        return f"{to} is drained (supervisor undrain {to})"
    if candidates.of_node(e.queue, to) is not None:
        return ""
    others = [s.node for c in e.queue if (s := candidates.standing(c.value)) is not None]
    return f"{to} does not stand for it; " + (f"there are: {', '.join(others)}" if others else "nobody does")


async def _follow(ports: Ports, name: ElectionName, asked: Switchover, wait_seconds: float) -> Told:
    deadline = ports.now() + wait_seconds
    said: _Mark | None = None
    while True:
        differs = partial(_differs, name, asked.id, said)
        state = await ports.wait(differs, max(0.0, deadline - ports.now()))
        if state is None:
            yield await _out_of_time(ports, name, asked, wait_seconds)
            return
        said = _mark(name, asked.id, state)
        present = state.requests.switchovers.get(name)
        if said is None or present is None:
            yield end(ABORTED, "somebody took the request back")
            return
        match present.stage:
            case Stage.ASKED:
                pass
            case Stage.ACCEPTED:
                yield views.Progress(text=f"{present.node} hands over to {present.to}: its processes are being stopped")
            case Stage.REFUSED:
                yield end(REFUSED, f"{present.node} refused: {present.why}")
                return
            case Stage.ABORTED:
                yield end(ABORTED, f"aborted, {present.node} leads on: {present.why}")
                return
            case Stage.DONE:
                yield views.Progress(text=f"{present.node} has handed over to {present.to} (token {present.token})")
                yield await _settled(ports, name, present)
                return


def _differs(name: ElectionName, id_: str, said: _Mark | None, state: State) -> bool:
    return _mark(name, id_, state) != said


def _mark(name: ElectionName, id_: str, state: State) -> _Mark | None:
    """What is worth telling of; None while our request is not there (yet)."""
    present = state.requests.switchovers.get(name)
    return (present.stage, present.why) if present is not None and present.id == id_ else None


async def _settled(ports: Ports, name: ElectionName, done: Switchover) -> views.Progress:
    """The new leader says that it leads, or somebody else does."""

    def seen(state: State) -> bool:
        e = state.elections.get(name)
        if e is None:
            return True
        first = e.leader
        if first is None or first.create_revision > done.token:
            return True
        return (
            first.create_revision == done.token and leaders.leader(state, e, ports.now()).proclaimed_state == "leading"
        )

    await ports.wait(seen, READY_SECONDS)
    leader = _leader(ports, name)
    if leader.token == done.token:
        return end(DONE, f"{leader.words} leads (token {leader.token})")
    return end(ABORTED, f"{done.to} was handed the office, and has lost it: {leader.words} leads")


async def _out_of_time(ports: Ports, name: ElectionName, asked: Switchover, wait_seconds: float) -> views.Progress:
    present = ports.state().requests.switchovers.get(name)
    after = f"within {duration(wait_seconds)}"
    if present is not None and present.id == asked.id and present.stage is Stage.ACCEPTED:
        return end(TIMED_OUT, f"not done {after}; {present.node} is still at it: {_waits(ports, name)}")
    revision = present.revision if present is not None and present.id == asked.id else None
    problem = await ports.write_request(requests.switchover_path(name), None, revision)
    back = f"; it may still be answered: {problem}" if problem else "; the request was taken back"
    return end(TIMED_OUT, f"nobody answered {after}: {_leader(ports, name).words} leads{back}")


def _waits(ports: Ports, name: ElectionName) -> str:
    state = ports.state()
    e = state.elections.get(name)
    return leaders.leader(state, e, ports.now()).proclaimed_state if e is not None else "it is removed from the file"


async def cancel(ports: Ports, name: ElectionName) -> Told:
    """Take a wish back that nobody follows yet."""
    present = ports.state().requests.switchovers.get(name)
    if present is None or present.stage not in OPEN:
        yield end(ALREADY, "no switchover is asked for")
    elif present.stage is Stage.ACCEPTED:
        yield end(REFUSED, f"{present.node} is handing over to {present.to} already")
    else:
        problem = await ports.write_request(requests.switchover_path(name), None, present.revision)
        when = f" at {requests.in_words(present.at)}" if present.at is not None else ""
        text = f"the switchover to {_whom(present.to)}{when} is taken back"
        yield end(REFUSED, problem) if problem else end(DONE, text)


def _leader(ports: Ports, name: ElectionName) -> views.Leader:
    state = ports.state()
    e = state.elections.get(name)
    if e is None:
        return views.Leader(state=views.UNKNOWN, words="unknown (removed from the file)")
    found = leaders.leader(state, e, ports.now())
    return (
        found
        if found.state == views.KNOWN
        else replace(found, words="whoever leads" if not found.words else found.words)
    )


def _whom(to: str) -> str:
    return to or "the next healthy node"
