"""Waiting for something to be seen, and taking turns."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

PATIENCE_SECONDS = 60.0
T = TypeVar("T")


class NotSeenError(Exception):
    """What was waited for did not come. The message says what."""


def until(what: str, met: Callable[[], object], *, seconds: float = PATIENCE_SECONDS, pause: float = 0.002) -> float:
    """Wait for it; returns the monotonic time at which it was seen. ``NotSeenError`` when it is not."""
    deadline = time.monotonic() + seconds
    while not met():
        if time.monotonic() > deadline:
            raise NotSeenError(f"not seen within {seconds:.0f} s: {what}")
        time.sleep(pause)
    return time.monotonic()


def turns(sides: Sequence[T], rounds: int) -> Iterator[tuple[int, T]]:
    """Each side once a round, each round begun by the next: what else the machine does strikes all alike."""
    for number in range(rounds):
        at = number % len(sides) if sides else 0
        for side in (*sides[at:], *sides[:at]):
            yield number, side
