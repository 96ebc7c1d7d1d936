"""``supervisor plan``: what adopting a file would do to what runs; ``reload --dry-run`` is the same."""

import sys
from pathlib import Path

import click

from supervisor.cli import answers, exits, plansheet
from supervisor.cli.calls import daemon
from supervisor.cli.options import socket_option
from supervisor.cli.render import console_for, on_terminal, plain
from supervisor.cli.text import as_json, safe_lines
from supervisor.control import views

MOST_BYTES = 10_000_000


@click.command()
@click.argument("file", type=click.Path(path_type=Path, readable=False, allow_dash=True), required=False)
@click.option("--json", "json_wanted", is_flag=True, help="One JSON object with everything; schema_version 1.")
@socket_option
def command(file: Path | None, json_wanted: bool) -> int:
    """Show what adopting FILE would do to what runs: keep, live, restart, re-campaign, stop or start, why, and at what price.

    Without FILE: the daemon's own file as it is now. With FILE (- is standard input): as if it stood in that one's place, so
    that relative paths, includes and variables mean what they mean to the daemon; for the daemon's user and root. Nothing is
    adopted. Exit code 0: nothing would change; 2: something would; 78: the file is bad.
    """
    content, name = (None, "") if file is None else _content(file)
    with daemon() as connected:
        return show(connected.plan(content, name), json_wanted=json_wanted)


def show(plan: views.Planned, *, json_wanted: bool) -> int:
    """Print a plan; the exit code it stands for."""
    if json_wanted:
        click.echo(as_json(answers.plan(plan), indent=2))
    elif not plan.problems:
        table(plan)
    if plan.problems:
        for problem in plan.problems if not json_wanted else ():
            click.echo(safe_lines(problem), err=True)
        raise exits.Failure("the file is bad; nothing would be adopted", exits.BAD_CONFIGURATION)
    return exits.CHANGES if any(c.cost != "keep" for c in plan.changes) else exits.OK


def table(plan: views.Planned) -> None:
    """For people: in colour on a terminal, aligned text when piped."""
    if sys.stdout.isatty():
        on_terminal(plansheet.sheet(plan), console_for(sys.stdout))
    else:
        click.echo(plain(plansheet.sheet(plan)))


def _content(file: Path) -> tuple[bytes, str]:
    """What is in it, read by whoever asks: the daemon may not be able to."""
    dash = str(file) == "-"
    try:
        if dash:
            content = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with file.open("rb") as opened:
                content = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise exits.Failure(f"{file}: {error.strerror}", exits.BAD_CONFIGURATION) from None
    if len(content) > MOST_BYTES:
        raise exits.Failure(f"{file}: longer than {MOST_BYTES // 10**6} MB", exits.BAD_CONFIGURATION)
    return content, "<stdin>" if dash else str(file)
