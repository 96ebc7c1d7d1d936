"""``supervisor elect``: one election and one command, without a file.

Promises: the command is supervised by the same daemon as any other, which this process becomes by exec; a file for it is made in
memory. Does not: leave anything behind when it ends; killed by SIGKILL it leaves a small directory under the runtime directory.
"""

import json
import os
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import click

from supervisor import paths
from supervisor.cli import completion
from supervisor.cli.etcd_options import chosen_etcd, etcd_options, in_memory
from supervisor.cli.made import etcd_section, literal, private_directory, said
from supervisor.cli.options import duration
from supervisor.cli.text import safe
from supervisor.config import birth_values, values
from supervisor.config.problems import Refused

if TYPE_CHECKING:
    from supervisor.core.spec import EtcdSpec


@click.command(context_settings={"ignore_unknown_options": False})
@click.argument("name", shell_complete=completion.elections)
@click.argument("command", metavar="-- COMMAND [ARGUMENT]...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option(
    "--ttl", default="10s", show_default=True, help="Time to live of the lease: failover takes at most so long."
)
@click.option(
    "--value", metavar="TEXT", help="What to proclaim: a JSON object as it is, other text as its field value."
)
@click.option("--nonblock", is_flag=True, help="Do not wait for the office: exit code 75 when another has it.")
@click.option(
    "--wait", "wait_seconds", type=duration, metavar="DURATION", help="Wait at most so long, then exit code 75."
)
@click.option("--node", metavar="NAME", help="Name of this candidate. [default: host name and process id]")
@click.option("--verbose", "-v", is_flag=True, help="Tell on standard error what happens, not only what is wrong.")
@etcd_options
def command(
    name: str,
    command: tuple[str, ...],
    ttl: str,
    value: str | None,
    nonblock: bool,
    wait_seconds: float | None,
    node: str | None,
    verbose: bool,
) -> int:
    """Run COMMAND while this process leads election NAME, and end with it.

    Waits until it leads. COMMAND gets SUPERVISOR_FENCING_TOKEN and the other variables of a leader process, this process's
    standard input, output, error, environment and working directory, and every signal that this process gets. It is killed, with
    all that it has started, before another candidate can lead. Exit code: the command's own; 128 and the number when a signal
    ended it; 126 and 127 when it cannot be executed or found; 75 when the office was not had in time or was lost; 69 when etcd was
    not reached in time.
    """
    from supervisor.daemon.errand import PROCESS, Wish  # noqa: PLC0415 # not for --help
    from supervisor.daemon.handover import Orders, hand_over  # noqa: PLC0415

    if nonblock and wait_seconds is not None:
        raise click.UsageError("--nonblock and --wait: choose one")
    chosen = node or f"{socket.gethostname()}-{os.getpid()}"
    try:
        values.name(name)
        values.name(chosen)
        values.ttl_seconds(ttl)
    except Refused as error:
        raise click.UsageError(str(error)) from None
    if (code := _refused(command[0])) is not None:
        return code
    content = _file(name, str(PROCESS), command, ttl, value, chosen_etcd())
    directory = private_directory("elect")
    file = Path(in_memory("elect", json.dumps(content).encode()))
    wish = Wish(election=name, wait_seconds=wait_seconds, nonblock=nonblock, verbose=verbose)
    orders = Orders(
        file=file,
        socket=directory / paths.SOCKET_NAME,
        state_dir=directory,
        node=chosen,
        wait_etcd_seconds=None,
        errand=wish.text(),
        insecure_permissions=True,  # the file is our own, and in memory
    )
    return hand_over(orders)


def _refused(program: str) -> int | None:
    """The shell's exit code for what cannot be run, said before anybody is kept from leading for it."""
    path = program if "/" in program else shutil.which(program)
    if path is None or not Path(path).exists():
        click.echo(safe(f"supervisor: command not found: {program}"), err=True)
        return 127
    if not os.access(path, os.X_OK) or Path(path).is_dir():
        click.echo(safe(f"supervisor: {program} is not executable"), err=True)
        return 126
    return None


def _file(
    name: str, process: str, command: tuple[str, ...], ttl: str, value: str | None, etcd: "EtcdSpec"
) -> dict[str, object]:
    """The file, as ``run`` would read it; JSON is YAML."""
    process_section = {
        "command": list(command),
        "directory": os.getcwd(),  # noqa: PTH109 # as the shell has it: a directory that was removed has no path
        "pass_environment": [name for name in os.environ if _may_pass(name)],
        "restart": {"policy": "never"},
        "log": {"to": []},
    }
    election = {
        "ttl": ttl,
        "proclaim": {"value": _value(value)} if value is not None else None,
        "leader": {"processes": {process: process_section}},
    }
    return literal({"etcd": etcd_section(etcd), "elections": {name: said(election)}})


def _may_pass(name: str) -> bool:
    """Whether a variable is the command's to have: not what the service manager, or a supervisor around us, tells us alone."""
    try:
        birth_values.passed_variable(name)
    except Refused:
        return False
    return not name.startswith("SUPERVISOR_")


def _value(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"value": text}
