"""``supervisor pause``: nobody moves, in an election or in the fleet."""

import click

from supervisor.cli import completion
from supervisor.cli.calls import daemon
from supervisor.cli.moving import tell
from supervisor.cli.options import socket_option, timeout_option


@click.command()
@click.argument("election", shell_complete=completion.elections, required=False, default="")
@timeout_option("15s", "How long to wait for every node to say that it knows. The pause is in force all the same.")
@socket_option
def command(election: str, timeout: float) -> int:
    """Have nobody move in ELECTION, or in the whole fleet, until `supervisor resume`.

    Leaders lead on and keep their leases. No switchover, no resignation, no drain, no takeover by priority or after a give-up, and no
    reload that would end a term. It beats no promise: a leader that loses its lease still stops; and nobody takes its place before
    the pause ends. Kept in etcd. Exit code 75 when some node has not said in time that it knows.
    """
    with daemon() as connected:
        return tell(election or "fleet", connected.pause(election, wait_seconds=timeout))
