"""``record``: what the guardian needs of ``dataclasses``, without its import.

``dataclasses`` brings inspect, ast, dis and tokenize: 1.4 MB in a process of 11 that is locked in memory.
Promises: a class with slots and a keyword-only ``__init__`` that takes every field or raises TypeError; a default is one
value shared by all; ``==`` compares class and fields; frozen unless told otherwise. Type checkers see a dataclass.
Does not: inherit, make defaults anew, order, or pickle.
"""

from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(kw_only_default=True, frozen_default=True)
def record(cls: type[T]) -> type[T]:
    """A class whose instances never change."""
    return _made(cls, __setattr__=_refuse, __delattr__=_refuse, __hash__=_hash)


@dataclass_transform(kw_only_default=True)
def changing_record(cls: type[T]) -> type[T]:
    """A class whose instances do; no keys of a dict, therefore."""
    return _made(cls, __hash__=None)


def _made(cls: type[T], **special: object) -> type[T]:
    """The same class anew: slots can only be given when a class is made."""
    names = tuple(cls.__annotations__)
    own = {key: value for key, value in vars(cls).items() if key not in {*names, "__dict__", "__weakref__"}}
    defaults = {name: vars(cls)[name] for name in names if name in vars(cls)}
    methods = {"__init__": _initialiser(names, defaults), "__eq__": _equal, "__repr__": _shown}
    made: Any = type(cls.__name__, cls.__bases__, {**methods, **special, **own, "__slots__": names})
    return made  # type: ignore[no-any-return] # the same class, but mypy cannot know


def _initialiser(names: tuple[str, ...], defaults: dict[str, object]) -> object:
    put = object.__setattr__  # the class's own refuses, where it is frozen
    known = frozenset(names)

    def __init__(self: object, **values: object) -> None:  # noqa: N807
        if values.keys() != known:
            values = {**defaults, **values}
            if values.keys() != known:
                wrong = ", ".join(sorted(values.keys() ^ known))
                raise TypeError(f"{type(self).__name__}: missing or unknown: {wrong}")
        for name, value in values.items():
            put(self, name, value)

    return __init__


def _values(instance: Any) -> tuple[object, ...]:
    return tuple(getattr(instance, name) for name in instance.__slots__)


def _equal(self: object, other: object) -> bool:
    return _values(self) == _values(other) if type(self) is type(other) else NotImplemented


def _hash(self: object) -> int:
    return hash((type(self), _values(self)))


def _shown(self: object) -> str:
    fields = zip(type(self).__slots__, _values(self), strict=True)  # type: ignore[attr-defined] # _made gave it
    return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in fields)})"


def _refuse(self: object, name: str, *_value: object) -> None:
    raise AttributeError(f"{type(self).__name__}.{name} never changes")
