"""YAML text to a tree of nodes.

Promises: every problem is reported at its place and nothing is raised, whatever the text; work and memory are bounded
by the text and by ``MAX_NODES`` and ``MAX_DEPTH`` *after* aliases are expanded, so a billion laughs are refused; a key
given twice is an error, not a silent winner. Anchors, aliases and merge keys work. Does not: construct objects: tags
other than YAML's plain ones are refused.
"""

import re
from typing import TYPE_CHECKING

import yaml

from supervisor.config.excerpt import lines_of
from supervisor.config.problems import Place, Problems
from supervisor.config.tree import Entry, Kind, ListNode, MapNode, Node, Scalar
from supervisor.config.units import shown

MAX_NODES = 200_000
MAX_DEPTH = 40
TEXT_PER_NODE = 64
"""Every so many characters of a value count as one more node, so that aliases to a long text are bounded too."""

_TAG = "tag:yaml.org,2002:"
_KINDS = {
    _TAG + "str": Kind.TEXT,
    _TAG + "int": Kind.INTEGER,
    _TAG + "float": Kind.FLOAT,
    _TAG + "bool": Kind.BOOLEAN,
    _TAG + "null": Kind.EMPTY,
    _TAG + "timestamp": Kind.OTHER,
    _TAG + "merge": Kind.TEXT,
    _TAG + "value": Kind.TEXT,
}
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
"""YAML 1.1, section 4.1.1, without the byte order mark, which has its place at the beginning only."""
_UNUSABLE = re.compile("[\0\ud800-\udfff]")
_PLAIN_TAGS = {*_KINDS, _TAG + "map", _TAG + "seq"}


class _BoundReachedError(Exception):
    """The text is larger or deeper than any file that people write."""

    def __init__(self, message: str, remedy: str, around: yaml.Node | None = None) -> None:
        self.message = message
        self.remedy = remedy
        self.around = around
        super().__init__(message)


_TOO_MANY = (f"more than {MAX_NODES} keys and values", "split the file, or use fewer aliases")
_TOO_DEEP = (f"nested more than {MAX_DEPTH} levels deep", "flatten it: nothing here needs more than a dozen levels")


class _Bounded:
    """Stops composing in time. libyaml's composer recurses in C: without this, brackets alone can crash Python."""

    _nodes = 0
    _depth = 0

    def descend_resolver(self, parent: yaml.Node | None, _index: object) -> None:
        """Called by both of PyYAML's composers before each node; what it is for there is not used here."""
        self._nodes += 1
        self._depth += 1
        if self._nodes > MAX_NODES:
            raise _BoundReachedError(*_TOO_MANY, parent)
        if self._depth > MAX_DEPTH:
            raise _BoundReachedError(*_TOO_DEEP, parent)

    def ascend_resolver(self) -> None:
        """Called after each node."""
        self._depth -= 1


class PythonLoader(_Bounded, yaml.SafeLoader):
    """Where PyYAML was built without libyaml."""


if TYPE_CHECKING or not yaml.__with_libyaml__:
    FastLoader = PythonLoader
else:

    class FastLoader(_Bounded, yaml.CSafeLoader):
        """libyaml: ten times as fast, and with the same marks."""


def parse(text: str, file: str, problems: Problems, *, loader: type[PythonLoader] = FastLoader) -> MapNode | None:
    """The root mapping of a YAML text; None when there is none, and ``problems`` says why."""
    if _forbidden_character(text, file, problems):
        return None
    try:
        composed = _compose(text, loader)
        if composed is None:
            problems.add(Place(file=file), "the file is empty", "declare at least one election or process")
            return None
        root = _Builder(file, problems).build(composed)
    except _BoundReachedError as e:
        problems.add(Place(file=file) if e.around is None else _place(file, e.around), e.message, e.remedy)
        return None
    except yaml.MarkedYAMLError as e:
        _add_syntax_error(e, text, file, problems)
        return None
    except (yaml.YAMLError, ValueError, OverflowError) as e:
        # Characters that YAML has no room for: PyYAML's own scanner lets chr() complain about "\UFFFFFFFF".
        problems.add(
            Place(file=file), f"not valid YAML: {shown(str(e))}", "remove the characters that YAML does not allow"
        )
        return None
    if not isinstance(root, MapNode):
        what = "a list" if isinstance(root, ListNode) else "a single value"
        problems.add(root.place, f"the file is {what}", "write keys: elections, processes, etcd, node, include")
        return None
    return root


def _compose(text: str, loader: type[PythonLoader]) -> yaml.Node | None:
    instance = loader(text)
    try:
        node: yaml.Node | None = instance.get_single_node()
    finally:
        instance.dispose()
    return node


def _forbidden_character(text: str, file: str, problems: Problems) -> bool:
    """Report the first character that YAML allows nowhere: its own error does not say where it is."""
    match = _FORBIDDEN.search(text)
    if match is None:
        return False
    before = lines_of(text[: match.start()])
    place = Place(file=file, line=len(before), column=len(before[-1]) + 1)
    problems.add(place, f"the character U+{ord(match.group()):04X} is not allowed in YAML", "remove it")
    return True


def _add_syntax_error(error: yaml.MarkedYAMLError, text: str, file: str, problems: Problems) -> None:
    mark = error.problem_mark or error.context_mark
    place = Place(file=file) if mark is None else Place(file=file, line=mark.line + 1, column=mark.column + 1)
    what = error.problem or "it cannot be read"
    if "nesting depth" in what:  # libyaml's own bound, in newer builds of it: ours comes first in older ones
        problems.add(place, *_TOO_DEEP)
        return
    context = error.context or ""
    if what.startswith(("but found another", "second occurrence")):
        what = f"{context}, {what}"
    lines = lines_of(text)
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    problems.add(place, f"not valid YAML: {what}", _syntax_remedy(error, what, line, place.column))


def _syntax_remedy(error: yaml.MarkedYAMLError, what: str, line: str, column: int) -> str:
    context, opened = error.context or "", error.context_mark
    if "\t" in line[: column + 1]:
        return "indent with spaces: YAML does not allow tabs"
    if "single document" in what:
        return "keep one document in the file: remove the second '---', or include the other as a file"
    if "alias" in what or "anchor" in what:
        return "define each anchor (&) once, above its use; put quotes around a value that starts with * or &"
    if "${" in line and any(c in line for c in "{["):
        return 'inside { } and [ ] put a variable in quotes: "${NAME}"'
    if "mapping values" in what:
        return "put quotes around a value that contains ': ', and check that the keys around it line up"
    if "cannot start any token" in what:
        return "put quotes around a value that starts with a special character"
    if "escape" in what:
        return "inside double quotes a backslash begins an escape: use single quotes to mean it as it is"
    if opened is not None and ("quoted" in context or "flow" in context):
        mark = "quote" if "quoted" in context else "bracket"
        return f"check that the {mark} opened at line {opened.line + 1}, column {opened.column + 1} is closed"
    return "check the indentation, the quotes and the brackets of this line and the one above"


def _place(file: str, node: yaml.Node) -> Place:
    return Place(file=file, line=node.start_mark.line + 1, column=node.start_mark.column + 1)


class _Builder:
    """PyYAML's nodes to ours. Aliased nodes are shared, and counted as often as they are used."""

    def __init__(self, file: str, problems: Problems) -> None:
        self._file = file
        self._problems = problems
        self._built: dict[int, Node] = {}
        self._open: set[int] = set()
        self._size: dict[int, int] = {}
        self._depth: dict[int, int] = {}

    def build(self, node: yaml.Node) -> Node:
        """The node and all below it. Raises ``_BoundReachedError``."""
        key = id(node)
        place = _place(self._file, node)
        if key in self._open:
            self._problems.add(place, "this part contains itself", "remove the alias (*) to a part around it")
            return Scalar(place=place, text="", kind=Kind.EMPTY)
        if key not in self._built:
            self._open.add(key)
            built = self._convert(node, place)
            self._open.remove(key)
            self._measure(built, node)
            self._built[key] = built
        return self._built[key]

    def _convert(self, node: yaml.Node, place: Place) -> Node:
        if node.tag not in _PLAIN_TAGS:
            tag = "!!" + node.tag.removeprefix(_TAG) if node.tag.startswith(_TAG) else node.tag
            self._problems.add(place, f"the tag {shown(tag)} is not supported", "remove it")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return ListNode(place=place, items=tuple(self.build(item) for item in node.value))
        return Scalar(place=place, text=self._text(node.value, place), kind=_KINDS.get(node.tag, Kind.TEXT))

    def _mapping(self, node: yaml.MappingNode, place: Place) -> MapNode:
        entries: dict[str, Entry] = {}
        merged: yaml.Node | None = None
        for key_node, value_node in node.value:
            if key_node.tag == _TAG + "merge" and merged is None:
                merged = value_node
                continue
            key_place = _place(self._file, key_node)
            key = self._key(key_node, key_place)
            value = self.build(value_node)
            if key is None:
                continue
            if key in entries or key_node.tag == _TAG + "merge":
                first = f" at line {entries[key].key.line}" if key in entries else ""
                self._problems.add(
                    key_place, f"{shown(key)} is given twice, first{first or ' above'}", "keep one of the two"
                )
                continue
            entries[key] = Entry(key=key_place, node=value)
        if merged is not None:
            self._merge(merged, entries)
        return MapNode(place=place, entries=entries)

    def _key(self, node: yaml.Node, place: Place) -> str | None:
        if not isinstance(node, yaml.ScalarNode) or node.tag not in _KINDS:
            self._problems.add(place, "a key is not a plain name", "write 'name: value'")
            return None
        if _KINDS[node.tag] is Kind.EMPTY:
            self._problems.add(place, "a key is missing", "write a name before the ':'")
            return None
        return self._text(node.value, place)

    def _merge(self, value: yaml.Node, entries: dict[str, Entry]) -> None:
        """Add what ``<<`` brings: the mapping's own keys win, then the mapping that is named first."""
        built = self.build(value)
        sources = built.items if isinstance(built, ListNode) else (built,)
        copied = 0
        for source in sources:
            if not isinstance(source, MapNode):
                self._problems.add(built.place, "'<<' can only merge mappings", "name one with an alias: '<<: *name'")
                continue
            copied += len(source.entries)
            if copied > MAX_NODES:
                raise _BoundReachedError(*_TOO_MANY, value)
            for key, entry in source.entries.items():
                entries.setdefault(key, entry)

    def _text(self, text: str, place: Place) -> str:
        """The text, without what no program could be given: NUL ends C strings early, a lone surrogate has no bytes."""
        clean = _UNUSABLE.sub("", text)
        if clean != text:
            self._problems.add(place, "the text holds a character that no program can be given", "remove its escape")
        return clean

    def _measure(self, node: Node, source: yaml.Node) -> None:
        """Refuse a node that is too large or too deep once its aliases are written out."""
        below: tuple[Node, ...] = ()
        if isinstance(node, MapNode):
            below = tuple(entry.node for entry in node.entries.values())
        elif isinstance(node, ListNode):
            below = node.items
        long = len(node.text) // TEXT_PER_NODE if isinstance(node, Scalar) else 0
        size = 1 + long + sum(self._size.get(id(n), 1) for n in below)
        depth = 1 + max((self._depth.get(id(n), 1) for n in below), default=0)
        if size > MAX_NODES:
            raise _BoundReachedError(*_TOO_MANY, source)
        if depth > MAX_DEPTH:
            raise _BoundReachedError(*_TOO_DEEP, source)
        self._size[id(node)] = size
        self._depth[id(node)] = depth
