"""``supervisor resign``: give up an election's lead, and say who leads then."""

import click

from supervisor.cli import completion, exits
from supervisor.cli.calls import daemon, led_by
from supervisor.cli.options import socket_option, timeout_option
from supervisor.cli.text import safe


@click.command()
@click.argument("election", shell_complete=completion.elections)
@timeout_option(
    "60s", "How long to wait for its processes to stop and the key to be gone. The resignation goes on after that."
)
@socket_option
def command(election: str, timeout: float) -> int:
    """Give up the lead of ELECTION and wait until it is given up.

    Its processes are stopped and proven gone first; then the next in the queue leads, and this node queues at its end. Exit
    code 75 when this node does not lead it, or when the time is up first.
    """
    with daemon() as connected:
        resigned = connected.resign(election, timeout)
    match resigned.outcome:
        case "resigned":
            click.echo(safe(f"{election}: resigned (token {resigned.token}); now {led_by(resigned.leader)}"))
            return exits.OK
        case "paused":
            text = f"{election}: not resigned: it is paused, nobody moves (supervisor resume)"
            raise exits.Failure(text, exits.TIMED_OUT)
        case "not-held":
            raise exits.Failure(f"{election}: this node does not lead it; {led_by(resigned.leader)}", exits.TIMED_OUT)
        case _:
            waits = f", waiting for {resigned.waiting_for}" if resigned.waiting_for else ""
            raise exits.Failure(f"{election}: not resigned within {timeout:g}s, still at it{waits}", exits.TIMED_OUT)
