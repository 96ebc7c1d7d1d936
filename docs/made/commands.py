"""docs/reference/commands.md: every verb with its ``--help``, by what an operator does with it."""

import click

from docs.made.reading import MADE, agree
from supervisor.cli.main import supervisor

WIDTH = 100
GROUPS = {
    "To begin": ["init", "check", "schema", "doctor", "run", "elect", "completion", "version"],
    "To see": ["status", "top", "leader", "assert", "observe", "logs", "events", "history"],
    "To change": ["plan", "reload", "start", "stop", "restart"],
    "To move leaders": ["resign", "switchover", "pause", "resume", "drain", "undrain"],
    "To rehearse": ["drill"],
}
HEAD = """\
# Commands

What `supervisor VERB --help` says, verb by verb. Options before the verb (`--socket`) hold for every verb; exit codes are in
[exit-codes](exit-codes.md), variables in [environment](environment.md). `man supervisor` says the same where a package is installed.

"""


def page() -> str:
    """The page."""
    ctx = click.Context(supervisor, info_name="supervisor")
    agree("verbs", told=(verb for verbs in GROUPS.values() for verb in verbs), there=supervisor.list_commands(ctx))
    lines = []
    for title, verbs in GROUPS.items():
        lines += [f"## {title}", ""]
        for verb in verbs:
            command = supervisor.get_command(ctx, verb)
            assert command is not None
            lines += [f"### {verb}", "", "```text", _help(command, verb, ctx), "```", ""]
    return MADE.format(source="the parser of the command line") + HEAD + "\n".join(lines)


def _help(command: click.Command, verb: str, parent: click.Context) -> str:
    ctx = click.Context(command, info_name=verb, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH)
    return "\n".join(line.rstrip() for line in command.get_help(ctx).splitlines())
