"""One Watch on the namespace tells this daemon about every queue.

Promises: queues are listed linearizably and then followed from the next revision, so that no change is missed; whatever
ends the stream (compaction, a restart, GOAWAY, a member that froze or was cut off) means list and watch again, by
another endpoint when this one failed, and every queue is told of again: never "no leader". A stream that says nothing
is asked for its progress and left when it does not answer, within ``quiet_seconds + answer_seconds``; every answer
confirms what was shown, and that is told of, too, about once a second at most.
Does not: prove anything. What a watch shows is a hint to ask for a proof.
"""

import asyncio
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

import grpc
import grpc.aio

from supervisor.core.events import Event, StoreConfirmed, StoreReachable, StoreUnreachable
from supervisor.etcd import keys
from supervisor.etcd.channel import Channels
from supervisor.etcd.endpoint import Endpoint
from supervisor.etcd.errors import Compacted, Refused, StoreError, TimedOut, Undecided, Unreachable, from_text
from supervisor.etcd.queues import Queues
from supervisor.pb.etcd import kv_pb2, rpc_pb2

if TYPE_CHECKING:
    WatchCall = grpc.aio.StreamStreamCall[rpc_pb2.WatchRequest, rpc_pb2.WatchResponse]

CALL_TIMEOUT_SECONDS = 3.0
QUIET_SECONDS = 2.0
ANSWER_SECONDS = 1.0
CONFIRM_EVERY_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 1.0
PAGE_KEYS = 1000
"""Keys listed by one Range: a member answers others between the pages of a large namespace."""


class QueueWatch:
    """Follows every queue of a namespace and whether etcd can be reached at all."""

    def __init__(
        self,
        channels: Channels,
        on_event: Callable[[Event], None],
        *,
        quiet_seconds: float = QUIET_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._channels = channels
        self._on_event = on_event
        self._patience = (quiet_seconds, answer_seconds)
        self.queues = Queues(channels.namespace)
        self._prefix = keys.namespace_prefix(channels.namespace)
        self._trouble: type[StoreError] | None = StoreError
        """What was last reported: None for reachable; at first something that no error is, so that either is news."""
        self._failures = 0
        self._confirmed_at = 0.0

    async def run(self) -> NoReturn:
        """List and watch until cancelled. Reports ``QueueChanged``, ``StoreReachable``, ``StoreUnreachable``, ``StoreConfirmed``."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                found, revision = await self._list()
                endpoint, call = await self._open(revision + 1)
            except StoreError as error:
                self._failed(error)
            else:
                pause = FIRST_PAUSE_SECONDS
                self._reached(endpoint)
                for change in self.queues.replace(found, revision):
                    self._on_event(change)
                await self._follow(endpoint, call, revision + 1)
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 # so that a fleet does not come back as one
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _list(self) -> tuple[list[kv_pb2.KeyValue], int]:
        """Every key of the namespace and the revision at which they were so."""
        found: list[kv_pb2.KeyValue] = []
        start, revision = self._prefix, 0
        while True:
            page = await self._channels.call(
                lambda endpoint: endpoint.range,
                rpc_pb2.RangeRequest(
                    key=start, range_end=keys.range_end(self._prefix), limit=PAGE_KEYS, revision=revision
                ),
                verb=f"list of {self._channels.namespace}",
                timeout_seconds=CALL_TIMEOUT_SECONDS,
            )
            revision = revision or page.header.revision
            found += page.kvs
            if not page.more:
                return found, revision
            start = page.kvs[-1].key + b"\0"

    async def _open(self, revision: int) -> tuple[Endpoint, "WatchCall"]:
        """A watch that etcd has confirmed to begin at this revision."""
        create = rpc_pb2.WatchCreateRequest(
            key=self._prefix, range_end=keys.range_end(self._prefix), start_revision=revision, progress_notify=True
        )

        async def attempt(endpoint: Endpoint, metadata: grpc.aio.Metadata) -> "tuple[Endpoint, WatchCall]":
            call: WatchCall = endpoint.watch(None, metadata=metadata)

            async def confirmed() -> rpc_pb2.WatchResponse | object:
                await call.write(rpc_pb2.WatchRequest(create_request=create))
                return await call.read()

            try:
                self._checked(endpoint, await self._channels.answer(confirmed, self._what(endpoint)))
            except BaseException:
                call.cancel()
                raise
            return endpoint, call

        return await self._channels.try_each(
            attempt, verb=f"watch of {self._channels.namespace}", timeout_seconds=CALL_TIMEOUT_SECONDS, stream=True
        )

    async def _follow(self, endpoint: Endpoint, call: "WatchCall", start: int) -> None:
        """Report changes from a revision on, until the stream ends or falls silent."""
        try:
            while True:
                response = await self._next(endpoint, call, start)
                for change in self.queues.apply(response.events):
                    self._on_event(change)
                self._confirm()
        except Undecided as error:
            self._channels.leave(endpoint, str(error))
        except Refused:
            pass  # compacted, or permission was taken away: the list that follows finds out
        finally:
            call.cancel()

    async def _next(self, endpoint: Endpoint, call: "WatchCall", start: int) -> rpc_pb2.WatchResponse:
        what = self._what(endpoint)
        ask = rpc_pb2.WatchRequest(progress_request=rpc_pb2.WatchProgressRequest())
        reading = asyncio.ensure_future(call.read())
        under_way: list[asyncio.Future[object]] = [reading]
        quiet_seconds, answer_seconds = self._patience
        try:
            await asyncio.wait({reading}, timeout=quiet_seconds)
            while not reading.done():
                # A frozen or cut-off member looks like one with nothing to say. Since 3.4 it can be asked; again, when it
                # turns out that it did not owe an answer to the first question, but would to another.
                for _ in range(2):
                    under_way.append(asyncio.ensure_future(call.write(ask)))
                    # The write must end too, though its answer be here: gRPC ends the call of a write that is cancelled.
                    await asyncio.wait(under_way, timeout=answer_seconds / 4)
                    answered = all(future.done() for future in under_way)
                    if answered or await self._nothing_since(start, endpoint, timeout_seconds=answer_seconds / 4):
                        break
                else:
                    if not all(future.done() for future in under_way):
                        raise TimedOut(f"{what}: silent for {quiet_seconds + answer_seconds:g} s")
                under_way = [reading, *(future for future in under_way[1:] if not future.done())]
                self._confirm()
                await asyncio.wait({reading}, timeout=quiet_seconds)
            return self._checked(endpoint, await self._channels.answer(lambda: reading, what))
        finally:
            left = [future for future in under_way if not future.done()]
            for future in left:
                future.cancel()
            if left:  # else not even a turn of the loop: what was read may be what a failover waits for
                await asyncio.gather(*left, return_exceptions=True)

    async def _nothing_since(self, start: int, endpoint: Endpoint, *, timeout_seconds: float) -> bool:
        """Whether nothing at all was written since before this revision, as this very member says. Then it owes no answer.

        It withholds progress from a watch whose first revision is still to come (etcd PR 20229, in the releases since
        June 2025). A stream that had missed something would have begun by now, and would answer.
        """
        try:
            member = next(m for m in self._channels.members if m.endpoint is endpoint)
            reply = await self._channels.ask(
                member,
                lambda endpoint: endpoint.range,
                rpc_pb2.RangeRequest(key=self._prefix, keys_only=True, limit=1),
                verb=f"look at {self._channels.namespace}",
                timeout_seconds=timeout_seconds,
            )
        except (StopIteration, StoreError):
            return False
        return reply.header.revision < start

    def _checked(self, endpoint: Endpoint, response: rpc_pb2.WatchResponse | object) -> rpc_pb2.WatchResponse:
        """A response that is one, and no cancellation."""
        what = self._what(endpoint)
        if not isinstance(response, rpc_pb2.WatchResponse):
            raise Unreachable(f"{what}: the stream ended")
        if response.compact_revision:
            raise Compacted(f"{what}: revisions before {response.compact_revision} are no longer kept")
        if response.canceled:
            raise from_text(response.cancel_reason or "cancelled", what=what, namespace=self._channels.namespace)
        return response

    def _what(self, endpoint: Endpoint) -> str:
        return f"watch of {self._channels.namespace} at {endpoint.url}"

    def _reached(self, endpoint: Endpoint) -> None:
        self._failures = 0
        if self._trouble is not None:
            self._trouble = None
            self._confirmed_at = time.monotonic()
            self._on_event(StoreReachable(endpoint=endpoint.url))
        self._confirm()

    def _confirm(self) -> None:
        """The stream lives. For people to see how old a belief is: nothing is decided on it, so its time may be ours."""
        now = time.monotonic()
        if now - self._confirmed_at >= CONFIRM_EVERY_SECONDS:
            self._confirmed_at = now
            self._on_event(StoreConfirmed())

    def _failed(self, error: StoreError) -> None:
        """Unreachable is news when every endpoint has been tried; and again when the kind of trouble changes."""
        self._failures += 1
        kind = Undecided if isinstance(error, Undecided) else type(error)
        everywhere = isinstance(error, Unreachable | Refused) or self._failures >= len(self._channels.members)
        if everywhere and kind is not Compacted and kind is not self._trouble:
            self._trouble = kind
            self._on_event(StoreUnreachable(detail=str(error)))
