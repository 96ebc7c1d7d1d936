"""Data classes whose methods are made when they are first called.

``dataclass`` writes up to six methods for each class and compiles them one by one: two hundred classes, of which a daemon's start uses
a third, take longer than all other imports together. Promises: the same methods, from the same text, by the same function of the
standard library, with the same results and errors; a method replaces its stand-in when it is first called. A Python whose ``dataclasses`` is
built otherwise is left as it is. Does not: change classes that exist already, or anything for processes that do not ask.
"""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

_EXPECTED = ("name", "args", "body", "globals", "locals", "return_type")
_create: Callable[..., Callable[..., Any]] | None = getattr(dataclasses, "_create_fn", None)


def make_methods_lazily() -> bool:
    """From now on, in this process. Whether it can be done."""
    if _create is None or tuple(inspect.signature(_create).parameters) != _EXPECTED:
        return False
    dataclasses._create_fn = _stand_in  # type: ignore[attr-defined] # noqa: SLF001 # all there is; without it, nothing is changed
    return True


def _stand_in(name: str, args: Any, body: Any, **how: Any) -> Callable[..., Any]:
    real: Callable[..., Any] | None = None

    def make() -> Callable[..., Any]:
        nonlocal real
        if real is None:
            assert _create is not None
            real = _create(name, args, body, **how)
            real.__qualname__ = method.__qualname__
        return real

    def method(*given: Any, **named: Any) -> Any:
        made = make()
        for cls in type(given[0]).__mro__:
            if cls.__dict__.get(name) is method:
                setattr(cls, name, made)
        return made(*given, **named)

    method.__name__ = name
    return method
