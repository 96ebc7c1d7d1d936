"""The watch on a real etcd that is restarted, compacted and frozen under it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from supervisor.core.events import Candidate, QueueChanged, StoreConfirmed, StoreReachable, StoreUnreachable
from supervisor.core.names import ElectionName
from supervisor.etcd.channel import Channels
from supervisor.etcd.election import Candidacy
from supervisor.etcd.watch import QueueWatch
from supervisor.pb.etcd import kv_pb2
from tests.etcd.support import (
    CALL_SECONDS,
    Recorder,
    channels,
    enter,
    eventually,
    grant,
    opened,
    proclaim,
    resign,
    spec,
)
from tests.etcd_server import EtcdServer
from tests.ports import free_port


@asynccontextmanager
async def running(watch: QueueWatch) -> AsyncIterator[None]:
    task = asyncio.create_task(watch.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def lists_of(watch: QueueWatch) -> list[int]:
    """The revision of every list that the watch makes from now on."""
    lists: list[int] = []
    real = watch._list

    async def counting() -> tuple[list[kv_pb2.KeyValue], int]:
        found, revision = await real()
        lists.append(revision)
        return found, revision

    watch._list = counting  # type: ignore[method-assign]
    return lists


async def test_queues_are_in_the_order_of_create_revisions(etcd: EtcdServer, namespace: str) -> None:
    seen = Recorder()
    async with opened(spec(etcd.endpoint, namespace=namespace), seen) as store:
        held = [await grant(store) for _ in range(4)]
        held.reverse()  # so that keys, which sort by lease, would give another order
        entered = [await enter(store, "e", g, bytes([i])) for i, g in enumerate(held)]
        queue = await seen.queue("e", [bytes([i]) for i in range(4)])
        assert [c.create_revision for c in queue.candidates] == [m.create_revision for m in entered]
        assert [c.lease for c in queue.candidates] == [g.lease for g in held]
        await proclaim(store, entered[0], b"x")
        await seen.queue("e", [b"x", *(bytes([i]) for i in range(1, 4))])  # a new value keeps the place


async def test_what_is_there_at_first_is_told_of_before_what_changes(etcd: EtcdServer, namespace: str) -> None:
    there = spec(etcd.endpoint, namespace=namespace)
    async with opened(there) as store:
        mine = await enter(store, "e", await grant(store), b"early")
        seen = Recorder()
        async with opened(there, seen):
            assert (await seen.wait(StoreReachable)).endpoint == etcd.endpoint
            queue = await seen.wait(QueueChanged)
            assert queue.election == "e"
            assert queue.candidates == (mine.first,)
            assert queue.revision >= mine.create_revision


async def test_one_response_tells_of_each_election_once(etcd: EtcdServer, namespace: str) -> None:
    seen = Recorder()
    names = [ElectionName(f"e{i}") for i in range(200)]
    async with opened(spec(etcd.endpoint, namespace=namespace), seen) as store:
        held = await grant(store)
        await seen.wait(StoreReachable)
        batch = [Candidacy(election=n, lease=held.lease, document=b"x") for n in names]
        await store.campaign(batch, timeout_seconds=CALL_SECONDS)
        for name in names:
            await seen.queue(name, [b"x"])
        start = len(seen.events)
        await store.revoke(held.lease, timeout_seconds=CALL_SECONDS)
        for name in names:
            await seen.queue(name, [], after=start)
        assert sum(isinstance(e, QueueChanged) for e in seen.events[start:]) == len(names)


async def test_keys_that_are_in_no_queue_are_not_told_of(etcd: EtcdServer, namespace: str) -> None:
    seen = Recorder()
    async with opened(spec(etcd.endpoint, namespace=namespace), seen) as store:
        await seen.wait(StoreReachable)
        for key in (f"{namespace}/note", f"{namespace}.log/e/17", f"{namespace}2/e/1", f"{namespace}//1"):
            etcd.etcdctl("put", key, "x")
        etcd.etcdctl("put", f"{namespace}/by-hand/0", "x")  # in a queue, as etcd's Election service sees it
        await enter(store, "e", await grant(store), b"doc")
        await seen.queue("e", [b"doc"])
        told = [q for q in seen.events if isinstance(q, QueueChanged)]
        assert [q.election for q in told] == ["by-hand", "e"]
        assert told[0].candidates == (
            Candidate(
                key=f"{namespace}/by-hand/0",
                lease=told[0].candidates[0].lease,
                create_revision=told[0].candidates[0].create_revision,
                value=b"x",
            ),
        )
        assert told[0].candidates[0].lease == told[0].candidates[0].lease.__class__(0)


async def test_a_large_namespace_is_listed_in_pages(
    etcd: EtcdServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supervisor.etcd.watch.PAGE_KEYS", 7)
    there = spec(etcd.endpoint, namespace=namespace)
    names = [ElectionName(f"e{i:02}") for i in range(30)]
    async with opened(there) as store:
        held = await grant(store)
        batch = [Candidacy(election=n, lease=held.lease, document=b"x") for n in names]
        await store.campaign(batch, timeout_seconds=CALL_SECONDS)
        seen = Recorder()
        async with opened(there, seen):
            for name in names:
                await seen.queue(name, [b"x"])


async def test_a_compacted_start_means_list_again(etcd: EtcdServer, namespace: str) -> None:
    """What happens when everything between the list and the watch is compacted away."""
    seen = Recorder()
    there = spec(etcd.endpoint, namespace=namespace)
    async with opened(there) as store, channels(there) as connection:
        mine = await enter(store, "e", await grant(store), b"doc")
        watch = QueueWatch(connection, seen)
        real = watch._list
        lists: list[int] = []

        async def list_then_compact() -> tuple[list[kv_pb2.KeyValue], int]:
            found, revision = await real()
            lists.append(revision)
            if len(lists) == 1:
                await resign(store, mine)
                for n in range(3):
                    etcd.etcdctl("put", f"{namespace}.log/x", str(n))
                etcd.etcdctl("compact", str(revision + 3))
            return found, revision

        watch._list = list_then_compact  # type: ignore[method-assign]
        async with running(watch):
            await seen.wait(StoreReachable)
            other = await enter(store, "other", await grant(store), b"after")
            queue = await seen.queue("other", [b"after"])
        assert queue.revision >= other.create_revision
        assert len(lists) == 2
        await seen.queue("e", [])  # a deletion that only the second list could show
        assert not any(isinstance(e, StoreUnreachable) for e in seen.events)


async def test_after_a_restart_every_queue_is_told_of_again(fresh_etcd: EtcdServer) -> None:
    seen = Recorder()
    async with opened(spec(fresh_etcd.endpoint), seen) as store:
        mine = await enter(store, "mine", await grant(store), b"doc")
        await enter(store, "passing", await grant(store), b"doc")
        await seen.queue("mine", [b"doc"])
        await seen.queue("passing", [b"doc"])
        start = len(seen.events)
        fresh_etcd.kill()
        away = await seen.wait(StoreUnreachable)
        assert fresh_etcd.endpoint in away.detail
        fresh_etcd.start()
        back = await seen.wait(StoreReachable, after=start)
        assert back.endpoint == fresh_etcd.endpoint
        queue = await seen.queue("mine", [b"doc"], after=start)
        assert queue.candidates[0].create_revision == mine.create_revision
        since = seen.events[start:]
        assert not any(q.candidates == () for q in since if isinstance(q, QueueChanged))  # silence is no news
        assert sum(isinstance(e, StoreUnreachable | StoreReachable) for e in since) == 2
        await resign(store, mine)
        await seen.queue("mine", [], after=start)


async def test_a_queue_that_emptied_while_we_were_away_is_told_of_as_empty(fresh_etcd: EtcdServer) -> None:
    seen = Recorder()
    async with opened(spec(fresh_etcd.endpoint)) as other, channels(spec(fresh_etcd.endpoint)) as connection:
        mine = await enter(other, "e", await grant(other), b"doc")
        watch = QueueWatch(connection, seen)
        lists = lists_of(watch)
        async with running(watch):
            await seen.queue("e", [b"doc"])
            start = len(seen.events)
            # The list of the next round finds the key gone; the stream never told of it.
            endpoint = connection.home()
            await endpoint.close()
            next(iter(connection.members)).endpoint = None
            await resign(other, mine)
            await seen.queue("e", [], after=start)
        assert len(lists) == 2


async def test_a_stream_with_nothing_to_say_is_asked_and_kept(etcd: EtcdServer, namespace: str) -> None:
    seen = Recorder()
    async with channels(spec(etcd.endpoint, namespace=namespace)) as connection:
        watch = QueueWatch(connection, seen, quiet_seconds=0.01, answer_seconds=CALL_SECONDS)
        lists = lists_of(watch)
        answers = asyncio.Queue[int]()
        real = watch._next

        async def counting(*args: object) -> object:
            response = await real(*args)  # type: ignore[arg-type]
            answers.put_nowait(len(response.events))
            return response

        watch._next = counting  # type: ignore[method-assign,assignment]
        async with running(watch), asyncio.timeout(CALL_SECONDS):
            await seen.wait(StoreReachable)
            etcd.write(1)  # later ones answer nothing before a watch's first revision has come (etcd PR 20229)
            assert [await answers.get() for _ in range(50)] == [0] * 50  # progress, which only a request brings so fast
        assert len(lists) == 1
    assert [type(e) for e in seen.events if not isinstance(e, StoreConfirmed)] == [StoreReachable]


async def test_a_stream_that_owes_no_answer_is_kept(
    etcd: EtcdServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was written since the list: newer releases do not answer then (etcd PR 20229), and nothing was missed."""
    monkeypatch.setattr("supervisor.etcd.watch.CONFIRM_EVERY_SECONDS", 0.0)
    seen = Recorder()
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        held = await grant(store)
    async with channels(spec(etcd.endpoint, namespace=namespace)) as connection:
        watch = QueueWatch(connection, seen, quiet_seconds=0.01, answer_seconds=0.4)
        lists = lists_of(watch)
        async with running(watch), opened(spec(etcd.endpoint, namespace=namespace)) as store:
            await seen.wait(StoreReachable)
            for _ in range(3):
                await seen.wait(StoreConfirmed, after=len(seen.events))
            assert len(lists) == 1
            await enter(store, "e", held, b"news")
            await seen.queue("e", [b"news"])
            await seen.wait(StoreConfirmed, after=len(seen.events))
            assert len(lists) == 1


async def test_a_stream_that_answers_confirms_what_it_showed(
    etcd: EtcdServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supervisor.etcd.watch.CONFIRM_EVERY_SECONDS", 0.0)
    seen = Recorder()
    async with channels(spec(etcd.endpoint, namespace=namespace)) as connection:
        watch = QueueWatch(connection, seen, quiet_seconds=0.01, answer_seconds=CALL_SECONDS)
        async with running(watch):
            await seen.wait(StoreReachable)
            start = len(seen.events)
            await seen.wait(StoreConfirmed, after=start)
            await seen.wait(StoreConfirmed, after=start + 1)


async def test_confirmations_are_told_of_seldom(
    etcd: EtcdServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supervisor.etcd.watch.CONFIRM_EVERY_SECONDS", 3600.0)
    seen = Recorder()
    async with (
        channels(spec(etcd.endpoint, namespace=namespace)) as connection,
        opened(spec(etcd.endpoint, namespace=namespace)) as store,
    ):
        watch = QueueWatch(connection, seen, quiet_seconds=0.01, answer_seconds=CALL_SECONDS)
        async with running(watch):
            await enter(store, "e", await grant(store), b"doc")
            await seen.queue("e", [b"doc"])
    assert not any(isinstance(e, StoreConfirmed) for e in seen.events)


async def test_a_frozen_member_is_noticed_and_its_return_too(
    fresh_etcd: EtcdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supervisor.etcd.watch.CALL_TIMEOUT_SECONDS", 0.5)
    seen = Recorder()
    there = spec(fresh_etcd.endpoint)
    async with opened(there) as store, channels(there) as connection:
        watch = QueueWatch(connection, seen, quiet_seconds=0.2, answer_seconds=0.3)
        mine = await enter(store, "e", await grant(store), b"doc")
        async with running(watch):
            await seen.queue("e", [b"doc"])
            start = len(seen.events)
            fresh_etcd.freeze()
            away = await seen.wait(StoreUnreachable)
            assert fresh_etcd.endpoint in away.detail
            fresh_etcd.thaw()
            await seen.wait(StoreReachable, after=start)
            queue = await seen.queue("e", [b"doc"], after=start)
            assert queue.candidates == (mine.first,)


async def test_the_watch_moves_from_a_frozen_endpoint_to_another(
    fresh_etcd: EtcdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two addresses of one store; the one in use goes silent, and nobody hears that etcd was away."""
    monkeypatch.setattr("supervisor.etcd.watch.CALL_TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr("supervisor.etcd.members.random.choice", lambda some: some[0])
    seen = Recorder()
    async with (
        silenceable(fresh_etcd) as (proxy, silence),
        opened(spec(fresh_etcd.endpoint)) as store,
        channels(spec(proxy, fresh_etcd.endpoint)) as connection,
    ):
        watch = QueueWatch(connection, seen, quiet_seconds=0.2, answer_seconds=0.3)
        async with running(watch):
            assert (await seen.wait(StoreReachable)).endpoint == proxy
            silence.set()
            await eventually(lambda: preferred_is(connection, fresh_etcd.endpoint))
            await enter(store, "e", await grant(store), b"doc")
            await seen.queue("e", [b"doc"])
    assert not any(isinstance(e, StoreUnreachable) for e in seen.events)


async def preferred_is(connection: Channels, url: str) -> None:
    while connection.home().url != url:
        await asyncio.sleep(0.01)


@asynccontextmanager
async def silenceable(etcd: EtcdServer) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A second address of a server which, once told to be silent, keeps connections and passes nothing on."""
    silence = asyncio.Event()
    port = free_port()
    tasks = set[asyncio.Task[None]]()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                while data := await reader.read(65536):
                    if not silence.is_set():
                        writer.write(data)
                        await writer.drain()
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", etcd.client_port)
        for pair in ((reader, up_writer), (up_reader, writer)):
            tasks.add(asyncio.create_task(pump(*pair)))

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield f"http://127.0.0.1:{port}", silence
    finally:
        server.close()
        await server.wait_closed()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # a closed transport lets go of its socket in the next turn of the loop


async def test_an_absent_etcd_is_told_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Recorder()
    port = free_port()
    async with channels(spec(f"http://127.0.0.1:{port}")) as connection:
        watch = QueueWatch(connection, seen)
        tries = asyncio.Queue[int]()
        real = watch._list

        async def counting() -> tuple[list[kv_pb2.KeyValue], int]:
            tries.put_nowait(1)
            return await real()

        watch._list = counting  # type: ignore[method-assign]
        async with running(watch), asyncio.timeout(CALL_SECONDS):
            for _ in range(4):
                await tries.get()
    assert [type(e) for e in seen.events] == [StoreUnreachable]
