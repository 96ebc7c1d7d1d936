"""``supervisor completion``: the script that makes a shell complete our command line; and names, asked of the daemon.

Promises: completing is silent whatever goes wrong, and quick: without a daemon nothing heavy is loaded, and one that does not
answer is not waited for. Does not: write into anybody's configuration.
"""

from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import CompletionItem, get_completion_class

from supervisor.cli import exits
from supervisor.cli.options import socket_of

if TYPE_CHECKING:
    from supervisor.control import views

SHELLS: Final = ("bash", "zsh", "fish")
VARIABLE: Final = "_SUPERVISOR_COMPLETE"
_PATIENCE_SECONDS: Final = 0.5


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> int:
    """Print what makes SHELL complete this command.

    \b
    bash:  eval "$(supervisor completion bash)"          in ~/.bashrc
    zsh:   eval "$(supervisor completion zsh)"           in ~/.zshrc
    fish:  supervisor completion fish | source           in ~/.config/fish/config.fish

    Verbs and options are completed, and the names of elections and processes, which the daemon is asked for.
    """  # noqa: D301 # click's mark for lines that are kept
    click.echo(_script(shell))
    return exits.OK


def _script(shell: str) -> str:
    """As click has it, without asking which bash is there: the one that reads this need not be the one on PATH."""
    kind = get_completion_class(shell)
    assert kind is not None
    from supervisor.cli.main import supervisor  # noqa: PLC0415 # it imports us, by name

    made = kind(supervisor, {}, "supervisor", VARIABLE)
    return made.source_template % made.source_vars()


# --- names -------------------------------------------------------------------------------------------------------------


def elections(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Elections that begin so, with what this node is there."""
    status = _status(ctx)
    if status is None:
        return []
    return [CompletionItem(e.name, help=e.role) for e in status.elections if e.name.startswith(incomplete)]


def processes(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Processes that begin so, with what they do."""
    status = _status(ctx)
    if status is None:
        return []
    named = [p for p in status.processes if not p.name.rpartition("/")[2].startswith("@")]
    return [CompletionItem(p.name, help=p.phase) for p in named if p.name.startswith(incomplete)]


def nodes(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Nodes that begin so, as far as this one knows their names: itself, and those who lead."""
    status = _status(ctx)
    if status is None:
        return []
    known = {status.daemon.node: "this node"}
    for e in status.elections:
        if e.leader.node:
            known.setdefault(e.leader.node, f"leads {e.name}")
    return [CompletionItem(name, help=text) for name, text in sorted(known.items()) if name.startswith(incomplete)]


def both(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Either."""
    return [*elections(ctx, param, incomplete), *processes(ctx, param, incomplete)]


def _status(ctx: click.Context) -> "views.Status | None":
    """What the daemon says; None when there is none, for whatever reason."""
    try:
        socket = socket_of(ctx)
        if socket is None or not socket.exists():
            return None
        from supervisor.control.client import Client  # noqa: PLC0415 # gRPC, only when there is somebody to ask

        with Client(socket, answer_seconds=_PATIENCE_SECONDS) as connected:
            return connected.status()
    except Exception:  # noqa: BLE001 # whoever presses Tab wants no traceback
        return None
