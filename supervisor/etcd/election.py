"""The verbs of an election, each one KV transaction.

A candidate enters the queue as with etcd's own Go client and ``etcdctl elect``: the key is created under the lease if it
is absent. Candidates of any such client queue with ours, in the order of create revisions.

Promises: a batch is carried out in transactions of no more operations than etcd allows by default; what is reported as
first was read in the same transaction, so linearizably; no verb touches a key whose create revision is not ours.
Does not: wait to be first. ``watch`` says when it is worth asking.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import TypeVar

from supervisor.core.events import Campaigned, Candidate
from supervisor.core.names import ElectionName, LeaseId, Token
from supervisor.etcd import keys
from supervisor.etcd.channel import Channels
from supervisor.etcd.errors import KeyNotOurs, StoreError
from supervisor.etcd.queues import candidate
from supervisor.pb.etcd import rpc_pb2

MAX_OPERATIONS = 120
"""In one transaction. etcd's --max-txn-ops is 128 by default and counts the longest of the outer lists together with
the longest of a nested transaction's (v3rpc checkTxnRequest); ours have three."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidacy:
    """A wish to enter a queue."""

    election: ElectionName
    lease: LeaseId
    document: bytes


class Elections:
    """The verbs, on one namespace."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._namespace = channels.namespace

    async def campaign(self, batch: Sequence[Candidacy], *, timeout_seconds: float) -> list[Campaigned | StoreError]:
        """Enter each queue, or find our key in it already; one outcome for each candidacy, in order.

        A lease that is gone fails its own candidacies alone (``LeaseNotFound``). A key found keeps its document.
        """
        wanted = {self._key(c.election, c.lease): c for c in batch}  # etcd refuses a transaction that names a key twice
        by_lease: dict[LeaseId, list[Candidacy]] = {}
        for candidacy in wanted.values():
            by_lease.setdefault(candidacy.lease, []).append(candidacy)
        parts = [part for candidacies in by_lease.values() for part in _parts(candidacies)]
        entered = await _together([self._enter(part, timeout_seconds=timeout_seconds) for part in parts])
        outcomes = {key: outcome for some in entered for key, outcome in some.items()}
        return [outcomes[self._key(c.election, c.lease)] for c in batch]

    async def read_first(self, elections: Sequence[ElectionName], *, timeout_seconds: float) -> list[Candidate | None]:
        """Who is first in each queue, in order, read linearizably. Raises any ``StoreError``."""
        parts = [self._first_of(part, timeout_seconds=timeout_seconds) for part in _parts(elections)]
        return [first for firsts in await _together(parts) for first in firsts]

    async def proclaim(
        self, election: ElectionName, lease: LeaseId, create_revision: Token, document: bytes, *, timeout_seconds: float
    ) -> None:
        """Write over our key. Raises ``KeyNotOurs`` when it is gone or a later one, and any ``StoreError``."""
        key = self._key(election, lease)
        put = rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=key, value=document, lease=lease))
        request = rpc_pb2.TxnRequest(compare=[_created(key, create_revision)], success=[put])
        reply = await self._txn(request, verb=f"proclaim in {election}", timeout_seconds=timeout_seconds)
        if not reply.succeeded:
            raise KeyNotOurs(f"proclaim in {election}: {key.decode()} of revision {create_revision} is gone")

    async def resign(
        self, election: ElectionName, lease: LeaseId, create_revision: Token, *, timeout_seconds: float
    ) -> None:
        """Delete our key; that it is gone already is success. Raises any ``StoreError``."""
        key = self._key(election, lease)
        delete = rpc_pb2.RequestOp(request_delete_range=rpc_pb2.DeleteRangeRequest(key=key))
        request = rpc_pb2.TxnRequest(compare=[_created(key, create_revision)], success=[delete])
        await self._txn(request, verb=f"resign of {election}", timeout_seconds=timeout_seconds)

    async def _enter(
        self, part: Sequence[Candidacy], *, timeout_seconds: float
    ) -> dict[bytes, Campaigned | StoreError]:
        request = rpc_pb2.TxnRequest(success=[self._entry(c) for c in part])
        verb = _named("campaign in", [c.election for c in part])
        try:
            reply = await self._txn(request, verb=verb, timeout_seconds=timeout_seconds)
        except StoreError as error:
            return {self._key(c.election, c.lease): error for c in part}
        return {
            self._key(c.election, c.lease): _campaigned(c, op.response_txn)
            for c, op in zip(part, reply.responses, strict=True)
        }

    async def _first_of(self, part: Sequence[ElectionName], *, timeout_seconds: float) -> list[Candidate | None]:
        request = rpc_pb2.TxnRequest(success=[self._first(election) for election in part])
        reply = await self._txn(request, verb=_named("read of", part), timeout_seconds=timeout_seconds)
        return [_only(op) for op in reply.responses]

    async def _txn(self, request: rpc_pb2.TxnRequest, *, verb: str, timeout_seconds: float) -> rpc_pb2.TxnResponse:
        return await self._channels.call(
            lambda endpoint: endpoint.txn, request, verb=verb, timeout_seconds=timeout_seconds
        )

    def _entry(self, c: Candidacy) -> rpc_pb2.RequestOp:
        """Create the key if it is absent; then read it, and who is first."""
        key = self._key(c.election, c.lease)
        put = rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=key, value=c.document, lease=c.lease))
        own = rpc_pb2.RequestOp(request_range=rpc_pb2.RangeRequest(key=key, keys_only=True))
        first = self._first(c.election)
        absent = _created(key, Token(0))
        nested = rpc_pb2.TxnRequest(compare=[absent], success=[put, own, first], failure=[own, first])
        return rpc_pb2.RequestOp(request_txn=nested)

    def _first(self, election: ElectionName) -> rpc_pb2.RequestOp:
        prefix = keys.election_prefix(self._namespace, election)
        oldest = rpc_pb2.RangeRequest(
            key=prefix,
            range_end=keys.range_end(prefix),
            sort_target=rpc_pb2.RangeRequest.CREATE,
            sort_order=rpc_pb2.RangeRequest.ASCEND,
            limit=1,
        )
        return rpc_pb2.RequestOp(request_range=oldest)

    def _key(self, election: ElectionName, lease: LeaseId) -> bytes:
        return keys.candidate(self._namespace, election, lease)


def _created(key: bytes, create_revision: Token) -> rpc_pb2.Compare:
    """True when the key was created at this revision; 0 when it does not exist."""
    return rpc_pb2.Compare(
        result=rpc_pb2.Compare.EQUAL, target=rpc_pb2.Compare.CREATE, key=key, create_revision=create_revision
    )


def _campaigned(c: Candidacy, reply: rpc_pb2.TxnResponse) -> Campaigned:
    own, first = (_only(op) for op in reply.responses[-2:])
    assert own is not None, "a key that this transaction created or found is there"
    assert first is not None, "a queue that holds our key has a first"
    return Campaigned(election=c.election, lease=c.lease, create_revision=own.create_revision, first=first)


def _only(op: rpc_pb2.ResponseOp) -> Candidate | None:
    found = op.response_range.kvs
    return candidate(found[0]) if found else None


async def _together(calls: Sequence[Coroutine[None, None, T]]) -> list[T]:
    """The results of all, in order; when one or more fail, the first failure after all have ended."""
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    results: list[T] = []
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
        results.append(outcome)
    return results


def _parts(items: Sequence[T]) -> list[Sequence[T]]:
    return [items[i : i + MAX_OPERATIONS] for i in range(0, len(items), MAX_OPERATIONS)]


def _named(verb: str, elections: Sequence[ElectionName]) -> str:
    """``campaign in billing and 118 more``: a message must not list hundreds."""
    return f"{verb} {elections[0]}" + (f" and {len(elections) - 1} more" if len(elections) > 1 else "")
