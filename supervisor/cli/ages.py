"""A view as it is some seconds later, when nothing else was heard.

Promises: ages and spans grow, what is left shrinks and ends at nothing, everything else stays, words included; what a view
says of the future is never shown longer than it lasts. Does not: guess: it goes by the names of the fields, whose last word is
their unit (``control.proto``).
"""

import dataclasses
from functools import cache
from typing import TypeVar, cast

from supervisor.control.views import View

V = TypeVar("V", bound=View)

_GROW = ("age_seconds", "since_seconds", "uptime_seconds")
_SHRINK = (
    "seconds_left",
    "retry_seconds",
    "kill_seconds",
    "cooldown_seconds",
    "withdraw_seconds",
    "next_seconds",
)


def later(view: V, seconds: float) -> V:
    """The view, so many seconds later."""
    changes: dict[str, object] = {}
    for name, direction in _plan(type(view)):
        value: object = getattr(view, name)
        if isinstance(value, tuple):
            if value and dataclasses.is_dataclass(value[0]):
                changes[name] = tuple(later(cast("View", item), seconds) for item in value)
        elif dataclasses.is_dataclass(value):
            changes[name] = later(cast("View", value), seconds)
        elif direction and isinstance(value, float):
            changes[name] = max(0.0, value + direction * seconds)
    return dataclasses.replace(view, **changes)


@cache
def _plan(kind: type[View]) -> tuple[tuple[str, int], ...]:
    return tuple((field.name, _direction(field.name)) for field in dataclasses.fields(kind))


def _direction(name: str) -> int:
    if name.endswith(_GROW):
        return 1
    return -1 if name.endswith(_SHRINK) else 0
