"""``supervisor history``: the terms of an election, and how long nobody led between them."""

import sys
from datetime import datetime

import click

from supervisor.cli import answers, completion
from supervisor.cli.calls import daemon
from supervisor.cli.etcd_options import etcd_options, typed
from supervisor.cli.options import color_option, socket_option
from supervisor.cli.render import show
from supervisor.cli.sheet import NOTHING, Cell, Column, Sheet, Table, Tone
from supervisor.cli.text import as_json
from supervisor.control import views
from supervisor.control.words import duration
from supervisor.core.history import Gaps, gaps
from supervisor.core.story import span

SHOWN = 20
_MARKS = {"key-gone": "≥ ", "wall-clocks": "~ "}
"""Before a gap: at least so long; about so long."""


@click.command()
@click.argument("election", shell_complete=completion.elections)
@click.option("-n", "number", type=click.IntRange(min=1), metavar="N", help=f"The last N terms. [default: {SHOWN}]")
@click.option("--json", "json_wanted", is_flag=True, help="One JSON object; schema_version 1. All terms without -n.")
@color_option
@etcd_options
@socket_option
def command(election: str, number: int | None, *, json_wanted: bool, color: str) -> int:
    """Show the terms of ELECTION, newest first: who led, why each began and ended, and the gaps between them.

    A gap is the time from the instant at which the earlier leader began to stop to the one at which all processes of the new
    term served. It is whole when one clock, or each node's own, measured it; "≥": the old leader left no word, and it counts
    from the end of its key; "~": the difference of two nodes' wall clocks. Times are UTC, by the clock of the term's node.
    The daemon is asked; with any option that says where etcd is, such as --file, etcd alone, from any machine.
    """
    if typed():
        from supervisor.cli.etcd import history  # noqa: PLC0415 # etcd's client, only where it is asked for

        found = history(election)
    else:
        with daemon() as connected:
            found = connected.history(election)
    terms = found.terms if json_wanted and number is None else found.terms[: number or SHOWN]
    known = gaps(terms)
    if json_wanted:
        click.echo(as_json(answers.history(found, terms, known), indent=2))
    else:
        show(history_sheet(found, terms, known), sys.stdout, color)
    return 0


def history_sheet(found: views.History, terms: tuple[views.TermStory, ...], known: Gaps) -> Sheet:
    """The terms, newest first, and the gaps between them."""
    columns = (
        Column("TERM", right=True),
        Column("NODE"),
        Column("WON"),
        Column("READY", right=True, spare=True),
        Column("LASTED", right=True),
        Column("GAP", right=True),
        Column("BEGAN", folds=True, spare=True),
        Column("ENDED", folds=True),
    )
    rows = tuple(
        (
            Cell(str(t.token)),
            Cell(t.node or "unknown", Tone.STRONG if t.standing == "leading" else Tone.PLAIN),
            Cell(t.won or "unknown"),
            Cell(_after(t.won, t.ready)),
            Cell(_lasted(t)),
            _gap(t),
            Cell(t.why_begun or NOTHING),
            _end(t),
        )
        for t in terms
    )
    facts = [("election", Cell(found.election)), ("gaps", Cell(_in_words(known)))]
    remarks: tuple[tuple[str, Cell], ...] = ()
    if found.source == "local":
        text = f"only this node's own terms: etcd could not be asked: {found.detail}"
        remarks = (("history", Cell(text, Tone.WARN)),)
    return Sheet(facts=tuple(facts), tables=(Table(columns=columns, rows=rows),) if rows else (), remarks=remarks)


def _in_words(known: Gaps) -> str:
    if known.p50 is None or known.p90 is None or known.p99 is None or known.most is None:
        return "none is known"
    text = (
        f"p50 {span(known.p50)}, p90 {span(known.p90)}, p99 {span(known.p99)}, max {span(known.most)} of {known.count}"
    )
    rest = known.count - known.sure
    return text + (f"; {rest} of them at least (≥) or about (~) so long" if rest else "")


def _gap(t: views.TermStory) -> Cell:
    if t.gap_seconds is None:
        return Cell(NOTHING, Tone.DIM)
    return Cell(_MARKS.get(t.gap_by, "") + span(t.gap_seconds))


def _end(t: views.TermStory) -> Cell:
    if t.standing == "leading":
        return Cell("leads", Tone.GOOD)
    if t.standing == "silent":
        return Cell("left no word: cut off, or its machine died", Tone.WARN)
    return Cell(t.why_ended or "ended")


def _after(earlier: str, later: str) -> str:
    seconds = _between(earlier, later)
    return NOTHING if seconds is None else f"+{span(seconds)}"


def _lasted(t: views.TermStory) -> str:
    seconds = _between(t.won, t.lost or t.ended)
    return NOTHING if seconds is None else duration(seconds)


def _between(earlier: str, later: str) -> float | None:
    """Two instants of one node's clock; None when one is missing, or the clock was set back."""
    try:
        seconds = (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
    except (ValueError, TypeError):
        return None
    return seconds if seconds >= 0 else None
