"""What a ledger's entries say, for people and programs: one story for each term, and how long the gaps were.

Readers must expect anything, as with records: whoever may write to the range can write nonsense, and older versions wrote
less. What is not known is None or empty, never made up. Promises: pure. Does not: read etcd or files, or print.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from supervisor.core import document, records
from supervisor.core.names import Token

PERCENTILES = (50, 90, 99)
MOST_SECONDS = 1e10
"""A gap of three centuries is nonsense; so is a number that no float can hold."""
SURE = frozenset({"one-clock", "two-spans"})
"""Of the ways in which a gap is known (``ledger.GapBy``), those that measure all of it, and compare no clocks."""


class Standing(StrEnum):
    """Where a term stands, as far as is on record."""

    LEADING = "leading"
    """It is the newest, and nothing says that it ended: it goes on, or its node has died a moment ago."""
    ENDED = "ended"
    """It said so itself, or its guardian did."""
    SILENT = "silent"
    """It is over and nobody said why: cut off, or its machine died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The two entries of one term, as they were found; empty where there is none."""

    token: Token
    began: bytes = b""
    record: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One term. Times are wall clock, RFC 3339, UTC, by the clock of the term's own node; empty where not known."""

    token: Token
    node: str
    standing: Standing
    why_begun: str
    why_ended: str
    won: str
    ready: str
    lost: str
    """When it began to end."""
    ended: str
    """When its key was given up."""
    gap_seconds: float | None
    """For how long nobody had served when it was ready."""
    gap_by: str


class HasGap(Protocol):
    """A term as anybody may tell it."""

    @property
    def gap_seconds(self) -> float | None:
        """For how long nobody had served."""
        ...

    @property
    def gap_by(self) -> str:
        """How that is known."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """Percentiles (nearest rank) of the gaps that are known, in seconds; None where there is none."""

    count: int
    sure: int
    """So many of them are whole, and measured without comparing two clocks; the others are at least, or about, that long."""
    p50: float | None
    p90: float | None
    p99: float | None
    most: float | None


def stories(pages: Iterable[Page]) -> tuple[Story, ...]:
    """One for each term, newest first."""
    found = sorted(pages, key=lambda p: p.token, reverse=True)
    return tuple(_story(page, newest=n == 0) for n, page in enumerate(found))


def gaps(told: Sequence["HasGap"]) -> Gaps:
    """How long the gaps were."""
    known = sorted(s.gap_seconds for s in told if s.gap_seconds is not None)
    sure = sum(s.gap_seconds is not None and s.gap_by in SURE for s in told)
    p50, p90, p99 = (_rank(known, percent) for percent in PERCENTILES)
    return Gaps(count=len(known), sure=sure, p50=p50, p90=p90, p99=p99, most=known[-1] if known else None)


def _rank(ordered: Sequence[float], percent: int) -> float | None:
    return ordered[math.ceil(percent / 100 * len(ordered)) - 1] if ordered else None


def _story(page: Page, *, newest: bool) -> Story:
    began, record = records.fields(page.began), records.fields(page.record)
    both = {**began, **{key: value for key, value in record.items() if value not in (None, "")}}
    mark = record.get("mark")
    if mark == records.Mark.STOPPED:
        standing, cause = Standing.ENDED, _text(record.get("cause"))
    elif mark == records.Mark.OVER or not newest:
        standing, cause = Standing.SILENT, ""
    else:
        standing, cause = Standing.LEADING, ""
    gap = both.get("gap")
    known = isinstance(gap, int | float) and not isinstance(gap, bool) and 0 <= gap < MOST_SECONDS
    return Story(
        token=page.token,
        node=_text(both.get("node")),
        standing=standing,
        why_begun=_text(began.get("why")),
        why_ended=cause,
        won=_text(both.get("won")) or _text(both.get("since")),
        ready=_text(both.get("ready")),
        lost=_text(both.get("lost")),
        ended=_text(both.get("ended")),
        gap_seconds=float(gap) if known and isinstance(gap, int | float) else None,
        gap_by=_text(both.get("gap_by")) if known else "",
    )


def _text(value: object) -> str:
    return document.shown_name(value, longest=200) if isinstance(value, str) else ""
