"""What processes say, for whoever follows it.

Promises: the reader's thread never waits for a follower; one that is too slow misses lines and is told how many; memory
stays under the bound. Belongs to one event loop, but for ``offer``.
"""

import asyncio
import contextlib
import threading
from collections import deque
from dataclasses import dataclass
from typing import Final

from supervisor.core.names import ProcessId

BOUND_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Lines of one stream of one process."""

    process: ProcessId
    stream: str
    at: float
    """The wall clock when they were read, in seconds since the epoch."""
    text: bytes
    missed: int = 0
    """So many lines of this process before these were too many for the follower."""


class Follower:
    """One that follows some processes."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._heard: deque[Heard] = deque()
        self._bytes = 0
        self._missed: dict[ProcessId, int] = {}
        self._news = asyncio.Event()
        self._woken = False

    def offer(self, process: ProcessId, stream: str, at: float, text: bytes) -> None:
        """Lines that were just read. From any thread."""
        with self._lock:
            if self._bytes + len(text) > BOUND_BYTES:
                self._missed[process] = self._missed.get(process, 0) + text.count(b"\n")
                return
            missed = self._missed.pop(process, 0)
            self._heard.append(Heard(process=process, stream=stream, at=at, text=text, missed=missed))
            self._bytes += len(text)
            if self._woken:
                return
            self._woken = True
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody follows any more
            self._loop.call_soon_threadsafe(self._news.set)

    async def next(self) -> Heard:
        """The next lines."""
        while True:
            with self._lock:
                if self._heard:
                    heard = self._heard.popleft()
                    self._bytes -= len(heard.text)
                    return heard
                self._news.clear()
                self._woken = False
            await self._news.wait()
