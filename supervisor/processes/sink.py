"""Writing lines without ever waiting for whoever takes them.

Promises: ``Lane.put`` returns at once, whether the terminal is stopped, the pipe is full or the disk is gone; memory stays
under the sink's bound plus one block; lines of one lane keep their order and are never torn by another's; lines that
could not be written are counted, and told once, at the place where they are missing, when writing works again; a source
that floods leaves room for those that do not.
Does not: bring dropped lines back, sync to disk, or survive the death of the process.
"""

import asyncio
import contextlib
import os
import select
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

QUEUE_BYTES: Final = 4 * 1024 * 1024
RETRY_SECONDS: Final = 1.0
"""An outlet that failed is left alone for this long."""

SLOW: Final = "the output could not take them fast enough"

Render = Callable[[bytes], bytes]
"""Makes of a block what is written. Called in the writer's thread, to keep the work away from the event loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Lines of one source that are missing from an outlet."""

    source: str
    lines: int
    size_bytes: int
    cause: str

    def __str__(self) -> str:
        """``12 lines (345 bytes) of billing/api were dropped: No space left on device``."""
        lines = "1 line" if self.lines == 1 else f"{self.lines} lines"
        return f"{lines} ({self.size_bytes} bytes) of {self.source} were dropped: {self.cause}"


@dataclass(frozen=True, slots=True)
class Loss:
    """How much was dropped."""

    lines: int = 0
    size_bytes: int = 0

    def __add__(self, other: "Loss") -> "Loss":
        return Loss(self.lines + other.lines, self.size_bytes + other.size_bytes)

    @classmethod
    def of(cls, block: bytes) -> "Loss":
        """The loss of all lines that end in ``block``."""
        return cls(block.count(b"\n"), len(block))


class OutletError(Exception):
    """An outlet took only the first ``written`` bytes."""

    def __init__(self, cause: str, *, written: int) -> None:
        super().__init__(cause)
        self.cause = cause
        self.written = written


class Outlet(ABC):
    """Where lines end up. Only the writer's thread calls the methods, so they may block."""

    speaks: ClassVar[bool] = False
    """Gaps are told in the outlet itself, so that it can be tried with one while nobody has anything new to say."""

    def __init__(self) -> None:
        self.trouble = ""
        """Why it cannot be written now; empty when it can, or nobody has tried."""
        self.retry_at = 0.0
        """``time.monotonic`` before which nobody tries."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Writes whole lines. Raises OutletError."""

    def gap_line(self, gap: Gap) -> bytes:  # noqa: ARG002  (files stay what the child wrote: they tell elsewhere)
        """What stands in the outlet for lines that are missing; nothing by default."""
        return b""

    def failed(self) -> None:  # noqa: B027  (an outlet may have nobody to tell)
        """Called once when it begins to fail; ``trouble`` says why."""

    def recovered(self, gap: Gap) -> None:  # noqa: B027
        """Called once for every lane that missed lines, when it works again."""

    def close(self) -> None:  # noqa: B027
        """Called last."""


class Lane:
    """One source's way to one outlet. Made by ``Sink.lane``."""

    __slots__ = ("_sink", "cause", "lost", "missed", "outlet", "pending_bytes", "source")

    def __init__(self, sink: "Sink", source: str, outlet: Outlet) -> None:
        self._sink = sink
        self.source = source
        self.outlet = outlet
        self.pending_bytes = 0
        self.missed = Loss()
        """Did not fit in the queue since its last block. Guarded by the sink's lock, as ``pending_bytes`` is."""
        self.lost = Loss()
        """Dropped and not told yet. The writer's own, as ``cause`` is."""
        self.cause = ""

    def put(self, block: bytes, render: Render | None = None) -> None:
        """Queues whole lines, or counts them as dropped. Never blocks, never raises; from any thread."""
        self._sink.put(self, block, render)

    def retire(self) -> None:
        """Closes the outlet after everything queued so far. Nothing may be put on it later."""
        self._sink.retire(self)


@dataclass(frozen=True, slots=True)
class _Entry:
    lane: Lane
    block: bytes = b""
    render: Render | None = None
    missed: Loss = Loss()
    """Dropped between the lane's last block and this one."""
    last: bool = False


class Sink:
    """A queue bounded in bytes, and the thread that empties it: started by the first block, ended by ``close``."""

    def __init__(self, *, name: str, bound_bytes: int = QUEUE_BYTES, retry_seconds: float = RETRY_SECONDS) -> None:
        self._name = name
        self._bound_bytes = bound_bytes
        self._retry_seconds = retry_seconds
        self._wake = threading.Condition()
        self._queue: deque[_Entry] = deque()
        self._queued_bytes = 0
        self._untold: set[Lane] = set()
        self._outlets: set[Outlet] = set()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._on_end: Callable[[], object] | None = None

    def lane(self, source: str, outlet: Outlet) -> Lane:
        """A new lane; ``source`` names it where lines are missing."""
        return Lane(self, source, outlet)

    def put(self, lane: Lane, block: bytes, render: Render | None) -> None:
        """What ``Lane.put`` promises."""
        if not block:
            return
        with self._wake:
            if self._closing or not self._has_room(lane, len(block)):
                lane.missed += Loss.of(block)
                self._untold.add(lane)
                return
            missed, lane.missed = lane.missed, Loss()
            self._queued_bytes += len(block)
            lane.pending_bytes += len(block)
            self._enqueue(_Entry(lane, block, render, missed))

    def retire(self, lane: Lane) -> None:
        """What ``Lane.retire`` promises."""
        with self._wake:
            if self._thread is not None:  # otherwise nothing was ever written
                self._enqueue(_Entry(lane, last=True))

    async def close(self, *, timeout_seconds: float) -> bool:
        """Writes what is queued and ends the thread. False when time ran out, or when lines are missing still.

        A thread that hangs in a write is left behind: it is a daemon thread and keeps nobody from exiting.
        """
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        with self._wake:
            self._closing = True
            self._on_end = lambda: loop.call_soon_threadsafe(ended.set)
            self._wake.notify()
            thread, self._thread = self._thread, None
        if thread is None:
            return not self._untold
        try:
            async with asyncio.timeout(timeout_seconds):
                await ended.wait()
        except TimeoutError:
            return False
        thread.join()  # only its last instruction is left
        return not self._untold

    def _has_room(self, lane: Lane, size_bytes: int) -> bool:
        """A lane may hold as much as is left free: one that floods gets half of the queue, ten get a tenth each.

        One that overflowed stays shut until it needs only half of that, so that a slow reader sees few long gaps and
        not one after every other line.
        """
        if not self._queue:
            return True
        factor = 2 if lane.missed.lines else 1
        return (lane.pending_bytes + size_bytes) * factor <= self._bound_bytes - self._queued_bytes

    def _enqueue(self, entry: _Entry) -> None:
        self._queue.append(entry)
        self._wake.notify()
        if self._thread is None and not self._closing:
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            with contextlib.suppress(RuntimeError):  # no thread to be had now: the next block tries again
                thread.start()
                self._thread = thread

    # --- the writer's thread ---------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (entry := self._next()) is not None:
            self._deliver(entry)
            if entry.last:
                entry.lane.outlet.close()
                self._outlets.discard(entry.lane.outlet)
        for outlet in self._outlets:
            outlet.close()
        if self._on_end is not None:
            with contextlib.suppress(RuntimeError):  # the loop did not wait for us
                self._on_end()

    def _next(self) -> _Entry | None:
        with self._wake:
            while True:
                if self._queue:
                    entry = self._queue.popleft()
                    self._queued_bytes -= len(entry.block)
                    entry.lane.pending_bytes -= len(entry.block)
                    return entry
                for lane in self._untold:
                    if _can_tell(lane.outlet):
                        missed, lane.missed = lane.missed, Loss()
                        return _Entry(lane, missed=missed)
                if self._closing:
                    return None
                self._wake.wait(self._retry_seconds if self._untold else None)

    def _deliver(self, entry: _Entry) -> None:
        lane, outlet = entry.lane, entry.lane.outlet
        self._outlets.add(outlet)
        if entry.missed.lines:
            lane.lost += entry.missed
            lane.cause = lane.cause or SLOW
        if time.monotonic() < outlet.retry_at:
            self._lose(lane, entry.block, outlet.trouble)
            return
        gap = Gap(source=lane.source, lines=lane.lost.lines, size_bytes=lane.lost.size_bytes, cause=lane.cause)
        head = outlet.gap_line(gap) if gap.lines else b""
        body = entry.render(entry.block) if entry.render and entry.block else entry.block
        if not head and not body and outlet.trouble:
            return  # nothing to prove with that it works again
        try:
            if head or body:
                outlet.write(head + body)
        except OutletError as error:
            if head and error.written >= len(head):
                self._told(lane)
            self._fail(outlet, error.cause)
            self._lose(lane, body[max(0, error.written - len(head)) :], error.cause)
            return
        outlet.trouble = ""
        if gap.lines:
            outlet.recovered(gap)
            self._told(lane)

    def _fail(self, outlet: Outlet, cause: str) -> None:
        outlet.retry_at = time.monotonic() + self._retry_seconds
        began = not outlet.trouble
        outlet.trouble = cause
        if began:
            outlet.failed()

    def _lose(self, lane: Lane, block: bytes, cause: str) -> None:
        if block:
            lane.lost += Loss.of(block)
            lane.cause = cause
        with self._wake:
            if lane.lost.lines:
                self._untold.add(lane)

    def _told(self, lane: Lane) -> None:
        lane.lost, lane.cause = Loss(), ""
        with self._wake:
            if not lane.missed.lines:
                self._untold.discard(lane)


def _can_tell(outlet: Outlet) -> bool:
    return not outlet.trouble or (outlet.speaks and time.monotonic() >= outlet.retry_at)


class FdOutlet(Outlet):
    """A descriptor that somebody else opened: standard output or error. Never closed, never made non-blocking here.

    Its flags are shared with whoever gave it to us (a shell, another daemon), which is why a thread waits and the loop
    does not poll.
    """

    speaks: ClassVar[bool] = True

    def __init__(self, fd: int, *, gap_line: Callable[[Gap], bytes]) -> None:
        super().__init__()
        self._fd = fd
        self._gap_line = gap_line
        self._torn = False

    def gap_line(self, gap: Gap) -> bytes:
        """The gap in words, among the lines it is missing from."""
        return self._gap_line(gap)

    def write(self, data: bytes) -> None:
        """Writes all of it, on a line of its own after a failure in the middle of one. Raises OutletError."""
        written = 0
        try:
            if self._torn:
                self._write_some(b"\n")
                self._torn = False
            while written < len(data):
                written += self._write_some(memoryview(data)[written:])
        except OSError as error:
            self._torn = self._torn or (written > 0 and data[written - 1 : written] != b"\n")
            raise OutletError(error.strerror or str(error), written=written) from error

    def _write_some(self, data: bytes | memoryview) -> int:
        while True:
            try:
                return os.write(self._fd, data)
            except BlockingIOError:  # whoever shares it made it non-blocking
                poller = select.poll()
                poller.register(self._fd, select.POLLOUT)
                poller.poll()


class Output:
    """The supervisor's own output: what it says itself, and what children without a log file say."""

    def __init__(
        self, fd: int, *, gap_line: Callable[[Gap], bytes] | None = None, bound_bytes: int = QUEUE_BYTES
    ) -> None:
        """``gap_line`` words a gap as the daemon words its own lines, newline included."""
        self.is_terminal = os.isatty(fd)
        self._sink = Sink(name="output", bound_bytes=bound_bytes)
        self._outlet = FdOutlet(fd, gap_line=gap_line or _plain_gap_line)

    def lane(self, source: str) -> Lane:
        """A way for one source's lines; ``supervisor`` for our own."""
        return self._sink.lane(source, self._outlet)

    async def close(self, *, timeout_seconds: float = 1.0) -> bool:
        """As ``Sink.close``. Last of all: others still have things to say while they close."""
        return await self._sink.close(timeout_seconds=timeout_seconds)


def _plain_gap_line(gap: Gap) -> bytes:
    return f"supervisor: {gap}\n".encode()
