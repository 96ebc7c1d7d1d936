"""What one side's probes wrote, and what follows: who beats, how long nobody did, how long two did.

Promises: judged by the drills' checker alone, from what the processes themselves wrote. A record that holds nothing is an
error. Does not: know who supervised them.
"""

import sys
import time
from pathlib import Path

from tests.drills.checker import NANOSECONDS, Interval, Record

PROBE = Path(__file__).resolve().parent.parent / "probe.py"
ELECTION = "job"
LIVE_SECONDS = 0.05
"""A beat this old is not of now."""


def boottime() -> int:
    """CLOCK_BOOTTIME in nanoseconds, as the probes have it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Beats:
    """One file of beats, read as it grows."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.file.touch()
        self.record = Record()
        self._offset = 0

    def command(self, node: str) -> list[str]:
        """What runs the probe of a node."""
        return [sys.executable, "-I", "-S", "-E", str(PROBE), str(self.file), node]

    def read(self) -> None:
        """What was written since."""
        with self.file.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        self._offset += len(text)
        self.record.feed(text.decode("ascii"))

    def alive(self, *, within_seconds: float = LIVE_SECONDS) -> list[Interval]:
        """The processes that beat now, the oldest first."""
        self.read()
        found = self.record.alive(ELECTION, boottime() - int(within_seconds * NANOSECONDS))
        return sorted(found, key=lambda one: one.first)

    def after(self, instant: int, unlike: int) -> Interval | None:
        """The first process that began after an instant and is not the one of that pid; None: not yet."""
        self.read()
        found = (one for one in self.record.intervals(ELECTION) if one.first > instant and one.pid != unlike)
        return next(iter(sorted(found, key=lambda one: one.first)), None)


def gap_ms(old: Interval, new: Interval) -> float:
    """From the last beat of one to the first of another; 0 when they overlap."""
    return max(0.0, (new.first - old.last) / 1e6)


def overlap_ms(record: Record, since: int) -> float:
    """For how long two of different terms or nodes beat at once, in all, from an instant on."""
    return 1000 * sum(found.seconds for found in record.overlaps(since))


def silence_ms(record: Record, since: int, until: int) -> float:
    """The longest time between two instants without any beat."""
    return 1000 * record.silence(ELECTION, since, until)
