"""``supervisor top``: the live view for people, with keys that act."""

import os
import sys

import click

from supervisor.cli import exits
from supervisor.cli.calls import failure
from supervisor.cli.options import chosen_socket, socket_option
from supervisor.control.client import Client, ControlError


@click.command()
@click.option("--read-only", is_flag=True, help="Look only: no key changes anything.")
@socket_option
def command(read_only: bool) -> int:
    """Show elections, processes, logs and events of this node as they change, on a screen of its own, with keys that act.

    Keys resign, hand over, pause and drain, restart, start and stop, each after a question that says what will happen. `?` shows them
    all, `q` ends. A daemon that goes away is waited for, and everything is shown as old meanwhile. NO_COLOR is obeyed. Exit code 3
    when no supervisor runs here.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM", "") in ("", "dumb"):
        raise click.UsageError(
            "top needs a terminal that can move its cursor; `supervisor status --watch` does without"
        )
    socket = chosen_socket()
    try:
        with Client(socket) as connected:
            first = connected.status()
    except ControlError as error:
        raise failure(error) from error

    from supervisor.cli.live.app import Top  # noqa: PLC0415 # textual, which only this verb needs

    Top(lambda: Client(socket), first=first, read_only=read_only).run()
    return exits.OK
