"""``supervisor logs``: what processes said last, and what they say."""

import sys
from collections.abc import Callable
from contextlib import closing
from typing import Final

import click

from supervisor.cli import completion, exits
from supervisor.cli.calls import daemon
from supervisor.cli.options import duration, socket_option
from supervisor.cli.streams import end_with_the_reader
from supervisor.control import views
from supervisor.processes.lines import neutralise, prefix_lines

FOLLOWED_LINES: Final = 10
"""Shown of what was said before, when nothing else is asked for: as tail does."""
_MARKS: Final = {"stderr": "!"}


@click.command()
@click.argument("processes", metavar="[PROCESS]...", nargs=-1, shell_complete=completion.processes)
@click.option("-n", "--lines", type=click.IntRange(min=0), metavar="N", help="The last N lines of each process.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what they say, over restarts. Shows the last 10 first.")
@click.option("--since", type=duration, metavar="DURATION", help="Only what was said in the last DURATION: 5m.")
@click.option("-t", "--timestamps", is_flag=True, help="Begin each line with the time when it was read, in UTC.")
@socket_option
def command(
    processes: tuple[str, ...], lines: int | None, since: float | None, *, follow: bool, timestamps: bool
) -> int:
    r"""Print what each PROCESS said last: the 64 KiB that are kept in memory, whatever its log is.

    PROCESS is ELECTION/NAME, or just NAME when that is clear; all of them when none is named. With more than one, each
    line begins with its process, and with "!" instead of "|" when it is of stderr. On a terminal, what it would obey is
    written out (\x1b); elsewhere bytes stay as they were.
    """
    if follow and lines is None and since is None:
        lines = FOLLOWED_LINES
    if follow:
        end_with_the_reader()
    show = _shower(named=len(processes) != 1, timestamps=timestamps)
    try:
        with (
            daemon() as connected,
            closing(connected.logs(*processes, lines=lines, since_seconds=since, follow=follow)) as pieces,
        ):
            for piece in pieces:
                show(piece)
    except KeyboardInterrupt:
        return exits.OK
    return exits.OK


def _shower(*, named: bool, timestamps: bool) -> Callable[[views.LogLines], None]:
    out = sys.stdout.buffer
    terminal = sys.stdout.isatty()

    def show(piece: views.LogLines) -> None:
        if piece.missed:
            click.echo(f"supervisor: {piece.missed} lines of {piece.process} came too fast to be shown", err=True)
        head = f"{piece.at} " if timestamps else ""
        if named:
            head += f"{piece.process} {_MARKS.get(piece.stream, '|')} "
        text = neutralise(piece.text) if terminal else piece.text
        out.write(prefix_lines(text, head.encode()) if head else text)
        out.flush()

    return show
