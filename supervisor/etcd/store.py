"""One etcd, as the daemon uses it: leases, the verbs of elections and the watch behind one front.

Promises: verbs raise nothing but ``StoreError``, by their deadline; ``run`` reports queues and reachability as core
events until it is cancelled. Does not: connect before it is used, or turn outcomes of verbs into events (the daemon does).
"""

import asyncio
from collections.abc import Callable, Sequence

from supervisor.core.actions import LookAhead
from supervisor.core.events import Campaigned, Event, FirstRead
from supervisor.core.history import Page
from supervisor.core.names import ElectionName, Instant, LeaseId, Token
from supervisor.core.spec import CampaignWay, EtcdSpec
from supervisor.core.store_events import CampaignEnded, LookedAhead
from supervisor.etcd import ahead, ledger, requests
from supervisor.etcd.campaigns import CampaignCalls
from supervisor.etcd.channel import Channels
from supervisor.etcd.election import MOST_RECORDS, Candidacy, Claim, Closing, Elections, Ending, Succession, Word
from supervisor.etcd.errors import LeaseNotFound, StoreError
from supervisor.etcd.gateway import GatewayWatch
from supervisor.etcd.lease import Grant, LeaseKeeper, Look, Renewal
from supervisor.etcd.queues import Queues
from supervisor.etcd.raising import raise_revision
from supervisor.etcd.rounds import Rounds, identify
from supervisor.etcd.watch import QueueWatch


class EtcdStore:
    """Everything that goes to one etcd."""

    def __init__(
        self,
        spec: EtcdSpec,
        *,
        clock: Callable[[], Instant],
        on_event: Callable[[Event], None],
        wall: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """``clock``: CLOCK_BOOTTIME; ``wall``: the date. ``on_event`` is called from ``run``. ``ValueError`` without endpoints."""
        self._channels = Channels(spec, on_event)
        # Where etcd knows no users there is nothing to be denied; where it does and we name none, everything says so.
        self._asks_who_we_are = spec.auth is not None or (spec.tls is not None and spec.tls.cert is not None)
        self._leases = LeaseKeeper(self._channels, clock)
        self._elections = Elections(self._channels)
        by_call = spec.campaign is CampaignWay.RPC
        self._calls = CampaignCalls(self._channels, self._elections, on_event) if by_call else None

        def hear(event: Event) -> None:
            if self._calls is not None:
                self._calls.hear(event)
            on_event(event)

        self._queues = Queues(self._channels.namespace)
        self._watch = QueueWatch(self._channels, hear, view=self._queues)
        self._requests = requests.RequestWatch(self._channels, on_event, wall)
        self._rounds = Rounds(self._channels, on_event)
        tls = spec.tls if spec.tls is not None and spec.tls.cert is not None else None
        self._gateway = None if tls is None else GatewayWatch(self._channels, tls, on_event)

    async def run(self) -> None:
        """Watch the namespace, and how each endpoint is, until cancelled; see ``watch`` and ``rounds``."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._rounds.run(), name="rounds of etcd's members")
            if self._asks_who_we_are:
                group.create_task(self._rounds.watch_permissions(), name="permissions")
            if self._gateway is not None:
                group.create_task(self._gateway.run(), name="the HTTP gateway")
            group.create_task(self._watch.run(), name="watch of the queues")
            group.create_task(self._requests.run(), name="watch of the requests")

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Where the members are that are known now, every name looked up: for the guardian."""
        return tuple(address.dialled for address in self._channels.directory.addresses)

    @property
    def queues(self) -> Queues:
        """Every queue of the namespace as the watch last saw it, also of elections that this node knows nothing of."""
        return self._queues

    async def identify(self, *, timeout_seconds: float) -> str:
        """See ``rounds.identify``."""
        return await identify(self._channels, timeout_seconds=timeout_seconds)

    async def raise_revision(self, above: Token, *, timeout_seconds: float) -> None:
        """See ``raising.raise_revision``."""
        await raise_revision(self._channels, above, timeout_seconds=timeout_seconds)

    async def grant(self, ttl_seconds: int, *, timeout_seconds: float) -> Grant:
        """See ``LeaseKeeper.grant``."""
        return await self._leases.grant(ttl_seconds, timeout_seconds=timeout_seconds)

    async def renew(self, lease: LeaseId, *, timeout_seconds: float) -> Renewal:
        """See ``LeaseKeeper.renew``."""
        try:
            return await self._leases.renew(lease, timeout_seconds=timeout_seconds)
        except LeaseNotFound:
            self._end_calls(lease)
            raise

    async def revoke(self, lease: LeaseId, *, timeout_seconds: float) -> None:
        """See ``LeaseKeeper.revoke``."""
        self._end_calls(lease)
        await self._leases.revoke(lease, timeout_seconds=timeout_seconds)

    async def look(self, lease: LeaseId, *, timeout_seconds: float) -> Look:
        """See ``LeaseKeeper.look``."""
        return await self._leases.look(lease, timeout_seconds=timeout_seconds)

    async def campaign(self, batch: Sequence[Candidacy], *, timeout_seconds: float) -> list[Campaigned | StoreError]:
        """See ``Elections.campaign`` and ``CampaignCalls.campaign``."""
        if self._calls is not None:
            return await self._calls.campaign(batch, timeout_seconds=timeout_seconds)
        return await self._elections.campaign(batch, timeout_seconds=timeout_seconds)

    async def prove(self, batch: Sequence[Claim], *, timeout_seconds: float) -> list[FirstRead | StoreError]:
        """See ``Elections.prove``."""
        return await self._elections.prove(batch, timeout_seconds=timeout_seconds)

    async def look_ahead(self, a: LookAhead, *, timeout_seconds: float) -> tuple[LookedAhead, ahead.RecordWatch]:
        """See ``ahead.look``; with the leader's record from then on, to be opened. Raises any ``StoreError``."""
        looked, revision = await ahead.look(
            self._channels, a, most_records=MOST_RECORDS, timeout_seconds=timeout_seconds
        )
        return looked, ahead.RecordWatch(self._channels, a.election, a.leader, after=revision)

    async def confirm(
        self, lease: LeaseId, held: Sequence[tuple[ElectionName, Token]], *, timeout_seconds: float
    ) -> tuple[ElectionName, ...]:
        """See ``Elections.confirm``."""
        return await self._elections.confirm(lease, held, timeout_seconds=timeout_seconds)

    async def close_records(self, batch: Sequence[Closing], *, timeout_seconds: float) -> list[StoreError | None]:
        """See ``Elections.close_records``."""
        return await self._elections.close_records(batch, timeout_seconds=timeout_seconds)

    async def chronicle(self, entry: ledger.Entry, *, timeout_seconds: float) -> None:
        """See ``ledger.chronicle``."""
        await ledger.chronicle(self._channels, entry, timeout_seconds=timeout_seconds)

    async def history(self, election: ElectionName, *, timeout_seconds: float) -> tuple[Page, ...]:
        """See ``ledger.history``."""
        return await ledger.history(self._channels, election, timeout_seconds=timeout_seconds)

    async def proclaim(self, batch: Sequence[Word], *, timeout_seconds: float) -> list[StoreError | None]:
        """See ``Elections.proclaim``."""
        return await self._elections.proclaim(batch, timeout_seconds=timeout_seconds)

    async def resign(self, end: Ending, *, timeout_seconds: float) -> None:
        """See ``Elections.resign``."""
        if self._calls is not None:
            self._calls.end(end.election, end.lease)
        await self._elections.resign(end, timeout_seconds=timeout_seconds)

    async def hand_over(self, s: Succession, *, timeout_seconds: float) -> bool:
        """See ``Elections.hand_over``. The call that entered us ends only when our key is gone: else it would take the key along."""
        done = await self._elections.hand_over(s, timeout_seconds=timeout_seconds)
        if done and self._calls is not None:
            self._calls.end(s.end.election, s.end.lease)
        return done

    async def write_request(
        self, path: str, value: bytes | None, revision: int | None, *, timeout_seconds: float
    ) -> bool:
        """See ``requests.write``."""
        return await requests.write(self._channels, path, value, revision, timeout_seconds=timeout_seconds)

    def end_calls(self) -> list[CampaignEnded]:
        """End every Campaign call that still blocks, and tell what that means."""
        return [] if self._calls is None else self._calls.end_all()

    def _end_calls(self, lease: LeaseId) -> None:
        if self._calls is not None:
            self._calls.end_all(lease)

    async def close(self) -> None:
        """End the keepalive stream and every connection; verbs under way fail, later ones are refused."""
        self.end_calls()
        self._leases.close()
        await self._channels.close()
