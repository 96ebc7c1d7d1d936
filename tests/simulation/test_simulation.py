"""A small part of what ``python -m tests.simulation`` and ``make soak`` go through, and the proof that it finds what it should."""

from collections import Counter

import pytest

from tests.simulation import faults
from tests.simulation.faults import Plan
from tests.simulation.mutants import MUTANTS
from tests.simulation.run import run, shrink

SEEDS = 240
FOUND: dict[str, tuple[tuple[int | None, int], ...]] = {
    "phantom-leader": ((None, 1), (None, 2), (None, 4)),
    "zombie-candidate": ((None, 4), (None, 21), (None, 34)),
    "deadline-from-the-reply": ((1, 12), (1, 348)),
    "wall-clock": ((None, 44), (None, 79), (None, 174)),
    "release-before-dead": ((None, 4), (None, 6), (None, 7)),
    "start-at-once": ((None, 2), (None, 17), (None, 18)),
    "no-guardian": ((None, 16), (None, 25), (None, 26)),
    "kill-by-after-expiry": ((None, 16), (None, 20), (None, 25)),
    "resign-before-empty": ((None, 4), (None, 6), (None, 7)),
    "farewell-before-empty": ((None, 4), (None, 16), (None, 21)),
    "renewal-suffices": ((3, 2), (3, 9), (3, 14), (3, 18)),
    "any-end-is-natural": ((None, 2), (None, 6), (None, 19)),
    "deposed-leader-believed": ((8, 1339), (8, 1607)),
    "strike-ignored": ((12, 60), (12, 87), (12, 94), (12, 97)),
    "pre-stop-outside": ((None, 4), (None, 31), (None, 34)),
    "nobody-steps-aside": ((None, 2), (None, 4), (None, 7), (None, 11)),
    "pause-ignored": ((None, 2), (None, 7), (None, 11), (None, 17)),
    "priority-at-once": ((None, 11), (None, 16), (None, 54)),
    "stopped-not-awaited": ((13, 23), (13, 24), (13, 25)),
    "look-without-record": ((14, 8), (14, 9), (14, 11), (14, 13)),
    "look-begins-a-term": ((None, 221), (None, 257)),
}
"""Where each mutant is looked for: recipe (None: everything) and seed. Enough to be found however chance falls elsewhere."""


def plan_of(recipe: int | None, seed: int) -> Plan:
    return faults.plan(seed) if recipe is None else faults.focused(seed, recipe)


@pytest.mark.parametrize("first", range(1, SEEDS + 1, 30))
def test_nothing_is_violated(first: int) -> None:
    seen: Counter[str] = Counter()
    for seed in range(first, first + 30):
        outcome = run(faults.plan(seed))
        assert not outcome.violation, f"seed {seed}: {outcome.violation} (python -m tests.simulation --seed {seed})"
        seen += outcome.seen
    # A run that recorded nothing proves nothing.
    assert min(seen["terms"], seen["failovers"], seen["faults"]) > 30
    assert seen["steps"] > 10_000


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_product_is_found_and_the_whole_one_passes_the_same_seeds(name: str) -> None:
    plans = [plan_of(*where) for where in FOUND[name]]
    assert not [p.seed for p in plans if run(p).violation]
    with MUTANTS[name]():
        found = [p.seed for p in plans if run(p).violation]
    assert found, f"{name} is not found"


def test_a_seed_says_everything() -> None:
    one, two = run(faults.plan(7), trace=True), run(faults.plan(7), trace=True)
    assert one.trace == two.trace
    assert len(one.trace) > 500


def test_a_violation_is_shrunk_to_the_faults_that_it_takes() -> None:
    with MUTANTS["start-at-once"]():
        plan = faults.plan(18)
        assert run(plan).violation
        small = shrink(plan)
        assert run(small).violation
    assert 0 < len(small.faults) < len(plan.faults)
    assert not run(small).violation
