"""``${VAR}`` and ``${VAR:-default}`` in the values of a file.

Promises: what a variable holds is text and stays text: it is never read as YAML, and never expanded again. ``$$`` is a
literal ``$``; a ``$`` that begins neither is itself. Does not: read the process's own environment (it is given).
"""

import re
from collections.abc import Mapping

from supervisor.config.problems import Place, Problems
from supervisor.config.tree import Entry, Kind, ListNode, MapNode, Node, Scalar, walk
from supervisor.config.units import shown

_REFERENCE = re.compile(r"\$(?:(\$)|\{([^}]*)(\}?))", re.DOTALL)
_INSIDE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
MAX_TEXT = 131_072
"""Characters that one value may grow to: Linux passes no longer argument or variable to a process (MAX_ARG_STRLEN)."""
MAX_TOTAL = 16_000_000
"""Characters that a file's values may grow to together, aliases written out."""


def expand(node: Node, environ: Mapping[str, str], problems: Problems) -> Node:
    """The tree with every variable replaced; each reference that cannot be is a problem at its value's place."""
    expanded = _Expander(environ, problems).node(node)
    total = 0
    for part in walk(expanded):
        total += len(part.text) if isinstance(part, Scalar) else 0
        if total > MAX_TOTAL:
            problems.add(part.place, "the file is too large once its variables are expanded", "shorten them")
            return node
    return expanded


class _Expander:
    def __init__(self, environ: Mapping[str, str], problems: Problems) -> None:
        self._environ = environ
        self._problems = problems
        self._done: dict[int, Node] = {}
        self._total = 0

    def node(self, node: Node) -> Node:
        """Shared parts stay shared, so that an alias costs no second copy."""
        if id(node) not in self._done:
            self._done[id(node)] = self._expanded(node)
        return self._done[id(node)]

    def _expanded(self, node: Node) -> Node:
        if isinstance(node, MapNode):
            return MapNode(
                place=node.place,
                entries={k: Entry(key=e.key, node=self.node(e.node)) for k, e in node.entries.items()},
            )
        if isinstance(node, ListNode):
            return ListNode(place=node.place, items=tuple(map(self.node, node.items)))
        if "$" not in node.text:
            return node
        text = _REFERENCE.sub(lambda match: self._value(match, node.place), node.text)
        self._total += len(text)
        if len(text) > MAX_TEXT or self._total > MAX_TOTAL:
            self._problems.add(node.place, "the value is too long once its variables are expanded", "shorten them")
            return node
        return Scalar(place=node.place, text=text, kind=Kind.TEXT)

    def _value(self, match: re.Match[str], place: Place) -> str:
        dollar, inside, end = match.groups()
        if dollar:
            return "$"
        parts = _INSIDE.fullmatch(inside)
        if parts is None or not end or "${" in inside:
            remedy = "write ${NAME} or ${NAME:-default}, not nested; for a literal '$' write '$$'"
            self._problems.add(place, f"{shown(match.group())} is not a variable", remedy)
            return ""
        name, default = parts.groups()
        value = self._environ.get(name, "")
        if default is not None:
            value = value or default
        elif name not in self._environ:
            remedy = f"set it in the supervisor's environment, or write ${{{name}:-default}}"
            self._problems.add(place, f"the variable {name} is not set", remedy)
        if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
            self._problems.add(place, f"the variable {name} holds bytes that are not UTF-8", "set it to a text")
            return ""
        return value
