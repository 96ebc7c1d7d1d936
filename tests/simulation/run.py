"""One run from its seed: build, break, heal, and see it come to rest.

Promises: the same plan gives the same run; a violation carries the plan that showed it.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, replace
from random import Random

from supervisor.core.names import NodeName
from tests.simulation import faults, lives, movers
from tests.simulation.etcd import Etcd
from tests.simulation.faults import Plan
from tests.simulation.judge import Judge, ViolationError
from tests.simulation.kernel import Kernel
from tests.simulation.machine import Machine
from tests.simulation.network import Link

REST_TTLS = 4
REST_SECONDS = 15.0
"""With ``REST_TTLS``: how long after the last fault everything may take to come to rest."""
QUIET_TTLS = 3
TRACE_LINES = 100_000


@dataclass
class Outcome:
    """What a run has shown."""

    plan: Plan
    violation: str = ""
    events: int = 0
    seconds: float = 0.0
    """Of virtual time."""
    seen: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    gaps: dict[str, list[float]] = field(default_factory=dict)
    trace: list[str] = field(default_factory=list)


class Run:
    """Everything of one run."""

    def __init__(self, plan: Plan, *, trace: bool = False) -> None:
        self.plan = plan
        self.kernel = Kernel(Random(f"run {plan.seed}"), deque(maxlen=TRACE_LINES) if trace else None)
        random = self.kernel.random
        self.etcd = Etcd(self.kernel, drift=(random() - 0.5) * 4e-4)
        self.judge = Judge(self.kernel, self.etcd)
        self._leader: int | None = None
        self.links: list[Link] = []
        self.machines: list[Machine] = []
        for n in range(plan.nodes):
            name = f"node-{n}"
            link = Link(self.kernel, self.etcd)
            desired = movers.ranked(plan.seed, n, replace(plan.spec, node=NodeName(name)))
            machine = Machine(name, self.kernel, link, self.judge, desired)
            self.links.append(link)
            self.machines.append(machine)
            self.kernel.at(0.5 * random(), machine.start)
        self.judge.machines = self.machines
        movers.ask(self)
        for fault in plan.faults:
            self.kernel.at(fault.at, faults.begin, self, fault)
        if plan.lively:
            lives.operate(self, Random(f"operator {plan.seed}"))

    def leader(self) -> int:
        """The node that those faults mean which mean a leader."""
        if self._leader is None:
            leading = (n for n, m in enumerate(self.machines) if any(c.term is not None for c in m.children.values()))
            self._leader = next(leading, 0)
        return self._leader

    def go(self) -> None:
        """To the end, or to a ViolationError."""
        self.kernel.run(self.plan.ends)
        self._heal()
        self._rest()

    def _heal(self) -> None:
        for machine, link in zip(self.machines, self.links, strict=True):
            link.noise = False
            machine.spec = machine.base
            machine.power_on()
            if machine.daemon is None or machine.daemon.dead:
                machine.start_later(0.1)
            else:
                machine.daemon.load()
        lives.start_all(self)
        movers.take_back(self)

    def _rest(self) -> None:
        kernel, ttl = self.kernel, self.plan.ttl
        names = list(self.plan.spec.elections)
        kernel.run(kernel.now + ttl)
        limit = self.plan.ends + REST_TTLS * ttl + REST_SECONDS
        while why := self.judge.at_rest(self.machines, names):
            if kernel.now > limit:
                self.judge.broken(f"no rest {kernel.now - self.plan.ends:.0f} s after the last fault: {why}")
            kernel.run(kernel.now + 0.5)
        moves, rested = self.judge.moves, kernel.now
        kernel.run(rested + QUIET_TTLS * ttl)
        why = self.judge.at_rest(self.machines, names)
        if why or self.judge.moves != moves:
            self.judge.broken(f"at rest at {rested:.1f} s, and then not any more: {why or 'a leader moved'}")


def run(plan: Plan, *, trace: bool = False) -> Outcome:
    """Carry a plan out."""
    it = Run(plan, trace=trace)
    outcome = Outcome(plan)
    try:
        it.go()
    except ViolationError as violation:
        outcome.violation = str(violation)
    except Exception as error:
        error.add_note(f"seed {plan.seed} at {it.kernel.now:.4f} s")
        raise
    outcome.events = it.kernel.events
    outcome.seconds = it.kernel.now
    outcome.seen, outcome.endings, outcome.gaps = it.judge.seen, it.etcd.endings, it.judge.gaps
    outcome.trace = list(it.kernel.trace or ())
    return outcome


def shrink(plan: Plan, *, most: int = 200) -> Plan:
    """The fewest of its faults, found by leaving some out, that still break something."""
    faults_left, size = plan.faults, max(1, len(plan.faults) // 2)
    while size and most > 0:
        for start in range(0, len(faults_left), size):
            fewer = replace(plan, faults=faults_left[:start] + faults_left[start + size :])
            most -= 1
            if run(fewer).violation:
                faults_left = fewer.faults
                break
        else:
            size //= 2
    return replace(plan, faults=faults_left)
