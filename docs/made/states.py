"""docs/reference/states.md: the phases of elections and of processes, and which follows which.

Phases and their words are those of the enums. Which follows which is *seen*, not written down: the pure core is driven by the stories
of ``tests/core/test_scenarios`` and by seeds of the simulation, and every step's transitions are noted. The same code gives the same
page. An arrow is a transition that happens; one that is not there was not seen in these runs, which is not a proof that it cannot be.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from unittest.mock import patch

from docs.made.reading import MADE, PACKAGE, agree, members, table
from supervisor.core import events as ev
from supervisor.core import machine
from supervisor.core.actions import Action
from supervisor.core.names import Instant
from supervisor.core.state import ElectionPhase, ProcessPhase, State
from tests.core import test_scenarios
from tests.simulation import faults
from tests.simulation.run import run

STORIES = (
    test_scenarios.failover, test_scenarios.cut_off, test_scenarios.key_deleted, test_scenarios.crash_loop, test_scenarios.a_life,
    test_scenarios.a_sick_standby,
)  # fmt: skip
SEEDS = range(1, 13)
"""More of them show little more, and `make check` waits for this page."""
Seen = Counter[tuple[StrEnum, StrEnum]]
HEAD = """\
# States

Where an election stands on one node, and where a process does. The phases are those of `status` and of the metrics. The arrows were *seen*, in the
stories of `tests/scenarios` and in {seeds} seeds of the simulation with all its faults: what one step of the core made of one event. What is decided
in several at once (a step may do several things) is one arrow. That a leader process is alive in `leading` and `stepping-down` only is an invariant
that every one of these steps was checked for.

"""


def page() -> str:
    """The page."""
    seen: Seen = Counter()
    with _noting(seen):
        for story in STORIES:
            story()
        for seed in SEEDS:
            outcome = run(faults.plan(seed))
            assert not outcome.violation, outcome.violation
    lines = [
        "## Of an election",
        "",
        *_diagram(seen, ElectionPhase),
        "## Of a process",
        "",
        *_diagram(seen, ProcessPhase),
    ]
    text = MADE.format(
        source="the enums of supervisor/core/state.py and what the core did in tests/scenarios and tests/simulation"
    )
    return text + HEAD.format(seeds=len(SEEDS)) + "\n".join(lines).rstrip() + "\n"


@contextmanager
def _noting(seen: Seen) -> Iterator[None]:
    """While open, every step of the core is looked at."""
    step = machine.step

    def noted(state: State, event: ev.Event, *, now: Instant) -> tuple[State, tuple[Action, ...]]:
        after, actions = step(state, event, now=now)
        if state.elections is not after.elections:
            for name, e in after.elections.items():
                was = state.elections.get(name)
                if was is not None and was is not e and was.phase is not e.phase:
                    seen[was.phase, e.phase] += 1
        if state.processes is not after.processes:
            for pid, p in after.processes.items():
                before = state.processes.get(pid)
                if before is not None and before is not p and before.phase is not p.phase:
                    seen[before.phase, p.phase] += 1
        return after, actions

    with patch.object(machine, "step", noted):
        yield


def _diagram(seen: Seen, phases: type[ElectionPhase] | type[ProcessPhase]) -> Iterator[str]:
    edges = {(a, b) for a, b in seen if isinstance(a, phases)}
    agree(f"phases that were seen: {phases.__name__}", told={p for edge in edges for p in edge}, there=set(phases))
    order = {phase: number for number, phase in enumerate(phases)}
    yield from ("```mermaid", "stateDiagram-v2", f"  [*] --> {_id(next(iter(phases)))}")
    yield from (f'  state "{phase.value}" as {_id(phase)}' for phase in phases if "-" in phase.value)
    yield from (f"  {_id(a)} --> {_id(b)}" for a, b in sorted(edges, key=lambda edge: (order[edge[0]], order[edge[1]])))
    yield from ("```", "")
    told = members(PACKAGE / "core" / "state.py", phases.__name__)
    rows = [
        (f"`{p.value}`", told[p.name], ", ".join(f"`{b.value}`" for b in phases if (p, b) in edges)) for p in phases
    ]
    yield from table(("phase", "means", "then"), rows)


def _id(phase: StrEnum) -> str:
    return phase.value.replace("-", "_")
