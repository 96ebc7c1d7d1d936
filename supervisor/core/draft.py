"""The state while one step replaces it, and the actions gathered on the way.

As raft's ``Step`` fills a ``Ready``: private to a step, never seen outside the core. Promises: the state it was made
from is untouched; a mapping is copied on its first write only, so that a step which changes one of a thousand elections
costs one copy; every write marks what the reconciler must look at again.
"""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from supervisor.core.actions import Action
from supervisor.core.evolve import replace
from supervisor.core.names import ElectionName, Instant, LeaseId, ProcessId, RunId, SeenToken
from supervisor.core.others import LeaseSight
from supervisor.core.state import Election, Process, Session, State
from supervisor.core.store import DoomedLease
from supervisor.core.written import Written

K = TypeVar("K")
V = TypeVar("V")


class Overlay(Generic[K, V]):
    """A mapping that copies itself on the first write."""

    __slots__ = ("_before", "_copy", "_mapping")

    def __init__(self, mapping: Mapping[K, V]) -> None:
        self._mapping = self._before = mapping
        self._copy: Written[K, V] | None = None

    def __getitem__(self, key: K) -> V:
        return self._mapping[key]

    def __contains__(self, key: K) -> bool:
        return key in self._mapping

    def __iter__(self) -> Iterator[K]:
        return iter(tuple(self._mapping))

    def __len__(self) -> int:
        return len(self._mapping)

    def get(self, key: K) -> V | None:
        """The value, or None."""
        return self._mapping.get(key)

    def values(self) -> tuple[V, ...]:
        """The values as they are now; writing while walking over them is fine."""
        return tuple(self._mapping.values())

    def put(self, key: K, value: V) -> None:
        """Write one entry."""
        own = self._own()
        own[key] = value
        own.keys_written.add(key)

    def drop(self, key: K) -> None:
        """Remove one entry, if it is there."""
        if key in self._mapping:
            own = self._own()
            del own[key]
            own.keys_written.add(key)

    def freeze(self) -> Mapping[K, V]:
        """The mapping as it is now; identical to the original when nothing was written."""
        return self._mapping

    def changes(self) -> Iterator[tuple[V | None, V | None]]:
        """What was written, as it was before the step and as it is now; None where it was, or is, not there."""
        if self._copy is not None:
            for key in self._copy.keys_written:
                yield self._before.get(key), self._copy.get(key)

    def _own(self) -> Written[K, V]:
        if self._copy is None:
            self._copy = Written(self._mapping)
            self._mapping = self._copy
        return self._copy


class Draft:
    """A state under change, at one instant."""

    def __init__(self, state: State, now: Instant) -> None:
        self.before = state
        """What the step began with."""
        self.base = state
        """Holds the scalar fields; the mappings are those below."""
        self.now = now
        self.actions: list[Action] = []
        self.elections: Overlay[ElectionName, Election] = Overlay(state.elections)
        self.processes: Overlay[ProcessId, Process] = Overlay(state.processes)
        self.sessions: Overlay[int, Session] = Overlay(state.sessions)
        self.seen: Overlay[str, SeenToken] = Overlay(state.seen)
        self.sights: Overlay[LeaseId, LeaseSight] = Overlay(state.sights)
        self.doomed: Overlay[LeaseId, DoomedLease] = Overlay(state.doomed)
        self.runs: Overlay[RunId, ProcessId] = Overlay(state.runs)
        self.members: Overlay[ElectionName, tuple[ProcessId, ...]] = Overlay(state.members)
        self.prepared = 0
        """Terms whose preparing this step has begun; what is held for them is not counted yet."""
        self.dirty: set[ElectionName] = set()
        """Elections to reconcile, with their processes. The empty name stands for the always processes."""
        self.touched: set[ProcessId] = set()
        """Always processes to reconcile: hundreds of them have nothing to do with one another, unless one needs another."""

    def do(self, action: Action) -> None:
        """Ask the shell for this, after everything asked for so far."""
        self.actions.append(action)

    def put_election(self, election: Election) -> Election:
        """Write an election."""
        self.elections.put(election.spec.name, election)
        self.dirty.add(election.spec.name)
        return election

    def put_process(self, process: Process) -> Process:
        """Write a process."""
        if process.id not in self.processes:
            election = process.id.election
            self.members.put(election, (*(self.members.get(election) or ()), process.id))
        self.processes.put(process.id, process)
        if process.id.election:
            self.dirty.add(process.id.election)
        else:
            self.touched.add(process.id)
        return process

    def drop_process(self, process: ProcessId) -> None:
        """Forget a process that is neither declared nor alive."""
        self.processes.drop(process)
        rest = tuple(pid for pid in self.members.get(process.election) or () if pid != process)
        if rest:
            self.members.put(process.election, rest)
        else:
            self.members.drop(process.election)
        self.dirty.add(process.election)

    def put_session(self, session: Session) -> Session:
        """Write a session. Whether it is in doubt decides what its elections may do, however that was learnt."""
        before = self.sessions.get(session.ttl_seconds)
        if before is not None and before.lost != session.lost:
            ttl = session.ttl_seconds
            self.dirty.update(e.spec.name for e in self.elections.values() if e.spec.ttl_seconds == ttl)
        self.sessions.put(session.ttl_seconds, session)
        return session

    def new_run(self, process: ProcessId) -> RunId:
        """A number for the next child of a process."""
        run = RunId(self.base.next_run)
        self.base = replace(self.base, next_run=run + 1)
        self.runs.put(run, process)
        return run

    def touch_all(self) -> None:
        """Everything is to be reconciled: the desired state, or the time, has moved."""
        self.dirty.update(self.elections)
        self.dirty.update(self.members)

    def session_of(self, lease: LeaseId | None) -> Session | None:
        """The session that keeps this lease, or None when it was given up."""
        if lease is None:
            return None
        for session in self.sessions.freeze().values():
            if session.lease == lease:
                return session
        return None

    def finish(self) -> tuple[State, tuple[Action, ...]]:
        """The new state, and what follows from the step."""
        state = replace(
            self.base,
            elections=self.elections.freeze(),
            processes=self.processes.freeze(),
            sessions=self.sessions.freeze(),
            seen=self.seen.freeze(),
            sights=self.sights.freeze(),
            doomed=self.doomed.freeze(),
            runs=self.runs.freeze(),
            members=self.members.freeze(),
        )
        return state, tuple(self.actions)
