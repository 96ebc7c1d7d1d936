"""The only caller of ``step``: next event, step, publish, perform.

Promises: events are answered in the order they were posted, those that may share a step together, after a Woke when we did
not run for a while; observers see every transition, in order, when its actions are under way and no event waits, for those may be what a
failover waits for; what ``core.duties`` puts off is performed when no event is left, in its order; ``wait`` misses no state. Wakes at least
once a second, because asyncio's timers stop while the machine is suspended and the core's do not; how late it wakes is the loop's lag.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from supervisor.core import duties, machine
from supervisor.core.actions import Action, Exit
from supervisor.core.events import Event, Ticked, Woke
from supervisor.core.names import Instant
from supervisor.core.schedule import Schedule
from supervisor.core.state import State
from supervisor.daemon.order import TURNS

LONGEST_SLEEP_SECONDS = 1.0
LONGEST_TURN_SECONDS = 0.01
LONGEST_WITHOUT_STEP_SECONDS = 0.1
"""While what was put off is worked off: deadlines and renewals are looked at in steps only."""
MOST_UNTOLD = 40
"""Transitions that observers wait for: each keeps a state alive. A thousand wins, shown and proven, are about twenty."""
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
        self._backlog = duties.Backlog()
        self._untold: list[tuple[Instant, State, Event, State, tuple[Action, ...]]] = []
        """Transitions that the observers have not been shown yet, with the instant of each."""
        self.shown_at = clock()
        """When the transition that observers are being shown came about."""
        self._arrived = asyncio.Event()
        self._changed: set[asyncio.Event] = set()
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
            while self._events or self._untold or self._may_start():
                if self._events:
                    code = self._step(duties.gather(self.state, self._events))
                    if code is not None:
                        self._show()
                        return code
                    if len(self._untold) >= MOST_UNTOLD:
                        self._show()
                elif self._untold:
                    await self._requests_leave()
                    if not self._events:
                        self._show()
                else:
                    self._perform(self._backlog.take())
                busy = self._events or self._may_start()
                if not busy or self._clock() > turn_ends:
                    # Others post while we work off a burst, and what was asked for is to be sent: give them their turn.
                    await asyncio.sleep(0)
                    turn_ends = self._clock() + LONGEST_TURN_SECONDS
                    if busy and turn_ends > self._stepped_at + LONGEST_WITHOUT_STEP_SECONDS:
                        self._events.append(Ticked())
            await self._sleep(self._schedule.next_due(self.state, after=self._ticked_at))
            if not self._events and not self._may_start():
                self._ticked_at = self._clock()
                self._events.append(Ticked())

    def _may_start(self) -> bool:
        """Whether what was put off may be performed now."""
        at = self._backlog.ready_at(now := self._clock())
        return at is not None and at <= now

    @property
    def since_step_seconds(self) -> float:
        """How long ago the core was last asked for a decision: about a second at most, while all is well."""
        return self._clock() - self._stepped_at

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
        self._schedule.note(before, self.state)
        self._backlog.hear(event)
        code = None
        for asked in actions:
            for action in self._backlog.admit(asked, self.state):
                if isinstance(action, Exit):
                    code = action.code
                else:
                    self._perform(action)
        self._untold.append((now, before, event, self.state, actions))
        for waiting in self._changed:
            waiting.set()
        return code

    async def _requests_leave(self) -> None:
        """What was asked of etcd a moment ago is on its way after a few turns: that, and not the log, is waited for."""
        for _ in range(TURNS):
            if not self._events:
                await asyncio.sleep(0)

    def _show(self) -> None:
        untold, self._untold = self._untold, []
        for self.shown_at, before, event, after, actions in untold:
            for observer in self._observers:
                observer(before, event, after, actions)

    async def _sleep(self, due: Instant | None) -> None:
        now = self._clock()
        ends = [Instant(now + LONGEST_SLEEP_SECONDS), due, self._backlog.ready_at(now)]
        asked = min(at for at in ends if at is not None) - now
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
