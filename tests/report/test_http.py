"""The small HTTP server: whoever calls, however badly, gets an answer or is left, and costs nobody else anything."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from supervisor.report import http
from supervisor.report.http import Answer, HttpServer, Request
from tests.ports import free_ports


async def echo(request: Request) -> Answer:
    return Answer(status=200, body=f"{request.path}|{request.query}".encode())


@pytest.fixture
async def port() -> AsyncIterator[int]:
    (number,) = free_ports(1)
    server = HttpServer(echo)
    await server.start("127.0.0.1", number)
    yield number
    await server.stop()


async def say(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_a_request_is_answered_and_the_connection_closed(port: int) -> None:
    answer = await say(port, b"GET /leader/x?ready HTTP/1.1\r\nHost: x\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Connection: close" in head
    assert body == b"/leader/x|ready"
    head_only = await say(port, b"HEAD / HTTP/1.0\r\n\r\n")
    assert head_only.endswith(b"\r\n\r\n")
    assert b"Content-Length: 2" in head_only


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST / HTTP/1.1\r\n\r\n", b"405"),
        (b"GET /\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"400"),
        (b"GET " + b"x" * http.MOST_HEAD_BYTES + b" HTTP/1.1\r\n\r\n", b"400"),
    ],
)
async def test_what_is_no_request_is_refused(port: int, request_: bytes, status: bytes) -> None:
    answer = await say(port, request_)
    assert not answer or answer.split(b" ")[1] == status


async def test_who_says_nothing_is_left_and_too_many_are_turned_away(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "TIMEOUT_SECONDS", 0.5)
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(http.MOST_CALLERS)]
    while await say(port, b"GET / HTTP/1.1\r\n\r\n"):  # until all of them have been taken in
        await asyncio.sleep(0)
    assert [await reader.read() for reader, _ in silent] == [b""] * http.MOST_CALLERS
    assert (await say(port, b"GET /a HTTP/1.1\r\n\r\n")).endswith(b"/a|")
    for _, writer in silent:
        writer.close()


async def test_an_address_that_is_taken_is_an_error_of_its_own(port: int) -> None:
    with pytest.raises(OSError, match="in use"):
        await HttpServer(echo).start("127.0.0.1", port)


class Streaming:
    """A server whose one answer never ends by itself."""

    def __init__(self, piece: bytes = b"x" * 1000) -> None:
        self.piece = piece
        self.sent = 0
        self.ended = asyncio.Event()
        self.server = HttpServer(self.answer)

    async def answer(self, _request: Request) -> Answer:
        return Answer(status=200, stream=self.pieces())

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                self.sent += 1
                yield self.piece
                await asyncio.sleep(0)
        finally:
            self.ended.set()


@pytest.fixture
async def streaming() -> AsyncIterator[tuple[Streaming, int]]:
    (number,) = free_ports(1)
    found = Streaming()
    await found.server.start("127.0.0.1", number)
    yield found, number
    await found.server.stop()


async def test_a_stream_goes_on_until_its_reader_goes(streaming: tuple[Streaming, int]) -> None:
    served, port = streaming
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"Content-Length" not in head
    assert await reader.readexactly(100_000)
    writer.close()
    async with asyncio.timeout(10):
        await served.ended.wait()


async def test_who_takes_nothing_is_left_and_costs_a_bounded_buffer(
    streaming: tuple[Streaming, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "SLOW_SECONDS", 0.5)
    served, port = streaming
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    async with asyncio.timeout(30):
        await served.ended.wait()
    assert served.sent * len(served.piece) < 32_000_000  # what the kernel's buffers take, and no more
    writer.close()
    assert reader is not None


async def test_a_head_request_has_no_stream_and_the_servers_end_is_a_streams(
    streaming: tuple[Streaming, int],
) -> None:
    served, port = streaming
    assert (await say(port, b"HEAD / HTTP/1.1\r\n\r\n")).endswith(b"\r\n\r\n")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    await served.server.stop()
    assert served.ended.is_set()
    writer.close()


def test_a_header_that_came_twice_is_none_that_we_know() -> None:
    asked = Request(path="/", query="", lines=("Host: a", "X: 1", "x:2"))
    assert (asked.header("host"), asked.header("x"), asked.header("y")) == ("a", "", None)
