"""One machine: its clock, its children, its guardian, and the daemon around the real core.

Promises: the daemon is ``daemon/loop`` in virtual time (one event at a time, Woke after a gap, a tick when something is due
and at least once a second), with every action answered as ``core/actions`` says; what a stopped part would have done, it
does when it goes on; when both daemon and guardian are dead the children die (PDEATHSIG, and the unit's cgroup).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core import machine as core
from supervisor.core import request_events as rev
from supervisor.core import store_events as sev
from supervisor.core.names import ElectionName, Home, Instant, NodeName, RunId
from supervisor.core.schedule import next_due
from supervisor.core.spec import Spec
from supervisor.daemon.loop import GAP_SECONDS, LONGEST_SLEEP_SECONDS
from supervisor.daemon.store_calls import READ_TIMEOUT_SECONDS, WRITE_TIMEOUT_SECONDS
from supervisor.etcd import hedge
from tests.simulation.etcd import Queue
from tests.simulation.guardian import DIE_SECONDS, Child, Guardian
from tests.simulation.kernel import Actor, Kernel
from tests.simulation.network import WALL, Link, RecordWatch, Watch

if TYPE_CHECKING:
    from tests.simulation.judge import Judge

T = TypeVar("T")

SOCKET_SECONDS = 0.0001
CHRONICLE_SECONDS = 0.002
PING_SECONDS = 0.5
SILENT_PINGS = 4
"""As ``guardian/link``: a guardian that leaves this many unanswered is put down."""


class Machine(Actor):
    """As an actor it is what its children run on: it stops when it is suspended."""

    __slots__ = (
        "base",
        "boots",
        "children",
        "clock_rate",
        "clock_zero",
        "daemon",
        "forbidden",
        "guarded_since",
        "guardian",
        "guardian_back",
        "judge",
        "link",
        "name",
        "powered",
        "spec",
        "starting",
        "unguarded_from",
    )  # fmt: skip

    def __init__(self, name: str, kernel: Kernel, link: Link, judge: Judge, spec: Spec) -> None:
        super().__init__(kernel)
        self.name = name
        self.link = link
        self.judge = judge
        self.spec = self.base = spec
        """As somebody's hand has left it, and as it was."""
        self.forbidden: dict[str, float] = {}
        """Elections in which this daemon knows that it must begin no term, since when (its clock)."""
        self.clock_rate = 1.0 + (kernel.random() - 0.5) * 4e-4
        self.clock_zero = 1000.0 + 100000.0 * kernel.random()
        self.boots = 1
        self.powered = True
        self.starting = False
        self.children: dict[RunId, Child] = {}
        """What the guardian has not proven empty yet; what is alive, ``Child.alive`` says."""
        self.daemon: Daemon | None = None
        self.guardian: Guardian | None = None
        self.unguarded_from: float | None = 0.0
        self.guarded_since = 0.0
        """When, in true time, somebody who can kill last came back after nobody could."""
        self.guardian_back = 0.0

    # --- the clock

    def local(self) -> float:
        """CLOCK_BOOTTIME here, now."""
        return self.clock_zero + self.kernel.now * self.clock_rate

    def true(self, local: float) -> float:
        """When that is, or was, in true time."""
        return (local - self.clock_zero) / self.clock_rate

    def step_wall_clock(self, seconds: float) -> None:
        """Somebody sets the date. Nothing of ours reads it."""

    # --- who can kill

    def reckon(self) -> None:
        """Note whether anybody who can end a child runs."""
        guardian, daemon = self.guardian, self.daemon
        guarded = (guardian is not None and guardian.runs) or (daemon is not None and daemon.runs)
        if guarded and self.unguarded_from is not None:
            self.unguarded_from = None
            self.guarded_since = self.kernel.now
        elif not guarded and self.unguarded_from is None:
            self.unguarded_from = self.kernel.now

    def hold(self, actor: Actor) -> None:
        """SIGSTOP."""
        actor.stop()
        self.reckon()
        if actor is self.guardian and self.daemon is not None and actor.stopped == 1:
            self.daemon.later(PING_SECONDS * self.kernel.random(), self.daemon.ping, actor, 1)

    def release(self, actor: Actor) -> None:
        """SIGCONT."""
        if actor is self.guardian and actor.stopped == 1:
            self.guardian_back = self.kernel.now
        actor.go_on()
        self.reckon()

    # --- children

    def kill(self, child: Child) -> None:
        """SIGKILL for all of it."""
        if child.alive and not child.killed:
            child.killed = True
            self.later(DIE_SECONDS * self.kernel.random() ** 4, self._dies, child)

    def exit(self, child: Child, code: int | None) -> None:
        """Its main process ends; what it leaves behind lives on."""
        if not child.main:
            return
        child.main = False
        if not child.leaves:
            child.alive = False
            self.judge.child_dead(self, child)
        guardian = self.guardian
        if guardian is None or guardian.dead:
            return
        guardian.due(guardian.exited, (child, code))
        if not child.alive:
            guardian.due(guardian.emptied, (child,))

    def _dies(self, child: Child) -> None:
        if not child.alive:
            return
        had_main, child.main, child.alive = child.main, False, False
        self.judge.child_dead(self, child)
        guardian = self.guardian
        if guardian is None or guardian.dead:
            return
        if had_main:
            guardian.due(guardian.exited, (child, None))
        guardian.due(guardian.emptied, (child,))

    def kill_all(self) -> None:
        """Whoever does it."""
        for child in list(self.children.values()):
            self.kill(child)

    # --- the daemon and its guardian

    def start(self) -> None:
        """systemd, or an operator, starts the unit, once nothing of the last run is left."""
        if self.daemon is not None and not self.daemon.dead:
            self.starting = False
            return
        if self.guardian is not None and not self.guardian.dead:
            self.guardian.due(self.guardian.hurry, ())
        elif not any(c.alive for c in self.children.values()) and self.powered:
            self.starting = False
            self.children.clear()
            daemon = Daemon(self)
            self.daemon, self.guardian = daemon, daemon.guardian
            self.guardian_back = self.kernel.now
            self.reckon()
            daemon.begin()
            return
        self.later(0.05, self.start)

    def start_later(self, seconds: float) -> None:
        """Once."""
        if not self.starting:
            self.starting = True
            self.later(seconds, self.start)

    def daemon_died(self) -> None:
        """SIGKILL, or its own end."""
        daemon, guardian = self.daemon, self.guardian
        if daemon is None or daemon.dead:
            return
        daemon.dead = True
        daemon.watch.close()
        self.reckon()
        if guardian is None or guardian.dead:
            self.later(0.01 * self.kernel.random(), self.kill_all)
        else:
            guardian.later(0.0005, guardian.daemon_died)
        self.start_later(0.1 + 5.0 * self.kernel.random() ** 2)

    def guardian_died(self) -> None:
        """Its children get PDEATHSIG, what they leave behind does not."""
        guardian, daemon = self.guardian, self.daemon
        if guardian is None or guardian.dead:
            return
        guardian.dead = True
        self.reckon()
        for child in list(self.children.values()):
            self.later(0.003 * self.kernel.random(), self.exit, child, None)
        if daemon is None or daemon.dead:
            self.later(0.01 * self.kernel.random(), self.kill_all)
        else:
            daemon.later(0.001, daemon.bury)

    def guardian_ended(self, guardian: Guardian) -> None:
        """In order: nothing of it is left."""
        guardian.dead = True
        self.reckon()

    def power_off(self) -> None:
        """The machine crashes."""
        if not self.powered:
            return
        self.powered = False
        for actor in (self.daemon, self.guardian):
            if actor is not None:
                actor.dead = True
        if self.daemon is not None:
            self.daemon.watch.close()
        for child in self.children.values():
            if child.alive:
                child.alive = child.main = False
                self.judge.child_dead(self, child)
        self.children.clear()
        self.reckon()

    def power_on(self) -> None:
        """Another boot: the clock begins anew."""
        if self.powered:
            return
        self.powered = True
        self.boots += 1
        self.clock_zero = 10.0 - self.kernel.now * self.clock_rate
        self.start_later(0.1)

    def suspend(self) -> None:
        """Everything stops but the clock."""
        for actor in (self.daemon, self.guardian, self):
            if actor is not None:
                actor.stop()
        self.reckon()

    def wake(self, slept: tuple[Actor | None, Actor | None]) -> None:
        """In any order, within milliseconds."""
        self.go_on()
        for actor in slept:
            if actor is not None:
                self.kernel.at(self.kernel.now + 0.01 * self.kernel.random(), self.release, actor)


class Daemon(Actor):
    """One run of the daemon: the core, with its link to the guardian and its store."""

    __slots__ = (
        "_due", "_planned", "_seen", "_stepped_at", "_ticked_at", "asked", "exit_code", "guardian", "link", "machine", "records", "state", "watch",
    )  # fmt: skip

    watch: Watch

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine.kernel)
        self.machine = machine
        self.link = machine.link
        self.guardian = Guardian(machine, self._hear)
        self.records: dict[ElectionName, RecordWatch] = {}
        """Of leaders that leave, while we are next."""
        self.asked: dict[RunId, bool] = {}
        """Runs asked for and not proven empty, as far as we have heard; True once we know that they were started."""
        now = Instant(machine.local())
        machine.forbidden.clear()
        home = Home(boot=f"boot-{machine.name}-{machine.boots}", mark="mark-" + machine.name)
        self.state = core.initial(NodeName(machine.name), now=now, home=home)
        self.exit_code: int | None = None
        self._ticked_at = self._stepped_at = now
        self._planned: float | None = None
        self._due: Instant | None = None
        self._seen: tuple[object, ...] = ()

    def begin(self) -> None:
        """The first file."""
        self.watch = Watch(self.link, self.post)
        self.load()

    def load(self) -> None:
        """The file as it is now."""
        self.post(ev.ConfigLoaded(spec=self.machine.spec, source="sim.yaml"))

    # --- the loop

    def post(self, event: ev.Event) -> None:
        """News, from anywhere."""
        if not self.dead:
            self.due(self._take, (event,))

    def _hear(self, event: ev.Event) -> None:
        self.later(SOCKET_SECONDS, self._heard, event)

    def _heard(self, event: ev.Event) -> None:
        if isinstance(event, ev.Emptied | ev.SpawnFailed):
            self.asked.pop(event.run, None)
        elif isinstance(event, ev.Spawned):
            self.asked[event.run] = True
        self._take(event)

    def _take(self, event: ev.Event) -> None:
        now = Instant(self.machine.local())
        gap, self._stepped_at = now - self._stepped_at, now
        if gap > GAP_SECONDS:
            self._answer(ev.Woke(gap_seconds=gap), now)
        self._answer(event, now)
        if not self.dead:
            self._plan(now)

    def _answer(self, event: ev.Event, now: Instant) -> None:
        if self.dead:
            return
        before = self.state
        self.state, actions = core.step(before, event, now=now)
        if self.kernel.trace is not None:
            self._trace(event, actions)
        self.machine.judge.stepped()
        if isinstance(event, ev.QueueChanged | sev.LeaderStopped):
            self.machine.judge.shown(event.election, before, self.state)
        if isinstance(event, ev.FirstRead):
            self.machine.judge.told(event.election, before, self.state)
        elif isinstance(event, rev.RequestsSeen):
            self.machine.judge.asked(self.machine, before, self.state)
        for action in actions:
            PERFORM[type(action)](self, action)

    def _trace(self, event: ev.Event, actions: tuple[ac.Action, ...]) -> None:
        from tests.core.world import _show  # only where somebody reads it

        self.kernel.note(self.machine.name, f"> {_show(event)}")
        for action in actions:
            self.kernel.note(self.machine.name, f"  < {_show(action)}")

    def _plan(self, now: Instant) -> None:
        """When to tick next."""
        s = self.state
        seen = (s.sessions, s.doomed, s.sights, s.elections, s.processes)
        if self._due is None or self._due <= self._ticked_at or not all(map(_same, seen, self._seen)):
            self._seen = seen
            self._due = next_due(s, after=self._ticked_at) or Instant(now + 1e9)
        wake = min(self._due, self._stepped_at + LONGEST_SLEEP_SECONDS)
        if self._planned is None or wake < self._planned:
            self._planned = wake
            self.later((wake - now) / self.machine.clock_rate + 1e-6, self._tick, wake)

    def _tick(self, planned: float) -> None:
        if planned != self._planned:
            return  # another was planned for earlier
        self._planned = None
        now = Instant(self.machine.local())
        idle = now - self._stepped_at >= LONGEST_SLEEP_SECONDS
        if not idle and self._due is not None and self._due > now:
            self._plan(now)
            return
        self._ticked_at = now
        self._take(ev.Ticked())

    def ping(self, guardian: Actor, missed: int) -> None:
        """A guardian that is frozen can neither strike nor stop; we can."""
        if guardian.dead or not guardian.stopped:
            return
        if missed > SILENT_PINGS:
            self.machine.guardian_died()
        else:
            self.later(PING_SECONDS, self.ping, guardian, missed + 1)

    def bury(self) -> None:
        """Until nobody is found."""
        self.machine.kill_all()
        if any(c.alive for c in self.machine.children.values()):
            self.later(0.02, self.bury)
            return
        self.machine.children.clear()
        for run, started in list(self.asked.items()):
            if started:
                self._take(ev.Exited(run=run, code=None, signal=9))
                self._take(ev.Emptied(run=run, chance=self.kernel.random()))
            else:
                self._take(ev.SpawnFailed(run=run, detail="the guardian died", chance=self.kernel.random()))
        self.asked.clear()
        self._take(ev.GuardianLost(detail="killed"))

    # --- actions

    def order(self, work: Callable[..., None], action: ac.Action) -> None:
        """To the guardian."""
        self.guardian.due(work, (action,))

    def arm(self, a: ac.Arm) -> None:
        self.order(self.guardian.arm, a)

    def extend(self, a: ac.Extend) -> None:
        self.order(self.guardian.extend, a)

    def disarm(self, a: ac.Disarm) -> None:
        self.order(self.guardian.disarm, a)

    def vacate(self, a: ac.Vacate) -> None:
        self.order(self.guardian.vacate, a)

    def spawn(self, a: ac.Spawn) -> None:
        if self.guardian.dead:
            self.later(0.0, self._take, ev.SpawnFailed(run=a.run, detail="gone", chance=0.5))
            return
        self.asked[a.run] = False
        self.order(self.guardian.spawn, a)

    def release(self, a: ac.Release) -> None:
        self.machine.judge.released(self.machine, a, self.state)
        self.order(self.guardian.release, a)

    def signal(self, a: ac.SignalRun) -> None:
        self.order(self.guardian.signal, a)

    def kill(self, a: ac.KillRun) -> None:
        self.order(self.guardian.kill, a)
        child = self.machine.children.get(a.run)
        if child is not None:
            self.machine.kill(child)  # a blow of our own, which waits for no guardian

    def nothing(self, a: ac.Action) -> None:
        """Logs and probes are others' to test."""

    def exit(self, a: ac.Exit) -> None:
        self.exit_code = a.code
        machine, guardian = self.machine, self.guardian
        self.dead = True
        self.watch.close()
        if not guardian.dead:
            guardian.due(self._quit, ())
        machine.reckon()
        machine.start_later(0.1 + 3.0 * self.kernel.random())

    def _quit(self) -> None:
        self.guardian.quitting = True
        self.machine.kill_all()
        self.guardian.advance()

    def grant(self, a: ac.GrantLease) -> None:
        sent = Instant(self.machine.local())
        etcd = self.link.etcd
        self._call(
            lambda: etcd.grant(a.ttl_seconds),
            lambda r: ev.LeaseGranted(ttl_seconds=a.ttl_seconds, lease=r[0], granted_seconds=r[1], sent_at=sent),
            lambda: ev.LeaseGrantFailed(ttl_seconds=a.ttl_seconds, detail="no", chance=self.kernel.random()),
            a.timeout_seconds,
        )

    def renew(self, a: ac.Renew) -> None:
        etcd = self.link.etcd
        self._hedged(
            lambda: etcd.renew(a.lease),
            lambda r, sent: (
                ev.Renewed(lease=a.lease, granted_seconds=r, sent_at=sent)
                if r
                else ev.LeaseGone(lease=a.lease, detail="no")
            ),
            lambda: ev.RenewFailed(lease=a.lease, detail="no"),
            a.timeout_seconds,
        )

    def revoke(self, a: ac.RevokeLease) -> None:
        machine, etcd = self.machine, self.link.etcd

        def apply() -> None:
            machine.judge.lease_given_up(machine, a.lease)
            etcd.end_lease(a.lease, "revoked")

        self._call(
            apply,
            lambda _: ev.LeaseRevoked(lease=a.lease),
            lambda: ev.LeaseRevokeFailed(lease=a.lease, detail="no"),
            WRITE_TIMEOUT_SECONDS,
        )

    def campaign(self, a: ac.Campaign) -> None:
        etcd = self.link.etcd

        def answer(found: tuple[ev.Candidate, ev.Candidate] | None) -> ev.Event:
            if found is None:
                self.post(ev.LeaseGone(lease=a.lease, detail="no"))
                return failed()
            revision = found[0].create_revision
            return ev.Campaigned(election=a.election, lease=a.lease, create_revision=revision, first=found[1])

        def failed() -> ev.Event:
            return ev.CampaignFailed(election=a.election, lease=a.lease, detail="no", chance=self.kernel.random())

        self._call(lambda: etcd.campaign(a.election, a.lease, a.document), answer, failed, WRITE_TIMEOUT_SECONDS)

    def prove(self, a: ac.Prove) -> None:
        etcd = self.link.etcd
        self._call(
            lambda: etcd.prove(a.election, a.create_revision, a.record),
            _as_it_is,
            lambda: ev.ReadFirstFailed(election=a.election, detail="no", chance=self.kernel.random()),
            READ_TIMEOUT_SECONDS,
        )

    def look_ahead(self, a: ac.LookAhead) -> None:
        etcd, name, asked_for = self.link.etcd, a.election, a.create_revision

        def apply() -> tuple[Queue, ev.FirstRead]:
            if name in self.records:
                self.records[name].close()
            self.records[name] = RecordWatch(self.link, self.watch, name, a.leader, tell)
            return etcd.look_ahead(name, asked_for, a.record)

        def tell(record: ev.TermRecord) -> None:
            self.post(sev.LeaderStopped(election=name, asked_for=asked_for, record=record))

        self._call(
            apply,
            lambda r: sev.LookedAhead(
                election=name, asked_for=asked_for, front=r[0], records=r[1].records, raft_term=r[1].raft_term
            ),
            lambda: sev.LookedAhead(
                election=name, asked_for=asked_for, front=(), records=(), raft_term=0, problem="no answer"
            ),
            READ_TIMEOUT_SECONDS,
        )

    def remember(self, a: ac.Remember) -> None:
        if a.election is not None:
            self.post(sev.TokenRemembered(election=a.election, token=a.token))

    def confirm(self, a: ac.ConfirmKeys) -> None:
        etcd = self.link.etcd
        self._call(
            lambda: etcd.missing(a.keys),
            lambda missing: ev.KeysConfirmed(lease=a.lease, asked_at=a.asked_at, missing=missing),
            lambda: ev.KeysUnconfirmed(lease=a.lease, asked_at=a.asked_at, detail="no"),
            a.timeout_seconds,
        )

    def look(self, a: ac.AskLease) -> None:
        etcd = self.link.etcd

        def apply() -> tuple[int, int, int]:
            return etcd.look(a.lease, deposed=etcd.stale is not None and self.kernel.random() < 0.5)

        self._hedged(
            apply,
            lambda r, sent: ev.LeaseSeen(
                lease=a.lease, sent_at=sent, remaining_seconds=r[0], granted_seconds=r[1], raft_term=r[2]
            ),
            lambda: ev.LeaseUnseen(lease=a.lease, detail="no"),
            a.timeout_seconds,
        )

    def close_records(self, a: ac.CloseRecords) -> None:
        etcd = self.link.etcd
        self._call(
            lambda: etcd.close(a.election, a.records),
            lambda _: ev.RecordsClosed(election=a.election),
            lambda: ev.CloseRecordsFailed(election=a.election, detail="no"),
            WRITE_TIMEOUT_SECONDS,
        )

    def chronicle(self, a: ac.Chronicle) -> None:
        """Without chance of its own: nothing hangs on it, and what seeds find must not move for it."""
        etcd = self.link.etcd

        def arrive() -> None:
            problem = "no" if self.link.cut_up or not etcd.up else ""
            if not problem:
                etcd.move(a.election, a.ended)
            self.post(sev.Chronicled(election=a.election, token=a.token, problem=problem))

        self.later(CHRONICLE_SECONDS, arrive)

    def proclaim(self, a: ac.Proclaim) -> None:
        etcd, revision = self.link.etcd, a.create_revision
        self._call(
            lambda: etcd.proclaim(a.election, revision, a.document),
            lambda there: (
                ev.Proclaimed(election=a.election, create_revision=revision)
                if there
                else ev.ProclaimFailed(election=a.election, create_revision=revision, key_gone=True, detail="no")
            ),
            lambda: ev.ProclaimFailed(election=a.election, create_revision=revision, key_gone=False, detail="no"),
            WRITE_TIMEOUT_SECONDS,
        )

    def resign(self, a: ac.Resign) -> None:
        machine, etcd, revision = self.machine, self.link.etcd, a.create_revision

        def apply() -> None:
            machine.judge.key_given_up(machine, f"{a.election}#{revision}")
            etcd.resign(a.election, revision, a.record, a.forget)

        self._call(
            apply,
            lambda _: ev.Resigned(election=a.election, create_revision=revision),
            lambda: ev.ResignFailed(election=a.election, create_revision=revision, detail="no"),
            WRITE_TIMEOUT_SECONDS,
        )

    def connect(self, _a: ac.Connect) -> None:
        """The watch is there already; what it has shown of requests, it shows again, as a new one would."""
        self.watch.repeat()

    def hand_over(self, a: ac.HandOver) -> None:
        machine, etcd, revision = self.machine, self.link.etcd, a.end.create_revision
        machine.judge.hands_over(a, self.state)

        def apply() -> bool:
            machine.judge.key_given_up(machine, f"{a.election}#{revision}")
            return etcd.hand_over(a)

        self._call(
            apply,
            lambda done: (
                ev.Resigned(election=a.election, create_revision=revision)
                if done
                else rev.HandOverRefused(election=a.election, create_revision=revision, detail="it left")
            ),
            lambda: ev.ResignFailed(election=a.election, create_revision=revision, detail="no"),
            WRITE_TIMEOUT_SECONDS,
        )

    def write_request(self, a: ac.WriteRequest) -> None:
        etcd = self.link.etcd
        self.link.call(
            lambda: etcd.write_request(a.path, a.value, a.revision or None),
            lambda _: None,
            lambda: None,
            WRITE_TIMEOUT_SECONDS,
        )

    def date(self, _a: ac.AskDate) -> None:
        self.post(rev.DateSeen(wall_seconds=WALL + self.kernel.now))

    def _hedged(
        self,
        apply: Callable[[], T],
        answer: Callable[[T, Instant], ev.Event],
        failed: Callable[[], ev.Event],
        timeout_seconds: float,
    ) -> None:
        """Put again while there is no answer; the first counts, with the instant at which that very one was sent."""
        pause = hedge.pause_seconds(timeout_seconds)
        decided, open_ = False, hedge.MOST_AT_ONCE

        def end(event: ev.Event | None) -> None:
            nonlocal decided, open_
            open_ -= 1
            if not decided and (event is not None or not open_):
                decided = True
                self.post(event or failed())

        def put(after: float) -> None:
            if decided or self.dead:
                return
            sent = Instant(self.machine.local())
            left = max(timeout_seconds - after, 0.0)
            self.link.call(apply, lambda r: end(answer(r, sent)), lambda: end(None), left)

        put(0.0)
        for number in range(1, hedge.MOST_AT_ONCE):
            self.later(number * pause, put, number * pause)

    def _call(
        self,
        apply: Callable[[], object],
        answer: Callable[..., ev.Event],
        failed: Callable[[], ev.Event],
        timeout_seconds: float,
    ) -> None:
        self.link.call(apply, lambda r: self.post(answer(r)), lambda: self.post(failed()), timeout_seconds)


def _as_it_is(event: ev.FirstRead) -> ev.Event:
    return event


def _same(one: object, other: object) -> bool:
    return one is other


PERFORM: dict[type, Callable[..., None]] = {
    ac.Arm: Daemon.arm, ac.Extend: Daemon.extend, ac.Disarm: Daemon.disarm, ac.Vacate: Daemon.vacate, ac.Spawn: Daemon.spawn, ac.Release: Daemon.release,
    ac.SignalRun: Daemon.signal, ac.KillRun: Daemon.kill, ac.Exit: Daemon.exit,
    ac.StartProbe: Daemon.nothing, ac.StopProbe: Daemon.nothing, ac.ConfigureLog: Daemon.nothing, ac.CloseSockets: Daemon.nothing, ac.Connect: Daemon.connect,
    ac.Remember: Daemon.remember, ac.Identify: Daemon.nothing, ac.RaiseRevision: Daemon.nothing,
    ac.GrantLease: Daemon.grant, ac.Renew: Daemon.renew, ac.RevokeLease: Daemon.revoke, ac.Campaign: Daemon.campaign,
    ac.Prove: Daemon.prove, ac.LookAhead: Daemon.look_ahead, ac.ConfirmKeys: Daemon.confirm, ac.AskLease: Daemon.look,
    ac.CloseRecords: Daemon.close_records, ac.Chronicle: Daemon.chronicle, ac.Proclaim: Daemon.proclaim, ac.Resign: Daemon.resign,
    ac.HandOver: Daemon.hand_over, ac.WriteRequest: Daemon.write_request, ac.AskDate: Daemon.date,
}  # fmt: skip
