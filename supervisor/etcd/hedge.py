"""A question that is put again elsewhere before it has failed: hedged requests.

A frame that was lost holds up everything behind it on its connection, for 0.2 s, then 0.4 s, 0.8 s and so on; a member
that is frozen, or whose disk is, holds it up for longer. Who waits for the deadline of a call has spent a third of the time
that is left until a term is lost. So whoever has had no answer for a moment asks somebody else as well, by another
connection, and the first answer counts.

Promises: nothing that was begun is given up for what is begun later; the first answer is returned as soon as it is there,
a refusal like any other; an attempt that fails is followed by the next at once, and when there is none by another after
a pause, as long as one that is slow is waited for; every attempt goes on to its own end after another has answered, so that
a member that never does is found out.
Does not: know what is asked, or of whom; bound an attempt in time. Fit only for what may be carried out twice.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from supervisor.etcd.errors import StoreError, TimedOut, Undecided, Unreachable

R = TypeVar("R")

MOST_AT_ONCE = 3
LONGEST_PAUSE_SECONDS = 0.25
"""What one lost frame costs (Linux waits for 0.2 s at least before it sends again), and far more than an etcd that is
well takes to answer."""
PAUSES_PER_CALL = 4
"""Where there is little time at all, the last of three attempts still has half of it."""

Attempt = Coroutine[Any, Any, R]


def pause_seconds(timeout_seconds: float) -> float:
    """How long an attempt is waited for before another is made beside it."""
    return min(LONGEST_PAUSE_SECONDS, timeout_seconds / PAUSES_PER_CALL)


class Hedges:
    """The attempts of one connection to etcd, those included that nobody waits for any more."""

    def __init__(self) -> None:
        self._left: set[asyncio.Task[Any]] = set()

    async def first_answer(self, begin: Callable[[bool], Attempt[R] | None], *, pause: float) -> R:
        """The first answer, or refusal; when all attempts fail, why.

        ``begin`` makes the next attempt, if there is any: True when one has just failed (and for the first), False after a
        pause, beside those that are slow.
        """
        begun: list[asyncio.Task[R]] = []
        running: set[asyncio.Task[R]] = set()
        problems: list[StoreError] = []
        failed, more = True, True
        try:
            while True:
                if failed or more:
                    attempt = begin(failed)
                    more = attempt is not None or failed
                    if attempt is not None:
                        begun.append(asyncio.create_task(attempt))
                        running.add(begun[-1])
                if not running:
                    raise _summed(problems)
                patience = pause if more and len(running) < MOST_AT_ONCE else None
                done, running = await asyncio.wait(running, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                errors = {task: task.exception() for task in begun if task in done}
                if decided := [task for task, error in errors.items() if not isinstance(error, Undecided)]:
                    self._leave(running)
                    return min(decided, key=lambda task: errors[task] is not None).result()
                problems += [error for error in errors.values() if isinstance(error, Undecided)]
                failed = bool(done)
        except asyncio.CancelledError:
            await _end(running)
            raise

    async def close(self) -> None:
        """End what is still under way."""
        await _end(set(self._left))

    def _leave(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        for task in tasks:
            self._left.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._left.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, or asyncio would complain that nobody did


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _summed(problems: list[StoreError]) -> Undecided:
    kind = Unreachable if all(isinstance(p, Unreachable) for p in problems) else TimedOut
    return kind("; ".join(map(str, problems)))
