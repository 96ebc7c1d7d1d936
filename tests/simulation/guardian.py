"""The guardian of one machine, and the children it starts: the rules of ``supervisor/guardian``, over simulated processes.

The terms are the product's own (``guardian.terms``); the rest follows ``duty``, ``children`` and ``farewell`` line by line.
A child is alive from its fork until the last of its descendants is dead; they die a while after they are told to, or killed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core.names import ElectionName, LeaseId, RunId, Term, Token
from supervisor.core.spec import ProcessSpec
from supervisor.guardian import protocol as say
from supervisor.guardian.terms import Terms
from tests.simulation import lives
from tests.simulation.kernel import Actor

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

LATE_SECONDS = 0.03
"""How late the guardian's alarm may be."""
DIE_SECONDS = 0.03
"""How long SIGKILL may take for a whole containment."""
REVOKE_TIMEOUT_SECONDS = 2.0
REVOKE_PAUSE_SECONDS = 0.1


@dataclass(slots=True, eq=False)
class Child:
    """One run: its main process, and what that leaves behind."""

    run: RunId
    spec: ProcessSpec
    term: Term | None
    name: str
    """Of the term, as the guardian knows it."""
    obeys: bool
    takes: float
    """Seconds from the stop signal to the end."""
    leaves: bool
    """A descendant that outlives it, until it is killed."""
    alive: bool = True
    """Anything of it."""
    main: bool = True
    held: bool = False
    """Not executed yet: it can do no harm."""
    told: bool = False
    killed: bool = False


class Guardian(Actor):
    """One guardian, for one daemon."""

    __slots__ = (
        "_at",
        "_tell",
        "endings",
        "farewell",
        "fd",
        "leases",
        "machine",
        "margins",
        "open",
        "quitting",
        "terms",
        "until",
        "vacating",
    )

    def __init__(self, machine: Machine, tell: Callable[[ev.Event], None]) -> None:
        super().__init__(machine.kernel)
        self.machine = machine
        self.terms = Terms()
        self.farewell = False
        self.quitting = False
        self.margins: dict[str, tuple[LeaseId, float]] = {}
        """As armed: the judge's own arithmetic does not ask ``terms``."""
        self.until: dict[LeaseId, float] = {}
        self.leases: dict[int, float] = {}
        self.endings: dict[str, say.Arm] = {}
        self.vacating: dict[str, Term] = {}
        self.open: set[str] = set()
        """Terms that are not ended on record."""
        self._tell = tell
        self._at: float | None = None

    def news(self, event: ev.Event) -> None:
        """Tell the daemon."""
        if not self.farewell:
            self._tell(event)

    # --- orders, given through ``due`` so that a frozen guardian reads them when it goes on

    def arm(self, a: ac.Arm) -> None:
        """-> Armed, or KillByStruck."""
        name = str(a.term)
        self.margins[name] = (a.lease, a.margin_seconds)
        self.until[a.lease] = max(a.lease_deadline, self.until.get(a.lease, a.lease_deadline))
        self.terms.arm(
            say.Arm(
                term=name,
                lease=a.lease,
                lease_deadline=a.lease_deadline,
                margin_seconds=a.margin_seconds,
                candidate_key=a.candidate_key,
                token=a.term.token,
                record_key=a.record_key,
                stopped_record=a.stopped_record.decode(),
            )
        )
        struck = self.strike()
        now = self.machine.local()
        if self.terms.refusal(name, now) is None:
            self.machine.judge.armed()
            self.news(ev.Armed(term=a.term))
        elif name not in struck:
            self.news(ev.KillByStruck(term=a.term, late_seconds=now - self.terms.kill_by(name)))

    def extend(self, a: ac.Extend) -> None:
        """No answer."""
        self.until[a.lease] = max(a.lease_deadline, self.until.get(a.lease, a.lease_deadline))
        self.strike()  # a deadline that passed while we read is a deadline that passed
        self.terms.extend(a.lease, a.lease_deadline)
        self.terms.leases(self.machine.local())

    def disarm(self, a: ac.Disarm) -> None:
        """-> Disarmed | DisarmRefused."""
        name = str(a.term)
        if any(c.name == name for c in self.machine.children.values()):
            self.news(ev.DisarmRefused(term=a.term, blockers=("1 (work)",)))
            return
        self.terms.disarm(name, self.machine.local())
        self.margins.pop(name, None)
        self.news(ev.Disarmed(term=a.term))

    def vacate(self, a: ac.Vacate) -> None:
        """-> Disarmed, in its time."""
        self.vacating[str(a.term)] = a.term
        self.see_vacated()

    def see_vacated(self) -> None:
        """Terms that are to end, and are empty."""
        for name in self.vacating.keys() - {c.name for c in self.machine.children.values()}:
            term = self.vacating.pop(name)
            self.terms.disarm(name, self.machine.local())
            self.margins.pop(name, None)
            self.news(ev.Disarmed(term=term))

    def spawn(self, a: ac.Spawn) -> None:
        """-> Spawned | SpawnFailed, then Exited, then Emptied."""
        self.strike()
        name = "" if a.term is None else str(a.term)
        random = self.kernel.random
        refused = name and (name in self.vacating or self.terms.refusal(name, self.machine.local()))
        if refused or self.quitting or (self.machine.link.noise and random() < 0.01):
            self.news(ev.SpawnFailed(run=a.run, detail="no", chance=random()))
            return
        child = Child(
            run=a.run, spec=a.spec, term=a.term, name=name, obeys=random() < 0.85, takes=0.3 * random() ** 3,
            leaves=random() < 0.1,
        )  # fmt: skip
        if random() < 0.1:
            child.takes = 4.0 * random()
        self.machine.children[a.run] = child
        if a.held:
            child.held, child.leaves = True, False
        else:
            self._executed(child)

    def release(self, a: ac.Release) -> None:
        """-> Spawned, or SpawnFailed when the term has ended meanwhile."""
        self.strike()
        child = self.machine.children.get(a.run)
        if child is None or not child.held or not child.alive:
            return
        if child.name in self.vacating or self.terms.refusal(child.name, self.machine.local()):
            self.machine.kill(child)
            return
        child.held = False
        self._executed(child)

    def _executed(self, child: Child) -> None:
        self.machine.judge.child_started(self.machine, child)
        lives.begun(self.machine, child)
        self.later(0.001 + 0.002 * self.kernel.random(), self._spawned, child)

        if child.spec.id.is_hook:
            random = self.kernel.random
            code = 0 if random() < 0.9 else 1
            takes = 0.5 * random() ** 3 if random() < 0.95 else 30.0
            self.machine.later(takes, self.machine.exit, child, code)

    def _spawned(self, child: Child) -> None:
        if self.machine.children.get(child.run) is child:
            self.news(ev.Spawned(run=child.run, pid=int(child.run) + 5000))

    def signal(self, a: ac.SignalRun) -> None:
        """Nobody once it has ended."""
        child = self.machine.children.get(a.run)
        if child is not None:
            self.ask(child)

    def ask(self, child: Child) -> None:
        """The stop signal."""
        if child.main and child.obeys and not child.told and not child.held:
            child.told = True
            self.machine.later(child.takes, self.machine.exit, child, 0)

    def kill(self, a: ac.KillRun) -> None:
        """SIGKILL, until it is empty."""
        child = self.machine.children.get(a.run)
        if child is not None:
            self.machine.kill(child)

    def exited(self, child: Child, code: int | None) -> None:
        """The main process was reaped."""
        if child.held:
            return
        self.news(ev.Exited(run=child.run, code=code, signal=None if code is not None else 9))

    def emptied(self, child: Child) -> None:
        """Proven."""
        if self.machine.children.get(child.run) is child:
            del self.machine.children[child.run]
        chance = self.kernel.random()
        if child.held:
            self.news(ev.SpawnFailed(run=child.run, detail="killed before it was executed", chance=chance))
        else:
            self.news(ev.Emptied(run=child.run, chance=chance))
        self.see_vacated()
        self.advance()

    # --- terms

    def strike(self) -> set[str]:
        """Kill the terms that are past their kill-by."""
        struck = dict(self.terms.strike(self.machine.local()))
        for name, late in struck.items():
            for child in [c for c in self.machine.children.values() if c.name == name]:
                self.machine.kill(child)
            election, _, token = name.partition("#")
            self.news(ev.KillByStruck(term=Term(ElectionName(election), Token(int(token))), late_seconds=late))
        due = self.terms.next_kill_by()
        if due is not None and (self._at is None or due < self._at):
            self._at = due
            late = LATE_SECONDS * self.kernel.random() ** 4
            seconds = max(0.0, self.machine.true(due) - self.kernel.now) + late
            self.later(seconds, self._alarm)
        return set(struck)

    def _alarm(self) -> None:
        self._at = None
        self.strike()

    # --- the end

    def daemon_died(self) -> None:
        """The farewell."""
        if self.farewell or self.quitting:
            return
        self.farewell = True
        now = self.machine.local()
        self.leases = self.terms.leases(now)
        self.endings = {t.term: t for lease in self.leases for t in self.terms.endings(lease, now)}
        self.open = set(self.endings)
        for child in list(self.machine.children.values()):
            if not child.main or child.held:
                self.machine.kill(child)
            self.ask(child)
            self.later(child.spec.stop.timeout_seconds, self.machine.kill, child)
        self.advance()

    def hurry(self) -> None:
        """A successor waits."""
        for child in list(self.machine.children.values()):
            self.machine.kill(child)

    def advance(self) -> None:
        """Whatever has become possible."""
        if not self.farewell:
            if self.quitting and not self.machine.children:
                self.machine.guardian_ended(self)
            return
        for child in list(self.machine.children.values()):
            if not child.main:
                self.machine.kill(child)
        alive = {c.name for c in self.machine.children.values() if c.name}
        held = {self.terms.lease_of(name) for name in alive}
        now = self.machine.local()
        for name in sorted(self.open - alive):
            self.open.discard(name)
            self._end_term(self.endings[name])
        for lease, deadline in list(self.leases.items()):
            if deadline <= now:
                del self.leases[lease]
            elif lease not in held:
                del self.leases[lease]
                self._revoke(lease, deadline)
        if not self.machine.children:
            self.machine.guardian_ended(self)

    def _ended(self, term: say.Arm) -> None:
        self.machine.judge.key_given_up(self.machine, term.term)
        election, token = ElectionName(term.term.partition("#")[0]), Token(term.token)
        self.machine.link.etcd.resign(election, token, term.stopped_record.encode(), (), "farewell")

    def _end_term(self, term: say.Arm) -> None:
        def again() -> None:
            """With its lease, if not before."""

        self.machine.link.call(lambda: self._ended(term), lambda _none: None, again, REVOKE_TIMEOUT_SECONDS)

    def _revoke(self, lease: int, deadline: float) -> None:
        """The helper's work: it goes on when we have ended."""
        machine, etcd = self.machine, self.machine.link.etcd
        endings = [t for t in self.endings.values() if t.lease == lease]

        def apply() -> None:
            for term in endings:
                self._ended(term)
            machine.judge.lease_given_up(machine, LeaseId(lease))
            etcd.end_lease(LeaseId(lease), "farewell")

        def again() -> None:
            if machine.local() < deadline and machine.powered:
                machine.kernel.at(machine.kernel.now + REVOKE_PAUSE_SECONDS, self._revoke, lease, deadline)

        timeout = min(REVOKE_TIMEOUT_SECONDS, max(0.01, deadline - machine.local()))
        machine.link.call(apply, lambda _none: None, again, timeout)
