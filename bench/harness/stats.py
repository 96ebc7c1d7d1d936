"""Medians with their spread, and ratios with theirs.

Promises: pure; the same samples give the same answer (the resampling has a fixed seed). Does not: throw outliers away, or
take a mean of anything.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

RESAMPLES = 2000
TAIL = 0.05
"""Left out at each end of an interval: 90 % of the resampled ratios are within."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What is told of a series."""

    count: int
    median: float
    p10: float
    p90: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """One median over another, and where it lies when the samples are drawn again."""

    value: float
    low: float
    high: float


def quantile(ordered: Sequence[float], share: float) -> float:
    """The sample at that share of an ordered series, by the nearest rank; ``ValueError`` for an empty one."""
    if not ordered:
        raise ValueError("no samples")
    return ordered[round(share * (len(ordered) - 1))]


def summary(samples: Sequence[float]) -> Summary:
    """Of a series in any order; ``ValueError`` for an empty one."""
    ordered = sorted(samples)
    return Summary(
        count=len(ordered), median=statistics.median(ordered) if ordered else quantile(ordered, 0.5),
        p10=quantile(ordered, 0.1), p90=quantile(ordered, 0.9), low=ordered[0], high=ordered[-1],
    )  # fmt: skip


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """Our median over theirs. Infinite when theirs is 0 and ours is not; 1 when both are."""
    random = Random(len(ours) * 1000 + len(theirs))
    drawn = sorted(
        _quotient(
            statistics.median(random.choices(ours, k=len(ours))),
            statistics.median(random.choices(theirs, k=len(theirs))),
        )
        for _ in range(RESAMPLES)
    )
    value = _quotient(statistics.median(ours), statistics.median(theirs))
    return Ratio(value=value, low=quantile(drawn, TAIL), high=quantile(drawn, 1 - TAIL))


def _quotient(ours: float, theirs: float) -> float:
    if theirs:
        return ours / theirs
    return float("inf") if ours else 1.0
