"""Text for terminals and JSON for programs, safe whatever it contains.

Promises: nothing a node, a file or a stranger's etcd key says can move the cursor, change colours, set a title or reorder
what is read. Does not: translate or wrap.
"""

import json

from supervisor.core import harmless


def safe(text: str) -> str:
    """One line, as ``harmless.line`` has it."""
    return harmless.line(text)


def safe_lines(text: str) -> str:
    """Likewise, but its lines stay lines."""
    return "\n".join(map(safe, text.split("\n")))


def as_json(value: object, *, indent: int | None = None) -> str:
    """JSON, readable: letters of every script stay letters, dangerous characters are escaped as JSON escapes them."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    # A raw newline stands between values, never inside a string: json escapes those.
    return harmless.HARMFUL.sub(lambda m: m.group() if m.group() == "\n" else f"\\u{ord(m.group()):04x}", text)
