"""Words for what does not fit the shape of the file: the nearest known key, the missing one, what stands where.

Promises: every ``Misfit`` becomes a message with a remedy, at the key or the value that is at fault. Does not: find
anything: ``schema`` did.
"""

import types
import typing
from dataclasses import fields, is_dataclass
from typing import Annotated, NamedTuple

from supervisor.config import values
from supervisor.config.schema import File, Misfit
from supervisor.config.tree import Empty, Leaf, Steps
from supervisor.config.units import shown


class Mistake(NamedTuple):
    """One thing that does not fit the shape."""

    path: Steps
    at_key: bool
    """Whether the key is at fault, rather than its value."""
    message: str
    remedy: str


def mistake(misfit: Misfit) -> Mistake:
    """The words for what the validator found."""
    kind, path, found, refusal = misfit
    at_key = bool(path) and path[-1] == "[key]"
    if at_key:
        path = path[:-1]
    if refusal is not None:
        return Mistake(path, at_key, _named(path[:-1] if at_key else path, refusal.message), refusal.remedy)
    if kind == "unexpected_keyword_argument":
        return _at_key(path, *_unknown_key(path))
    if kind == "missing":
        key = str(path[-1])
        return _at_key(path[:-1], _named(path[:-1], f"{key!r} is missing"), _MISSING.get(key, f"add '{key}:'"))
    expected = "a list" if kind == "list_type" else "a mapping"
    remedy = f"write [{found}]" if kind == "list_type" and isinstance(found, Leaf) else _keys_remedy(path)
    return _at_value(path, _named(path, f"{_what(found)} stands where {expected} is expected"), remedy)


def _at_key(path: Steps, message: str, remedy: str) -> Mistake:
    return Mistake(path=path, at_key=True, message=message, remedy=remedy)


def _at_value(path: Steps, message: str, remedy: str) -> Mistake:
    return Mistake(path=path, at_key=False, message=message, remedy=remedy)


def _what(found: object) -> str:
    if isinstance(found, dict):
        return "a mapping"
    return "a list" if isinstance(found, list) else "nothing" if isinstance(found, Empty) else shown(str(found))


_MISSING = {
    "command": "add 'command: [program, argument]'",
    "user": "add 'user:', or leave auth out",
    "url": "add 'url: http://127.0.0.1:8080/healthz'",
    "address": "add 'address: 127.0.0.1:50051'",
    "password_file": "add 'password_file:' with the path of a file that holds the password",
}


def _named(path: Steps, message: str) -> str:
    """The message with the nearest key before it."""
    keys = [step for step in path if isinstance(step, str)]
    return f"{shown(keys[-1])[1:-1]}: {message}" if keys else message


def _keys_remedy(path: Steps) -> str:
    known = known_keys((*path, ""))
    if "command" in known:
        return "write {command: [program, argument]}"
    return f"write keys under it: {', '.join(known)}" if known else "write it so, or leave the key out"


def _unknown_key(path: Steps) -> tuple[str, str]:
    key, known = str(path[-1]), known_keys(path)
    message = f"unknown key {shown(key)}"
    if known == ("hooks", "processes"):
        return message, "declare processes under 'processes:'"
    if key == "within" and "every" in known:
        return message, "it belongs to 'ready': how long a start may take"
    if key == "on_failure" and "every" in known:
        return message, "it belongs to 'health'; a process that is not ready in time ('within') counts as failed"
    if "every" in known and (why := _OF_THE_OTHER_PROBE.get((key, "within" in known))):
        return message, why
    return message, values.suggestion(key, known)


_OF_THE_OTHER_PROBE = {
    ("watchdog", True): "it belongs to 'health': a sign of life that is due again and again",
    ("notify", False): "it belongs to 'ready'; a child that is to give signs of life has health: {watchdog: 10s}",
    ("log", False): "it belongs to 'ready': a line is said once",
}


def known_keys(path: Steps) -> tuple[str, ...]:
    """The keys that may stand beside the last step of ``path``; none when that is a mapping with free names."""
    here: object = File
    for step in path[:-1]:
        arguments = typing.get_args(here)
        if typing.get_origin(here) in (dict, list):
            here = _bare(arguments[-1])
        elif is_dataclass(here):
            here = next((_bare(key.type) for key in fields(here) if key.name == step), None)
    return tuple(key.name for key in fields(here)) if is_dataclass(here) else ()


def _bare(hint: object) -> object:
    """An annotation without its marks and its None."""
    while typing.get_origin(hint) in (Annotated, typing.Union, types.UnionType):
        hint = next(a for a in typing.get_args(hint) if a is not types.NoneType)
    return hint
