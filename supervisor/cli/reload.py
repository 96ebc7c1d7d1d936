"""``supervisor reload``: have the file read again, and say what came of it."""

import click

from supervisor.cli import exits
from supervisor.cli.calls import daemon
from supervisor.cli.options import duration, socket_option
from supervisor.cli.text import safe, safe_lines


@click.command()
@click.option("--wait/--no-wait", default=True, help="Wait until what changed has settled. [default: wait]")
@click.option(
    "--timeout",
    type=duration,
    default="60s",
    show_default=True,
    metavar="DURATION",
    help="How long to wait. What the file asks for is carried out after that all the same.",
)
@socket_option
def command(wait: bool, timeout: float) -> int:
    """Read the file again and wait until it is in force.

    A file with a problem changes nothing: every problem is printed, and the exit code is 78. Exit code 75 when what
    changed has not settled in time.
    """
    with daemon() as connected:
        reloaded = connected.reload(timeout if wait else None)
    if not reloaded.adopted:
        for problem in reloaded.problems:
            click.echo(safe_lines(problem), err=True)
        raise exits.Failure("the file is refused; what runs goes on unchanged", exits.BAD_CONFIGURATION)
    for line in reloaded.summary or ("nothing changes",):
        click.echo(safe(line))
    for reason in reloaded.reasons:
        click.echo(safe(f"{reason.subject}: {reason.text}"), err=True)
    if reloaded.settled is False:
        raise exits.Failure(f"adopted, but not settled within {timeout:g}s", exits.TIMED_OUT)
    return exits.OK
