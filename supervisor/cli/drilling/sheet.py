"""What a drill has shown, as a table, a line or JSON. Promises: pure but for ``show_rounds``. Does not: judge."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final, TextIO

from supervisor.cli.render import show
from supervisor.cli.sheet import NOTHING, Cell, Column, Sheet, Table, Tone
from supervisor.core.drill import NANOSECONDS, Round, Span, Verdict, sentence

SCHEMA_VERSION: Final = 1
_TONES: Final = {Verdict.PASSED: Tone.GOOD, Verdict.UNSURE: Tone.WARN, Verdict.FAILED: Tone.BAD}
_SAME_NANOSECONDS: Final = 500_000
"""Less than half a millisecond apart is one figure in a table; JSON has both."""


def show_rounds(rounds: Sequence[Round], stream: TextIO, color: str) -> None:
    """The table, and the sentence that sums it up."""
    columns = (
        Column("#", right=True),
        Column("STRUCK"),
        Column("NODE", spare=1),
        Column("TOKEN", right=True, spare=1),
        Column("STOPPED AFTER", right=True),
        Column("NEXT"),
        Column("TOKEN", right=True, spare=1),
        Column("TOOK OVER AFTER", right=True),
        Column("OVERLAP", right=True),
        Column("GAP", right=True),
        Column("CLOCKS", right=True),
        Column("VERDICT", marked=True),
    )
    rows = tuple(_row(number, one) for number, one in enumerate(rounds, 1))
    worst = _worst(rounds)
    facts = (("verdict", Cell(worst.value, _TONES[worst])), ("drill", Cell(sentence(rounds))))
    remarks = tuple((f"round {n}", Cell(r.why, _TONES[r.verdict])) for n, r in enumerate(rounds, 1) if r.why)
    show(
        Sheet(facts=facts, tables=(Table(columns=columns, rows=rows),) if rows else (), remarks=remarks), stream, color
    )


def line(one: Round) -> str:
    """One round in one line."""
    told = f"{one.strike.kind.value}: {one.verdict.value}, overlap {_figure(one.overlap)}, gap {_figure(one.gap)}"
    return f"{told} ({one.why})" if one.why else told


def answer(election: str, ttl_seconds: float, rounds: Sequence[Round]) -> dict[str, object]:
    """For programs. Spans are ``[at least, at most]`` in seconds; instants nanoseconds of each machine's CLOCK_BOOTTIME."""
    return {
        "schema_version": SCHEMA_VERSION,
        "election": election,
        "ttl_seconds": ttl_seconds,
        "verdict": _worst(rounds).value,
        "sentence": sentence(rounds),
        "rounds": [_told(one) for one in rounds],
    }


def _worst(rounds: Sequence[Round]) -> Verdict:
    found = {one.verdict for one in rounds}
    return next((v for v in (Verdict.FAILED, Verdict.UNSURE, Verdict.PASSED) if v in found), Verdict.FAILED)


def _row(number: int, one: Round) -> tuple[Cell, ...]:
    apart = one.clock.most - one.clock.least
    return (
        Cell(str(number)),
        Cell(one.strike.kind.value),
        Cell(one.strike.node),
        Cell(str(one.strike.token)),
        Cell(_figure(one.stopped)),
        Cell(one.next_node or NOTHING),
        Cell(str(one.next_token) if one.next_token else NOTHING),
        Cell(_figure(one.taken)),
        Cell(_figure(one.overlap)),
        Cell(_figure(one.gap), Tone.STRONG),
        Cell(NOTHING if one.gap is None else "one" if apart == 0 else f"±{apart / 2 / 1e6:.1f} ms"),
        Cell(one.verdict.value, _TONES[one.verdict]),
    )


def _figure(span: Span | None) -> str:
    if span is None:
        return NOTHING
    least, most = span.seconds
    if most == 0:
        return "0"
    return f"{most:.3f} s" if span.most - span.least < _SAME_NANOSECONDS else f"{least:.3f}..{most:.3f} s"


def _told(one: Round) -> dict[str, object]:
    spans = {"overlap": one.overlap, "gap": one.gap, "stopped_after": one.stopped, "taken_over_after": one.taken}
    return {
        "struck": one.strike.kind.value,
        "struck_at_seconds": one.strike.at / NANOSECONDS,
        "node": one.strike.node,
        "token": one.strike.token,
        "next_node": one.next_node or None,
        "next_token": one.next_token or None,
        **{f"{name}_seconds": None if span is None else list(span.seconds) for name, span in spans.items()},
        "clock_ahead_seconds": list(one.clock.seconds),
        "verdict": one.verdict.value,
        "why": one.why or None,
        "terms": [{**asdict(term), "machine": term.machine or None} for term in one.terms],
    }
