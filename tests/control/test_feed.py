"""What open pages are told: all of it once, then what changed, and never more than they can take."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace

import pytest

from supervisor.control import feed as feeding
from supervisor.control import page_parts
from supervisor.control.feed import Feed
from supervisor.control.ports import Heard
from supervisor.core.events import Candidate
from supervisor.core.happenings import Happening
from supervisor.core.kinds import Kind
from supervisor.core.names import ElectionName, Instant, ProcessId, ProcessName
from supervisor.core.state import State
from tests.control import states
from tests.control.fakes import FakePorts

Told = tuple[str, dict[str, object]]
JOB = ElectionName("billing")


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "TOGETHER_SECONDS", 0.0)
    monkeypatch.setattr(feeding, "SHARE", 0)
    monkeypatch.setattr(feeding, "BEAT_SECONDS", 0.02)


class Others:
    """Queues of a namespace that others use too."""

    def __init__(self) -> None:
        self.marks: dict[ElectionName, int] = {}
        self.queues: dict[ElectionName, tuple[Candidate, ...]] = {}

    def put(self, name: str, *queue: Candidate) -> None:
        self.queues[ElectionName(name)] = queue
        self.marks[ElectionName(name)] = self.marks.get(ElectionName(name), 0) + 1

    def of(self, election: ElectionName) -> tuple[Candidate, ...]:
        return self.queues.get(election, ())


def read(message: bytes) -> Told:
    fields = dict(line.split(": ", 1) for line in message.decode().rstrip("\n").split("\n"))
    return fields["event"], json.loads(fields["data"])


async def whole(stream: AsyncGenerator[bytes, None]) -> dict[str, object]:
    """The parts up to the message that says it is the last."""
    found: dict[str, object] = {}
    async for message in stream:
        kind, told = read(message)
        if kind == "part":
            assert isinstance(told["parts"], dict)
            found |= told["parts"]
            if told["last"]:
                return found
    raise AssertionError("it ended")


async def until(stream: AsyncGenerator[bytes, None], name: str) -> object:
    async with asyncio.timeout(10):
        while True:
            found = await whole(stream)
            if name in found:
                return found[name]


def make(state: State, others: Others | None = None, *, own_words: bool = False) -> tuple[FakePorts, Feed]:
    ports = FakePorts(state)
    return ports, Feed(ports, lambda: others, own_words=own_words)


async def test_a_page_is_told_everything_and_then_what_changed_alone() -> None:
    state = states.healthy()
    ports, feed = make(state)
    async with aclosing(feed.changes()) as stream:
        kind, hello = read(await anext(stream))
        assert (kind, hello["node"], hello["logs"]) == ("hello", state.node, False)
        first = await whole(stream)
        assert {n for n in first if n.startswith("e/")} == {f"e/{name}" for name in state.elections}
        name, e = next(iter(state.elections.items()))
        ports.become(replace(state, elections={**state.elections, name: replace(e, cause="another")}))
        found = await until(stream, f"e/{name}")
        assert isinstance(found, dict)
        assert found["cause"] == "another"
        later = await whole(stream)
        assert set(later) == {"node"}, "nothing else has changed: it is a sign of life"


async def test_what_is_gone_is_said_to_be_gone() -> None:
    state = states.healthy()
    ports, feed = make(state)
    async with aclosing(feed.changes()) as stream:
        await whole(stream)
        name = next(iter(state.elections))
        ports.become(replace(state, elections={n: e for n, e in state.elections.items() if n != name}))
        assert await until(stream, f"e/{name}") is None


async def test_an_election_that_only_others_hold_is_shown_with_its_queue() -> None:
    others = Others()
    others.put(
        "strangers",
        states.candidate("strangers", node="db-1", lease=7, token=9),
        states.candidate("strangers", node="db-2", lease=8, token=10),
    )
    _, feed = make(states.healthy(), others)
    async with aclosing(feed.changes()) as stream:
        found = (await whole(stream))["e/strangers"]
        assert isinstance(found, dict)
        assert found["declared"] is False
        assert [c["node"] for c in found["candidates"]] == ["db-1", "db-2"]
        others.put("strangers", states.candidate("strangers", node="db-2", lease=8, token=10))
        later = await until(stream, "e/strangers")
        assert isinstance(later, dict)
        assert later["leader"]["token"] == 10


async def test_what_time_alone_changes_is_told_too() -> None:
    state = states.healthy()
    ports, feed = make(state)
    name = next(n for n, e in state.elections.items() if e.term is None)
    async with aclosing(feed.changes()) as stream:
        first = (await whole(stream))[f"e/{name}"]
        assert isinstance(first, dict)
        assert first["leader"]["state"] == "known"
        ports.now = lambda: Instant(states.NOW + 60)  # type: ignore[method-assign]
        later = await until(stream, f"e/{name}")
        assert isinstance(later, dict)
        assert later["leader"]["state"] == "unknown"


async def test_a_slow_page_is_told_the_newest_and_nothing_outdated() -> None:
    state = states.healthy()
    ports, feed = make(state)
    name, e = next(iter(state.elections.items()))
    async with aclosing(feed.changes()) as slow, aclosing(feed.changes()) as quick:
        await whole(slow)
        await whole(quick)
        for n in range(50):
            ports.become(replace(state, elections={**state.elections, name: replace(e, cause=f"cause {n}")}))
            found = await until(quick, f"e/{name}")
            assert isinstance(found, dict)
            assert found["cause"] == f"cause {n}"
        last = await until(slow, f"e/{name}")
        assert isinstance(last, dict)
        assert last["cause"] == "cause 49"


async def test_events_are_told_and_what_was_missed_is_counted() -> None:
    ports, feed = make(states.healthy())  # its ring keeps 20
    one = Happening(kind=Kind.PROCESS_UNHEALTHY, at=states.NOW, process="billing/api", facts={"detail": "pw=hunter2"})
    ports.ring.add([one])
    async with aclosing(feed.changes()) as stream:
        first = await the_events(stream)
        assert [e["kind"] for e in listed(first)] == ["process-unhealthy"]
        assert "hunter2" not in json.dumps(first)
        ports.ring.add([one] * 50)
        found = await the_events(stream)
        assert (found["missed"], len(listed(found))) == (30, 20)


async def the_events(stream: AsyncGenerator[bytes, None]) -> dict[str, object]:
    async with asyncio.timeout(10):
        async for message in stream:
            kind, told = read(message)
            if kind == "events":
                return told
    raise AssertionError("it ended")


def listed(told: Mapping[str, object]) -> list[dict[str, object]]:
    events = told["events"]
    assert isinstance(events, list)
    return events


async def test_what_a_process_says_is_told_only_where_it_was_asked_for() -> None:
    state = states.healthy()
    pid, p = next((pid, p) for pid, p in state.processes.items() if p.alive)
    state = replace(state, processes={**state.processes, pid: replace(p, status="pw=hunter2", probe_detail="hunter3")})
    for own_words in (False, True):
        _, feed = make(state, own_words=own_words)
        async with aclosing(feed.changes()) as stream:
            said = json.dumps(await whole(stream))
        assert ("hunter2" in said, "hunter3" in said) == (own_words, own_words)


async def test_there_are_only_so_many_streams_and_nothing_is_kept_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "MOST_STREAMS", 2)
    ports, feed = make(states.healthy())
    async with aclosing(feed.changes()) as stream, aclosing(feed.log(ProcessId(JOB, ProcessName("api")))) as log:
        await anext(stream)
        await anext(log)
        assert [read(m)[0] async for m in feed.changes()] == ["full"]
        assert [read(m)[0] async for m in feed.log(ProcessId(JOB, ProcessName("api")))] == ["full"]
    assert feed.streams == 0
    async with asyncio.timeout(10):
        while ports.waiting or ports.observers:
            await asyncio.sleep(0)
    assert not feed._parts
    async with aclosing(feed.changes()) as stream:
        assert (await whole(stream))["node"]


async def test_a_large_state_comes_in_pieces_and_the_loop_has_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    others = Others()
    for n in range(500):
        others.put(f"e-{n:03}", states.candidate("strangers", node="db-1", lease=7, token=9 + n))
    _, feed = make(states.healthy(), others)
    turns = 0

    async def beside() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(beside())
    found: dict[str, object] = {}
    messages = 0
    async with aclosing(feed.changes()) as stream:
        async for message in stream:
            kind, told = read(message)
            if kind == "part":
                assert len(message) < 2 * feeding.PIECE_BYTES
                assert isinstance(told["parts"], dict)
                messages += 1
                found |= told["parts"]
                if told["last"]:
                    break
    task.cancel()
    assert sum(name.startswith("e/e-") for name in found) == 500
    assert messages > 1
    assert turns >= 500 // feeding.AT_ONCE


async def test_a_log_is_text_with_what_was_missed() -> None:
    ports, feed = make(states.healthy())
    pid = ProcessId(JOB, ProcessName("api"))
    ports.heard = [Heard(process=pid, stream="stderr", at="2026-11-24T05:00:00.000Z", text=b"\xff<b>\n", missed=3)]
    async with aclosing(feed.log(pid)) as stream:
        assert read(await anext(stream))[0] == "begin"
        kind, told = read(await anext(stream))
    assert kind == "lines"
    assert told == {"stream": "stderr", "at": "2026-11-24T05:00:00.000Z", "text": "\ufffd<b>\n", "missed": 3}


async def test_a_bug_of_ours_is_told_and_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    ports, feed = make(states.healthy())

    def broken(*_: object) -> bytes:
        raise ValueError("a bug")

    monkeypatch.setattr(page_parts, "node", broken)
    assert [read(m)[0] async for m in feed.changes()] == ["hello"]
    assert "a bug" in ports.said[0]
