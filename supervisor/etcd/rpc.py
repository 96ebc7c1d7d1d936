"""etcd's Election service as it is: all five verbs, for interoperation.

The daemon enters and leaves queues by transactions (``election``), or enters by Campaign alone (``campaigns``), because:

- A returned Campaign is no proof of a win. The server never reads the candidate's key again: after the lease lapsed it
  blocks for ever, or succeeds without a key (etcd#11051, #12334, #19597).
- From about 50 Campaigns that end at once (won, cancelled or cut off), a member's whole Election service may hang.
- Proclaim and Resign open a session on the server for every call, which is kept alive there for a moment.

Promises: the five verbs on the same keys as ``election``, so that both see and queue with each other; every call has a
deadline. Does not: retry, or prove a win: whoever campaigns here must read the first of the queue afterwards.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from supervisor.core.events import Candidate
from supervisor.core.names import ElectionName, LeaseId, Token
from supervisor.etcd import keys
from supervisor.etcd.channel import Channels
from supervisor.etcd.endpoint import Endpoint
from supervisor.etcd.errors import NobodyLeads, Unreachable
from supervisor.etcd.queues import candidate
from supervisor.pb.etcd import election_pb2

if TYPE_CHECKING:
    Observation = grpc.aio.UnaryStreamCall[election_pb2.LeaderRequest, election_pb2.LeaderResponse]

OPEN_TIMEOUT_SECONDS = 3.0
"""For what precedes a stream: reading certificates, and the login."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """What Campaign returns: the key under which Proclaim and Resign act."""

    election: ElectionName
    key: bytes
    lease: LeaseId
    create_revision: Token


class ElectionService:
    """The five verbs, by remote procedure call."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._namespace = channels.namespace

    async def campaign(
        self, election: ElectionName, lease: LeaseId, document: bytes, *, timeout_seconds: float
    ) -> Office:
        """Queue, and return when first. After a ``StoreError`` our key may be in the queue all the same."""
        request = election_pb2.CampaignRequest(name=self._name(election), lease=lease, value=document)
        reply = await self._channels.call(
            lambda endpoint: endpoint.campaign,
            request,
            verb=f"Campaign in {election}",
            timeout_seconds=timeout_seconds,
        )
        won = reply.leader
        return Office(election=election, key=won.key, lease=LeaseId(won.lease), create_revision=Token(won.rev))

    async def proclaim(self, office: Office, document: bytes, *, timeout_seconds: float) -> None:
        """Write over our key. Raises ``KeyNotOurs`` when it is gone, and any ``StoreError``."""
        request = election_pb2.ProclaimRequest(leader=self._leader_key(office), value=document)
        await self._channels.call(
            lambda endpoint: endpoint.proclaim,
            request,
            verb=f"Proclaim in {office.election}",
            timeout_seconds=timeout_seconds,
        )

    async def leader(self, election: ElectionName, *, timeout_seconds: float) -> Candidate | None:
        """The first of the queue; None when it is empty. Raises any ``StoreError``."""
        try:
            reply = await self._channels.call(
                lambda endpoint: endpoint.leader,
                election_pb2.LeaderRequest(name=self._name(election)),
                verb=f"Leader of {election}",
                timeout_seconds=timeout_seconds,
            )
        except NobodyLeads:
            return None
        return candidate(reply.kv)

    async def observe(self, election: ElectionName) -> AsyncGenerator[Candidate, None]:
        """Who leads now, every proclamation and every new leader, until closed (``aclose``). Raises any ``StoreError``.

        Waits without limit while nobody leads: etcd sends nothing then, so a dead stream looks the same.
        """

        async def attempt(endpoint: Endpoint, metadata: grpc.aio.Metadata) -> "Observation":
            return endpoint.observe(election_pb2.LeaderRequest(name=self._name(election)), metadata=metadata)

        verb = f"Observe of {election}"
        call = await self._channels.try_each(attempt, verb=verb, timeout_seconds=OPEN_TIMEOUT_SECONDS)
        try:
            while isinstance(reply := await self._channels.answer(call.read, verb), election_pb2.LeaderResponse):
                yield candidate(reply.kv)
        finally:
            call.cancel()
        raise Unreachable(f"{verb}: the stream ended")

    async def resign(self, office: Office, *, timeout_seconds: float) -> None:
        """Delete our key; that it is gone already is success. Raises any ``StoreError``."""
        await self._channels.call(
            lambda endpoint: endpoint.resign,
            election_pb2.ResignRequest(leader=self._leader_key(office)),
            verb=f"Resign of {office.election}",
            timeout_seconds=timeout_seconds,
        )

    def _name(self, election: ElectionName) -> bytes:
        return keys.election_name(self._namespace, election)

    def _leader_key(self, office: Office) -> election_pb2.LeaderKey:
        return election_pb2.LeaderKey(
            name=self._name(office.election), key=office.key, rev=office.create_revision, lease=office.lease
        )
