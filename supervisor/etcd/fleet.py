"""Every election of a namespace, read once and from etcd alone: what ``status --fleet`` shows on any machine.

Promises: all queues are of one revision of etcd, however many pages they take; leases are asked for a bounded number at a time,
those of leaders first, and one that is not answered in time is *not known*, nothing worse; reads only. Does not: need a daemon,
or judge what the documents say.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from supervisor.core.events import Candidate
from supervisor.core.names import ElectionName, LeaseId
from supervisor.core.request_events import Entry
from supervisor.core.spec import EtcdSpec
from supervisor.etcd import keys
from supervisor.etcd.channel import Channels
from supervisor.etcd.errors import PermissionDenied, StoreError
from supervisor.etcd.queues import candidate
from supervisor.pb.etcd import kv_pb2, rpc_pb2

PAGE_KEYS: Final = 2_000
"""Of candidates, each up to 4 KiB; etcd itself answers in memory, and so do we."""
PAGE_NAMES: Final = 10_000
"""Of keys alone."""
LEASES_AT_ONCE: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseLeft:
    """What etcd says of a lease, to the second."""

    seconds_left: int
    """Negative when it is over."""
    granted_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What was there."""

    cluster: str
    revision: int
    queues: Mapping[ElectionName, tuple[Candidate, ...]]
    """Oldest first: the first leads. Empty for one that only has a past (records of terms)."""
    leases: Mapping[LeaseId, LeaseLeft | None]
    """None: not known."""
    requests: tuple[Entry, ...]
    """What is asked of nodes: switchovers, pauses, drains."""
    problems: tuple[str, ...]
    """What could not be read, and why."""


async def read(spec: EtcdSpec, *, election: str = "", timeout_seconds: float) -> Fleet:
    """All of it, or one election. Raises any ``StoreError`` when the queues cannot be read."""
    channels = Channels(spec)
    try:
        return await _Reader(channels, timeout_seconds).fleet(ElectionName(election) if election else None)
    finally:
        await channels.close()


class _Reader:
    def __init__(self, channels: Channels, timeout_seconds: float) -> None:
        self._channels = channels
        self._ends = asyncio.get_running_loop().time() + timeout_seconds
        self._problems: list[str] = []

    async def fleet(self, only: ElectionName | None) -> Fleet:
        namespace = self._channels.namespace
        prefix = keys.namespace_prefix(namespace) if only is None else keys.election_prefix(namespace, only)
        records = asyncio.create_task(self._recorded(only))
        asked = asyncio.create_task(self._requests())
        try:
            queues, header = await self._queues(prefix)
            queues |= {name: () for name in await records if name not in queues}
            requests = await asked
        finally:
            records.cancel()
            asked.cancel()
        leaders = [queue[0].lease for queue in queues.values() if queue]
        others = [c.lease for queue in queues.values() for c in queue[1:]]
        leases = await self._leases(lease for lease in dict.fromkeys([*leaders, *others]) if lease)
        return Fleet(
            cluster=f"{header.cluster_id:x}",
            revision=header.revision,
            queues={
                name: tuple(sorted(queue, key=lambda c: (c.create_revision, c.key)))
                for name, queue in sorted(queues.items())
            },
            leases=leases,
            requests=requests,
            problems=tuple(self._problems),
        )

    async def _queues(self, prefix: bytes) -> tuple[dict[ElectionName, tuple[Candidate, ...]], rpc_pb2.ResponseHeader]:
        found: dict[ElectionName, list[Candidate]] = {}
        header = rpc_pb2.ResponseHeader()
        async for header, page in self._pages(prefix, PAGE_KEYS, keys_only=False):  # noqa: B007 # the last is wanted
            for kv in page:
                name = keys.election_of(self._channels.namespace, kv.key)
                if name is not None:
                    found.setdefault(name, []).append(candidate(kv))
        ordered = {n: tuple(sorted(q, key=lambda c: (c.create_revision, c.key))) for n, q in found.items()}
        return ordered, header

    async def _recorded(self, only: ElectionName | None) -> set[ElectionName]:
        """Elections that have had a term, though nobody stands in them now."""
        namespace = f"{self._channels.namespace}.log"
        prefix = keys.namespace_prefix(namespace) if only is None else keys.election_prefix(namespace, only)
        found: set[ElectionName] = set()
        try:
            async for _, page in self._pages(prefix, PAGE_NAMES, keys_only=True):
                found |= {name for kv in page if (name := keys.election_of(namespace, kv.key)) is not None}
        except PermissionDenied as error:
            self._problems.append(f"elections without a candidate are not shown: {error}")
        return found

    async def _requests(self) -> tuple[Entry, ...]:
        prefix = keys.requests_prefix(self._channels.namespace)
        found: list[Entry] = []
        try:
            async for _, page in self._pages(prefix, PAGE_KEYS, keys_only=False):
                for kv in page:
                    path = kv.key.removeprefix(prefix).decode(errors="replace")
                    found.append(Entry(path=path, value=kv.value, revision=kv.mod_revision))
        except PermissionDenied as error:
            self._problems.append(f"pauses, drains and switchovers are not shown: {error}")
        return tuple(found)

    async def _pages(
        self, prefix: bytes, size: int, *, keys_only: bool
    ) -> AsyncGenerator[tuple[rpc_pb2.ResponseHeader, Iterable[kv_pb2.KeyValue]], None]:
        key, end, revision = prefix, keys.range_end(prefix), 0
        while True:
            request = rpc_pb2.RangeRequest(
                key=key, range_end=end, limit=size, revision=revision, keys_only=keys_only,
                # The first page is read linearizably; the others are of its revision, which does not change any more.
                serializable=revision != 0,
            )  # fmt: skip
            reply = await self._channels.call(
                lambda endpoint: endpoint.range,
                request,
                verb=f"list of {prefix.decode(errors='replace')}",
                timeout_seconds=self._left(),
                hedged=True,
            )
            yield reply.header, reply.kvs
            if not reply.more or not reply.kvs:
                return
            revision = revision or reply.header.revision
            key = reply.kvs[-1].key + b"\0"

    async def _leases(self, leases: Iterable[LeaseId]) -> dict[LeaseId, LeaseLeft | None]:
        found: dict[LeaseId, LeaseLeft | None] = dict.fromkeys(leases)
        upcoming = iter(list(found))
        failed: list[StoreError] = []

        async def worker() -> None:
            for lease in upcoming:
                try:
                    found[lease] = await self._lease(lease)
                except StoreError as error:
                    failed.append(error)
                    return

        await asyncio.gather(*(worker() for _ in range(LEASES_AT_ONCE)))
        if failed:
            unknown = sum(left is None for left in found.values())
            self._problems.append(f"{unknown} of {len(found)} leases are not known: {failed[0]}")
        return found

    async def _lease(self, lease: LeaseId) -> LeaseLeft:
        reply = await self._channels.call(
            lambda endpoint: endpoint.time_to_live,
            rpc_pb2.LeaseTimeToLiveRequest(ID=lease),
            verb=f"time to live of lease {lease:x}",
            timeout_seconds=self._left(),
            hedged=True,
        )
        return LeaseLeft(seconds_left=reply.TTL, granted_seconds=reply.grantedTTL)

    def _left(self) -> float:
        return max(0.001, self._ends - asyncio.get_running_loop().time())
