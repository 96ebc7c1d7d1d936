"""``supervisor switchover``: hand an election over to a named node, or to the next healthy one."""

import click

from supervisor.cli import completion
from supervisor.cli.calls import daemon
from supervisor.cli.moving import at_date, tell
from supervisor.cli.options import socket_option, timeout_option


@click.command()
@click.argument("election", shell_complete=completion.elections)
@click.option(
    "--to",
    default="",
    metavar="NODE",
    shell_complete=completion.nodes,
    help="Who is to lead. [default: the next candidate that is healthy]",
)
@click.option(
    "--at",
    callback=at_date,
    metavar="TIME",
    help="Not now: +10m, 22:00 (local time) or 2026-01-31T22:00:00Z. Kept in etcd; whoever leads then follows it.",
)
@click.option("--cancel", is_flag=True, help="Take back a switchover that is asked for and not under way.")
@timeout_option(
    "60s", "How long to wait for the outcome. A request that nobody answered by then is taken back; a handover goes on."
)
@socket_option
def command(election: str, to: str, at: float | None, cancel: bool, timeout: float) -> int:
    """Hand ELECTION over, from any node that runs a supervisor, and wait until the new leader leads.

    The leader makes sure that the node is a healthy candidate and alive, stops its processes, and gives its place up to that node or
    to nobody: if it goes missing meanwhile, the old leader leads on with the same token. Led by NODE already: exit code 0. Exit
    code 75 when it was refused, aborted or not done in time; the reason is printed.
    """
    with daemon() as connected:
        return tell(election, connected.switchover(election, to=to, at=at, wait_seconds=timeout, cancel=cancel))
