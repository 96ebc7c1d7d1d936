"""When a watcher of the status is told what: at once, together, and never at more than the daemon can spare.

Promises: what changes is told within a moment; changes of a burst as one; confirmations of what is known already (renewals,
answers of the watch) a little later; and something at least every few seconds, so that silence means trouble. A watcher
costs at most a two-hundredth of one CPU, whatever the size of the status: the larger it is, the rarer it is told. Does not:
look at anything but the state: it wakes with the daemon's steps and asks nobody.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from typing import Final, TypeVar

from supervisor.control.ports import Ports
from supervisor.core.state import State

T = TypeVar("T")

TOGETHER_SECONDS: Final = 0.2
"""Between two messages at least."""
CONFIRMED_SECONDS: Final = 2.0
"""After a message, when nothing changed but the age of what is known."""
SILENT_SECONDS: Final = 5.0
"""The longest silence."""
SHARE: Final = 200
"""A message is followed by a pause of so many times what it cost."""


async def messages(ports: Ports, make: Callable[[], T]) -> AsyncGenerator[T, None]:
    """What ``make`` makes of the present state, now and whenever that is due, until the daemon ends."""
    while True:
        told = ports.state()
        began = time.thread_time()
        message = make()
        cost = time.thread_time() - began
        yield message
        if told.exited:
            return
        await asyncio.sleep(max(TOGETHER_SECONDS, SHARE * cost))
        if await ports.wait(lambda s: changed(told, s), CONFIRMED_SECONDS) is None:  # noqa: B023 # waited for here
            await ports.wait(lambda s: changed(told, s) or confirmed(told, s), SILENT_SECONDS - CONFIRMED_SECONDS)  # noqa: B023


def changed(told: State, state: State) -> bool:
    """Whether there is more to tell than that time has passed. Parts are replaced when they change, so identity tells."""
    return (
        state.elections is not told.elections
        or state.processes is not told.processes
        or state.store.reachable is not told.store.reachable
        or state.store.endpoints is not told.store.endpoints
        or state.spec is not told.spec
        or state.problems is not told.problems
        or state.stopping != told.stopping
        or state.guardian_lost is not told.guardian_lost
        or state.exited is not told.exited
    )


def confirmed(told: State, state: State) -> bool:
    """Whether what is known was heard again."""
    return state.sessions is not told.sessions or state.store is not told.store
