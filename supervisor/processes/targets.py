"""Where lines go: the outlets that all processes share, and each process's ways to them.

Promises: one outlet for each file, however many processes name it, and whatever becomes of them: what was queued for it
is written before what comes later; a process whose ``log`` changes keeps its ways to what did not.
Does not: read anything. Belongs to the event loop, but for ``Route``.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from supervisor.core.names import ProcessId
from supervisor.core.spec import LogSpec, LogTarget
from supervisor.processes.logfile import FileOutlet
from supervisor.processes.output import Output
from supervisor.processes.packer import Packer
from supervisor.processes.rendering import STDERR, STDOUT, Rendering
from supervisor.processes.sink import Lane, Sink

if TYPE_CHECKING:  # loaded where a file asks for it
    from supervisor.processes.datagrams import DatagramOutlet, Journal, Sender, Syslog

Key = tuple[str, ...]
"""What a lane leads to: a file by its path, or a target."""

_KEYS: Final[Mapping[LogTarget, Key]] = {target: (target,) for target in LogTarget}
"""One object for all processes that have the target."""

FILE_THREADS: Final = 4
FILES_BYTES: Final = 8 * 1024 * 1024
"""What waits for all files together."""


class Senders(Protocol):
    """Who speaks now: what the journal and syslog are told."""

    def sender(self, stream: str) -> "Sender":
        """The present run's."""
        ...


class Route:
    """A process's way to one outlet."""

    __slots__ = ("_rendering", "key", "lane")

    def __init__(self, key: Key, lane: Lane, rendering: Rendering | None = None) -> None:
        self.key = key
        self.lane = lane
        self._rendering = rendering

    def put(self, block: bytes, at: float, stream: str) -> None:
        """Whole lines, read at this time from this stream. From any thread; never waits."""
        self.lane.put(block, None if self._rendering is None else partial(self._rendering.render, at, stream))


class _DatagramRoute(Route):
    __slots__ = ("_protocol", "_senders")

    def __init__(self, key: Key, lane: Lane, protocol: "Journal | Syslog", senders: Senders) -> None:
        super().__init__(key, lane)
        self._protocol = protocol
        self._senders = senders

    def put(self, block: bytes, at: float, stream: str) -> None:
        self.lane.put(block, partial(self._protocol.render, at, self._senders.sender(stream)))


@dataclass(frozen=True, slots=True)
class Routes:
    """A process's ways: most are the same for both streams, and then the same object."""

    stdout: tuple[Route, ...] = ()
    stderr: tuple[Route, ...] = ()

    def of(self, stream: str) -> tuple[Route, ...]:
        """Where the lines of a stream go."""
        return self.stderr if stream == STDERR else self.stdout

    def lanes(self) -> dict[Key, Lane]:
        """Each once."""
        return {route.key: route.lane for route in (*self.stdout, *self.stderr)}


NOWHERE: Final = Routes()


class Targets:
    """Every outlet."""

    def __init__(self, output: Output, warn: Callable[[str], None]) -> None:
        """``warn`` is called in the event loop."""
        self._output = output
        self._warn = warn
        self._packer = Packer()
        self.files = Sink(name="log files", threads=FILE_THREADS, bound_bytes=FILES_BYTES)
        self.datagrams = Sink(name="journal and syslog", threads=2)
        self._outlets: dict[str, tuple[FileOutlet, set[ProcessId]]] = {}
        """Those without users are closed, and kept: what is queued for one must not meet another of the same name."""
        self._receivers: dict[LogTarget, DatagramOutlet] = {}

    def routes(self, process: ProcessId, log: LogSpec, old: Routes, senders: Senders) -> Routes:
        """A process's ways under ``log``; lanes of ``old`` that lead to the same are kept, the others left."""
        before, name = old.lanes(), str(process)
        routes: dict[Key, Route] = {}
        for target, key in _keys(log):
            outlet = self._outlet(key[1], log, process) if target is LogTarget.FILE else None
            lane = before.get(key) or self._lane(target, name, outlet)
            routes[key] = self._route(target, key, lane, log, name, senders)
        for key, lane in before.items():
            if key not in routes:
                self._leave(key, lane, process)
        stdout, stderr = (
            tuple(routes[_key(target, log, stream)] for target in log.destinations()) for stream in (STDOUT, STDERR)
        )
        return Routes(stdout, stdout if stdout == stderr else stderr)

    def reopen(self) -> None:
        """Reopens every file, after what is queued for it."""
        for outlet, users in self._outlets.values():
            if users:
                self.files.lane("", outlet).reopen()

    async def close(self, *, timeout_seconds: float) -> None:
        """Writes what is queued, but to the output: its owner has the last word."""
        await asyncio.gather(
            self.files.close(timeout_seconds=timeout_seconds), self.datagrams.close(timeout_seconds=timeout_seconds)
        )

    def _route(self, target: LogTarget, key: Key, lane: Lane, log: LogSpec, name: str, senders: Senders) -> Route:
        if target is LogTarget.JOURNAL:
            return _DatagramRoute(key, lane, self._receiver(target, log).protocol, senders)
        if target is LogTarget.SYSLOG:
            return _DatagramRoute(key, lane, _syslog(log), senders)
        ours = target is LogTarget.STDOUT
        rendering = Rendering(
            process=name,
            prefix=(ours and not log.json) if log.prefix is None else log.prefix,
            timestamps=log.timestamps,
            json=log.json,
            harmless=ours and self._output.is_terminal,
        )
        return Route(key, lane, None if rendering.plain else rendering)

    def _lane(self, target: LogTarget, name: str, outlet: FileOutlet | None) -> Lane:
        if outlet is not None:
            return self.files.lane(name, outlet, patient=True)
        if target is LogTarget.STDOUT:
            return self._output.lane(name)
        return self.datagrams.lane(name, self._receiver(target, LogSpec()))

    def _outlet(self, path: str, log: LogSpec, process: ProcessId) -> FileOutlet:
        """One outlet per file, whoever shares it; the latest to be configured says how it rotates."""
        if path not in self._outlets:
            self._outlets[path] = (FileOutlet(path, log, warn=self._warner(), packer=self._packer), set())
        outlet, users = self._outlets[path]
        outlet.spec = log
        users.add(process)
        return outlet

    def _receiver(self, target: LogTarget, log: LogSpec) -> "DatagramOutlet":
        if target not in self._receivers:
            from supervisor.processes import datagrams  # noqa: PLC0415 # only where a process asks for it

            if target is LogTarget.JOURNAL:
                path, name, protocol = datagrams.JOURNAL_SOCKET, "the journal", datagrams.Journal()
                outlet = datagrams.DatagramOutlet(path, name, protocol, warn=self._warner())
            else:
                path, name = datagrams.SYSLOG_SOCKET, "syslog"
                outlet = datagrams.DatagramOutlet(path, name, _syslog(log), warn=self._warner())
            self._receivers[target] = outlet
        return self._receivers[target]

    def _leave(self, key: Key, lane: Lane, process: ProcessId) -> None:
        """A file that nobody uses any more is closed, after what is queued for it."""
        if key[0] != LogTarget.FILE:
            return
        _, users = self._outlets[key[1]]
        users.discard(process)
        if not users:
            lane.retire()

    def _warner(self) -> Callable[[str], None]:
        return partial(warn_from_thread, asyncio.get_running_loop(), self._warn)


def warn_from_thread(loop: asyncio.AbstractEventLoop, warn: Callable[[str], None], text: str) -> None:
    """Calls ``warn`` in the loop."""
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be warned
        loop.call_soon_threadsafe(warn, text)


def _key(target: LogTarget, log: LogSpec, stream: str) -> Key:
    if target is not LogTarget.FILE:
        return _KEYS[target]
    file = log.stderr_file if stream == STDERR and log.stderr_file is not None else log.file
    assert file is not None, "the configuration saw to it"
    return (target, file)


def _keys(log: LogSpec) -> list[tuple[LogTarget, Key]]:
    keys = ((target, _key(target, log, stream)) for target in log.destinations() for stream in (STDOUT, STDERR))
    return list(dict.fromkeys(keys))


def _syslog(log: LogSpec) -> "Syslog":
    import socket  # noqa: PLC0415 # as below

    from supervisor.processes.datagrams import Syslog  # noqa: PLC0415

    return Syslog(facility=log.syslog_facility, format=log.syslog_format, host=socket.gethostname())
