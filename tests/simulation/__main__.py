"""``python -m tests.simulation``: seeds until they are done, with what went wrong and how fast it went."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections import Counter
from statistics import median

from tests.simulation import faults
from tests.simulation.mutants import MUTANTS
from tests.simulation.run import Outcome, run, shrink

TAIL = 60


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--count", type=int, default=0, help="how many seeds (1, if no events are asked for)")
    parser.add_argument("--events", type=int, default=0, help="go on until this many events have been simulated")
    parser.add_argument("--recipe", type=int, choices=range(len(faults.FOCUSES)), help="nothing but these faults")
    parser.add_argument("--mutant", choices=sorted(MUTANTS), help="break the product in this way")
    parser.add_argument("--trace", action="store_true", help="print the whole trace")
    parser.add_argument("--keep-going", action="store_true", help="do not end at the first violation")
    parser.add_argument("--no-shrink", action="store_true")
    return parser.parse_args()


def _show(outcome: Outcome, *, whole: bool, shrunk: bool) -> None:
    plan = outcome.plan
    print(f"VIOLATION seed {plan.seed}: {outcome.violation}", flush=True)
    if shrunk:
        plan = shrink(plan)
    again = run(plan, trace=True)
    names = ", ".join(f"{e.name} ttl {e.ttl_seconds}" for e in plan.spec.elections.values())
    print(f"  {plan.nodes} nodes, {names}; {len(plan.faults)} of {len(outcome.plan.faults)} faults are enough:")
    for fault in plan.faults:
        print(f"    {fault}")
    print(f"  and then {again.violation}")
    for line in again.trace if whole else again.trace[-TAIL:]:
        print(f"    {line}")


def main() -> int:
    """Exit code 1 when anything was violated."""
    args = _arguments()
    seed, done, events, violations = args.seed, 0, 0, 0
    seen: Counter[str] = Counter()
    endings: Counter[str] = Counter()
    gaps: dict[str, list[float]] = {}
    virtual = 0.0
    count = args.count or (0 if args.events else 1)
    began = time.process_time()
    with MUTANTS[args.mutant]() if args.mutant else contextlib.nullcontext():
        while (count and done < count) or (args.events and events < args.events):
            plan = faults.plan(seed) if args.recipe is None else faults.focused(seed, args.recipe)
            outcome = run(plan, trace=args.trace and count == 1)
            seed, done, events, virtual = seed + 1, done + 1, events + outcome.events, virtual + outcome.seconds
            seen += outcome.seen
            endings += outcome.endings
            for why, lengths in outcome.gaps.items():
                gaps.setdefault(why, []).extend(lengths)
            if outcome.violation:
                violations += 1
                _show(outcome, whole=args.trace, shrunk=not args.no_shrink)
                if not args.keep_going:
                    break
            elif outcome.trace:
                print("\n".join(outcome.trace))
    took = time.process_time() - began
    print(f"seeds {args.seed} to {seed - 1}: {violations} violations")
    print(
        f"{events} events ({seen['steps']} steps of a core) in {took:.1f} s of one core: {events / took:.0f} a second;"
    )
    print(f"  {virtual:.0f} s of virtual time; {dict(sorted(seen.items()))}")
    print(f"  keys ended: {dict(endings)}")
    for why, lengths in sorted(gaps.items()):
        ordered = sorted(lengths)
        print(
            f"  next leader's first child after: {why}: {len(ordered)} times,"
            f" median {median(ordered):.4f} s, 90 % {ordered[int(len(ordered) * 0.9)]:.3f} s"
        )
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
