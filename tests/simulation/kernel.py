"""Virtual time: one queue of what is to happen, and actors that can be stopped while time goes on.

Promises: deterministic (same pushes, same order; ties in the order of pushing); nothing sleeps. An event, as counted here, is
one entry of the queue that was carried out: a delivered message or answer, a timer, a fault, a death.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from random import Random

Work = Callable[..., None]


class Kernel:
    """True time, in seconds since the simulation began; no clock of any machine shows it."""

    __slots__ = ("_heap", "_pushed", "events", "now", "random", "rng", "trace")

    def __init__(self, rng: Random, trace: deque[str] | None = None) -> None:
        self.now = 0.0
        self.rng = rng
        self.random = rng.random
        self.events = 0
        self.trace = trace
        """None when nobody reads it: formatting would be half of the run."""
        self._heap: list[tuple[float, int, Work, tuple[object, ...]]] = []
        self._pushed = 0

    def at(self, when: float, work: Work, *args: object) -> None:
        """Carry this out at an instant that is not past."""
        self._pushed += 1
        heappush(self._heap, (when, self._pushed, work, args))

    def run(self, until: float) -> None:
        """Let time pass."""
        heap = self._heap
        done = 0
        while heap and heap[0][0] <= until:
            when, _, work, args = heappop(heap)
            self.now = when
            done += 1
            work(*args)
        self.events += done
        self.now = until

    def note(self, who: str, what: object) -> None:
        """A line of the trace. Callers look at ``trace`` first."""
        assert self.trace is not None
        self.trace.append(f"{self.now:10.4f} {who:12} {what}")


class Actor:
    """Something that runs, may be stopped, and may die. What comes due while it is stopped waits for it."""

    __slots__ = ("_waiting", "dead", "kernel", "stopped")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.stopped = 0
        """By how many hands."""
        self.dead = False
        self._waiting: list[tuple[Work, tuple[object, ...]]] = []

    @property
    def runs(self) -> bool:
        """Whether it can do anything now."""
        return not self.dead and not self.stopped

    def later(self, seconds: float, work: Work, *args: object) -> None:
        """Do this after a while, if it still lives, and when it runs."""
        self.kernel.at(self.kernel.now + seconds, self.due, work, args)

    def due(self, work: Work, args: tuple[object, ...]) -> None:
        """Do this now, or when it runs again."""
        if self.dead:
            return
        if self.stopped:
            self._waiting.append((work, args))
        else:
            work(*args)

    def stop(self) -> None:
        """SIGSTOP, or the machine sleeps."""
        self.stopped += 1

    def go_on(self) -> None:
        """One of those who stopped it lets go."""
        self.stopped -= 1
        if self.stopped or self.dead:
            return
        waiting, self._waiting = self._waiting, []
        for work, args in waiting:
            self.due(work, args)
