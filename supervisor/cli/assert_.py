"""``supervisor assert``: go on only if this node leads."""

import click

from supervisor.cli import completion, exits
from supervisor.cli.calls import daemon, led_by
from supervisor.cli.options import socket_option
from supervisor.control import views


@click.command()
@click.argument("election", shell_complete=completion.elections)
@click.option(
    "--min-token", type=click.IntRange(min=1), metavar="N", help="And only if its fencing token is N or above."
)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing on standard output.")
@socket_option
def command(election: str, min_token: int | None, *, quiet: bool) -> int:
    """Succeed only if this node leads ELECTION now: `supervisor assert billing && nightly-job`.

    Prints the fencing token. Exit code 0: it leads, by a lease that is proven at this moment; 75: it does not, or with a lower
    token; 4: that cannot be told; 3: no daemon runs. The answer is true when it is given and no longer: what must never run
    twice belongs under `leader: processes:`, or has its writes refused by a store that checks the token.
    """
    with daemon() as connected:
        observation = connected.leader(election)
    leader = observation.leader
    if not leader.leading:
        code = exits.UNKNOWN if leader.state == views.UNKNOWN else exits.TIMED_OUT
        why = "its term is not under way, or is ending" if leader.ours else led_by(leader)
        raise exits.Failure(f"{election}: not led by this node: {why}", code)
    token = leader.token or 0
    if min_token is not None and token < min_token:
        raise exits.Failure(f"{election}: led with token {token}, which is below {min_token}", exits.TIMED_OUT)
    if not quiet:
        click.echo(token)
    return exits.OK
