"""The core's etcd actions, as calls, and their outcomes as events.

Promises: every call has a deadline and is answered by exactly one event; campaigns, proofs of wins, proclaims and records
to be closed that are asked for in one turn of the loop share their transactions. Does not: retry. When and whether is the core's.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine

from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core import request_events as rev
from supervisor.core import store_events as sev
from supervisor.core.history import Page
from supervisor.core.names import ElectionName, Instant
from supervisor.core.spec import EtcdSpec
from supervisor.daemon import clock
from supervisor.etcd.election import Candidacy, Claim, Closing, Ending, Succession, Word
from supervisor.etcd.errors import KeyNotOurs, LeaseNotFound, StoreError, Unreachable
from supervisor.etcd.ledger import Entry
from supervisor.etcd.queues import Queues
from supervisor.etcd.store import EtcdStore

READ_TIMEOUT_SECONDS = 1.0
WRITE_TIMEOUT_SECONDS = 2.0
RAISE_TIMEOUT_SECONDS = 60.0
LEAVING_SECONDS = 30.0
"""For a leader that has said that it leaves: no longer is anything held for what comes after it."""
MOST_LEDGERS_AT_ONCE = 4
"""A thousand terms that began together have a history to write each, and nobody waits for it."""

Post = Callable[[ev.Event], None]


class StoreCalls:
    """The connection to the present etcd, replaced by ``connect``."""

    def __init__(
        self,
        group: asyncio.TaskGroup,
        post: Post,
        *,
        now: Callable[[], Instant],
        on_endpoints: Callable[[EtcdSpec, tuple[str, ...]], None],
    ) -> None:
        """``on_endpoints`` is told where etcd's members are whenever that is found to have changed."""
        self._group = group
        self._post = post
        self._clock = now
        self._on_endpoints = on_endpoints
        self._store: EtcdStore | None = None
        self._running: asyncio.Task[None] | None = None
        self._campaigns: list[ac.Campaign] = []
        self._proofs: list[ac.Prove] = []
        self._words: list[ac.Proclaim] = []
        self._closings: list[ac.CloseRecords] = []
        self._writers = asyncio.Semaphore(MOST_LEDGERS_AT_ONCE)

    def connect(self, etcd: EtcdSpec) -> None:
        """Turn to this etcd; the one before is left."""
        old, task = self._store, self._running

        def hear(event: ev.Event) -> None:
            if self._store is not store:
                return  # of one that was left
            self._post(event)
            if isinstance(event, sev.EndpointsSeen):
                self._on_endpoints(etcd, store.endpoints)

        self._store = store = EtcdStore(etcd, clock=self._clock, on_event=hear, wall=clock.wall)
        self._on_endpoints(etcd, store.endpoints)
        self._running = self._group.create_task(self._store.run(), name="etcd watch")
        if old is not None and task is not None:
            task.cancel()
            for ended in old.end_calls():
                self._post(ended)
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
            case ac.Identify():
                self._begin(self._identify(action))
            case ac.RaiseRevision():
                self._begin(self._raise(self._live(), action))
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
            case ac.Prove():
                if not self._proofs:
                    asyncio.get_running_loop().call_soon(self._flush_proofs)
                self._proofs.append(action)
            case ac.LookAhead():
                self._begin(self._look_ahead(self._live(), action))
            case ac.ConfirmKeys():
                self._begin(self._confirm(self._live(), action))
            case ac.AskLease():
                self._begin(self._look(self._live(), action))
            case ac.CloseRecords():
                if not self._closings:
                    asyncio.get_running_loop().call_soon(self._flush_closings)
                self._closings.append(action)
            case ac.Chronicle():
                self._begin(self._chronicle(self._live(), action))
            case ac.Proclaim():
                if not self._words:
                    asyncio.get_running_loop().call_soon(self._flush_words)
                self._words.append(action)
            case ac.Resign():
                self._begin(self._resign(self._live(), action))
            case ac.HandOver():
                self._begin(self._hand_over(self._live(), action))
            case ac.WriteRequest(path=path, value=value, revision=revision):
                self._begin(self._answer(self._live(), path, value, revision))
            case ac.AskDate():
                asyncio.get_running_loop().call_soon(lambda: self._post(rev.DateSeen(wall_seconds=clock.wall())))
            case _:
                return False
        return True

    def _live(self) -> EtcdStore:
        assert self._store is not None, "the core connects first"
        return self._store

    def _begin(self, call: Coroutine[None, None, None]) -> None:
        self._group.create_task(call)

    async def _identify(self, a: ac.Identify) -> None:
        cluster, detail = "", ""
        store = EtcdStore(a.etcd, clock=self._clock, on_event=lambda _: None)
        try:
            cluster = await store.identify(timeout_seconds=a.timeout_seconds)
        except StoreError as error:
            detail = str(error)
        finally:
            await store.close()
        self._post(sev.StoreIdentified(etcd=a.etcd, cluster=cluster, detail=detail))

    async def _raise(self, store: EtcdStore, a: ac.RaiseRevision) -> None:
        problem = ""
        try:
            await store.raise_revision(a.above, timeout_seconds=RAISE_TIMEOUT_SECONDS)
        except StoreError as error:
            problem = str(error)
        self._post(sev.RevisionRaised(problem=problem))

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

    def _flush_proofs(self) -> None:
        batch, self._proofs = self._proofs, []
        self._begin(self._prove(self._live(), batch))

    async def _prove(self, store: EtcdStore, batch: list[ac.Prove]) -> None:
        claims = [
            Claim(election=a.election, lease=a.lease, create_revision=a.create_revision, record=a.record) for a in batch
        ]
        outcomes = await store.prove(claims, timeout_seconds=READ_TIMEOUT_SECONDS)
        for a, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, StoreError):
                self._post(ev.ReadFirstFailed(election=a.election, detail=str(outcome), chance=random.random()))  # noqa: S311 # spreads retries
            else:
                self._post(outcome)

    async def _look_ahead(self, store: EtcdStore, a: ac.LookAhead) -> None:
        name, asked_for = a.election, a.create_revision
        try:
            looked, record = await store.look_ahead(a, timeout_seconds=READ_TIMEOUT_SECONDS)
        except StoreError as error:
            nothing = sev.LookedAhead(
                election=name, asked_for=asked_for, front=(), records=(), raft_term=0, problem=str(error)
            )
            self._post(nothing)
            return
        self._post(looked)
        if looked.problem:
            return
        # Whatever fails from here on is no news: the proof is asked for then, as by anybody who has not looked.
        with contextlib.suppress(StoreError, TimeoutError):
            try:
                await record.open(timeout_seconds=READ_TIMEOUT_SECONDS)
                async with asyncio.timeout(LEAVING_SECONDS):
                    for changed in await record.changes():
                        self._post(sev.LeaderStopped(election=name, asked_for=asked_for, record=changed))
            finally:
                record.close()

    async def _confirm(self, store: EtcdStore, a: ac.ConfirmKeys) -> None:
        try:
            missing = await store.confirm(a.lease, a.keys, timeout_seconds=a.timeout_seconds)
        except StoreError as error:
            self._post(ev.KeysUnconfirmed(lease=a.lease, asked_at=a.asked_at, detail=str(error)))
        else:
            self._post(ev.KeysConfirmed(lease=a.lease, asked_at=a.asked_at, missing=missing))

    async def _look(self, store: EtcdStore, a: ac.AskLease) -> None:
        try:
            look = await store.look(a.lease, timeout_seconds=a.timeout_seconds)
        except StoreError as error:
            self._post(ev.LeaseUnseen(lease=a.lease, detail=str(error)))
            return
        seen = ev.LeaseSeen(
            lease=a.lease,
            sent_at=look.sent_at,
            remaining_seconds=look.remaining_seconds,
            granted_seconds=look.granted_seconds,
            raft_term=look.raft_term,
        )
        self._post(seen)

    def _flush_closings(self) -> None:
        batch, self._closings = self._closings, []
        self._begin(self._close_records(self._live(), batch))

    async def _close_records(self, store: EtcdStore, batch: list[ac.CloseRecords]) -> None:
        closings = [Closing(election=a.election, records=a.records) for a in batch]
        outcomes = await store.close_records(closings, timeout_seconds=WRITE_TIMEOUT_SECONDS)
        for a, error in zip(batch, outcomes, strict=True):
            if error is None:
                self._post(ev.RecordsClosed(election=a.election))
            else:
                self._post(ev.CloseRecordsFailed(election=a.election, detail=str(error)))

    async def _chronicle(self, store: EtcdStore, a: ac.Chronicle) -> None:
        entry = Entry(election=a.election, token=a.token, began=a.began, ended=a.ended, keep=a.keep)
        problem = ""
        async with self._writers:
            try:
                await store.chronicle(entry, timeout_seconds=WRITE_TIMEOUT_SECONDS)
            except StoreError as error:
                problem = str(error)
        self._post(sev.Chronicled(election=a.election, token=a.token, problem=problem))

    @property
    def queues(self) -> Queues | None:
        """Every queue that the watch saw; None before etcd is used."""
        return None if self._store is None else self._store.queues

    async def history(self, election: ElectionName) -> tuple[Page, ...]:
        """What is on record in etcd of an election's terms. Raises any ``StoreError``."""
        if self._store is None:
            raise Unreachable("no etcd is in use")
        return await self._store.history(election, timeout_seconds=WRITE_TIMEOUT_SECONDS)

    def _flush_words(self) -> None:
        batch, self._words = self._words, []
        self._begin(self._proclaim(self._live(), batch))

    async def _proclaim(self, store: EtcdStore, batch: list[ac.Proclaim]) -> None:
        words = [
            Word(election=a.election, lease=a.lease, create_revision=a.create_revision, document=a.document)
            for a in batch
        ]
        outcomes = await store.proclaim(words, timeout_seconds=WRITE_TIMEOUT_SECONDS)
        for a, error in zip(batch, outcomes, strict=True):
            if error is None:
                self._post(ev.Proclaimed(election=a.election, create_revision=a.create_revision))
                continue
            gone = isinstance(error, KeyNotOurs)
            failed = ev.ProclaimFailed(
                election=a.election,
                create_revision=a.create_revision,
                key_gone=gone,
                detail=str(error),
                chance=random.random(),  # noqa: S311 # spreads retries
            )
            self._post(failed)

    async def _resign(self, store: EtcdStore, a: ac.Resign) -> None:
        revision = a.create_revision
        try:
            end = Ending(election=a.election, lease=a.lease, create_revision=revision, record=a.record, forget=a.forget)
            await store.resign(end, timeout_seconds=WRITE_TIMEOUT_SECONDS)
        except StoreError as error:
            self._post(ev.ResignFailed(election=a.election, create_revision=revision, detail=str(error)))
        else:
            self._post(ev.Resigned(election=a.election, create_revision=revision))

    async def _hand_over(self, store: EtcdStore, a: ac.HandOver) -> None:
        end, revision = a.end, a.end.create_revision
        ending = Ending(
            election=a.election, lease=end.lease, create_revision=revision, record=end.record, forget=end.forget
        )
        succession = Succession(end=ending, to=a.to, ahead=a.ahead, path=a.path, done=a.done)
        try:
            done = await store.hand_over(succession, timeout_seconds=WRITE_TIMEOUT_SECONDS)
        except StoreError as error:
            self._post(ev.ResignFailed(election=a.election, create_revision=revision, detail=str(error)))
            return
        if done:
            self._post(ev.Resigned(election=a.election, create_revision=revision))
        else:
            detail = "the target left the queue in the last moment"
            self._post(rev.HandOverRefused(election=a.election, create_revision=revision, detail=detail))

    async def _answer(self, store: EtcdStore, path: str, value: bytes, revision: int) -> None:
        """Nobody is lost who does not hear of it: whoever asked waits for a time only."""
        with contextlib.suppress(StoreError):
            await store.write_request(path, value, revision or None, timeout_seconds=WRITE_TIMEOUT_SECONDS)

    async def write_request(self, path: str, value: bytes | None, revision: int | None) -> str:
        """For an operator. Why it was not written; empty when it was."""
        if self._store is None:
            return "no etcd is connected yet"
        try:
            written = await self._store.write_request(path, value, revision, timeout_seconds=WRITE_TIMEOUT_SECONDS)
        except StoreError as error:
            return str(error)
        return "" if written else "somebody else asked for something at the same moment; look, and try again"
