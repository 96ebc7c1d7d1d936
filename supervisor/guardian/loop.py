"""The guardian's one loop: descriptors, and instants on CLOCK_BOOTTIME.

Promises: alarms that are due come before anything that was read, so that no message outruns a deadline.
Does not: run more than one thing at a time, or survive a handler that blocks.
"""

import heapq
import itertools
import select
from collections.abc import Callable

from supervisor.guardian.linux import BootTimer, boottime


class Loop:
    """Turn it until the work is done."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._alarms: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._timer = BootTimer()
        self.watch(self._timer.fileno(), select.POLLIN, lambda _: self._timer.drain())

    def watch(self, fd: int, mask: int, handler: Callable[[int], None]) -> None:
        """Call the handler with the descriptor whenever that is ready. Again with another mask or handler replaces."""
        self._poll.register(fd, mask)
        self._handlers[fd] = handler

    def unwatch(self, fd: int) -> None:
        """Before it is closed."""
        if self._handlers.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def at(self, instant: float, callback: Callable[[], None]) -> None:
        """Call back once, at this instant or as soon after as possible. Nothing is cancelled: a late call must be harmless."""
        heapq.heappush(self._alarms, (instant, next(self._numbers), callback))

    def fire(self) -> None:
        """Call back whatever is due."""
        while self._alarms and self._alarms[0][0] <= boottime():
            heapq.heappop(self._alarms)[2]()

    def turn(self) -> None:
        """Wait until something happens, and handle it."""
        self._timer.set(self._alarms[0][0] if self._alarms else None)
        ready = self._poll.poll()
        self.fire()
        for fd, _ in ready:
            handler = self._handlers.get(fd)
            if handler is not None:  # an earlier handler of this turn may have closed it
                handler(fd)
