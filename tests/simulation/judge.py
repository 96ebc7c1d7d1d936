"""What must always hold, judged at every change that could break it; and what a run has shown.

Every invariant speaks of children as they really are, in true time, not as anybody believes them to be:

1. no leader child is executed but in a term that its guardian holds, before that term's kill-by;
2. every one is dead by kill-by, and a bound for a guardian that is late, while the guardian runs;
3. leader children of one election never live on two machines at once;
4. the tokens of an election's terms rise;
5. when a key or a lease is given up by our own hand, nothing of its term is alive;
6. an office that is handed over begins next at the target, or the target has left; who knows of a pause, or of its own drain, begins
   no term; leaders are moved for a priority no more often than the cool-down allows;
7. after the last fault every election comes to rest: one leader, its processes running, and no move any more.

Of 3 one thing is excused, because nothing can promise it: daemon and guardian of a machine both stopped past the term's
kill-by. Such overlaps are counted, and the later token must still be the higher one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from supervisor.core import candidates
from supervisor.core.actions import HandOver, Release
from supervisor.core.names import ElectionName, LeaseId, Role, Term, Token
from supervisor.core.spec import ProcessKind
from supervisor.core.state import ElectionPhase, ProcessPhase, State
from tests.simulation.etcd import Etcd
from tests.simulation.guardian import DIE_SECONDS, LATE_SECONDS, Child
from tests.simulation.kernel import Kernel

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

DONE = (ProcessPhase.STOPPED, ProcessPhase.COMPLETED, ProcessPhase.GAVE_UP)
"""Of a hook."""
RESTING = (ProcessPhase.RUNNING, ProcessPhase.STOPPED, ProcessPhase.COMPLETED)
BOUND_SECONDS = LATE_SECONDS + DIE_SECONDS + 0.015
"""From kill-by until all is dead."""
WOKEN_SECONDS = BOUND_SECONDS + 0.25
"""The same from waking, when the daemon may have to find out first that its guardian still sleeps."""


class ViolationError(AssertionError):
    """An invariant does not hold."""


class Judge:
    """One for all machines."""

    def __init__(self, kernel: Kernel, etcd: Etcd) -> None:
        self.kernel = kernel
        self.etcd = etcd
        self.alive: dict[ElectionName, list[tuple[Machine, Child]]] = {}
        self.last: dict[ElectionName, tuple[Machine, Term, float]] = {}
        """The newest term that had a child; when it first had one."""
        self.machines: list[Machine] = []
        self.preferred: dict[ElectionName, tuple[Token, float]] = {}
        """The last term that was handed over for a priority, and when."""
        self.moves = 0
        self.seen: Counter[str] = Counter()
        self.gaps: dict[str, list[float]] = {}
        """From the end of a key until the next leader's first child, by how the key went, where nothing else disturbed."""

    def broken(self, what: str) -> None:
        """Say so, and end the run."""
        raise ViolationError(f"at {self.kernel.now:.4f} s: {what}")

    # --- children

    def child_started(self, machine: Machine, child: Child) -> None:
        """Forked: from now on it may do harm."""
        term = child.term
        if term is None:
            if child.spec.role is Role.LEADER:
                self.broken(f"{machine.name} starts {child.spec.id} in no term")
            return
        kill_by = self._kill_by(machine, child)
        if kill_by is None:
            self.broken(f"{machine.name} starts {child.spec.id} in {term}, which its guardian does not hold")
        elif machine.local() > kill_by + 1e-6:
            self.broken(f"{machine.name} starts {child.spec.id} in {term} after its kill-by")
        others = self.alive.setdefault(term.election, [])
        for other, theirs in others:
            if other is not machine:
                self._overlap(other, theirs, machine, term)
        others.append((machine, child))
        self.seen["children"] += 1
        self.seen["hooks in a term"] += child.spec.id.is_hook
        self._first_of_term(machine, term)
        if self.kernel.trace is not None:
            self.kernel.note(machine.name, f"* {term} {child.spec.id.name} run {child.run} lives")

    def child_dead(self, machine: Machine, child: Child) -> None:
        """Nothing of it is left."""
        if child.term is None or child.held:
            return
        self.alive[child.term.election].remove((machine, child))
        self.moves += 1
        if self.kernel.trace is not None:
            self.kernel.note(machine.name, f"* {child.term} {child.spec.id.name} run {child.run} is dead")
        guardian = machine.guardian
        kill_by = self._kill_by(machine, child)
        if guardian is None or not guardian.runs or kill_by is None:
            return
        due = max(machine.true(kill_by), machine.guardian_back)
        if self.kernel.now > due + BOUND_SECONDS:
            self.broken(
                f"{child.spec.id} of {child.term} on {machine.name} died {self.kernel.now - due:.3f} s after kill-by"
            )

    def _kill_by(self, machine: Machine, child: Child) -> float | None:
        guardian = machine.guardian
        if guardian is None or child.name not in guardian.margins:
            return None
        lease, margin = guardian.margins[child.name]
        return guardian.until[lease] - margin

    def _overlap(self, old: Machine, theirs: Child, new: Machine, term: Term) -> None:
        kill_by = self._kill_by(old, theirs)
        now = self.kernel.now
        if kill_by is not None:
            passed = old.true(kill_by)
            nobody = old.unguarded_from is not None and now > passed
            just_woke = old.guarded_since > passed and now <= old.guarded_since + WOKEN_SECONDS
            if nobody or just_woke:
                self.seen["excused overlaps"] += 1
                assert theirs.term is not None
                if term.token <= theirs.term.token:
                    self.broken(f"{term} of {new.name} overlaps the excused {theirs.term}, and its token is not higher")
                return
        left = "unarmed" if kill_by is None else f"{old.true(kill_by) - now:+.3f} s to its kill-by"
        self.broken(
            f"{term} starts on {new.name} while {theirs.spec.id.name} of {theirs.term} lives on {old.name} ({left})"
        )

    def _first_of_term(self, machine: Machine, term: Term) -> None:
        before = self.last.get(term.election)
        if before is not None and before[1] == term:
            return
        self.moves += 1
        self.seen["terms"] += 1
        self.last[term.election] = (machine, term, self.kernel.now)
        if before is None:
            return
        if term.token <= before[1].token:
            self.broken(f"{term} of {machine.name} follows {before[1]}: the token did not rise")
        if before[0] is machine:
            return
        self.seen["failovers"] += 1
        self._landed(machine, term, before[1])
        gone_at, why = self.etcd.gone.get((term.election, before[1].token), (None, ""))
        if gone_at is not None:
            self.gaps.setdefault(why, []).append(self.kernel.now - gone_at)

    # --- keys and terms

    def armed(self) -> None:
        """The guardian holds it."""
        self.seen["armed"] += 1

    def told(self, name: ElectionName, before: State, state: State) -> None:
        """The answer to a proof came: whether the core leads now, and waits for anybody."""
        e = state.elections.get(name)
        if e is None or e.phase is not ElectionPhase.LEADING or before.elections[name].phase is ElectionPhase.LEADING:
            return
        self.seen["led"] += 1
        self._begins(name, state, self.machines)
        for waited in e.waits_for:
            _, why = self.etcd.gone.get((name, waited.token), (0.0, "not gone"))
            self.seen[f"waited after: {why}"] += 1

    # --- movement

    def asked(self, machine: Machine, before: State, state: State) -> None:
        """A core was told of requests: from now on it begins no term where it must not."""
        self.seen["requests"] += before.requests != state.requests
        for name in state.elections:
            if state.requests.paused(name) is not None or state.node in state.requests.drains:
                machine.forbidden.setdefault(name, machine.local())
            else:
                machine.forbidden.pop(name, None)

    def _begins(self, name: ElectionName, state: State, machines: Iterable[Machine]) -> None:
        e = state.elections[name]
        machine = next(m for m in machines if m.name == state.node)
        since = machine.forbidden.get(name)
        last = self.last.get(name)
        same = last is not None and last[1] == e.term  # a handover that came to nothing: nothing new begins
        if since is not None and e.proofs == 1 and e.proof_asked_at > since and not same:
            self.broken(f"{machine.name} begins {e.term} though it was told that it must not")

    def hands_over(self, a: HandOver, state: State) -> None:
        """A transaction is asked for."""
        e = state.elections[a.election]
        self.seen["handovers"] += 1
        assert e.handover is not None
        if e.handover.request is not None or e.handover.cause == "drained":
            return
        self.seen["handovers by priority"] += 1
        last = self.preferred.get(a.election)
        cooldown = 0.99 * e.spec.priority_cooldown_seconds
        if last is not None and last[0] != a.end.create_revision and self.kernel.now < last[1] + cooldown:
            self.broken(f"{a.election} is moved for a priority {self.kernel.now - last[1]:.1f} s after the last time")
        self.preferred[a.election] = (a.end.create_revision, self.kernel.now)

    def _landed(self, machine: Machine, term: Term, before: Term) -> None:
        """The office that was handed over is where it was to go, unless that one has left."""
        target = self.etcd.handed.get((term.election, before.token))
        if target is None or term.token == target:
            self.seen["landed"] += target is not None
        elif (term.election, target) not in self.etcd.gone:
            self.broken(f"{before} was handed over to {target}, and {term} of {machine.name} begins")

    def shown(self, name: ElectionName, before: State, state: State) -> None:
        """A watch has told something: whether the core leads now."""
        e, was = state.elections.get(name), before.elections.get(name)
        if e is not None and was is not None and e.phase is ElectionPhase.LEADING is not was.phase:
            self.seen["led by the watch"] += 1
            machine = next(m for m in self.machines if m.name == state.node)
            if name in machine.forbidden and e.won_at != was.won_at and was.won_at is None:
                self.broken(f"{machine.name} begins {e.term} by the watch though it was told that it must not")

    def released(self, machine: Machine, a: Release, state: State) -> None:
        """A held child is let go: its term is proven, armed, remembered and nobody's successor any more."""
        self.seen["released"] += 1
        p = next(p for p in state.processes.values() if p.run == a.run)
        e = state.elections[p.id.election]
        if e.phase is not ElectionPhase.LEADING or not (e.armed and e.remembered) or e.waits_for or p.term != e.term:
            self.broken(f"{machine.name} lets {p.id} of {p.term} go while {e.phase}")

    def key_given_up(self, machine: Machine, term: str) -> None:
        """By our own hand."""
        if any(c.name == term and c.alive for c in machine.children.values()):
            self.broken(f"{machine.name} gives up the key of {term}, of which something is alive")

    def lease_given_up(self, machine: Machine, lease: LeaseId) -> None:
        """Likewise."""
        margins = machine.guardian.margins if machine.guardian is not None else {}
        for child in machine.children.values():
            if child.alive and child.name in margins and margins[child.name][0] == lease:
                self.broken(f"{machine.name} gives up lease {lease:x}, of which {child.term} is alive")

    def stepped(self) -> None:
        """After every event of every core."""
        self.seen["steps"] += 1

    # --- the end

    def at_rest(self, machines: list[Machine], elections: list[ElectionName]) -> str:
        """Why it is not; empty when it is."""
        for name in elections:
            leaders = []
            for m in machines:
                e = m.daemon.state.elections.get(name) if m.daemon is not None and m.daemon.runs else None
                if e is None:
                    return f"{m.name} does not take part in {name}"
                assert m.daemon is not None
                for p in m.daemon.state.processes.values():
                    if p.phase not in (DONE if p.id.is_hook else RESTING):
                        return f"{p.id} is {p.phase} on {m.name}"
                if e.phase is ElectionPhase.LEADING:
                    leaders.append(m)
                    asked = m.daemon.state.requests.switchovers.get(name)
                    chosen = asked is not None and e.term is not None and asked.token == e.term.token
                    better = (s.priority > e.spec.priority for _, s in candidates.fit(m.daemon.state, e))
                    if e.handover is not None or (not chosen and any(better)):
                        return f"{m.name} leads {name}, and is to hand it over"
                    alive = {c.spec.id.name for m2, c in self.alive.get(name, []) if m2 is m and c.term == e.term}
                    if alive != {n for n, p in e.spec.leader.items() if p.kind is ProcessKind.SERVICE}:
                        return f"{m.name} leads {name} and runs {sorted(alive)}"
                elif e.phase is not ElectionPhase.FOLLOWING:
                    return f"{m.name} is {e.phase} in {name} ({e.cause})"
            if len(leaders) != 1:
                return f"{name} is led by {[m.name for m in leaders]}"
            if len({id(m) for m, _ in self.alive.get(name, [])}) > 1:
                return f"{name} runs on several machines"
        return ""
