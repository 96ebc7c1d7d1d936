"""The verbs of elections on a real etcd, and beside other clients of it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from supervisor.core.events import Campaigned, QueueChanged
from supervisor.core.names import ElectionName, LeaseId
from supervisor.etcd.channel import Channels
from supervisor.etcd.election import MAX_OPERATIONS, Candidacy, Elections
from supervisor.etcd.errors import KeyNotOurs, LeaseNotFound, Rejected, StoreError
from supervisor.pb.etcd import rpc_pb2
from tests.etcd.support import (
    CALL_SECONDS,
    Recorder,
    channels,
    enter,
    grant,
    opened,
    proclaim,
    read_first,
    resign,
    spec,
)
from tests.etcd_server import EtcdServer

E = ElectionName("e")


async def test_the_first_to_enter_is_first_and_the_second_sees_it(etcd: EtcdServer, namespace: str) -> None:
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        one, two = await grant(store), await grant(store)
        first = await enter(store, "e", one, b"one")
        assert first.first.key == f"{namespace}/e/{one.lease:x}"
        assert first.first.create_revision == first.create_revision
        assert first.first.lease == one.lease

        second = await enter(store, "e", two, b"two")
        assert second.create_revision > first.create_revision
        assert second.first == first.first
        assert second.first.value == b"one"
        assert await read_first(store, [E]) == [first.first]


async def test_entering_again_keeps_place_and_document(etcd: EtcdServer, namespace: str) -> None:
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        held = await grant(store)
        once = await enter(store, "e", held, b"once")
        again = await enter(store, "e", held, b"again")
        assert again == once
        assert again.first.value == b"once"


async def test_a_batch_of_300_elections(etcd: EtcdServer, namespace: str) -> None:
    names = [ElectionName(f"e{i}") for i in range(300)]
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        held = await grant(store)
        batch = [Candidacy(election=n, lease=held.lease, document=n.encode()) for n in names]
        outcomes = await store.campaign(batch, timeout_seconds=CALL_SECONDS)
        entered = [o for o in outcomes if isinstance(o, Campaigned)]
        assert [o.election for o in entered] == names
        assert all(o.first.value == o.election.encode() for o in entered)
        firsts = await read_first(store, [*names, ElectionName("empty")])
        assert firsts == [*(o.first for o in entered), None]


async def test_one_key_may_be_asked_for_twice_in_a_batch(etcd: EtcdServer, namespace: str) -> None:
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        held = await grant(store)
        twice = [Candidacy(election=E, lease=held.lease, document=d) for d in (b"old", b"new")]
        one, two = await store.campaign(twice, timeout_seconds=CALL_SECONDS)
        assert isinstance(one, Campaigned)
        assert one == two


async def test_a_lost_lease_fails_its_own_candidacies_only(etcd: EtcdServer, namespace: str) -> None:
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        held, lost = await grant(store), await grant(store)
        await store.revoke(lost.lease, timeout_seconds=CALL_SECONDS)
        batch = [Candidacy(election=E, lease=g.lease, document=b"") for g in (lost, held)]
        gone, entered = await store.campaign(batch, timeout_seconds=CALL_SECONDS)
        assert isinstance(gone, LeaseNotFound)
        assert isinstance(entered, Campaigned)
        assert entered.first.lease == held.lease


async def test_nothing_to_ask_is_nothing_answered(etcd: EtcdServer, namespace: str) -> None:
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        assert await store.campaign([], timeout_seconds=CALL_SECONDS) == []
        assert await read_first(store, []) == []


async def test_proclaim_writes_over_our_key_alone(etcd: EtcdServer, namespace: str) -> None:
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        held = await grant(store)
        mine = await enter(store, "e", held, b"old")
        await proclaim(store, mine, b"new")
        (first,) = await read_first(store, [E])
        assert first is not None
        assert (first.value, first.create_revision, first.lease) == (b"new", mine.create_revision, held.lease)

        with pytest.raises(KeyNotOurs, match="proclaim in e"):
            await proclaim(store, mine, b"no", mine.create_revision + 1)
        await resign(store, mine)
        with pytest.raises(KeyNotOurs):
            await proclaim(store, mine, b"no")
        assert await read_first(store, [E]) == [None]


async def test_resign_deletes_our_key_alone_and_absence_is_success(etcd: EtcdServer, namespace: str) -> None:
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        held = await grant(store)
        old = await enter(store, "e", held, b"")
        await resign(store, old)
        await resign(store, old)
        later = await enter(store, "e", held, b"")
        assert later.create_revision > old.create_revision
        await resign(store, old)  # of a term that is over: the later key stays
        assert await read_first(store, [E]) == [later.first]


async def test_when_the_first_resigns_the_watch_shows_the_next(etcd: EtcdServer, namespace: str) -> None:
    seen = Recorder()
    async with opened(spec(etcd.endpoint, namespace=namespace), seen) as store:
        one, two = await grant(store), await grant(store)
        first = await enter(store, "e", one, b"one")
        second = await enter(store, "e", two, b"two")
        await seen.queue("e", [b"one", b"two"])
        await resign(store, first)
        queue = await seen.queue("e", [b"two"])
        assert queue.candidates[0].create_revision == second.create_revision
        assert queue.revision > second.create_revision


async def test_the_size_of_transactions_is_within_what_etcd_allows(etcd: EtcdServer, namespace: str) -> None:
    async with channels(spec(etcd.endpoint, namespace=namespace)) as connection:
        elections = Elections(connection)
        lease = LeaseId((await connection.call(
            lambda e: e.grant, rpc_pb2.LeaseGrantRequest(TTL=60), verb="grant", timeout_seconds=CALL_SECONDS
        )).ID)  # fmt: skip
        reply = await outer(connection, elections, lease, 125)  # 125 and the 3 of the longest nested one are 128
        assert len(reply.responses) == 125
        with pytest.raises(Rejected, match="too many operations"):
            await outer(connection, elections, lease, 126)
    assert MAX_OPERATIONS <= 125


async def outer(connection: Channels, elections: Elections, lease: LeaseId, size: int) -> rpc_pb2.TxnResponse:
    entries = [
        elections._entry(Candidacy(election=ElectionName(f"n{i}"), lease=lease, document=b"")) for i in range(size)
    ]
    return await connection.call(
        lambda e: e.txn, rpc_pb2.TxnRequest(success=entries), verb="campaign", timeout_seconds=CALL_SECONDS
    )


async def test_a_request_that_etcd_will_not_have_is_a_store_error(etcd: EtcdServer, namespace: str) -> None:
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        held = await grant(store)
        huge = Candidacy(election=E, lease=held.lease, document=bytes(3_000_000))
        (outcome,) = await store.campaign([huge], timeout_seconds=CALL_SECONDS)
        assert isinstance(outcome, StoreError)
        assert etcd.endpoint in str(outcome)
        with pytest.raises(ValueError, match="slash"):
            await read_first(store, [ElectionName("a/b")])


@contextmanager
def etcdctl_elect(etcd: EtcdServer, name: str, value: str) -> Iterator["subprocess.Popen[str]"]:
    """A foreign candidate, ended (and so resigned) when the block ends."""
    process = etcd.spawn_etcdctl("elect", name, value)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=20)
        assert process.stdout is not None
        process.stdout.close()


async def test_a_foreign_candidate_queues_behind_us_and_wins_when_we_resign(etcd: EtcdServer, namespace: str) -> None:
    seen = Recorder()
    async with opened(spec(etcd.endpoint, namespace=namespace), seen) as store:
        mine = await enter(store, "e", await grant(store), b"ours")
        with etcdctl_elect(etcd, f"{namespace}/e", "theirs") as other:
            queue = await seen.queue("e", [b"ours", b"theirs"])
            assert queue.candidates[1].key == f"{namespace}/e/{queue.candidates[1].lease:x}"
            await resign(store, mine)
            assert other.stdout is not None
            assert other.stdout.readline().strip() == queue.candidates[1].key  # etcdctl prints what it won
            assert other.stdout.readline().strip() == "theirs"


async def test_we_queue_behind_a_foreign_leader_and_are_first_when_it_goes(etcd: EtcdServer, namespace: str) -> None:
    seen = Recorder()
    async with opened(spec(etcd.endpoint, namespace=namespace), seen) as store:
        with etcdctl_elect(etcd, f"{namespace}/e", "theirs") as other:
            await seen.queue("e", [b"theirs"])
            assert other.stdout is not None
            # It leads, and knows it: ended in between, etcdctl leaves its key behind until its lease is over.
            assert [other.stdout.readline().strip() for _ in range(2)][1] == "theirs"
            mine = await enter(store, "e", await grant(store), b"ours")
            assert mine.first.value == b"theirs"
            await seen.queue("e", [b"theirs", b"ours"])
        queue = await seen.wait(QueueChanged, lambda q: [c.value for c in q.candidates] == [b"ours"])
        assert queue.candidates[0].create_revision == mine.create_revision


async def test_etcdctl_shows_our_leader_and_its_proclamation(etcd: EtcdServer, namespace: str) -> None:
    seen = Recorder()
    async with opened(spec(etcd.endpoint, namespace=namespace), seen) as store:
        mine = await enter(store, "e", await grant(store), b"first words")
        listening = etcd.spawn_etcdctl("elect", "-l", f"{namespace}/e")
        try:
            assert listening.stdout is not None
            assert listening.stdout.readline().strip() == mine.first.key
            assert listening.stdout.readline().strip() == "first words"
            await proclaim(store, mine, b"second words")
            assert listening.stdout.readline().strip() == mine.first.key
            assert listening.stdout.readline().strip() == "second words"
        finally:
            listening.kill()
            listening.wait(timeout=20)
            assert listening.stdout is not None
            listening.stdout.close()
