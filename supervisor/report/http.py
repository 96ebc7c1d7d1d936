"""A very small HTTP server: GET and HEAD, one request for each connection, on the daemon's own loop.

Ours rather than a library's: health checks and scrapes need a request line and nothing else, a web framework is 5 to 20 MB in
the process whose death ends every term, and the standard library's servers want a thread for each caller.
Promises: a caller costs at most ``MOST_HEAD_BYTES`` and ``TIMEOUT_SECONDS``, and all of them ``MOST_CALLERS`` connections, so
that who dribbles or floods harms no election; no header is read, no body is taken. Does not: TLS, keep-alive, or judge.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

MOST_HEAD_BYTES: Final = 8192
MOST_CALLERS: Final = 64
TIMEOUT_SECONDS: Final = 5.0
TEXT: Final = "text/plain; charset=utf-8"
_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is said to one request."""

    status: int
    body: bytes = b""
    content_type: str = TEXT


Answerer = Callable[[str, str], Awaitable[Answer]]
"""Takes path and query; never raises, and may be cancelled."""


class HttpServer:
    """Answers at one address, from ``start`` to ``stop``."""

    def __init__(self, answer: Answerer) -> None:
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._callers: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> None:
        """Raises OSError when the address cannot be had."""
        self._server = await asyncio.start_server(self._serve, host.strip("[]"), port, limit=MOST_HEAD_BYTES)

    async def stop(self) -> None:
        """Answer nobody any more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for caller in self._callers:
            caller.cancel()
        await asyncio.gather(*self._callers, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._callers) >= MOST_CALLERS:
            writer.transport.abort()
            return
        self._callers.add(task)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                writer.write(await self._reply(reader))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # the caller's affair, or our end
        finally:
            writer.transport.abort()
            self._callers.discard(task)

    async def _reply(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return _encode(Answer(status=400, body=b"not a request\n"), head_only=False)
        words = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _encode(Answer(status=400, body=b"not a request\n"), head_only=False)
        if words[0] not in ("GET", "HEAD"):
            return _encode(Answer(status=405, body=b"GET and HEAD only\n"), head_only=False)
        path, _, query = words[1].partition("?")
        return _encode(await self._answer(path, query), head_only=words[0] == "HEAD")


def _encode(answer: Answer, *, head_only: bool) -> bytes:
    lines = [
        f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    head = "\r\n".join([*lines, "", ""]).encode()
    return head if head_only else head + answer.body
