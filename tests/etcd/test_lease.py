"""Leases on a real etcd."""

import asyncio
import itertools

import pytest

from supervisor.core.events import QueueChanged
from supervisor.core.names import Instant
from supervisor.etcd.endpoint import Endpoint
from supervisor.etcd.errors import LeaseNotFound, TimedOut, Unreachable
from supervisor.etcd.lease import LeaseKeeper
from supervisor.pb.etcd import rpc_pb2
from tests.etcd.support import CALL_SECONDS, Recorder, channels, enter, eventually, grant, now, opened, spec
from tests.etcd_server import EtcdServer
from tests.ports import free_port, free_ports


async def test_a_lease_is_granted_renewed_and_given_back(etcd: EtcdServer, namespace: str) -> None:
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        before = now()
        held = await grant(store, 30)
        assert held.lease != 0
        assert held.granted_seconds == 30
        assert before <= held.sent_at <= now()

        before = now()
        renewal = await store.renew(held.lease, timeout_seconds=CALL_SECONDS)
        assert renewal.granted_seconds == 30
        assert before <= renewal.sent_at <= now()

        await store.revoke(held.lease, timeout_seconds=CALL_SECONDS)
        with pytest.raises(LeaseNotFound, match=f"{held.lease:x}"):
            await store.renew(held.lease, timeout_seconds=CALL_SECONDS)
        await store.revoke(held.lease, timeout_seconds=CALL_SECONDS)  # gone is given back


async def test_etcd_raises_a_ttl_below_its_minimum(etcd: EtcdServer, namespace: str) -> None:
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        held = await grant(store, 1)
        assert held.granted_seconds == 2
        assert (await store.renew(held.lease, timeout_seconds=CALL_SECONDS)).granted_seconds == 2


async def test_an_expired_lease_is_not_found_and_its_key_goes(etcd: EtcdServer, namespace: str) -> None:
    seen = Recorder()
    async with opened(spec(etcd.endpoint, namespace=namespace), seen) as store:
        held = await grant(store, 1)
        await enter(store, "e", held, b"doc")
        await seen.queue("e", [b"doc"])
        gone = await seen.wait(QueueChanged, lambda q: q.candidates == ())
        assert gone.election == "e"
        assert now() >= held.sent_at + held.granted_seconds
        with pytest.raises(LeaseNotFound):
            await store.renew(held.lease, timeout_seconds=CALL_SECONDS)


async def test_many_leases_share_one_stream_and_each_gets_its_own_answer(etcd: EtcdServer, namespace: str) -> None:
    async with channels(spec(etcd.endpoint, namespace=namespace)) as connection:
        keeper = LeaseKeeper(connection, now)
        leases = [await keeper.grant(30 + i, timeout_seconds=CALL_SECONDS) for i in range(20)]
        opened_streams = count_streams(connection.home())
        for _ in range(3):
            renewals = await asyncio.gather(*(keeper.renew(g.lease, timeout_seconds=CALL_SECONDS) for g in leases))
            assert [r.granted_seconds for r in renewals] == [g.granted_seconds for g in leases]
        assert len(opened_streams) == 1
        keeper.close()


def count_streams(endpoint: Endpoint) -> list[object]:
    """Every keepalive stream that is opened from now on."""
    opened_streams: list[object] = []
    real = endpoint.keep_alive

    def counting(*args: object, **kwargs: object) -> object:
        opened_streams.append(None)
        return real(*args, **kwargs)  # type: ignore[arg-type]

    endpoint.keep_alive = counting  # type: ignore[assignment]
    return opened_streams


async def test_sent_at_is_what_the_clock_said_before_the_write(etcd: EtcdServer, namespace: str) -> None:
    ticks = itertools.count(100)
    async with channels(spec(etcd.endpoint, namespace=namespace)) as connection:
        keeper = LeaseKeeper(connection, lambda: Instant(float(next(ticks))))
        held = await keeper.grant(30, timeout_seconds=CALL_SECONDS)
        assert held.sent_at == Instant(100.0)
        assert (await keeper.renew(held.lease, timeout_seconds=CALL_SECONDS)).sent_at == Instant(101.0)
        assert (await keeper.renew(held.lease, timeout_seconds=CALL_SECONDS)).sent_at == Instant(102.0)
        assert next(ticks) == 103  # read once per request
        keeper.close()


async def test_a_late_answer_is_never_credited_to_a_later_request(fresh_etcd: EtcdServer) -> None:
    async with opened(spec(fresh_etcd.endpoint)) as store:
        held = await grant(store, 60)
        await store.renew(held.lease, timeout_seconds=CALL_SECONDS)
        fresh_etcd.freeze()
        with pytest.raises(TimedOut, match=fresh_etcd.endpoint):
            await store.renew(held.lease, timeout_seconds=0.3)
        second = asyncio.create_task(store.renew(held.lease, timeout_seconds=CALL_SECONDS))
        await asyncio.sleep(0)
        fresh_etcd.thaw()  # the answers to both requests arrive now
        renewal = await second
        third = await store.renew(held.lease, timeout_seconds=CALL_SECONDS)
        assert renewal.sent_at < third.sent_at <= now()


class DelayedReplies:
    """A keepalive stream whose replies the test hands out."""

    def __init__(self) -> None:
        self.written: list[int] = []
        self.replies: asyncio.Queue[rpc_pb2.LeaseKeepAliveResponse] = asyncio.Queue()
        self.cancelled = False

    async def write(self, request: rpc_pb2.LeaseKeepAliveRequest) -> None:
        self.written.append(request.ID)

    async def read(self) -> rpc_pb2.LeaseKeepAliveResponse:
        return await self.replies.get()

    def done(self) -> bool:
        return self.cancelled

    def cancel(self) -> bool:
        self.cancelled = True
        return True


async def test_a_renewal_given_up_takes_its_stream_with_it(etcd: EtcdServer, namespace: str) -> None:
    streams = [DelayedReplies(), DelayedReplies()]
    remaining = iter(streams)
    async with channels(spec(etcd.endpoint, namespace=namespace)) as connection:
        connection.home().keep_alive = lambda *_, **__: next(remaining)  # type: ignore[assignment]
        keeper = LeaseKeeper(connection, now)
        held = await keeper.grant(30, timeout_seconds=CALL_SECONDS)
        with pytest.raises(TimedOut):
            await keeper.renew(held.lease, timeout_seconds=0.05)
        assert streams[0].cancelled
        streams[0].replies.put_nowait(rpc_pb2.LeaseKeepAliveResponse(ID=held.lease, TTL=30))  # late
        with pytest.raises(TimedOut):
            await keeper.renew(held.lease, timeout_seconds=0.05)
        assert streams[1].written == [held.lease]


async def test_an_answer_out_of_turn_ends_the_stream(etcd: EtcdServer, namespace: str) -> None:
    stream = DelayedReplies()
    async with channels(spec(etcd.endpoint, namespace=namespace)) as connection:
        connection.home().keep_alive = lambda *_, **__: stream  # type: ignore[assignment]
        keeper = LeaseKeeper(connection, now)
        held = await keeper.grant(30, timeout_seconds=CALL_SECONDS)
        stream.replies.put_nowait(rpc_pb2.LeaseKeepAliveResponse(ID=held.lease + 1, TTL=30))
        with pytest.raises(Unreachable, match="out of turn"):
            await keeper.renew(held.lease, timeout_seconds=CALL_SECONDS)
        assert stream.cancelled


async def test_a_lease_is_renewed_again_after_a_restart(fresh_etcd: EtcdServer) -> None:
    async with opened(spec(fresh_etcd.endpoint)) as store:
        held = await grant(store, 60)
        await store.renew(held.lease, timeout_seconds=CALL_SECONDS)
        fresh_etcd.kill()
        with pytest.raises(Unreachable):
            await store.renew(held.lease, timeout_seconds=CALL_SECONDS)
        fresh_etcd.start()
        restarted = now()
        renewal = await eventually(lambda: store.renew(held.lease, timeout_seconds=CALL_SECONDS))
        assert renewal.sent_at >= restarted


async def test_an_absent_endpoint_is_passed_over_within_the_call(etcd: EtcdServer, namespace: str) -> None:
    nobody = free_port()
    async with opened(spec(f"http://127.0.0.1:{nobody}", etcd.endpoint, namespace=namespace)) as store:
        held = await grant(store)
        await store.renew(held.lease, timeout_seconds=CALL_SECONDS)


async def test_when_no_endpoint_is_there_the_error_names_them_all() -> None:
    one, two = (f"http://127.0.0.1:{port}" for port in free_ports(2))
    async with opened(spec(one, two)) as store:
        with pytest.raises(Unreachable) as caught:
            await grant(store)
    assert one in str(caught.value)
    assert two in str(caught.value)
