"""The core's etcd actions, as calls, and their outcomes as events.

Promises: every call has a deadline and is answered by exactly one event; campaigns, and reads of who is first, that are
asked for in one turn of the loop share their transactions. Does not: retry. When and whether is the core's.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine

from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core.names import ElectionName, Instant
from supervisor.core.spec import EtcdSpec
from supervisor.etcd.election import Candidacy
from supervisor.etcd.errors import KeyNotOurs, LeaseNotFound, StoreError
from supervisor.etcd.store import EtcdStore

READ_TIMEOUT_SECONDS = 1.0
WRITE_TIMEOUT_SECONDS = 2.0

Post = Callable[[ev.Event], None]


class StoreCalls:
    """The connection to the present etcd, replaced by ``connect``."""

    def __init__(self, group: asyncio.TaskGroup, post: Post, *, clock: Callable[[], Instant]) -> None:
        self._group = group
        self._post = post
        self._clock = clock
        self._store: EtcdStore | None = None
        self._running: asyncio.Task[None] | None = None
        self._campaigns: list[ac.Campaign] = []
        self._reads: list[ElectionName] = []

    def connect(self, etcd: EtcdSpec) -> None:
        """Turn to this etcd; the one before is left."""
        old, task = self._store, self._running
        self._store = EtcdStore(etcd, clock=self._clock, on_event=self._post)
        self._running = self._group.create_task(self._store.run(), name="etcd watch")
        if old is not None and task is not None:
            task.cancel()
            self._group.create_task(old.close(), name="etcd close")

    async def close(self) -> None:
        """Leave etcd."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        if self._store is not None:
            await self._store.close()

    def perform(self, action: ac.Action) -> bool:
        """Begin one action; False when it is not one for etcd."""
        match action:
            case ac.Connect(etcd=etcd):
                self.connect(etcd)
            case ac.GrantLease():
                self._begin(self._grant(self._live(), action))
            case ac.Renew():
                self._begin(self._renew(self._live(), action))
            case ac.RevokeLease():
                self._begin(self._revoke(self._live(), action))
            case ac.Campaign():
                if not self._campaigns:
                    asyncio.get_running_loop().call_soon(self._flush_campaigns)
                self._campaigns.append(action)
            case ac.ReadFirst(election=election):
                if not self._reads:
                    asyncio.get_running_loop().call_soon(self._flush_reads)
                self._reads.append(election)
            case ac.Proclaim():
                self._begin(self._proclaim(self._live(), action))
            case ac.Resign():
                self._begin(self._resign(self._live(), action))
            case _:
                return False
        return True

    def _live(self) -> EtcdStore:
        assert self._store is not None, "the core connects first"
        return self._store

    def _begin(self, call: Coroutine[None, None, None]) -> None:
        self._group.create_task(call)

    async def _grant(self, store: EtcdStore, a: ac.GrantLease) -> None:
        try:
            grant = await store.grant(a.ttl_seconds, timeout_seconds=a.timeout_seconds)
        except StoreError as error:
            self._post(ev.LeaseGrantFailed(ttl_seconds=a.ttl_seconds, detail=str(error), chance=random.random()))  # noqa: S311 # spreads retries, guards nothing
            return
        self._post(
            ev.LeaseGranted(
                ttl_seconds=a.ttl_seconds,
                lease=grant.lease,
                granted_seconds=grant.granted_seconds,
                sent_at=grant.sent_at,
            )
        )

    async def _renew(self, store: EtcdStore, a: ac.Renew) -> None:
        try:
            renewal = await store.renew(a.lease, timeout_seconds=a.timeout_seconds)
        except LeaseNotFound as error:
            self._post(ev.LeaseGone(lease=a.lease, detail=str(error)))
        except StoreError as error:
            self._post(ev.RenewFailed(lease=a.lease, detail=str(error)))
        else:
            self._post(ev.Renewed(lease=a.lease, granted_seconds=renewal.granted_seconds, sent_at=renewal.sent_at))

    async def _revoke(self, store: EtcdStore, a: ac.RevokeLease) -> None:
        try:
            await store.revoke(a.lease, timeout_seconds=WRITE_TIMEOUT_SECONDS)
        except StoreError as error:
            self._post(ev.LeaseRevokeFailed(lease=a.lease, detail=str(error)))
        else:
            self._post(ev.LeaseRevoked(lease=a.lease))

    def _flush_campaigns(self) -> None:
        batch, self._campaigns = self._campaigns, []
        self._begin(self._campaign(self._live(), batch))

    async def _campaign(self, store: EtcdStore, batch: list[ac.Campaign]) -> None:
        candidacies = [Candidacy(election=a.election, lease=a.lease, document=a.document) for a in batch]
        try:
            outcomes = await store.campaign(candidacies, timeout_seconds=WRITE_TIMEOUT_SECONDS)
        except StoreError as error:
            for a in batch:
                if isinstance(error, LeaseNotFound):
                    self._post(ev.LeaseGone(lease=a.lease, detail=str(error)))
                self._post(
                    ev.CampaignFailed(election=a.election, lease=a.lease, detail=str(error), chance=random.random())  # noqa: S311 # spreads retries
                )
            return
        for a, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, StoreError):
                if isinstance(outcome, LeaseNotFound):
                    self._post(ev.LeaseGone(lease=a.lease, detail=str(outcome)))
                self._post(
                    ev.CampaignFailed(election=a.election, lease=a.lease, detail=str(outcome), chance=random.random())  # noqa: S311 # spreads retries
                )
            else:
                self._post(outcome)

    def _flush_reads(self) -> None:
        batch, self._reads = self._reads, []
        self._begin(self._read_first(self._live(), batch))

    async def _read_first(self, store: EtcdStore, batch: list[ElectionName]) -> None:
        try:
            firsts = await store.read_first(batch, timeout_seconds=READ_TIMEOUT_SECONDS)
        except StoreError as error:
            for election in batch:
                self._post(ev.ReadFirstFailed(election=election, detail=str(error), chance=random.random()))  # noqa: S311 # spreads retries
            return
        for election, first in zip(batch, firsts, strict=True):
            self._post(ev.FirstRead(election=election, first=first))

    async def _proclaim(self, store: EtcdStore, a: ac.Proclaim) -> None:
        revision = a.create_revision
        try:
            await store.proclaim(a.election, a.lease, revision, a.document, timeout_seconds=WRITE_TIMEOUT_SECONDS)
        except StoreError as error:
            gone = isinstance(error, KeyNotOurs)
            self._post(
                ev.ProclaimFailed(election=a.election, create_revision=revision, key_gone=gone, detail=str(error))
            )
        else:
            self._post(ev.Proclaimed(election=a.election, create_revision=revision))

    async def _resign(self, store: EtcdStore, a: ac.Resign) -> None:
        revision = a.create_revision
        try:
            await store.resign(a.election, a.lease, revision, timeout_seconds=WRITE_TIMEOUT_SECONDS)
        except StoreError as error:
            self._post(ev.ResignFailed(election=a.election, create_revision=revision, detail=str(error)))
        else:
            self._post(ev.Resigned(election=a.election, create_revision=revision))
