"""``supervisor status --watch``: the status, live.

Promises: asks once and then only listens; a daemon that ends is waited for, and found again; while nothing is heard, ages go on
growing, what is left goes on shrinking, and the first line says for how long nothing was heard and why. Ends with 0 at
Ctrl-C, and when nobody reads any more. Does not: poll the daemon.
"""

import queue
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import click
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from supervisor.cli import answers, exits
from supervisor.cli.ages import later
from supervisor.cli.calls import failure
from supervisor.cli.options import chosen_socket
from supervisor.cli.render import console_for, for_terminal, pictures, plain
from supervisor.cli.sheet import sheet
from supervisor.cli.streams import end_with_the_reader
from supervisor.cli.text import as_json, safe
from supervisor.control import client, views
from supervisor.control.client import Client
from supervisor.control.words import duration

REDRAW_SECONDS: Final = 1.0
SILENT_SECONDS: Final = 8.0
"""The daemon says something every five, whatever happens: longer, and it does not run."""
AGAIN_SECONDS: Final = 0.5
"""Between two tries to reach a daemon that is not there."""

_LASTING = (client.NotRunning, client.NotAnswering)
"""What may pass by itself; anything else ends the watch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One thing from the daemon, or about it: a status; a connection, of which nothing came yet; why there is none."""

    at: float
    status: views.Status | None = None
    pid: int | None = None
    trouble: client.ControlError | None = None


def watching(name: str, *, exits_wanted: bool, json_wanted: bool, color: str) -> int:
    """Watch until Ctrl-C. Raises Failure when there is nothing to watch, or when watching cannot go on."""
    news: queue.SimpleQueue[Heard] = queue.SimpleQueue()
    listener = (chosen_socket(), name, exits_wanted, news)
    threading.Thread(target=_listen, args=listener, name="watch", daemon=True).start()
    try:
        first = _first(news)
        if json_wanted or not for_terminal(sys.stdout, color):
            end_with_the_reader()
            _print(first, news, json_wanted=json_wanted)
        else:
            _draw(first, news, console_for(sys.stdout, color))
    except KeyboardInterrupt:
        pass
    return exits.OK


# --- listening -----------------------------------------------------------------------------------------------------


def _listen(socket: Path, name: str, exits_wanted: bool, news: "queue.SimpleQueue[Heard]") -> None:
    """Put what the daemon says into the queue; reach it again when it is gone."""
    while True:
        try:
            with Client(socket) as connected:
                news.put(Heard(at=time.monotonic(), pid=connected.pid))
                with closing(connected.watch_status(name, exits=exits_wanted)) as statuses:
                    for status in statuses:
                        news.put(Heard(at=time.monotonic(), status=status))
        except client.ControlError as error:
            news.put(Heard(at=time.monotonic(), trouble=error))
        time.sleep(AGAIN_SECONDS)


def _first(news: "queue.SimpleQueue[Heard]") -> Heard:
    """The first status. Raises Failure when none comes."""
    pid = None
    ends = time.monotonic() + client.ANSWER_SECONDS
    while True:
        try:
            heard = news.get(timeout=max(0.0, ends - time.monotonic()))
        except queue.Empty:
            raise exits.Failure(f"{_silence(pid)} for {client.ANSWER_SECONDS:g}s", exits.UNKNOWN) from None
        if heard.trouble is not None:
            raise failure(heard.trouble)
        if heard.status is not None:
            return heard
        pid = heard.pid


def _each(first: Heard, news: "queue.SimpleQueue[Heard]") -> Iterator["Scene"]:
    """What there is to show, whenever something is heard and at least every second."""
    scene = Scene(heard=first)
    yield scene
    while True:
        with suppress(queue.Empty):
            heard = news.get(timeout=REDRAW_SECONDS)
            if heard.trouble is not None and not isinstance(heard.trouble, _LASTING):
                raise failure(heard.trouble)
            scene = Scene(heard=heard) if heard.status is not None else replace(scene, since=heard)
        yield scene


def _silence(pid: int | None) -> str:
    who = f"the supervisor (pid {pid})" if pid else "the supervisor"
    return f"{who} is stopped (SIGSTOP) and has said nothing" if client.is_stopped(pid) else f"{who} has said nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The last status, and what was heard since that is none."""

    heard: Heard
    since: Heard | None = None

    @property
    def status(self) -> views.Status:
        """The last status, as it was said."""
        assert self.heard.status is not None
        return self.heard.status

    @property
    def age_seconds(self) -> float:
        """Of that."""
        return time.monotonic() - self.heard.at

    def trouble(self) -> str:
        """Why what is shown is not how it is now; empty while the daemon talks."""
        if self.since is not None and self.since.trouble is not None:
            return f"{self.since.trouble}; what follows was said {duration(self.age_seconds)} ago"
        if self.age_seconds < SILENT_SECONDS:
            return ""
        pid = self.since.pid if self.since is not None else self.status.daemon.pid
        return f"{_silence(pid)} for {duration(self.age_seconds)}; what follows is as old"


# --- showing -------------------------------------------------------------------------------------------------------


def _print(first: Heard, news: "queue.SimpleQueue[Heard]", *, json_wanted: bool) -> None:
    """JSON: whatever is said. Text: whatever changes, an empty line between. Troubles: on standard error, once."""
    shown: Heard | None = None
    gist: object = None
    told = False
    for scene in _each(first, news):
        trouble = scene.trouble()
        if trouble and not told:
            click.echo(f"supervisor: {safe(trouble)}", err=True)
        told = bool(trouble)
        if scene.heard is shown:
            continue
        shown = scene.heard
        if json_wanted:
            click.echo(as_json(answers.status(scene.status)))
        elif (now := _gist(scene.status)) != gist:
            click.echo(("\n" if gist is not None else "") + plain(sheet(scene.status)))
            gist = now


def _gist(status: views.Status) -> object:
    """What of a status is worth another printing of it: all but ages."""
    return (
        status.condition,
        [(r.subject, r.kind) for r in status.reasons],
        [(e.name, e.role, e.leader.state, e.leader.key, e.token, e.health, e.queue_length) for e in status.elections],
        [(p.name, p.phase, p.pid, p.health, p.restarts) for p in status.processes],
        (status.daemon.pid, status.config.source, status.config.problems, status.store.reachable),
    )


def _draw(first: Heard, news: "queue.SimpleQueue[Heard]", console: Console) -> None:
    """On a screen of its own, which is gone at the end."""
    with Live(console=console, screen=True, auto_refresh=False) as live:
        for scene in _each(first, news):
            live.update(_screen(scene, console), refresh=True)


def _screen(scene: Scene, console: Console) -> RenderableType:
    status = later(scene.status, scene.age_seconds)
    trouble = scene.trouble()
    line = f"live, heard {duration(scene.age_seconds)} ago; Ctrl-C ends"
    head = Text(safe(trouble) if trouble else line, "bold red" if trouble else "dim", overflow="fold")
    return Cropped([head, "", *pictures(sheet(status), console)])


class Cropped:
    """As much of some pictures as the screen holds; how much more there is, in its last line."""

    def __init__(self, parts: list[RenderableType]) -> None:
        self._parts = Group(*parts)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines."""
        height = options.height or console.height
        lines = console.render_lines(self._parts, options.update(height=None), pad=False)
        if len(lines) > height:
            more = Text(f"{len(lines) - height + 1} more lines: name an ELECTION, or make the window taller", "dim")
            lines = [*lines[: height - 1], *console.render_lines(more, options.update(height=1), pad=False)[:1]]
        for n, line in enumerate(lines):
            yield from line
            if n < len(lines) - 1:
                yield Segment.line()
