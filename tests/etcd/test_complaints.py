"""What others' users suffered from, as it is on a real etcd, and that it does not reach us (``docs/complaints.md``)."""

import asyncio

import pytest

from supervisor.core.names import ElectionName, LeaseId
from supervisor.core.spec import CampaignWay
from supervisor.etcd import keys
from supervisor.etcd.election import Candidacy
from supervisor.etcd.errors import StoreError
from supervisor.etcd.rpc import ElectionService
from tests.etcd.support import (
    CALL_SECONDS,
    PATIENCE_SECONDS,
    Recorder,
    channels,
    enter,
    grant,
    opened,
    prove,
    read_first,
    resign,
    spec,
)
from tests.etcd_server import EtcdServer

E = ElectionName("e")
RECORD = b'{"v":1,"mark":"started"}'


async def test_etcd_lets_a_campaign_win_whose_key_is_gone_and_no_proof_follows(
    etcd: EtcdServer, namespace: str
) -> None:
    """etcd#11051, #12334, #19597: the phantom leader. The call may also block; it never says that its key is gone."""
    there = spec(etcd.endpoint, namespace=namespace)
    seen = Recorder()
    async with opened(there, seen) as store, channels(there) as connection:
        service = ElectionService(connection)
        first = await enter(store, "e", await grant(store), b"first")
        held = await grant(store)
        waiting = asyncio.create_task(service.campaign(E, held.lease, b"phantom", timeout_seconds=PATIENCE_SECONDS))
        await seen.queue("e", [b"first", b"phantom"])
        await store.revoke(held.lease, timeout_seconds=CALL_SECONDS)
        await seen.queue("e", [b"first"], after=len(seen.events) - 1)
        await resign(store, first)
        office = await waiting
        assert office.lease == held.lease, "it was told that it won"
        assert await read_first(store, [E]) == [None], "and there is no key at all"


@pytest.mark.parametrize("way", [*CampaignWay])
async def test_a_successor_under_a_lapsed_lease_is_refused_not_elected(
    etcd: EtcdServer, namespace: str, way: CampaignWay
) -> None:
    """etcd-client#14: "every waiting client won"."""
    async with opened(spec(etcd.endpoint, namespace=namespace, campaign=way)) as store:
        first = await enter(store, "e", await grant(store), b"first")
        held = await grant(store)
        mine = await enter(store, "e", held, b"mine")
        await store.revoke(held.lease, timeout_seconds=CALL_SECONDS)
        await resign(store, first)
        assert (await prove(store, mine, RECORD)).first is None
        (outcome,) = await store.campaign(
            [Candidacy(election=E, lease=held.lease, document=b"")], timeout_seconds=CALL_SECONDS
        )
        assert isinstance(outcome, StoreError)


@pytest.mark.parametrize("way", [*CampaignWay])
async def test_a_candidacy_without_a_lease_is_never_sent(etcd: EtcdServer, namespace: str, way: CampaignWay) -> None:
    """dotnet-etcd#321: for lease 0 etcd makes one of 60 s that nobody renews, and then there are two holders."""
    async with opened(spec(etcd.endpoint, namespace=namespace, campaign=way)) as store:
        with pytest.raises(ValueError, match="lease 0 is no lease"):
            await store.campaign([Candidacy(election=E, lease=LeaseId(0), document=b"")], timeout_seconds=CALL_SECONDS)
        assert await read_first(store, [E]) == [None]
    with pytest.raises(ValueError, match="lease 0 is no lease"):
        keys.candidate(namespace, E, LeaseId(0))
