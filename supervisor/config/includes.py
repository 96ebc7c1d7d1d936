"""``include``: which files a file asks for, and how their trees become one.

Promises: patterns are relative to the file they stand in and give sorted names; elections, processes and nodes of all
files are put together, and a name that two files declare is reported with both places. Does not: read the files (``load``).
"""

import glob
from collections.abc import Sequence
from pathlib import Path

from supervisor.config.problems import Problems
from supervisor.config.tree import Entry, Kind, MapNode, Scalar, child, items, text
from supervisor.config.units import shown

MERGED = ("elections", "processes", "nodes")
MAX_PATTERN = 1000
MAX_PATTERN_PARTS = 30


def patterns(root: MapNode, problems: Problems) -> list[Scalar]:
    """The patterns of a file's ``include``; what is none is reported."""
    node = child(root, "include")
    if node is None:
        return []
    found = []
    listed = items(node)
    if not listed:
        problems.add(node.place, "include: a list of patterns is expected", "write include: [conf.d/*.yaml]")
    for item in listed:
        pattern = text(item)
        if not isinstance(item, Scalar) or not pattern or pattern.startswith("~"):
            problems.add(item.place, "include: a path or pattern is expected here", "write include: [conf.d/*.yaml]")
        elif len(pattern) > MAX_PATTERN or pattern.count("/") > MAX_PATTERN_PARTS:
            problems.add(item.place, "include: the pattern is too long", "name a directory nearby")
        else:
            found.append(item)
    return found


def directory(base: Path, pattern: str) -> Path:
    """The directory in which a new file could come to match."""
    parts = Path(pattern).parts[:-1]
    plain = next((i for i, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return base.joinpath(*parts[:plain])


def files(base: Path, pattern: Scalar, most: int, problems: Problems) -> list[Path]:
    """The files that match, sorted by name. A pattern may match nothing; a plain path must exist."""
    try:
        matches = []
        for match in glob.iglob(pattern.text, root_dir=base, recursive=True):  # noqa: PTH207 # Path.glob refuses absolute patterns
            matches.append(base / match)
            if len(matches) > most:
                problems.add(pattern.place, f"more than {most} files match", "narrow the pattern")
                return []
    except (OSError, ValueError) as e:
        problems.add(
            pattern.place, f"the pattern {shown(pattern.text, most=300)} cannot be looked up: {e}", "correct it"
        )
        return []
    if not matches and not glob.has_magic(pattern.text):
        problems.add(
            pattern.place,
            f"the included file {shown(pattern.text, most=300)} does not exist",
            "create it, or correct the path",
        )
    return sorted(matches)


def merge(parts: Sequence[MapNode], problems: Problems) -> MapNode | None:
    """One tree of all parts, the first of which is the file itself."""
    definitions: dict[str, list[Entry]] = {}
    for part in parts:
        for key, entry in part.entries.items():
            if key != "include":
                definitions.setdefault(key, []).append(entry)
    entries = {}
    for key, found in definitions.items():
        entries[key] = found[0]
        if key in MERGED and len(found) > 1:
            entries[key] = _merged(key, found, problems)
            continue
        for entry in found[1:]:
            message = f"{shown(key)} is given in two files, first at {found[0].key}"
            problems.add(entry.key, message, "keep one of the two")
    return MapNode(place=parts[0].place, entries=entries) if parts else None


def _merged(key: str, found: Sequence[Entry], problems: Problems) -> Entry:
    entries: dict[str, Entry] = {}
    for definition in found:
        node = definition.node
        if not isinstance(node, MapNode):
            if not isinstance(node, Scalar) or node.kind is not Kind.EMPTY:
                problems.add(node.place, f"{key}: names are expected here", f"write '{key}:' and a name under it")
            continue
        for name, entry in node.entries.items():
            first = entries.setdefault(name, entry)
            if first is not entry:
                message = f"{key}: {shown(name)} is declared twice, first at {first.key}"
                problems.add(entry.key, message, "give one of the two another name")
    return Entry(key=found[0].key, node=MapNode(place=found[0].node.place, entries=entries))
