"""The line of a file at which a problem is, with a caret under its column.

Promises: two lines that a terminal can show, at most ``WIDTH`` columns of the file, the caret under the very character
though tabs and wide letters stand before it. What is shown is the file's own text: ``${VAR}``, never what it holds; and
what looks like a secret in it is covered. Does not: find problems.
"""

import re
import unicodedata

WIDTH = 100
"""Columns of the line that are shown around the problem."""
TAB = "    "
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What YAML 1.1 calls a line break, and counts lines by."""
_SECRET = re.compile(
    r"""(?ix) (?: passw(?:or)?d | passphrase | secret | token | authorization | cookie | credential | api[_-]?key )
    [A-Z0-9_-]* ["']? \s* [:=] \s* (?P<value> "[^"]*"? | '[^']*'? | (?: \$\{[^}]*\} | [^\s,}\]\#] )+ (?: \s [^,}\]\#]* )? )"""
)
"""A key or variable of such a name, with its value. ``password_file`` names a file, which is no secret."""
_IN_URL = re.compile(r"://(?P<value>[^\s/@\"']*)@")
_VARIABLE = re.compile(r"\$\{[^}]*\}")


def lines_of(text: str) -> list[str]:
    """The lines as YAML counts them."""
    return _BREAK.split(text)


def excerpt(line: str, number: int, column: int) -> str:
    """The line and the caret; empty when there is nothing to be seen."""
    if not line.strip():
        return ""
    at = min(max(column - 1, 0), len(line))
    first = max(0, at - WIDTH * 2 // 3)
    part, at = line[first : first + WIDTH * 2], at - first
    part, before = _covered(part), "..." if first else ""
    shown = [_shown(character) for character in part]
    while _columns("".join(shown)) > WIDTH and len(shown) > at + 1:
        shown.pop()
    after = "..." if first + len(shown) < len(line) else ""
    while _columns("".join(shown)) > WIDTH and at > 0:  # wide letters before the place
        del shown[0]
        at, before = at - 1, "..."
    margin = f"{number:5} | "
    caret = " " * _columns(before + "".join(shown[:at])) + "^"
    return f"{margin}{before}{''.join(shown)}{after}".rstrip() + f"\n{'|':>7} {caret}"


def _covered(line: str) -> str:
    """What looks like a secret, as stars: as many as it has characters, so that the columns stay."""
    for pattern in (_SECRET, _IN_URL):
        line = pattern.sub(_stars, line)
    return line


def _stars(match: re.Match[str]) -> str:
    value = match["value"]
    if "_file" in match.group()[: -len(value) or None].lower():
        return match.group()
    kept = [(m.start(), m.end()) for m in _VARIABLE.finditer(value)]
    stars = "".join(
        c if c in "\"'" or any(begin <= i < end for begin, end in kept) else "*" for i, c in enumerate(value)
    )
    start = match.start("value") - match.start()
    return match.group()[:start] + stars + match.group()[start + len(value) :]


def _shown(character: str) -> str:
    if character == "\t":
        return TAB
    # Marks that join the letter before them stay; what a terminal would obey does not.
    return character if character.isprintable() or unicodedata.category(character) == "Mn" else "?"


def _columns(text: str) -> int:
    return sum(_width(character) for character in text)


def _width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
