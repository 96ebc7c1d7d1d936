"""Where lines go: the outlets that all processes share, and each process's ways to them.

Promises: one outlet for each file, however many processes name it, and whatever becomes of them: what was queued for it
is written before what comes later; a process whose ``log`` changes keeps its ways to what did not.
Does not: read anything. Belongs to the event loop, but for ``Route``.
"""

import asyncio
import contextlib
from collections.abc import Callable
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

FILE_THREADS: Final = 4
FILES_BYTES: Final = 8 * 1024 * 1024
"""What waits for all files together."""


class Senders(Protocol):
    """Who speaks now: what the journal and syslog are told."""

    def sender(self, stream: str) -> "Sender":
        """The present run's."""
        ...


class Route:
    """One stream's way to one outlet."""

    __slots__ = ("_render", "lane")

    def __init__(self, lane: Lane, render: Callable[[float, bytes], bytes] | None) -> None:
        self.lane = lane
        self._render = render

    def put(self, block: bytes, at: float) -> None:
        """Whole lines, read at this time. From any thread; never waits."""
        self.lane.put(block, None if self._render is None else partial(self._render, at))


class _DatagramRoute(Route):
    __slots__ = ("_protocol", "_senders", "_stream")

    def __init__(self, lane: Lane, protocol: "Journal | Syslog", senders: Senders, stream: str) -> None:
        super().__init__(lane, None)
        self._protocol = protocol
        self._senders = senders
        self._stream = stream

    def put(self, block: bytes, at: float) -> None:
        self.lane.put(block, partial(self._protocol.render, at, self._senders.sender(self._stream)))


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

    def lanes(self, process: ProcessId, log: LogSpec, old: dict[Key, Lane]) -> dict[Key, Lane]:
        """A process's lanes under ``log``; those of ``old`` that lead to the same are kept, the others left."""
        new: dict[Key, Lane] = {}
        for key in _keys(log):
            outlet = self._outlet(key[1], log, process) if key[0] == LogTarget.FILE else None
            new[key] = old.get(key) or self._lane(key, process, outlet)
        for key, lane in old.items():
            if key not in new:
                self._leave(key, lane, process)
        return new

    def routes(
        self, process: ProcessId, log: LogSpec, lanes: dict[Key, Lane], senders: Senders
    ) -> dict[str, tuple[Route, ...]]:
        """For each stream, where its lines go."""
        return {
            stream: tuple(self._route(target, process, log, lanes, senders, stream) for target in log.destinations())
            for stream in (STDOUT, STDERR)
        }

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

    def _route(
        self,
        target: LogTarget,
        process: ProcessId,
        log: LogSpec,
        lanes: dict[Key, Lane],
        senders: Senders,
        stream: str,
    ) -> Route:
        lane = lanes[_key(target, log, stream)]
        if target is LogTarget.JOURNAL:
            return _DatagramRoute(lane, self._receiver(target, log).protocol, senders, stream)
        if target is LogTarget.SYSLOG:
            return _DatagramRoute(lane, _syslog(log), senders, stream)
        ours = target is LogTarget.STDOUT
        rendering = Rendering(
            process=str(process),
            stream=stream,
            prefix=(ours and not log.json) if log.prefix is None else log.prefix,
            timestamps=log.timestamps,
            json=log.json,
            harmless=ours and self._output.is_terminal,
        )
        return Route(lane, None if rendering.plain else rendering.render)

    def _lane(self, key: Key, process: ProcessId, outlet: FileOutlet | None) -> Lane:
        if outlet is not None:
            return self.files.lane(str(process), outlet, patient=True)
        if key[0] == LogTarget.STDOUT:
            return self._output.lane(str(process))
        return self.datagrams.lane(str(process), self._receiver(LogTarget(key[0]), LogSpec()))

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
        return (target,)
    file = log.stderr_file if stream == STDERR and log.stderr_file is not None else log.file
    assert file is not None, "the configuration saw to it"
    return (target, file)


def _keys(log: LogSpec) -> list[Key]:
    keys = (_key(target, log, stream) for target in log.destinations() for stream in (STDOUT, STDERR))
    return list(dict.fromkeys(keys))


def _syslog(log: LogSpec) -> "Syslog":
    import socket  # noqa: PLC0415 # as below

    from supervisor.processes.datagrams import Syslog  # noqa: PLC0415

    return Syslog(facility=log.syslog_facility, format=log.syslog_format, host=socket.gethostname())
