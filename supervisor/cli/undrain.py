"""``supervisor undrain``: a drained node stands again."""

import click

from supervisor.cli import completion
from supervisor.cli.calls import daemon
from supervisor.cli.moving import tell
from supervisor.cli.options import socket_option, timeout_option


@click.command()
@click.argument("node", shell_complete=completion.nodes, required=False, default="")
@timeout_option("15s", "How long to wait until the end of the drain is seen.")
@socket_option
def command(node: str, timeout: float) -> int:
    """Let NODE, or this node, stand for its elections again. Not drained: exit code 0."""
    with daemon() as connected:
        return tell("", connected.drain(node, undrain=True, wait_seconds=timeout))
