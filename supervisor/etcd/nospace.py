"""Plain reads in place of transactions: what an etcd without space still answers, and what costs least for many keys.

An etcd whose database has reached its quota refuses every transaction, one that only reads included (v3rpc checks the
quota before it looks at what a transaction does), but answers plain, linearizable ranges. Nobody's term ends, and nobody
is kept from winning, for want of space: the same questions are asked again in this way. Where a daemon holds many keys, one
list of the namespace tells of all of them. Its pages need no common revision: a key that is found with its create revision
after the question was asked was there when it was asked.
Does not: write. What would have been put on record is not; ``core.takeover`` knows what a missing record means.
"""

import asyncio
from collections.abc import Sequence

from supervisor.core.events import Candidate, FirstRead, TermRecord
from supervisor.core.names import ElectionName, LeaseId, Token, token_named
from supervisor.etcd import keys
from supervisor.etcd.channel import Channels
from supervisor.etcd.queues import MOST_VALUE_BYTES, candidate
from supervisor.pb.etcd import kv_pb2, rpc_pb2

PAGE_KEYS = 1000
MOST_AT_ONCE = 20


async def missing(
    channels: Channels, lease: LeaseId, held: Sequence[tuple[ElectionName, Token]], *, timeout_seconds: float
) -> tuple[ElectionName, ...]:
    """Which of our keys, of these create revisions, are not there. Raises any ``StoreError``."""
    prefix = keys.namespace_prefix(channels.namespace)
    end, start, found = keys.range_end(prefix), prefix, set[tuple[bytes, int]]()
    while True:
        request = rpc_pb2.RangeRequest(key=start, range_end=end, limit=PAGE_KEYS, keys_only=True)
        page = await _range(channels, request, "sight of our keys", timeout_seconds)
        found.update((kv.key, kv.create_revision) for kv in page.kvs)
        if not page.more:
            break
        start = page.kvs[-1].key + b"\0"
    return tuple(
        name for name, revision in held if (keys.candidate(channels.namespace, name, lease), revision) not in found
    )


async def first_reads(
    channels: Channels, asked: Sequence[tuple[ElectionName, Token]], *, most_records: int, timeout_seconds: float
) -> list[FirstRead]:
    """Who is first in each queue, with the newest records of its terms; none was written. Raises any ``StoreError``."""
    slots = asyncio.Semaphore(MOST_AT_ONCE)

    async def read(name: ElectionName, asked_for: Token) -> FirstRead:
        async with slots:
            queue = await _range(channels, first_of(channels.namespace, name), f"read of {name}", timeout_seconds)
            told = await _range(
                channels, newest_of(channels.namespace, name, most_records), f"records of {name}", timeout_seconds
            )
        first = candidate(queue.kvs[0]) if queue.kvs else None
        raft_term = min(queue.header.raft_term, told.header.raft_term)
        records = records_in(told.kvs)
        return FirstRead(election=name, asked_for=asked_for, first=first, records=records, raft_term=raft_term)

    return list(await asyncio.gather(*(read(*question) for question in asked)))


def first_of(namespace: str, election: ElectionName) -> rpc_pb2.RangeRequest:
    """The oldest of a queue."""
    prefix = keys.election_prefix(namespace, election)
    return rpc_pb2.RangeRequest(
        key=prefix,
        range_end=keys.range_end(prefix),
        sort_target=rpc_pb2.RangeRequest.CREATE,
        sort_order=rpc_pb2.RangeRequest.ASCEND,
        limit=1,
    )


def newest_of(namespace: str, election: ElectionName, most: int) -> rpc_pb2.RangeRequest:
    """The newest records of an election's terms."""
    prefix = keys.records_prefix(namespace, election)
    return rpc_pb2.RangeRequest(
        key=prefix,
        range_end=keys.range_end(prefix),
        sort_target=rpc_pb2.RangeRequest.CREATE,
        sort_order=rpc_pb2.RangeRequest.DESCEND,
        limit=most,
    )


def records_in(found: Sequence[kv_pb2.KeyValue]) -> tuple[TermRecord, ...]:
    """Those whose key names a term: a stranger's key in the range is no record."""
    told = ((token_named(kv.key.rpartition(b"/")[2].decode(errors="replace")), kv.value) for kv in found)
    return tuple(TermRecord(token=token, value=value[:MOST_VALUE_BYTES]) for token, value in told if token is not None)


async def _range(
    channels: Channels, request: rpc_pb2.RangeRequest, verb: str, timeout_seconds: float
) -> rpc_pb2.RangeResponse:
    return await channels.call(
        lambda endpoint: endpoint.range, request, verb=verb, timeout_seconds=timeout_seconds, hedged=True
    )


def only(kvs: Sequence[kv_pb2.KeyValue]) -> Candidate | None:
    """The first of what was read, if anything was."""
    return candidate(kvs[0]) if kvs else None
