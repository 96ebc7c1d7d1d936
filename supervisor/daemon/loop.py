"""The only caller of ``step``: next event, step, publish, perform.

Promises: events are answered one at a time, in the order they were posted, after a Woke when we did not run for a while;
observers see every transition, in order, when the actions of it and of the events that waited behind it are under way, for
those may be what a failover waits for; ``wait`` misses no state. Wakes at least once a second, because asyncio's timers stop
while the machine is suspended and the core's do not; how late it wakes is the loop's lag.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from supervisor.core import machine
from supervisor.core.actions import Action, Exit
from supervisor.core.events import Event, Ticked, Woke
from supervisor.core.names import Instant
from supervisor.core.schedule import Schedule
from supervisor.core.state import State

LONGEST_SLEEP_SECONDS = 1.0
LONGEST_TURN_SECONDS = 0.01
GAP_SECONDS = 2.5
"""Between two steps there is a tick at least every second: this long without one, and we did not run."""

Observer = Callable[[State, Event, State, tuple[Action, ...]], None]
"""Takes the state before, the event, the state after, and what follows."""


class Loop:
    """Holds the state and lets it change in one place."""

    def __init__(self, state: State, *, clock: Callable[[], Instant], perform: Callable[[Action], None]) -> None:
        self.state = state
        self.lag_seconds = 0.0
        """How late the last timer was."""
        self.longest_gap_seconds = 0.0
        """The longest time in which we did not run."""
        self._clock = clock
        self._perform = perform
        self._observers: list[Observer] = []
        self._events: deque[Event] = deque()
        self._arrived = asyncio.Event()
        self._changed: set[asyncio.Event] = set()
        self._unshown: list[tuple[State, Event, State, tuple[Action, ...]]] = []
        self._schedule = Schedule()
        self._ticked_at = self._stepped_at = clock()

    def post(self, event: Event) -> None:
        """Have an event answered after those that wait already. From the loop's own thread only."""
        self._events.append(event)
        self._arrived.set()

    def observe(self, observer: Observer) -> None:
        """Show every transition to this observer. It must return at once and never raise."""
        self._observers.append(observer)

    async def run(self) -> int:
        """Answer events until the core asks for the end; returns the exit code."""
        while True:
            turn_ends = self._clock() + LONGEST_TURN_SECONDS
            while self._events:
                code = self._step(self._events.popleft())
                if code is not None:
                    self._show()
                    return code
                if not self._events or self._clock() > turn_ends:
                    # Others post while we work off a burst, and what was asked for is to be sent: give them their turn.
                    await asyncio.sleep(0)
                    self._show()
                    turn_ends = self._clock() + LONGEST_TURN_SECONDS
            due = self._schedule.next_due(self.state, after=self._ticked_at)
            await self._sleep(due)
            if not self._events:
                self._ticked_at = self._clock()
                self._events.append(Ticked())

    async def wait(self, predicate: Callable[[State], bool], timeout_seconds: float) -> State | None:
        """The first state from now on that fits, or None when none did in time."""
        changed = asyncio.Event()
        self._changed.add(changed)
        try:
            async with asyncio.timeout(timeout_seconds):
                while not predicate(self.state):
                    changed.clear()
                    await changed.wait()
                return self.state
        except TimeoutError:
            return None
        finally:
            self._changed.discard(changed)

    def _step(self, event: Event) -> int | None:
        now = self._clock()
        gap, self._stepped_at = now - self._stepped_at, now
        if gap > GAP_SECONDS:
            self.longest_gap_seconds = max(gap, self.longest_gap_seconds)
            self._answer(Woke(gap_seconds=gap), now)
        return self._answer(event, now)

    def _answer(self, event: Event, now: Instant) -> int | None:
        before = self.state
        if isinstance(event, Ticked):
            self._ticked_at = now
        self.state, actions = machine.step(before, event, now=now)
        self._unshown.append((before, event, self.state, actions))
        for action in actions:
            if isinstance(action, Exit):
                return action.code
            self._perform(action)
        return None

    def _show(self) -> None:
        shown, self._unshown = self._unshown, []
        for transition in shown:
            for observer in self._observers:
                observer(*transition)
        for waiting in self._changed:
            waiting.set()

    async def _sleep(self, due: Instant | None) -> None:
        asked = LONGEST_SLEEP_SECONDS if due is None else min(LONGEST_SLEEP_SECONDS, due - self._clock())
        self._arrived.clear()
        if asked <= 0:
            self.lag_seconds = -asked
            return
        began = self._clock()
        try:
            async with asyncio.timeout(asked):
                await self._arrived.wait()
        except TimeoutError:
            self.lag_seconds = max(0.0, self._clock() - began - asked)
