"""The last things that happened, and whoever follows them.

Promises: holds ``KEPT`` of them, whatever happens; a reader has no queue of its own but a place in the ring, so that one that
is slow costs nothing and holds nobody up, and is told how many it missed. Does not: know what they mean.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from typing import Final

from supervisor.core.happenings import Happening

KEPT: Final = 1000


class Ring:
    """The ring, on the daemon's own loop."""

    def __init__(self, kept: int = KEPT) -> None:
        self._held: deque[Happening] = deque(maxlen=kept)
        self._next = 1
        self._readers: set[asyncio.Event] = set()

    def add(self, found: Iterable[Happening]) -> None:
        """What happened in one step."""
        before = self._next
        for happening in found:
            self._held.append(happening)
            self._next += 1
        if self._next != before:
            for reader in self._readers:
                reader.set()

    def last(self) -> list[tuple[int, Happening]]:
        """All that is held, with numbers, oldest first."""
        return list(enumerate(self._held, self._next - len(self._held)))

    async def follow(self, *, after: int = 0) -> AsyncGenerator[tuple[int, Happening, int], None]:
        """What happened after this number, and happens, until closed: number, happening, and how many were missed before it."""
        arrived = asyncio.Event()
        self._readers.add(arrived)
        place = max(after + 1, 1)
        try:
            while True:
                while place < self._next:
                    oldest = self._next - len(self._held)
                    missed = max(0, oldest - place)
                    place += missed
                    yield place, self._held[place - oldest], missed
                    place += 1
                arrived.clear()
                await arrived.wait()
        finally:
            self._readers.discard(arrived)
