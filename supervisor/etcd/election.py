"""The verbs of an election, each one KV transaction.

A candidate enters the queue as with etcd's own Go client and ``etcdctl elect``: the key is created under the lease if it
is absent. Candidates of any such client queue with ours, in the order of create revisions.

Promises: a batch is carried out in transactions of no more operations than etcd allows by default; what is reported as
first was read in the same transaction, so linearizably; no verb touches a key whose create revision is not ours; a
term's record is begun in the transaction that proves the win, and ended in the one that deletes the key.
Reads are hedged (``hedge``). Writes are not: each is guarded by compares, so that an endpoint that fails may be followed by the
next and a late one changes nothing, but an etcd that is slow because it is written to must not be written to three times.
Does not: wait to be first. ``watch`` says when it is worth asking.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import TypeVar

from supervisor.core.events import Campaigned, Candidate, FirstRead, TermRecord
from supervisor.core.names import ElectionName, LeaseId, Token
from supervisor.etcd import keys, nospace
from supervisor.etcd.channel import Channels
from supervisor.etcd.errors import KeyNotOurs, OutOfSpace, StoreError, TooLarge
from supervisor.pb.etcd import rpc_pb2

MAX_OPERATIONS = 120
"""In one transaction. etcd's --max-txn-ops is 128 by default and counts the longest of the outer lists together with
the longest of a nested transaction's (v3rpc checkTxnRequest); those of a batch have three."""
FEW_KEYS = 10
"""Looked for one by one; for more, all of the namespace are listed."""
MOST_RECORDS = 60
"""Read with each proof, newest first: those kept, and the open ones of many crashes."""
MOST_FORGOTTEN = 50
"""Records deleted in one go."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidacy:
    """A wish to enter a queue."""

    election: ElectionName
    lease: LeaseId
    document: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """That our key is the oldest of its queue, and what to put on record if it is."""

    election: ElectionName
    lease: LeaseId
    create_revision: Token
    record: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What our key is to say, while it is the one created at this revision."""

    election: ElectionName
    lease: LeaseId
    create_revision: Token
    document: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The end of a candidacy, and of its term if it had one."""

    election: ElectionName
    lease: LeaseId
    create_revision: Token
    record: bytes = b""
    """Written over the term's record, if there is one; empty leaves it."""
    forget: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Succession:
    """The end of a term in favour of one candidate."""

    end: Ending
    to: Candidate
    ahead: tuple[Candidate, ...]
    """Whose keys go with ours."""
    path: str = ""
    """Of the request that is settled with it; empty: none."""
    done: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """Records of one election's terms, with what they are to say; no more than one transaction takes."""

    election: ElectionName
    records: tuple[TermRecord, ...]


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

    async def prove(self, batch: Sequence[Claim], *, timeout_seconds: float) -> list[FirstRead | StoreError]:
        """Who is first in each queue, with the newest records of its terms; one outcome for each claim, in order.

        Where a claim holds, its record has been written in the same transaction, and is among those read.
        """
        parts = [self._prove_part(part, timeout_seconds=timeout_seconds) for part in _parts(batch)]
        return [outcome for outcomes in await _together(parts) for outcome in outcomes]

    async def confirm(
        self, lease: LeaseId, held: Sequence[tuple[ElectionName, Token]], *, timeout_seconds: float
    ) -> tuple[ElectionName, ...]:
        """Which of our keys, of these create revisions, are not there, read linearizably. Raises any ``StoreError``.

        By Range and not by a transaction: one that only reads, and whose caller gives up while etcd is slow, ends etcd
        3.5.0 to 3.5.4 (etcd#14110); and when its database is full 3.5.1 refuses those, too.
        """
        verb = _named("sight of our key in", [name for name, _ in held])
        keyed = [(name, self._key(name, lease), revision) for name, revision in held]
        if len(keyed) <= FEW_KEYS:
            read = [self._revision_of(key, verb=verb, timeout_seconds=timeout_seconds) for _, key, _ in keyed]
            there = dict(zip([key for _, key, _ in keyed], await _together(read), strict=True))
        else:
            return await nospace.missing(self._channels, lease, held, timeout_seconds=timeout_seconds)
        return tuple(name for name, key, revision in keyed if there.get(key, 0) != revision)

    async def _revision_of(self, key: bytes, *, verb: str, timeout_seconds: float) -> int:
        """The create revision of one key; 0 when it is not there."""
        request = rpc_pb2.RangeRequest(key=key, keys_only=True)
        reply = await self._channels.call(
            lambda endpoint: endpoint.range, request, verb=verb, timeout_seconds=timeout_seconds, hedged=True
        )
        return reply.kvs[0].create_revision if reply.kvs else 0

    async def proclaim(self, batch: Sequence[Word], *, timeout_seconds: float) -> list[StoreError | None]:
        """Write over our keys; for each word None, ``KeyNotOurs`` when its key is gone or a later one, or what failed it."""
        parts = [self._proclaim_part(part, timeout_seconds=timeout_seconds) for part in _parts(batch)]
        return [outcome for outcomes in await _together(parts) for outcome in outcomes]

    async def _proclaim_part(self, part: Sequence[Word], *, timeout_seconds: float) -> list[StoreError | None]:
        request = rpc_pb2.TxnRequest(success=[rpc_pb2.RequestOp(request_txn=self._word(w)) for w in part])
        if len(part) == 1:
            request = self._word(part[0])  # as it is: only so does every etcd check the permission
        verb = _named("proclaim in", [w.election for w in part])
        try:
            reply = await self._txn(request, verb=verb, timeout_seconds=timeout_seconds)
        except StoreError as error:
            return [error] * len(part)
        written = [reply.succeeded] if len(part) == 1 else [op.response_txn.succeeded for op in reply.responses]
        return [None if there else self._gone(w) for w, there in zip(part, written, strict=True)]

    def _word(self, w: Word) -> rpc_pb2.TxnRequest:
        key = self._key(w.election, w.lease)
        put = rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=key, value=w.document, lease=w.lease))
        return rpc_pb2.TxnRequest(compare=[_created(key, w.create_revision)], success=[put])

    def _gone(self, w: Word) -> KeyNotOurs:
        key = self._key(w.election, w.lease).decode()
        return KeyNotOurs(f"proclaim in {w.election}: {key} of revision {w.create_revision} is gone")

    async def resign(self, end: Ending, *, timeout_seconds: float) -> None:
        """Delete our key and end its record; that the key is gone already is success. Raises any ``StoreError``."""
        key = self._key(end.election, end.lease)
        delete = rpc_pb2.RequestOp(request_delete_range=rpc_pb2.DeleteRangeRequest(key=key))
        ours = rpc_pb2.TxnRequest(compare=[_created(key, end.create_revision)], success=[delete])
        operations = [rpc_pb2.RequestOp(request_txn=ours)]
        if end.record:
            operations.append(self._overwrite(end.election, TermRecord(token=end.create_revision, value=end.record)))
        for token in end.forget[:MOST_FORGOTTEN]:
            old = rpc_pb2.DeleteRangeRequest(key=keys.record(self._namespace, end.election, token))
            operations.append(rpc_pb2.RequestOp(request_delete_range=old))
        request = rpc_pb2.TxnRequest(success=operations)
        await self._txn(request, verb=f"resign of {end.election}", timeout_seconds=timeout_seconds)

    async def hand_over(self, s: Succession, *, timeout_seconds: float) -> bool:
        """As ``resign``, but only while the target's key is there; those ahead of it go with ours, each only if it is the one meant.

        False: nothing was done, for the target is gone and our key is not. True: ours is gone, by this or before; its record
        says so. Raises any ``StoreError``.
        """
        end, own = s.end, self._key(s.end.election, s.end.lease)
        mine = _created(own, end.create_revision)
        gone = rpc_pb2.RequestOp(request_delete_range=rpc_pb2.DeleteRangeRequest(key=own))
        record = TermRecord(token=end.create_revision, value=end.record)
        ended = [self._overwrite(end.election, record)] if end.record else []
        operations = [gone, *ended, *(_delete_if(c) for c in s.ahead)]
        for token in end.forget[:MOST_FORGOTTEN]:
            old = rpc_pb2.DeleteRangeRequest(key=keys.record(self._namespace, end.election, token))
            operations.append(rpc_pb2.RequestOp(request_delete_range=old))
        if s.path:
            key = keys.requests_prefix(self._namespace) + s.path.encode()
            operations.append(rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=key, value=s.done)))
        there = rpc_pb2.RequestOp(request_txn=rpc_pb2.TxnRequest(compare=[mine], failure=ended))
        compare = [mine, _created(s.to.key.encode(), s.to.create_revision)]
        request = rpc_pb2.TxnRequest(compare=compare, success=operations, failure=[there])
        reply = await self._txn(request, verb=f"handover of {end.election}", timeout_seconds=timeout_seconds)
        return reply.succeeded or not reply.responses[0].response_txn.succeeded

    async def close_records(self, batch: Sequence[Closing], *, timeout_seconds: float) -> list[StoreError | None]:
        """Write over records, those that are still there; for each closing None, or what failed it."""
        parts = [self._close_part(part, timeout_seconds=timeout_seconds) for part in _fitting(batch)]
        return [outcome for outcomes in await _together(parts) for outcome in outcomes]

    async def _close_part(self, part: Sequence[Closing], *, timeout_seconds: float) -> list[StoreError | None]:
        request = rpc_pb2.TxnRequest(
            success=[self._overwrite(c.election, record) for c in part for record in c.records]
        )
        verb = _named("closing records of", [c.election for c in part])
        try:
            await self._txn(request, verb=verb, timeout_seconds=timeout_seconds)
        except StoreError as error:
            return [error] * len(part)
        return [None] * len(part)

    async def _enter(
        self, part: Sequence[Candidacy], *, timeout_seconds: float
    ) -> dict[bytes, Campaigned | StoreError]:
        request = rpc_pb2.TxnRequest(success=[self._entry(c) for c in part])
        verb = _named("campaign in", [c.election for c in part])
        try:
            reply = await self._txn(request, verb=verb, timeout_seconds=timeout_seconds)
        except TooLarge as error:
            if len(part) == 1:
                return {self._key(part[0].election, part[0].lease): error}
            halves = [await self._enter(half, timeout_seconds=timeout_seconds) for half in _halves(part)]
            return halves[0] | halves[1]
        except StoreError as error:
            return {self._key(c.election, c.lease): error for c in part}
        return {
            self._key(c.election, c.lease): _campaigned(c, op.response_txn)
            for c, op in zip(part, reply.responses, strict=True)
        }

    async def _prove_part(self, part: Sequence[Claim], *, timeout_seconds: float) -> list[FirstRead | StoreError]:
        request = rpc_pb2.TxnRequest(success=[self._proof(claim) for claim in part])
        verb = _named("proof of the win of", [claim.election for claim in part])
        try:
            reply = await self._txn(request, verb=verb, timeout_seconds=timeout_seconds)
        except TooLarge as error:
            if len(part) == 1:
                return [error]
            halves = [await self._prove_part(half, timeout_seconds=timeout_seconds) for half in _halves(part)]
            return [outcome for half in halves for outcome in half]
        except OutOfSpace as error:
            return await self._prove_without_space(part, error, timeout_seconds=timeout_seconds)
        except StoreError as error:
            return [error] * len(part)
        raft_term = reply.header.raft_term  # nested replies have no header
        return [_proven(c, op.response_txn, raft_term) for c, op in zip(part, reply.responses, strict=True)]

    async def _prove_without_space(
        self, part: Sequence[Claim], refusal: StoreError, *, timeout_seconds: float
    ) -> list[FirstRead | StoreError]:
        asked = [(claim.election, claim.create_revision) for claim in part]
        try:
            return list(
                await nospace.first_reads(
                    self._channels, asked, most_records=MOST_RECORDS, timeout_seconds=timeout_seconds
                )
            )
        except StoreError:
            return [refusal] * len(part)

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

    def _proof(self, c: Claim) -> rpc_pb2.RequestOp:
        """If our key is there and none of the queue is older, the record; then who is first, and the records."""
        key, prefix = self._key(c.election, c.lease), keys.election_prefix(self._namespace, c.election)
        none_older = rpc_pb2.Compare(
            result=rpc_pb2.Compare.GREATER,
            target=rpc_pb2.Compare.CREATE,
            key=prefix,
            range_end=keys.range_end(prefix),
            create_revision=c.create_revision - 1,
        )
        own = keys.record(self._namespace, c.election, c.create_revision)
        put = rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=own, value=c.record))
        read = [self._first(c.election), self._newest_records(c.election)]
        compare = [_created(key, c.create_revision), none_older]
        nested = rpc_pb2.TxnRequest(compare=compare, success=[put, *read], failure=read)
        return rpc_pb2.RequestOp(request_txn=nested)

    def _overwrite(self, election: ElectionName, record: TermRecord) -> rpc_pb2.RequestOp:
        """Only what is there: a record that was deleted must not come back."""
        key = keys.record(self._namespace, election, record.token)
        there = rpc_pb2.Compare(
            result=rpc_pb2.Compare.GREATER, target=rpc_pb2.Compare.CREATE, key=key, create_revision=0
        )
        put = rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=key, value=record.value))
        return rpc_pb2.RequestOp(request_txn=rpc_pb2.TxnRequest(compare=[there], success=[put]))

    def _newest_records(self, election: ElectionName) -> rpc_pb2.RequestOp:
        return rpc_pb2.RequestOp(request_range=nospace.newest_of(self._namespace, election, MOST_RECORDS))

    def _first(self, election: ElectionName) -> rpc_pb2.RequestOp:
        return rpc_pb2.RequestOp(request_range=nospace.first_of(self._namespace, election))

    def _key(self, election: ElectionName, lease: LeaseId) -> bytes:
        return keys.candidate(self._namespace, election, lease)


def _created(key: bytes, create_revision: Token) -> rpc_pb2.Compare:
    """True when the key was created at this revision; 0 when it does not exist."""
    return rpc_pb2.Compare(
        result=rpc_pb2.Compare.EQUAL, target=rpc_pb2.Compare.CREATE, key=key, create_revision=create_revision
    )


def _delete_if(c: Candidate) -> rpc_pb2.RequestOp:
    """A later key of the same name is another candidacy, and stays."""
    key = c.key.encode()
    delete = rpc_pb2.RequestOp(request_delete_range=rpc_pb2.DeleteRangeRequest(key=key))
    meant = _created(key, c.create_revision)
    return rpc_pb2.RequestOp(request_txn=rpc_pb2.TxnRequest(compare=[meant], success=[delete]))


def _campaigned(c: Candidacy, reply: rpc_pb2.TxnResponse) -> Campaigned:
    own, first = (_only(op) for op in reply.responses[-2:])
    assert own is not None, "a key that this transaction created or found is there"
    assert first is not None, "a queue that holds our key has a first"
    return Campaigned(election=c.election, lease=c.lease, create_revision=own.create_revision, first=first)


def _proven(c: Claim, reply: rpc_pb2.TxnResponse, raft_term: int) -> FirstRead:
    first, found = reply.responses[-2:]
    told = nospace.records_in(found.response_range.kvs)
    return FirstRead(
        election=c.election, asked_for=c.create_revision, first=_only(first), records=told, raft_term=raft_term
    )


def _only(op: rpc_pb2.ResponseOp) -> Candidate | None:
    return nospace.only(op.response_range.kvs)


async def _together(calls: Sequence[Coroutine[None, None, T]]) -> list[T]:
    """The results of all, in order; when one or more fail, the first failure after all have ended."""
    if len(calls) == 1:
        return [await calls[0]]  # without a task of its own, which is a turn of the loop
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    results: list[T] = []
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
        results.append(outcome)
    return results


def _halves(items: Sequence[T]) -> list[Sequence[T]]:
    """Of what an etcd with a small --max-request-bytes does not take in one request."""
    middle = len(items) // 2
    return [items[:middle], items[middle:]]


def _parts(items: Sequence[T]) -> list[Sequence[T]]:
    return [items[i : i + MAX_OPERATIONS] for i in range(0, len(items), MAX_OPERATIONS)]


def _fitting(batch: Sequence[Closing]) -> list[list[Closing]]:
    """As ``_parts``, where each has several operations."""
    parts: list[list[Closing]] = []
    room = 0
    for closing in batch:
        if len(closing.records) > room:
            parts.append([])
            room = MAX_OPERATIONS
        parts[-1].append(closing)
        room -= len(closing.records)
    return parts


def _named(verb: str, elections: Sequence[ElectionName]) -> str:
    """``campaign in billing and 118 more``: a message must not list hundreds."""
    return f"{verb} {elections[0]}" + (f" and {len(elections) - 1} more" if len(elections) > 1 else "")
