"""CLOCK_BOOTTIME, the one clock that decides, and the wall clock, for people.

The wall clock can be set and CLOCK_MONOTONIC stops while the machine is suspended; a lease runs on in both cases.
"""

import time

from supervisor.core.names import Instant


def now() -> Instant:
    """Seconds since boot, suspension included."""
    return Instant(time.clock_gettime(time.CLOCK_BOOTTIME))


def wall_offset_seconds() -> float:
    """Wall clock less CLOCK_BOOTTIME, now."""
    return time.time() - now()
