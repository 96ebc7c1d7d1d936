"""What the service manager (systemd) is told, and when.

Promises: READY once the file is adopted and every election has joined its queue; one honest line of status, which follows a burst of
changes; a sign of life only while the core decides *and* the guardian answers; more time for a stop while it lasts, but no
more than the file allows its processes. Does not: decide anything about elections, or know the protocol (``report.systemd``).
"""

import asyncio
from collections.abc import Callable

from supervisor.core.state import Election, ElectionPhase, State
from supervisor.core.stop_budget import stop_budget_seconds
from supervisor.report.systemd import Notifier

STATUS_EVERY_SECONDS = 0.25
LONGEST_WITHOUT_STEP_SECONDS = 5.0
"""The core is asked at least once a second; a machine that is very busy may take longer, one that is stuck takes for ever."""
SIGNS_PER_WATCHDOG = 3
EXTEND_EVERY_SECONDS = 2.0
EXTEND_BY_SECONDS = 15.0


class ServiceManager:
    """Tells it; silent where there is none."""

    def __init__(self, notifier: Notifier, *, state: Callable[[], State], more: Callable[[], str] = lambda: "") -> None:
        """``more``: what the line of status ends with."""
        self._notifier = notifier
        self._state = state
        self._more = more
        self._told_ready = self._telling = False

    def report(self, before: State, after: State) -> None:
        """Every transition, in order."""
        if after.stopping and not before.stopping:
            self._notifier.stopping(after.stopping)
            self._extend(stop_budget_seconds(after.spec))
        if not self._told_ready and after.spec is not None and all(_joined(e) for e in after.elections.values()):
            self._told_ready = True
            self._notifier.ready(status_line(after) + self._more())
        elif before.elections is not after.elections or before.problems is not after.problems:
            self._tell_soon()

    def reloading(self) -> None:
        """A reload that the manager asked for has begun. Call ``reloaded`` after it, whatever came of it."""
        self._notifier.reloading()

    def reloaded(self) -> None:
        """It is over, and the line of status says what came of it."""
        self._notifier.ready(status_line(self._state()) + self._more())

    async def keep_watchdog(self, alive: Callable[[], bool]) -> None:
        """A sign of life, again and again, while ``alive``; returns at once when nobody waits for one."""
        if self._notifier.watchdog_seconds is None:
            return
        while True:
            if alive():
                self._notifier.watchdog()
            await asyncio.sleep(self._notifier.watchdog_seconds / SIGNS_PER_WATCHDOG)

    def _extend(self, seconds_left: float) -> None:
        """Ask for more time for the stop, again and again, within its budget."""
        if seconds_left > 0 and self._notifier.enabled:
            self._notifier.extend_timeout(min(EXTEND_BY_SECONDS, seconds_left))
            later = seconds_left - EXTEND_EVERY_SECONDS
            asyncio.get_running_loop().call_later(EXTEND_EVERY_SECONDS, self._extend, later)

    def _tell_soon(self) -> None:
        """The status line follows a burst of changes, not each of them."""
        if not self._telling and self._notifier.enabled:
            self._telling = True
            asyncio.get_running_loop().call_later(STATUS_EVERY_SECONDS, self._tell_status)

    def _tell_status(self) -> None:
        self._telling = False
        self._notifier.status(status_line(self._state()) + self._more())


def _joined(e: Election) -> bool:
    return e.phase not in (ElectionPhase.DETACHED, ElectionPhase.CAMPAIGNING)


def status_line(state: State) -> str:
    """One honest line."""
    leading = sum(e.leading for e in state.elections.values())
    text = f"leads {leading} of {len(state.elections)} elections"
    if waiting := sum(not _joined(e) for e in state.elections.values()):
        text += f", {waiting} not in the queue yet"
    if state.spec is not None and state.elections and state.store.reachable is False:
        text += "; etcd is not reached"
    if state.problems:
        many = "1 problem" if len(state.problems) == 1 else f"{len(state.problems)} problems"
        text += f"; the file has {many} and was not adopted"
    return text
