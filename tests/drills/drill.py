"""One drill: a settled fleet, one fault, and what the record says about it afterwards.

Promises: the fault is always healed; a result tells every overlap that ended during the drill, the longest silence of
the election that was struck, and how often leadership moved; whatever is not as the fault allows is a problem.
"""

import random
import statistics
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tests.drills.checker import NANOSECONDS
from tests.drills.fault import Fault, Leads
from tests.drills.fleet import DrillError, Fleet, boottime

_MOVE_TTLS = 4.0
_MOVE_SECONDS = 10.0
"""Beside the TTLs: for a busy machine, and a daemon that must start first."""
_SETTLE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one fault."""

    fault: str
    election: str
    node: str
    """Who led when it began."""
    overlap_seconds: float
    """The longest; 0 when there was none."""
    gap_seconds: float
    """The longest silence of the election."""
    moves: int
    """Terms that began in the election."""
    moves_elsewhere: int
    """Terms that began in the other elections."""
    settle_seconds: float
    """From healing to convergence."""
    overlaps: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One row."""
        longest = max(self.overlaps, key=lambda words: float(words.split()[0]), default="")
        verdict = "; ".join(w.splitlines()[0] for w in (longest, *self.problems) if w) or "ok"
        return (
            f"{self.fault:30} {self.election:5} {self.node:3} overlap {self.overlap_seconds:6.3f}"
            f"  gap {self.gap_seconds:6.3f}  moves {self.moves}+{self.moves_elsewhere}"
            f"  settled {self.settle_seconds:5.1f}  {verdict}"
        )


def drill(fleet: Fleet, fault: type[Fault], election: str, chance: random.Random) -> Result:
    """Run one fault. Raises only when fleet and etcd are not whole to begin with; all else is in the result."""
    fleet.settle()
    fleet.wait(fleet.etcd.whole, "an etcd whose members hear each other", _SETTLE_SECONDS)
    before = _terms(fleet)
    since = boottime()
    one = fault(fleet, election, chance)
    node = one.node.name
    problems = [*_attempt(lambda: _strike(fleet, one)), *_attempt(one.heal)]
    healed = boottime()
    problems += _attempt(lambda: fleet.settle(_SETTLE_SECONDS))
    fleet.look()
    until = boottime()
    moves = {e: after - before[e] for e, after in _terms(fleet).items()}
    if fault.must_stay(fleet.ttl_seconds) and any(moves.values()):
        problems.append(f"needless move: {moves}\n{fleet.evidence()}")
    overlaps = fleet.record.overlaps(since)
    return Result(
        fault=fault.name,
        election=election,
        node=node,
        overlap_seconds=max((o.seconds for o in overlaps), default=0.0),
        gap_seconds=fleet.record.silence(election, since, until),
        moves=moves[election],
        moves_elsewhere=sum(moves.values()) - moves[election],
        settle_seconds=(until - healed) / NANOSECONDS,
        overlaps=tuple(map(str, overlaps)),
        problems=(*problems, *fleet.record.disorder(since)),
    )


def _strike(fleet: Fleet, fault: Fault) -> None:
    """The fault, for as long as it is to last, and until what must follow has followed."""
    token = fleet.token(fault.election)
    fault.inject()
    fleet.hold(fault.hold_ttls * fleet.ttl_seconds)
    if fault.leads is Leads.MOVE:
        fleet.wait(
            lambda: fleet.token(fault.election) > token and fleet.beats(fault.election),
            f"another leader of {fault.election} after {fault.name}",
            _MOVE_TTLS * fleet.ttl_seconds + _MOVE_SECONDS,
        )


def _attempt(what: Callable[[], None]) -> list[str]:
    """What went wrong, in words: a fault that could not be had is a bad round, and the next one is still run."""
    try:
        what()
    except (DrillError, RuntimeError, OSError, subprocess.SubprocessError) as error:
        return [f"{type(error).__name__}: {error}"]
    return []


def _terms(fleet: Fleet) -> dict[str, int]:
    return {election: len(fleet.record.terms(election)) for election in fleet.elections}


def summary(results: Sequence[Result]) -> Iterable[str]:
    """A table for people: a row per fault."""
    yield f"{'fault':30} rounds  worst overlap  median gap  worst gap  moves  problems"
    for name in sorted({r.fault for r in results}):
        those = [r for r in results if r.fault == name]
        gaps = [r.gap_seconds for r in those]
        yield (
            f"{name:30} {len(those):6}  {max(r.overlap_seconds for r in those):13.3f}"
            f"  {statistics.median(gaps):10.3f}  {max(gaps):9.3f}  {sum(r.moves for r in those):5}"
            f"  {sum(bool(r.problems) for r in those):8}"
        )
