"""What the nodes of a drill write to each other. JSON, version 1.

Promises: what cannot be understood is None, whoever wrote it; a note of another version is told from nonsense, so that people
learn that two programs differ. Does not: decide anything.
"""

import json
from dataclasses import asdict, dataclass, fields
from typing import Final

from supervisor.core.document import shown_name
from supervisor.core.drill import HERE, Term

VERSION: Final = 1
_MOST_TERMS: Final = 40


class OtherVersionError(Exception):
    """The other side speaks another version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the conductor wants."""

    node: str
    ttl: str
    ask: int = 0
    """A number to be answered."""
    lead: str = ""
    """Who is to lead: the others resign. Empty: whoever does."""
    over: bool = False
    """The drill is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What another node says."""

    node: str
    machine: str
    ask: int
    at: int
    """When it answered, by its clock."""
    terms: tuple[Term, ...] = ()


def written(note: Wanted | Answer) -> bytes:
    """As it is put on the board."""
    told = {"v": VERSION, **asdict(note)}
    if isinstance(note, Answer):
        told["terms"] = [asdict(term) for term in note.terms[-_MOST_TERMS:]]
    return json.dumps(told, separators=(",", ":")).encode()


def wanted(value: bytes) -> Wanted | None:
    """The conductor's note. Raises OtherVersionError."""
    told = _told(value)
    if told is None:
        return None
    node, ttl, ask, lead = told.get("node"), told.get("ttl"), told.get("ask"), told.get("lead")
    if not (isinstance(node, str) and isinstance(ttl, str) and isinstance(lead, str) and _whole(ask)):
        return None
    assert isinstance(ask, int)
    return Wanted(node=shown_name(node), ttl=ttl, ask=ask, lead=lead, over=told.get("over") is True)


def answer(value: bytes) -> Answer | None:
    """Another node's note. Raises OtherVersionError."""
    told = _told(value)
    if told is None:
        return None
    node, machine, ask, at, terms = (told.get(name) for name in ("node", "machine", "ask", "at", "terms"))
    if not (isinstance(node, str) and isinstance(machine, str) and _whole(ask) and _whole(at)):
        return None
    if not isinstance(terms, list) or machine == HERE:
        return None
    assert isinstance(ask, int)
    assert isinstance(at, int)
    read = [_term(term, shown_name(node), machine) for term in terms]
    if None in read:
        return None
    found = tuple(term for term in read if term is not None)
    return Answer(node=shown_name(node), machine=machine, ask=ask, at=at, terms=found)


def _term(told: object, node: str, machine: str) -> Term | None:
    if not isinstance(told, dict):
        return None
    gone = told.get("gone")
    numbers = {name: told.get(name) for name in ("token", "first", "last", "beats", "longest")}
    if not all(_whole(number) for number in numbers.values()) or not (gone is None or _whole(gone)):
        return None
    known = {name: number for name, number in numbers.items() if isinstance(number, int)}
    return Term(node=node, machine=machine, gone=gone if isinstance(gone, int) else None, **known)


def _told(value: bytes) -> dict[str, object] | None:
    try:
        told = json.loads(value)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    if (version := told.get("v")) != VERSION:
        raise OtherVersionError(f"it speaks version {str(version)[:20]} of the drill's notes, this one {VERSION}")
    return told


def _whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 1 << 63


assert {f.name for f in fields(Term)} == {"node", "machine", "token", "first", "last", "beats", "longest", "gone"}
