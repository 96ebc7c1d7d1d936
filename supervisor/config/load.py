"""Reads a file and everything it includes: ``load``.

Promises: a complete Spec, or ``ConfigError`` with every problem at its place; files are named in messages as they were
named to us; reading is the only I/O. Does not: watch anything; ``Loaded`` and ``ConfigError`` say what to watch.
"""

import codecs
import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from supervisor.config import convert, includes, instances, mistakes, relations, schema, values
from supervisor.config.excerpt import excerpt, lines_of
from supervisor.config.expand import expand
from supervisor.config.loaded import Loaded
from supervisor.config.parse import parse
from supervisor.config.problems import ConfigError, Place, Problem, Problems, Refused
from supervisor.config.tree import MapNode, Scalar, child, locate, plain, used_from
from supervisor.core.names import NodeName

MAX_FILE_BYTES = 10_000_000
MAX_FILES = 200
MAX_INCLUDE_DEPTH = 10


def load(
    path: Path,
    *,
    environ: Mapping[str, str],
    node: str | None = None,
    hostname: str,
    running_as: str | None = None,
    content: bytes | None = None,
) -> Loaded:
    """Read ``path`` for the node ``node``, else the one it names, else ``hostname``.

    A daemon that runs has its name in keys, locks and children's environments: ``running_as`` refuses another.
    ``content`` stands for what is at ``path``, in its place: everything relative means the same.
    Raises ``ConfigError`` and nothing else, whatever the file holds. ``environ`` is where ``${VAR}`` is looked up.
    """
    reader = _Reader(environ, keep_node=node is None, content=content)
    reader.read(path, ())
    if not reader.parts or (root := includes.merge(reader.parts, reader.problems)) is None:
        raise reader.error()
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
    return Loaded(
        spec=convert.spec(found, name),
        source=f"{path} ({reader.digest.hexdigest()[:8]})",
        files=reader.paths(),
        directories=tuple(dict.fromkeys(d.absolute() for d in reader.directories)),
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

    def __init__(self, environ: Mapping[str, str], *, keep_node: bool, content: bytes | None) -> None:
        self.problems = Problems()
        self.parts: list[MapNode] = []
        self.directories: list[Path] = []
        self.digest = hashlib.sha256()
        self.complete = True
        self._environ = environ
        self._keep_node = keep_node
        self._content = content
        self._files: dict[Path, str] = {}
        self._real: dict[str, str] = {}
        self._data: dict[str, bytes | list[str]] = {}
        """What was read, as lines once a problem in it is to be shown."""

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
        found = includes.patterns(root, self.problems)
        for pattern in found:
            self._include(path, pattern, (*trail, real))

    def _root(self, path: Path) -> MapNode | None:
        data, self._content = self._content, None  # the first file is the one it stands for
        data = _read(path, self.problems) if data is None else data
        if data is None:
            return None
        self.digest.update(data)
        self._data[str(path)] = data
        text = _decode(data, str(path), self.problems)
        root = None if text is None else parse(text, str(path), self.problems)
        if root is None:
            return None
        if not self._keep_node and isinstance(child(root, "node"), Scalar):
            # --node stands for it: a variable in it that is not set here does not matter.
            root = MapNode(place=root.place, entries={k: e for k, e in root.entries.items() if k != "node"})
        expanded = expand(root, self._environ, self.problems)
        return expanded if isinstance(expanded, MapNode) else None

    def _include(self, path: Path, pattern: Scalar, trail: tuple[str, ...]) -> None:
        self.directories.append(includes.directory(path.parent, pattern.text))
        for file in includes.files(path.parent, pattern, MAX_FILES, self.problems):
            real = os.path.realpath(file)
            if real in trail:
                way = " -> ".join([*(self._real[f] for f in trail[trail.index(real) :]), str(file)])
                remedy = "keep included files in a directory of their own"
                self.problems.add(pattern.place, f"the include leads back to itself: {way}", remedy)
            elif len(trail) > MAX_INCLUDE_DEPTH or len(self._files) >= MAX_FILES:
                self.problems.add(pattern.place, "too many files are included", f"include at most {MAX_FILES} of them")
                return
            elif real not in self._real:  # two patterns may name one file: it counts once
                self.read(file, trail)


def _read(path: Path, problems: Problems) -> bytes | None:
    """The bytes of a regular file of bearable size."""
    place = Place(file=str(path))
    try:
        with open(path, "rb", opener=_open_now) as file:  # Path.open knows no opener
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                problems.add(place, "this is not a regular file", "save it as a file: it is read again at every reload")
                return None
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        problems.add(place, "there is no such file", "check the path, or start from one of config/examples")
    except PermissionError:
        problems.add(
            place, f"user {os.geteuid()} may not read this file", "change its mode or owner, or run as another user"
        )
    except IsADirectoryError:
        problems.add(place, "this is a directory", "name the file in it")
    except (OSError, ValueError) as e:
        reason = e.strerror if isinstance(e, OSError) and e.strerror else str(e)
        problems.add(place, f"this file cannot be read: {reason}", "check the path and the disk")
    else:
        if len(data) <= MAX_FILE_BYTES:
            return data
        problems.add(
            place, f"this file is larger than {MAX_FILE_BYTES // 10**6} MB", "name the right file, or split it"
        )
    return None


def _open_now(path: str, flags: int) -> int:
    """Open without blocking: a FIFO would keep the daemon waiting for its writer."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


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
