"""CLOCK_BOOTTIME, the one clock that decides, and the wall clock, for people.

The wall clock can be set and CLOCK_MONOTONIC stops while the machine is suspended; a lease runs on in both cases.
"""

import time
from datetime import UTC, datetime
from pathlib import Path

from supervisor.core.names import Instant


def now() -> Instant:
    """Seconds since boot, suspension included."""
    return Instant(time.clock_gettime(time.CLOCK_BOOTTIME))


def boot_id() -> str:
    """Names this boot of this machine; empty where the kernel does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def wall() -> float:
    """Seconds since the epoch, by a clock that can be set: for people."""
    return time.time()


def wall_offset_seconds() -> float:
    """Wall clock less CLOCK_BOOTTIME, now."""
    return wall() - now()


def date(at: Instant) -> datetime:
    """When that was, or is, by the wall clock as it is set now."""
    return datetime.fromtimestamp(at + wall_offset_seconds(), UTC)
