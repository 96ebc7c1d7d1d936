"""What children say: captured, kept a little, and written where each process's ``log`` says.

Promises: a child never waits for a terminal, the journal, syslog, a full disk or us; for a file on a disk that is slow but
gets on it waits rather than lose a line (``sink`` says how long). Lines are whole, in order, and never mixed with another's;
the last 64 KiB of each process stay in memory, so that "why did it die" has an answer; where lines go can change at any
time without touching the child.
Does not: keep anything on disk that the file did not ask for. Between stdout and stderr of one process the order is that
of reading, which is nearly that of writing.
"""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from supervisor.core.names import ProcessId, RunId
from supervisor.core.spec import LogSpec
from supervisor.processes.follow import Follower, Heard
from supervisor.processes.lines import LineCutter, last_lines, printable
from supervisor.processes.output import Output
from supervisor.processes.reader import PIPE_BYTES, Pipe, Reader
from supervisor.processes.rendering import STDERR, STDOUT
from supervisor.processes.sink import NOTHING, Lane
from supervisor.processes.tail import TAIL_BYTES, Tail
from supervisor.processes.targets import NOWHERE, Targets, warn_from_thread

if TYPE_CHECKING:
    from supervisor.processes.datagrams import Sender

LAST_LINES: Final = 10
OWED_BYTES: Final = 256 * 1024
"""What a listener has not taken yet; a child that says more waits for it."""


Listener = Callable[[bytes], bool]
"""Takes whole lines, in the event loop; returns whether it wants more. Returns at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """What a process's targets did not take since the supervisor began."""

    lines: int
    size_bytes: int
    trouble: str
    """Why they take nothing now; empty when they do."""


class _Captured:
    """One process's output: what is kept of it, and where it goes. Its lock guards all but ``routes``, which is replaced.

    There may be a thousand that never say a word: until the first they hold next to nothing.
    """

    __slots__ = (
        *("followers", "forgotten", "left", "lock", "pid", "process", "routes"),
        *("run", "run_bytes", "streams", "tail", "variables"),
    )

    def __init__(self, process: ProcessId) -> None:
        self.process = process
        self.lock = threading.RLock()
        self.left = NOTHING
        """Dropped by lanes that are no more."""
        self.routes = NOWHERE
        self.tail: Tail | None = None
        """None: it never spoke."""
        self.run: RunId | None = None
        """The latest."""
        self.run_bytes = 0
        """How much it has said."""
        self.pid: int | None = None
        self.variables: tuple[tuple[str, str], ...] = ()
        self.streams: tuple[_Stream, ...] = ()
        """stdout before stderr, so that errors are the last words where both wait to be read."""
        self.followers: tuple[Follower, ...] = ()
        self.forgotten = False

    def text(self, max_bytes: int = TAIL_BYTES) -> bytes:
        """The last whole lines, as many as fit."""
        return b"" if self.tail is None else self.tail.text(max_bytes)

    def drain(self, limit_bytes: int) -> None:
        for stream in self.streams:
            stream.drain(limit_bytes)

    def unfinished(self) -> bytes:
        """Lines that were begun and not ended: the last words of who is killed in the middle of one."""
        return b"".join(stream.unfinished() for stream in self.streams if stream.run == self.run)

    def sender(self, stream: str) -> "Sender":
        """The present run, as the journal and syslog are told of it."""
        from supervisor.processes.datagrams import Sender  # noqa: PLC0415 # only where a process asks for it

        return Sender(process=str(self.process), stream=stream, pid=self.pid, variables=dict(self.variables))

    def full(self, stream: str) -> bool:
        """Whether a file that gets on is to be waited for."""
        return any(route.lane.full() for route in self.routes.of(stream))

    def take(self, block: bytes, stream: str, run: RunId | None) -> None:
        """Whole lines that were just read."""
        at = time.time()
        self.tail = self.tail or Tail()
        self.tail.add(block, stream, at)
        self.run_bytes += len(block) if run == self.run else 0
        for route in self.routes.of(stream):
            route.put(block, at, stream)
        for follower in self.followers:
            follower.offer(self.process, stream, at, block)


class _Stream(Pipe):
    """stdout or stderr of one run."""

    __slots__ = ("_captured", "_cutter", "_loop", "_name", "_on_end", "_owed", "listener", "run")

    def __init__(
        self,
        captured: _Captured,
        name: str,
        loop: asyncio.AbstractEventLoop,
        on_end: Callable[[asyncio.AbstractEventLoop, _Captured], None],
    ) -> None:
        super().__init__(captured.lock)
        self._captured = captured
        self._name = name
        self._loop = loop
        self._on_end = on_end
        self._cutter: LineCutter | None = None
        self._owed = 0
        self.run = captured.run
        self.listener: Listener | None = None

    def may_read(self) -> bool:
        """Unless its listener or a patient target is behind."""
        return self._owed < OWED_BYTES and not self._captured.full(self._name)

    def take(self, chunk: bytes) -> None:
        """Passes on the lines that it completes."""
        self._cutter = self._cutter or LineCutter()
        self._pass_on(self._cutter.feed(chunk))

    def unfinished(self) -> bytes:
        """The line that was begun, as if it were whole."""
        return b"" if self._cutter is None else self._cutter.unfinished()

    def flush(self) -> None:
        """Takes an unfinished line for a whole one."""
        if self._cutter is not None:
            self._pass_on(self._cutter.flush())

    def ended(self) -> None:
        """Passes on what is left, and leaves the process's streams."""
        self.flush()
        self._captured.streams = tuple(stream for stream in self._captured.streams if stream is not self)
        self._on_end(self._loop, self._captured)

    def _pass_on(self, block: bytes) -> None:
        if not block:
            return
        self._captured.take(block, self._name, self.run)
        if self.listener is not None:
            self._owed += len(block)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                self._loop.call_soon_threadsafe(self._tell, block)

    def _tell(self, block: bytes) -> None:
        """In the loop."""
        with self._captured.lock:
            self._owed -= len(block)
        listener = self.listener
        if listener is not None and not listener(block):
            with self._captured.lock:
                for stream in self._captured.streams:
                    stream.listener = None if stream.listener == listener else stream.listener
            self.listener = None


def _trouble(lane: Lane) -> str:
    """Why its outlet takes nothing now; empty when it does, or is merely slow."""
    return lane.outlet.trouble or ("it hangs" if lane.outlet.queue.hangs() else "")


class LogCapture:
    """The output of all processes. Everything but ``close`` returns at once; all of it belongs to one event loop."""

    def __init__(self, *, output: Output, on_warning: Callable[[str], None]) -> None:
        """``on_warning`` is called in the loop, once for each change: a file that cannot be written, or can again."""
        self._on_warning = on_warning
        self._targets = Targets(output, on_warning)
        self._reader: Reader | None = None
        self._captured: dict[ProcessId, _Captured] = {}
        self._on_end = self._ended_in_thread
        """One object for all: each look at a method makes another."""

    def open(
        self,
        process: ProcessId,
        run: RunId,
        *,
        owner: int | None = None,
        terminal: bool = False,
        variables: tuple[tuple[str, str], ...] = (),
    ) -> tuple[int, int]:
        """Pipes for a run's stdout and stderr: the write ends, which the caller closes once the child has them.

        ``owner`` is the child's uid if it is not ours; ``terminal``: one pseudo terminal for both, so that nobody can tell
        which of the two a line came by; ``variables``: what it is told of itself. Raises OSError when descriptors are used up.
        """
        captured = self._of(process)
        captured.drain(PIPE_BYTES)
        with captured.lock:
            for stream in captured.streams:
                stream.flush()  # the last words of the run before are not this one's
            captured.run, captured.run_bytes = run, 0
            captured.pid, captured.variables = None, variables
            captured.forgotten = False
        reader, write_ends = self._the_reader(), list[int]()
        loop = asyncio.get_running_loop()
        try:
            for name in (STDOUT,) if terminal else (STDOUT, STDERR):
                stream = _Stream(captured, name, loop, self._on_end)
                write_ends.append(stream.open(owner=owner, terminal=terminal))
                with captured.lock:
                    captured.streams += (stream,)
                try:
                    reader.add(stream)
                except OSError:
                    stream.end()
                    raise
            if terminal:
                write_ends.append(os.dup(write_ends[0]))
        except OSError:
            for fd in write_ends:  # the read ends follow at end of file
                os.close(fd)
            raise
        return write_ends[0], write_ends[1]

    def started(self, process: ProcessId, run: RunId, pid: int) -> None:
        """Which child a run is: for the journal and syslog."""
        captured = self._captured.get(process)
        if captured is not None and captured.run == run:
            captured.pid = pid

    def configure(self, process: ProcessId, log: LogSpec) -> None:
        """Where the process's lines go from now on; what was read before still goes where it would have gone."""
        captured = self._of(process)
        captured.forgotten = False
        self._direct(captured, log)

    def listen(self, process: ProcessId, run: RunId, listener: Listener) -> None:
        """Give the listener what this run says from now on, on stdout and stderr, instead of to an earlier one.

        It is called in the event loop, and the child waits for it rather than have it miss a line.
        """
        captured = self._captured.get(process)
        if captured is not None and captured.run == run:
            with captured.lock:
                for stream in captured.streams:
                    if stream.run == run:
                        stream.listener = listener

    def reopen(self) -> None:
        """Every log file is opened anew, after what is queued for it: another program has moved them away."""
        self._targets.reopen()

    def tail(self, process: ProcessId, max_bytes: int = TAIL_BYTES) -> bytes:
        """The last whole lines of a process, raw, over all its runs; empty for one that never spoke."""
        captured = self._captured.get(process)
        if captured is None:
            return b""
        captured.drain(PIPE_BYTES)
        with captured.lock:
            return captured.text(max_bytes)

    def last_words(self, process: ProcessId, run: RunId, *, lines: int = 5) -> tuple[str, ...]:
        """The last lines of a run, fit to be shown: for "why did it die". What is still in the pipe counts.

        Nothing once a later run of the process was opened.
        """
        return printable(self.said(process, run), lines)

    def said(self, process: ProcessId, run: RunId) -> bytes:
        """The lines of a run that are in memory, raw, and the one it has begun. Nothing once a later run was opened."""
        captured = self._captured.get(process)
        if captured is None or captured.run != run:
            return b""
        captured.drain(PIPE_BYTES)
        with captured.lock:
            return last_lines(captured.text(), captured.run_bytes) + captured.unfinished()

    def last_lines(self, process: ProcessId, lines: int = LAST_LINES) -> tuple[str, ...]:
        """The last lines of a process, whichever run said them: a value for an event.

        No more than ``lines`` of 500 characters each, without anything that a terminal would obey.
        """
        captured = self._captured.get(process)
        if captured is None:
            return ()
        captured.drain(PIPE_BYTES)
        with captured.lock:
            return printable(captured.text() + captured.unfinished(), lines)

    def losses(self) -> dict[ProcessId, Lost]:
        """Of every process whose targets lost lines, or are in trouble."""
        found = {}
        for process, captured in self._captured.items():
            total = captured.left
            lanes = captured.routes.lanes()
            for lane in lanes.values():
                total += lane.dropped
            troubles = {" ".join(key): _trouble(lane) for key, lane in lanes.items()}
            trouble = "; ".join(f"{where}: {why}" for where, why in troubles.items() if why)
            if total.lines or trouble:
                found[process] = Lost(lines=total.lines, size_bytes=total.size_bytes, trouble=trouble)
        return found

    async def follow(
        self,
        processes: Iterable[ProcessId],
        *,
        lines: int | None = None,
        since: float | None = None,
        follow: bool = True,
    ) -> AsyncGenerator[Heard, None]:
        """What is kept of the processes, oldest first, and then what they say, over restarts, until closed.

        ``lines``: of what is kept, the last so many of each; ``since``: what was read since then, by the wall clock.
        Nothing is told twice or left out between the two.
        """
        chosen = [self._of(process) for process in processes]
        follower = Follower(asyncio.get_running_loop())
        kept: list[Heard] = []
        for captured in chosen:
            captured.drain(PIPE_BYTES)
            with captured.lock:
                kept += [
                    Heard(process=captured.process, stream=said.stream, at=said.at, text=said.text)
                    for said in (() if captured.tail is None else captured.tail.pieces(lines=lines, since=since))
                ]
                if follow:
                    captured.followers += (follower,)
        try:
            for heard in sorted(kept, key=lambda h: h.at):
                yield heard
            while follow:
                yield await follower.next()
        finally:
            for captured in chosen:
                with captured.lock:
                    captured.followers = tuple(f for f in captured.followers if f is not follower)

    def forget(self, process: ProcessId) -> None:
        """The process is not declared any more: drops what is kept of it once its pipes have ended."""
        captured = self._captured.get(process)
        if captured is None:
            return
        captured.forgotten = True
        if not captured.streams:
            self._direct(captured, LogSpec(targets=()))
            del self._captured[process]

    async def close(self, *, timeout_seconds: float = 2.0) -> None:
        """Reads what is in the pipes, ends them, and writes what is queued within the time given.

        The output is not closed: its owner has the last word.
        """
        if self._reader is not None:
            await self._reader.close(timeout_seconds=timeout_seconds)
        await self._targets.close(timeout_seconds=timeout_seconds)

    def _of(self, process: ProcessId) -> _Captured:
        if process not in self._captured:
            captured = self._captured[process] = _Captured(process)
            self._direct(captured, LogSpec())
        return self._captured[process]

    def _direct(self, captured: _Captured, log: LogSpec) -> None:
        routes = self._targets.routes(captured.process, log, captured.routes, captured)
        lanes = routes.lanes()
        with captured.lock:
            for key, lane in captured.routes.lanes().items():
                if key not in lanes:
                    captured.left += lane.dropped
            captured.routes = routes

    def _the_reader(self) -> Reader:
        if self._reader is None:
            warn = partial(warn_from_thread, asyncio.get_running_loop(), self._on_warning)
            self._reader = Reader(
                on_trouble=lambda what: warn(f"a line was not taken, a mistake in the supervisor: {what}")
            )
        return self._reader

    def _ended_in_thread(self, loop: asyncio.AbstractEventLoop, captured: _Captured) -> None:
        if captured.forgotten and not captured.streams:
            warn_from_thread(loop, lambda _: self._forget_if_still(captured), "")

    def _forget_if_still(self, captured: _Captured) -> None:
        if captured.forgotten:
            self.forget(captured.process)
