r"""Environment files: ``KEY=VALUE`` lines as systemd's ``EnvironmentFile=`` reads them.

Promises: the rules of systemd.exec(5): ``#`` and ``;`` begin a comment line; a value may be bare (a backslash takes the next
character as it is, or joins the next line), in single quotes (all literal) or in double quotes (``\"``, ``\\``, ``\```,
``\$`` and a joined line); quoted parts may span lines and stand side by side; ``$NAME`` is not expanded. Beside that,
``export KEY=VALUE`` is read, and what systemd would skip in silence is a problem, each with its line.
Does not: run anything, or know which file matters to whom.
"""

import re
from dataclasses import dataclass, field
from typing import Final

VALID_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")

_BLANK = re.compile(r"[ \t]*")
_LINE = re.compile(r"[^\n]*")
_KEY = re.compile(r"(?:export[ \t]+)?([^=\n]*)=")
_BARE = re.compile(r"(?:[^\n\\]|\\.|\\\Z)*", re.DOTALL)
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_SINGLE = re.compile(r"'([^']*)'")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(slots=True)
class EnvironmentFile:
    """What a file says. ``problems`` are ``(line, what is wrong and what to do)``, lines from 1."""

    variables: dict[str, str] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)


def parse_environment_file(text: str) -> EnvironmentFile:
    """Reads the whole text; with problems, ``variables`` holds what could be read beside them. The last of a name wins."""
    found = EnvironmentFile()
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    position, line = 0, 1
    while position < len(text):
        start = _end(_BLANK, text, position)
        if start < len(text) and text[start] not in "#;\n":
            end = _assignment(text, start, line, found)
        else:
            end = _end(_LINE, text, start)
        line += text.count("\n", position, end + 1)
        position = end + 1
    return found


def _assignment(text: str, start: int, line: int, found: EnvironmentFile) -> int:
    key = _KEY.match(text, start)
    if key is None:
        found.problems.append((line, f"{_shown(text, start)} has no '=': write KEY=VALUE, or # before a comment"))
        return _end(_LINE, text, start)
    name = key.group(1).rstrip()
    value, end, problem = _value(text, key.end())
    if not VALID_NAME.match(name):
        problem = f"{_shown(name, 0)} is not a variable name: use letters, digits and _, not beginning with a digit"
    elif "\0" in value:
        problem = f"the value of {name} holds a NUL byte, which no environment can"
    if problem:
        found.problems.append((line, problem))
    else:
        found.variables[name] = value
    return end


def _value(text: str, position: int) -> tuple[str, int, str]:
    """The value that begins at ``position``, where its line ends, and what is wrong with it if anything is."""
    parts: list[str] = []
    while True:
        position = _end(_BLANK, text, position)
        opening = text[position : position + 1]
        if opening in {"", "\n"}:
            return "".join(parts), position, ""
        if opening not in {"'", '"'}:
            end = _end(_BARE, text, position)
            parts.append(_ESCAPE.sub(_bare_escape, _trimmed(text[position:end])))
            return "".join(parts), end, ""
        quoted = (_SINGLE if opening == "'" else _DOUBLE).match(text, position)
        if quoted is None:
            # Reading on behind an open quote would only make up more problems.
            return "", len(text), f"the quote {opening} is never closed"
        parts.append(quoted.group(1) if opening == "'" else _ESCAPE.sub(_quoted_escape, quoted.group(1)))
        position = quoted.end()


def _trimmed(bare: str) -> str:
    """Without the blanks at its end, unless the first of them is escaped."""
    trimmed = bare.rstrip()
    backslashes = len(trimmed) - len(trimmed.rstrip("\\"))
    return trimmed + bare[len(trimmed) : len(trimmed) + 1] if backslashes % 2 else trimmed


def _bare_escape(match: re.Match[str]) -> str:
    return "" if match.group(1) == "\n" else match.group(1)


def _quoted_escape(match: re.Match[str]) -> str:
    character = match.group(1)
    if character == "\n":
        return ""
    return character if character in '"\\`$' else match.group()


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Where a pattern that also matches nothing stops matching."""
    match = pattern.match(text, position)
    assert match is not None
    return match.end()


def _shown(text: str, start: int) -> str:
    """The beginning of a line; no more, since what is mistyped here is often a secret."""
    line = text[start : _end(_LINE, text, start)].rstrip()
    return repr(line if len(line) <= 12 else f"{line[:8]}...")
