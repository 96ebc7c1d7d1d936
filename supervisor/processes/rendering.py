"""What of a child's lines is written: prefix, time, JSON, or nothing added at all.

Promises: pure functions of a block, never raising; as many lines come out as went in; a JSON object is passed on byte by
byte. Long work lets the event loop run in between: it is done in a writer's thread, but Python runs one thread at a time.
"""

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from supervisor.processes.lines import neutralise, prefix_lines

STDOUT: Final = "stdout"
STDERR: Final = "stderr"
MARKS: Final = {STDOUT: "|", STDERR: "!"}

TURN_LINES: Final = 500
"""So many lines are worked on before others get their turn: about a millisecond."""
_TURN_SECONDS: Final = 0.0001


def stamp(at: float) -> str:
    """``2026-11-24T05:00:00.123456Z``."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def turn() -> None:
    """Lets other threads run."""
    time.sleep(_TURN_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """How the lines of one process are written."""

    process: str
    prefix: bool = False
    timestamps: bool = False
    json: bool = False
    harmless: bool = False
    """For a terminal: what it would obey is written out."""

    @property
    def plain(self) -> bool:
        """Whether lines stay as they are."""
        return not (self.prefix or self.timestamps or self.json or self.harmless)

    def render(self, at: float, stream: str, block: bytes) -> bytes:
        """The block as it is written. ``at``: when it was read, from this stream."""
        if self.json:
            block = self._as_json(block, stream, stamp(at))
        if self.harmless:
            block = neutralise(block)
        head = f"{stamp(at)} " if self.timestamps else ""
        if self.prefix:
            head += f"{self.process} {MARKS[stream]} "
        return prefix_lines(block, head.encode()) if head else block

    def _as_json(self, block: bytes, stream: str, time_stamp: str) -> bytes:
        lines = block.split(b"\n")
        lines.pop()
        known = json.dumps({"time": time_stamp, "process": self.process, "stream": stream})
        head = f'{known[:-1]}, "message": '.encode()
        for number, line in enumerate(lines):
            if not _is_object(line):
                message = line.removesuffix(b"\r").decode("utf-8", "backslashreplace")
                lines[number] = head + json.dumps(message).encode() + b"}"
            if number % TURN_LINES == TURN_LINES - 1:
                turn()
        lines.append(b"")
        return b"\n".join(lines)


def _is_object(line: bytes) -> bool:
    if not line.lstrip().startswith(b"{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
