"""One drill: a settled fleet, one fault, and what the record says about it afterwards.

Promises: the fault is always healed; a result tells every overlap that ended during the drill, the longest silence of
the election that was struck, and how often leadership moved; whatever is not as the fault allows is a problem.
"""

import random
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.drills.faults import Fault, Leads
from tests.drills.fleet import ELECTIONS, DrillError, Fleet, boottime

_MOVE_TTLS = 4.0
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
        verdict = "; ".join(w.splitlines()[0] for w in (*self.overlaps, *self.problems)) or "ok"
        return (
            f"{self.fault:30} {self.election:5} {self.node:3} overlap {self.overlap_seconds:6.3f}"
            f"  gap {self.gap_seconds:6.3f}  moves {self.moves}+{self.moves_elsewhere}"
            f"  settled {self.settle_seconds:5.1f}  {verdict}"
        )


def drill(fleet: Fleet, fault: type[Fault], election: str, chance: random.Random) -> Result:
    """Run one fault. Never raises for what the product does: that is in the result."""
    fleet.settle()
    before = {e: len(fleet.record.terms(e)) for e in ELECTIONS}
    token = fleet.token(election)
    since = boottime()
    problems: list[str] = []
    one = fault(fleet, election, chance)
    node = one.node.name
    try:
        one.inject()
        fleet.hold(fault.hold_ttls * fleet.ttl_seconds)
        if fault.leads is Leads.MOVE:
            fleet.wait(
                lambda: fleet.token(election) > token and fleet.beats(election),
                f"another leader of {election} after {fault.name}", _MOVE_TTLS * fleet.ttl_seconds + 10,
            )  # fmt: skip
    except DrillError as error:
        problems.append(str(error))
    finally:
        one.heal()
    healed = boottime()
    try:
        fleet.settle(_SETTLE_SECONDS)
    except DrillError as error:
        problems.append(str(error))
    fleet.look()
    until = boottime()
    moves = {e: len(fleet.record.terms(e)) - before[e] for e in ELECTIONS}
    if fault.leads is Leads.STAY and any(moves.values()):
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
        settle_seconds=(until - healed) / 1e9,
        overlaps=tuple(map(str, overlaps)),
        problems=(*problems, *fleet.record.disorder()),
    )


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
