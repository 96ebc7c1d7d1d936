"""What the daemon says, from its streams, in threads: the status, the events, and the log of one process.

Promises: a daemon that ends is found again, or the next one at the same socket is; what nobody has taken yet is bounded, so that a
process that writes without end costs no memory here, and what was dropped is counted. Does not: show, or ask twice for what a
stream tells.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from supervisor.cli.watch import Heard
from supervisor.control import client, views
from supervisor.control.client import Client

AGAIN_SECONDS: Final = 0.5
"""Between two tries to reach a daemon that is not there."""
EVENTS_FIRST: Final = 200
"""Of what happened before we looked."""
LINES_FIRST: Final = 200
MOST_LINES: Final = 2000
"""Of a log that nobody has taken yet."""
MOST_EVENTS: Final = 1000

Connect = Callable[[], Client]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a process, or a word of ours about them (``stream`` is empty then)."""

    process: str
    stream: str
    text: bytes


@dataclass(slots=True, kw_only=True)
class News:
    """What came since it was taken last."""

    heard: list[Heard] = field(default_factory=list)
    allowed: views.Allowed | None = None
    events: deque[views.Happening] = field(default_factory=lambda: deque(maxlen=MOST_EVENTS))
    lines: deque[Line] = field(default_factory=lambda: deque(maxlen=MOST_LINES))
    dropped_lines: int = 0


class Listener:
    """Listens from ``start`` to ``stop``; ``wake`` is called, in whatever thread, when there is something to take."""

    def __init__(self, connect: Connect, wake: Callable[[], None]) -> None:
        self._connect = connect
        self._wake = wake
        self._lock = threading.Lock()
        self._news = News()
        self._over = threading.Event()
        self._open: set[Client] = set()
        self._process = ""
        self._following: Client | None = None
        self._chosen = threading.Condition(self._lock)
        self._last_event = (0, 0)
        """Pid of the daemon, and the number of its last event that came."""

    def start(self) -> None:
        """Begin."""
        for work in (self._status, self._events, self._logs):
            threading.Thread(target=work, name=f"top{work.__name__}", daemon=True).start()

    def stop(self) -> None:
        """End every stream."""
        self._over.set()
        with self._chosen:
            connected = tuple(self._open)
            self._chosen.notify_all()
        for one in connected:
            one.close()

    def take(self) -> News:
        """What came, once."""
        with self._lock:
            taken, self._news = self._news, News()
        return taken

    def follow(self, process: str) -> None:
        """Whose log is wanted; empty: nobody's."""
        with self._chosen:
            if process == self._process:
                return
            self._process = process
            self._news.lines.clear()
            following, self._following = self._following, None
            self._chosen.notify_all()
        if following is not None:
            following.close()

    # --- the threads -----------------------------------------------------------------------------------------------

    def _status(self) -> None:
        self._again(self._hear_status, self._trouble)

    def _events(self) -> None:
        self._again(self._hear_events)

    def _logs(self) -> None:
        while not self._over.is_set():
            with self._chosen:
                while not self._process and not self._over.is_set():
                    self._chosen.wait()
                process = self._process
            try:
                self._hear_lines(process)
            except client.UnknownName:
                with self._lock:
                    self._process = "" if self._process == process else self._process
            except client.ControlError:
                if self._process == process:
                    self._over.wait(AGAIN_SECONDS)

    def _again(
        self, hear: Callable[[Client], None], trouble: Callable[[client.ControlError], None] | None = None
    ) -> None:
        """Listen until it is over, to one daemon after the other."""
        while not self._over.is_set():
            try:
                with self._connected() as connected:
                    hear(connected)
            except client.ControlError as error:
                if trouble is not None:
                    trouble(error)
            self._over.wait(AGAIN_SECONDS)

    def _hear_status(self, connected: Client) -> None:
        self._heard(Heard(at=time.monotonic(), pid=connected.pid))
        with suppress(client.BrokenAnswer):  # an older daemon cannot say; it will when it is asked to act
            allowed = connected.access()
            with self._lock:
                self._news.allowed = allowed
        with closing(connected.watch_status()) as statuses:
            for status in statuses:
                self._heard(Heard(at=time.monotonic(), status=status))

    def _hear_events(self, connected: Client) -> None:
        pid = connected.pid or 0
        with closing(connected.events(lines=EVENTS_FIRST, follow=True)) as happenings:
            for found in happenings:
                if (pid, found.number) > self._last_event or pid != self._last_event[0]:
                    self._last_event = (pid, found.number)
                    with self._lock:
                        self._news.events.append(found)
                    self._wake()

    def _hear_lines(self, process: str) -> None:
        with self._connected() as connected:
            with self._lock:
                if self._process != process:
                    return
                self._following = connected
            with closing(connected.logs(process, lines=LINES_FIRST, follow=True)) as pieces:
                for piece in pieces:
                    self._said(process, piece)

    def _said(self, process: str, piece: views.LogLines) -> None:
        text = piece.text.removesuffix(b"\n")
        with self._lock:
            if self._process != process:
                return
            lines = self._news.lines
            self._news.dropped_lines += piece.missed
            for line in text.split(b"\n"):
                self._news.dropped_lines += len(lines) == lines.maxlen
                lines.append(Line(process=process, stream=piece.stream, text=line))
        self._wake()

    def _trouble(self, error: client.ControlError) -> None:
        self._heard(Heard(at=time.monotonic(), trouble=error))

    def _heard(self, heard: Heard) -> None:
        with self._lock:
            self._news.heard.append(heard)
        self._wake()

    @contextmanager
    def _connected(self) -> Iterator[Client]:
        with self._connect() as connected:
            with self._lock:
                self._open.add(connected)
            try:
                if self._over.is_set():
                    raise client.NotRunning("nobody listens any more")
                yield connected
            except ValueError as error:  # gRPC's, when we have closed the connection between two of its calls
                raise client.NotRunning("the connection was closed") from error
            finally:
                with self._lock:
                    self._open.discard(connected)
