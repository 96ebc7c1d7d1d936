"""Hypothesis drives two nodes and one store through whatever it can think of; ``World.check`` judges every step.

What it varies: time, crashes, deaf children, a store that is silent, slow or refuses, keys deleted and leases ended by
hand, foreign candidates, reloads, operators. What must hold: the invariants of ``World.check`` on each node, never two
nodes with leader children, and, once the faults are over, exactly one leader with its processes running.
"""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core import operator_events as oev
from supervisor.core import requests
from supervisor.core.names import ElectionName, NodeName, ProcessId, Role, RunId
from supervisor.core.spec import (
    CampaignWhen,
    HookKind,
    Need,
    ProbeKind,
    ProbeSpec,
    ProcessKind,
    ProcessSpec,
    RestartPolicy,
    RestartSpec,
    Spec,
    StopSpec,
    UnhealthyAction,
)
from supervisor.core.state import ElectionPhase
from tests.core.world import FakeStore, World, election, hook, hooked, process, spec

JOB = ElectionName("job")
FAULTS = [
    ac.AskLease,
    ac.ConfirmKeys,
    ac.Renew,
    ac.GrantLease,
    ac.Campaign,
    ac.Prove,
    ac.Resign,
    ac.HandOver,
    ac.RevokeLease,
    ac.Spawn,
]
MUTES = [
    ac.Renew,
    ac.GrantLease,
    ac.Campaign,
    ac.Prove,
    ac.Resign,
    ac.Arm,
    ac.Remember,
    ac.Release,
    ac.Proclaim,
    ac.AskLease,
    ac.HandOver,
]

NOTIFY = ProbeSpec(kind=ProbeKind.NOTIFY)
WATCHDOG = ProbeSpec(kind=ProbeKind.WATCHDOG, failures=1, action=UnhealthyAction.RESTART)

ON_FAILURE = RestartSpec(policy=RestartPolicy.ON_FAILURE)
DRAINED = StopSpec(before=("/bin/drain",), before_timeout_seconds=2.0, then=(("SIGQUIT", 3.0),), timeout_seconds=6.0)


def _task(name: str, role: Role = Role.LEADER) -> ProcessSpec:
    return process(name, role=role, kind=ProcessKind.TASK, restart=ON_FAILURE)


VARIANTS: list[Spec] = [
    spec(election(follower=(process("standby", role=Role.FOLLOWER),))),
    spec(election(ttl_seconds=5)),
    spec(election(leader=(process("work", environment={"A": "1"}), process("extra")))),
    spec(election(campaign_timeout_seconds=4.0), election("second", leader=(process("w2", election="second"),))),
    spec(election(leader=())),
    spec(hooked(hook(HookKind.ELECTED), hook(HookKind.DEMOTED), hook(HookKind.LEADER_CHANGED, Role.FOLLOWER))),
    spec(hooked(hook(HookKind.DEMOTED, timeout_seconds=1.0), hook(HookKind.GAVE_UP))),
    spec(election(leader=(process("work", ready=NOTIFY, health=WATCHDOG),))),
    spec(
        election(
            leader=(
                process("work", needs={_task("migrate").id.name: Need.COMPLETED}, stop=DRAINED),
                _task("migrate"),
            ),
            follower=(process("standby", role=Role.FOLLOWER, stop=DRAINED), _task("warm", Role.FOLLOWER)),
            campaign_when=CampaignWhen.HEALTHY,
        )
    ),
    spec(election(leader=(process("work", restart=RestartSpec(limit=1)),), cooldown_min_seconds=2.0)),
]


class Fleet(RuleBasedStateMachine):
    """Two nodes whose worlds share one queue and one clock."""

    world = World

    @initialize()
    def begin(self) -> None:
        self.store = FakeStore()
        self.shown = -1
        self.wishes = 0
        two = self.world(name="two", store=self.store, next_lease=0x2000)
        self.nodes = [self.world(name="one", store=self.store), two]
        for node in self.nodes:
            node.once = False
            node.load(VARIANTS[0])
        self.share()

    def share(self) -> None:
        """Both watches show what the store has come to."""
        while self.shown != self.store.revision:
            self.shown = self.store.revision
            for node in self.nodes:
                for name in list(self.store.keys):
                    node.show_queue(name)
                node.show_requests()
                node.post(ev.Ticked())

    def expire(self) -> None:
        """The store forgets the keys of leases that nobody renewed."""
        self.store.expire(max(node.now for node in self.nodes))
        self.share()

    @rule(seconds=st.floats(0.01, 15))
    def pass_time(self, seconds: float) -> None:
        """In small slices, so that the nodes stay in step."""
        left = seconds
        while left > 0:
            for node in self.nodes:
                node.advance(min(0.5, left))
            left -= 0.5
            self.expire()

    @rule(which=st.integers(0, 1), fault=st.sampled_from(FAULTS))
    def fail(self, which: int, fault: type) -> None:
        self.nodes[which].failing.add(fault)

    @rule(which=st.integers(0, 1))
    def heal(self, which: int) -> None:
        self.nodes[which].failing.clear()
        self.nodes[which].blind = False
        self.nodes[which].release()
        self.share()

    @rule(which=st.integers(0, 1), mute=st.sampled_from(MUTES))
    def fall_silent(self, which: int, mute: type) -> None:
        self.nodes[which].muted.add(mute)

    @rule(which=st.integers(0, 1))
    def go_blind(self, which: int) -> None:
        self.nodes[which].blind = True

    @rule(which=st.integers(0, 3))
    def delete_a_key(self, which: int) -> None:
        """By hand, or by etcd's own error: the lease lives on."""
        queue = self.store.keys.get("job", [])
        if which < len(queue):
            del queue[which]
            self.store.revision += 1
            self.share()

    @rule(
        which=st.integers(0, 1),
        purpose=st.sampled_from(["ready", "health"]),
        passed=st.booleans(),
        extend=st.none() | st.floats(0, 1e6),
    )
    def hear_of_children(self, which: int, purpose: str, passed: bool, extend: float | None) -> None:
        """What probes see and what children tell, of the living and of one that never was."""
        node = self.nodes[which]
        for run in [*node.children, RunId(10**9)]:
            node.post(ev.Notified(run=run, status="so it says", extend_seconds=extend))
            if passed:
                node.post(ev.ProbeSucceeded(run=run, purpose=purpose))
            else:
                node.post(ev.ProbeFailed(run=run, purpose=purpose, detail="no"))
        self.share()

    @rule(which=st.integers(0, 1), code=st.sampled_from([0, 1, None]))
    def change_hooks(self, which: int, code: int | None) -> None:
        """How they end from now on, if at all."""
        self.nodes[which].hook_code = code

    @rule(which=st.integers(0, 1), deaf=st.booleans())
    def deafen(self, which: int, deaf: bool) -> None:
        self.nodes[which].stubborn = deaf

    @precondition(lambda self: any(n.children for n in self.nodes))
    @rule(which=st.integers(0, 1), code=st.sampled_from([0, 1, None]))
    def crash(self, which: int, code: int | None) -> None:
        node = self.nodes[which]
        if node.children:
            node.crash(
                str(next(iter(node.children.values())).spec.id), code=code, signal=None if code is not None else 9
            )
            self.share()

    @rule(which=st.integers(0, 1), variant=st.integers(0, len(VARIANTS) - 1))
    def reload(self, which: int, variant: int) -> None:
        if self.nodes[which].exit_code is None:
            self.nodes[which].load(VARIANTS[variant])
            self.share()

    @rule(what=st.sampled_from(["switchover", "pause", "resume", "drain", "undrain"]), force=st.booleans())
    def ask(self, what: str, force: bool) -> None:
        """People ask for movement, or for none. Both nodes bear one name: a drain means both."""
        match what:
            case "switchover":
                self.wishes += 1
                asked = requests.Switchover(id=str(self.wishes), to=NodeName(""), at=None, until=2e9, by="a test")
                self.store.ask(requests.switchover_path(JOB), requests.written(asked))
            case "pause":
                self.store.ask("pause", requests.paused_now("a test", 1.6e9))
            case "drain":
                value = requests.drained_now("a test", 1.6e9, followers_stop=force, force=force)
                self.store.ask("drain/one", value)
            case _:
                self.store.ask("pause" if what == "resume" else "drain/one", None)
        self.share()

    @rule(which=st.integers(0, 1))
    def resign(self, which: int) -> None:
        self.nodes[which].post(oev.ResignRequested(election=JOB))
        self.share()

    @rule(which=st.integers(0, 1), chance=st.integers(0, 5), stop=st.booleans())
    def operate(self, which: int, chance: int, stop: bool) -> None:
        """Stop a process, or start it."""
        known: list[ProcessId] = sorted(self.nodes[which].state.processes)
        if known:
            pid = known[chance % len(known)]
            self.nodes[which].post(oev.StopRequested(process=pid) if stop else oev.StartRequested(process=pid))
            self.share()

    @rule(which=st.integers(0, 1), dawdling=st.booleans())
    def dawdle(self, which: int, dawdling: bool) -> None:
        self.nodes[which].dawdling = dawdling

    @invariant()
    def never_two(self) -> None:
        for name in ("job", "second"):
            leaders = [n.name for n in getattr(self, "nodes", []) if _leads(n, name)]
            assert len(leaders) < 2, f"{name} is led by {leaders}"

    def teardown(self) -> None:
        """The faults end; within a few TTLs somebody leads and works."""
        if not hasattr(self, "nodes"):
            return
        self.store.requests.clear()
        for node in self.nodes:
            node.stubborn = node.blind = False
            node.hook_code = 0
            node.load(VARIANTS[1])
            node.failing.clear()
            node.release()
            node.dawdling = False
            for pid in list(node.state.processes):
                node.post(oev.StartRequested(process=pid))
        self.shown = -1  # who was blind sees what it missed
        self.share()
        self.pass_time(60)
        leading = [n for n in self.nodes if n.state.elections[JOB].phase is ElectionPhase.LEADING]
        assert len(leading) == 1, [n.state.elections[JOB].phase for n in self.nodes]
        assert leading[0].running() == ["job/work"]
        assert min(n.checked for n in self.nodes) > 10, "nothing was checked"
        for node in self.nodes:
            node.post(ev.ShutdownRequested(reason="done"))
        self.pass_time(30)
        assert [n.exit_code for n in self.nodes] == [0, 0]


def _leads(node: World, name: str) -> bool:
    return any(c.spec.role is Role.LEADER and not c.held and c.spec.id.election == name for c in node.children.values())


TestFleet = Fleet.TestCase
TestFleet.settings = settings(
    max_examples=50, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
