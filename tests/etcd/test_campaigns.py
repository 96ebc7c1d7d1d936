"""``etcd.campaign: rpc``: candidates enter by blocking Campaign calls, and nothing about their wins is taken on trust."""

import asyncio

import pytest

from supervisor.core.events import Campaigned, Candidate, QueueChanged
from supervisor.core.names import ElectionName, LeaseId, Token
from supervisor.core.spec import CampaignWay, EtcdSpec
from supervisor.core.store_events import CampaignEnded
from supervisor.etcd.campaigns import CampaignCalls
from supervisor.etcd.election import Candidacy
from supervisor.etcd.errors import KeyNotOurs, LeaseNotFound, StoreError
from supervisor.etcd.rpc import ElectionService
from supervisor.etcd.store import EtcdStore
from supervisor.pb.etcd import election_pb2
from tests.etcd.support import (
    CALL_SECONDS,
    PATIENCE_SECONDS,
    Recorder,
    channels,
    enter,
    eventually,
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


@pytest.fixture
def by_call(etcd: EtcdServer, namespace: str) -> EtcdSpec:
    return spec(etcd.endpoint, namespace=namespace, campaign=CampaignWay.RPC)


def calls(store: EtcdStore) -> CampaignCalls:
    assert store._calls is not None
    return store._calls


async def ended(store: EtcdStore) -> None:
    """No call is blocked any more."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while calls(store)._blocked:
            await asyncio.sleep(0.005)


async def test_an_empty_queue_is_entered_first_and_the_win_is_proven(by_call: EtcdSpec) -> None:
    seen = Recorder()
    async with opened(by_call, seen) as store:
        held = await grant(store)
        mine = await enter(store, "e", held, b"ours")
        assert (mine.first.lease, mine.first.create_revision) == (held.lease, mine.create_revision)
        assert mine.first.key == f"{by_call.namespace}/e/{held.lease:x}"
        assert (await prove(store, mine, RECORD)).first == mine.first
        await ended(store)
        await resign(store, mine)
        await seen.queue("e", [])


async def test_a_call_waits_in_the_queue_and_its_return_is_told_of_not_believed(by_call: EtcdSpec) -> None:
    seen = Recorder()
    async with opened(by_call, seen) as store:
        one, two = await grant(store), await grant(store)
        first = await enter(store, "e", one, b"one")
        second = await enter(store, "e", two, b"two")
        assert second.first == first.first
        assert (await prove(store, second, RECORD)).first == first.first
        await resign(store, first)
        told = await seen.wait(CampaignEnded, lambda ended: ended.lease == two.lease)
        assert (told.create_revision, told.broken) == (second.create_revision, False)
        proven = (await prove(store, second, RECORD)).first
        assert proven is not None
        assert proven.create_revision == second.create_revision


async def test_the_order_is_fair_with_candidates_of_the_other_way(by_call: EtcdSpec, namespace: str) -> None:
    seen = Recorder()
    other = spec(*by_call.endpoints, namespace=namespace)
    async with opened(by_call, seen) as store, opened(other) as theirs:
        candidates = [
            (way, await enter(way, "e", await grant(way), str(i).encode()))
            for i, way in enumerate([theirs, store, theirs, store])
        ]
        for i, (way, candidate) in enumerate(candidates):
            await seen.queue("e", [str(k).encode() for k in range(i, 4)])
            (first,) = await read_first(store, [E])
            assert first is not None
            assert first.create_revision == candidate.create_revision
            await resign(way, candidate)
        await seen.queue("e", [])


async def test_entering_again_finds_the_call_and_the_place(by_call: EtcdSpec) -> None:
    async with opened(by_call) as store:
        await enter(store, "e", await grant(store), b"one")
        await ended(store)
        two = await grant(store)
        once = await enter(store, "e", two, b"two")
        (call,) = calls(store)._blocked.values()
        assert await enter(store, "e", two, b"two") == once
        assert [*calls(store)._blocked.values()] == [call]


async def test_who_withdraws_is_gone_and_so_is_the_call(by_call: EtcdSpec) -> None:
    seen = Recorder()
    async with opened(by_call, seen) as store:
        first = await enter(store, "e", await grant(store), b"one")
        second = await enter(store, "e", await grant(store), b"two")
        third = await enter(store, "e", await grant(store), b"three")
        await seen.queue("e", [b"one", b"two", b"three"])
        await resign(store, second)
        await seen.queue("e", [b"one", b"three"])
        assert {lease for _, lease in calls(store)._blocked} - {first.lease} == {third.lease}
        await resign(store, first)
        await seen.wait(CampaignEnded, lambda ended: ended.lease == third.lease)
        assert not any(isinstance(e, CampaignEnded) and e.lease == second.lease for e in seen.events)


@pytest.mark.parametrize("how", ["it fails", "it returns", "it returns, and the key is nowhere"])
async def test_a_call_that_ends_while_we_look_is_judged_by_its_own_end(
    by_call: EtcdSpec, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The look was taken before the end: that our key is not in it says nothing."""
    async with opened(by_call) as store:
        answer: asyncio.Future[election_pb2.CampaignResponse] = asyncio.get_running_loop().create_future()
        ours = Candidate(key="k", lease=LeaseId(1), create_revision=Token(7))
        looks = 0

        async def look(_candidacy: Candidacy, _timeout: float) -> tuple[Candidate | None, Candidate | None]:
            nonlocal looks
            looks += 1
            if looks == 1:
                if how == "it fails":
                    answer.set_exception(LeaseNotFound("gone"))
                else:
                    answer.set_result(election_pb2.CampaignResponse())
                return None, None
            return (ours, ours) if how == "it returns" else (None, None)

        monkeypatch.setattr(calls(store), "_look", look)
        candidacy = Candidacy(election=E, lease=LeaseId(1), document=b"")
        entering = calls(store)._entered(candidacy, answer, CALL_SECONDS)
        if how == "it returns":
            assert (await entering).create_revision == ours.create_revision
        else:
            with pytest.raises(LeaseNotFound if how == "it fails" else KeyNotOurs):
                await entering


@pytest.mark.parametrize("known", ["by the watch", "by its own renewal", "by its own end"])
async def test_a_call_is_ended_with_its_lease(by_call: EtcdSpec, namespace: str, known: str) -> None:
    """etcd#11051, #12334, #19597: the server never looks at its candidate's key again, and blocks, or lets it win."""
    seen = Recorder() if known == "by the watch" else None
    async with opened(by_call, seen) as store, opened(spec(*by_call.endpoints, namespace=namespace)) as other:
        first = await enter(other, "e", await grant(other), b"one")
        held = await grant(store)
        await enter(store, "e", held, b"zombie")
        if known == "by its own end":
            await store.revoke(held.lease, timeout_seconds=CALL_SECONDS)
        else:
            await other.revoke(held.lease, timeout_seconds=CALL_SECONDS)
        if known == "by its own renewal":
            with pytest.raises(LeaseNotFound):
                await store.renew(held.lease, timeout_seconds=CALL_SECONDS)
        await ended(store)
        await resign(other, first)
        assert await read_first(store, [E]) == [None]
        (outcome,) = await store.campaign(
            [Candidacy(election=E, lease=held.lease, document=b"ghost")], timeout_seconds=CALL_SECONDS
        )
        assert isinstance(outcome, LeaseNotFound)
        assert not calls(store)._blocked


async def test_a_key_deleted_by_hand_ends_the_call_and_the_next_has_a_new_place(
    by_call: EtcdSpec, etcd: EtcdServer
) -> None:
    seen = Recorder()
    async with opened(by_call, seen) as store:
        one, two = await grant(store), await grant(store)
        await enter(store, "e", one, b"one")
        once = await enter(store, "e", two, b"two")
        await seen.queue("e", [b"one", b"two"])
        etcd.etcdctl("del", f"{by_call.namespace}/e/{two.lease:x}")
        await seen.queue("e", [b"one"])
        await ended(store)
        again = await enter(store, "e", two, b"two")
        assert again.create_revision > once.create_revision
        await seen.queue("e", [b"one", b"two"], after=len(seen.events) - 2)
        assert {lease for _, lease in calls(store)._blocked} - {one.lease} == {two.lease}


async def test_a_key_deleted_while_nobody_watches_is_found_by_the_next_campaign(
    by_call: EtcdSpec, etcd: EtcdServer
) -> None:
    async with opened(by_call) as store:
        await enter(store, "e", await grant(store), b"one")
        await ended(store)
        two = await grant(store)
        once = await enter(store, "e", two, b"two")
        (zombie,) = calls(store)._blocked.values()
        etcd.etcdctl("del", f"{by_call.namespace}/e/{two.lease:x}")
        again = await enter(store, "e", two, b"two")
        assert again.create_revision > once.create_revision
        assert [*calls(store)._blocked.values()] != [zombie]
        assert zombie.answer.cancelled()


async def test_the_end_of_an_old_call_leaves_the_later_key_alone(by_call: EtcdSpec, namespace: str) -> None:
    """The server deletes the key of a cancelled Campaign, but only the one of that call's own create revision."""
    seen = Recorder()
    there = spec(*by_call.endpoints, namespace=namespace)
    async with opened(there, seen) as store, channels(there) as connection:
        first = await enter(store, "e", await grant(store), b"one")
        held = await grant(store)
        old = asyncio.create_task(
            ElectionService(connection).campaign(E, held.lease, b"old", timeout_seconds=CALL_SECONDS)
        )
        queue = await seen.queue("e", [b"one", b"old"])
        mine = Campaigned(
            election=E, lease=held.lease, create_revision=queue.candidates[1].create_revision, first=first.first
        )
        await resign(store, mine)
        later = await enter(store, "e", held, b"later")
        third = await enter(store, "e", await grant(store), b"third")
        old.cancel()
        await asyncio.gather(old, return_exceptions=True)
        await resign(store, third)
        shown = await seen.queue("e", [b"one", b"later"], after=len(seen.events) - 1)
        assert shown.candidates[1].create_revision == later.create_revision


async def test_a_leftover_of_a_cut_off_call_is_replaced(by_call: EtcdSpec, namespace: str) -> None:
    async with opened(by_call) as store, opened(spec(*by_call.endpoints, namespace=namespace)) as other:
        held = await grant(store)
        left = await enter(other, "e", held, b"left")
        mine = await enter(store, "e", held, b"ours")
        assert mine.create_revision > left.create_revision
        assert mine.first.value == b"ours"


async def test_a_member_that_goes_ends_the_call_and_another_campaign_finds_the_way_back(
    fresh_etcd: EtcdServer, namespace: str
) -> None:
    seen = Recorder()
    async with opened(spec(fresh_etcd.endpoint, namespace=namespace, campaign=CampaignWay.RPC), seen) as store:
        await enter(store, "e", await grant(store), b"one")
        two = await grant(store)
        once = await enter(store, "e", two, b"two")
        fresh_etcd.kill()
        told = await seen.wait(CampaignEnded, lambda ended: ended.lease == two.lease)
        assert (told.broken, told.create_revision) == (True, once.create_revision)
        assert fresh_etcd.endpoint in told.detail
        fresh_etcd.launch()
        again = await eventually(lambda: entered(store, two.lease))
        assert again.first.value == b"one"
        assert again.create_revision > once.create_revision


async def entered(store: EtcdStore, lease: int) -> Campaigned:
    candidacy = Candidacy(election=E, lease=LeaseId(lease), document=b"two")
    (outcome,) = await store.campaign([candidacy], timeout_seconds=CALL_SECONDS)
    if isinstance(outcome, StoreError):
        raise outcome
    return outcome


async def test_a_frozen_member_costs_its_deadline_and_leaves_no_call(fresh_etcd: EtcdServer, namespace: str) -> None:
    async with opened(spec(fresh_etcd.endpoint, namespace=namespace, campaign=CampaignWay.RPC)) as store:
        held = await grant(store)
        fresh_etcd.freeze()
        (outcome,) = await store.campaign([Candidacy(election=E, lease=held.lease, document=b"")], timeout_seconds=0.3)
        assert isinstance(outcome, StoreError)
        assert not calls(store)._blocked
        fresh_etcd.thaw()
        mine = await eventually(lambda: entered(store, held.lease))
        assert mine.first.create_revision == mine.create_revision


async def test_twenty_elections_in_one_batch(by_call: EtcdSpec) -> None:
    names = [ElectionName(f"e{i}") for i in range(20)]
    seen = Recorder()
    async with opened(by_call, seen) as store:
        one, two = await grant(store), await grant(store)
        for held in (one, two):
            batch = [Candidacy(election=n, lease=held.lease, document=n.encode()) for n in names]
            outcomes = await store.campaign(batch, timeout_seconds=CALL_SECONDS)
            assert [o.election for o in outcomes if isinstance(o, Campaigned)] == names
        await store.revoke(one.lease, timeout_seconds=CALL_SECONDS)
        for name in names:
            await seen.wait(
                QueueChanged,
                lambda q, name=name: q.election == name and [c.lease for c in q.candidates] == [two.lease],  # type: ignore[misc]
            )
        await store.revoke(two.lease, timeout_seconds=CALL_SECONDS)
        assert not calls(store)._blocked


async def test_leaving_an_etcd_tells_of_every_call_that_was_blocked(by_call: EtcdSpec) -> None:
    async with opened(by_call) as store:
        await enter(store, "e", await grant(store), b"one")
        await ended(store)
        two = await grant(store)
        waiting = await enter(store, "e", two, b"two")
        (told,) = store.end_calls()
        assert (told.broken, told.create_revision) == (True, waiting.create_revision)
        assert store.end_calls() == []
