"""``supervisor resume``: the end of a pause."""

import click

from supervisor.cli import completion
from supervisor.cli.calls import daemon
from supervisor.cli.moving import tell
from supervisor.cli.options import socket_option, timeout_option


@click.command()
@click.argument("election", shell_complete=completion.elections, required=False, default="")
@timeout_option("15s", "How long to wait until the end of the pause is seen.")
@socket_option
def command(election: str, timeout: float) -> int:
    """End the pause of ELECTION, or of the fleet. Not paused: exit code 0."""
    with daemon() as connected:
        return tell(election or "fleet", connected.pause(election, resume=True, wait_seconds=timeout))
