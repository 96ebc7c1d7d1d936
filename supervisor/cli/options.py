"""What several verbs take on their command line.

Does not: import anything that ``run`` may not have before its guardian.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from supervisor import paths
from supervisor.cli import exits
from supervisor.config.problems import Refused
from supervisor.config.units import duration_seconds

_SOCKET = "supervisor.socket"

F = TypeVar("F", bound=Callable[..., object])


def duration(value: str) -> float:
    """``500ms``, ``10s``, ``2m`` as seconds: the type of an option."""
    try:
        return duration_seconds(value)
    except Refused as error:
        raise click.BadParameter(str(error)) from None


def socket_option(command: F) -> F:
    """``--socket``, before the verb or after it; the one after it wins."""

    def remember(ctx: click.Context, _param: click.Parameter, value: Path | None) -> None:
        if value is not None:
            ctx.meta[_SOCKET] = value.absolute()

    return click.option(
        "--socket",
        type=click.Path(path_type=Path, readable=False),
        expose_value=False,
        callback=remember,
        help="Control socket of the daemon. [default: $SUPERVISOR_SOCKET, else where this user's daemon has it]",
    )(command)


def insecure_option(command: F) -> F:
    """``--insecure-permissions``."""
    return click.option(
        "--insecure-permissions",
        is_flag=True,
        help="As root, accept a configuration that other users could change, by its own mode and owner or by those of a"
        " directory on its path.",
    )(command)


def socket_of(ctx: click.Context) -> Path | None:
    """What ``--socket`` said, else where this user's daemon has it; None where nothing can be trusted."""
    chosen = ctx.meta.get(_SOCKET)
    if isinstance(chosen, Path):
        return chosen
    try:
        return paths.control_socket(os.environ, os.geteuid())
    except paths.NoPlaceError:
        return None


def timeout_option(default: str, text: str) -> Callable[[F], F]:
    """``--timeout``: how long a verb that waits for its outcome does so. ``text`` says what for, and what becomes of it after that."""
    return click.option("--timeout", type=duration, default=default, show_default=True, metavar="DURATION", help=text)


def color_option(command: F) -> F:
    """``--color``."""
    return click.option(
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        show_default=True,
        help="Colours and tables; auto: on a terminal, without colours when NO_COLOR is set.",
    )(command)


def chosen_socket() -> Path:
    """The socket of this invocation."""
    chosen = click.get_current_context().meta.get(_SOCKET)
    if isinstance(chosen, Path):
        return chosen
    try:
        return paths.control_socket(os.environ, os.geteuid())
    except paths.NoPlaceError as error:
        raise exits.Failure(str(error), exits.NOT_PERMITTED) from None
