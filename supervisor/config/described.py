"""Every key of the file with all that is said of it: the sections of ``schema``, read with the texts under their keys.

Promises: complete or KeyError: a key without a description, a class, a default or an example is a bug. Needs the source:
texts under keys are not in compiled modules, so that reading a file does not pay for them. Does not: judge a file.
"""

import ast
import inspect
import itertools
import re
import sys
import types
import typing
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from typing import Annotated

from supervisor.config import forms
from supervisor.config.defaults import default_of
from supervisor.config.forms import Form
from supervisor.config.schema import File
from supervisor.config.shape import Before, Whole

CLASSES = ("live", "restart", "re-campaign", "refused", "as its keys")
"""What a change of a key costs (``core.diff``); ``refused``: nothing changes it while a daemon runs."""

_FACTS = re.compile(r"Class: ([a-z -]+)\.(?: Default: (.+?)\.)? Example: (.+)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of a section."""

    section: type
    name: str
    form: Form
    description: str
    cost: str
    """One of ``CLASSES``."""
    default: str
    """In the file's own notation when ``written``, else in words."""
    written: bool
    example: str
    required: bool

    @property
    def id(self) -> str:
        """``Process.command``."""
        return f"{self.section.__name__}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A mapping with known keys."""

    section: type
    path: tuple[str, ...]
    """Where it stands first; NAME for a key that is the file's to choose."""
    text: str
    keys: tuple[Key, ...]


def sections() -> tuple[Section, ...]:
    """All of them, each once, the file first, in the order in which they are met."""
    found: dict[type, Section] = {}
    _collect(File, (), found)
    return tuple(found.values())


def _collect(section: type, path: tuple[str, ...], found: dict[type, Section]) -> None:
    if section in found:
        return
    found[section] = Section(
        section=section, path=path, text=inspect.cleandoc(section.__doc__ or ""), keys=keys(section)
    )
    for field in fields(section):
        for below, more in _sections_in(field.type):
            _collect(below, (*path, field.name, *more), found)


def _sections_in(hint: object) -> Iterator[tuple[type, tuple[str, ...]]]:
    """The sections that may stand under a key, and the way there."""
    if isinstance(hint, type) and is_dataclass(hint):
        yield hint, ()
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated and not any(isinstance(mark, Whole) for mark in arguments[1:]):
        yield from _sections_in(arguments[0])
    elif origin in (typing.Union, types.UnionType):
        for argument in arguments:
            yield from _sections_in(argument)
    elif origin is dict:
        yield from ((below, ("NAME", *way)) for below, way in _sections_in(arguments[1]))


def keys(section: type) -> tuple[Key, ...]:
    """The keys of one section, in its order."""
    return tuple(_key(section, field.name, field.type, required=field.default is MISSING) for field in fields(section))


def _key(section: type, name: str, hint: object, *, required: bool) -> Key:
    text = _text(section, name)
    description, _, rest = text.rpartition("\n\n")
    facts = _FACTS.fullmatch(rest)
    if facts is None or not description:
        raise KeyError(f"{section.__name__}.{name}: no description, or no line 'Class: ... Example: ...' under it")
    cost, stated, example = facts.groups()
    derived = default_of(section, name)
    if (derived is None) == (stated is None) or cost not in CLASSES:
        raise KeyError(f"{section.__name__}.{name}: no default or two of them, or the class is none of {CLASSES}")
    return Key(
        section=section,
        name=name,
        form=form(hint),
        description=" ".join(description.split()),
        cost=cost,
        default=derived if derived is not None else stated,
        written=derived is not None,
        example=" ".join(example.split()),
        required=required,
    )


def form(hint: object) -> Form:
    """What stands where this annotation does."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        found: Form | None = None
        for mark in arguments[1:]:
            if isinstance(mark, Whole):
                found = forms.form_of(mark.parse if mark.of is None else mark.of)
            elif isinstance(mark, Before):
                found = forms.BEFORE[mark.prepare](form(arguments[0]) if found is None else found)
        return form(arguments[0]) if found is None else found
    if origin in (typing.Union, types.UnionType):
        return form(next(a for a in arguments if a is not types.NoneType))
    if origin is list:
        items = form(arguments[0])
        return Form(words=f"list of: {items.words}", json={"type": "array", "items": items.json})
    if origin is dict:
        return _mapping(form(arguments[0]), form(arguments[1]))
    assert isinstance(hint, type), hint
    return Form(words="mapping", json={"$ref": f"#/definitions/{hint.__name__}"})


def _mapping(key: Form, value: Form) -> Form:
    return Form(
        words=f"mapping of {key.words} to {value.words if value.words != 'mapping' else 'a mapping'}",
        json={"type": "object", "propertyNames": _of_a_key(key.json), "additionalProperties": value.json},
    )


def _of_a_key(json: forms.Json) -> forms.Json:
    """A key is a text, and never a variable."""
    allowed = json.get("anyOf")
    return allowed[0] if isinstance(allowed, list) else json


def _text(section: type, name: str) -> str:
    """What stands under a key, in its section or the one that it takes the key from."""
    for cls in section.__mro__:
        if found := _texts(cls.__module__).get((cls.__name__, name)):
            return found
    return ""


@cache
def _texts(module: str) -> dict[tuple[str, str], str]:
    """By class and key, every text of a module that stands under a key."""
    found = {}
    for cls in ast.parse(inspect.getsource(sys.modules[module])).body:
        body = cls.body if isinstance(cls, ast.ClassDef) else []
        for key, text in itertools.pairwise(body):
            if (
                isinstance(cls, ast.ClassDef)
                and isinstance(key, ast.AnnAssign)
                and isinstance(key.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            ):
                found[cls.name, key.target.id] = inspect.cleandoc(text.value.value)
    return found
