"""One etcd as its clients see it: leases, queues of candidates, records of terms, each verb one transaction.

Promises: what ``supervisor/etcd/election.py`` asks of the real one, carried out in one instant of true time; leases end
0 to 1 s late and never early, unless a fault says otherwise; a change of etcd's leader extends every lease to its full TTL.
Does not: know the network. Who asks, and whether the answer comes back, is ``network``'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from supervisor.core.actions import HandOver
from supervisor.core.events import Candidate, FirstRead, TermRecord
from supervisor.core.names import ElectionName, LeaseId, Token, candidate_key
from supervisor.core.request_events import Entry
from supervisor.core.spec import DEFAULT_NAMESPACE
from tests.simulation.kernel import Kernel

LOOK_EVERY_SECONDS = 0.5
MOST_RECORDS = 60


@dataclass(slots=True)
class Lease:
    """A lease with its keys: election -> create revision."""

    granted: int
    until: float
    """In etcd's own time."""
    keys: dict[ElectionName, int] = field(default_factory=dict)


Queue = tuple[Candidate, ...]


class Etcd:
    """The store. ``up`` False: it has no quorum, and answers nobody."""

    def __init__(self, kernel: Kernel, *, drift: float) -> None:
        self.kernel = kernel
        self.rate = 1.0 + drift
        self.revision = 100
        self.raft_term = 2
        self.up = True
        self.leases: dict[LeaseId, Lease] = {}
        self.queues: dict[ElectionName, Queue] = {}
        self.records: dict[ElectionName, dict[Token, bytes]] = {}
        self.gone: dict[tuple[ElectionName, Token], tuple[float, str]] = {}
        """When each key went, and by whose hand."""
        self.endings: Counter[str] = Counter()
        self.watchers: list[Callable[[ElectionName, Queue, int], None]] = []
        self.requests: dict[str, tuple[bytes, int]] = {}
        """Below ``.ctl/``, with the revision of the last change."""
        self.request_watchers: list[Callable[[], None]] = []
        self.handed: dict[tuple[ElectionName, Token], Token] = {}
        """To which key the office of each went that was handed over."""
        self.readers: list[Callable[[ElectionName, Token, bytes], None]] = []
        """Told of every record that is written."""
        self.deferred: list[Callable[[], object]] = []
        """Writes that came while there was no quorum, to be carried out when there is."""
        self.stale: dict[LeaseId, tuple[int, float]] | None = None
        """What a leader that froze still believes of the leases while it does not know yet that it is deposed."""
        self.stale_raft_term = 0
        self._next_lease = 0x1000
        kernel.at(kernel.random() * LOOK_EVERY_SECONDS, self._expire)

    @property
    def time(self) -> float:
        """etcd's own clock."""
        return self.kernel.now * self.rate

    # --- leases

    def grant(self, ttl: int) -> tuple[LeaseId, int]:
        """A new lease."""
        self._next_lease += 1
        lease = LeaseId(self._next_lease)
        self.leases[lease] = Lease(ttl, self.time + ttl)
        return lease, ttl

    def renew(self, lease: LeaseId) -> int:
        """The TTL granted; 0 when there is no such lease, or it has run out and is only not removed yet."""
        held = self.leases.get(lease)
        if held is None or held.until <= self.time:
            return 0
        held.until = self.time + held.granted
        return held.granted

    def look(self, lease: LeaseId, *, deposed: bool) -> tuple[int, int, int]:
        """Whole seconds left, rounded towards zero; the TTL granted; the raft term of who answers."""
        if deposed and self.stale is not None:
            granted, until = self.stale.get(lease, (0, 0.0))
            if not granted:
                return -1, 0, self.stale_raft_term
            return int(until - self.time), granted, self.stale_raft_term
        held = self.leases.get(lease)
        if held is None:
            return -1, 0, self.raft_term
        return int(held.until - self.time), held.granted, self.raft_term

    def end_lease(self, lease: LeaseId, why: str) -> None:
        """It goes, with its keys, in one revision."""
        held = self.leases.pop(lease, None)
        if held is None or not held.keys:
            return
        self.revision += 1
        for election, revision in list(held.keys.items()):
            self._drop(election, revision, why)

    def _expire(self) -> None:
        self.kernel.at(self.kernel.now + LOOK_EVERY_SECONDS * (1 + self.kernel.random()), self._expire)
        if not self.up:
            return
        now = self.time
        for lease in [n for n, held in self.leases.items() if held.until <= now]:
            self.end_lease(lease, "expired")

    def new_leader(self) -> None:
        """Another member leads: it knows of no renewal, so every lease begins anew."""
        self.raft_term += 1
        for held in self.leases.values():
            held.until = max(held.until, self.time + held.granted)

    def back_up(self) -> None:
        """There is a quorum again, and with it a new leader."""
        self.up = True
        self.new_leader()
        deferred, self.deferred = self.deferred, []
        for work in deferred:
            work()

    # --- queues

    def campaign(self, election: ElectionName, lease: LeaseId, document: bytes) -> tuple[Candidate, Candidate] | None:
        """Our key, created if absent, and the first; None: no such lease."""
        held = self.leases.get(lease)
        queue = self.queues.get(election, ())
        mine = next((c for c in queue if c.lease == lease), None)
        if mine is None:
            if held is None:
                return None
            self.revision += 1
            key = candidate_key(DEFAULT_NAMESPACE, election, lease)
            mine = Candidate(key=key, lease=lease, create_revision=Token(self.revision), value=document)
            held.keys[election] = self.revision
            queue = (*queue, mine)
            self._set(election, queue)
        return mine, queue[0]

    def prove(self, election: ElectionName, create_revision: Token, record: bytes) -> FirstRead:
        """The record is written if the key is there and the oldest; then the first and the records are read."""
        queue = self.queues.get(election, ())
        records = self.records.setdefault(election, {})
        if queue and queue[0].create_revision == create_revision:
            self.revision += 1
            records[create_revision] = record
            self._tell(election, create_revision, record)
        newest = sorted(records, reverse=True)[:MOST_RECORDS]
        told = tuple(TermRecord(token=t, value=records[t]) for t in newest)
        first = queue[0] if queue else None
        return FirstRead(
            election=election, asked_for=create_revision, first=first, records=told, raft_term=self.raft_term
        )

    def look_ahead(self, election: ElectionName, create_revision: Token, record: bytes) -> tuple[Queue, FirstRead]:
        """The record is written if the key is there; then the first two and the records are read."""
        queue = self.queues.get(election, ())
        records = self.records.setdefault(election, {})
        if self.has(election, create_revision):
            self.revision += 1
            records[create_revision] = record
            self._tell(election, create_revision, record)
        newest = sorted(records, reverse=True)[:MOST_RECORDS]
        told = tuple(TermRecord(token=t, value=records[t]) for t in newest)
        return queue[:2], FirstRead(
            election=election, asked_for=create_revision, first=None, records=told, raft_term=self.raft_term
        )

    def _tell(self, election: ElectionName, token: Token, value: bytes) -> None:
        for reader in list(self.readers):
            reader(election, token, value)

    def missing(self, keys: tuple[tuple[ElectionName, Token], ...]) -> tuple[ElectionName, ...]:
        """Those that are not there."""
        return tuple(name for name, revision in keys if not self.has(name, revision))

    def has(self, election: ElectionName, revision: Token) -> bool:
        """Whether the key of this create revision exists."""
        return any(c.create_revision == revision for c in self.queues.get(election, ()))

    def proclaim(self, election: ElectionName, revision: Token, document: bytes) -> bool:
        """Written over our key; False when it is gone."""
        queue = self.queues.get(election, ())
        for i, c in enumerate(queue):
            if c.create_revision == revision:
                new = Candidate(key=c.key, lease=c.lease, create_revision=revision, value=document)
                self.revision += 1
                self._set(election, (*queue[:i], new, *queue[i + 1 :]))
                return True
        return False

    def resign(
        self, election: ElectionName, revision: Token, record: bytes, forget: tuple[Token, ...], why: str = "resigned"
    ) -> None:
        """The key goes if it is there, and the record says so if there is one."""
        self.revision += 1
        if record:
            self.close(election, (TermRecord(token=revision, value=record),))
        for token in forget:
            self.records.get(election, {}).pop(token, None)
        self.delete(election, revision, why)

    def move(self, election: ElectionName, records: tuple[TermRecord, ...]) -> None:
        """Records of terms long over go to the ledger, which no winner reads."""
        for record in records:
            self.records.get(election, {}).pop(record.token, None)

    def hand_over(self, a: HandOver) -> bool:
        """Whether our key is gone; False: the target's is, and nothing was done."""
        end, name = a.end, a.election
        there = self.has(name, end.create_revision)
        if there and not self.has(name, a.to.create_revision):
            return False
        if end.record:
            self.close(name, (TermRecord(token=end.create_revision, value=end.record),))
        if there:
            for c in a.ahead:
                self.delete(name, c.create_revision, "stepped aside")
            self.handed[name, end.create_revision] = a.to.create_revision
            self.delete(name, end.create_revision, "handed over")
            if a.path:
                self.write_request(a.path, a.done, None)
        return True

    def write_request(self, path: str, value: bytes | None, revision: int | None) -> bool:
        """Put it, or take it back, if what is there is of this revision."""
        if revision is not None and self.requests.get(path, (b"", 0))[1] != revision:
            return False
        self.revision += 1
        if value is None:
            self.requests.pop(path, None)
        else:
            self.requests[path] = (value, self.revision)
        for watcher in self.request_watchers:
            watcher()
        return True

    def entries(self) -> tuple[Entry, ...]:
        """All requests."""
        return tuple(Entry(path=p, value=v, revision=r) for p, (v, r) in self.requests.items())

    def close(self, election: ElectionName, records: tuple[TermRecord, ...]) -> None:
        """Write over those that are there."""
        there = self.records.setdefault(election, {})
        for record in records:
            if record.token in there:
                there[record.token] = record.value
                self._tell(election, record.token, record.value)

    def delete(self, election: ElectionName, revision: Token, why: str) -> None:
        """One key goes."""
        if self.has(election, revision):
            self.revision += 1
            self._drop(election, revision, why)

    def _drop(self, election: ElectionName, revision: int, why: str) -> None:
        queue = self.queues[election]
        for c in queue:
            if c.create_revision == revision and c.lease in self.leases:
                self.leases[c.lease].keys.pop(election, None)
        self.gone[election, Token(revision)] = (self.kernel.now, why)
        self.endings[why] += 1
        self._set(election, tuple(c for c in queue if c.create_revision != revision))

    def _set(self, election: ElectionName, queue: Queue) -> None:
        self.queues[election] = queue
        if self.kernel.trace is not None:
            self.kernel.note("etcd", f"{election} @{self.revision}: {[c.create_revision for c in queue]}")
        for watcher in self.watchers:
            watcher(election, queue, self.revision)
