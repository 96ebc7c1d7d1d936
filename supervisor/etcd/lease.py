"""Leases: granted, kept alive on one stream for each connection, given back.

Promises: ``sent_at`` is read immediately before a request is written, so trust never counts from a reply; a reply is
credited to the request it answers and to no other, so that of requests put to several members trust counts from the
sending of the very one that was answered. etcd answers a keepalive stream in the order of its requests, and a request
whose answer is given up takes the stream with it, late answers and all. A renewal and a look are hedged (``hedge``):
to renew twice is to renew, and to look changes nothing. A grant is not: each would be a lease more.
Does not: renew by itself, or say how long a lease may still be trusted (``core.timing`` does).
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from supervisor.core.names import EPOCH, Instant, LeaseId
from supervisor.etcd.channel import Channels
from supervisor.etcd.endpoint import Endpoint
from supervisor.etcd.errors import LeaseNotFound, Rejected, Unreachable
from supervisor.pb.etcd import rpc_pb2

if TYPE_CHECKING:
    KeepAlive = grpc.aio.StreamStreamCall[rpc_pb2.LeaseKeepAliveRequest, rpc_pb2.LeaseKeepAliveResponse]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A new lease."""

    lease: LeaseId
    granted_seconds: int
    """What etcd gave: it raises TTLs below its minimum."""
    sent_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """An acknowledged keepalive: the lease lives at least until ``sent_at + granted_seconds``."""

    granted_seconds: int
    sent_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What etcd says of a lease."""

    remaining_seconds: int
    """Rounded down (v3rpc LeaseTimeToLive: ``int64(le.Remaining().Seconds())``); -1 when it is gone."""
    granted_seconds: int
    sent_at: Instant
    raft_term: int = 0


class LeaseKeeper:
    """The leases of one daemon, all on one keepalive stream, and on one more for each connection that ever had to help."""

    def __init__(self, channels: Channels, clock: Callable[[], Instant]) -> None:
        self._channels = channels
        self._clock = clock
        self._streams: dict[Endpoint, _Stream] = {}

    async def grant(self, ttl_seconds: int, *, timeout_seconds: float) -> Grant:
        """A lease of at least this TTL; never lease 0. Raises any ``StoreError``."""
        sent_at = (
            self._clock()
        )  # before the first try: a grant that a second endpoint gave is trusted for less, not more
        reply = await self._channels.call(
            lambda endpoint: endpoint.grant,
            rpc_pb2.LeaseGrantRequest(TTL=ttl_seconds),
            verb="grant of a lease",
            timeout_seconds=timeout_seconds,
        )
        if reply.ID == 0 or reply.TTL <= 0:
            raise Rejected(f"grant of a lease: etcd gave lease {reply.ID:x} for {reply.TTL} s {reply.error}".rstrip())
        return Grant(lease=LeaseId(reply.ID), granted_seconds=reply.TTL, sent_at=sent_at)

    async def renew(self, lease: LeaseId, *, timeout_seconds: float) -> Renewal:
        """Keep the lease alive. ``LeaseNotFound``: it is gone; any other ``StoreError`` says nothing about it."""

        async def attempt(endpoint: Endpoint, metadata: grpc.aio.Metadata) -> Renewal:
            stream = self._stream_to(endpoint, metadata)
            try:
                return await self._channels.answer(lambda: stream.renew(lease, self._clock), what(endpoint))
            except BaseException:
                self._drop(stream)
                raise

        def what(endpoint: Endpoint) -> str:
            return f"renewal of lease {lease:x} at {endpoint.url}"

        renewal = await self._channels.first(
            attempt, verb=f"renewal of lease {lease:x}", timeout_seconds=timeout_seconds, stream=True
        )
        if renewal.granted_seconds <= 0:
            raise LeaseNotFound(f"renewal of lease {lease:x}: etcd does not know it (any more)")
        return renewal

    async def look(self, lease: LeaseId, *, timeout_seconds: float) -> Look:
        """How long a lease, not one of ours, has left. Raises any ``StoreError``; one that is gone is no error."""
        verb = f"question after lease {lease:x}"
        ask = self._channels.attempt(
            lambda endpoint: endpoint.time_to_live, rpc_pb2.LeaseTimeToLiveRequest(ID=lease), verb, timeout_seconds
        )

        async def attempt(endpoint: Endpoint, metadata: grpc.aio.Metadata) -> Look:
            sent_at = self._clock()
            try:
                reply = await ask(endpoint, metadata)
            except LeaseNotFound:
                return Look(remaining_seconds=-1, granted_seconds=0, sent_at=sent_at)
            return Look(
                remaining_seconds=reply.TTL,
                granted_seconds=reply.grantedTTL,
                sent_at=sent_at,
                raft_term=reply.header.raft_term,
            )

        return await self._channels.first(attempt, verb=verb, timeout_seconds=timeout_seconds)

    async def revoke(self, lease: LeaseId, *, timeout_seconds: float) -> None:
        """Give the lease back, and its keys; one that is gone already is given back. Raises any other ``StoreError``."""
        with contextlib.suppress(LeaseNotFound):
            await self._channels.call(
                lambda endpoint: endpoint.revoke,
                rpc_pb2.LeaseRevokeRequest(ID=lease),
                verb=f"revocation of lease {lease:x}",
                timeout_seconds=timeout_seconds,
            )

    def close(self) -> None:
        """End the streams; renewals under way fail as ``Unreachable``."""
        for stream in list(self._streams.values()):
            self._drop(stream)

    def _stream_to(self, endpoint: Endpoint, metadata: grpc.aio.Metadata) -> "_Stream":
        for stream in [s for s in self._streams.values() if s.has_ended()]:
            self._drop(stream)
        if endpoint not in self._streams:
            self._streams[endpoint] = _Stream(endpoint, endpoint.keep_alive(None, metadata=metadata))
        return self._streams[endpoint]

    def _drop(self, stream: "_Stream") -> None:
        stream.cancel()
        if self._streams.get(stream.endpoint) is stream:
            del self._streams[stream.endpoint]


@dataclass(slots=True)
class _Request:
    lease: LeaseId
    sent_at: Instant = EPOCH
    granted_seconds: int | None = None


class _Stream:
    """One LeaseKeepAlive call. Whoever waits for an answer reads for all; so there is no reader task to look after."""

    def __init__(self, endpoint: Endpoint, call: "KeepAlive") -> None:
        self.endpoint = endpoint
        self._call = call
        self._unanswered: deque[_Request] = deque()
        self._writing = asyncio.Lock()
        self._reading = asyncio.Lock()

    async def renew(self, lease: LeaseId, clock: Callable[[], Instant]) -> Renewal:
        request = _Request(lease)
        async with self._writing:  # the queue and the wire must agree on the order
            self._unanswered.append(request)
            request.sent_at = clock()
            await self._call.write(rpc_pb2.LeaseKeepAliveRequest(ID=lease))
        while request.granted_seconds is None:
            async with self._reading:
                if request.granted_seconds is None:  # nobody has read it for us while we waited
                    self._credit(await self._call.read())
        return Renewal(granted_seconds=request.granted_seconds, sent_at=request.sent_at)

    def _credit(self, reply: rpc_pb2.LeaseKeepAliveResponse | object) -> None:
        if not isinstance(reply, rpc_pb2.LeaseKeepAliveResponse):
            raise Unreachable(f"{self.endpoint.url} ended the keepalive stream")
        if not self._unanswered or self._unanswered[0].lease != reply.ID:
            raise Unreachable(f"{self.endpoint.url} answered for lease {reply.ID:x} out of turn")
        self._unanswered.popleft().granted_seconds = reply.TTL

    def has_ended(self) -> bool:
        return self._call.done()

    def cancel(self) -> None:
        self._call.cancel()
