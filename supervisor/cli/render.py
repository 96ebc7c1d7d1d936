"""A sheet on a terminal, or as plain text when something else reads it.

Promises: plain text is aligned, never cut or folded, and has no escapes, so that it can be grepped and cut; the terminal
gets colours only if it is one and NO_COLOR is not set, and long cells are folded to its width. Does not: choose words.
"""

from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from supervisor.cli.sheet import Cell, Column, Sheet, Table, Tone

STYLES = {
    Tone.PLAIN: "",
    Tone.GOOD: "green",
    Tone.WARN: "yellow",
    Tone.BAD: "bold red",
    Tone.DIM: "dim",
    Tone.STRONG: "bold",
}
_SIGNS = {Tone.GOOD: "● ", Tone.WARN: "◐ ", Tone.BAD: "✖ ", Tone.DIM: "  "}
_NO_SIGN = "○ "
GAP = 2
FOLDED_CELLS = 14
"""No column is folded to less."""


def plain(sheet: Sheet) -> str:
    """The sheet as lines of text."""
    blocks = [_aligned([(label, fact.text) for label, fact in sheet.facts], (False, False))]
    for table in sheet.tables:
        rows = [tuple(c.heading for c in table.columns), *(tuple(cell.text for cell in row) for row in table.rows)]
        blocks.append(_aligned(rows, [c.right for c in table.columns]))
    if sheet.remarks:
        blocks.append("\n".join(f"{mark} {text}" for mark, text, _ in _remarks(sheet)))
    for name, lines in sheet.tails:
        blocks.append("\n".join([_tail_heading(name), *(f"  {line.text}" for line in lines)]))
    return "\n\n".join(blocks)


def _remarks(sheet: Sheet) -> Iterator[tuple[str, str, Tone]]:
    """Mark, text and tone of each; what belongs to the remark before it has no mark, what is no trouble a quiet one."""
    for subject, remark in sheet.remarks:
        mark = "-" if remark.tone is Tone.PLAIN else "!"
        yield (mark, f"{subject}: {remark.text}", remark.tone) if subject else (" ", remark.text, remark.tone)


def _tail_heading(name: str) -> str:
    return f"the last lines of {name} before its last exit:"


def _aligned(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    widths = [max(cell_len(row[n]) for row in rows) for n in range(len(right))]
    lines = (
        (" " * GAP).join(_padded(text, w, r) for text, w, r in zip(row, widths, right, strict=True)) for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _padded(text: str, width: int, right: bool) -> str:
    """As str.rjust and str.ljust, in terminal cells: some letters take two."""
    blank = " " * (width - cell_len(text))
    return blank + text if right else text + blank


def on_terminal(sheet: Sheet, console: Console) -> None:
    """The sheet in colour and to the terminal's width."""
    console.print(Group(*pictures(sheet, console)))


def pictures(sheet: Sheet, console: Console) -> Iterator[RenderableType]:
    """The sheet as things to print one after the other."""
    signs = console.encoding.startswith("utf")
    yield _facts(sheet, signs)
    for table in sheet.tables:
        yield ""
        yield rich_table(fitting(signed(table) if signs else table, console.width))
    if sheet.remarks:
        grid = _grid()
        for mark, text, tone in _remarks(sheet):
            grid.add_row(Text(mark, STYLES[tone]), Text(text, STYLES[tone], overflow="fold"))
        yield ""
        yield grid
    for name, lines in sheet.tails:
        yield ""
        yield Text(_tail_heading(name), "dim")
        for line in lines:
            yield Text(f"  {line.text}", overflow="fold")


def console_for(stream: TextIO, color: str = "auto") -> Console:
    """A console on a terminal, or for what takes its escapes. Obeys TERM and COLUMNS and, unless told (``--color``), NO_COLOR."""
    console = Console(
        file=stream,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
        force_terminal=True if color == "always" else None,
        color_system=None if color == "never" else "auto",
        no_color=False if color == "always" else None,
    )
    if color == "always" and console.color_system is None:  # TERM says dumb, or nothing; it was asked for all the same
        return Console(
            file=stream, highlight=False, markup=False, emoji=False, force_terminal=True, color_system="standard",
            no_color=False,
        )  # fmt: skip
    return console


def for_terminal(stream: TextIO, color: str = "auto") -> bool:
    """Whether tables are wanted there, rather than text for programs."""
    return color == "always" or stream.isatty()


def show(sheet: Sheet, stream: TextIO, color: str = "auto") -> None:
    """The sheet, as whoever reads this stream wants it."""
    if for_terminal(stream, color):
        on_terminal(sheet, console_for(stream, color))
    else:
        stream.write(plain(sheet) + "\n")


def _facts(sheet: Sheet, signs: bool) -> RichTable:
    grid = _grid()
    for n, (label, cell) in enumerate(sheet.facts):
        grid.add_row(Text(label, "bold"), _text(sign(cell) if signs and n == 0 else cell))
    return grid


def _grid() -> RichTable:
    grid = RichTable.grid(padding=(0, GAP, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def signed(table: Table) -> Table:
    """With a sign before each cell of the marked columns."""
    marked = [n for n, column in enumerate(table.columns) if column.marked]
    rows = (tuple(sign(cell) if n in marked else cell for n, cell in enumerate(row)) for row in table.rows)
    return Table(columns=table.columns, rows=tuple(rows))


def sign(cell: Cell) -> Cell:
    """The cell behind a sign that shows its tone without colour."""
    return Cell(_SIGNS.get(cell.tone, _NO_SIGN) + cell.text, cell.tone)


def fitting(table: Table, width: int, folded_cells: int = FOLDED_CELLS) -> Table:
    """The table without as many of its spare columns as must go for it to be no wider than that, long cells folded."""
    lengths = [
        max(len(column.heading), *(cell_len(row[n].text) for row in table.rows))
        for n, column in enumerate(table.columns)
    ]
    kept = list(range(len(lengths)))

    def fits(folded: bool) -> bool:
        least = [min(lengths[n], folded_cells) if folded and table.columns[n].folds else lengths[n] for n in kept]
        return sum(least) + GAP * (len(least) - 1) <= width

    for spare in (1, 3, 2):
        while not fits(folded=spare != 1) and (last := [n for n in kept if table.columns[n].spare == spare]):
            kept.remove(last[-1])
    return Table(
        columns=tuple(table.columns[n] for n in kept), rows=tuple(tuple(row[n] for n in kept) for row in table.rows)
    )


def rich_table(table: Table) -> RichTable:
    """A table as rich draws it."""
    shown = RichTable(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="dim", show_edge=False)
    for column in table.columns:
        _add_column(shown, column)
    for row in table.rows:
        shown.add_row(*map(_text, row))
    return shown


def _add_column(shown: RichTable, column: Column) -> None:
    shown.add_column(
        Text(column.heading),
        justify="right" if column.right else "left",
        no_wrap=not column.folds,
        overflow="fold",
        min_width=len(column.heading),
    )


def _text(cell: Cell) -> Text:
    return Text(cell.text, STYLES[cell.tone], overflow="fold")
