"""The supervisor's own output, and any descriptor that somebody else opened.

Promises: whoever reads it, or does not, holds nobody up (``sink``); what it writes is whole lines. Does not: close the
descriptor or change its flags.
"""

import os
import select
from collections.abc import Callable
from typing import ClassVar

from supervisor.processes.sink import QUEUE_BYTES, Gap, Lane, Outlet, OutletError, Sink


class FdOutlet(Outlet):
    """A descriptor that somebody else opened: standard output or error. Never closed, never made non-blocking here.

    Its flags are shared with whoever gave it to us (a shell, another daemon), which is why a thread waits and the loop
    does not poll.
    """

    speaks: ClassVar[bool] = True

    def __init__(self, fd: int, *, gap_line: Callable[[Gap], bytes]) -> None:
        super().__init__()
        self._fd = fd
        self._gap_line = gap_line
        self._torn = False

    def gap_line(self, gap: Gap) -> bytes:
        """The gap in words, among the lines it is missing from."""
        return self._gap_line(gap)

    def write(self, data: bytes) -> None:
        """Writes all of it, on a line of its own after a failure in the middle of one. Raises OutletError."""
        written = 0
        try:
            if self._torn:
                self._write_some(b"\n")
                self._torn = False
            while written < len(data):
                written += self._write_some(memoryview(data)[written:])
        except OSError as error:
            self._torn = self._torn or (written > 0 and data[written - 1 : written] != b"\n")
            raise OutletError(error.strerror or str(error), written=written) from error

    def _write_some(self, data: bytes | memoryview) -> int:
        while True:
            try:
                return os.write(self._fd, data)
            except BlockingIOError:  # whoever shares it made it non-blocking
                poller = select.poll()
                poller.register(self._fd, select.POLLOUT)
                poller.poll()


class Output:
    """The supervisor's own output: what it says itself, and what children without a log file say."""

    def __init__(
        self, fd: int, *, gap_line: Callable[[Gap], bytes] | None = None, bound_bytes: int = QUEUE_BYTES
    ) -> None:
        """``gap_line`` words a gap as the daemon words its own lines, newline included."""
        self.is_terminal = os.isatty(fd)
        self._sink = Sink(name="output", bound_bytes=bound_bytes)
        self._outlet = FdOutlet(fd, gap_line=gap_line or _plain_gap_line)

    def lane(self, source: str) -> Lane:
        """A way for one source's lines; ``supervisor`` for our own."""
        return self._sink.lane(source, self._outlet)

    async def close(self, *, timeout_seconds: float = 1.0) -> bool:
        """As ``Sink.close``. Last of all: others still have things to say while they close."""
        return await self._sink.close(timeout_seconds=timeout_seconds)


def _plain_gap_line(gap: Gap) -> bytes:
    return f"supervisor: {gap}\n".encode()
