"""``supervisor drain``: a node that leads nothing."""

import click

from supervisor.cli import completion
from supervisor.cli.calls import daemon
from supervisor.cli.moving import tell
from supervisor.cli.options import socket_option, timeout_option


@click.command()
@click.argument("node", shell_complete=completion.nodes, required=False, default="")
@click.option(
    "--followers",
    type=click.Choice(["stay", "stop"]),
    default="stay",
    show_default=True,
    help="What becomes of the node's follower processes.",
)
@click.option("--force", is_flag=True, help="Give up also what no other node can lead now: nobody leads it then.")
@timeout_option("120s", "How long to wait until the node leads and stands for nothing. The drain goes on after that.")
@socket_option
def command(node: str, followers: str, force: bool, timeout: float) -> int:
    """Have NODE, or this node, lead nothing: each election it leads is handed over to a healthy candidate, and it stands for none.

    Kept in etcd, so that it outlives the daemon, until `supervisor undrain`. Refused where nobody else could lead, unless forced. Run
    it on the node itself, or on one with the same elections. Exit code 75 when it was refused or not done in time.
    """
    with daemon() as connected:
        stop = followers == "stop"
        return tell("", connected.drain(node, followers_stop=stop, force=force, wait_seconds=timeout))
