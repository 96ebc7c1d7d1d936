"""The faults of a run: drawn from its seed before it begins, as a list, so that a shorter list is a smaller story.

Promises: the same seed draws the same plan; a fault that does not fit what it finds (a pause of a daemon that is dead) does
nothing; whatever a fault breaks is whole again after its length, and everything is after ``Plan.ends``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from supervisor.core import events as ev
from supervisor.core import operator_events as oev
from supervisor.core.names import ElectionName, Role
from supervisor.core.operator_events import RestartRequested
from supervisor.core.spec import ElectionSpec, HookKind, Need, RestartSpec, Spec, StopSpec
from tests.core.world import election, hook, process, spec
from tests.simulation import lives

if TYPE_CHECKING:
    from tests.simulation.run import Run

RESTART = RestartSpec(limit=1_000_000, backoff_max_seconds=1.0)


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens, when, where, for how long."""

    at: float
    kind: str
    node: int
    length: float
    chance: float
    """Uniform in [0, 1): what else the kind wants to know."""

    def __str__(self) -> str:
        return f"{self.at:7.2f} {self.kind} of {self.node} for {self.length:.2f} s ({self.chance:.3f})"


@dataclass(frozen=True, slots=True)
class Plan:
    """One run, but for the chances on the way."""

    seed: int
    nodes: int
    spec: Spec
    ends: float
    """When the last fault is over."""
    faults: tuple[Fault, ...]
    lively: bool = False
    """With what ``lives`` adds."""

    @property
    def ttl(self) -> int:
        """The longest."""
        return max(e.ttl_seconds for e in self.spec.elections.values())


WAKES_SECONDS = 0.3
"""How long a leader of etcd that wakes takes to learn that it is none any more."""
LEADER = -1
"""Whichever node leads something when the first fault of this kind happens, and the same one from then on."""
WEIGHTS: dict[str, int] = {
    "cut": 8, "cut up": 3, "cut down": 4, "loss": 4, "slow": 4, "late answers": 2, "blind": 4, "break": 2,
    "pause daemon": 8, "pause guardian": 3, "pause both": 3, "suspend": 3,
    "crash daemon": 6, "crash guardian": 4, "crash both": 2, "crash machine": 3, "crash child": 4,
    "new leader": 4, "no quorum": 4, "frozen leader": 3, "delete key": 5, "delete any key": 2, "revoke lease": 4,
    "compact": 1, "reload": 4, "reload storm": 1, "resign": 4, "shutdown": 3, "restart process": 2, "wall clock": 3,
}  # fmt: skip
Recipe = tuple[tuple[str, float, float], ...]
RECIPES: tuple[Recipe, ...] = (
    (("late answers", 20.0, 1.0), ("delete key", 0.0, 4.0), ("cut", 20.0, 2.0)),
    (("late answers", 20.0, 1.0), ("delete key", 0.0, 4.0), ("cut", 20.0, 1.0)),
    (("slow", 6.0, 1.0), ("cut", 20.0, 6.0)),
    (("blind", 20.0, 1.0), ("delete key", 0.0, 1.0)),
    (("blind", 20.0, 1.0), ("revoke lease", 0.0, 1.0), ("pause daemon", 20.0, 1.0)),
    (("pause daemon", 3.0, 3.0), ("cut", 20.0, 1.0)),
    (("pause guardian", 20.0, 3.0), ("cut", 20.0, 3.0)),
    (("pause guardian", 20.0, 2.0), ("delete key", 0.0, 2.0)),
    (("frozen leader", 0.0, 1.0), ("cut", 20.0, -0.2)),
    (("frozen leader", 0.0, 1.0), ("pause daemon", 20.0, -0.2)),
    (("wall clock", 0.0, 1.0), ("cut", 20.0, 1.0)),
    (("resign", 0.0, 1.0), ("crash daemon", 0.0, 0.3)),
)
"""What goes wrong together: kind, greatest length, and greatest distance from the one before (negative: from the
waking of etcd's leader, backwards). All at one leading node."""


FOCUSES: tuple[Recipe, ...] = (
    *RECIPES, (("pause guardian", 5.0, 2.0),), (("resign", 0.0, 1.0), ("delete key", 0.0, 0.1)),
    (("resign", 0.0, 1.0), ("delete key", 0.0, 1.0), ("delete key", 0.0, 1.0)),
)  # fmt: skip


def plan(seed: int) -> Plan:
    """Everything that a seed decides beforehand."""
    rng = Random(f"plan {seed}")
    nodes = rng.choice((2, 3, 3, 4))
    desired = _with_hooks(Random(f"hooks {seed}"), _spec(rng))
    if (more := lives.of_seed(seed)) is not None:
        desired = lives.lively(desired, more)
    ends = rng.uniform(15, 40)
    kinds, weights = list(WEIGHTS), list(WEIGHTS.values())
    faults: list[Fault] = []
    at, node = 3.0, 0
    for _ in range(rng.randint(2, 9)):
        together = bool(faults) and rng.random() < 0.5
        at = at + rng.random() ** 2 * 2.0 if together else rng.uniform(3.0, ends)
        if not together or rng.random() < 0.3:
            node = rng.randrange(nodes)
        if at >= ends:
            continue
        length = rng.choice((rng.uniform(0.05, 1.0), rng.uniform(1.0, 6.0), rng.uniform(3.0, 18.0)))
        kind = rng.choices(kinds, weights)[0]
        faults.append(Fault(at, kind, node, min(length, ends - at), rng.random()))
    if rng.random() < 0.4:
        faults += _together(rng, rng.choice(RECIPES), ends, desired)
    return Plan(seed, nodes, desired, ends, tuple(sorted(faults, key=lambda f: f.at)), lively=more is not None)


def _with_hooks(rng: Random, desired: Spec) -> Spec:
    """One in four: of a chance of its own, so that the other three are what they were without it."""
    if rng.random() > 0.25:
        return desired
    elections = {}
    for name, e in desired.elections.items():
        kinds = [kind for kind in HookKind if rng.random() < 0.7]
        roles = {kind: Role.FOLLOWER if kind is HookKind.LEADER_CHANGED else Role.LEADER for kind in kinds}
        hooks = [hook(kind, roles[kind], name=name, timeout_seconds=rng.choice((1.0, 3.0))) for kind in kinds]
        elections[name] = replace(e, hooks={h.process.id.name: h for h in hooks})
    return replace(desired, elections=elections)


def focused(seed: int, recipe: int) -> Plan:
    """A plan of nothing but one recipe."""
    rng = Random(f"focused {seed}")
    leader = (process("work", election="job0", restart=RESTART),)
    desired = spec(
        election("job0", leader=leader, ttl_seconds=rng.choice((4, 6, 8, 10) if recipe != len(RECIPES) else (2, 3)))
    )
    together = _together(rng, FOCUSES[recipe], 35.0, desired)
    return Plan(seed, rng.choice((2, 3)), desired, 35.0, tuple(sorted(together, key=lambda f: f.at)))


def _together(rng: Random, recipe: Recipe, ends: float, desired: Spec) -> list[Fault]:
    ttl = rng.choice(sorted(e.ttl_seconds for e in desired.elections.values()))
    at = rng.uniform(3.0, max(4.0, ends - 15.0))
    faults: list[Fault] = []
    for kind, longest, distance in recipe:
        at += distance * rng.random()
        if distance < 0:
            at += faults[-1].length - WAKES_SECONDS
        if at < ends:
            length = longest * (1.0 - 0.7 * rng.random())
            if kind == "frozen leader":  # so long that it takes renewed leases for ones that are about to end
                length = WAKES_SECONDS + ttl * 2 / 3 + rng.random() * (1 + ttl / 3)
            faults.append(Fault(at, kind, LEADER, min(length, ends - at), rng.random()))
    return faults


def _spec(rng: Random) -> Spec:
    elections = []
    ttl = rng.choice((3, 3, 4, 5, 5, 6, 6, 10, 20))
    for n in range(rng.choice((1, 1, 2, 3))):
        name = f"job{n}"
        stop = StopSpec(timeout_seconds=rng.choice((0.3, 1.0, 3.0, 10.0)))
        leader = [process("work", election=name, restart=RESTART, stop=stop)]
        if rng.random() < 0.3:
            needs = {leader[0].id.name: Need.READY}
            leader.append(process("aux", election=name, restart=RESTART, stop=stop, needs=needs))
        follower = []
        if rng.random() < 0.3:
            follower = [process("standby", election=name, role=Role.FOLLOWER, restart=RESTART, stop=stop)]
        mine = ttl if rng.random() < 0.7 else rng.choice((3, 4, 8))
        elections.append(election(name, leader=tuple(leader), follower=tuple(follower), ttl_seconds=mine))
    return spec(*elections)


def begin(run: Run, fault: Fault) -> None:
    """It happens."""
    if run.kernel.trace is not None:
        run.kernel.note("fault", fault)
    run.judge.seen["faults"] += 1
    if fault.node == LEADER:
        fault = replace(fault, node=run.leader())
    HAPPEN[fault.kind](run, fault)


# --- the network


def _cut(run: Run, f: Fault, *, up: bool, down: bool) -> None:
    link = run.links[f.node]

    def by(change: int) -> None:
        link.cut_up += change if up else 0
        link.cut_down += change if down else 0

    by(1)
    run.kernel.at(f.at + f.length, by, -1)


def _loss(run: Run, f: Fault) -> None:
    link = run.links[f.node]
    link.loss = 0.05 + 0.5 * f.chance
    run.kernel.at(f.at + f.length, _set, link, "loss", 0.0)


def _slow(run: Run, f: Fault) -> None:
    link = run.links[f.node]
    link.slow = 0.02 + 1.2 * f.chance**2
    run.kernel.at(f.at + f.length, _set, link, "slow", 0.0)


def _late_answers(run: Run, f: Fault) -> None:
    """Just in time, as a rule."""
    link = run.links[f.node]
    link.late = (0.7 + 0.25 * f.chance) * max(0.2, min(e.ttl_seconds for e in run.plan.spec.elections.values()) / 9)
    run.kernel.at(f.at + f.length, _set, link, "late", 0.0)


def _set(thing: object, name: str, value: object) -> None:
    setattr(thing, name, value)


def _blind(run: Run, f: Fault) -> None:
    daemon = run.machines[f.node].daemon
    if daemon is None or daemon.dead:
        return
    watch = daemon.watch
    watch.hung += 1

    def see() -> None:
        watch.hung -= 1
        if f.chance < 0.5:
            watch.break_off()

    run.kernel.at(f.at + f.length, see)


def _break(run: Run, f: Fault) -> None:
    daemon = run.machines[f.node].daemon
    if daemon is not None:
        daemon.watch.break_off()


# --- machines and processes


def _pause(run: Run, f: Fault, *, daemon: bool, guardian: bool) -> None:
    machine = run.machines[f.node]
    for actor in (machine.daemon if daemon else None, machine.guardian if guardian else None):
        if actor is not None and not actor.dead:
            machine.hold(actor)
            run.kernel.at(f.at + f.length, machine.release, actor)


def _suspend(run: Run, f: Fault) -> None:
    machine = run.machines[f.node]
    if machine.powered and not machine.stopped:
        slept = (machine.daemon, machine.guardian)
        machine.suspend()
        run.kernel.at(f.at + f.length, machine.wake, slept)


def _crash_daemon(run: Run, f: Fault) -> None:
    run.machines[f.node].daemon_died()


def _crash_guardian(run: Run, f: Fault) -> None:
    run.machines[f.node].guardian_died()


def _crash_both(run: Run, f: Fault) -> None:
    first, second = run.machines[f.node].daemon_died, run.machines[f.node].guardian_died
    first()
    run.kernel.at(f.at + 0.2 * f.chance**2, second)


def _crash_machine(run: Run, f: Fault) -> None:
    machine = run.machines[f.node]
    if not machine.stopped:
        machine.power_off()
        run.kernel.at(f.at + f.length, machine.power_on)


def _crash_child(run: Run, f: Fault) -> None:
    machine = run.machines[f.node]
    for child in list(machine.children.values()):
        if child.term is not None or f.chance < 0.3:
            machine.later(0.0, machine.exit, child, 1)


# --- etcd


def _new_leader(run: Run, f: Fault) -> None:
    run.etcd.up = False
    run.kernel.at(min(run.plan.ends, f.at + 0.1 + 1.5 * f.chance), run.etcd.back_up)


def _no_quorum(run: Run, f: Fault) -> None:
    run.etcd.up = False
    run.kernel.at(f.at + f.length, run.etcd.back_up)


def _frozen_leader(run: Run, f: Fault) -> None:
    """Another leads soon; when the old one wakes it answers, and has leases revoked, from what it knew before."""
    etcd = run.etcd
    known = {lease: (held.granted, held.until) for lease, held in etcd.leases.items()}
    raft_term = etcd.raft_term
    _new_leader(run, f)

    def wakes() -> None:
        etcd.stale, etcd.stale_raft_term = known, raft_term
        for lease, (_, until) in known.items():
            if until <= etcd.time:
                run.kernel.at(run.kernel.now + 0.15 * run.kernel.random(), etcd.end_lease, lease, "early")

    if f.length > 2.0:
        run.kernel.at(f.at + f.length - WAKES_SECONDS, wakes)
        run.kernel.at(f.at + f.length, _set, etcd, "stale", None)


def _first(run: Run, f: Fault) -> ev.Candidate | None:
    names = sorted(run.etcd.queues)
    queue = run.etcd.queues[names[int(f.chance * 997) % len(names)]] if names else ()
    return queue[0] if queue else None


def _delete_key(run: Run, f: Fault) -> None:
    first = _first(run, f)
    if first is not None:
        run.etcd.delete(ElectionName(first.key.split("/")[2]), first.create_revision, "early")


def _delete_any_key(run: Run, f: Fault) -> None:
    names = sorted(run.etcd.queues)
    queue = run.etcd.queues[names[int(f.chance * 997) % len(names)]] if names else ()
    if queue:
        any_of = queue[int(f.chance * 991) % len(queue)]
        run.etcd.delete(ElectionName(any_of.key.split("/")[2]), any_of.create_revision, "early")


def _revoke_lease(run: Run, f: Fault) -> None:
    first = _first(run, f)
    if first is not None:
        run.etcd.end_lease(first.lease, "early")


def _compact(run: Run, f: Fault) -> None:
    for machine in run.machines:
        if machine.daemon is not None:
            machine.daemon.watch.break_off()


# --- people


def _post(run: Run, f: Fault, event: ev.Event) -> None:
    daemon = run.machines[f.node].daemon
    if daemon is not None:
        daemon.post(event)


def _reload(run: Run, f: Fault) -> None:
    machine = run.machines[f.node]
    machine.spec = changed(machine.spec, machine.base, f.chance)
    if machine.daemon is not None and not machine.daemon.dead:
        machine.daemon.load()


def _reload_storm(run: Run, f: Fault) -> None:
    for n in range(12):
        chance = (f.chance * (n + 7) * 13.7) % 1.0
        run.kernel.at(f.at + f.length * n / 12, _reload, run, replace(f, chance=chance))


def changed(present: Spec, base: Spec, chance: float) -> Spec:
    """The file after somebody's hand."""
    names = sorted(base.elections)
    name = names[int(chance * 983) % len(names)]
    e = base.elections[name]
    change = int(chance * 7)
    new: ElectionSpec | None = e
    if change == 0:
        new = None
    elif change == 1:
        new = replace(e, ttl_seconds=e.ttl_seconds + 1)
    elif change == 2:
        new = replace(e, proclaim=replace(e.proclaim, value={"n": chance}))
    elif change in (3, 4):
        first, *_ = sorted(e.leader)
        new = replace(e, leader={**e.leader, first: replace(e.leader[first], command=("/bin/other", str(chance)))})
    elections = {n: x for n, x in present.elections.items() if n != name}
    return replace(present, elections=elections if new is None else {**elections, name: new})


def _resign(run: Run, f: Fault) -> None:
    for name in run.plan.spec.elections:
        _post(run, f, oev.ResignRequested(election=name))


def _shutdown(run: Run, f: Fault) -> None:
    _post(run, f, ev.ShutdownRequested(reason="an operator"))


def _restart_process(run: Run, f: Fault) -> None:
    for e in run.plan.spec.elections.values():
        for p in e.leader.values():
            _post(run, f, RestartRequested(process=p.id))


def _wall_clock(run: Run, f: Fault) -> None:
    """Nothing here reads it. A mutant does."""
    run.machines[f.node].step_wall_clock((f.chance - 0.5) * 20)


HAPPEN: dict[str, Callable[[Run, Fault], None]] = {
    "cut": lambda r, f: _cut(r, f, up=True, down=True),
    "cut up": lambda r, f: _cut(r, f, up=True, down=False),
    "cut down": lambda r, f: _cut(r, f, up=False, down=True),
    "loss": _loss,
    "slow": _slow,
    "late answers": _late_answers,
    "blind": _blind,
    "break": _break,
    "pause daemon": lambda r, f: _pause(r, f, daemon=True, guardian=False),
    "pause guardian": lambda r, f: _pause(r, f, daemon=False, guardian=True),
    "pause both": lambda r, f: _pause(r, f, daemon=True, guardian=True),
    "suspend": _suspend,
    "crash daemon": _crash_daemon,
    "crash guardian": _crash_guardian,
    "crash both": _crash_both,
    "crash machine": _crash_machine,
    "crash child": _crash_child,
    "new leader": _new_leader,
    "no quorum": _no_quorum,
    "frozen leader": _frozen_leader,
    "delete key": _delete_key,
    "delete any key": _delete_any_key,
    "revoke lease": _revoke_lease,
    "compact": _compact,
    "reload": _reload,
    "reload storm": _reload_storm,
    "resign": _resign,
    "shutdown": _shutdown,
    "restart process": _restart_process,
    "wall clock": _wall_clock,
}
