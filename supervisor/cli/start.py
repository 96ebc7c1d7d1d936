"""``supervisor start``: lift a stop or a give-up of a process, and say what became of it."""

import click

from supervisor.cli import completion, exits
from supervisor.cli.calls import daemon
from supervisor.cli.options import socket_option, timeout_option
from supervisor.cli.text import safe


@click.command()
@click.argument("process", shell_complete=completion.processes)
@timeout_option("60s", "How long to wait for it to be ready, or for a task to complete. The start goes on after that.")
@socket_option
def command(process: str, timeout: float) -> int:
    """Start PROCESS, which `supervisor stop` has stopped or which has given up, and wait until it is ready.

    PROCESS is ELECTION/NAME, or just NAME when that is clear. What runs already, or has completed, is left alone: exit code 0.
    It also ends the cool-down of the process's election after a give-up. Exit code 75 when it is not to run on this node now
    (nothing holds it then: it starts with its role), when it ended again, or when the time is up first.
    """
    with daemon() as connected:
        started = connected.start(process, timeout)
    p = started.process
    pid = f" (pid {p.pid})" if p.pid else f", {p.phase}"
    match started.outcome:
        case "started":
            click.echo(safe(f"{p.name}: started{pid}"))
            return exits.OK
        case "already":
            click.echo(safe(f"{p.name}: nothing to do{pid}"))
            return exits.OK
        case "not-wanted":
            why = "this node does not have that role now" if p.role != "always" else "the supervisor is ending"
            text = f"{p.name}: not started, but free to; it is a {p.role} process, and {why}"
            raise exits.Failure(text, exits.TIMED_OUT)
        case "failed":
            raise exits.Failure(f"{p.name}: started, but ended again: {p.last_exit} ({p.phase})", exits.TIMED_OUT)
        case _:
            detail = f": {p.probe_detail}" if p.probe_detail else ""
            waits = f", waits for {p.waiting_for}" if p.waiting_for else ""
            raise exits.Failure(f"{p.name}: not ready within {timeout:g}s, {p.phase}{waits}{detail}", exits.TIMED_OUT)
