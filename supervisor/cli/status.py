"""``supervisor status``: what this node knows, and whether it is well."""

import sys

import click

from supervisor.cli import answers, exits
from supervisor.cli.calls import daemon
from supervisor.cli.options import socket_option
from supervisor.cli.render import console_for, on_terminal, plain
from supervisor.cli.sheet import sheet
from supervisor.cli.text import as_json
from supervisor.control import views

_CODES = {views.HEALTHY: exits.OK, views.DEGRADED: exits.DEGRADED}


@click.command()
@click.argument("name", metavar="[ELECTION|PROCESS]", required=False, default="")
@click.option("--json", "json_wanted", is_flag=True, help="One JSON object with everything; schema_version 1.")
@socket_option
def command(name: str, json_wanted: bool) -> int:
    """Show elections, leases, processes and what is wrong; of one ELECTION or PROCESS with its past exits, or of all.

    Tables with colours on a terminal, aligned text when piped. What cannot be confirmed is shown as unknown. Exit code 0:
    converged and healthy; 1: degraded; 3: not running; 4: unknown.
    """
    with daemon() as connected:
        found = connected.status(name, exits=json_wanted or bool(name))
    if json_wanted:
        click.echo(as_json(answers.status(found), indent=2))
    elif sys.stdout.isatty():
        on_terminal(sheet(found), console_for(sys.stdout))
    else:
        click.echo(plain(sheet(found)))
    return _CODES.get(found.condition, exits.UNKNOWN)
