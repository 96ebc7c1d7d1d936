"""``python -m tests.drills``: randomised rounds by seed; 1 on any overlap, any move that was not allowed, no convergence.

python -m tests.drills --seed 7 --rounds 200                 # all faults, both elections
python -m tests.drills --faults key-deleted,node-cut --ttl 5
python -m tests.drills --needless --rounds 50                # faults that must not move anybody at the TTL given
"""

import argparse
import random
import signal
import sys
import time

from tests.drills.drill import Result, drill, summary
from tests.drills.etcd_faults import QUOTA_BYTES
from tests.drills.faults import FAULTS, NEEDLESS, OF_ETCD, OF_NODES, PROMISED, together
from tests.drills.fleet import ELECTIONS, Fleet
from tests.drills.net import missing
from tests.etcd_server import BRISK, installed


def main() -> int:
    """The exit code."""
    options = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that all is taken down first
    if why := missing():
        print(f"drills: {why}", file=sys.stderr)
        return 2
    needless = tuple(name for name in NEEDLESS if FAULTS[name].must_stay(options.ttl))
    names = needless if options.needless else OF_NODES if options.pairs else PROMISED
    if options.faults:
        names = tuple(options.faults.split(","))
    if unknown := set(names) - set(FAULTS):
        print(f"drills: no such fault: {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}", file=sys.stderr)
        return 2
    seed = options.seed if options.seed is not None else time.time_ns() % 1_000_000
    binaries = next((b for b in installed() if b.version.startswith(options.etcd)), None)
    if binaries is None:
        print(f"drills: no etcd {options.etcd} here", file=sys.stderr)
        return 2
    print(f"seed {seed}, etcd {binaries.version}, {options.nodes} nodes, ttl {options.ttl} s, faults {','.join(names)}")
    fleet = Fleet(
        nodes=options.nodes,
        ttl_seconds=options.ttl,
        binaries=binaries,
        etcd_arguments=[*(BRISK if options.brisk else ()), "--quota-backend-bytes", str(QUOTA_BYTES)],
    )
    results: list[Result] = []
    try:
        fleet.__enter__()
        chance = random.Random(seed)
        _rounds(fleet, list(names), chance, rounds=options.rounds, pairs=options.pairs, results=results)
    finally:
        bad = [r for r in results if _bad(r)]
        fleet.close(keep=options.keep or bool(bad))
        print("\n".join(["", *summary(results), "", f"seed {seed}: {len(results)} rounds, {len(bad)} bad"]))
        if options.keep or bad:
            print(f"files: {fleet.home}")
    return 1 if bad or not results else 0


def _rounds(
    fleet: Fleet, names: list[str], chance: random.Random, *, rounds: int, pairs: bool, results: list[Result]
) -> None:
    """Every fault once in a random order, then again, until there were enough."""
    deck: list[str] = []
    for number in range(1, rounds + 1):
        if not deck:
            deck = chance.sample(names, len(names))
        # Chosen here, so that what one drill uses up does not change the next.
        one = random.Random(chance.randrange(2**62))
        fault = FAULTS[deck.pop()]
        if pairs:
            fault = together(fault, FAULTS[one.choice(OF_ETCD)])
        result = drill(fleet, fault, one.choice(ELECTIONS), one)
        results.append(result)
        print(f"{number:4} {result}", flush=True)
        for words in result.problems if _bad(result) else ():
            print(words, flush=True)


def _bad(result: Result) -> bool:
    promised = all(FAULTS[name].promised for name in result.fault.split("+"))
    return bool(result.problems or (promised and result.overlaps))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--faults", default="", help="names, with commas")
    parser.add_argument("--needless", action="store_true", help="only faults that must not move anybody")
    parser.add_argument("--pairs", action="store_true", help="with each, a fault of etcd at the same time")
    parser.add_argument("--ttl", type=int, default=5)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--etcd", default="3.5", help="its version, or how that begins")
    parser.add_argument("--brisk", action="store_true", help="etcd with short timeouts instead of its defaults")
    parser.add_argument("--keep", action="store_true", help="keep logs and beats")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
