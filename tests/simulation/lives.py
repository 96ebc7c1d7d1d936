"""What some plans have beside elections and faults: tasks, pre-stop commands, stop sequences, give-ups, gated candidacies, and
an operator who stops processes. Drawn apart from everything else, so that a seed means what it meant before.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from supervisor.core.names import ProcessId
from supervisor.core.operator_events import StartRequested, StopRequested
from supervisor.core.spec import (
    CampaignWhen,
    ElectionSpec,
    Need,
    ProcessKind,
    ProcessSpec,
    RestartPolicy,
    RestartSpec,
    Spec,
    StopSpec,
    StopTo,
)
from supervisor.core.stopping import BEFORE
from tests.core.world import process

if TYPE_CHECKING:
    from tests.simulation.guardian import Child
    from tests.simulation.machine import Machine
    from tests.simulation.run import Run

SHARE = 0.5
"""Of the plans."""
TASK = RestartSpec(policy=RestartPolicy.ON_FAILURE, limit=1_000_000, backoff_max_seconds=1.0)
FEW = RestartSpec(limit=2, backoff_max_seconds=1.0)


def of_seed(seed: int) -> Random | None:
    """The chances of a plan that has any of this; None for one that has not."""
    rng = Random(f"lives {seed}")
    return rng if rng.random() < SHARE else None


def lively(desired: Spec, rng: Random) -> Spec:
    """The file with more in it."""
    return replace(desired, elections={name: _election(e, rng) for name, e in desired.elections.items()})


def _election(e: ElectionSpec, rng: Random) -> ElectionSpec:
    leader = {name: _process(p, rng) for name, p in e.leader.items()}
    if rng.random() < 0.5:
        task = process("migrate", election=e.name, kind=ProcessKind.TASK, restart=TASK)
        leader = {name: replace(p, needs={**p.needs, task.id.name: Need.COMPLETED}) for name, p in leader.items()}
        leader[task.id.name] = task
    when = CampaignWhen.HEALTHY if e.follower and rng.random() < 0.6 else CampaignWhen.ALWAYS
    return replace(e, leader=leader, campaign_when=when, cooldown_min_seconds=rng.choice((1.0, 3.0, 10.0)))


def _process(p: ProcessSpec, rng: Random) -> ProcessSpec:
    stop: StopSpec = p.stop
    if rng.random() < 0.4:
        stop = replace(stop, before=("/bin/drain",), before_timeout_seconds=rng.choice((0.1, 0.5, 3.0)))
    if rng.random() < 0.3:
        whole = stop.timeout_seconds
        stop = replace(stop, then=(("SIGTERM", whole / 3), ("SIGQUIT", whole / 2)), to=rng.choice(list(StopTo)))
    return replace(p, stop=stop, restart=FEW if rng.random() < 0.3 else p.restart)


def begun(machine: Machine, child: Child) -> None:
    """A child that ends by itself: it does, some time."""
    random, seen = machine.kernel.random, machine.judge.seen
    if child.spec.id.name.endswith(BEFORE):
        seen["pre-stop commands"] += 1
        machine.later(1.5 * random() ** 2, machine.exit, child, int(random() < 0.2))
    elif child.spec.kind is ProcessKind.TASK:
        seen["tasks"] += 1
        fails = machine.link.noise and random() < 0.2
        machine.later(0.05 + 0.5 * random(), machine.exit, child, int(fails))


def operate(run: Run, rng: Random) -> None:
    """An operator stops processes, and starts them again some time later."""
    ends = run.plan.ends
    for _ in range(rng.randint(0, 4)):
        at, length, node, chance = (
            rng.uniform(3.0, ends),
            rng.uniform(0.1, 12.0),
            rng.randrange(run.plan.nodes),
            rng.random(),
        )
        run.kernel.at(at, _say, run, node, chance, StopRequested)
        run.kernel.at(min(ends, at + length), _say, run, node, chance, StartRequested)


def start_all(run: Run) -> None:
    """After the last fault: nothing is halted, and what was wrong is mended."""
    for machine in run.machines:
        if machine.daemon is not None and not machine.daemon.dead:
            for pid in list(machine.daemon.state.processes):
                machine.daemon.post(StartRequested(process=pid))


def _say(run: Run, node: int, chance: float, word: type[StartRequested | StopRequested]) -> None:
    daemon = run.machines[node].daemon
    known: list[ProcessId] = sorted(run.plan.spec.process_specs())
    if daemon is not None and not daemon.dead:
        run.judge.seen[word.__name__] += 1
        daemon.post(word(process=known[int(chance * 977) % len(known)]))
