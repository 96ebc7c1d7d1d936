"""What a drill has shown: from the beats of its probes to overlap, gap and a verdict.

Promises: pure, and judges by what the probes wrote and by nothing that the product says of itself. Every figure is a span
from *at least* to *at most*: where two machines have two clocks, what is not known of their difference is in it; a term
counts from its probe's first beat, and its end lies between the last beat and the instant at which its process was seen to
be gone. A drill that recorded nothing has failed. Does not: know why (``docs/guarantees.md`` does).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Final

NANOSECONDS: Final = 1_000_000_000
HERE: Final = ""
"""In place of a machine: the one whose clock all are brought to."""


class BadBeatsError(Exception):
    """The record itself is wrong, so nothing can be concluded from it."""


class Kind(StrEnum):
    """What is done to the scratch daemon of the node that leads."""

    KILL = "kill"
    """SIGKILL."""
    FREEZE = "freeze"
    """SIGSTOP, for longer than its lease lives; then SIGCONT."""
    PARTITION = "partition"
    """Every packet from it and to it is dropped, for longer than its lease lives."""


class Verdict(StrEnum):
    """What came of a round."""

    PASSED = "passed"
    """Another took over, and no two terms were alive at once: proven."""
    UNSURE = "unsure"
    """None were seen alive at once, but the clocks, or the beats, are too coarse to prove it."""
    FAILED = "failed"
    """Two were alive at once, nobody took over, the tokens did not rise, or nothing was recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """What the probe of one term wrote. Nanoseconds of CLOCK_BOOTTIME of its machine."""

    node: str
    machine: str
    token: int
    first: int
    last: int
    beats: int
    longest: int
    """The longest time between two beats."""
    gone: int | None = None
    """When its process was seen to be gone; None: not yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """A question put to another machine and its answer: ``at`` is there, between ``sent`` and ``heard`` here."""

    sent: int
    at: int
    heard: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """At least and at most, in nanoseconds."""

    least: int
    most: int

    @property
    def seconds(self) -> tuple[float, float]:
        """Both, in seconds."""
        return self.least / NANOSECONDS, self.most / NANOSECONDS


ZERO: Final = Span(least=0, most=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """What was done, to whom and when (by the clock of HERE)."""

    kind: Kind
    node: str
    token: int
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What is known of one strike and what followed."""

    strike: Strike
    verdict: Verdict
    why: str
    """Of a verdict other than ``PASSED``, in words."""
    overlap: Span | None = None
    """The longest for which two terms were alive at once; None where nothing was recorded."""
    gap: Span | None = None
    """From the end of the term that was struck to the first beat of the next; None when nobody took over."""
    stopped: Span | None = None
    """From the strike to the end of the term that was struck."""
    taken: Span | None = None
    """From the strike to the first beat of the next."""
    next_node: str = ""
    next_token: int = 0
    clock: Span = ZERO
    """By how much the next one's clock was ahead of ours: how wide that is, is how sure the figures are."""
    terms: tuple[Term, ...] = ()
    """What was judged."""


class Beats:
    """The beats of one machine's probes. Feed it text as it comes."""

    def __init__(self, machine: str) -> None:
        self._machine = machine
        self._terms: dict[tuple[int, int], Term] = {}
        self._rest = ""

    def feed(self, text: str) -> None:
        """More of the record, wherever it was cut: ``node token nanoseconds pid`` a line. Raises BadBeatsError."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._add(line)

    def gone(self, pid: int, at: int) -> None:
        """The process of a term was seen to be gone."""
        for key, term in self._terms.items():
            if key[1] == pid and term.gone is None:
                self._terms[key] = _but(term, gone=max(at, term.last))

    @property
    def terms(self) -> tuple[Term, ...]:
        """One for each process, the oldest token first."""
        return tuple(sorted(self._terms.values(), key=lambda t: (t.token, t.first)))

    def living(self) -> tuple[int, Term] | None:
        """Pid and term of the process that began last and is not known to be gone."""
        found = [(key[1], term) for key, term in self._terms.items() if term.gone is None]
        return max(found, key=lambda one: one[1].first, default=None)

    def _add(self, line: str) -> None:
        words = line.split(" ")
        if len(words) != 4 or not all(word.isdecimal() for word in words[1:]) or not words[0]:
            raise BadBeatsError(f"not a beat: {line[:80]!r}")
        token, at, pid = (int(word) for word in words[1:])
        before = self._terms.get((token, pid))
        if before is None:
            self._terms[token, pid] = Term(
                node=words[0], machine=self._machine, token=token, first=at, last=at, beats=1, longest=0
            )
        elif at < before.last:
            raise BadBeatsError(f"time runs backwards within process {pid}: {at} after {before.last}")
        else:
            longest = max(before.longest, at - before.last)
            self._terms[token, pid] = _but(before, last=at, beats=before.beats + 1, longest=longest)


def offset(pings: Iterable[Ping]) -> Span | None:
    """By how much a machine's clock is ahead of ours: within this, whatever way the round trips were split. None: unknown.

    ``at - heard <= ahead <= at - sent`` holds for every ping; of many, the narrowest of both sides. Pings that contradict each
    other were made by clocks that drifted, or were stepped: then all that any of them allows.
    """
    found = [(p.at - p.heard, p.at - p.sent) for p in pings if p.heard >= p.sent]
    if not found:
        return None
    least, most = max(f[0] for f in found), min(f[1] for f in found)
    if least > most:
        least, most = min(f[0] for f in found), max(f[1] for f in found)
    return Span(least=least, most=most)


def hull(one: Span, other: Span) -> Span:
    """What either allows: of a clock that was compared before and after, whatever it did between."""
    return Span(least=min(one.least, other.least), most=max(one.most, other.most))


def judge(strike: Strike, all_terms: Sequence[Term], ahead: Mapping[str, Span]) -> Round:
    """One round, by the terms that may have been alive at the strike or began after it. ``ahead``: see ``offset``, by machine."""
    known = [t for t in all_terms if t.machine == HERE or t.machine in ahead]
    over = {t for t in known if t.token < strike.token and _ended(t, _ahead(t, ahead)).most < strike.at}
    terms = tuple(t for t in all_terms if t not in over)
    if unknown := sorted({t.machine for t in terms} - ahead.keys() - {HERE}):
        return _failed(strike, f"the clock of {', '.join(unknown)} was never compared with ours")
    struck = next((t for t in terms if t.token == strike.token and t.node == strike.node), None)
    if struck is None or struck.first > strike.at:
        return _failed(strike, "nothing was recorded of the term that was struck")
    overlap = _worst_overlap(terms, ahead)
    later = sorted((t for t in terms if t.token > strike.token), key=lambda t: t.token)
    if not later:
        return _failed(strike, "nobody took over", overlap=overlap)
    heir = later[0]
    shift = _shifts(struck, heir, ahead)
    ended, begun = _ended(struck, shift[0]), _at(heir.first, shift[1])
    verdict, why = _verdict(terms, overlap, ahead)
    return Round(
        strike=strike,
        verdict=verdict,
        why=why,
        overlap=overlap,
        gap=Span(least=max(0, begun.least - ended.most), most=max(0, begun.most - ended.least)),
        stopped=Span(least=max(0, ended.least - strike.at), most=max(0, ended.most - strike.at)),
        taken=_at(heir.first - strike.at, _ahead(heir, ahead)),
        next_node=heir.node,
        next_token=heir.token,
        clock=_ahead(heir, ahead),
        terms=terms,
    )


def _verdict(terms: Sequence[Term], overlap: Span, ahead: Mapping[str, Span]) -> tuple[Verdict, str]:
    if overlap.least > 0:
        return Verdict.FAILED, f"two terms were alive at once for {overlap.least / NANOSECONDS:.3f} s or more"
    for one, other in combinations(sorted(terms, key=lambda t: t.token), 2):
        a, b = _shifts(one, other, ahead)
        if one.token < other.token and _at(one.first, a).least > _at(other.first, b).most:
            return Verdict.FAILED, f"token {one.token} of {one.node} began after token {other.token} of {other.node}"
    holders: dict[int, set[str]] = {}
    for term in terms:
        holders.setdefault(term.token, set()).add(term.node)
    if shared := [token for token, nodes in holders.items() if len(nodes) > 1]:
        return Verdict.FAILED, f"two nodes had the same token: {', '.join(map(str, shared))}"
    if overlap.most > 0:
        most = overlap.most / NANOSECONDS
        return Verdict.UNSURE, f"none were seen alive at once, but up to {most:.3f} s of it could have escaped"
    return Verdict.PASSED, ""


def _worst_overlap(terms: Sequence[Term], ahead: Mapping[str, Span]) -> Span:
    """The longest for which two processes of different terms, or nodes, can have been alive at once."""
    least = most = 0
    for one, other in combinations(terms, 2):
        if (one.token, one.node) == (other.token, other.node):
            continue  # one term's process, and the one that was started after it
        a, b = _shifts(one, other, ahead)
        ends, begins = (_ended(one, a), _ended(other, b)), (_at(one.first, a), _at(other.first, b))
        least = max(least, min(e.least for e in ends) - max(s.most for s in begins))
        most = max(most, min(e.most for e in ends) - max(s.least for s in begins))
    return Span(least=least, most=most)


def _shifts(one: Term, other: Term, ahead: Mapping[str, Span]) -> tuple[Span, Span]:
    """How far both clocks are ahead; of two terms on one clock nothing is unknown."""
    if one.machine == other.machine:
        exact = _ahead(one, ahead).least
        return Span(least=exact, most=exact), Span(least=exact, most=exact)
    return _ahead(one, ahead), _ahead(other, ahead)


def _ahead(term: Term, ahead: Mapping[str, Span]) -> Span:
    return ZERO if term.machine == HERE else ahead[term.machine]


def _at(instant: int, ahead: Span) -> Span:
    """An instant of a clock that is so much ahead, by ours."""
    return Span(least=instant - ahead.most, most=instant - ahead.least)


def _ended(term: Term, ahead: Span) -> Span:
    """When the term's process ended: not before its last beat; not after it was seen gone, or its next beat was due."""
    latest = term.gone if term.gone is not None else term.last + term.longest
    return Span(least=term.last - ahead.most, most=latest - ahead.least)


def _failed(strike: Strike, why: str, overlap: Span | None = None) -> Round:
    return Round(strike=strike, verdict=Verdict.FAILED, why=why, overlap=overlap)


def _but(term: Term, **changes: int) -> Term:
    kept = {name: getattr(term, name) for name in Term.__slots__}
    return Term(**(kept | changes))


def sentence(rounds: Sequence[Round]) -> str:
    """All of a drill in one sentence: overlap and gap of every kind, and what is wrong with any."""
    if not rounds:
        return "nothing was recorded: the drill has failed"
    kinds = list(dict.fromkeys(r.strike.kind for r in rounds))
    return "; ".join(_of_kind(kind, [r for r in rounds if r.strike.kind is kind]) for kind in kinds)


def _of_kind(kind: Kind, rounds: Sequence[Round]) -> str:
    bad = [r for r in rounds if r.verdict is Verdict.FAILED]
    unsure = [r for r in rounds if r.verdict is Verdict.UNSURE]
    gaps = sorted(r.gap.most for r in rounds if r.gap is not None)
    told = []
    if any(r.overlap is not None for r in rounds):
        sure = max(r.overlap.least for r in rounds if r.overlap is not None)
        most = max(r.overlap.most for r in rounds if r.overlap is not None)
        if sure or not most:
            told.append(f"overlap {sure / NANOSECONDS:.3f} s" if sure else "overlap 0")
        else:
            told.append(f"overlap between 0 and {most / NANOSECONDS:.3f} s")
    if len(gaps) > 1:
        middle, longest = gaps[(len(gaps) - 1) // 2], gaps[-1]
        told.append(f"gap {middle / NANOSECONDS:.3f} s (median), {longest / NANOSECONDS:.3f} s at most")
    elif gaps:
        told.append(f"gap {gaps[0] / NANOSECONDS:.3f} s")
    if bad:
        told.append(f"{len(bad)} FAILED: {bad[0].why}")
    elif unsure:
        told.append(f"{len(unsure)} not proven: {unsure[0].why}")
    count = f"{len(rounds)} round{'s' if len(rounds) > 1 else ''}"
    return f"{kind.value}, {count}: {', '.join(told)}"
