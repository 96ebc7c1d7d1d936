"""``supervisor status``: what this node knows, and whether it is well."""

import sys

import click

from supervisor.cli import answers, exits
from supervisor.cli.calls import daemon
from supervisor.cli.options import socket_option
from supervisor.cli.render import console_for, on_terminal, plain
from supervisor.cli.sheet import sheet
from supervisor.cli.text import as_json, safe
from supervisor.cli.why import SHOWN, sentences
from supervisor.control import views

_CODES = {views.HEALTHY: exits.OK, views.DEGRADED: exits.DEGRADED}


@click.command()
@click.argument("name", metavar="[ELECTION|PROCESS]", required=False, default="")
@click.option("--json", "json_wanted", is_flag=True, help="One JSON object with everything; schema_version 1.")
@click.option("--why", metavar="ELECTION", help="What led to how ELECTION stands, in sentences; with --json as events.")
@socket_option
def command(name: str, json_wanted: bool, why: str | None) -> int:
    """Show elections, leases, processes and what is wrong; of one ELECTION or PROCESS with its past exits, or of all.

    Tables with colours on a terminal, aligned text when piped. What cannot be confirmed is shown as unknown. Exit code 0:
    converged and healthy; 1: degraded; 3: not running; 4: unknown.
    """
    if why is not None:
        return _why(why, json_wanted=json_wanted)
    with daemon() as connected:
        found = connected.status(name, exits=json_wanted or bool(name))
    if json_wanted:
        click.echo(as_json(answers.status(found), indent=2))
    elif sys.stdout.isatty():
        on_terminal(sheet(found), console_for(sys.stdout))
    else:
        click.echo(plain(sheet(found)))
    return _CODES.get(found.condition, exits.UNKNOWN)


def _why(election: str, *, json_wanted: bool) -> int:
    """What led here. 0 whenever it could be told."""
    with daemon() as connected:
        happened = list(connected.events(election, lines=SHOWN))
        (found,) = connected.status(election).elections
    if json_wanted:
        for one in happened:
            click.echo(as_json(answers.happening(one)))
    else:
        for line in sentences(found, happened):
            click.echo(safe(line))
    return exits.OK
