"""The queue of every election in a namespace, kept from lists and watch events.

Promises: a queue is in the order of create revisions, which is etcd's; every change of one response is told of once per
election; an election whose last candidate goes is told of as empty. Does not: talk to etcd, or judge who leads.
"""

from collections.abc import Iterable

from supervisor.core.events import Candidate, QueueChanged
from supervisor.core.names import ElectionName, LeaseId, Token
from supervisor.etcd import keys
from supervisor.pb.etcd import kv_pb2

MOST_VALUE_BYTES = 65_536
"""Kept of a value, sixteen times what a document of ours may be: etcd takes 1.5 MB from anybody, and each would be in the memory
of every node, and be read as JSON between two renewals."""


class Queues:
    """What the last list and the events since have shown."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._queues: dict[ElectionName, dict[bytes, Candidate]] = {}
        self._changes = 0
        self.marks: dict[ElectionName, int] = {}
        """Of each election that has a candidate, another number after each change."""

    def replace(self, found: Iterable[kv_pb2.KeyValue], revision: int) -> list[QueueChanged]:
        """A list of the whole namespace: every queue in it, and those that were there before and are empty now."""
        before, self._queues = self._queues, {}
        for kv in found:
            self._put(kv)
        return [self._changed(election, revision) for election in before | self._queues]

    def apply(self, events: Iterable[kv_pb2.Event]) -> list[QueueChanged]:
        """Watch events, in order: the queues they touched, as of the last of them."""
        touched: dict[ElectionName, None] = {}  # a set that keeps the order of first touch
        revision = 0
        for event in events:
            revision = event.kv.mod_revision
            election = self._delete(event.kv.key) if event.type == kv_pb2.Event.DELETE else self._put(event.kv)
            if election is not None:
                touched[election] = None
        return [self._changed(election, revision) for election in touched]

    def _put(self, kv: kv_pb2.KeyValue) -> ElectionName | None:
        election = keys.election_of(self._namespace, kv.key)
        if election is not None:
            self._queues.setdefault(election, {})[kv.key] = candidate(kv)
        return election

    def _delete(self, key: bytes) -> ElectionName | None:
        election = keys.election_of(self._namespace, key)
        if election is not None:
            self._queues.get(election, {}).pop(key, None)
        return election

    def _changed(self, election: ElectionName, revision: int) -> QueueChanged:
        self._changes += 1
        self.marks[election] = self._changes
        if not self._queues.get(election):
            self._queues.pop(election, None)
            self.marks.pop(election)
        return QueueChanged(election=election, candidates=self.of(election), revision=revision)

    def of(self, election: ElectionName) -> tuple[Candidate, ...]:
        """One queue as it was last seen; empty when nobody stands."""
        return tuple(sorted(self._queues.get(election, {}).values(), key=lambda c: (c.create_revision, c.key)))


def candidate(kv: kv_pb2.KeyValue) -> Candidate:
    """A stored key, as the core knows it."""
    return Candidate(
        key=kv.key.decode(errors="replace"),
        lease=LeaseId(kv.lease),
        create_revision=Token(kv.create_revision),
        value=kv.value[:MOST_VALUE_BYTES],
    )
