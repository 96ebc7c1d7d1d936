"""Files for tests, in which a mark stands at each place where a problem is expected."""

from collections.abc import Mapping
from pathlib import Path

from supervisor.config.load import load
from supervisor.config.loaded import Loaded
from supervisor.config.problems import ConfigError, Problem

MARK = "¤"


def unmarked(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without its marks, and line and column of each, counted from 1."""
    places = []
    lines = []
    for number, line in enumerate(text.split("\n"), start=1):
        parts = line.split(MARK)
        column = 1
        for part in parts[:-1]:
            column += len(part)
            places.append((number, column))
        lines.append("".join(parts))
    return "\n".join(lines), places


def load_text(
    directory: Path,
    text: str,
    *,
    environ: Mapping[str, str] | None = None,
    node: str | None = None,
    hostname: str = "host-1",
) -> Loaded:
    path = directory / "supervisor.yaml"
    path.write_bytes(text.encode())
    return load(path, environ=environ or {}, node=node, hostname=hostname)


def problems_of(directory: Path, text: str, *, environ: Mapping[str, str] | None = None) -> tuple[Problem, ...]:
    try:
        loaded = load_text(directory, text, environ=environ)
    except ConfigError as e:
        return e.problems
    raise AssertionError(f"accepted: {loaded}")


def check_marked(directory: Path, text: str, *fragments: str, environ: Mapping[str, str] | None = None) -> None:
    """Each mark is the place of one problem, in order, and there are no others; fragments are found in their texts."""
    clean, places = unmarked(text)
    found = problems_of(directory, clean, environ=environ)
    assert [(p.line, p.column) for p in found] == places, "\n".join(map(str, found))
    for problem, fragment in zip(found, fragments, strict=True):
        assert fragment in str(problem)
        assert problem.file == str(directory / "supervisor.yaml")
        assert problem.message
        assert problem.remedy
