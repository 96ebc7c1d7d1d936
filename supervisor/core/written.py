"""A mapping of the state that knows what the step that made it wrote.

Promises: equal to any mapping of the same content; ``written`` names at least all that differ between the mappings before
and after one step, without looking at the rest: a thousand elections cost an observer nothing when one changes.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Written(dict[K, V]):
    """A mapping that remembers what the step that made it wrote, or removed, so that nobody need look for it."""

    __slots__ = ("keys_written",)

    def __init__(self, mapping: Mapping[K, V]) -> None:
        super().__init__(mapping)
        self.keys_written: set[K] = set()


def written(before: Mapping[K, V], after: Mapping[K, V]) -> Iterable[K]:
    """The keys that may differ between the mappings of one step."""
    if before is after:
        return ()
    return tuple(after.keys_written) if isinstance(after, Written) else tuple({**before, **after})
