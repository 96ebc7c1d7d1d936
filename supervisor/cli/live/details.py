"""What one election, one process or the node is like, in full: read when it is asked for, and shown as it was then.

Promises: asks the daemon a few times at most, in the caller's thread. Does not: refresh itself.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from supervisor.cli import history, why
from supervisor.cli.render import STYLES, rich_table
from supervisor.cli.sheet import NOTHING, Cell, Column, Table, Tone, sheet
from supervisor.cli.text import safe
from supervisor.control import client, views
from supervisor.control.client import Client
from supervisor.control.words import duration
from supervisor.core.history import gaps

TERMS: Final = 8
EVENTS: Final = 20


def election(connected: Client, name: str) -> RenderableType:
    """How it stands and why, who else stands, its last terms."""
    (e,) = connected.status(name).elections
    told = why.sentences(e, list(connected.events(name, lines=EVENTS)))
    parts: list[RenderableType] = [*map(_sentence, told)]
    queue = connected.queue(name)
    if queue.candidates:
        parts += ["", _heading("Who stands, the leader first"), rich_table(_candidates(queue))]
    try:
        found = connected.history(name)
    except client.UnknownName:
        return Group(*parts)
    if terms := found.terms[:TERMS]:
        whence = "" if found.source == "etcd" else f" (only this node's own: etcd could not be asked: {found.detail})"
        parts += [
            "",
            _heading(f"The last terms{whence}"),
            *_tables(history.history_sheet(found, terms, gaps(terms)).tables),
        ]
    return Group(*parts)


def process(connected: Client, name: str) -> RenderableType:
    """What is known of it, and how it ended before."""
    status = connected.status(name, exits=True)
    (p,) = (p for p in status.processes if p.name == name)
    shown = sheet(status)
    parts: list[RenderableType] = [_line(label, text) for label, text in _facts(p) if text]
    parts += [part for found in shown.tables[-1:] if p.exits for part in ("", rich_table(found))]
    for subject, remark in shown.remarks:
        if subject == name:
            parts += ["", Text(remark.text, STYLES[remark.tone])]
    for _, lines in shown.tails:
        parts += ["", _heading("The last lines before its last exit"), *(Text(f"  {line.text}") for line in lines)]
    return Group(*parts)


def _facts(p: views.Process) -> Iterator[tuple[str, str]]:
    yield "state", f"{p.phase} for {duration(p.since_seconds)}" + (", stopped by an operator" if p.halted else "")
    yield "role", f"{p.role}, {p.kind}" + ("" if p.wanted else "; this node does not run it now")
    yield "pid", str(p.pid or "")
    yield "health", f"{p.health or NOTHING}{', ready' if p.ready else ''}"
    yield "probe", p.probe_detail
    yield "says", p.status_text
    yield "waits for", p.waiting_for
    yield "stopping", p.stopping
    yield "still there", ", ".join(p.blockers)
    yield "restarts", str(p.restarts)
    yield "retry in", "" if p.retry_seconds is None else duration(p.retry_seconds)
    yield "last exit", f"{p.last_exit}, {duration(p.last_exit_age_seconds or 0.0)} ago" if p.last_exit else ""
    yield "decided", p.last_decision


def _candidates(queue: views.Queue) -> Table:
    columns = (
        Column("#", right=True), Column("NODE"), Column("STATE"), Column("HEALTH"), Column("PRIORITY", right=True),
        Column("TOKEN", right=True), Column("KEY", folds=True),
    )  # fmt: skip
    return Table(columns=columns, rows=tuple(map(_candidate, queue.candidates)))


def _candidate(c: views.Standing) -> tuple[Cell, ...]:
    return (
        Cell(str(c.position)),
        Cell(c.node or "foreign", Tone.STRONG if c.ours else Tone.PLAIN),
        Cell(c.state or NOTHING),
        Cell(c.health or NOTHING, Tone.PLAIN if c.health in ("", "healthy") else Tone.WARN),
        Cell(NOTHING if c.priority is None else str(c.priority)),
        Cell(str(c.token)),
        Cell(c.key, Tone.DIM),
    )


def _tables(tables: Iterable[Table]) -> Iterator[RenderableType]:
    return (rich_table(one) for one in tables)


def _heading(text: str) -> Text:
    return Text(safe(text), "bold")


def _line(label: str, text: str) -> Text:
    return Text.assemble((f"{label:<12}", "dim"), safe(text))


def _sentence(text: str) -> Text:
    return Text(safe(text), "" if text.startswith("  ") else "bold")
