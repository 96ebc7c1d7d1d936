"""A look at one etcd, for ``supervisor doctor``: who answers, how fast, what leases it grants, what may be written.

Promises: leaves nothing behind: what it writes are scratch keys that belong to no election, bound to a scratch lease that is
given back, and that ends by itself should we be killed. Nothing else is written or deleted. Where the endpoints lead to
different clusters nothing is written at all. Never raises ``StoreError``: what went wrong is a fact.
Does not: judge (``core.fitness`` does), or run in the daemon.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from supervisor.core.evolve import replace
from supervisor.core.fitness.facts import EndpointFacts, LeaseFacts, RangeFacts, StoreFacts
from supervisor.core.names import Instant, LeaseId
from supervisor.core.spec import EtcdSpec
from supervisor.etcd import keys
from supervisor.etcd.channel import Channels
from supervisor.etcd.errors import AuthFailed, Refused, StoreError
from supervisor.etcd.lease import Grant, LeaseKeeper
from supervisor.etcd.members import Member
from supervisor.etcd.permissions import missing
from supervisor.etcd.rounds import ALARMS
from supervisor.pb.etcd import rpc_pb2

TIMEOUT_SECONDS: Final = 3.0
TRIES: Final = 9
SCRATCH_TTL_SECONDS: Final = 60
"""Longer than the look can take: on a slow etcd those of the elections would run out under it."""


async def examine(
    spec: EtcdSpec, ttls: Collection[int], *, clock: Callable[[], Instant], local: bool = False
) -> StoreFacts:
    """Look at it. ``ttls``: of the elections, in seconds; one lease is asked for each. ``local``: it has one member by design."""
    # How a member is it tells to everybody; a password that is wrong must not make it look dead.
    anyone, ours = Channels(replace(spec, auth=None)), Channels(spec)
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            members = await anyone.known()
    except (StoreError, TimeoutError) as error:
        await _close(anyone, ours)
        return StoreFacts(
            detail=str(error) or f"no endpoint of etcd is known within {TIMEOUT_SECONDS:g} s", local=local
        )
    try:
        endpoints = tuple(await asyncio.gather(*(_endpoint(anyone, member) for member in members)))
        facts = StoreFacts(endpoints=endpoints, detail=anyone.directory.detail, local=local)
        clusters = {one.cluster for one in endpoints if not one.error}
        if len(clusters) != 1:
            return facts
        return await _Examination(ours, clock, facts).run(sorted(ttls))
    finally:
        await _close(anyone, ours)


async def _close(*channels: Channels) -> None:
    for one in channels:
        await one.close()


async def _endpoint(channels: Channels, member: Member) -> EndpointFacts:
    url = member.address.label
    request = rpc_pb2.StatusRequest()
    try:
        reply = await channels.ask(member, lambda e: e.status, request, verb="status", timeout_seconds=TIMEOUT_SECONDS)
    except Refused as error:
        return EndpointFacts(url=url, trips_error=str(error))  # it answers
    except StoreError as error:
        return EndpointFacts(url=url, error=str(error))
    return EndpointFacts(
        url=url,
        cluster=f"{reply.header.cluster_id:x}",
        version=reply.version,
        alarms=tuple(sorted({word for error in reply.errors for word in ALARMS if word in error})),
        leader=reply.leader != 0,
        learner=reply.isLearner,
        db_size_bytes=reply.dbSize,
    )


@dataclass(slots=True)
class _Examination:
    """What is asked as the user of the file."""

    channels: Channels
    clock: Callable[[], Instant]
    facts: StoreFacts

    async def run(self, ttls: list[int]) -> StoreFacts:
        leases = LeaseKeeper(self.channels, self.clock)
        scratch: Grant | None = None
        try:
            for ttl in ttls:
                if not self.facts.login_error:
                    self.facts = replace(self.facts, leases=(*self.facts.leases, await self._granted(leases, ttl)))
            with contextlib.suppress(StoreError):  # the same that is said of the others
                scratch = await leases.grant(SCRATCH_TTL_SECONDS, timeout_seconds=TIMEOUT_SECONDS)
            await self._members()
            if scratch is not None:
                await self._trips(scratch.lease)
            if not self.facts.login_error:
                await self._ranges(None if scratch is None else scratch.lease)
        finally:
            if scratch is not None:
                await self._give_back(leases, scratch)
            leases.close()
        if self.facts.login_error:
            self.facts = replace(self.facts, leases=())
        return self.facts

    async def _granted(self, leases: LeaseKeeper, ttl: int) -> LeaseFacts:
        try:
            grant = await leases.grant(ttl, timeout_seconds=TIMEOUT_SECONDS)
        except StoreError as error:
            if isinstance(error, AuthFailed):
                self.facts = replace(self.facts, login_error=str(error))
            return LeaseFacts(asked_seconds=ttl, error=str(error))
        await self._give_back(leases, grant)
        return LeaseFacts(asked_seconds=ttl, granted_seconds=grant.granted_seconds)

    async def _give_back(self, leases: LeaseKeeper, grant: Grant) -> None:
        with contextlib.suppress(StoreError):  # it ends by itself
            await leases.revoke(grant.lease, timeout_seconds=TIMEOUT_SECONDS)

    async def _members(self) -> None:
        request = rpc_pb2.MemberListRequest()
        try:
            reply = await self.channels.call(
                lambda e: e.member_list, request, verb="list of members", timeout_seconds=TIMEOUT_SECONDS
            )
        except StoreError:
            return  # not everybody may be told
        names = tuple(sorted(m.name or f"{m.ID:x}, not started yet" for m in reply.members if not m.isLearner))
        self.facts = replace(self.facts, members=names)

    async def _trips(self, lease: LeaseId) -> None:
        """At each endpoint by itself, one after the other: the question goes to etcd's leader, as a renewal does."""
        loop = asyncio.get_running_loop()
        found = {one.url: one for one in self.facts.endpoints}
        request = rpc_pb2.LeaseTimeToLiveRequest(ID=lease)
        for member in await self.channels.known():
            one = found.get(member.address.label)
            if one is None or one.error:
                continue
            trips: list[float] = []
            try:
                for number in range(TRIES + 1):
                    begun = loop.time()
                    await self.channels.ask(
                        member,
                        lambda e: e.time_to_live,
                        request,
                        verb="question after a lease",
                        timeout_seconds=TIMEOUT_SECONDS,
                    )
                    if number:  # the first also opens the connection
                        trips.append(loop.time() - begun)
            except StoreError as error:
                one = replace(one, trips_error=str(error))
            found[one.url] = replace(one, trips_seconds=tuple(trips))
        self.facts = replace(self.facts, endpoints=tuple(found.values()))

    async def _ranges(self, lease: LeaseId | None) -> None:
        try:
            denied = await missing(self.channels, timeout_seconds=TIMEOUT_SECONDS)
        except AuthFailed as error:
            self.facts = replace(self.facts, login_error=str(error))
            return
        except StoreError as error:
            # A full etcd refuses even the question; the alarm says so.
            told = tuple(RangeFacts(prefix=p, error=str(error)) for p in keys.ranges(self.channels.namespace)[:1])
            self.facts = replace(self.facts, ranges=told)
            return
        found = []
        for prefix in keys.ranges(self.channels.namespace):
            if prefix in denied:
                found.append(RangeFacts(prefix=prefix, permitted=False))
            elif lease is not None:
                found.append(await self._write(prefix, lease))
        self.facts = replace(self.facts, ranges=tuple(found))

    async def _write(self, prefix: str, lease: LeaseId) -> RangeFacts:
        """A key that is in no election's queue: there is no further slash in it."""
        key = f"{prefix}doctor-{lease:x}".encode()
        put = rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=key, value=b"scratch", lease=lease))
        read = rpc_pb2.RequestOp(request_range=rpc_pb2.RangeRequest(key=key))
        delete = rpc_pb2.RequestOp(request_delete_range=rpc_pb2.DeleteRangeRequest(key=key))
        absent = rpc_pb2.Compare(
            result=rpc_pb2.Compare.EQUAL, target=rpc_pb2.Compare.CREATE, key=key, create_revision=0
        )
        loop = asyncio.get_running_loop()
        try:
            begun = loop.time()
            await self._txn(rpc_pb2.TxnRequest(compare=[absent], success=[put]), f"scratch write below {prefix}")
            took = loop.time() - begun
            await self._txn(rpc_pb2.TxnRequest(success=[read, delete]), f"scratch delete below {prefix}")
        except StoreError as error:
            return RangeFacts(prefix=prefix, error=str(error))
        return RangeFacts(prefix=prefix, written_seconds=took)

    async def _txn(self, request: rpc_pb2.TxnRequest, verb: str) -> None:
        await self.channels.call(lambda e: e.txn, request, verb=verb, timeout_seconds=TIMEOUT_SECONDS)
