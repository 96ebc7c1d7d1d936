"""Text of children as lines: cut from chunks, prefixed, made harmless for a terminal.

Promises: pure functions of bytes that never raise, whatever a child writes; every block is whole lines, each ending in a
newline and none longer than ``MAX_LINE_BYTES``.
Does not: interpret the text, or decode it unless it has to be made harmless.
"""

import re
from typing import Final

MAX_LINE_BYTES: Final = 64 * 1024
"""A longer line is cut into pieces of this size, each a line of its own. Without the newline."""

CHUNK_BYTES: Final = 64 * 1024
"""The most that is given to ``LineCutter.feed`` at once."""

_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""C0 but tab and newline, DEL, C1, and the marks that reverse the direction of text."""


class LineCutter:
    """Turns the chunks of one stream into blocks of whole lines."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> bytes:
        """The lines that ``chunk`` completes, or nothing. At most ``CHUNK_BYTES`` at once."""
        if b"\n" not in chunk and len(self._rest) + len(chunk) <= MAX_LINE_BYTES:
            self._rest += chunk  # the common case of a child that writes letter by letter stays linear
            return b""
        data = bytes(self._rest) + chunk
        pieces: list[bytes] = []
        # Only the first line can be too long: every later one begins inside this chunk.
        while _first_line_bytes(data) > MAX_LINE_BYTES:
            pieces.append(data[:MAX_LINE_BYTES] + b"\n")
            data = data[MAX_LINE_BYTES:]
        cut = data.rfind(b"\n") + 1
        self._rest = bytearray(data[cut:])
        pieces.append(data[:cut])
        return b"".join(pieces)

    def flush(self) -> bytes:
        """The incomplete last line, completed; nothing if there is none."""
        rest, self._rest = bytes(self._rest), bytearray()
        return rest + b"\n" if rest else b""


def prefix_lines(block: bytes, prefix: bytes) -> bytes:
    """Every line of a block behind ``prefix``."""
    return prefix + block[:-1].replace(b"\n", b"\n" + prefix) + b"\n" if block else b""


def neutralise(block: bytes) -> bytes:
    r"""The block with everything a terminal would obey written out (``\x1b``); tabs, newlines and other text stay."""
    text = block.replace(b"\r\n", b"\n").decode("utf-8", "backslashreplace")
    return _HARMFUL.sub(_written_out, text).encode()


def last_lines(block: bytes, max_bytes: int) -> bytes:
    """As many whole lines from the end as fit; the end of the last line when it alone does not."""
    if max_bytes <= 0:
        return b""
    if len(block) <= max_bytes:
        return block
    kept = block[-max_bytes:]
    if block[-max_bytes - 1 : -max_bytes] == b"\n":
        return kept
    return kept[kept.find(b"\n") + 1 :] or kept


def _first_line_bytes(data: bytes) -> int:
    end = data.find(b"\n", 0, MAX_LINE_BYTES + 1)
    return len(data) if end < 0 else end


def _written_out(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
