"""What stands in the two tables: chosen by a filter, in an order, as wide as there is room.

Promises: pure; every cell is safe for a terminal (``sheet.Cell``). Does not: know widgets.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from rich.cells import cell_len

from supervisor.cli.render import FOLDED_CELLS, GAP, fitting, signed
from supervisor.cli.sheet import Table, elections_table, processes_table
from supervisor.control import views

T = TypeVar("T")


@dataclass(frozen=True)  # no slots: typing writes into instances of a generic class
class Order(Generic[T]):
    """By what rows are sorted. The name completes "by ..."."""

    name: str
    key: Callable[[T], tuple[object, ...]]


_READABLE_CELLS: Final = 44
"""Nothing is folded here, so others go before a cell is cut to less: "unknown (last confirmed 12s ago: web-2)" tells."""
_ELECTION_RANK: Final = {"leader": 2, "follower": 3}
_HEALTH_RANK: Final = {"unhealthy": 0, "degraded": 1, "starting": 2}


def _election_trouble(e: views.Election) -> tuple[object, ...]:
    unsure = e.leader.state != views.KNOWN or bool(e.waiting_for or e.blockers)
    return (not unsure, _HEALTH_RANK.get(e.health or "", 3), _ELECTION_RANK.get(e.role, 1))


def _process_trouble(p: views.Process) -> tuple[object, ...]:
    bad = p.phase in ("gave-up", "backoff")
    return (not bad, _HEALTH_RANK.get(p.health or "", 3), not p.wanted)


ELECTION_ORDERS: Final = (
    Order[views.Election]("name", lambda _: ()),
    Order[views.Election]("trouble", _election_trouble),
    Order[views.Election]("role", lambda e: (_ELECTION_RANK.get(e.role, 1),)),
    Order[views.Election]("newest change", lambda e: (e.since_seconds,)),
)
PROCESS_ORDERS: Final = (
    Order[views.Process]("election", lambda _: ()),
    Order[views.Process]("trouble", _process_trouble),
    Order[views.Process]("restarts", lambda p: (-p.restarts,)),
    Order[views.Process]("newest change", lambda p: (p.since_seconds,)),
)
"""The first of each is the daemon's own; sorting keeps it within equals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A table whose rows have names, in order."""

    names: tuple[str, ...]
    table: Table
    of: int
    """How many there are without the filter."""


def elections(status: views.Status, order: Order[views.Election], wanted: str) -> Rows:
    """The elections to show."""
    return _rows(status.elections, order, wanted, elections_table, lambda e: e.name)


def processes(status: views.Status, order: Order[views.Process], wanted: str) -> Rows:
    """The processes to show."""
    return _rows(status.processes, order, wanted, processes_table, lambda p: p.name)


def _rows(
    all_of_them: tuple[T, ...],
    order: Order[T],
    wanted: str,
    tabled: Callable[[Iterable[T]], Table],
    name: Callable[[T], str],
) -> Rows:
    things = sorted(all_of_them, key=order.key)
    table = signed(tabled(things))
    words = wanted.casefold().split()
    kept = [n for n, row in enumerate(table.rows) if _has(words, " ".join(cell.text for cell in row).casefold())]
    return Rows(
        names=tuple(name(things[n]) for n in kept),
        table=Table(columns=table.columns, rows=tuple(table.rows[n] for n in kept)),
        of=len(things),
    )


def _has(words: Iterable[str], text: str) -> bool:
    return all(word in text for word in words)


def fitted(table: Table, width: int) -> tuple[Table, tuple[int, ...]]:
    """The table without the columns that there is no room for, and how wide each of the others is."""
    if not table.rows:
        return _headings(table, width)
    kept = fitting(table, width - GAP, _READABLE_CELLS)
    lengths = [
        min(width, max(cell_len(column.heading), *(cell_len(row[n].text) for row in kept.rows)))
        for n, column in enumerate(kept.columns)
    ]
    folding = [n for n, column in enumerate(kept.columns) if column.folds]
    while sum(lengths) + GAP * len(lengths) > width:
        longest = max(folding, key=lambda n: lengths[n], default=0)
        if lengths[longest] <= FOLDED_CELLS:
            break
        lengths[longest] -= 1
    return kept, tuple(lengths)


def _headings(table: Table, width: int) -> tuple[Table, tuple[int, ...]]:
    """The same for a table without rows."""
    kept = [c for c in table.columns if not c.spare] if width < 80 else list(table.columns)
    return Table(columns=tuple(kept), rows=()), tuple(cell_len(c.heading) for c in kept)
