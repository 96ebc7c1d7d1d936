"""Pipes between short-lived children and the event loop; ``reader`` reads those of processes, in a thread.

Promises: the read end is non-blocking and read whenever it has something, whatever becomes of what was read, so that no
child ever waits for us; both ends are close-on-exec; a pipe ends at end of file or at ``close``, and says so once.
Does not: understand what comes through, or own the write end: the caller hands it to the guardian and closes it.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Final

CHUNK_BYTES: Final = 64 * 1024
"""The kernel's own size of a pipe."""


class PipeReader:
    """The read end of one pipe, watched by the loop it was opened in."""

    def __init__(self, *, on_chunk: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self._on_chunk = on_chunk
        self._on_end = on_end
        self._fd: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self, *, owner: int | None = None) -> int:
        """Opens the pipe and watches it. Returns the write end, which the caller closes. Raises OSError.

        ``owner``: the child's uid if it is not ours, so that it may open ``/dev/stdout`` and ``/dev/stderr`` again.
        """
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        if owner is not None:
            with contextlib.suppress(OSError):
                os.fchown(write_end, owner, -1)
        self._fd = read_end
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(read_end, self._read)
        return write_end

    def drain(self, limit_bytes: int) -> None:
        """Reads what is there now, about ``limit_bytes`` at most. Never waits."""
        left = limit_bytes
        while left > 0 and (count := self._read()) > 0:
            left -= count

    def close(self) -> None:
        """Ends it; what nobody read is lost. Harmless when it has ended."""
        if self._fd is None or self._loop is None:
            return
        self._loop.remove_reader(self._fd)
        os.close(self._fd)
        self._fd = None
        self._on_end()

    def _read(self) -> int:
        if self._fd is None:
            return 0
        try:
            chunk = os.read(self._fd, CHUNK_BYTES)
        except BlockingIOError:
            return 0
        if chunk:
            self._on_chunk(chunk)
        else:
            self.close()
        return len(chunk)


class Collector:
    """Keeps the end of what one short-lived child says: the output of an exec probe or a hook."""

    def __init__(self, *, keep_bytes: int = 4096) -> None:
        self._keep_bytes = keep_bytes
        self._kept = bytearray()
        self._reader = PipeReader(on_chunk=self._keep, on_end=lambda: None)

    def open(self, *, owner: int | None = None) -> int:
        """As ``PipeReader.open``; the write end serves as both stdout and stderr."""
        return self._reader.open(owner=owner)

    def finish(self) -> bytes:
        """Ends it. The last bytes of what was said until now."""
        self._reader.drain(4 * CHUNK_BYTES)
        self._reader.close()
        return bytes(self._kept)

    def _keep(self, chunk: bytes) -> None:
        self._kept += chunk
        del self._kept[: -self._keep_bytes]
