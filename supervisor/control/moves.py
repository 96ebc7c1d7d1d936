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
from supervisor.core.evolve import replace as evolve
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

    found = await ports.wait(seen, READY_SECONDS)
    leader = _leader(ports, name)
    if found is None:
        within = duration(READY_SECONDS)
        return end(
            TIMED_OUT,
            f"{done.to} has the office, and has not said within {within} that it leads: {_waits(ports, name)}",
        )
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


async def pause(ports: Ports, name: ElectionName, *, wait_seconds: float, by: str) -> Told:
    """Have nobody move, and tell until every candidate has said that it knows."""
    state, path = ports.state(), requests.pause_path(name)
    known = state.requests.pauses.get(name)
    if known is None:
        if state.requests.problem:
            yield end(REFUSED, f"requests cannot be made: {state.requests.problem}")
            return
        value = requests.paused_now(f"{state.node} ({by})", ports.wall())
        if problem := await ports.write_request(path, value, None):
            yield end(REFUSED, f"not paused: {problem}")
            return
        yield views.Progress(text="nobody moves from now on; waiting for every node to say that it knows")
    deaf = partial(_deaf, name)
    after = await ports.wait(lambda s: name in s.requests.pauses and not deaf(s), wait_seconds)
    if after is None:
        silent = ", ".join(deaf(ports.state())) or "this node"
        yield end(
            TIMED_OUT, f"paused, but within {duration(wait_seconds)} these have not said that they know: {silent}"
        )
    elif known is not None:
        yield end(ALREADY, f"paused already, by {known.by} since {known.since}")
    else:
        text = "PAUSED: no leader is moved, and none that is lost is replaced, until `supervisor resume`"
        yield end(DONE, text)


async def resume(ports: Ports, name: ElectionName, *, wait_seconds: float) -> Told:
    """Let leaders move again."""
    state = ports.state()
    if name not in state.requests.pauses:
        fleet = state.requests.pauses.get(requests.FLEET)
        if name and fleet is not None:
            yield end(
                REFUSED, f"not paused by itself: the fleet is, by {fleet.by} since {fleet.since} (supervisor resume)"
            )
        else:
            others = ", ".join(state.requests.pauses)
            yield end(ALREADY, f"not paused; these elections are: {others}" if others else "not paused")
        return
    if problem := await ports.write_request(requests.pause_path(name), None, None):
        yield end(REFUSED, f"not resumed: {problem}")
        return
    after = await ports.wait(lambda s: name not in s.requests.pauses, wait_seconds)
    yield (
        end(TIMED_OUT, "not seen to be resumed yet") if after is None else end(DONE, "resumed: leaders may move again")
    )


def _deaf(name: ElectionName, state: State) -> list[str]:
    """Candidates like us that have not proclaimed the pause."""
    chosen = [e for n, e in state.elections.items() if name in (requests.FLEET, n)]
    found: dict[str, None] = {}
    for e in chosen:
        for c in e.queue:
            said = candidates.standing(c.value)
            if said is not None and not said.paused:
                found[said.node] = None
    return list(found)


async def drain(
    ports: Ports, node: NodeName, *, followers_stop: bool, force: bool, wait_seconds: float, by: str
) -> Told:
    """Have a node lead nothing, and tell until it does not."""
    state = ports.state()
    node = node or state.node
    known = state.requests.drains.get(node)
    if state.requests.problem:
        yield end(REFUSED, f"requests cannot be made: {state.requests.problem}")
        return
    if not force and (stuck := _stuck(state, node)):
        yield end(REFUSED, f"{node} stays as it is: {'; '.join(stuck)}; --force gives up all the same")
        return
    value = requests.drained_now(f"{state.node} ({by})", ports.wall(), followers_stop=followers_stop, force=force)
    same = known is not None and (known.followers_stop, known.force) == (followers_stop, force)
    if not same and (problem := await ports.write_request(requests.drain_path(node), value, None)):
        yield end(REFUSED, f"not drained: {problem}")
        return
    deadline, said = ports.now() + wait_seconds, list[str]()
    while True:
        after = await ports.wait(partial(_moved_on, node, said), max(0.0, deadline - ports.now()))
        if after is None:
            left = ", ".join(said) or "nothing is known of it"
            yield end(TIMED_OUT, f"{node} is drained, but not done within {duration(wait_seconds)}: {left}")
            return
        said = _stands(after, node)
        if not said and node in after.requests.drains:
            already = same and not _stands(state, node)
            yield end(ALREADY if already else DONE, f"{node} leads nothing, until `supervisor undrain {node}`")
            return
        if said:
            yield views.Progress(text=f"{node} still {', '.join(said)}")


async def undrain(ports: Ports, node: NodeName, *, wait_seconds: float) -> Told:
    """Let a node stand again."""
    state = ports.state()
    node = node or state.node
    if node not in state.requests.drains:
        yield end(ALREADY, f"{node} is not drained")
        return
    if problem := await ports.write_request(requests.drain_path(node), None, None):
        yield end(REFUSED, f"still drained: {problem}")
        return
    after = await ports.wait(lambda s: node not in s.requests.drains, wait_seconds)
    yield end(TIMED_OUT, "not seen to be undrained yet") if after is None else end(DONE, f"{node} stands again")


def _stuck(state: State, node: NodeName) -> list[str]:
    """What the node leads and nobody else could, as the leader would see it."""
    found = []
    for name, e in state.elections.items():
        first = e.leader
        said = candidates.standing(first.value) if first is not None else None
        if first is not None and said is not None and said.node == node:
            theirs = evolve(e, lease=first.lease, create_revision=first.create_revision)
            if not candidates.fit(state, theirs):
                found.append(f"{name}: {candidates.why_nobody(state, theirs)}")
    return found


def _stands(state: State, node: NodeName) -> list[str]:
    """Where the node leads or stands, as far as the queues known here show."""
    found = []
    for name, e in state.elections.items():
        c = candidates.of_node(e.queue, node)
        if c is not None:
            found.append(f"{'leads' if c is e.leader else 'stands for'} {name}")
    return found


def _moved_on(node: NodeName, said: list[str], state: State) -> bool:
    stands = _stands(state, node)
    return stands != said or (not stands and node in state.requests.drains)


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
