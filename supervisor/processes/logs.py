"""What children say: captured, kept a little, and written where each process's ``log`` says.

Promises: a child never waits for a terminal, a disk or us; lines are whole, in order, and never mixed with another's; the
last 64 KiB of each process stay in memory, so that "why did it die" has an answer; where lines go can change at any time
without touching the child.
Does not: keep anything on disk that the file did not ask for, or parse lines. Between stdout and stderr of one process the
order is that of reading, which is nearly that of writing.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from functools import partial
from typing import Final

from supervisor.core.names import ProcessId, RunId
from supervisor.core.spec import LogSpec
from supervisor.processes.lines import LineCutter, last_lines, neutralise, prefix_lines
from supervisor.processes.logfile import FileOutlet
from supervisor.processes.pipes import PIPE_BYTES, PipeReader
from supervisor.processes.sink import Lane, Output, Render, Sink

TAIL_BYTES: Final = 64 * 1024
"""Kept in memory of each process."""

STDOUT_MARK: Final = "|"
STDERR_MARK: Final = "!"


class _Captured:
    """One process's output: what is kept of it, and where it goes."""

    __slots__ = ("forgotten", "lane", "log", "pipes", "run", "run_bytes", "tail")

    def __init__(self, lane: Lane) -> None:
        self.log = LogSpec()
        self.lane = lane
        self.tail = bytearray()
        self.run: RunId | None = None
        """The latest."""
        self.run_bytes = 0
        """How much the it has said."""
        self.pipes: list[_Stream] = []
        """stdout before stderr, so that errors are the last words where both wait to be read."""
        self.forgotten = False

    def keep(self, block: bytes) -> None:
        self.tail += block
        self.run_bytes += len(block)
        cut = len(self.tail) - TAIL_BYTES
        if cut > 0:
            if self.tail[cut - 1] != ord("\n"):
                next_line = self.tail.find(b"\n", cut) + 1
                cut = next_line if next_line < len(self.tail) else cut
            del self.tail[:cut]

    def drain(self, limit_bytes: int) -> None:
        for stream in tuple(self.pipes):
            stream.pipe.drain(limit_bytes)


class _Stream:
    """stdout or stderr of one run."""

    __slots__ = ("_captured", "_cutter", "_on_end", "_render", "pipe")

    def __init__(self, captured: _Captured, render: Render, on_end: Callable[["_Stream"], None]) -> None:
        self._captured = captured
        self._render = render
        self._cutter = LineCutter()
        self._on_end = on_end
        self.pipe = PipeReader(on_chunk=self._chunk, on_end=self._ended)

    def _chunk(self, chunk: bytes) -> None:
        self._pass_on(self._cutter.feed(chunk))

    def _ended(self) -> None:
        self._pass_on(self._cutter.flush())
        self._on_end(self)

    def _pass_on(self, block: bytes) -> None:
        if block:
            self._captured.keep(block)
            self._captured.lane.put(block, None if self._captured.log.file else self._render)


class LogCapture:
    """The output of all processes. Everything but ``close`` returns at once; all of it belongs to one event loop."""

    def __init__(self, *, output: Output, on_warning: Callable[[str], None]) -> None:
        """``on_warning`` is called in the loop, once for each change: a file that cannot be written, or can again."""
        self._output = output
        self._on_warning = on_warning
        self._files = Sink(name="log files")
        self._captured: dict[ProcessId, _Captured] = {}
        self._outlets: dict[str, tuple[FileOutlet, set[ProcessId]]] = {}

    def open(
        self, process: ProcessId, run: RunId, *, owner: int | None = None, terminal: bool = False
    ) -> tuple[int, int]:
        """Pipes for a run's stdout and stderr: the write ends, which the caller closes once the child has them.

        ``owner`` is the child's uid if it is not ours. ``terminal``: one pseudo terminal for both, so that nobody can
        tell which of the two a line came by. Raises OSError when descriptors are used up.
        """
        captured = self._of(process)
        captured.drain(PIPE_BYTES)  # the last words of the run before are not this one's
        captured.run, captured.run_bytes = run, 0
        captured.forgotten = False
        write_ends: list[int] = []
        try:
            for mark in (STDOUT_MARK,) if terminal else (STDOUT_MARK, STDERR_MARK):
                stream = _Stream(captured, self._render(process, mark), partial(self._ended, process))
                write_ends.append(stream.pipe.open_terminal(owner=owner) if terminal else stream.pipe.open(owner=owner))
                captured.pipes.append(stream)
            if terminal:
                write_ends.append(os.dup(write_ends[0]))
        except OSError:
            for fd in write_ends:  # the read ends follow at end of file
                os.close(fd)
            raise
        return write_ends[0], write_ends[1]

    def configure(self, process: ProcessId, log: LogSpec) -> None:
        """Where the process's lines go from now on; what was read before still goes where it would have gone."""
        captured = self._of(process)
        captured.forgotten = False
        if log.file != captured.log.file:
            self._leave(captured, process)
            captured.lane = self._lane(process, log)
        elif log.file is not None:
            self._outlet(log.file, log, process)
        captured.log = log

    def tail(self, process: ProcessId, max_bytes: int = TAIL_BYTES) -> bytes:
        """The last whole lines of a process, raw, over all its runs; empty for one that never spoke."""
        captured = self._captured.get(process)
        if captured is None:
            return b""
        captured.drain(PIPE_BYTES)
        return last_lines(bytes(captured.tail), max_bytes)

    def last_words(self, process: ProcessId, run: RunId, *, lines: int = 5) -> tuple[str, ...]:
        """The last lines of a run, fit to be shown: for "why did it die". What is still in the pipe counts.

        Nothing once a later run of the process was opened.
        """
        captured = self._captured.get(process)
        if captured is None or captured.run != run or lines <= 0:
            return ()
        captured.drain(PIPE_BYTES)
        said = last_lines(bytes(captured.tail), captured.run_bytes)
        return tuple(neutralise(said).decode().split("\n")[-lines - 1 : -1])

    def forget(self, process: ProcessId) -> None:
        """The process is not declared any more: drops what is kept of it once its pipes have ended."""
        captured = self._captured.get(process)
        if captured is None:
            return
        captured.forgotten = True
        if not captured.pipes:
            self._leave(captured, process)
            del self._captured[process]

    async def close(self, *, timeout_seconds: float = 2.0) -> None:
        """Reads what is in the pipes, ends them, and writes the files' last lines within the time given.

        The output is not closed: its owner has the last word.
        """
        for captured in tuple(self._captured.values()):
            for stream in tuple(captured.pipes):
                stream.pipe.drain(4 * PIPE_BYTES)
                stream.pipe.close()
        await self._files.close(timeout_seconds=timeout_seconds)

    def _of(self, process: ProcessId) -> _Captured:
        if process not in self._captured:
            self._captured[process] = _Captured(self._output.lane(str(process)))
        return self._captured[process]

    def _render(self, process: ProcessId, mark: str) -> Render:
        prefix = f"{process} {mark} ".encode()
        if self._output.is_terminal:
            return lambda block: prefix_lines(neutralise(block), prefix)
        return partial(prefix_lines, prefix=prefix)

    def _ended(self, process: ProcessId, stream: _Stream) -> None:
        captured = self._of(process)
        captured.pipes.remove(stream)
        if captured.forgotten:
            self.forget(process)

    def _outlet(self, path: str, log: LogSpec, process: ProcessId) -> FileOutlet:
        """One outlet per file, whoever shares it; the latest to be configured says how it rotates."""
        if path not in self._outlets:
            warn = partial(self._warn_from_thread, asyncio.get_running_loop())
            self._outlets[path] = (FileOutlet(path, log, warn=warn), set())
        outlet, users = self._outlets[path]
        outlet.spec = log
        users.add(process)
        return outlet

    def _lane(self, process: ProcessId, log: LogSpec) -> Lane:
        if log.file is None:
            return self._output.lane(str(process))
        return self._files.lane(str(process), self._outlet(log.file, log, process))

    def _leave(self, captured: _Captured, process: ProcessId) -> None:
        """The process's file is closed, after what is queued for it, unless another process uses it too."""
        if captured.log.file is None:
            return
        _, users = self._outlets[captured.log.file]
        users.discard(process)
        if not users:
            del self._outlets[captured.log.file]
            captured.lane.retire()

    def _warn_from_thread(self, loop: asyncio.AbstractEventLoop, text: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be warned
            loop.call_soon_threadsafe(self._on_warning, text)
