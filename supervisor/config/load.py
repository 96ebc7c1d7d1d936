"""Reads a file and everything it includes: ``load``.

Promises: a complete Spec, or ``ConfigError`` with every problem at its place; files are named in messages as they were
named to us; reading is the only I/O. Does not: watch anything; ``Loaded`` and ``ConfigError`` say what to watch.
"""

import codecs
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from supervisor.config import (
    convert,
    grace,
    includes,
    instances,
    mistakes,
    outside_relations,
    overlays,
    permissions,
    reading,
    relations,
    schema,
    values,
)
from supervisor.config.excerpt import excerpt, lines_of
from supervisor.config.expand import expand
from supervisor.config.loaded import Kept, KeptFile, Listed, Loaded
from supervisor.config.parse import parse
from supervisor.config.problems import ConfigError, Place, Problem, Problems, Refused
from supervisor.config.tree import Entry, MapNode, Node, Scalar, child, locate, plain, text, used_from
from supervisor.core.names import NodeName

MAX_FILES = 200
MAX_INCLUDE_DEPTH = 10


def load(
    path: Path,
    *,
    environ: Mapping[str, str],
    node: str | None = None,
    hostname: str,
    running_as: str | None = None,
    here: bool = True,
    root_only: bool = False,
    patience_seconds: float = 0.0,
    kept: Kept | None = None,
    content: bytes | None = None,
) -> Loaded:
    """Read ``path`` for the node ``node``, else the one it names, else ``hostname``.

    A daemon that runs has its name in keys, locks and children's environments: ``running_as`` refuses another.
    Not ``here``: it is another machine that will run it, so that nobody looks for programs and files on this one.
    ``root_only``: what others than root could change is refused. ``patience_seconds``: for a file that is being written.
    ``kept``: take the text of every file from there, and none from the disk.
    ``content`` stands for what is at ``path``, in its place: everything relative means the same.
    Raises ``ConfigError`` and nothing else, whatever the file holds. ``environ`` is where ``${VAR}`` is looked up.
    """
    reader = _Reader(
        environ, keep_node=node is None, root_only=root_only, patience_seconds=patience_seconds, kept=kept, content=content,
    )  # fmt: skip
    reader.problems.here = here
    reader.read(path, ())
    if not reader.parts or (root := includes.merge(reader.parts, reader.problems)) is None:
        raise reader.error()
    wanted = node if node is not None else text(child(root, "node")) or hostname
    listed = overlays.listed(root, reader.problems)
    overlays.check_listed(root, wanted, reader.problems)
    overlay = listed.get(wanted)
    root = overlays.apply(root, reader.expanded(overlay.node) if overlay else None, reader.problems)
    root = instances.multiply(root, reader.problems)
    relations.check(root, reader.problems, complete=reader.complete)
    found = schema.read(plain(root))
    if isinstance(found, list):
        _blame(root, found, reader.problems)
        raise reader.error()
    name = _node_name(node, found.node, hostname, root.place, reader.problems)
    if running_as is not None and name not in (running_as, ""):
        named = child(root, "node")
        message = f"node cannot change while running: it is {running_as}, and would be {name}"
        reader.problems.add(named.place if named else root.place, message, "restart the daemon, or keep the name")
    if reader.problems:
        raise reader.error()
    spec, digest = convert.spec(found, name), reader.digest.hexdigest()
    return Loaded(
        spec=spec,
        source=f"{path} ({digest[:8]})",
        hash=digest,
        files=reader.paths(),
        directories=tuple(dict.fromkeys(d.absolute() for d in reader.directories)),
        nodes=tuple(listed),
        warnings=(*grace.warnings(root, spec), *outside_relations.warnings(root, spec)),
        kept=Kept(files=reader.kept),
    )


def listed_nodes(path: Path, *, environ: Mapping[str, str], hostname: str) -> Listed:
    """Which nodes a file lists, as far as it can be read."""
    reader = _Reader(environ, keep_node=True, root_only=False, patience_seconds=0.0, kept=None, content=None)
    reader.read(path, ())
    root = includes.merge(reader.parts, reader.problems)
    if root is None:
        return Listed(names=(), runs_unlisted=True, own=hostname)
    names = tuple(overlays.listed(root, reader.problems))
    return Listed(
        names=names,
        runs_unlisted=text(child(root, overlays.UNLISTED)) != "refuse",
        own=text(child(root, "node")) or hostname,
    )


def _blame(root: MapNode, found: Sequence[schema.Misfit], problems: Problems) -> None:
    """Report each mistake where it is written; where an alias brought it, say from where, unless it is wrong there, too."""
    used: dict[tuple[Place, str, str], Place | None] = {}
    for mistake in map(mistakes.mistake, found):
        where = locate(root, mistake.path, key=mistake.at_key)
        key, user = (where, mistake.message, mistake.remedy), used_from(root, mistake.path)
        if key not in used or user is None:
            used[key] = user
    for (where, message, remedy), user in used.items():
        problems.add(where, message if user is None else f"{message} (used at {user})", remedy)


def _node_name(given: str | None, written: str | None, hostname: str, place: Place, problems: Problems) -> NodeName:
    name = given if given is not None else written if written is not None else hostname
    try:
        return NodeName(values.name(name))
    except Refused as e:
        what = "the node given" if given is not None else "the host name stands for 'node', and"
        problems.add(place, f"{what} {e.message}" if given is None else f"{what}: {e.message}", e.remedy)
        return NodeName("")


class _Reader:
    """Reads files one by one, in the order in which they are included."""

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        keep_node: bool,
        root_only: bool,
        patience_seconds: float,
        kept: Kept | None,
        content: bytes | None,
    ) -> None:
        self.problems = Problems()
        self.parts: list[MapNode] = []
        self.directories: list[Path] = []
        self.digest = hashlib.sha256()
        self.complete = True
        self.kept: dict[str, KeptFile] = {}
        self._environ = environ
        self._keep_node = keep_node
        self._root_only = root_only
        self._patience_seconds = patience_seconds
        self._from = kept
        self._content = content
        self._files: dict[Path, str] = {}
        self._real: dict[str, str] = {}
        self._data: dict[str, bytes | list[str]] = {}
        """What was read, as lines once a problem in it is to be shown."""
        self._distrusted: set[tuple[str, str]] = set()

    def error(self) -> ConfigError:
        """What was found so far, by place, each with its line."""
        found = self.problems.by_place(tuple(self._files.values()))
        return ConfigError(map(self._with_excerpt, found), self.paths())

    def _with_excerpt(self, problem: Problem) -> Problem:
        data = self._data.get(problem.file)
        if isinstance(data, bytes):
            data = self._data[problem.file] = lines_of(data.removeprefix(codecs.BOM_UTF8).decode(errors="replace"))
        if data is None or problem.line > len(data):
            return problem
        return replace(problem, excerpt=excerpt(data[problem.line - 1], problem.line, problem.column))

    def paths(self) -> tuple[Path, ...]:
        """Every file that was read, or tried, absolute."""
        return tuple(self._files)

    def expanded(self, node: Node) -> Node:
        """With every variable replaced."""
        return expand(node, self._environ, self.problems)

    def read(self, path: Path, trail: tuple[str, ...]) -> None:
        """Read a file and what it includes; ``trail`` names the files that led here, resolved."""
        self._files[path.absolute()] = str(path)
        root = self._root(path)
        if root is None:
            self.complete = False
            return
        real = os.path.realpath(path)
        self._real[real] = str(path)
        self.parts.append(root)
        brought: list[tuple[str, ...]] = []
        for number, pattern in enumerate(includes.patterns(root, self.problems)):
            if self._from is None:
                brought.append(self._include(path, pattern, (*trail, real)))
            else:
                brought.append(self._include_kept(path, number, pattern, (*trail, real)))
        self.kept[str(path)] = replace(self.kept[str(path)], includes=tuple(brought))

    def _root(self, path: Path) -> MapNode | None:
        data = self._bytes(path)
        if data is None:
            return None
        self.digest.update(data)
        self._data[str(path)] = data
        written = _decode(data, str(path), self.problems)
        root = None if written is None else parse(written, str(path), self.problems)
        if root is None:
            return None
        self.kept[str(path)] = KeptFile(text=data.decode())
        aside: dict[str, Entry] = {}
        if overlays.KEY in root.entries:
            # Of the overlays only one counts, and which is known when all files are read.
            aside[overlays.KEY] = root.entries[overlays.KEY]
        dropped = {*aside}
        if not self._keep_node and isinstance(child(root, "node"), Scalar):
            # --node stands for it: a variable in it that is not set here does not matter.
            dropped.add("node")
        root = MapNode(place=root.place, entries={k: e for k, e in root.entries.items() if k not in dropped})
        expanded = self.expanded(root)
        if not isinstance(expanded, MapNode):
            return None
        return MapNode(place=expanded.place, entries={**expanded.entries, **aside})

    def _bytes(self, path: Path) -> bytes | None:
        if self._from is not None:
            known = self._from.files.get(str(path))
            if known is None:
                self.problems.add(Place(file=str(path)), "this file was not kept", "mend the file itself")
            return None if known is None else known.text.encode()
        if self._content is not None:
            content, self._content = self._content, None  # the first file is the one it stands for
            return content
        data = reading.read(path, self.problems, patience_seconds=self._patience_seconds)
        if data is not None and self._root_only:
            found = permissions.problem(path)
            if found is not None and found not in self._distrusted:  # a directory's is told of once, not with each file
                self._distrusted.add(found)
                self.problems.add(Place(file=str(path)), *found)
        return data

    def _include_kept(self, path: Path, number: int, pattern: Scalar, trail: tuple[str, ...]) -> tuple[str, ...]:
        self.directories.append(includes.directory(path.parent, pattern.text))
        assert self._from is not None
        known = self._from.files[str(path)].includes
        brought = known[number] if number < len(known) else ()
        for file in brought:
            if Path(file).absolute() not in self._files and len(trail) <= MAX_INCLUDE_DEPTH:
                self.read(Path(file), trail)
        return brought

    def _include(self, path: Path, pattern: Scalar, trail: tuple[str, ...]) -> tuple[str, ...]:
        """Read what the pattern names; the files that were read for it."""
        self.directories.append(includes.directory(path.parent, pattern.text))
        brought: list[str] = []
        for file in includes.files(path.parent, pattern, MAX_FILES, self.problems):
            real = os.path.realpath(file)
            if real in trail:
                way = " -> ".join([*(self._real[f] for f in trail[trail.index(real) :]), str(file)])
                remedy = "keep included files in a directory of their own"
                self.problems.add(pattern.place, f"the include leads back to itself: {way}", remedy)
            elif len(trail) > MAX_INCLUDE_DEPTH or len(self._files) >= MAX_FILES:
                self.problems.add(pattern.place, "too many files are included", f"include at most {MAX_FILES} of them")
                break
            elif real not in self._real:  # two patterns may name one file: it counts once
                brought.append(str(file))
                self.read(file, trail)
        return tuple(brought)


def _decode(data: bytes, file: str, problems: Problems) -> str | None:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        problems.add(Place(file=file), "this file is UTF-16, not UTF-8", "save it as UTF-8")
        return None
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as e:
        before = e.object[: e.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode(errors="replace")) + 1
        place = Place(file=file, line=before.count(b"\n") + 1, column=column)
        problems.add(place, f"the byte 0x{e.object[e.start]:02x} is not UTF-8", "save the file as UTF-8")
        return None
