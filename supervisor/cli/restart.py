"""``supervisor restart``: stop and start a process, and say what became of it."""

import click

from supervisor.cli import completion, exits
from supervisor.cli.calls import daemon
from supervisor.cli.options import socket_option, timeout_option
from supervisor.cli.text import safe


@click.command()
@click.argument("process", shell_complete=completion.processes)
@timeout_option("60s", "How long to wait for it to be ready again. The restart goes on after that.")
@socket_option
def command(process: str, timeout: float) -> int:
    """Stop PROCESS, start it with a fresh restart budget and wait until it is ready.

    PROCESS is ELECTION/NAME, or just NAME when that is clear. The term and its fencing token stay. Exit code 75 when it is
    not to run on this node now, when it ended again, or when the time is up first.
    """
    with daemon() as connected:
        restarted = connected.restart(process, timeout)
    p = restarted.process
    match restarted.outcome:
        case "restarted":
            click.echo(safe(f"{p.name}: restarted" + (f" (pid {p.pid})" if p.pid else f", {p.phase}")))
            return exits.OK
        case "not-wanted":
            why = "this node does not have that role now" if p.role != "always" else "the supervisor is ending"
            raise exits.Failure(f"{p.name}: not restarted; it is a {p.role} process, and {why}", exits.TIMED_OUT)
        case "failed":
            raise exits.Failure(f"{p.name}: started, but ended again: {p.last_exit} ({p.phase})", exits.TIMED_OUT)
        case _:
            detail = f": {p.probe_detail}" if p.probe_detail else ""
            raise exits.Failure(f"{p.name}: not ready within {timeout:g}s, {p.phase}{detail}", exits.TIMED_OUT)
