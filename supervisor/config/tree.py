"""A file as a tree of nodes that remember where they were written.

Promises: every key and value knows its file, line and column; the tree is finite, free of cycles and at most
``parse.MAX_DEPTH`` deep, so that walking it by recursion is safe. Does not: read YAML (``parse``) or judge (``schema``,
``relations``).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, Self

from supervisor.config.problems import Place

Steps = tuple[str | int, ...]
"""The way from the root to a node: keys and positions."""


class Kind(Enum):
    """What YAML 1.1 makes of a scalar. Only the free-form ``proclaim.value`` cares; elsewhere its text is what counts."""

    TEXT = "text"
    INTEGER = "an integer"
    FLOAT = "a number"
    BOOLEAN = "a boolean"
    EMPTY = "empty"
    OTHER = "a date"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scalar:
    """A single value, as written."""

    place: Place
    text: str
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ListNode:
    """A sequence."""

    place: Place
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entry:
    """One key of a mapping, with its value."""

    key: Place
    node: "Node"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapNode:
    """A mapping, in the order of the file."""

    place: Place
    entries: Mapping[str, Entry]


Node = Scalar | ListNode | MapNode


def locate(root: Node, path: Steps, *, key: bool = False) -> Place:
    """Where the node at ``path`` is, or the deepest one on the way to it that exists; with ``key``, where its key is."""
    place = root.place
    node = root
    for step in path:
        if isinstance(node, MapNode) and isinstance(step, str) and step in node.entries:
            entry = node.entries[step]
            node = entry.node
            place = entry.key if key else node.place
        elif isinstance(node, ListNode) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            place = node.place
        else:
            break
    return place


def used_from(root: Node, path: Steps) -> Place | None:
    """Where an alias or a merge stands that brought the node at ``path`` here; None when it is written in its place.

    An anchor stands above its aliases, so what is written before the key or the list that holds it came by one.
    """
    node, user = root, None
    for step in path:
        if isinstance(node, MapNode) and isinstance(step, str) and step in node.entries:
            entry = node.entries[step]
            if _before(entry.key, node.place):
                user = node.place
            if _before(entry.node.place, entry.key):
                user = entry.key
            node = entry.node
        elif isinstance(node, ListNode) and isinstance(step, int) and step < len(node.items):
            if _before(node.items[step].place, node.place):
                user = node.place
            node = node.items[step]
        else:
            break
    return user


def _before(one: Place, other: Place) -> bool:
    return one.file == other.file and (one.line, one.column) < (other.line, other.column)


def child(node: Node | None, *path: str) -> Node | None:
    """The node below ``node`` at ``path``; None when there is none, or something else stands in the way."""
    for step in path:
        if not isinstance(node, MapNode) or step not in node.entries:
            return None
        node = node.entries[step].node
    return node


def entries(node: Node | None) -> Mapping[str, Entry]:
    """The entries of a mapping; none for anything else."""
    return node.entries if isinstance(node, MapNode) else {}


def items(node: Node | None) -> tuple[Node, ...]:
    """The items of a list; none for anything else."""
    return node.items if isinstance(node, ListNode) else ()


def text(node: Node | None) -> str | None:
    """The text of a scalar that is not empty, else None."""
    return node.text if isinstance(node, Scalar) and node.kind is not Kind.EMPTY else None


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it. Aliased parts come once for each place they are used."""
    yield node
    if isinstance(node, MapNode):
        for entry in node.entries.values():
            yield from walk(entry.node)
    elif isinstance(node, ListNode):
        for item in node.items:
            yield from walk(item)


class Leaf(str):
    """A scalar's text on its way into the schema; knows what YAML made of it and what relative paths are relative to."""

    __slots__ = ("directory", "kind")

    kind: Kind
    directory: Path

    def __new__(cls, value: str, kind: Kind, directory: Path) -> Self:
        """The text itself; everything a ``str`` can do works on it."""
        leaf = super().__new__(cls, value)
        leaf.kind = kind
        leaf.directory = directory
        return leaf


class Empty:
    """What ``key:`` without a value becomes: neither a text nor absent."""

    def __repr__(self) -> str:
        return "nothing"


EMPTY: Final = Empty()

Plain = Leaf | Empty | Sequence["Plain"] | Mapping[str, "Plain"]


def plain(node: Node, directories: dict[str, Path] | None = None) -> Plain:
    """The node as dicts, lists, ``Leaf`` and ``EMPTY``, for the schema."""
    known = {} if directories is None else directories
    if isinstance(node, MapNode):
        return {name: plain(entry.node, known) for name, entry in node.entries.items()}
    if isinstance(node, ListNode):
        return [plain(item, known) for item in node.items]
    if node.kind is Kind.EMPTY:
        return EMPTY
    if node.place.file not in known:
        known[node.place.file] = directory_of(node.place.file)
    return Leaf(node.text, node.kind, known[node.place.file])


def directory_of(file: str) -> Path:
    """The directory of a file, absolute, as it was named: symbolic links stay, as they do for a ConfigMap."""
    return Path(file).absolute().parent
