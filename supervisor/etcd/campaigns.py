"""Candidacies by calls of the Election service's Campaign (``etcd.campaign: rpc``): entered, watched over, ended.

A Campaign creates the candidate's key and then blocks until its turn comes; the call has no deadline, the key is what
counts. Its return is a hint to ask for a proof, and so is its failure. Three things about it are etcd's:

- The server never reads its candidate's key again. When the key is gone (lease lapsed, deleted by hand) the call blocks for
  ever, or returns success (etcd#11051, #12334, #19597): so it is ended here as soon as the watch, the lease or a new
  campaign shows that its key is not there.
- Cancelling it deletes its key: at once, or much later when the member was frozen; but only the key of its own create
  revision. So a key whose call was cut off is given up and created anew before it can become a term's.
- Two calls under one lease share one key. So there is never a second call before the first is ended.

Promises: a candidacy that is reported as entered has a key that was read linearizably after the call was made, and a
blocked call, which ``end`` ends; every call that ends otherwise is told of by one ``CampaignEnded``. Does not: prove a
win, retry, or decide what an ended call means (the core does).
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import grpc
import grpc.aio

from supervisor.core.events import Campaigned, Candidate, Event, QueueChanged
from supervisor.core.names import ElectionName, LeaseId, Token
from supervisor.core.store_events import CampaignEnded
from supervisor.etcd import keys
from supervisor.etcd.channel import Channels
from supervisor.etcd.election import Candidacy, Elections, Ending
from supervisor.etcd.endpoint import Endpoint
from supervisor.etcd.errors import KeyNotOurs, Refused, StoreError, TimedOut, Undecided
from supervisor.etcd.queues import candidate
from supervisor.pb.etcd import election_pb2, rpc_pb2

FIRST_LOOK_SECONDS = 0.003
"""Between looks for the key of a call just made: it is there after one write of etcd's."""
MOST_LOOK_SECONDS = 0.2

Slot = tuple[ElectionName, LeaseId]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entered:
    """A call whose key was seen, and the first of the queue at that moment."""

    answer: "asyncio.Future[election_pb2.CampaignResponse]"
    create_revision: Token
    first: Candidate


class CampaignCalls:
    """The Campaign calls of one daemon on one etcd."""

    def __init__(self, channels: Channels, elections: Elections, on_event: Callable[[Event], None]) -> None:
        self._channels = channels
        self._elections = elections
        self._on_event = on_event
        self._blocked: dict[Slot, _Entered] = {}

    async def campaign(self, batch: Sequence[Candidacy], *, timeout_seconds: float) -> list[Campaigned | StoreError]:
        """Enter each queue, or find our key in it already; one outcome for each candidacy, in order."""
        return list(await asyncio.gather(*(self._outcome(c, timeout_seconds) for c in batch)))

    def hear(self, event: Event) -> None:
        """What the watch shows: a call whose key is gone waits for nothing."""
        if not isinstance(event, QueueChanged):
            return
        there = {(c.lease, c.create_revision) for c in event.candidates}
        for (election, lease), call in list(self._blocked.items()):
            known = election == event.election and event.revision >= call.create_revision
            if known and (lease, call.create_revision) not in there:
                self.end(election, lease)

    def end(self, election: ElectionName, lease: LeaseId) -> None:
        """End the call of a candidacy, if there is one. The member deletes the key it was made for."""
        call = self._blocked.pop((election, lease), None)
        if call is not None:
            call.answer.cancel()

    def end_all(self, lease: LeaseId | None = None) -> list[CampaignEnded]:
        """End every call, or those of a lease; what would be told of those that were still blocked."""
        ended = []
        for slot, call in list(self._blocked.items()):
            if lease in (None, slot[1]):
                ended.append(_ended(slot, call, broken=True, detail="its connection was left"))
                self.end(*slot)
        return ended

    async def _outcome(self, c: Candidacy, timeout_seconds: float) -> Campaigned | StoreError:
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._enter(c, timeout_seconds)
        except TimeoutError:
            return TimedOut(f"Campaign in {c.election}: no answer within {timeout_seconds:.3g} s")
        except StoreError as error:
            return error

    async def _enter(self, c: Candidacy, timeout_seconds: float) -> Campaigned:
        slot = (c.election, c.lease)
        own, first = await self._look(c, timeout_seconds)
        call = self._blocked.get(slot)
        if own is None or first is None or call is None or call.create_revision != own.create_revision:
            self.end(*slot)
            if own is not None:  # of a call that was cut off
                leftover = Ending(election=c.election, lease=c.lease, create_revision=own.create_revision)
                await self._elections.resign(leftover, timeout_seconds=timeout_seconds)
            call = await self._call(c, timeout_seconds)
            first = call.first
        return Campaigned(election=c.election, lease=c.lease, create_revision=call.create_revision, first=first)

    async def _call(self, c: Candidacy, timeout_seconds: float) -> _Entered:
        name = keys.election_name(self._channels.namespace, c.election)
        request = election_pb2.CampaignRequest(name=name, lease=c.lease, value=c.document)

        async def attempt(endpoint: Endpoint, metadata: grpc.aio.Metadata) -> _Entered:
            what = f"Campaign in {c.election} at {endpoint.url}"
            call = endpoint.campaign(request, metadata=metadata)
            answer = asyncio.ensure_future(self._channels.answer(lambda: call, what))
            try:
                return await self._entered(c, answer, timeout_seconds)
            except BaseException:
                answer.cancel()
                await asyncio.gather(answer, return_exceptions=True)
                raise

        entered = await self._channels.try_each(
            attempt, verb=f"Campaign in {c.election}", timeout_seconds=timeout_seconds
        )
        slot = (c.election, c.lease)
        if not entered.answer.done():
            self._blocked[slot] = entered
            entered.answer.add_done_callback(lambda _: self._over(slot, entered))
        return entered

    async def _entered(
        self, c: Candidacy, answer: "asyncio.Future[election_pb2.CampaignResponse]", timeout_seconds: float
    ) -> _Entered:
        """Wait until the call's key is there; the call itself need not return. Raises what the call failed with."""
        pause = FIRST_LOOK_SECONDS
        while True:
            await asyncio.wait({answer}, timeout=pause)
            # What ends while we look may have made its key after the look, or failed: the next turn tells.
            returned = answer.done()
            if returned:
                answer.result()
            try:
                own, first = await self._look(c, timeout_seconds)
            except Undecided:
                own = first = None  # another member's trouble, or this one's: the call's own end tells
                await asyncio.sleep(pause)
            else:
                if own is None and returned:
                    raise KeyNotOurs(f"Campaign in {c.election}: it returned, and no key of ours is there")
            if own is not None and first is not None:
                return _Entered(answer=answer, create_revision=own.create_revision, first=first)
            pause = min(2 * pause, MOST_LOOK_SECONDS)

    async def _look(self, c: Candidacy, timeout_seconds: float) -> tuple[Candidate | None, Candidate | None]:
        """Our key and the first of the queue, read linearizably at one revision."""
        prefix = keys.election_prefix(self._channels.namespace, c.election)
        request = rpc_pb2.RangeRequest(
            key=prefix,
            range_end=keys.range_end(prefix),
            sort_order=rpc_pb2.RangeRequest.ASCEND,
            sort_target=rpc_pb2.RangeRequest.CREATE,
        )
        reply = await self._channels.call(
            lambda endpoint: endpoint.range,
            request,
            verb=f"look at the queue of {c.election}",
            timeout_seconds=timeout_seconds,
        )
        mine = keys.candidate(self._channels.namespace, c.election, c.lease)
        own = next((candidate(kv) for kv in reply.kvs if kv.key == mine), None)
        return own, candidate(reply.kvs[0]) if reply.kvs else None

    def _over(self, slot: Slot, call: _Entered) -> None:
        """A blocked call ended by itself."""
        if self._blocked.get(slot) is not call:
            return  # we ended it
        del self._blocked[slot]
        error = None if call.answer.cancelled() else call.answer.exception()
        if call.answer.cancelled() or not isinstance(error, Refused | None):
            self._on_event(_ended(slot, call, broken=True, detail=str(error or "cancelled")))
        else:
            # Refused: the member is done with the call, and will not touch its key.
            self._on_event(_ended(slot, call, broken=False, detail=str(error or "returned")))


def _ended(slot: Slot, call: _Entered, *, broken: bool, detail: str) -> CampaignEnded:
    election, lease = slot
    return CampaignEnded(
        election=election,
        lease=lease,
        create_revision=call.create_revision,
        broken=broken,
        detail=detail,
        chance=random.random(),  # noqa: S311 # spreads retries, guards nothing
    )
