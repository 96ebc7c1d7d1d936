"""Hedged requests: what is slow costs nothing while something else is well, and trust counts from what was answered."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import pytest

from supervisor.core.names import ElectionName, Instant
from supervisor.core.store_events import EndpointsSeen
from supervisor.etcd import hedge
from supervisor.etcd.address import Address
from supervisor.etcd.errors import KeyNotOurs, LeaseNotFound, TimedOut, Unreachable
from supervisor.etcd.hedge import Hedges
from supervisor.etcd.store import EtcdStore
from tests.etcd.support import CALL_SECONDS, PATIENCE_SECONDS, Recorder, enter, grant, now, opened, spec
from tests.etcd_server import Binaries, EtcdCluster, EtcdServer

NEVER_SECONDS = 1000.0
AT_ONCE_SECONDS = 0.0


# --- the race by itself ------------------------------------------------------------------------------------------------


class Attempts:
    """Attempts whose answers the test gives; a note of why each was begun."""

    def __init__(self, most: int) -> None:
        self.futures: list[asyncio.Future[str]] = []
        self.begun: list[bool] = []
        self.given_up: list[int] = []
        self._most = most

    def __call__(self, after_failure: bool) -> Coroutine[None, None, str] | None:
        if len(self.futures) == self._most:
            return None
        self.begun.append(after_failure)
        self.futures.append(asyncio.get_running_loop().create_future())
        return self._wait(len(self.futures) - 1)

    async def _wait(self, number: int) -> str:
        try:
            return await self.futures[number]
        except asyncio.CancelledError:
            self.given_up.append(number)
            raise

    async def count(self, number: int) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.futures) < number:
                await asyncio.sleep(0)


async def test_a_slow_attempt_gets_company_and_the_first_answer_counts() -> None:
    hedges, attempts = Hedges(), Attempts(9)
    race = asyncio.create_task(hedges.first_answer(attempts, pause=AT_ONCE_SECONDS))
    await attempts.count(hedge.MOST_AT_ONCE)
    attempts.futures[1].set_result("second")
    assert await race == "second"
    assert attempts.begun == [True, False, False]
    assert not attempts.given_up, "the others go on to their own end"
    attempts.futures[0].set_exception(TimedOut("late"))  # and nobody minds
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(hedges._left) > 1:
            await asyncio.sleep(0)
    await hedges.close()
    assert attempts.given_up == [2]


async def test_one_that_fails_is_followed_at_once() -> None:
    hedges, attempts = Hedges(), Attempts(2)
    race = asyncio.create_task(hedges.first_answer(attempts, pause=NEVER_SECONDS))
    await attempts.count(1)
    attempts.futures[0].set_exception(Unreachable("gone"))
    await attempts.count(2)
    attempts.futures[1].set_result("here")
    assert await race == "here"
    assert attempts.begun == [True, True]


async def test_while_one_is_slow_those_that_failed_are_asked_again_after_a_pause() -> None:
    """A change of etcd's leader: one member hangs, the others say at once that there is none, and soon there is."""
    hedges, attempts = Hedges(), Attempts(9)
    exhausted: list[bool] = []

    def begin(after_failure: bool) -> Coroutine[None, None, str] | None:
        if after_failure and len(attempts.futures) >= 2 and not exhausted:
            exhausted.append(True)
            return None  # all have been asked
        return attempts(after_failure)

    race = asyncio.create_task(hedges.first_answer(begin, pause=AT_ONCE_SECONDS))
    await attempts.count(2)
    attempts.futures[1].set_exception(Unreachable("no leader"))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not exhausted:
            await asyncio.sleep(0)
    await attempts.count(3)
    attempts.futures[2].set_result("here")
    assert await race == "here"
    await hedges.close()


@pytest.mark.parametrize(("last", "kind"), [(Unreachable("two"), Unreachable), (TimedOut("two"), TimedOut)])
async def test_when_all_have_failed_all_are_named(last: Exception, kind: type[Exception]) -> None:
    hedges, attempts = Hedges(), Attempts(2)
    race = asyncio.create_task(hedges.first_answer(attempts, pause=AT_ONCE_SECONDS))
    await attempts.count(2)
    attempts.futures[0].set_exception(Unreachable("one"))
    attempts.futures[1].set_exception(last)
    with pytest.raises(kind, match="one; two"):
        await race


async def test_a_refusal_is_an_answer_and_an_answer_of_the_same_moment_is_better() -> None:
    hedges, attempts = Hedges(), Attempts(2)
    race = asyncio.create_task(hedges.first_answer(attempts, pause=AT_ONCE_SECONDS))
    await attempts.count(2)
    attempts.futures[0].set_exception(KeyNotOurs("refused"))
    with pytest.raises(KeyNotOurs, match="refused"):
        await race
    attempts = Attempts(2)
    race = asyncio.create_task(hedges.first_answer(attempts, pause=AT_ONCE_SECONDS))
    await attempts.count(2)
    attempts.futures[0].set_exception(KeyNotOurs("refused"))
    attempts.futures[1].set_result("yes")
    assert await race == "yes"
    await hedges.close()


async def test_who_gives_up_gives_all_up() -> None:
    hedges, attempts = Hedges(), Attempts(2)
    race = asyncio.create_task(hedges.first_answer(attempts, pause=AT_ONCE_SECONDS))
    await attempts.count(2)
    await asyncio.sleep(0)
    race.cancel()
    with pytest.raises(asyncio.CancelledError):
        await race
    assert sorted(attempts.given_up) == [0, 1]


# --- on a real etcd ----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def at_home(store: EtcdStore, seen: Recorder, url: str) -> AsyncIterator[None]:
    """All members are known, and this one is where streams go."""
    await seen.wait(EndpointsSeen, lambda e: all(s.well and s.cluster for s in e.endpoints))
    members = store._channels.members
    members._home = next(m for m in members if m.address.label == url)
    yield


async def test_a_frozen_member_costs_no_renewal_no_look_and_no_sight(binaries: Binaries, tmp_path: Path) -> None:
    """All within the one call that finds it frozen; and from then on it is not asked."""
    with EtcdCluster(tmp_path, binaries=binaries) as cluster:
        frozen = next(m for m in cluster.members if m is not cluster.leader())
        seen = Recorder()
        async with opened(spec(*cluster.endpoints), seen) as store, at_home(store, seen, frozen.endpoint):
            held = await grant(store)
            mine = await enter(store, "e", held, b"doc")
            frozen.freeze()
            at = now()
            renewal = await store.renew(held.lease, timeout_seconds=CALL_SECONDS)
            assert at < renewal.sent_at <= now()
            assert (await store.look(held.lease, timeout_seconds=CALL_SECONDS)).granted_seconds == 60
            keys = [(ElectionName("e"), mine.create_revision)]
            assert await store.confirm(held.lease, keys, timeout_seconds=CALL_SECONDS) == ()
            frozen.thaw()


async def test_trust_counts_from_the_request_that_was_answered(binaries: Binaries, tmp_path: Path) -> None:
    """The first was sent to a member that sleeps; its answer, when it wakes, changes nothing."""
    with EtcdCluster(tmp_path, binaries=binaries) as cluster:
        frozen = next(m for m in cluster.members if m is not cluster.leader())
        seen, read = Recorder(), list[Instant]()

        def clock() -> Instant:
            read.append(now())
            return read[-1]

        async with opened(spec(*cluster.endpoints), seen) as store, at_home(store, seen, frozen.endpoint):
            store._leases._clock = clock
            held = await grant(store)
            await store.renew(held.lease, timeout_seconds=CALL_SECONDS)
            frozen.freeze()
            read.clear()
            renewal = await store.renew(held.lease, timeout_seconds=CALL_SECONDS)
            assert read.index(renewal.sent_at) > 0
            assert (await store.look(held.lease, timeout_seconds=CALL_SECONDS)).sent_at in read
            frozen.thaw()
            later = await store.renew(held.lease, timeout_seconds=CALL_SECONDS)
            assert later.sent_at > renewal.sent_at


async def test_a_member_of_another_cluster_is_not_asked_beside_ours(
    etcd: EtcdServer, fresh_etcd: EtcdServer, namespace: str
) -> None:
    """It would say that it knows no such lease, and be the first to answer."""
    seen = Recorder()
    async with opened(spec(fresh_etcd.endpoint, etcd.endpoint, namespace=namespace), seen) as store:
        told = await seen.wait(EndpointsSeen, lambda e: any(s.foreign for s in e.endpoints))
        ours = next(s.endpoint for s in told.endpoints if not s.foreign)
        held = await grant(store)
        await store.renew(held.lease, timeout_seconds=CALL_SECONDS)
        frozen = next(s for s in (etcd, fresh_etcd) if s.endpoint == ours)
        frozen.freeze()
        try:
            with pytest.raises((TimedOut, Unreachable)):
                await store.renew(held.lease, timeout_seconds=1.0)
        finally:
            frozen.thaw()
    stranger = next(s for s in (etcd, fresh_etcd) if s is not frozen)
    async with opened(spec(stranger.endpoint)) as store:
        with pytest.raises(LeaseNotFound):  # what it would have said
            await store.renew(held.lease, timeout_seconds=CALL_SECONDS)


class Cable:
    """A TCP proxy that can hold single connections up, as a lost frame does."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._gates: list[asyncio.Event] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._ends: list[asyncio.StreamWriter] = []
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for end in self._ends:
            end.close()
        await asyncio.gather(*(end.wait_closed() for end in self._ends), return_exceptions=True)

    def __len__(self) -> int:
        return len(self._gates)

    def hold_up(self) -> None:
        """Those connections that are open now."""
        for gate in self._gates:
            gate.clear()

    def let_go(self, number: int) -> None:
        self._gates[number].set()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gate = asyncio.Event()
        gate.set()
        self._gates.append(gate)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._ends += [writer, far_writer]
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._one_way(source, sink, gate))
            self._tasks.add(task)

    async def _one_way(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, gate: asyncio.Event) -> None:
        while data := await source.read(65536):
            await gate.wait()
            sink.write(data)
        sink.close()


async def test_one_endpoint_has_more_than_one_connection(
    etcd: EtcdServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is held up; the lease is renewed by another, and that is the first from then on."""
    monkeypatch.setattr(Address, "is_near", property(lambda _: False))
    async with (
        Cable(etcd.client_port) as cable,
        opened(spec(f"http://127.0.0.1:{cable.port}", namespace=namespace), Recorder()) as store,
    ):
        held = await grant(store)
        await store.renew(held.lease, timeout_seconds=CALL_SECONDS)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(cable) < hedge.MOST_AT_ONCE:
                await asyncio.sleep(0.01)
        (member,) = store._channels.members
        first = member.endpoint
        cable.hold_up()
        cable.let_go(1)
        renewal = await store.renew(held.lease, timeout_seconds=CALL_SECONDS)
        assert renewal.granted_seconds == 60
        if member.endpoint is first:  # which of them came first to the cable is anybody's guess
            cable.hold_up()
            cable.let_go(2)
            await store.renew(held.lease, timeout_seconds=CALL_SECONDS)
        assert member.endpoint is not first
        assert first in member.spares


async def test_on_this_machine_one_connection_is_enough(etcd: EtcdServer) -> None:
    async with Cable(etcd.client_port) as cable, opened(spec(f"http://127.0.0.1:{cable.port}"), Recorder()) as store:
        held = await grant(store)
        await store.renew(held.lease, timeout_seconds=CALL_SECONDS)
        (member,) = store._channels.members
        assert store._channels.members.spares(member) == []
        assert len(cable) == 1
