"""What the tests of ``supervisor.etcd`` share: a store on a server, its watch running, and events to wait for."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from supervisor.core.events import Campaigned, Candidate, Event, FirstRead, QueueChanged
from supervisor.core.names import ElectionName, Instant, LeaseId, Token
from supervisor.core.spec import AuthSpec, CampaignWay, EtcdSpec, TlsSpec
from supervisor.etcd.channel import Channels
from supervisor.etcd.election import Candidacy, Claim, Ending, Word
from supervisor.etcd.errors import StoreError
from supervisor.etcd.lease import Grant
from supervisor.etcd.store import EtcdStore

PATIENCE_SECONDS = 20.0
"""How long a test waits for what must come. Never how long it must take."""
CALL_SECONDS = 10.0

E = TypeVar("E", bound=Event)
T = TypeVar("T")


def now() -> Instant:
    return Instant(time.clock_gettime(time.CLOCK_BOOTTIME))


class Recorder:
    """Takes events, and lets a test wait for one."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._news = asyncio.Event()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    async def wait(self, kind: type[E], wanted: Callable[[E], bool] = lambda _: True, *, after: int = 0) -> E:
        """The first such event from index ``after`` on, now or later."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    for event in self.events[after:]:
                        if isinstance(event, kind) and wanted(event):
                            return event
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no such {kind.__name__} among {self.events[after:]}") from None

    async def queue(self, election: str, documents: list[bytes], *, after: int = 0) -> QueueChanged:
        """Wait until the watch shows exactly these documents, in this order."""
        return await self.wait(
            QueueChanged,
            lambda q: q.election == election and [c.value for c in q.candidates] == documents,
            after=after,
        )


def spec(
    *endpoints: str,
    namespace: str = "/supervisor",
    tls: TlsSpec | None = None,
    auth: AuthSpec | None = None,
    campaign: CampaignWay = CampaignWay.TRANSACTION,
) -> EtcdSpec:
    return EtcdSpec(endpoints=endpoints, namespace=namespace, tls=tls, auth=auth, campaign=campaign)


@asynccontextmanager
async def opened(etcd: EtcdSpec, recorder: Recorder | None = None) -> AsyncIterator[EtcdStore]:
    """A store; its watch runs when there is someone to tell."""
    store = EtcdStore(etcd, clock=now, on_event=recorder or Recorder())
    watching = asyncio.create_task(store.run()) if recorder else None
    try:
        yield store
    finally:
        if watching is not None:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        await store.close()


@asynccontextmanager
async def channels(etcd: EtcdSpec) -> AsyncIterator[Channels]:
    """The bare connections of a store."""
    found = Channels(etcd)
    try:
        yield found
    finally:
        await found.close()


async def grant(store: EtcdStore, ttl_seconds: int = 60) -> Grant:
    return await store.grant(ttl_seconds, timeout_seconds=CALL_SECONDS)


async def enter(store: EtcdStore, election: str, held: Grant, document: bytes) -> Campaigned:
    """One candidacy that must succeed."""
    candidacy = Candidacy(election=ElectionName(election), lease=held.lease, document=document)
    (outcome,) = await store.campaign([candidacy], timeout_seconds=CALL_SECONDS)
    assert isinstance(outcome, Campaigned), outcome
    return outcome


async def resign(store: EtcdStore, mine: Campaigned, record: bytes = b"") -> None:
    end = Ending(election=mine.election, lease=mine.lease, create_revision=mine.create_revision, record=record)
    await store.resign(end, timeout_seconds=CALL_SECONDS)


async def prove(store: EtcdStore, mine: Campaigned, record: bytes) -> FirstRead:
    """Claim that we are first."""
    claim = Claim(election=mine.election, lease=mine.lease, create_revision=mine.create_revision, record=record)
    (outcome,) = await store.prove([claim], timeout_seconds=CALL_SECONDS)
    if isinstance(outcome, StoreError):
        raise outcome
    return outcome


async def proclaim(store: EtcdStore, mine: Campaigned, document: bytes, revision: int | None = None) -> None:
    """One word that must be written, over the key of this revision, ours unless told otherwise."""
    token = mine.create_revision if revision is None else Token(revision)
    word = Word(election=mine.election, lease=mine.lease, create_revision=token, document=document)
    (error,) = await store.proclaim([word], timeout_seconds=CALL_SECONDS)
    if error is not None:
        raise error


async def read_first(store: EtcdStore, elections: Sequence[ElectionName]) -> list[Candidate | None]:
    """Who is first in each, by claims of nobody's."""
    claims = [Claim(election=e, lease=LeaseId(1), create_revision=Token(1), record=b"") for e in elections]
    firsts = []
    for outcome in await store.prove(claims, timeout_seconds=CALL_SECONDS):
        if isinstance(outcome, StoreError):
            raise outcome
        firsts.append(outcome.first)
    return firsts


async def eventually(call: Callable[[], Awaitable[T]]) -> T:
    """The call's result as soon as it no longer raises StoreError."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                return await call()
            except StoreError:
                await asyncio.sleep(0.02)
