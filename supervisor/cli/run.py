"""``supervisor run``: the daemon in the foreground.

Reads the command line and becomes the daemon, by exec: click and all that is the command line's leave the memory.
"""

import os
from pathlib import Path

import click

from supervisor import paths
from supervisor.cli import exits
from supervisor.cli.options import chosen_socket, duration, insecure_option, socket_option
from supervisor.daemon.handover import Orders, hand_over


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, readable=False))
@click.option("--node", metavar="NAME", help="Name of this node. [default: the file's, else the host name]")
@click.option(
    "--wait-etcd",
    type=duration,
    metavar="DURATION",
    help="Give up with exit code 69 when etcd does not answer within this time. [default: keep trying]",
)
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path, readable=False),
    help="Where a local etcd keeps its data, and the last good configuration is kept. [default: $SUPERVISOR_STATE_DIR, else /var/lib/supervisor for root, else"
    " $XDG_STATE_HOME/supervisor]",
)
@click.option(
    "--last-good",
    is_flag=True,
    help="When FILE is broken or gone, start from the configuration adopted last. FILE is watched, and adopted once it is good.",
)
@insecure_option
@socket_option
def command(
    file: Path | None,
    node: str | None,
    wait_etcd: float | None,
    state_dir: Path | None,
    last_good: bool,
    insecure_permissions: bool,
) -> int:
    """Run the supervisor in the foreground until SIGTERM or SIGINT.

    FILE is /etc/supervisor/supervisor.yaml when left out. SIGHUP, a change of the file and `supervisor reload` have it read
    again. A file with a problem is exit code 78.
    """
    socket = chosen_socket()
    try:
        state = state_dir.absolute() if state_dir else paths.state_directory(os.environ, os.geteuid())
    except paths.NoPlaceError as error:
        raise exits.Failure(str(error), exits.USAGE) from None
    chosen = (file or paths.DEFAULT_FILE).absolute()
    hand_over(
        Orders(
            file=chosen,
            node=node,
            wait_etcd_seconds=wait_etcd,
            socket=socket,
            state_dir=state,
            last_good=last_good,
            insecure_permissions=insecure_permissions,
        )
    )
