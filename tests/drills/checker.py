"""Judges a drill by what its leader processes wrote, and by nothing else.

Promises: from the lines of ``beat.py`` it computes the interval of every process, every overlap of two terms of one
election, every silence, and whether the tokens rise; a line it cannot read is an error, never skipped; a record that
holds nothing is an error, never a success. Pure: text in, findings out; time is what the lines say.
Does not: know the product. A process is seen from its first beat to its last, so an overlap shorter than the distance
of two beats can escape; that is why they beat every few milliseconds.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

KINDS = frozenset({"start", "beat", "daemon"})
NANOSECONDS = 1_000_000_000


class BadBeatsError(Exception):
    """The record itself is wrong, so nothing can be concluded from it."""


class NothingRecordedError(BadBeatsError):
    """No beat at all: whatever ran, it proved nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """One line."""

    election: str
    node: str
    token: int
    at: int
    """CLOCK_BOOTTIME in nanoseconds."""
    pid: int
    kind: str


def parse(line: str) -> Beat:
    """One line of the record. Raises BadBeatsError."""
    words = line.split(" ")
    if len(words) != 6:
        raise BadBeatsError(f"not 6 words: {line!r}")
    election, node, token, at, pid, kind = words
    if not (token.isdecimal() and at.isdecimal() and pid.isdecimal()):
        raise BadBeatsError(f"token, time and pid must be numbers: {line!r}")
    if kind not in KINDS or not election or not node:
        raise BadBeatsError(f"unknown kind, or no name: {line!r}")
    return Beat(election=election, node=node, token=int(token), at=int(at), pid=int(pid), kind=kind)


@dataclass(slots=True, kw_only=True)
class Interval:
    """From a process's first beat to its last."""

    election: str
    node: str
    token: int
    pid: int
    first: int
    last: int
    beats: int = 1

    def __str__(self) -> str:
        """For people: who and when."""
        return (
            f"{self.election}: {self.node} token {self.token} pid {self.pid} "
            f"{self.first / NANOSECONDS:.3f}..{self.last / NANOSECONDS:.3f} ({self.beats} beats)"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Two processes of different terms at once."""

    one: Interval
    other: Interval
    seconds: float

    def __str__(self) -> str:
        """For people: how long, and which two."""
        return f"{self.seconds:.3f} s of two terms at once: [{self.one}] and [{self.other}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """From the last beat of one term to the first of the next. Negative when they overlap."""

    election: str
    before: int
    after: int
    seconds: float


@dataclass(slots=True)
class _Series:
    """One election's beats, in the order in which they were written."""

    intervals: dict[tuple[str, int, int], Interval] = field(default_factory=dict)
    instants: list[int] = field(default_factory=list)


class Record:
    """Everything that was written so far. Feed it text as it comes; ask it whenever you like."""

    def __init__(self) -> None:
        self._series: dict[str, _Series] = defaultdict(_Series)
        self._rest = ""

    def feed(self, text: str) -> None:
        """More of the file, wherever it was cut. Raises BadBeatsError."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._add(parse(line))

    def finish(self) -> None:
        """The file ends here. Raises BadBeatsError when that is in the middle of a line, or when nothing came."""
        if self._rest:
            raise BadBeatsError(f"the record ends within a line: {self._rest!r}")
        if not self._series:
            raise NothingRecordedError("nothing was recorded")

    def _add(self, beat: Beat) -> None:
        series = self._series[beat.election]
        who = (beat.node, beat.token, beat.pid)
        interval = series.intervals.get(who)
        if interval is None:
            series.intervals[who] = Interval(
                election=beat.election, node=beat.node, token=beat.token, pid=beat.pid, first=beat.at, last=beat.at
            )
        elif beat.at < interval.last:
            raise BadBeatsError(f"time runs backwards within pid {beat.pid}: {beat.at} after {interval.last}")
        else:
            interval.last = beat.at
            interval.beats += 1
        series.instants.append(beat.at)

    # --- findings ----------------------------------------------------------------------------------------------------

    @property
    def elections(self) -> tuple[str, ...]:
        """Those that anybody beat for."""
        return tuple(self._series)

    def intervals(self, election: str) -> list[Interval]:
        """Every process of an election, by its first beat."""
        return sorted(self._series[election].intervals.values(), key=lambda i: i.first)

    def terms(self, election: str) -> list[Interval]:
        """One interval per token, from the first beat of its first process to the last of its last; pid is the first's."""
        terms: dict[int, Interval] = {}
        for one in self.intervals(election):
            term = terms.get(one.token)
            if term is None:
                terms[one.token] = Interval(
                    election=election, node=one.node, token=one.token, pid=one.pid,
                    first=one.first, last=one.last, beats=one.beats,
                )  # fmt: skip
            else:
                term.last = max(term.last, one.last)
                term.beats += one.beats
        return sorted(terms.values(), key=lambda t: t.first)

    def overlaps(self, since: int = 0) -> list[Overlap]:
        """Every pair of processes of different terms, or nodes, seen alive at one instant, unless it ended before."""
        found = (o for e in self._series for o in _overlaps(self.intervals(e)))
        return [o for o in found if min(o.one.last, o.other.last) >= since]

    def gaps(self, election: str) -> list[Gap]:
        """Between each term and the next."""
        terms = self.terms(election)
        return [
            Gap(election=election, before=a.token, after=b.token, seconds=(b.first - a.last) / NANOSECONDS)
            for a, b in pairwise(terms)
        ]

    def silence(self, election: str, since: int, until: int) -> float:
        """The longest time without any beat of the election between two instants, in seconds."""
        inside = sorted(at for at in self._recent(election, since) if since <= at <= until)
        edges = [since, *inside, until]
        return max(b - a for a, b in pairwise(edges)) / NANOSECONDS

    def disorder(self, since: int = 0) -> list[str]:
        """Tokens that do not rise, or that two nodes have, by processes that began since then; in words."""
        return [words for e in self._series for at, words in _disorder(e, self.intervals(e)) if at >= since]

    def latest(self, election: str) -> Interval | None:
        """The process that began last; None before the first beat."""
        intervals = self._series[election].intervals if election in self._series else {}
        return max(intervals.values(), key=lambda i: (i.token, i.first), default=None)

    def alive(self, election: str, since: int) -> list[Interval]:
        """The processes that beat at that instant or after it."""
        intervals = self._series[election].intervals.values() if election in self._series else ()
        return [i for i in intervals if i.last >= since]

    def _recent(self, election: str, since: int) -> Iterable[int]:
        """The instants from ``since`` on, found from the end: a long soak asks about its last seconds only."""
        if election not in self._series:
            return
        slack = since - 5 * NANOSECONDS  # a writer may be held up between its clock and its write
        for at in reversed(self._series[election].instants):
            if at < slack:
                return
            yield at


def _overlaps(intervals: list[Interval]) -> Iterator[Overlap]:
    running: list[Interval] = []
    for one in intervals:  # by first beat: what ended before this one began cannot overlap a later one either
        running = [r for r in running if r.last >= one.first]
        for other in running:
            if other.token != one.token or other.node != one.node:
                seconds = (min(one.last, other.last) - one.first) / NANOSECONDS
                yield Overlap(one=other, other=one, seconds=seconds)
        running.append(one)


def _disorder(election: str, intervals: list[Interval]) -> Iterator[tuple[int, str]]:
    highest = 0
    nodes: dict[int, str] = {}
    for one in intervals:
        if one.token < highest:
            yield one.first, f"{election}: token {one.token} of {one.node} began after token {highest}"
        highest = max(highest, one.token)
        if nodes.setdefault(one.token, one.node) != one.node:
            yield one.first, f"{election}: token {one.token} of both {nodes[one.token]} and {one.node}"


def read(text: str) -> Record:
    """A whole record. Raises BadBeatsError, and NothingRecordedError when it is empty."""
    record = Record()
    record.feed(text)
    record.finish()
    return record
