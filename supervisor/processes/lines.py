"""Text of children as lines: cut from chunks, prefixed, made harmless for a terminal.

Promises: pure functions of bytes that never raise, whatever a child writes; every block is whole lines, each ending in a
newline and none longer than ``MAX_LINE_BYTES``.
Does not: interpret the text, or decode it unless it has to be made harmless.
"""

from typing import Final

from supervisor.core import harmless

MAX_LINE_BYTES: Final = 64 * 1024
"""A longer line is cut into pieces of this size, each a line of its own. Without the newline."""


class LineCutter:
    """Turns the chunks of one stream into blocks of whole lines."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> bytes:
        """The lines that ``chunk`` completes, or nothing."""
        cut = chunk.rfind(b"\n") + 1
        if cut == 0:
            self._rest += chunk  # the common case of a child that writes letter by letter stays linear
            block = b""
        else:
            block = _cut_long(bytes(self._rest) + chunk[:cut] if self._rest else chunk[:cut])
            self._rest = bytearray(chunk[cut:])
        while len(self._rest) > MAX_LINE_BYTES:
            block += self._rest[:MAX_LINE_BYTES] + b"\n"
            del self._rest[:MAX_LINE_BYTES]
        return block

    def unfinished(self) -> bytes:
        """What ``flush`` would give now."""
        return bytes(self._rest) + b"\n" if self._rest else b""

    def flush(self) -> bytes:
        """The incomplete last line, completed; nothing if there is none."""
        rest, self._rest = bytes(self._rest), bytearray()
        return rest + b"\n" if rest else b""


def prefix_lines(block: bytes, prefix: bytes) -> bytes:
    """Every line of a block behind ``prefix``."""
    return prefix + block[:-1].replace(b"\n", b"\n" + prefix) + b"\n" if block else b""


def neutralise(block: bytes) -> bytes:
    r"""The block with everything a terminal would obey written out (``\x1b``); tabs, newlines and other text stay."""
    return harmless.block(block)


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


def printable(block: bytes, lines: int, *, max_characters: int = 500) -> tuple[str, ...]:
    """The last lines of a block, fit to be shown or sent anywhere: no controls, none longer than the limit, few."""
    raw = last(block, lines).split(b"\n")[:-1]
    shown = (neutralise(line[: 4 * max_characters]).decode() for line in raw)
    return tuple(line if len(line) <= max_characters else line[: max_characters - 1] + "…" for line in shown)


def last(block: bytes, lines: int) -> bytes:
    """The last so many lines."""
    at = len(block)
    for _ in range(lines + 1):
        at = block.rfind(b"\n", 0, at)
        if at < 0:
            return block
    return block[at + 1 :]


def _cut_long(block: bytes) -> bytes:
    """The block with every line that is too long in pieces. Leaps from line end to line end: few lines are looked at."""
    pieces: list[bytes] = []
    done = at = 0
    while len(block) - at > MAX_LINE_BYTES + 1:
        end = block.rfind(b"\n", at, at + MAX_LINE_BYTES + 1)
        if end >= 0:
            at = end + 1
            continue
        pieces += [block[done : at + MAX_LINE_BYTES], b"\n"]
        done = at = at + MAX_LINE_BYTES
    return b"".join([*pieces, block[done:]]) if pieces else block
