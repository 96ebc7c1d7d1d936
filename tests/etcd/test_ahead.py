"""The look ahead on a real etcd: our term on record, who stands first, and the leader's record from then on."""

import asyncio

from supervisor.core.actions import LookAhead
from supervisor.core.events import Campaigned, TermRecord
from supervisor.core.names import ElectionName
from supervisor.core.store_events import LookedAhead
from supervisor.etcd.ahead import RecordWatch
from supervisor.etcd.store import EtcdStore
from tests.etcd.support import CALL_SECONDS, PATIENCE_SECONDS, enter, grant, opened, prove, resign, spec
from tests.etcd_server import EtcdServer

E = ElectionName("e")


async def look(store: EtcdStore, mine: Campaigned, leader: Campaigned) -> tuple[LookedAhead, RecordWatch]:
    asked = LookAhead(
        election=E,
        lease=mine.lease,
        create_revision=mine.create_revision,
        leader=leader.create_revision,
        record=b"ahead",
    )
    return await store.look_ahead(asked, timeout_seconds=CALL_SECONDS)


async def next_of(record: RecordWatch) -> list[TermRecord]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await record.changes()


async def test_the_second_is_on_record_and_sees_the_first_stop(etcd: EtcdServer, namespace: str) -> None:
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        first = await enter(store, "e", await grant(store), b"one")
        second = await enter(store, "e", await grant(store), b"two")
        await enter(store, "e", await grant(store), b"three")
        await prove(store, first, b"started")
        looked, record = await look(store, second, first)
        assert [c.value for c in looked.front] == [b"one", b"two"]
        assert [r.value for r in looked.records] == [b"ahead", b"started"]
        assert not looked.problem
        assert looked.raft_term > 0
        await record.open(timeout_seconds=CALL_SECONDS)
        await resign(store, first, b"stopped")
        assert await next_of(record) == [TermRecord(token=first.create_revision, value=b"stopped")]
        record.close()


async def test_what_happened_before_the_stream_was_open_is_not_missed(etcd: EtcdServer, namespace: str) -> None:
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        first = await enter(store, "e", await grant(store), b"one")
        second = await enter(store, "e", await grant(store), b"two")
        await prove(store, first, b"started")
        _, record = await look(store, second, first)
        await resign(store, first, b"stopped")
        await record.open(timeout_seconds=CALL_SECONDS)
        assert [r.value for r in await next_of(record)] == [b"stopped"]
        record.close()


async def test_nothing_is_put_on_record_for_a_key_that_is_gone(etcd: EtcdServer, namespace: str) -> None:
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        first = await enter(store, "e", await grant(store), b"one")
        second = await enter(store, "e", await grant(store), b"two")
        await resign(store, second)
        looked, _ = await look(store, second, first)
        assert looked.problem == "our key is gone"
        assert (await prove(store, first, b"started")).records == (
            TermRecord(token=first.create_revision, value=b"started"),
        )


async def test_a_store_that_is_closed_ends_the_stream(etcd: EtcdServer, namespace: str) -> None:
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        first = await enter(store, "e", await grant(store), b"one")
        second = await enter(store, "e", await grant(store), b"two")
        _, record = await look(store, second, first)
        await record.open(timeout_seconds=CALL_SECONDS)
        waiting = asyncio.create_task(next_of(record))
        record.close()
        results = await asyncio.gather(waiting, return_exceptions=True)
        assert results[0] == [] or isinstance(results[0], Exception)
