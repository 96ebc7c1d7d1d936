"""The Election service beside our transactions: the same keys, the same queue."""

import asyncio

import pytest

from supervisor.core.names import ElectionName
from supervisor.etcd.errors import KeyNotOurs, TimedOut
from supervisor.etcd.rpc import ElectionService
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


async def test_leader_and_observe_read_what_we_proclaim(etcd: EtcdServer, namespace: str) -> None:
    there = spec(etcd.endpoint, namespace=namespace)
    async with opened(there) as store, channels(there) as connection:
        service = ElectionService(connection)
        assert await service.leader(E, timeout_seconds=CALL_SECONDS) is None
        mine = await enter(store, "e", await grant(store), b"one")
        assert await service.leader(E, timeout_seconds=CALL_SECONDS) == mine.first

        observed = service.observe(E)
        async with asyncio.timeout(CALL_SECONDS):
            assert await anext(observed) == mine.first
            await proclaim(store, mine, b"two")
            assert (await anext(observed)).value == b"two"
        await observed.aclose()


async def test_a_campaign_ends_at_its_deadline(etcd: EtcdServer, namespace: str) -> None:
    there = spec(etcd.endpoint, namespace=namespace)
    async with opened(there) as store, channels(there) as connection:
        mine = await enter(store, "e", await grant(store), b"ours")
        with pytest.raises(TimedOut, match="Campaign in e"):
            await ElectionService(connection).campaign(E, (await grant(store)).lease, b"rpc", timeout_seconds=0.2)
        assert await read_first(store, [E]) == [mine.first]


async def test_campaign_queues_behind_ours_and_returns_when_we_resign(etcd: EtcdServer, namespace: str) -> None:
    there = spec(etcd.endpoint, namespace=namespace)
    seen = Recorder()
    async with opened(there, seen) as store, channels(there) as connection:
        service = ElectionService(connection)
        mine = await enter(store, "e", await grant(store), b"ours")
        held = await grant(store)
        waiting = asyncio.create_task(service.campaign(E, held.lease, b"rpc", timeout_seconds=CALL_SECONDS))
        await seen.queue("e", [b"ours", b"rpc"])
        assert not waiting.done()
        await resign(store, mine)
        office = await waiting
        (first,) = await read_first(store, [E])
        assert first is not None
        assert (first.key.encode(), first.create_revision, first.lease) == (
            office.key,
            office.create_revision,
            held.lease,
        )

        await service.proclaim(office, b"louder", timeout_seconds=CALL_SECONDS)
        await seen.queue("e", [b"louder"])
        await service.resign(office, timeout_seconds=CALL_SECONDS)
        await seen.queue("e", [])
        with pytest.raises(KeyNotOurs):
            await service.proclaim(office, b"ghost", timeout_seconds=CALL_SECONDS)
        await service.resign(office, timeout_seconds=CALL_SECONDS)
