"""Writing lines without the loop or the reader ever waiting for whoever takes them.

Promises: ``Lane.put`` returns at once, whether the terminal is stopped, the pipe is full or the disk is gone; memory stays
under the sink's bound plus one block for each lane; lines of one lane keep their order and are never torn by another's;
lines that could not be written are counted, and told once when writing works again, at the place where they are missing;
a source that floods leaves room for those that do not, and an outlet that hangs holds up no other.
Does not: bring dropped lines back, sync to disk, or survive the death of the process.

What happens when there is no room is the lane's to say. An impatient one drops and counts. A patient one (files) is
``full``: its reader reads no more, the pipe fills and the child waits - for as long as the outlet gets on. One that fails,
or has taken nothing for ``STALL_SECONDS``, is not waited for: its lines are dropped and counted until it takes some again.
"""

import asyncio
import contextlib
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
STALL_SECONDS: Final = 5.0
"""An outlet that has taken nothing for this long hangs: nobody waits for it."""
HELP_SECONDS: Final = 0.5
"""A thread that is busy with one block for this long may be lost: another takes its place."""
MOST_THREADS: Final = 32
"""Those that hang in an outlet included."""

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


NOTHING: Final = Loss()


class OutletError(Exception):
    """An outlet took only the first ``written`` bytes."""

    def __init__(self, cause: str, *, written: int) -> None:
        super().__init__(cause)
        self.cause = cause
        self.written = written


class Queue:
    """What waits for one outlet. Guarded by the sink's lock."""

    __slots__ = ("entries", "progress_at", "served", "told")

    def __init__(self) -> None:
        self.entries: deque[_Entry] = deque()
        self.served = False
        """A thread has one of its entries in hand."""
        self.progress_at = 0.0
        """``time.monotonic`` when it last took something, or had nothing to take."""
        self.told = False
        """Its outlet was told that it hangs."""

    def hangs(self) -> bool:
        """Whether it has been waited for long enough."""
        return (self.served or bool(self.entries)) and time.monotonic() - self.progress_at > STALL_SECONDS

    def keeps_its_thread(self) -> bool:
        """Whether whoever serves it may be lost."""
        return time.monotonic() - self.progress_at > HELP_SECONDS


class Outlet(ABC):
    """Where lines end up. One writer's thread at a time calls the methods, so they may block."""

    speaks: ClassVar[bool] = False
    """Gaps are told in the outlet itself, so that it can be tried with one while nobody has anything new to say."""

    def __init__(self) -> None:
        self.trouble = ""
        """Why it cannot be written now; empty when it can, or nobody has tried."""
        self.retry_at = 0.0
        """``time.monotonic`` before which nobody tries."""
        self.queue = Queue()
        """The sink's."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Writes whole lines. Raises OutletError."""

    def loss(self, data: bytes) -> Loss:
        """What is lost with ``data``, which was to be written."""
        return Loss.of(data)

    def gap_line(self, gap: Gap) -> bytes:  # noqa: ARG002  (files stay what the child wrote: they tell elsewhere)
        """What stands in the outlet for lines that are missing; nothing by default."""
        return b""

    def failed(self) -> None:  # noqa: B027  (an outlet may have nobody to tell)
        """Called once when it begins to fail; ``trouble`` says why."""

    def hung(self) -> None:  # noqa: B027
        """Called once when it hangs and lines begin to be dropped; by whoever puts them, so it may not block."""

    def recovered(self, gap: Gap) -> None:  # noqa: B027
        """Called once for every lane that missed lines, when it works again."""

    def reopen(self) -> None:  # noqa: B027
        """Begins anew, where that means anything: another program has moved what we wrote away."""

    def close(self) -> None:  # noqa: B027
        """Called last."""


class Lane:
    """One source's way to one outlet. Made by ``Sink.lane``."""

    __slots__ = ("_sink", "cause", "dropped", "lost", "missed", "outlet", "patient", "pending_bytes", "source")

    def __init__(self, sink: "Sink", source: str, outlet: Outlet, *, patient: bool) -> None:
        self._sink = sink
        self.source = source
        self.outlet = outlet
        self.patient = patient
        self.pending_bytes = 0
        self.missed = NOTHING
        """Did not fit in the queue since its last block. Guarded by the sink's lock, as ``pending_bytes`` is."""
        self.dropped = NOTHING
        """All that was ever lost, told or not. Guarded by the sink's lock."""
        self.lost = NOTHING
        """Dropped and not told yet. The writer's own, as ``cause`` is."""
        self.cause = ""

    def put(self, block: bytes, render: Render | None = None) -> None:
        """Queues whole lines, or counts them as dropped. Never blocks, never raises; from any thread."""
        self._sink.put(self, block, render)

    def full(self) -> bool:
        """Whether whoever puts on it is to wait: never for an impatient lane, or for an outlet that fails or hangs."""
        return self.patient and self._sink.full(self)

    def reopen(self) -> None:
        """Reopens the outlet after everything queued so far."""
        self._sink.then(self, self.outlet.reopen)

    def retire(self) -> None:
        """Closes the outlet after everything queued so far. Nothing may be put on it later."""
        self._sink.then(self, self.outlet.close, last=True)


@dataclass(frozen=True, slots=True)
class _Entry:
    lane: Lane
    block: bytes = b""
    render: Render | None = None
    missed: Loss = NOTHING
    """Dropped between the lane's last block and this one."""
    then: Callable[[], None] | None = None
    last: bool = False


class Sink:
    """Queues bounded in bytes, together, and the threads that empty them: started by blocks, ended by ``close``."""

    def __init__(
        self,
        *,
        name: str,
        bound_bytes: int = QUEUE_BYTES,
        retry_seconds: float = RETRY_SECONDS,
        threads: int = 1,
    ) -> None:
        """``threads``: so many write at a time, not counting those that hang in an outlet."""
        self._name = name
        self._bound_bytes = bound_bytes
        self._retry_seconds = retry_seconds
        self._wanted_threads = threads
        self._wake = threading.Condition()
        self._outlets: set[Outlet] = set()
        self._ready: deque[Outlet] = deque()
        """Those that have entries and are not served."""
        self._served: set[Outlet] = set()
        self._queued_bytes = 0
        self._untold: set[Lane] = set()
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._closing = False
        self._on_end: Callable[[], object] = bool

    def lane(self, source: str, outlet: Outlet, *, patient: bool = False) -> Lane:
        """A new lane; ``source`` names it where lines are missing."""
        return Lane(self, source, outlet, patient=patient)

    def put(self, lane: Lane, block: bytes, render: Render | None) -> None:
        """What ``Lane.put`` promises."""
        if not block:
            return
        with self._wake:
            if self._closing or (
                not self._has_room(lane, len(block)) and (not lane.patient or lane.outlet.queue.hangs())
            ):
                loss = Loss.of(block)
                lane.missed += loss
                lane.dropped += loss
                self._untold.add(lane)
                self._staff()
                self._tell_hung(lane)
                return
            missed, lane.missed = lane.missed, NOTHING
            self._queued_bytes += len(block)
            lane.pending_bytes += len(block)
            self._enqueue(_Entry(lane, block, render, missed))

    def full(self, lane: Lane) -> bool:
        """What ``Lane.full`` promises."""
        with self._wake:
            if lane.pending_bytes == 0 or self._has_room(lane, 1):
                return False
            self._staff()
            return not lane.outlet.queue.hangs()

    def then(self, lane: Lane, call: Callable[[], None], *, last: bool = False) -> None:
        """Calls something of the outlet's in its turn; for the ``last`` time if so."""
        with self._wake:
            if self._threads and not self._closing:  # otherwise nothing was ever written
                self._enqueue(_Entry(lane, then=call, last=last))

    async def close(self, *, timeout_seconds: float) -> bool:
        """Writes what is queued and ends the threads. False when time ran out, or when lines are missing still.

        A thread that hangs in a write is left behind: it is a daemon thread and keeps nobody from exiting.
        """
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        with self._wake:
            self._closing = True
            self._on_end = lambda: loop.call_soon_threadsafe(ended.set)
            self._wake.notify_all()
            threads = tuple(self._threads)
        if threads:
            try:
                async with asyncio.timeout(timeout_seconds):
                    await ended.wait()
            except TimeoutError:
                return False
        for thread in threads:
            thread.join()  # only its last instruction is left
        return not self._untold

    def _tell_hung(self, lane: Lane) -> None:
        queue = lane.outlet.queue
        if lane.patient and not queue.told and not self._closing:
            queue.told = True
            lane.outlet.hung()

    def _has_room(self, lane: Lane, size_bytes: int) -> bool:
        """A lane may hold as much as is left free: one that floods gets half of the queue, ten get a tenth each.

        One that overflowed stays shut until it needs only half of that, so that a slow reader sees few long gaps and
        not one after every other line.
        """
        if not self._queued_bytes:
            return True
        factor = 2 if lane.missed.lines else 1
        return (lane.pending_bytes + size_bytes) * factor <= self._bound_bytes - self._queued_bytes

    def _enqueue(self, entry: _Entry) -> None:
        outlet = entry.lane.outlet
        self._outlets.add(outlet)
        if not outlet.queue.served and not outlet.queue.entries:
            outlet.queue.progress_at = time.monotonic()
            self._ready.append(outlet)
        outlet.queue.entries.append(entry)
        self._staff()

    def _staff(self) -> None:
        """Sees to it that somebody serves what is ready."""
        if self._idle:
            self._wake.notify()
        if self._idle >= len(self._ready) or self._closing:
            return
        lost = sum(outlet.queue.keeps_its_thread() for outlet in self._served)
        if len(self._threads) >= min(MOST_THREADS, self._wanted_threads + lost):
            return
        thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        with contextlib.suppress(RuntimeError):  # no thread to be had now: the next block tries again
            thread.start()
            self._threads.add(thread)

    # --- the writers' threads ----------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (entry := self._next()) is not None:
            try:
                self._deliver(entry)
            except Exception as error:  # noqa: BLE001 # a mistake of ours costs this block, not all that come after it
                self._lose(entry.lane, Loss.of(entry.block), f"{type(error).__name__}: {error}")
            self._delivered(entry)
        with self._wake:
            self._threads.discard(threading.current_thread())
            over = not self._threads
        if over:
            for outlet in self._outlets:
                outlet.close()
            with contextlib.suppress(RuntimeError):  # the loop did not wait for us
                self._on_end()

    def _next(self) -> _Entry | None:
        with self._wake:
            while True:
                entry = self._waiting() or self._telling()
                if entry is not None:
                    outlet = entry.lane.outlet
                    outlet.queue.served = True
                    outlet.queue.progress_at = time.monotonic()
                    self._served.add(outlet)
                    return entry
                if self._closing:
                    return None
                self._idle += 1
                self._wake.wait(self._retry_seconds if self._untold else None)
                self._idle -= 1

    def _waiting(self) -> _Entry | None:
        if not self._ready:
            return None
        entry = self._ready.popleft().queue.entries.popleft()
        self._queued_bytes -= len(entry.block)
        entry.lane.pending_bytes -= len(entry.block)
        return entry

    def _telling(self) -> _Entry | None:
        """An entry that only tells of lines that are missing: nothing else is being said."""
        for lane in self._untold:
            if not lane.outlet.queue.served and _can_tell(lane.outlet):
                missed, lane.missed = lane.missed, NOTHING
                return _Entry(lane, missed=missed)
        return None

    def _delivered(self, entry: _Entry) -> None:
        outlet = entry.lane.outlet
        with self._wake:
            outlet.queue.served = outlet.queue.told = False
            outlet.queue.progress_at = time.monotonic()
            self._served.discard(outlet)
            if outlet.queue.entries:
                self._ready.append(outlet)
            elif entry.last:
                self._outlets.discard(outlet)

    def _deliver(self, entry: _Entry) -> None:
        lane, outlet = entry.lane, entry.lane.outlet
        if entry.then is not None:
            with contextlib.suppress(OSError):  # whatever it is, the next line meets it
                entry.then()
            return
        if entry.missed.lines:
            lane.lost += entry.missed
            lane.cause = lane.cause or SLOW
        if time.monotonic() < outlet.retry_at:
            self._lose(lane, Loss.of(entry.block), outlet.trouble)
            return
        gap = Gap(source=lane.source, lines=lane.lost.lines, size_bytes=lane.lost.size_bytes, cause=lane.cause)
        head = outlet.gap_line(gap) if gap.lines else b""
        body = entry.render(entry.block) if entry.render and entry.block else entry.block
        if not head and not body and outlet.trouble:
            return  # nothing to prove with that it works again
        try:
            if head or body:
                outlet.write(head + body if head else body)
        except OutletError as error:
            if head and error.written >= len(head):
                self._told(lane)
            self._fail(outlet, error.cause)
            self._lose(lane, outlet.loss(body[max(0, error.written - len(head)) :]), error.cause)
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

    def _lose(self, lane: Lane, loss: Loss, cause: str) -> None:
        if loss.lines:
            lane.lost += loss
            lane.cause = cause
        with self._wake:
            lane.dropped += loss
            if lane.lost.lines:
                self._untold.add(lane)

    def _told(self, lane: Lane) -> None:
        lane.lost, lane.cause = NOTHING, ""
        with self._wake:
            if not lane.missed.lines:
                self._untold.discard(lane)


def _can_tell(outlet: Outlet) -> bool:
    return not outlet.trouble or (outlet.speaks and time.monotonic() >= outlet.retry_at)
