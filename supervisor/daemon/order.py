"""In which order a step's actions leave this process, where the step leaves it open.

A proof of a win takes etcd a write to its disk; what is prepared meanwhile takes this process a while, too. gRPC sends a
request only some turns of the event loop after it was asked for. So that both go on side by side, what prepares a term
waits for those few turns. Promises: orders to the guardian keep their order among themselves: whatever else is asked of it
sends what waits first; nothing waits longer than ``TURNS``. Does not: delay anything but preparations.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from supervisor.core import actions as ac

TURNS: Final = 5
"""Of the event loop, from asking for a call until its request is on its way."""
PREPARATIONS: Final = (ac.Arm, ac.Remember, ac.ConfigureLog, ac.Spawn)


class Order:
    """Passes actions on, those that prepare a term after the proof of its win."""

    def __init__(self, perform: Callable[[ac.Action], None]) -> None:
        self._perform = perform
        self._waiting: list[ac.Action] = []
        self._turns = 0

    def pass_on(self, action: ac.Action) -> None:
        """Perform an action now, or after the proof that was asked for just before."""
        if isinstance(action, PREPARATIONS) and self._turns:
            self._waiting.append(action)
            return
        if not isinstance(action, ac.Prove):
            self._catch_up()
        elif not self._turns:
            self._turns = TURNS
            asyncio.get_running_loop().call_soon(self._turn)
        self._perform(action)

    def _turn(self) -> None:
        self._turns -= 1
        if self._turns:
            asyncio.get_running_loop().call_soon(self._turn)
        else:
            self._catch_up()

    def _catch_up(self) -> None:
        waiting, self._waiting = self._waiting, []
        for action in waiting:
            self._perform(action)
