"""``supervisor reload``: show what the file changes, adopt exactly that, and wait until it has come true."""

import click

from supervisor.cli import answers, exits, plan
from supervisor.cli.calls import daemon
from supervisor.cli.options import socket_option, timeout_option
from supervisor.cli.text import as_json, safe, safe_lines
from supervisor.control import views
from supervisor.control.client import Client

MOST_TRIES = 3
"""Whenever another file is adopted between the plan and its adoption, there is a new plan to be shown."""


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what it would do: the same as `supervisor plan`.")
@click.option("--wait/--no-wait", default=True, help="Wait until what changed has converged. [default: wait]")
@timeout_option("60s", "How long to wait. What the file asks for is carried out after that all the same.")
@click.option("--json", "json_wanted", is_flag=True, help="One JSON object: the plan, and what became of it.")
@socket_option
def command(dry_run: bool, wait: bool, timeout: float, json_wanted: bool) -> int:
    """Read the file again, show what it changes, adopt it and wait until it is in force.

    What is shown is what is adopted: the file is read once. Over when every process that changed is ready and every election is
    back in its queue. A file with a problem changes nothing: every problem is printed, and the exit code is 78. Exit code 75
    when what changed has not converged in time, with the reasons.
    """
    with daemon() as connected:
        if dry_run:
            return plan.show(connected.plan(), json_wanted=json_wanted)
        planned, reloaded = _apply(connected, timeout if wait else None, quiet=json_wanted)
    if json_wanted:
        click.echo(as_json(answers.reloaded(planned, reloaded), indent=2))
    return _outcome(planned, reloaded, timeout, json_wanted=json_wanted)


def _apply(connected: Client, wait_seconds: float | None, *, quiet: bool) -> tuple[views.Planned, views.Reloaded]:
    """Plan, show, adopt; anew when another file came into force in between."""
    for left in reversed(range(MOST_TRIES)):
        planned = connected.plan()
        if not quiet and not planned.problems:
            plan.table(planned)
        # Of a bad file, too: the daemon is to say in its status that what is on disk is bad.
        reloaded = connected.reload(wait_seconds, planned.token)
        if not reloaded.outdated or not left:
            return planned, reloaded
        click.echo("another file was adopted meanwhile; planning anew", err=True)
    raise AssertionError


def _outcome(planned: views.Planned, reloaded: views.Reloaded, timeout: float, *, json_wanted: bool) -> int:
    if not json_wanted:
        for problem in reloaded.problems:
            click.echo(safe_lines(problem), err=True)
        for reason in reloaded.reasons:
            click.echo(safe(f"{reason.subject}: {reason.text}"), err=True)
    if reloaded.outdated:
        raise exits.Failure("the file changes faster than it can be planned; try again", exits.TIMED_OUT)
    if not reloaded.adopted:
        raise exits.Failure("the file is refused; what runs goes on unchanged", exits.BAD_CONFIGURATION)
    if reloaded.changed_since and not json_wanted:
        click.echo("the file has changed again since it was read: that is adopted by itself, after this", err=True)
    if reloaded.settled is False:
        raise exits.Failure(f"adopted, but not converged within {timeout:g}s", exits.TIMED_OUT)
    if reloaded.settled and _changes(planned) and reloaded.reasons:
        raise exits.Failure("adopted, but what changed is not well", exits.TIMED_OUT)
    if not json_wanted and _changes(planned):
        click.echo("adopted" + (" and converged" if reloaded.settled else ""))
    return exits.OK


def _changes(planned: views.Planned) -> bool:
    return any(c.cost != "keep" for c in planned.changes)
