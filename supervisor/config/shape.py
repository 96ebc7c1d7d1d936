"""How the shape of a file is written down, and made into the validator that checks it: the grammar of ``schema``.

Promises: a class marked ``section`` is a mapping with known keys, each annotated with what its value becomes. The text
under a key says what it means, what a change of it costs, and an example: ``described`` reads it for the reference page
and for editors, from the source, so that whoever reads a file does not pay for it. Does not: know any key.

Imports of pydantic only the core that validates; ``schema`` says why.
"""

import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Annotated, TypeVar, dataclass_transform

from pydantic_core import CoreSchema, core_schema

from supervisor.config.problems import Refused
from supervisor.config.tree import Empty, Leaf

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Whole:
    """In an annotation: what the value becomes, whatever it is. The function raises ``Refused``."""

    parse: Callable[[object], object]
    of: object = None
    """What judges it, when ``parse`` only wraps that: by this ``forms`` knows what such a value looks like."""


@dataclass(frozen=True, slots=True)
class Before:
    """In an annotation: what the value becomes before the annotated type sees it. The function raises ``Refused``."""

    prepare: Callable[[object], object]


@dataclass_transform(kw_only_default=True, frozen_default=True)
def section(cls: type[T]) -> type[T]:
    """A mapping with known keys. One of which nothing is left but its name asks for nothing."""
    return dataclass(frozen=True, slots=True, kw_only=True)(cls)


def leaf(value: object) -> Leaf:
    """The single value that stands where one is expected. Its text counts: ``no`` is the word, ``08`` the digits."""
    if isinstance(value, Leaf):
        return value
    if isinstance(value, Empty):
        raise Refused("nothing is written here", 'write a value, leave the key out, or write "" for an empty text')
    what = "a list" if isinstance(value, list) else "a mapping"
    raise Refused(f"{what} stands where a single value is expected", "write one value")


def single(parse: Callable[[Leaf], object], of: object = None) -> Whole:
    """One value, given to ``parse`` as it is written; ``of`` names what judges it when that is not ``parse`` itself."""

    def whole(value: object) -> object:
        return _without_leaves(parse(leaf(value)))

    return Whole(whole, parse if of is None else of)


def _without_leaves(parsed: object) -> object:
    """A Spec holds plain texts: a Leaf is the file's, and is not sent to the daemon (``apart``)."""
    if isinstance(parsed, tuple) and type(parsed) is tuple:
        return tuple(map(_without_leaves, parsed))
    return str(parsed) if isinstance(parsed, Leaf) else parsed


def key_of(parse: Callable[[str], str]) -> Whole:
    """A key of a mapping whose keys are the file's to choose."""
    return Whole(lambda key: parse(str(key)), parse)


def silent_if_empty(value: object) -> object:
    """A section of which nothing is left but its name asks for nothing."""
    return {} if isinstance(value, Empty) else value


OrNothing = Before(silent_if_empty)
"""In an annotation: nothing written is an empty mapping."""


def _core(hint: object) -> CoreSchema:
    """The validator's schema of an annotation."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        schema: CoreSchema | None = None
        for mark in arguments[1:]:
            if isinstance(mark, Whole):
                schema = core_schema.no_info_plain_validator_function(mark.parse)
            elif isinstance(mark, Before):
                inner = _core(arguments[0]) if schema is None else schema
                schema = core_schema.no_info_before_validator_function(mark.prepare, inner)
        return _core(arguments[0]) if schema is None else schema
    if origin in (typing.Union, types.UnionType):
        return _core(next(a for a in arguments if a is not types.NoneType))
    if origin is list:
        return core_schema.list_schema(_core(arguments[0]))
    if origin is dict:
        return core_schema.dict_schema(_core(arguments[0]), _core(arguments[1]))
    assert isinstance(hint, type), hint
    return schema_of(hint)


@cache
def schema_of(cls: type) -> CoreSchema:
    """The validator's schema of a section."""
    keys = []
    for key in fields(cls):
        schema = _core(key.type)
        if key.default is not MISSING:
            schema = core_schema.with_default_schema(schema, default=key.default)
        keys.append(core_schema.dataclass_field(key.name, schema, kw_only=True))
    arguments = core_schema.dataclass_args_schema(cls.__name__, keys)
    names = [key.name for key in fields(cls)]
    config = core_schema.CoreConfig(extra_fields_behavior="forbid")
    whole = core_schema.dataclass_schema(cls, arguments, names, config=config, slots=True, frozen=True)
    return core_schema.no_info_before_validator_function(silent_if_empty, whole)
