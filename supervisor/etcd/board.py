"""A board in etcd where the nodes of a drill meet: notes that vanish with their writers, and whoever follows them.

    <namespace>.ctl/drill/<election>/conductor     who conducts, and what is asked for
    <namespace>.ctl/drill/<election>/nodes/<node>  what each of the others answers

Promises: every note hangs on a lease of its writer's, so that none outlives a writer that dies; a follower that loses its
stream lists again, and asks again when nothing was said for a while. Reads and writes below the ranges that a node has anyway,
and below one election's name. Does not: know what the notes say.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn, Self

import grpc
import grpc.aio

from supervisor.core.names import ElectionName, Instant, LeaseId
from supervisor.core.spec import EtcdSpec
from supervisor.etcd import keys
from supervisor.etcd.channel import Channels
from supervisor.etcd.endpoint import Endpoint
from supervisor.etcd.errors import StoreError, Unreachable
from supervisor.etcd.lease import LeaseKeeper
from supervisor.pb.etcd import kv_pb2, rpc_pb2

if TYPE_CHECKING:
    WatchCall = grpc.aio.StreamStreamCall[rpc_pb2.WatchRequest, rpc_pb2.WatchResponse]

CONDUCTOR: Final = "conductor"
NODES: Final = "nodes/"
LEASE_SECONDS: Final = 15
_CALL_SECONDS: Final = 5.0
_QUIET_SECONDS: Final = 2.0
_AGAIN_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One key below a prefix."""

    value: bytes
    create_revision: int


class Follower:
    """Everything below one prefix, as it is now."""

    def __init__(self, channels: Channels, prefix: bytes, changed: asyncio.Event) -> None:
        """``changed`` is set at every change."""
        self._channels, self._prefix, self._changed = channels, prefix, changed
        self._found: dict[str, Note] = {}
        self.listed = asyncio.Event()
        """Set once it is known what there is."""
        self.trouble = ""

    @property
    def notes(self) -> Mapping[str, Note]:
        """By the rest of the key."""
        return self._found

    async def run(self) -> NoReturn:
        """List and follow until cancelled."""
        while True:
            try:
                revision = await self._list()
                await self._follow(revision)
            except StoreError as error:
                self.trouble = str(error)
                self._changed.set()
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _list(self) -> int:
        request = rpc_pb2.RangeRequest(key=self._prefix, range_end=keys.range_end(self._prefix))
        verb = f"list of {self._prefix.decode()}"
        reply = await self._channels.call(lambda e: e.range, request, verb=verb, timeout_seconds=_CALL_SECONDS)
        found = {self._rest(kv): _note(kv) for kv in reply.kvs}
        self.trouble = ""
        if found != self._found or not self.listed.is_set():
            self._found = found
            self._changed.set()
        self.listed.set()
        return reply.header.revision

    async def _follow(self, revision: int) -> None:
        """From a revision on, until the stream ends, or is silent and something turns out to have been missed."""
        create = rpc_pb2.WatchCreateRequest(
            key=self._prefix, range_end=keys.range_end(self._prefix), start_revision=revision + 1
        )
        verb = f"watch of {self._prefix.decode()}"

        async def attempt(endpoint: Endpoint, metadata: grpc.aio.Metadata) -> "WatchCall":
            call: WatchCall = endpoint.watch(None, metadata=metadata)
            await self._channels.answer(lambda: call.write(rpc_pb2.WatchRequest(create_request=create)), verb)
            return call

        call = await self._channels.try_each(attempt, verb=verb, timeout_seconds=_CALL_SECONDS, stream=True)
        reading: asyncio.Future[object] | None = None
        try:
            while True:
                reading = reading or asyncio.ensure_future(self._channels.answer(call.read, verb))
                await asyncio.wait({reading}, timeout=_QUIET_SECONDS)
                if not reading.done():
                    known = self._found
                    await self._list()
                    if self._found is not known:
                        return  # there was something, and this stream did not say so
                    continue
                response, reading = reading.result(), None
                if not isinstance(response, rpc_pb2.WatchResponse) or response.canceled or response.compact_revision:
                    raise Unreachable(f"{verb}: the stream ended")
                self._apply(response)
        finally:
            call.cancel()
            if reading is not None:
                reading.cancel()
                with suppress(asyncio.CancelledError, StoreError):
                    await reading

    def _apply(self, response: rpc_pb2.WatchResponse) -> None:
        for event in response.events:
            if event.type == kv_pb2.Event.DELETE:
                self._found.pop(self._rest(event.kv), None)
            else:
                self._found[self._rest(event.kv)] = _note(event.kv)
        if response.events:
            self._changed.set()

    def _rest(self, kv: kv_pb2.KeyValue) -> str:
        return kv.key[len(self._prefix) :].decode(errors="replace")


class Board:
    """The board of one scratch election, and the election itself. An async context manager; raises any ``StoreError``."""

    def __init__(self, spec: EtcdSpec, election: ElectionName) -> None:
        self._channels = Channels(spec)
        self._leases = LeaseKeeper(self._channels, _boottime)
        self._lease: LeaseId | None = None
        self._prefix = f"{spec.namespace}.ctl/drill/{election}/".encode()
        self._election = election
        self.changed = asyncio.Event()
        """Set at every change of the notes or the queue; whoever waits clears it first."""
        self._notes = Follower(self._channels, self._prefix, self.changed)
        queue = keys.election_prefix(spec.namespace, election)
        self._queue = Follower(self._channels, queue, self.changed)
        self._tasks: list[asyncio.Task[object]] = []
        self._renewed_at = 0.0

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _open(self) -> None:
        grant = await self._leases.grant(LEASE_SECONDS, timeout_seconds=_CALL_SECONDS)
        self._lease = grant.lease
        self._renewed_at = time.monotonic()
        for work in (self._notes.run(), self._queue.run(), self._keep()):
            self._tasks.append(asyncio.create_task(work))
        async with asyncio.timeout(_CALL_SECONDS):
            await self._notes.listed.wait()
            await self._queue.listed.wait()

    async def close(self) -> None:
        """Take our notes away. What fails now ends with the lease."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._lease is not None:
            with suppress(StoreError):
                await self._leases.revoke(self._lease, timeout_seconds=_CALL_SECONDS)
        self._leases.close()
        await self._channels.close()

    async def _keep(self) -> NoReturn:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 5)
            assert self._lease is not None
            with suppress(StoreError):  # tried again; ``held`` tells when that was too late
                await self._leases.renew(self._lease, timeout_seconds=_CALL_SECONDS)
                self._renewed_at = time.monotonic()

    @property
    def held(self) -> bool:
        """Whether our notes can be there still."""
        return time.monotonic() - self._renewed_at < LEASE_SECONDS

    @property
    def notes(self) -> Mapping[str, Note]:
        """What is on the board, ours as well."""
        return self._notes.notes

    @property
    def queue(self) -> tuple[bytes, ...]:
        """What the candidates of the scratch election proclaim, the leader first."""
        found = sorted(self._queue.notes.values(), key=lambda note: note.create_revision)
        return tuple(note.value for note in found)

    @property
    def trouble(self) -> str:
        """Why etcd tells us nothing just now; empty when it does."""
        return self._notes.trouble or self._queue.trouble

    async def put(self, path: str, value: bytes, *, only_new: bool = False) -> bool:
        """Write a note of ours. False: ``only_new``, and another's is there."""
        key = self._prefix + path.encode()
        new = rpc_pb2.Compare(result=rpc_pb2.Compare.EQUAL, target=rpc_pb2.Compare.CREATE, key=key, create_revision=0)
        change = rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=key, value=value, lease=self._lease or 0))
        request = rpc_pb2.TxnRequest(compare=[new] if only_new else [], success=[change])
        reply = await self._channels.call(lambda e: e.txn, request, verb=f"note {path}", timeout_seconds=_CALL_SECONDS)
        return reply.succeeded

    async def wait(self, found: Callable[[], bool], seconds: float) -> bool:
        """Until it is so, looked at whenever something changed and ten times a second besides. False: not in time."""
        deadline = time.monotonic() + seconds
        while True:
            self.changed.clear()
            if found():
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, 0.1)):
                    await self.changed.wait()

    async def past(self) -> tuple[list[bytes], int]:
        """The records of the scratch election's terms, and how many entries it has in the ledger of history."""
        namespace = self._channels.namespace
        records = await self._range(keys.records_prefix(namespace, self._election))
        ledger = await self._range(keys.ledger_prefix(namespace, self._election))
        return [kv.value for kv in records], len(ledger)

    async def forget(self, ours: Callable[[bytes], bool]) -> None:
        """Delete those records of the election's terms that are ours, as they are now, and no other."""
        for kv in await self._range(keys.records_prefix(self._channels.namespace, self._election)):
            if not ours(kv.value):
                continue
            same = rpc_pb2.Compare(
                result=rpc_pb2.Compare.EQUAL, target=rpc_pb2.Compare.MOD, key=kv.key, mod_revision=kv.mod_revision
            )
            delete = rpc_pb2.RequestOp(request_delete_range=rpc_pb2.DeleteRangeRequest(key=kv.key))
            request = rpc_pb2.TxnRequest(compare=[same], success=[delete])
            verb = "removal of the drill's records"
            await self._channels.call(lambda e: e.txn, request, verb=verb, timeout_seconds=_CALL_SECONDS)

    async def _range(self, prefix: bytes) -> list[kv_pb2.KeyValue]:
        request = rpc_pb2.RangeRequest(key=prefix, range_end=keys.range_end(prefix))
        verb = f"list of {prefix.decode()}"
        reply = await self._channels.call(lambda e: e.range, request, verb=verb, timeout_seconds=_CALL_SECONDS)
        return list(reply.kvs)


def _note(kv: kv_pb2.KeyValue) -> Note:
    return Note(value=kv.value, create_revision=kv.create_revision)


def _boottime() -> Instant:
    return Instant(time.clock_gettime(time.CLOCK_BOOTTIME))
