"""A plan as a sheet: what changes in a table, who takes over and for how long below it, what is kept as a number.

Promises: pure; as ``sheet``: every text is safe for a terminal.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from supervisor.cli.sheet import NOTHING, Cell, Column, Sheet, Table, Tone
from supervisor.control import views

_ORDER = ("re-campaign", "stop", "restart", "start", "live")
_TONES = {
    "re-campaign": Tone.BAD,
    "stop": Tone.BAD,
    "restart": Tone.WARN,
    "start": Tone.GOOD,
    "live": Tone.PLAIN,
}


def sheet(plan: views.Planned) -> Sheet:
    """The sheet of a plan for a good file."""
    changes = [c for c in plan.changes if c.cost != "keep"]
    table = Table(
        columns=(Column("CHANGE"), Column("WHAT", folds=True), Column("HERE"), Column("WHY", folds=True)),
        rows=tuple(map(_row, changes)),
    )
    return Sheet(
        facts=(
            ("file", Cell(plan.source)),
            ("in force", Cell(f"{plan.in_force}, generation {plan.generation}, adopted {plan.in_force_since}")),
            ("plan", Cell(summary(plan), Tone.STRONG if changes else Tone.GOOD)),
        ),
        tables=(table,) if changes else (),
        remarks=tuple(_remarks(plan, changes)),
    )


def summary(plan: views.Planned) -> str:
    """``1 re-campaign, 2 restart; 12 keep``; ``nothing changes; 14 keep``."""
    counts = Counter(c.cost for c in plan.changes)
    words = ", ".join(f"{counts[cost]} {cost}" for cost in _ORDER if counts[cost]) or "nothing changes"
    return f"{words}; {counts['keep']} keep" if counts["keep"] else words


def _row(change: views.Change) -> tuple[Cell, ...]:
    tone = _TONES.get(change.cost, Tone.WARN)
    dim = change.cost in ("restart", "re-campaign", "stop") and not change.ends
    why = "; ".join(filter(None, [", ".join(map(_key, change.keys)), change.why]))
    return (
        Cell(change.cost, Tone.DIM if dim else tone),
        Cell(_name(change), Tone.STRONG),
        Cell(change.here or NOTHING, Tone.PLAIN if change.here else Tone.DIM),
        Cell(why or NOTHING),
    )


def _name(change: views.Change) -> str:
    return change.name if change.kind in ("process", "etcd") else f"election {change.name}"


def _key(key: views.KeyChange) -> str:
    if key.old is None and key.new is None:
        return key.key if key.how == "changed" else f"{key.key} ({key.how})"
    return f"{key.key}: {NOTHING if key.old is None else key.old} -> {NOTHING if key.new is None else key.new}"


def _remarks(plan: views.Planned, changes: Iterable[views.Change]) -> Iterator[tuple[str, Cell]]:
    for change in changes:
        if change.successor is not None:
            yield _name(change), Cell(f"next in the queue: {change.successor.words}", Tone.PLAIN)
            yield "", Cell(f"gap: {change.gap}", Tone.PLAIN)
        elif change.gap:
            yield _name(change), Cell(f"gap: {change.gap}", Tone.PLAIN)
    for note in plan.notes:
        yield "note", Cell(note, Tone.WARN)
