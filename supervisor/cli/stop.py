"""``supervisor stop``: stop a process, keep it so, and say what became of it."""

import click

from supervisor.cli import completion, exits
from supervisor.cli.calls import daemon
from supervisor.cli.options import socket_option, timeout_option
from supervisor.cli.text import safe


@click.command()
@click.argument("process", shell_complete=completion.processes)
@timeout_option("60s", "How long to wait until nothing of it is left. The stop goes on after that.")
@socket_option
def command(process: str, timeout: float) -> int:
    """Stop PROCESS and wait until nothing of it is left. It stays so until `supervisor start` or `restart`.

    PROCESS is ELECTION/NAME, or just NAME when that is clear. No restart, reload or new term starts it on this node; the end of
    the supervisor forgets it. The term stays: use `supervisor resign` to give the office up. One that is stopped already:
    exit code 0. Exit code 75 when the time is up first, 64 for the local etcd and for hooks.
    """
    with daemon() as connected:
        stopped = connected.stop(process, timeout)
    p = stopped.process
    match stopped.outcome:
        case "stopped":
            how = f" ({p.last_exit})" if p.last_exit else ""
            click.echo(safe(f"{p.name}: stopped{how}; `supervisor start {p.name}` starts it"))
            return exits.OK
        case "already":
            click.echo(safe(f"{p.name}: stopped already"))
            return exits.OK
        case "refused":
            why = "every election of this node is held in it" if "/" not in p.name else "a hook has its own time"
            raise exits.Failure(f"{p.name}: not stopped: {why}", exits.USAGE)
        case _:
            kill = f", SIGKILL in {p.kill_seconds:.1f}s" if p.kill_seconds else ""
            left = f"; still alive: {', '.join(p.blockers)}" if p.blockers else ""
            raise exits.Failure(f"{p.name}: not stopped within {timeout:g}s, {p.phase}{kill}{left}", exits.TIMED_OUT)
