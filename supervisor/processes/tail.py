"""The last of what a process said, in memory.

Promises: at most ``TAIL_BYTES`` (and the slack below) of whole lines, with the stream and the time of each to a tenth of a
second; adding costs no more for a long tail than for a short one. Does not: lock, or remember what was cut.
"""

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

from supervisor.processes.lines import last, last_lines

TAIL_BYTES: Final = 64 * 1024
"""Kept of each process."""

_SLACK_BYTES: Final = 16 * 1024
"""Cut only when it is this much too long: cutting moves the rest."""
_SAME_TIME_SECONDS: Final = 0.1
_MOST_MARKS: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Lines that one stream of a process said at one time."""

    stream: str
    at: float
    """The wall clock when they were read, in seconds since the epoch."""
    text: bytes


class Tail:
    """What is kept of one process, over all its runs."""

    __slots__ = ("_begin", "_offsets", "_streams", "_text", "_times")

    def __init__(self) -> None:
        self._text = bytearray()
        self._begin = 0
        """How much of all that was said came before ``_text``."""
        self._offsets = array("q")
        """Where in all that was said another stream or time begins."""
        self._times = array("d")
        self._streams: list[str] = []

    def add(self, block: bytes, stream: str, at: float) -> None:
        """Whole lines that were just read."""
        if len(block) > TAIL_BYTES:
            kept = last_lines(block, TAIL_BYTES)
            self._begin += len(self._text) + len(block) - len(kept)
            self._text = bytearray(kept)
        else:
            self._text += block
        if not self._streams or self._streams[-1] != stream or at - self._times[-1] >= _SAME_TIME_SECONDS:
            self._offsets.append(self._begin + len(self._text) - min(len(block), len(self._text)))
            self._times.append(at)
            self._streams.append(stream)
        if len(self._text) > TAIL_BYTES + _SLACK_BYTES or len(self._streams) > _MOST_MARKS:
            self._cut()

    def text(self, max_bytes: int = TAIL_BYTES) -> bytes:
        """The last whole lines, as many as fit."""
        return last_lines(bytes(self._text), min(max_bytes, TAIL_BYTES))

    def pieces(self, *, lines: int | None = None, since: float | None = None) -> list[Said]:
        """The last lines with stream and time; only those read at ``since`` or later."""
        text = self.text()
        if lines is not None:
            text = last(text, lines)
        begin = self._begin + len(self._text) - len(text)
        end = begin + len(text)
        found = []
        first = max(0, bisect_right(self._offsets, begin) - 1)
        for number in range(first, len(self._offsets)):
            until = self._offsets[number + 1] if number + 1 < len(self._offsets) else end
            said = text[max(0, self._offsets[number] - begin) : max(0, until - begin)]
            if said and (since is None or self._times[number] >= since):
                found.append(Said(stream=self._streams[number], at=self._times[number], text=said))
        return found

    def _cut(self) -> None:
        kept = self.text()
        if len(self._streams) > _MOST_MARKS:
            # Streams that alternate with every short line: fewer lines, rather than more memory for marks.
            kept = kept[max(0, self._offsets[_MOST_MARKS // 4] - self._begin - len(self._text) + len(kept)) :]
        self._begin += len(self._text) - len(kept)
        self._text = bytearray(kept)
        gone = max(0, bisect_right(self._offsets, self._begin) - 1)
        del self._offsets[:gone], self._times[:gone], self._streams[:gone]
