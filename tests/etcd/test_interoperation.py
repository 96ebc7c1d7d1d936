"""One queue with clients of other makes: ``dotnet-etcd``'s pattern (``tests.interop``) and ``etcdctl elect``.

Each for both ways in which ours enter (``etcd.campaign``): fair in either order, words readable in both directions, and
nobody skipped.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from supervisor.core.events import Campaigned, QueueChanged
from supervisor.core.names import ElectionName
from supervisor.core.spec import CampaignWay, EtcdSpec
from supervisor.etcd.store import EtcdStore
from tests.etcd.support import (
    CALL_SECONDS,
    PATIENCE_SECONDS,
    Recorder,
    enter,
    grant,
    opened,
    proclaim,
    prove,
    resign,
    spec,
)
from tests.etcd.test_election import etcdctl_elect
from tests.etcd_server import EtcdServer
from tests.interop.dotnet_etcd import EtcdClient, EtcdLeaderElection

E = ElectionName("e")
RECORD = b'{"v":1,"mark":"started"}'


@pytest.fixture(params=[*CampaignWay])
def there(request: pytest.FixtureRequest, etcd: EtcdServer, namespace: str) -> EtcdSpec:
    return spec(etcd.endpoint, namespace=namespace, campaign=request.param)


@pytest.fixture
async def client(etcd: EtcdServer) -> AsyncIterator[EtcdClient]:
    client = EtcdClient(etcd.endpoint)
    yield client
    await client.Dispose()


def foreign(client: EtcdClient, there: EtcdSpec, value: str, ttl: int = 10) -> EtcdLeaderElection:
    return EtcdLeaderElection(client, f"{there.namespace}/e", value, ttl)


async def proven(store: EtcdStore, mine: Campaigned) -> bool:
    first = (await prove(store, mine, RECORD)).first
    return first is not None and first.create_revision == mine.create_revision


async def test_a_queue_of_ours_and_theirs_is_served_in_order_and_nobody_is_skipped(
    there: EtcdSpec, client: EtcdClient, etcd: EtcdServer
) -> None:
    seen = Recorder()
    async with opened(there, seen) as store:
        one = await enter(store, "e", await grant(store), b"one")
        two, four = foreign(client, there, "two"), foreign(client, there, "four")
        second = asyncio.create_task(two.TryBecomeLeaderAsync(PATIENCE_SECONDS))
        await seen.queue("e", [b"one", b"two"])
        three = await enter(store, "e", await grant(store), b"three")
        fourth = asyncio.create_task(four.TryBecomeLeaderAsync(PATIENCE_SECONDS))
        await seen.queue("e", [b"one", b"two", b"three", b"four"])
        with etcdctl_elect(etcd, f"{there.namespace}/e", "five") as five:
            await seen.queue("e", [b"one", b"two", b"three", b"four", b"five"])
            six = await enter(store, "e", await grant(store), b"six")

            assert await proven(store, one)
            assert not second.done()
            await resign(store, one)
            assert await second
            assert not await proven(store, three)
            await two.ResignLeadershipAsync()
            await seen.queue("e", [b"three", b"four", b"five", b"six"])
            assert await proven(store, three)
            assert not fourth.done()
            await resign(store, three)
            assert await fourth
            assert not await proven(store, six)
            await four.ResignLeadershipAsync()
            assert five.stdout is not None
            assert five.stdout.readline().startswith(f"{there.namespace}/e/")
            assert five.stdout.readline().strip() == "five"
            assert not await proven(store, six)
        await seen.queue("e", [b"six"])
        assert await proven(store, six)


async def test_who_gives_up_after_its_timeout_has_left_our_queue(there: EtcdSpec, client: EtcdClient) -> None:
    seen = Recorder()
    async with opened(there, seen) as store:
        mine = await enter(store, "e", await grant(store), b"ours")
        other = foreign(client, there, "theirs")
        trying = asyncio.create_task(other.TryBecomeLeaderAsync(0.3))
        await seen.queue("e", [b"ours", b"theirs"])
        start = len(seen.events)
        assert not await trying
        await seen.queue("e", [b"ours"], after=start)
        assert await proven(store, mine)
        kv = await other.GetCurrentLeaderAsync()
        assert (kv.key.decode(), kv.value, kv.create_revision) == (mine.first.key, b"ours", mine.create_revision)


async def test_they_read_what_we_proclaim(there: EtcdSpec, client: EtcdClient) -> None:
    async with opened(there) as store:
        mine = await enter(store, "e", await grant(store), b"first words")
        observed = client.Observe(f"{there.namespace}/e")
        async with asyncio.timeout(CALL_SECONDS):
            assert (await anext(observed)).kv.value == b"first words"
            await proclaim(store, mine, b"second words")
            assert (await anext(observed)).kv.value == b"second words"
        assert (await client.LeaderAsync(f"{there.namespace}/e")).kv.value == b"second words"


async def test_we_read_what_they_proclaim_and_follow_when_they_resign(there: EtcdSpec, client: EtcdClient) -> None:
    seen = Recorder()
    async with opened(there, seen) as store:
        leader = foreign(client, there, "theirs")
        assert await leader.TryBecomeLeaderAsync(CALL_SECONDS)
        mine = await enter(store, "e", await grant(store), b"ours")
        assert mine.first.value == b"theirs"
        await leader.ProclaimAsync("louder")
        queue = await seen.queue("e", [b"louder", b"ours"])
        assert queue.candidates[0].create_revision < mine.create_revision
        assert not await proven(store, mine)
        await leader.ResignLeadershipAsync()
        await seen.queue("e", [b"ours"])
        assert await proven(store, mine)


async def test_when_they_die_we_are_next_with_the_end_of_their_lease(there: EtcdSpec, client: EtcdClient) -> None:
    seen = Recorder()
    async with opened(there, seen) as store:
        leader = foreign(client, there, "theirs", ttl=2)
        assert await leader.TryBecomeLeaderAsync(CALL_SECONDS)
        mine = await enter(store, "e", await grant(store), b"ours")
        await leader.Crash()
        await seen.wait(QueueChanged, lambda q: [c.value for c in q.candidates] == [b"ours"])
        assert await proven(store, mine)


async def test_when_we_die_they_are_next_with_the_end_of_our_lease(there: EtcdSpec, client: EtcdClient) -> None:
    seen = Recorder()
    other = foreign(client, there, "theirs")
    async with opened(there, seen) as store:
        await enter(store, "e", await grant(store, ttl_seconds=2), b"ours")
        trying = asyncio.create_task(other.TryBecomeLeaderAsync(PATIENCE_SECONDS))
        await seen.queue("e", [b"ours", b"theirs"])
    assert await trying
    await other.ResignLeadershipAsync()
