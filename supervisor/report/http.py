"""A very small HTTP server: GET and HEAD, one request for each connection, on the daemon's own loop.

Ours rather than a library's: health checks, scrapes and a page need a request line and a header or two, a web framework is 5 to 20 MB
in the process whose death ends every term, and the standard library's servers want a thread for each caller.
Promises: a caller costs at most ``MOST_HEAD_BYTES`` and ``TIMEOUT_SECONDS``, and all of them ``MOST_CALLERS`` connections, so
that who dribbles or floods harms no election; no body is taken. An answer may be a stream: its reader costs one piece and what
asyncio buffers, is left when it takes nothing for ``SLOW_SECONDS``, and holds nobody up. Does not: TLS, keep-alive, or judge.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

MOST_HEAD_BYTES: Final = 8192
MOST_CALLERS: Final = 64
TIMEOUT_SECONDS: Final = 5.0
SLOW_SECONDS: Final = 10.0
TEXT: Final = "text/plain; charset=utf-8"
_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody asks for."""

    path: str
    query: str
    lines: tuple[str, ...] = ()
    """The headers, as they came."""

    def header(self, name: str) -> str | None:
        """The value of a header; None where there is none. One that came twice is none that we know: empty."""
        found = [value.strip() for line in self.lines for key, _, value in [line.partition(":")] if key.lower() == name]
        return None if not found else found[0] if len(found) == 1 else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is said to one request."""

    status: int
    body: bytes = b""
    content_type: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()
    """Beside those that every answer has."""
    stream: AsyncGenerator[bytes, None] | None = None
    """Follows the body, piece by piece, until it ends or the caller goes."""


Answerer = Callable[[Request], Awaitable[Answer]]
"""Never raises, and may be cancelled."""


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
                stream = await self._reply(reader, writer)
                await writer.drain()
                if stream is None:
                    writer.close()
                    await writer.wait_closed()
            if stream is not None:
                await _pass_on(stream, reader, writer)
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # the caller's affair, or our end
        finally:
            writer.transport.abort()
            self._callers.discard(task)

    async def _reply(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> AsyncGenerator[bytes, None] | None:
        """Write the answer; what is left to be written is returned."""
        answer, head_only = await self._answered(reader)
        writer.write(_encode(answer, head_only=head_only))
        return None if head_only else answer.stream

    async def _answered(self, reader: asyncio.StreamReader) -> tuple[Answer, bool]:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return Answer(status=400, body=b"not a request\n"), False
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        words = first.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return Answer(status=400, body=b"not a request\n"), False
        if words[0] not in ("GET", "HEAD"):
            return Answer(status=405, body=b"GET and HEAD only\n"), False
        path, _, query = words[1].partition("?")
        return await self._answer(Request(path=path, query=query, lines=tuple(lines))), words[0] == "HEAD"


async def _pass_on(
    stream: AsyncGenerator[bytes, None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Write the stream until it ends, or the caller hangs up or is too slow. Raises OSError and TimeoutError."""

    async def write() -> None:
        async with aclosing(stream):
            async for piece in stream:
                writer.write(piece)
                async with asyncio.timeout(SLOW_SECONDS):
                    await writer.drain()

    writing = asyncio.ensure_future(write())
    # Whoever listens says nothing more: anything that comes is the end.
    leaving = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if writing.done():
            writing.result()
            writer.close()
            await asyncio.wait_for(writer.wait_closed(), TIMEOUT_SECONDS)
    finally:
        writing.cancel()
        leaving.cancel()
        await asyncio.gather(writing, leaving, return_exceptions=True)


def _encode(answer: Answer, *, head_only: bool) -> bytes:
    lines = [
        f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}",
        f"Content-Type: {answer.content_type}",
        *([] if answer.stream is not None else [f"Content-Length: {len(answer.body)}"]),
        "Cache-Control: no-store",
        *(f"{name}: {value}" for name, value in answer.headers),
        "Connection: close",
    ]
    head = "\r\n".join([*lines, "", ""]).encode()
    return head if head_only else head + answer.body
