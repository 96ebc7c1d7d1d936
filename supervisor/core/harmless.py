r"""Text from outside, made harmless: the one place that says which characters nobody may send to a person's screen.

Whatever a process prints, a stranger writes into etcd, a file or an error message holds goes through one of these before it
is shown: on a terminal, in the log, in a status line, on a page. Promises: pure; what comes out has no character that a terminal
obeys, that ends a line where none ends, or that reorders what is read; such a character is written out (``\x1b``, ``\u202e``)
and not dropped, so that it can be seen; all other text, of every script, stays. What has been through once comes out of a second
time as it was. Does not: shorten (but ``word``), quote for a shell (nothing here is ever given to one), or look for secrets.
"""

import re
from typing import Final

CONTROLS: Final = "\x00-\x1f\x7f-\x9f"
"""C0, DEL and C1: a terminal's commands, and the ends of lines."""
MARKS: Final = "\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufff9-\ufffb"
"""What changes the order of what is read, ends a line, or hides an annotation."""
HALVES: Final = "\ud800-\udfff"
"""Of surrogate pairs: no encoding can write them."""

HARMFUL: Final = re.compile(f"[{CONTROLS}{MARKS}{HALVES}]")
_IN_BLOCKS = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{MARKS}{HALVES}]")
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_MARKUP: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})


def line(text: str) -> str:
    """One line, whatever the text holds."""
    return HARMFUL.sub(written_out, text) if HARMFUL.search(text) else text


def lines(text: str) -> str:
    """Lines that stay lines, with their tabs."""
    return _IN_BLOCKS.sub(_numbered, text) if _IN_BLOCKS.search(text) else text


def block(raw: bytes) -> bytes:
    r"""Bytes as ``lines`` has text: what is not UTF-8 is written out, too (``\xff``)."""
    return lines(raw.replace(b"\r\n", b"\n").decode("utf-8", "backslashreplace")).encode()


def word(text: str, longest: int = 100) -> str:
    """A name as programs may be handed it: bounded, on one line, and without what cannot be seen."""
    return "".join(c for c in text[:longest] if c.isprintable())


def html(text: str) -> str:
    """For a page, as text or in a quoted attribute: no markup, and nothing that ``line`` would not let through."""
    return line(text).translate(_MARKUP)


def written_out(match: re.Match[str]) -> str:
    """One harmful character, as it is shown instead."""
    return _SHORT.get(match.group()) or _numbered(match)


def _numbered(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
