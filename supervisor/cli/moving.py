"""What the verbs that move leaders share: progress as it comes, and the exit code of the last word; dates on the command line."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import click

from supervisor.cli import exits
from supervisor.cli.text import safe
from supervisor.config.problems import Refused
from supervisor.config.units import duration_seconds
from supervisor.control import views

_FINE = frozenset({"done", "already", "scheduled"})


def tell(subject: str, progress: Iterable[views.Progress]) -> int:
    """Print what is told; ends the verb with its last word."""
    last = views.Progress(text="the supervisor said nothing", outcome="timed-out")
    for last in progress:
        if not last.outcome or last.outcome in _FINE:
            click.echo(safe(f"{subject}: {last.text}" if subject else last.text))
    if last.outcome in _FINE:
        return exits.OK
    raise exits.Failure(f"{subject}: {last.text}" if subject else last.text, exits.TIMED_OUT)


def date(text: str, now: datetime) -> float:
    """``+10m``, ``22:00`` (the next one, local time), or RFC 3339 (local time without an offset), in seconds since 1970.

    Raises ValueError in words for people.
    """
    if text.startswith("+"):
        try:
            return now.timestamp() + duration_seconds(text[1:])
        except Refused as error:
            raise ValueError(str(error)) from None
    try:
        if len(text) <= len("22:00:00") and ":" in text:
            clock = datetime.strptime(text, "%H:%M" if text.count(":") == 1 else "%H:%M:%S").time()  # noqa: DTZ007 # local
            found = now.replace(hour=clock.hour, minute=clock.minute, second=clock.second, microsecond=0)
            found = found if found > now else found + timedelta(days=1)
        else:
            found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time: write +10m, 22:00, or 2026-01-31T22:00:00Z") from None
    if found.timestamp() <= now.timestamp():
        raise ValueError(f"{text} is past")
    return found.timestamp()


def at_date(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """``--at`` as an option's callback."""
    try:
        return None if value is None else date(value, datetime.now().astimezone())
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
