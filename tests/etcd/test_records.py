"""The record of a term on a real etcd: begun with the proof of the win, ended with the key, whoever ends it."""

import pytest

from supervisor.core.events import FirstRead, TermRecord
from supervisor.core.names import ElectionName, Token
from supervisor.etcd.election import MAX_OPERATIONS, Candidacy, Claim, Closing, Ending
from tests.etcd.support import CALL_SECONDS, enter, grant, opened, prove, resign, spec
from tests.etcd_server import EtcdServer

E = ElectionName("e")


async def test_only_the_first_of_the_queue_is_put_on_record(etcd: EtcdServer, namespace: str) -> None:
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        first = await enter(store, "e", await grant(store), b"one")
        second = await enter(store, "e", await grant(store), b"two")
        told = await prove(store, second, b"started too early")
        assert isinstance(told, FirstRead)
        assert (told.first, told.records) == (first.first, ())
        mine = TermRecord(token=first.create_revision, value=b"started")
        proven = await prove(store, first, b"started")
        assert isinstance(proven, FirstRead)
        assert (proven.first, proven.records) == (first.first, (mine,))
        look = await store.look(first.lease, timeout_seconds=5.0)
        assert proven.raft_term == look.raft_term > 0
        assert (
            etcd.etcdctl("get", "--print-value-only", f"{namespace}.log/e/{first.create_revision}").strip() == "started"
        )
        await resign(store, first, b"stopped")
        told = await prove(store, second, b"now")
        assert [r.value for r in told.records] == [b"now", b"stopped"]


async def test_a_claim_of_an_older_key_of_ours_is_none(etcd: EtcdServer, namespace: str) -> None:
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        held = await grant(store)
        old = await enter(store, "e", held, b"")
        await resign(store, old)
        await enter(store, "e", held, b"")
        assert (await prove(store, old, b"ghost")).records == ()


async def test_an_end_is_recorded_though_the_key_is_gone_and_never_invented(etcd: EtcdServer, namespace: str) -> None:
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        mine = await enter(store, "e", await grant(store), b"")
        await prove(store, mine, b"started")
        etcd.etcdctl("del", "--prefix", f"{namespace}/e/")
        await resign(store, mine, b"stopped")
        other = await enter(store, "e", await grant(store), b"")
        assert [r.value for r in (await prove(store, other, b"next")).records] == [b"next", b"stopped"]
        third = await enter(store, "e", await grant(store), b"")
        await resign(store, third, b"stopped")  # it was never on record
        assert len((await prove(store, other, b"next")).records) == 2


async def test_records_are_closed_where_they_are_and_forgotten_on_request(etcd: EtcdServer, namespace: str) -> None:
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        mine = await enter(store, "e", await grant(store), b"")
        await prove(store, mine, b"started")
        token = mine.create_revision
        closing = Closing(
            election=E, records=(TermRecord(token=token, value=b"over"), TermRecord(token=Token(1), value=b"over"))
        )
        others = [Closing(election=ElectionName(f"o{n}"), records=closing.records) for n in range(MAX_OPERATIONS)]
        outcomes = await store.close_records([closing, *others], timeout_seconds=CALL_SECONDS)
        assert outcomes == [None] * (MAX_OPERATIONS + 1)
        etcd.etcdctl("put", f"{namespace}.log/e/note", "a stranger's")
        end = Ending(election=E, lease=mine.lease, create_revision=token, forget=(token, Token(2)))
        other = await enter(store, "e", await grant(store), b"")
        assert [r.value for r in (await prove(store, other, b"")).records] == [b"over"]
        await store.resign(end, timeout_seconds=CALL_SECONDS)
        assert [r.token for r in (await prove(store, other, b"")).records] == [other.create_revision]


@pytest.mark.parametrize("count", [MAX_OPERATIONS + 5])
async def test_many_wins_are_proven_at_once(etcd: EtcdServer, namespace: str, count: int) -> None:
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        held = await grant(store)
        names = [ElectionName(f"e{i}") for i in range(count)]
        batch = [Candidacy(election=n, lease=held.lease, document=b"") for n in names]
        entered = await store.campaign(batch, timeout_seconds=CALL_SECONDS)
        claims = [
            Claim(election=n, lease=held.lease, create_revision=c.create_revision, record=b"started")  # type: ignore[union-attr]
            for n, c in zip(names, entered, strict=True)
        ]
        proven = await store.prove(claims, timeout_seconds=CALL_SECONDS)
        assert all(isinstance(p, FirstRead) and p.records[0].value == b"started" for p in proven)


async def test_a_lease_is_looked_at_from_outside(etcd: EtcdServer, namespace: str) -> None:
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        held = await grant(store, 60)
        look = await store.look(held.lease, timeout_seconds=CALL_SECONDS)
        assert look.granted_seconds == 60
        assert 50 < look.remaining_seconds < 60
        await store.revoke(held.lease, timeout_seconds=CALL_SECONDS)
        assert (await store.look(held.lease, timeout_seconds=CALL_SECONDS)).remaining_seconds < 0


async def test_the_keys_of_our_terms_are_confirmed_and_the_missing_named(etcd: EtcdServer, namespace: str) -> None:
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        held = await grant(store)
        mine = [await enter(store, name, held, b"") for name in ("a", "b", "c")]
        keys = [(m.election, m.create_revision) for m in mine]
        assert await store.confirm(held.lease, keys, timeout_seconds=CALL_SECONDS) == ()
        etcd.etcdctl("del", "--prefix", f"{namespace}/b/")
        wrong = [*keys, (ElectionName("d"), Token(5))]
        assert await store.confirm(held.lease, wrong, timeout_seconds=CALL_SECONDS) == ("b", "d")
        again = await enter(store, "b", held, b"")
        assert await store.confirm(held.lease, keys, timeout_seconds=CALL_SECONDS) == ("b",), (
            "a later key is not that term's"
        )
        keys[1] = (again.election, again.create_revision)
        assert await store.confirm(held.lease, keys, timeout_seconds=CALL_SECONDS) == ()


async def test_many_keys_are_confirmed_by_a_list_page_by_page(
    etcd: EtcdServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supervisor.etcd.nospace.PAGE_KEYS", 7)
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        held = await grant(store)
        mine = [await enter(store, f"e{n:02}", held, b"") for n in range(20)]
        keys = [(m.election, m.create_revision) for m in mine]
        assert await store.confirm(held.lease, keys, timeout_seconds=CALL_SECONDS) == ()
        etcd.etcdctl("del", "--prefix", f"{namespace}/e13/")
        assert await store.confirm(held.lease, keys, timeout_seconds=CALL_SECONDS) == ("e13",)
