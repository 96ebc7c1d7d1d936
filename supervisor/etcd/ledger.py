"""The ledger of terms in etcd: written by leaders when all is calm, read by whoever asks for a history.

Promises: a beginning, the ends that are moved and what is dropped go in one transaction; no more operations than etcd allows
by default, so that a ledger that is far too long shrinks over several terms; a history is read in two plain ranges, from
any machine that may read them. Does not: know what the entries say (``core.history`` does).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from supervisor.core.events import TermRecord
from supervisor.core.history import Page
from supervisor.core.names import ElectionName, Token, token_named
from supervisor.etcd import keys
from supervisor.etcd.channel import Channels
from supervisor.etcd.queues import MOST_VALUE_BYTES
from supervisor.pb.etcd import rpc_pb2

MOST_MOVED = 20
MOST_DROPPED = 30
"""Terms, each up to two keys, in one transaction."""
PAGE_KEYS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one leader writes of its term's beginning, and puts in order on the way."""

    election: ElectionName
    token: Token
    began: bytes
    ended: tuple[TermRecord, ...]
    keep: int


async def chronicle(channels: Channels, entry: Entry, *, timeout_seconds: float) -> None:
    """Write it. Raises any ``StoreError``."""
    namespace, election = channels.namespace, entry.election
    verb = f"ledger of {election}"
    prefix = keys.ledger_prefix(namespace, election)
    look = rpc_pb2.RangeRequest(key=prefix, range_end=keys.range_end(prefix), keys_only=True, limit=PAGE_KEYS)
    found = await channels.call(lambda e: e.range, look, verb=verb, timeout_seconds=timeout_seconds, hedged=True)
    moved = sorted(entry.ended, key=lambda r: r.token)[:MOST_MOVED]
    there = {token for token, _ in _named(kv.key for kv in found.kvs)} | {r.token for r in moved} | {entry.token}
    over = sorted(there)[: -entry.keep or None] if entry.keep else sorted(there)
    operations = [_put(keys.ledger(namespace, election, entry.token, keys.BEGAN), entry.began)]
    for record in moved:
        if record.token not in over:
            operations.append(_put(keys.ledger(namespace, election, record.token, keys.ENDED), record.value))
        operations.append(_delete(keys.record(namespace, election, record.token)))
    for token in over[:MOST_DROPPED]:
        if token != entry.token:
            operations += [_delete(keys.ledger(namespace, election, token, part)) for part in (keys.BEGAN, keys.ENDED)]
    request = rpc_pb2.TxnRequest(success=operations)
    await channels.call(lambda e: e.txn, request, verb=verb, timeout_seconds=timeout_seconds)


async def history(channels: Channels, election: ElectionName, *, timeout_seconds: float) -> tuple[Page, ...]:
    """Everything that is on record of an election's terms, newest first. Raises any ``StoreError``."""
    namespace = channels.namespace
    began: dict[Token, bytes] = {}
    ended: dict[Token, bytes] = {}
    for prefix in (keys.ledger_prefix(namespace, election), keys.records_prefix(namespace, election)):
        request = rpc_pb2.RangeRequest(key=prefix, range_end=keys.range_end(prefix), limit=PAGE_KEYS)
        found = await channels.call(
            lambda e: e.range, request, verb=f"history of {election}", timeout_seconds=timeout_seconds, hedged=True
        )
        for kv in found.kvs:
            for token, part in _named([kv.key]):
                (began if part == keys.BEGAN else ended)[token] = kv.value[:MOST_VALUE_BYTES]
    tokens = sorted({*began, *ended}, reverse=True)
    return tuple(Page(token=t, began=began.get(t, b""), record=ended.get(t, b"")) for t in tokens)


def _named(found: Iterable[bytes]) -> list[tuple[Token, str]]:
    """The term that each key is about, and which part of it; a stranger's key is about none."""
    named = []
    for key in found:
        words = key.decode(errors="replace").split("/")
        of_ledger = words[-1] in (keys.BEGAN, keys.ENDED) and len(words) > 1
        token = token_named(words[-2] if of_ledger else words[-1])
        if token is not None:
            named.append((token, words[-1] if of_ledger else keys.ENDED))
    return named


def _put(key: bytes, value: bytes) -> rpc_pb2.RequestOp:
    return rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=key, value=value))


def _delete(key: bytes) -> rpc_pb2.RequestOp:
    return rpc_pb2.RequestOp(request_delete_range=rpc_pb2.DeleteRangeRequest(key=key))
