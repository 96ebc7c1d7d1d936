"""``supervisor events``: what happened, and what happens."""

import sys

import click
from rich.text import Text

from supervisor.cli import answers, completion
from supervisor.cli.options import socket_option
from supervisor.cli.render import console_for
from supervisor.cli.streams import stream
from supervisor.cli.text import as_json, safe
from supervisor.control import views
from supervisor.core.kinds import Kind

BAD = frozenset({
    Kind.PROCESS_GAVE_UP, Kind.HOOK_FAILED, Kind.CONFIG_REFUSED, Kind.ETCD_UNREACHABLE, Kind.LEASE_IN_DOUBT,
    Kind.KILL_BY_STRUCK, Kind.TOKEN_REFUSED,
})  # fmt: skip
FOLLOWED = 10
"""Shown of what happened before, when nothing else is asked for: as tail does."""


@click.command()
@click.argument("elections", metavar="[ELECTION]...", nargs=-1, shell_complete=completion.elections)
@click.option(
    "-f", "--follow", is_flag=True, help=f"Go on with what happens, over restarts. Shows the last {FOLLOWED} first."
)
@click.option("-n", "lines", type=click.IntRange(min=0), metavar="N", help="The last N of what is kept.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice([k.value for k in Kind]),
    metavar="KIND",
    help="Only this kind; more than once: any of them.",
)
@click.option("--json", "json_wanted", is_flag=True, help="One JSON object per line; schema_version 1.")
@click.option(
    "--no-reconnect", is_flag=True, help="With -f: end with 3 when the daemon ends, instead of waiting for the next."
)
@socket_option
def command(
    elections: tuple[str, ...],
    kinds: tuple[str, ...],
    lines: int | None,
    *,
    follow: bool,
    json_wanted: bool,
    no_reconnect: bool,
) -> int:
    """Print what happened to each ELECTION and its processes, or to all: the last 1000 things are kept in memory.

    Terms won, ready and ended, processes started and exited with what was decided, files adopted and refused, etcd lost and
    found. A reader that is too slow misses some, never holds up the daemon, and is told how many: "missed" in JSON.
    """
    if follow and lines is None:
        lines = FOLLOWED
    show = _json if json_wanted else _line
    return stream(
        lambda client: client.events(*elections, kinds=kinds, lines=lines, follow=follow),
        show,
        reconnect=follow and not no_reconnect,
    )


def _json(found: views.Happening) -> None:
    click.echo(as_json(answers.happening(found)))


def _line(found: views.Happening) -> None:
    if found.missed:
        click.echo(f"supervisor: {found.missed} events came too fast to be shown", err=True)
    text = safe(f"{found.at} {found.kind:<17} {found.text}")
    if sys.stdout.isatty():
        console_for(sys.stdout).print(Text(text, "red" if found.kind in BAD else ""))
    else:
        click.echo(text)
