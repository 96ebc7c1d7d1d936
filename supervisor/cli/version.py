"""``supervisor version``: of this command, and of the daemon if one runs."""

import platform

import click

from supervisor import __version__
from supervisor.cli import exits
from supervisor.cli.calls import daemon
from supervisor.cli.options import socket_option
from supervisor.cli.text import safe


@click.command()
@socket_option
def command() -> int:
    """Show the version of this command and of the daemon."""
    click.echo(f"supervisor {__version__} (Python {platform.python_version()})")
    try:
        with daemon() as connected:
            found = connected.version()
    except exits.Failure as failure:
        if failure.code != exits.NOT_RUNNING:
            raise
        click.echo("daemon     not running")
        return exits.OK
    click.echo(safe(f"daemon     {found.version} (pid {found.pid}, node {found.node})"))
    return exits.OK
