"""The command itself: finds the verb, and turns whatever happens into an exit code.

Promises: importing it loads click and nothing heavier; a verb's file is loaded when the verb is used, not before.
"""

import difflib
import importlib
import io
import keyword
import os
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from supervisor import __version__
from supervisor.cli import exits
from supervisor.cli.options import socket_option
from supervisor.cli.text import safe

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_VERBS: Final = {
    "run": "Run the supervisor in the foreground.",
    "check": "Validate a file and show how each election spends its TTL.",
    "schema": "Print the JSON Schema of the file, for editors.",
    "status": "Show elections, leases, processes and what is wrong.",
    "top": "Show everything live, with keys that act.",
    "elect": "Run one command while this process leads an election.",
    "leader": "Show who leads an election.",
    "observe": "Follow who leads, one JSON line per change.",
    "plan": "Show what adopting the file, or another one, would do.",
    "reload": "Read the file again and wait until it is in force.",
    "resign": "Give up the lead of an election.",
    "switchover": "Hand an election over to a named node, now or at a time.",
    "pause": "Have nobody move, in an election or in the fleet.",
    "resume": "End a pause.",
    "drain": "Have a node lead nothing.",
    "undrain": "Let a drained node stand again.",
    "start": "Start a process that was stopped or has given up.",
    "stop": "Stop a process, until it is started.",
    "restart": "Stop and start a process.",
    "logs": "Show what processes said last, and follow them.",
    "events": "Show what happened, and follow it.",
    "assert": "Succeed if this node leads an election: for scripts.",
    "history": "Show the terms of an election, and the gaps between them.",
    "completion": "Print what makes a shell complete this command.",
    "version": "Show the version of this command and of the daemon.",
    "doctor": "Look whether this machine and etcd are fit.",
    "drill": "Rehearse a failure, and measure overlap and gap.",
    "init": "Write a commented starting file for this machine.",
}
"""Verb to its line in ``--help``; its file is ``supervisor/cli/<verb>.py``, its command there ``command``."""

EPILOG = """Exit codes: 0 fine; 64 usage; 69 etcd unreachable; 70 internal; 75 timed out or not held; 77 not permitted;
78 bad configuration. Of status: 0 converged and healthy, 1 degraded, 3 not running, 4 unknown. Of plan: 0 nothing, 2 changes.
Of doctor and drill: 0 all is well, 1 warnings, 2 a problem."""


class Verbs(click.Group):
    """A group that knows its verbs by name and loads each when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 # the signature is click's
        """In the order in which people need them."""
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 # the signature is click's
        """The verb's own command, or None."""
        if cmd_name not in _VERBS:
            return None
        # Not every verb can be the name of a module.
        name = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command = importlib.import_module(f"supervisor.cli.{name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 # the signature is click's
        """The verbs, without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_VERBS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list["CompletionItem"]:
        """The verbs, without loading them; options as click has them."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 # when somebody presses Tab

        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return [CompletionItem(verb, help=text) for verb, text in _VERBS.items() if verb.startswith(incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest verb named when there is none."""
        verb = args[0]
        if verb not in _VERBS and not verb.startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(verb, _VERBS, n=1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            ctx.fail(f'No such command "{safe(verb)}"{hint}')
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """As click does; a reader who has left (``| head``) is no error."""
        try:
            code: object = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return exits.OK
        return code


@click.group(
    cls=Verbs, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, message="supervisor %(version)s")
@socket_option
def supervisor() -> None:
    """Run processes where an election says so, and nowhere else.

    One YAML file declares elections over etcd and the commands each role runs; `supervisor run` keeps to it. At no instant
    do two nodes run one election's leader processes.
    """


def run(args: Sequence[str] | None = None) -> int:
    """One invocation; its exit code. ``args`` are the process's own when None."""
    try:
        code: object = supervisor.main(args, prog_name="supervisor", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        return exits.USAGE
    except click.ClickException as error:
        error.show()
        return exits.INTERNAL
    except click.Abort:
        return exits.INTERRUPTED
    except exits.Failure as failure:
        click.echo(f"supervisor: {safe(failure.message)}", err=True)
        return failure.code
    except Exception:  # noqa: BLE001 # a bug of ours must not look like one of status's answers, which Python's 1 would
        traceback.print_exc()
        return exits.INTERNAL
    return code if isinstance(code, int) else exits.OK


def main() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character shows its number; it is no reason to fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run())
