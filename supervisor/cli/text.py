"""Text for terminals and JSON for programs, safe whatever it contains.

Promises: nothing a node, a file or a stranger's etcd key says can move the cursor, change colours, set a title or reorder
what is read. Does not: translate or wrap.
"""

import json
import re

_DANGEROUS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def safe(text: str) -> str:
    r"""One line without control characters: those become ``\n``, ``\x1b``, ``\u202e``; everything else stays."""
    return _DANGEROUS.sub(lambda match: _escaped(match.group()), text)


def safe_lines(text: str) -> str:
    """Likewise, but its lines stay lines."""
    return "\n".join(map(safe, text.split("\n")))


def _escaped(character: str) -> str:
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    code = ord(character)
    return short or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def as_json(value: object, *, indent: int | None = None) -> str:
    """JSON, readable: letters of every script stay letters, dangerous characters are escaped as JSON escapes them."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    # A raw newline stands between values, never inside a string: json escapes those.
    return _DANGEROUS.sub(lambda m: m.group() if m.group() == "\n" else f"\\u{ord(m.group()):04x}", text)
