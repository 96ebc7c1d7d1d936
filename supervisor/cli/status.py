"""``supervisor status``: what this node knows, and whether it is well."""

import sys

import click

from supervisor.cli import answers, completion, exits
from supervisor.cli.calls import daemon
from supervisor.cli.etcd_options import etcd_options, typed
from supervisor.cli.options import color_option, socket_option
from supervisor.cli.text import as_json
from supervisor.control import views

CODES = {views.HEALTHY: exits.OK, views.DEGRADED: exits.DEGRADED}


@click.command()
@click.argument("name", metavar="[ELECTION|PROCESS]", required=False, default="", shell_complete=completion.both)
@click.option("--json", "json_wanted", is_flag=True, help="One JSON object with everything; schema_version 1.")
@click.option("--watch", "-w", is_flag=True, help="Stay, and show every change as it happens; with --json a line each.")
@click.option("--fleet", is_flag=True, help="Every election and candidate, from etcd alone: needs no daemon here.")
@click.option(
    "--why",
    metavar="ELECTION",
    shell_complete=completion.elections,
    help="What led to how ELECTION stands, in sentences; with --json as events.",
)
@color_option
@etcd_options
@socket_option
def command(name: str, json_wanted: bool, watch: bool, fleet: bool, why: str | None, color: str) -> int:
    """Show elections, leases, processes and what is wrong; of one ELECTION or PROCESS with its past exits, or of all.

    Tables with colours on a terminal, aligned text when piped. What cannot be confirmed is shown as unknown. Exit code 0:
    converged and healthy; 1: degraded; 3: not running; 4: unknown, or no answer. With --fleet 0: every election is led and well;
    1: not so; 69: etcd cannot be reached.
    """
    if fleet:
        if watch:
            raise click.UsageError("--fleet reads etcd once: leave --watch out, or run it under watch(1)")
        from supervisor.cli.fleet import fleet_status  # noqa: PLC0415 # etcd's client, which the others do without

        return fleet_status(name, json_wanted=json_wanted, color=color)
    if typed():
        raise click.UsageError("where etcd is matters to --fleet only; the daemon knows its own")
    if why is not None:
        if watch:
            raise click.UsageError("--why tells of the past: leave --watch out, or follow it with events -f")
        from supervisor.cli.why import tell  # noqa: PLC0415 # only where it is asked for

        return tell(why, json_wanted=json_wanted)
    exits_wanted = json_wanted or bool(name)
    if watch:
        from supervisor.cli.watch import watching  # noqa: PLC0415 # its threads and its screen

        return watching(name, exits_wanted=exits_wanted, json_wanted=json_wanted, color=color)
    with daemon() as connected:
        found = connected.status(name, exits=exits_wanted)
    if json_wanted:
        click.echo(as_json(answers.status(found), indent=2))
    else:
        from supervisor.cli.render import show  # noqa: PLC0415 # rich, which JSON does without
        from supervisor.cli.sheet import sheet  # noqa: PLC0415

        show(sheet(found), sys.stdout, color)
    return CODES.get(found.condition, exits.UNKNOWN)
