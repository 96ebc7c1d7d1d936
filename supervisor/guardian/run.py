"""What the guardian remembers of one run: little, for there may be a thousand, and this process is locked in memory.

Promises: an order is forgotten when it has been followed, its environment and command line with it; how runs are stopped is
one object for all that are stopped alike. Does not: act.
"""

import sys
from functools import lru_cache
from typing import Final

from supervisor.guardian.containment import Box
from supervisor.guardian.protocol import Spawn
from supervisor.guardian.record import changing_record, record
from supervisor.guardian.spawn import Failure, Forked

_FIRST_RETRY_SECONDS: Final = 0.01


@record
class Stop:
    """How a run is stopped when the daemon is dead: as in its order."""

    signal: int
    then: tuple[tuple[int, float], ...]
    to: str
    timeout_seconds: float
    last: bool


@changing_record
class Birth:
    """What is needed until it is known whether exec succeeded."""

    order: Spawn
    forked: Forked
    report: bytes = b""
    released: bool = False
    """The gate is open. It is so for good."""

    @property
    def held(self) -> bool:
        """Whether nothing of the command can have been executed."""
        return self.forked.gate_fd >= 0 and not self.released


@changing_record
class Run:
    """One run, as long as it is not proven empty."""

    number: int
    term: str | None
    stop: Stop
    box: Box
    pid: int
    birth: Birth | None
    failure: Failure | None = None
    exited: bool = False
    killing: bool = False
    blockers: tuple[str, ...] = ()
    retry_seconds: float = _FIRST_RETRY_SECONDS
    blow_at: float = 0.0


def begun(order: Spawn, box: Box, forked: Forked) -> Run:
    """A run that was just forked."""
    stop = Stop(
        signal=order.stop_signal,
        then=order.stop_then,
        to=order.stop_to,
        timeout_seconds=order.stop_timeout_seconds,
        last=order.last,
    )
    return Run(
        number=order.run,
        term=None if order.term is None else sys.intern(order.term),
        stop=_one(stop),
        box=box,
        pid=forked.pid,
        birth=Birth(order=order, forked=forked),
    )


@lru_cache(maxsize=100)
def _one(stop: Stop) -> Stop:
    """One object for equal ones."""
    return stop
