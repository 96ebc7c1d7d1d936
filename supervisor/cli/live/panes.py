"""The parts of the screen: a title, a table that keeps its place, a tail of lines.

Promises: a table whose rows change keeps its cursor on the same name and its scroll where it was; only what changed is drawn. Every
text is a ``Text``, never markup. Does not: know what the tables are about.
"""

from collections import deque
from collections.abc import Iterable
from typing import ClassVar, Final

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.coordinate import Coordinate
from textual.events import Resize
from textual.widgets import DataTable, RichLog, Static

from supervisor.cli.live.rows import Rows, fitted
from supervisor.cli.render import GAP, STYLES
from supervisor.cli.sheet import Cell, Column

KEPT_LINES: Final = 2000
_SCROLLBAR: Final = 1


class Title(Static):
    """What the pane below it is, in one line that is a rule too."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 # textual's name for it
        super().__init__("", markup=False, id=id, classes="title")
        self.said = ""

    def say(self, name: str, *facts: str, focused: bool = False, old: str = "") -> None:
        """The name and what is to be known of it; ``old``: that it is not as it is now."""
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append("▌" if focused else " ", "bold")
        text.append(name, "bold" if focused else "")
        for fact in filter(None, facts):
            text.append("  " + fact, "dim")
        if old:
            text.append("  " + old, "bold red")
        if text.plain != self.said:
            self.said = text.plain
            self.update(text)


class Grid(DataTable[Text]):
    """Rows by name."""

    BINDINGS: ClassVar[list[BindingType]] = [  # theirs move to the first and the last column
        Binding("home", "scroll_top", show=False),
        Binding("end", "scroll_bottom", show=False),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002
        super().__init__(cursor_type="row", cell_padding=GAP // 2, id=id, cursor_foreground_priority="renderable")
        self._names: tuple[str, ...] = ()
        self._columns: tuple[Column, ...] = ()
        self._cells: list[tuple[Cell, ...]] = []
        self._widths: tuple[int, ...] = ()
        self._wanted = ""
        """The name that the cursor was on, or was to be put on."""
        self._rebuilding = False

    @property
    def chosen(self) -> str:
        """The name that the cursor is on; empty when there is none."""
        return self._names[self.cursor_row] if 0 <= self.cursor_row < len(self._names) else ""

    @property
    def chosen_or_last(self) -> str:
        """Also one that is not shown just now."""
        return self.chosen or self._wanted

    def watch_cursor_coordinate(self, old_coordinate: Coordinate, new_coordinate: Coordinate) -> None:
        """Textual's hook: the cursor has moved."""
        super().watch_cursor_coordinate(old_coordinate, new_coordinate)
        if not self._rebuilding and self.chosen:
            self._wanted = self.chosen

    def show(self, rows: Rows) -> None:
        """These rows from now on."""
        table, widths = fitted(rows.table, max(20, self.size.width - _SCROLLBAR))
        if table.columns == self._columns and _suffice(self._widths, widths, self.size.width - _SCROLLBAR):
            widths = self._widths
        same = (table.columns, widths, rows.names) == (self._columns, self._widths, self._names)
        if same:
            self._change(table.rows)
        else:
            self._rebuild(rows.names, table.columns, widths, table.rows)
        self._cells = list(table.rows)

    def _change(self, rows: tuple[tuple[Cell, ...], ...]) -> None:
        for n, (row, before) in enumerate(zip(rows, self._cells, strict=True)):
            if row != before:
                for m, cell in enumerate(row):
                    if cell != before[m]:
                        self.update_cell_at(Coordinate(n, m), _text(cell, self._columns[m], self._widths[m]))

    def _rebuild(
        self,
        names: tuple[str, ...],
        columns: tuple[Column, ...],
        widths: tuple[int, ...],
        rows: tuple[tuple[Cell, ...], ...],
    ) -> None:
        at = self.scroll_y
        self._rebuilding = True
        self.clear(columns=True)
        self._names, self._columns, self._widths = names, columns, widths
        for column, width in zip(columns, widths, strict=True):
            heading = Text(column.heading, "dim", justify="right" if column.right else "left")
            self.add_column(heading, width=width)
        for row in rows:
            self.add_row(*(_text(cell, columns[m], widths[m]) for m, cell in enumerate(row)))
        if self._wanted in names:
            self.move_cursor(row=names.index(self._wanted), scroll=False)
        self.scroll_to(y=at, animate=False)
        self._rebuilding = False
        self._wanted = self._wanted if self._wanted in names else self.chosen or self._wanted


def _suffice(old: tuple[int, ...], new: tuple[int, ...], room: int) -> bool:
    """Whether there is no need to move columns about because a number got shorter."""
    return (
        len(old) == len(new)
        and all(n <= o for n, o in zip(new, old, strict=True))
        and sum(old) + GAP * len(old) <= room
    )


def _text(cell: Cell, column: Column, width: int) -> Text:
    text = Text(cell.text, STYLES[cell.tone], justify="right" if column.right else "left", no_wrap=True)
    text.truncate(width, overflow="ellipsis")
    return text


class Tail(RichLog):
    """The last lines of something, folded to its width; stays where the reader has scrolled to."""

    def __init__(self, *, id: str) -> None:  # noqa: A002
        super().__init__(max_lines=KEPT_LINES, min_width=1, wrap=True, highlight=False, markup=False, id=id)
        self._kept: deque[Text] = deque(maxlen=KEPT_LINES)
        self._folded_to = 0

    def add(self, lines: Iterable[Text]) -> None:
        """More of it."""
        at_end = self.scroll_y >= self.max_scroll_y - 1
        for line in lines:
            self._kept.append(line)
            self.write(line, scroll_end=False)
        if at_end:
            self.scroll_end(animate=False)

    def empty(self) -> None:
        """Nothing of it any more."""
        self._kept.clear()
        self.clear()

    def on_resize(self, event: Resize) -> None:
        """Textual's hook: another width, other folds."""
        super().on_resize(event)
        if self.size.width != self._folded_to and self._kept:
            self.clear()
            for line in self._kept:
                self.write(line, scroll_end=False)
            self.scroll_end(animate=False)
        self._folded_to = self.size.width
