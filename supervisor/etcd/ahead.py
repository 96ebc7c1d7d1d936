"""For who is next in line behind a leader that leaves: its term on record, and the leader's watched, before the win.

Promises: the record is begun in the transaction that sees our key, and reads who stands first and every record; what is told of
the leader's record afterwards comes from a watch that begins right behind that revision, so that nothing is missed; a
stream that ends tells nothing more. Does not: watch the queue (``watch`` does), or judge.
"""

from typing import TYPE_CHECKING

import grpc
import grpc.aio

from supervisor.core.actions import LookAhead
from supervisor.core.events import Candidate, TermRecord
from supervisor.core.names import ElectionName, Token
from supervisor.core.store_events import LookedAhead
from supervisor.etcd import keys, nospace
from supervisor.etcd.channel import Channels
from supervisor.etcd.endpoint import Endpoint
from supervisor.etcd.queues import candidate
from supervisor.pb.etcd import kv_pb2, rpc_pb2

if TYPE_CHECKING:
    WatchCall = grpc.aio.StreamStreamCall[rpc_pb2.WatchRequest, rpc_pb2.WatchResponse]

FRONT = 2
"""The leader, and we."""


async def look(
    channels: Channels, a: LookAhead, *, most_records: int, timeout_seconds: float
) -> tuple[LookedAhead, int]:
    """See ``LookAhead``; and the revision at which it was so. Raises any ``StoreError``."""
    namespace = channels.namespace
    own = rpc_pb2.Compare(
        result=rpc_pb2.Compare.EQUAL, target=rpc_pb2.Compare.CREATE,
        key=keys.candidate(namespace, a.election, a.lease), create_revision=a.create_revision,
    )  # fmt: skip
    front = nospace.first_of(namespace, a.election)
    front.limit = FRONT
    record = rpc_pb2.PutRequest(key=keys.record(namespace, a.election, a.create_revision), value=a.record)
    read = [
        rpc_pb2.RequestOp(request_range=front),
        rpc_pb2.RequestOp(request_range=nospace.newest_of(namespace, a.election, most_records)),
    ]
    request = rpc_pb2.TxnRequest(
        compare=[own], success=[rpc_pb2.RequestOp(request_put=record), *read], failure=read[:1]
    )
    reply = await channels.call(
        lambda endpoint: endpoint.txn, request, verb=f"look ahead in {a.election}", timeout_seconds=timeout_seconds
    )
    if not reply.succeeded:
        seen: tuple[Candidate, ...] = ()
        told: tuple[TermRecord, ...] = ()
    else:
        seen = tuple(candidate(kv) for kv in reply.responses[1].response_range.kvs)
        told = nospace.records_in(reply.responses[2].response_range.kvs)
    looked = LookedAhead(
        election=a.election, asked_for=a.create_revision, front=seen, records=told,
        raft_term=reply.header.raft_term, problem="" if reply.succeeded else "our key is gone",
    )  # fmt: skip
    return looked, reply.header.revision


class RecordWatch:
    """The record of one term, as it changes."""

    def __init__(self, channels: Channels, election: ElectionName, token: Token, *, after: int) -> None:
        """From the revision that follows ``after``."""
        self._channels = channels
        self._token = token
        self._what = f"watch of the record of {election}"
        key = keys.record(channels.namespace, election, token)
        create = rpc_pb2.WatchCreateRequest(key=key, start_revision=after + 1)
        self._create = rpc_pb2.WatchRequest(create_request=create)
        self._call: WatchCall | None = None

    async def open(self, *, timeout_seconds: float) -> None:
        """Begin. Raises any ``StoreError``."""

        async def attempt(endpoint: Endpoint, metadata: grpc.aio.Metadata) -> "WatchCall":
            call: WatchCall = endpoint.watch(None, metadata=metadata)

            async def asked() -> object:
                await call.write(self._create)
                return await call.read()

            try:
                await self._channels.answer(asked, self._what)
            except BaseException:
                call.cancel()
                raise
            return call

        self._call = await self._channels.try_each(
            attempt, verb=self._what, timeout_seconds=timeout_seconds, stream=True
        )

    async def changes(self) -> list[TermRecord]:
        """The next that it comes to, oldest first; nothing when the stream has ended. Raises any ``StoreError``."""
        assert self._call is not None
        call = self._call
        response = await self._channels.answer(lambda: call.read(), self._what)  # read is no plain function
        if not isinstance(response, rpc_pb2.WatchResponse) or response.canceled:
            return []
        return [
            TermRecord(token=self._token, value=event.kv.value)
            for event in response.events
            if event.type == kv_pb2.Event.PUT
        ]

    def close(self) -> None:
        """End it."""
        if self._call is not None:
            self._call.cancel()
