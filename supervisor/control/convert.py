"""Views to protobuf and back: field by field, by name, and nothing else.

Promises: a view that went through here and back is equal to itself; text that cannot be written as UTF-8 is mended, never
an error; ``tests/control/test_convert.py`` proves that every view and its message have the same fields.
"""

import dataclasses
from collections.abc import Iterable
from functools import cache
from types import UnionType
from typing import Protocol, TypeVar, cast, get_args, get_origin, get_type_hints

from google.protobuf.message import Message

from supervisor.control.views import View

V = TypeVar("V", bound=View)
M = TypeVar("M", bound=Message)


def to_message(view: View, message: M) -> M:
    """Fill an empty message with what a view says. None leaves a field absent."""
    for field in dataclasses.fields(view):
        value: object = getattr(view, field.name)
        if value is None:
            continue
        if isinstance(value, tuple):
            _fill(value, getattr(message, field.name))
        elif isinstance(value, str):
            setattr(message, field.name, _writable(value))
        elif dataclasses.is_dataclass(value):
            inner = cast("Message", getattr(message, field.name))
            inner.SetInParent()
            to_message(cast("View", value), inner)
        else:
            setattr(message, field.name, value)
    return message


def to_view(kind: type[V], message: Message) -> V:
    """The view of this kind that a message holds. An absent optional field is None."""
    values: dict[str, object] = {}
    for name, inner, many, optional in _plan(kind):
        value: object = getattr(message, name)
        if many:
            items = cast("Iterable[object]", value)
            values[name] = tuple(item if inner is None else to_view(inner, cast("Message", item)) for item in items)
        elif inner is not None:
            absent = optional and not message.HasField(name)
            values[name] = None if absent else to_view(inner, cast("Message", value))
        else:
            values[name] = None if optional and not message.HasField(name) else value
    return kind(**values)


class _Repeated(Protocol):
    """As much of protobuf's containers as is used here."""

    def add(self) -> Message: ...
    def extend(self, values: Iterable[object], /) -> None: ...


def _fill(items: tuple[object, ...], container: _Repeated) -> None:
    for item in items:
        if dataclasses.is_dataclass(item):
            to_message(cast("View", item), container.add())
        else:
            container.extend([_writable(item) if isinstance(item, str) else item])


def _writable(text: str) -> str:
    """Protobuf refuses half surrogates, which ``os.fsdecode`` makes of a file name that is not UTF-8."""
    return text.encode("utf-8", "replace").decode()


@cache
def _plan(kind: type[View]) -> tuple[tuple[str, type[View] | None, bool, bool], ...]:
    """For each field: name, the view inside (None for plain values), whether there are many, whether it may be None."""
    plan: list[tuple[str, type[View] | None, bool, bool]] = []
    for name, hint in get_type_hints(kind).items():
        many = get_origin(hint) is tuple
        item = get_args(hint)[0] if many or isinstance(hint, UnionType) else hint
        inner = cast("type[View]", item) if dataclasses.is_dataclass(item) else None
        plan.append((name, inner, many, isinstance(hint, UnionType)))
    return tuple(plan)
