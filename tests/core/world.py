"""A world for one core: a store, a guardian and children that answer every action, in virtual time.

Nothing sleeps and nothing is random. Actions are answered at once unless a part of the world is told to be silent
(``mute``) or to fail. Every invariant of the product is checked after every step, so that any test that drives this
world proves them along the way; ``checked`` counts, so that a test which checked nothing can be told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core import happenings, machine, schedule, timing
from supervisor.core import request_events as rev
from supervisor.core import store_events as sev
from supervisor.core.document import process_health
from supervisor.core.names import (
    ElectionName,
    Home,
    Instant,
    LeaseId,
    NodeName,
    ProcessId,
    ProcessName,
    Role,
    RunId,
    Term,
    Token,
)
from supervisor.core.spec import (
    CampaignWhen,
    ElectionSpec,
    EtcdSpec,
    HookKind,
    HookSpec,
    Need,
    ProcessKind,
    ProcessSpec,
    RestartPolicy,
    RestartSpec,
    Spec,
    StopSpec,
    hook_name,
)
from supervisor.core.state import ElectionPhase, Health, Process, State
from supervisor.core.stopping import BEFORE


def process(name: str, *, election: str = "job", role: Role = Role.LEADER, **more: object) -> ProcessSpec:
    """A process spec with a command nobody runs."""
    pid = ProcessId(ElectionName(election if role is not Role.ALWAYS else ""), ProcessName(name))
    return ProcessSpec(id=pid, role=role, command=("/bin/" + name,), **more)  # type: ignore[arg-type]


def spec(*elections: ElectionSpec, always: tuple[ProcessSpec, ...] = (), node: str = "one") -> Spec:
    """A spec of these elections, over an etcd somewhere."""
    return Spec(
        node=NodeName(node),
        etcd=EtcdSpec(endpoints=("http://store:2379",)),
        elections={e.name: e for e in elections},
        processes={p.id.name: p for p in always},
    )


def election(
    name: str = "job",
    *,
    leader: tuple[ProcessSpec, ...] | None = None,
    follower: tuple[ProcessSpec, ...] = (),
    **more: object,
) -> ElectionSpec:
    """An election with one leader process, unless told otherwise."""
    leader = (process("work", election=name),) if leader is None else leader
    return ElectionSpec(
        name=ElectionName(name),
        leader={p.id.name: p for p in leader},
        follower={p.id.name: p for p in follower},
        **more,  # type: ignore[arg-type]
    )


def hook(kind: HookKind, role: Role = Role.LEADER, *, name: str = "job", timeout_seconds: float = 10.0) -> HookSpec:
    """A hook with a command nobody runs."""
    pid = ProcessId(ElectionName(name), hook_name(kind, role))
    once = RestartSpec(policy=RestartPolicy.NEVER)
    made = ProcessSpec(id=pid, role=role, command=(f"/bin/{kind}",), restart=once, stop=StopSpec(timeout_seconds=1.0))
    return HookSpec(kind=kind, process=made, timeout_seconds=timeout_seconds)


def hooked(*hooks: HookSpec, name: str = "job", **more: object) -> ElectionSpec:
    """An election with these hooks."""
    return election(name, hooks={h.process.id.name: h for h in hooks}, **more)  # type: ignore[arg-type] # as they are


@dataclass
class Child:
    """A child in the fake guardian."""

    run: RunId
    spec: ProcessSpec
    term: Term | None
    obeys: bool = True
    held: bool = False
    """Not executed yet."""

    @property
    def before(self) -> bool:
        """Whether it is the pre-stop command of a process."""
        return self.spec.id.name.endswith(BEFORE)


GUARDIAN = (ac.Arm, ac.Disarm, ac.Vacate, ac.Release, ac.Extend, ac.Spawn, ac.SignalRun, ac.KillRun)


@dataclass
class FakeStore:
    """Queues of candidate keys, and the revision that every change of them raises."""

    keys: dict[str, list[ev.Candidate]] = field(default_factory=dict)
    revision: int = 100
    leases: dict[LeaseId, tuple[int, float]] = field(default_factory=dict)
    """Granted seconds, and when it runs out."""
    records: dict[str, dict[Token, bytes]] = field(default_factory=dict)
    ledger: dict[str, dict[Token, bytes]] = field(default_factory=dict)
    requests: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    """What stands below ``.ctl/``, and the revision of its last change."""
    raft_term: int = 2
    stale_looks: bool = False
    """Questions after leases are answered by a leader that froze, in its old term, from what it knew: they are about to end."""

    def expire(self, now: float) -> bool:
        """Leases that have run out end, with their keys. Whether any did."""
        dead = {lease for lease, (_, until) in self.leases.items() if until <= now}
        for lease in dead:
            self.end_lease(lease)
        return bool(dead)

    def ask(self, path: str, value: bytes | None) -> None:
        """Somebody asks for something, or takes it back."""
        self.revision += 1
        if value is None:
            self.requests.pop(path, None)
        else:
            self.requests[path] = (value, self.revision)

    def end_lease(self, lease: LeaseId) -> list[str]:
        """A lease and its keys go; in which elections."""
        self.leases.pop(lease, None)
        changed = []
        for name, queue in self.keys.items():
            kept = [c for c in queue if c.lease != lease]
            if len(kept) != len(queue):
                self.keys[name] = kept
                self.revision += 1
                changed.append(name)
        return changed


@dataclass
class World:
    """One daemon's surroundings. Several may share a store."""

    name: str = "one"
    now: float = 1000.0
    state: State = field(init=False)
    log: list[str] = field(default_factory=list)
    happened: list[happenings.Happening] = field(default_factory=list)
    children: dict[RunId, Child] = field(default_factory=dict)
    armed: dict[Term, tuple[LeaseId, float]] = field(default_factory=dict)
    proven: set[tuple[ElectionName, Token]] = field(default_factory=set)
    """Wins that the store has told of."""
    looked: dict[str, tuple[Token, Token]] = field(default_factory=dict)
    """Looks ahead: our token, and the leader's, whose record is watched."""
    remembered: set[tuple[ElectionName, Token]] = field(default_factory=set)
    vacating: set[Term] = field(default_factory=set)
    deadlines: dict[LeaseId, float] = field(default_factory=dict)
    store: FakeStore = field(default_factory=FakeStore)
    next_lease: int = 0x10
    muted: set[type] = field(default_factory=set)
    failing: set[type] = field(default_factory=set)
    held: list[ac.Action] = field(default_factory=list)
    full: bool = False
    """etcd has no space left: it answers reads, and refuses to put anything on record."""
    stubborn: bool = False
    hook_code: int | None = 0
    """With which code hooks end, at once; None: they do not end by themselves."""
    hooks_run: list[tuple[str, Term | None, int | None]] = field(default_factory=list)
    """Hooks that ended, in which term and with which code."""
    hook_variables: dict[str, dict[str, str]] = field(default_factory=dict)
    """Of the last run of each."""
    spawned: dict[Term, list[str]] = field(default_factory=dict)
    """What was executed in each term."""
    dawdling: bool = False
    """Pre-stop commands do not end by themselves."""
    once: bool = True
    """A task that has completed is not seen again in its term: nobody changes or restarts it, or forgets ``completed``."""
    completed: set[tuple[ProcessId, Term | None]] = field(default_factory=set)
    """Tasks that have ended as expected, and in which term."""
    blind: bool = False
    """The watch shows nothing new, and does not know it."""
    deaf: bool = False
    """The watch of records shows nothing new, and does not know it."""
    opened_by_reload: set[Term] = field(default_factory=set)
    """Terms that began without the hook *elected*."""
    wall_offset: float = 1.6e9
    checked: int = 0
    exit_code: int | None = None
    tokens: dict[ElectionName, int] = field(default_factory=dict)
    ticked_at: float = 1000.0
    pending: deque[ev.Event] = field(default_factory=deque)

    def __post_init__(self) -> None:
        home = Home(boot="boot-" + self.name, mark="mark-" + self.name)
        self.state = machine.initial(NodeName(self.name), now=Instant(self.now), home=home)

    @property
    def keys(self) -> dict[str, list[ev.Candidate]]:
        """The store's queues."""
        return self.store.keys

    # --- driving

    def load(self, desired: Spec) -> None:
        """Adopt a file."""
        self.post(ev.ConfigLoaded(spec=desired, source="test.yaml"))

    def post(self, event: ev.Event) -> None:
        """Give an event and everything that follows from it at this instant."""
        self.pending.append(event)
        while self.pending:
            self._step(self.pending.popleft())

    def advance(self, seconds: float) -> None:
        """Let virtual time pass, ticking exactly when the core asks for it."""
        end = self.now + seconds
        while True:
            due = schedule.next_due(self.state, after=Instant(self.ticked_at))
            kill = min(self.kill_bys(), default=None)
            soonest = min((t for t in (due, kill) if t is not None), default=None)
            if soonest is None or soonest > end:
                break
            self.now = max(self.now, soonest)
            self._strike()
            self.ticked_at = self.now
            self.post(ev.Ticked())
        self.now = end
        self._strike()

    def _step(self, event: ev.Event) -> None:
        before = self.state
        if isinstance(event, ev.ConfigLoaded):
            terms = (e.term for e in before.elections.values() if e.term and "@elected" not in e.spec.hooks)
            self.opened_by_reload.update(terms)
        for one in event.events if isinstance(event, ev.Together) else (event,):
            if isinstance(one, sev.TokenRemembered):
                self.remembered.add((one.election, one.token))
        self.state, todo = machine.step(before, event, now=Instant(self.now))
        self.happened += happenings.of_step(before, event, self.state, now=Instant(self.now))
        self.log.append(f"{self.now:9.3f} > {_show(event)}")
        self.log += [f"{'':9} < {_show(action)}" for action in todo]
        for action in todo:
            if isinstance(action, ac.Release) or (isinstance(action, ac.Spawn) and action.term and not action.held):
                self._check_wanted(action.run)
            if isinstance(action, ac.Spawn) and not action.spec.id.is_hook and not action.spec.id.name.endswith(BEFORE):
                self._check_start(action)
            was = before.elections.get(action.election) if isinstance(action, ac.Campaign) else None
            if isinstance(action, ac.Campaign) and was is not None and was.phase is ElectionPhase.DETACHED:
                self._check_fit(self.state.elections[action.election].spec)  # a try again only settles the first
            if isinstance(action, ac.Vacate) and action.term in self.armed:
                self._check_undone(action.term)
            self._answer(action)
        self.check()

    def _check_wanted(self, run: RunId) -> None:
        """Something of a term is to be executed: what the core knows allows it."""
        p = next(p for p in self.state.processes.values() if run in (p.run, p.before))
        if p.before == run:
            return  # what is started at the end of a term, while its child still runs
        e = self.state.elections[p.id.election]
        demoted = p.id.is_hook and e.phase is ElectionPhase.STEPPING_DOWN
        assert demoted or e.phase is ElectionPhase.LEADING, f"{p.id} is to be executed while {e.phase}"
        assert e.armed, f"{p.id} is to be executed, and the guardian has not said Armed"
        assert e.remembered, f"{p.id} is to be executed, and its token is not remembered"
        assert not e.waits_for, f"{p.id} is to be executed beside a predecessor"

    # --- the store and the guardian

    def _answer(self, action: ac.Action) -> None:
        waits = isinstance(action, GUARDIAN) and any(isinstance(h, GUARDIAN) for h in self.held)
        if type(action) in self.muted or waits:  # a guardian that is slow is slow in order
            self.held.append(action)
            return
        handler: Callable[[ac.Action], None] = getattr(self, "_on_" + type(action).__name__.lower(), lambda _a: None)
        handler(action)

    def release(self) -> None:
        """Answer what was muted, in order."""
        held, self.held = self.held, []
        self.muted.clear()
        for action in held:
            self._answer(action)
        while self.pending:
            self._step(self.pending.popleft())

    def _on_grantlease(self, a: ac.GrantLease) -> None:
        if ac.GrantLease in self.failing:
            self.pending.append(ev.LeaseGrantFailed(ttl_seconds=a.ttl_seconds, detail="refused", chance=0.5))
            return
        self.next_lease += 1
        self.store.leases[LeaseId(self.next_lease)] = (a.ttl_seconds, self.now + a.ttl_seconds)
        granted = ev.LeaseGranted(
            ttl_seconds=a.ttl_seconds,
            lease=LeaseId(self.next_lease),
            granted_seconds=a.ttl_seconds,
            sent_at=Instant(self.now),
        )
        self.pending.append(granted)

    def _on_remember(self, a: ac.Remember) -> None:
        if a.election is not None:
            self.pending.append(sev.TokenRemembered(election=a.election, token=a.token))

    def _on_renew(self, a: ac.Renew) -> None:
        if ac.Renew in self.failing:
            self.pending.append(ev.RenewFailed(lease=a.lease, detail="timed out"))
            return
        granted, until = self.store.leases.get(a.lease, (0, 0.0))
        if self.now >= until:
            self.pending.append(ev.LeaseGone(lease=a.lease, detail="not found"))
            return
        self.store.leases[a.lease] = (granted, self.now + granted)
        self.pending.append(ev.Renewed(lease=a.lease, granted_seconds=granted, sent_at=Instant(self.now)))

    def _on_asklease(self, a: ac.AskLease) -> None:
        if ac.AskLease in self.failing:
            self.pending.append(ev.LeaseUnseen(lease=a.lease, detail="timed out"))
            return
        granted, until = self.store.leases.get(a.lease, (0, 0.0))
        left = int(until - self.now) if until > self.now else -1
        left = 0 if self.store.stale_looks else left
        seen = ev.LeaseSeen(
            lease=a.lease,
            sent_at=Instant(self.now),
            remaining_seconds=left,
            granted_seconds=granted if left >= 0 else 0,
            raft_term=self.store.raft_term - self.store.stale_looks,
        )
        self.pending.append(seen)

    def _on_revokelease(self, a: ac.RevokeLease) -> None:
        if ac.RevokeLease in self.failing:
            self.pending.append(ev.LeaseRevokeFailed(lease=a.lease, detail="timed out"))
            return
        for name in self.store.end_lease(a.lease):
            self.show_queue(name)
        self.pending.append(ev.LeaseRevoked(lease=a.lease))

    def _on_campaign(self, a: ac.Campaign) -> None:
        if ac.Campaign in self.failing:
            self.pending.append(ev.CampaignFailed(election=a.election, lease=a.lease, detail="timed out", chance=0.5))
            return
        if a.lease not in self.store.leases:
            self.pending.append(ev.LeaseGone(lease=a.lease, detail="not found"))
            failed = ev.CampaignFailed(election=a.election, lease=a.lease, detail="no such lease", chance=0.5)
            self.pending.append(failed)
            return
        queue = self.store.keys.setdefault(a.election, [])
        mine = next((c for c in queue if c.lease == a.lease), None)
        if mine is None:
            self.store.revision += 1
            mine = ev.Candidate(
                key=f"/s/{a.election}/{a.lease:x}",
                lease=a.lease,
                create_revision=Token(self.store.revision),
                value=a.document,
            )
            queue.append(mine)
        self.pending.append(
            ev.Campaigned(election=a.election, lease=a.lease, create_revision=mine.create_revision, first=queue[0])
        )
        self.show_queue(a.election)

    def _check_fit(self, e: ElectionSpec) -> None:
        if e.campaign_when is CampaignWhen.HEALTHY:
            for p in e.follower.values():
                health = process_health(self.state.processes[p.id])
                assert health is Health.HEALTHY, f"stands for {e.name} while {p.id} is {health}"

    def _on_prove(self, a: ac.Prove) -> None:
        if ac.Prove in self.failing:
            self.pending.append(ev.ReadFirstFailed(election=a.election, detail="timed out", chance=0.5))
            return
        queue = self.store.keys.get(a.election, [])
        records = self.store.records.setdefault(a.election, {})
        if queue and queue[0].create_revision == a.create_revision and not self.full:
            records[a.create_revision] = a.record
        told = tuple(ev.TermRecord(token=t, value=records[t]) for t in sorted(records, reverse=True))
        first = queue[0] if queue else None
        if first is not None and first.create_revision == a.create_revision:
            self.proven.add((a.election, a.create_revision))
        raft_term = self.store.raft_term
        read = ev.FirstRead(
            election=a.election, asked_for=a.create_revision, first=first, records=told, raft_term=raft_term
        )
        self.pending.append(read)

    def _on_lookahead(self, a: ac.LookAhead) -> None:
        if ac.LookAhead in self.failing:
            nothing = sev.LookedAhead(
                election=a.election, asked_for=a.create_revision, front=(), records=(), raft_term=0, problem="timed out"
            )
            self.pending.append(nothing)
            return
        queue = self.store.keys.get(a.election, [])
        records = self.store.records.setdefault(a.election, {})
        if any(c.create_revision == a.create_revision for c in queue) and not self.full:
            records[a.create_revision] = a.record
        told = tuple(ev.TermRecord(token=t, value=records[t]) for t in sorted(records, reverse=True))
        looked = sev.LookedAhead(
            election=a.election, asked_for=a.create_revision, front=tuple(queue[:2]), records=told, raft_term=self.store.raft_term
        )  # fmt: skip
        self.looked[a.election] = (a.create_revision, a.leader)
        self.pending.append(looked)

    def _show_end(self, name: str) -> None:
        """The watch of the leader's record, in no order with that of the queue."""
        asked_for, leader = self.looked[name]
        value = self.store.records.get(name, {}).get(leader, b"")
        if b'"mark":"stopped"' in value and not self.deaf:
            queue = self.store.keys.get(name, [])
            if queue and queue[0].create_revision == asked_for:
                self.proven.add((ElectionName(name), asked_for))
            record = ev.TermRecord(token=leader, value=value)
            self.pending.append(sev.LeaderStopped(election=ElectionName(name), asked_for=asked_for, record=record))

    def _on_confirmkeys(self, a: ac.ConfirmKeys) -> None:
        if ac.ConfirmKeys in self.failing:
            self.pending.append(ev.KeysUnconfirmed(lease=a.lease, asked_at=a.asked_at, detail="timed out"))
            return
        there = {(name, c.create_revision) for name, queue in self.store.keys.items() for c in queue}
        missing = tuple(name for name, revision in a.keys if (name, revision) not in there)
        self.pending.append(ev.KeysConfirmed(lease=a.lease, asked_at=a.asked_at, missing=missing))

    def _on_closerecords(self, a: ac.CloseRecords) -> None:
        for record in a.records:
            self._overwrite(a.election, record.token, record.value)
        self.pending.append(ev.RecordsClosed(election=a.election))

    def _on_chronicle(self, a: ac.Chronicle) -> None:
        if ac.Chronicle in self.failing:
            self.pending.append(sev.Chronicled(election=a.election, token=a.token, problem="timed out"))
            return
        ledger = self.store.ledger.setdefault(a.election, {})
        ledger[a.token] = a.began
        for record in a.ended:
            self.store.records.get(a.election, {}).pop(record.token, None)
        self.pending.append(sev.Chronicled(election=a.election, token=a.token))

    def _overwrite(self, name: str, token: Token, value: bytes) -> None:
        records = self.store.records.setdefault(name, {})
        if token in records:
            records[token] = value

    def _on_proclaim(self, a: ac.Proclaim) -> None:
        queue = self.store.keys.get(a.election, [])
        for n, c in enumerate(queue):
            if c.create_revision == a.create_revision and c.value != a.document:
                queue[n] = replace(c, value=a.document)
                self.store.revision += 1
                self.show_queue(a.election)
        self.pending.append(ev.Proclaimed(election=a.election, create_revision=a.create_revision))

    def _on_resign(self, a: ac.Resign) -> None:
        term = Term(a.election, a.create_revision)  # late, it may find the next one
        assert not any(c.term == term for c in self.children.values()), "resigned over the living"
        assert term not in self.armed, "resigned before the guardian was disarmed"
        if ac.Resign in self.failing:
            self.pending.append(
                ev.ResignFailed(election=a.election, create_revision=a.create_revision, detail="timed out")
            )
            return
        if a.record:
            self._overwrite(a.election, a.create_revision, a.record)
        for token in a.forget:
            self.store.records.get(a.election, {}).pop(token, None)
        self.delete_key(a.election, a.create_revision)
        self.pending.append(ev.Resigned(election=a.election, create_revision=a.create_revision))

    def delete_key(self, name: str, create_revision: int) -> None:
        """A key goes, and the watch shows it."""
        self.store.keys[name] = [c for c in self.store.keys.get(name, []) if c.create_revision != create_revision]
        self.store.revision += 1
        self.show_queue(name)

    def foreign(self, name: str) -> ev.Candidate:
        """Somebody else queues."""
        self.store.revision += 1
        candidate = ev.Candidate(
            key=f"/s/{name}/f{self.store.revision}",
            lease=LeaseId(0xF000 + self.store.revision),
            create_revision=Token(self.store.revision),
            value=b"other",
        )
        self.store.leases[candidate.lease] = (60, self.now + 1e9)  # somebody keeps it alive
        self.store.keys.setdefault(name, []).append(candidate)
        self.show_queue(name)
        return candidate

    def _on_connect(self, _a: ac.Connect) -> None:
        self.show_requests()

    def show_requests(self) -> None:
        """The watch of requests reports."""
        if not self.blind:
            entries = tuple(rev.Entry(path=p, value=v, revision=r) for p, (v, r) in self.store.requests.items())
            self.pending.append(rev.RequestsSeen(entries=entries, wall_seconds=self.wall()))

    def wall(self) -> float:
        """The date."""
        return self.now + self.wall_offset

    def ask(self, path: str, value: bytes | None) -> None:
        """Somebody asks for something, and this node sees it."""
        self.store.ask(path, value)
        self.show_requests()
        while self.pending:
            self._step(self.pending.popleft())

    def _on_askdate(self, _a: ac.AskDate) -> None:
        self.pending.append(rev.DateSeen(wall_seconds=self.wall()))

    def _on_writerequest(self, a: ac.WriteRequest) -> None:
        there = self.store.requests.get(a.path)
        if there is not None and a.revision in (0, there[1]):
            self.store.ask(a.path, a.value)
            self.show_requests()

    def _on_handover(self, a: ac.HandOver) -> None:
        end = a.end
        term = Term(a.election, end.create_revision)
        assert not any(c.term == term for c in self.children.values()), "handed over above the living"
        assert term not in self.armed, "handed over before the guardian was disarmed"
        if ac.HandOver in self.failing:
            failed = ev.ResignFailed(election=a.election, create_revision=end.create_revision, detail="timed out")
            self.pending.append(failed)
            return
        queue = self.store.keys.get(a.election, [])
        there = {c.create_revision for c in queue}
        if end.create_revision in there and a.to.create_revision not in there:
            refused = rev.HandOverRefused(election=a.election, create_revision=end.create_revision, detail="it left")
            self.pending.append(refused)
            return
        if end.record:
            self._overwrite(a.election, end.create_revision, end.record)
        if end.create_revision in there:
            gone = {end.create_revision, *(c.create_revision for c in a.ahead)}
            self.store.keys[a.election] = [c for c in queue if c.create_revision not in gone]
            assert self.store.keys[a.election][0].create_revision == a.to.create_revision, "it lands elsewhere"
            assert not any(c.value == b"other" for c in a.ahead), "a stranger's key was deleted"
            self.store.revision += 1
            if a.path:
                self.store.ask(a.path, a.done)
            self.show_queue(a.election)
            self.show_requests()
        self.pending.append(ev.Resigned(election=a.election, create_revision=end.create_revision))

    def show_queue(self, name: str) -> None:
        """The watch reports."""
        if self.blind:
            return
        if name in self.looked:
            self._show_end(name)
        queue = tuple(self.store.keys.get(name, []))
        self.pending.append(
            ev.QueueChanged(election=ElectionName(name), candidates=queue, revision=self.store.revision)
        )

    def _on_arm(self, a: ac.Arm) -> None:
        again = a.term.token == self.tokens.get(a.term.election, 0) and a.term not in self.armed
        assert again or a.term.token > self.tokens.get(a.term.election, 0), "a token did not rise"
        self.tokens[a.term.election] = a.term.token
        self.armed[a.term] = (a.lease, a.margin_seconds)
        self.deadlines[a.lease] = max(a.lease_deadline, self.deadlines.get(a.lease, 0.0))
        self.pending.append(ev.Armed(term=a.term))

    def _on_extend(self, a: ac.Extend) -> None:
        self.deadlines[a.lease] = max(a.lease_deadline, self.deadlines.get(a.lease, 0.0))

    def _on_disarm(self, a: ac.Disarm) -> None:
        if any(c.term == a.term for c in self.children.values()):
            self.pending.append(ev.DisarmRefused(term=a.term, blockers=("77 (work)",)))
            return
        self._check_undone(a.term)
        self.armed.pop(a.term, None)
        self.pending.append(ev.Disarmed(term=a.term))

    def _on_vacate(self, a: ac.Vacate) -> None:
        self.vacating.add(a.term)
        self._see_vacated()

    def _see_vacated(self) -> None:
        for term in self.vacating - {c.term for c in self.children.values()}:
            self.vacating.discard(term)
            self.armed.pop(term, None)
            self.pending.append(ev.Disarmed(term=term))

    def _on_spawn(self, a: ac.Spawn) -> None:
        if ac.Spawn in self.failing:
            if a.spec.id.is_hook:
                self.hooks_run.append((str(a.spec.id), a.term, -1))
            self.pending.append(ev.SpawnFailed(run=a.run, detail="no such file", chance=0.5))
            return
        assert a.run not in self.children
        assert not any(c.spec.id == a.spec.id for c in self.children.values()), "two children of one process"
        if a.spec.role is Role.LEADER:
            assert a.term in self.armed, "a leader process without an armed guardian"
            assert a.term not in self.vacating, "a leader process in a term that is ending"
        child = self.children[a.run] = Child(run=a.run, spec=a.spec, term=a.term, obeys=not self.stubborn, held=a.held)
        if not a.held:
            self._executed(child)
        if a.spec.id.is_hook:
            self.hook_variables[a.spec.id.name] = dict(a.variables)
            if self.hook_code is not None:
                self.end(a.run, code=self.hook_code)
        elif child.before and not self.dawdling:
            self.end(a.run, code=0)

    def _on_release(self, a: ac.Release) -> None:
        if a.run in self.children:
            assert self.children[a.run].held, "released twice, or never held"
            self.children[a.run].held = False
            self._executed(self.children[a.run])

    def _executed(self, child: Child) -> None:
        """Its command runs from now on."""
        if child.term is not None:
            place = (child.term.election, child.term.token)
            assert place in self.proven, "a leader process before the win is proven"
            assert place in self.remembered, "a leader process before its token is remembered"
            assert child.term in self.armed, "a leader process without an armed guardian"
            self._check_opened(child)
            self.spawned.setdefault(child.term, []).append(str(child.spec.id))
        self.pending.append(ev.Spawned(run=child.run, pid=int(child.run) + 5000))

    def _check_opened(self, a: Child) -> None:
        """No process of a term before its hook *elected* has succeeded in it."""
        e = self.state.elections[a.spec.id.election]
        if not a.spec.id.is_hook and "@elected" in e.spec.hooks and a.term not in self.opened_by_reload:
            assert (f"{e.spec.name}/@elected", a.term, 0) in self.hooks_run, "a process before the hook elected"

    def _check_undone(self, term: Term) -> None:
        """No key goes before *demoted* has run, while there was time for it in the term."""
        e = self.state.elections[term.election]
        if term not in self.armed:
            return
        lease, margin = self.armed[term]
        if (
            "@demoted" not in e.spec.hooks
            or e.struck
            or e.key_lost
            or self.now >= self.deadlines[lease] - margin - 1e-6
        ):
            return
        started = [name for name in self.spawned.get(term, []) if "@" not in name or name.endswith("@elected")]
        session_lost = not any(s.lease == lease for s in self.state.sessions.values())
        if started and not session_lost:
            ran = any(name == f"{e.spec.name}/@demoted" and of == term for name, of, _ in self.hooks_run)
            assert ran, "the guardian was disarmed before the hook demoted had run"

    def _check_start(self, a: ac.Spawn) -> None:
        """What must hold when a process is started, beside the invariants of every step."""
        p = self.state.processes[a.spec.id]
        assert not p.halted, f"{p.id} was started though an operator has stopped it"
        again = a.spec.kind is ProcessKind.TASK and (p.id, a.term) in self.completed
        assert not again or not self.once, f"{p.id} ran twice in {a.term}"
        for name, need in a.spec.needs.items():
            pid = ProcessId(p.id.election, name)
            done = (pid, a.term) in self.completed
            alive = any(c.spec.id == pid for c in self.children.values())
            assert done or (alive and need is not Need.COMPLETED), f"{p.id} was started before {pid} was {need}"

    def _on_signalrun(self, a: ac.SignalRun) -> None:
        if a.run in self.children and self.children[a.run].obeys and not self.children[a.run].held:
            self.end(a.run, code=0)

    def _on_killrun(self, a: ac.KillRun) -> None:
        if a.run in self.children:
            self.end(a.run, signal=9)
        # otherwise Exited was reported already and Emptied is on its way

    def _on_exit(self, a: ac.Exit) -> None:
        assert not self.children, "exited over the living"
        self.exit_code = a.code

    def end(self, run: RunId, *, code: int | None = None, signal: int | None = None) -> None:
        """A child ends and leaves nothing behind."""
        child = self.children.pop(run)
        if child.held:
            self.pending.append(ev.SpawnFailed(run=run, detail="killed before it was executed", chance=0.5))
        else:
            if child.spec.id.is_hook:
                self.hooks_run.append((str(child.spec.id), child.term, code))
            if (
                child.spec.kind is ProcessKind.TASK
                and not child.before
                and code in child.spec.restart.expected_exit_codes
            ):
                self.completed.add((child.spec.id, child.term))
            self.pending.append(ev.Exited(run=run, code=code, signal=signal))
            self.pending.append(ev.Emptied(run=run, chance=0.5))
        self._see_vacated()

    def crash(self, name: str, *, code: int | None = None, signal: int | None = 9) -> None:
        """The child of this process ends by itself."""
        run = next(c.run for c in self.children.values() if str(c.spec.id) == name)
        self.end(run, code=code, signal=signal)
        while self.pending:
            self._step(self.pending.popleft())

    def kill_bys(self) -> list[float]:
        """Every armed kill-by that still has somebody to strike."""
        alive = {c.term for c in self.children.values()}
        return [self.deadlines[lease] - margin for term, (lease, margin) in self.armed.items() if term in alive]

    def _strike(self) -> None:
        for term, (lease, margin) in list(self.armed.items()):
            if self.now >= self.deadlines[lease] - margin:
                for child in [c for c in self.children.values() if c.term == term]:
                    self.end(child.run, signal=9)
        while self.pending:
            self._step(self.pending.popleft())

    # --- what must always hold

    def check(self) -> None:
        """The invariants, after every step."""
        self.checked += 1
        for child in self.children.values():
            if child.spec.role is not Role.LEADER:
                continue
            assert child.term in self.armed, "a leader child without an armed guardian"
            lease, margin = self.armed[child.term]
            assert self.now <= self.deadlines[lease] - margin + 1e-6, "a leader child outlived kill-by"
        for e in self.state.elections.values():
            roles = {c.spec.role for c in self.children.values() if c.spec.id.election == e.spec.name} - {Role.ALWAYS}
            assert len(roles) < 2, "leader and follower processes at once"
            held = {c.spec.id for c in self.children.values() if c.held and c.spec.id.election == e.spec.name}
            prepared = e.phase in (ElectionPhase.PROVING, ElectionPhase.LEADING, ElectionPhase.STEPPING_DOWN)
            prepared = prepared or (e.phase is ElectionPhase.FOLLOWING and e.term is not None)
            assert prepared or not held, f"a child is held while {e.phase}"
            if e.phase in (ElectionPhase.DETACHED, ElectionPhase.CAMPAIGNING, ElectionPhase.RESIGNING):
                assert Role.LEADER not in roles, f"a leader child while {e.phase}"
        assert timing is not None

    # --- asking

    def phase(self, name: str = "job") -> ElectionPhase:
        """Where an election stands."""
        return self.state.elections[ElectionName(name)].phase

    def process(self, name: str = "job/work") -> Process:
        """A process's state."""
        return next(p for p in self.state.processes.values() if str(p.id) == name)

    def running(self) -> list[str]:
        """The processes that have a child now whose command runs."""
        return sorted(str(c.spec.id) for c in self.children.values() if not c.held)


def share(*worlds: World) -> None:
    """The watches of all show what the store they share has come to, until nothing of it changes any more."""
    shown = -1
    while shown != worlds[0].store.revision:
        shown = worlds[0].store.revision
        for world in worlds:
            for name in list(world.store.keys):
                world.show_queue(name)
            world.show_requests()
            world.post(ev.Ticked())


def pass_time(seconds: float, *worlds: World, slice_seconds: float = 0.05) -> None:
    """Time for all alike, in slices; leases that nobody renews end."""
    end = worlds[0].now + seconds
    while (left := end - worlds[0].now) > 1e-9:
        for world in worlds:
            world.advance(min(slice_seconds, left))
        worlds[0].store.expire(worlds[0].now)
        share(*worlds)


def _show(thing: ev.Event | ac.Action) -> str:
    name = type(thing).__name__
    parts = []
    for key in getattr(type(thing), "__slots__", ()):
        value = getattr(thing, key)
        match value:
            case Spec():
                value = f"{len(value.elections)} elections"
            case ProcessSpec():
                value = value.id
            case ev.Candidate():
                value = f"{value.key}@{value.create_revision}"
            case bytes():
                continue
            case tuple() if key == "variables":
                continue
            case False | "group" | () if key in ("oom_killed", "to", "lines"):
                continue  # what is seldom otherwise
            case tuple():
                value = (
                    "["
                    + ", ".join(
                        f"{v.key}@{v.create_revision}"
                        if isinstance(v, ev.Candidate)
                        else f"record {v.token}"
                        if isinstance(v, ev.TermRecord)
                        else str(v)
                        for v in value
                    )
                    + "]"
                )
            case None if key == "undo":
                continue
            case float():
                value = f"{value:.3f}"
            case _ if key in ("etcd", "log", "probe", "raft_term"):
                continue
            case False if key == "oom_killed":
                continue
            case _:
                pass
        parts.append(f"{key}={value}")
    return name + ("(" + ", ".join(parts) + ")" if parts else "")
