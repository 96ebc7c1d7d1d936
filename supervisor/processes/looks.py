"""One look over the network: does it accept a connection, does it answer HTTP well.

Promises: a look that fails says why in a few words and never raises; it leaves no connection behind; being cancelled ends it
at once, so that whoever times it keeps the bound; no header and no body is shown.
Does not: time itself, follow redirects, use proxies, or read more of a body than it compares.

Written on asyncio streams rather than ``http.client`` in a thread: a thread cannot be cancelled, its socket timeout counts
from every byte anew, and a server that dribbles would hold it for ever. What is needed of HTTP is one request, the head
of its response, and seldom a body.
"""

import asyncio
import base64
import os
import re
import socket
from typing import Final, Protocol
from urllib.parse import SplitResult, quote, unquote, urlsplit

from supervisor import __version__
from supervisor.core.spec import HttpSpec, ProbeKind, ProbeSpec, ProbeTls
from supervisor.processes.patterns import Pattern

HEAD_BYTES: Final = 16 * 1024
"""The longest response head that is read."""
BODY_BYTES: Final = 64 * 1024
"""As much of a body is read, if one is asked for, and compared."""
UNIX: Final = "unix:"

_STATUS = re.compile(rb"HTTP/\d(?:\.\d)? +(\d{3})(?: |$)")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,12})\s*(?:;|$)")
_ERRNO = re.compile(r"\[Errno (\d+)\]")
_SAFE: Final = "!#$%&'()*+,/:;=?@[]~"
"""What a path keeps as it is: the reserved characters of RFC 3986, and % so that nothing is escaped twice."""


class NoAnswerError(Exception):
    """What came is no answer; ``detail`` says why."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


async def look_tcp(address: str) -> str | None:
    """Connects to ``host:port``, ``[v6]:port`` or ``unix:/path``. None when accepted, else why not."""
    try:
        if address.startswith(UNIX):
            _, writer = await asyncio.open_unix_connection(address.removeprefix(UNIX))
        else:
            host, _, port = address.rpartition(":")
            _, writer = await asyncio.open_connection(host.strip("[]") or "localhost", port)
    except (OSError, UnicodeError) as error:
        return in_words(error)
    writer.transport.abort()
    return None


async def look_http(url: str, http: HttpSpec | None = None, tls: ProbeTls | None = None) -> str | None:
    """One request. None for an answer as ``http`` wants it, else why not."""
    http = http or HttpSpec()
    try:
        parts = urlsplit(url)
        request = http_request(parts, http)
        host, secure = parts.hostname or "localhost", parts.scheme == "https"
        if http.socket is not None:
            reader, writer = await asyncio.open_unix_connection(http.socket, limit=HEAD_BYTES)
        else:
            port = parts.port or (443 if secure else 80)
            reader, writer = await asyncio.open_connection(host, port, limit=HEAD_BYTES)
    except (OSError, ValueError) as error:
        return in_words(error)
    try:
        if secure:
            return await _ask_securely(reader, writer, host, request, http, tls or ProbeTls())
        writer.write(request)
        return await _judge(reader, http)
    except (OSError, ValueError) as error:
        return in_words(error)
    except NoAnswerError as error:
        return error.detail
    finally:
        if secure:
            writer.transport.abort()  # closing in TLS's own way would wait for the other side
        else:
            writer.close()


async def _ask_securely(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    host: str,
    request: bytes,
    http: HttpSpec,
    settings: ProbeTls,
) -> str | None:
    from supervisor.processes import tls  # noqa: PLC0415 # libcrypto: only in the memory of those who need it

    try:
        stream = await tls.TlsStream.open(reader, writer, host, HEAD_BYTES, settings)
        await stream.write(request)
        return await _judge(stream, http)
    except OSError as error:
        if words := tls.in_words(error):
            raise NoAnswerError(words) from None
        raise


def http_request(parts: SplitResult, http: HttpSpec) -> bytes:
    """The request for a URL, as bytes on the wire; a user and password in the URL become basic authorization."""
    path = quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")
    headers = {
        "Host": parts.netloc.rpartition("@")[2].encode("idna").decode(),
        "User-Agent": f"supervisor/{__version__}",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    if http.method in ("POST", "PUT", "PATCH"):
        headers["Content-Length"] = "0"
    if parts.username is not None:
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(credentials.encode()).decode()}"
    given = {name.lower() for name, _ in http.headers}
    lines = [f"{name}: {value}" for name, value in headers.items() if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in http.headers]
    return "\r\n".join([f"{http.method} {path} HTTP/1.1", *lines, "", ""]).encode()


def place(probe: ProbeSpec) -> str:
    """Where a probe looks, for people: without what may be a secret in a URL, its user and query."""
    match probe.kind:
        case ProbeKind.HTTP:
            parts = urlsplit(probe.url)
            return probe.http.socket or f"{parts.netloc.rpartition('@')[2]}{parts.path}"
        case ProbeKind.TCP | ProbeKind.GRPC:
            return probe.address.removeprefix(UNIX)
        case _:
            return ""


def in_words(error: Exception) -> str:
    """Why a connection failed, without the names of exceptions: ``connection refused``."""
    if isinstance(error, socket.gaierror):
        return f"host not found: {error.strerror}"
    if isinstance(error, OSError) and error.errno:
        return _lowered(os.strerror(error.errno))
    # A name with several addresses fails with all their errors in one text and no number.
    numbers = sorted({int(number) for number in _ERRNO.findall(str(error))})
    return ", ".join(_lowered(os.strerror(number)) for number in numbers) or _lowered(str(error)) or "connection closed"


class Stream(Protocol):
    """As much of a StreamReader as is read here."""

    async def readuntil(self, separator: bytes) -> bytes:
        """Up to and with the separator."""
        ...

    async def read(self, size: int) -> bytes:
        """Some bytes, none at the end."""
        ...


async def _judge(stream: Stream, http: HttpSpec) -> str | None:
    """None when the answer is as it should be. Raises OSError, NoAnswerError."""
    status, headers = await read_head(stream)
    if not any(first <= status <= last for first, last in http.statuses):
        return f"status {status}"
    if not (http.body or http.pattern) or http.method == "HEAD":
        return None
    body = (await _body(stream, headers)).decode("utf-8", "replace")
    if http.body:
        return None if http.body in body else f"status {status}, but the body does not contain what it should"
    pattern = Pattern(http.pattern)
    if pattern.search(body):
        return None
    slow = ", and comparing it took too long" if pattern.overruns else ""
    return f"status {status}, but the body does not match{slow}"


async def read_head(stream: Stream) -> tuple[int, dict[bytes, bytes]]:
    """The final response's status and headers, after its whole head was read. Raises OSError, NoAnswerError."""
    left = HEAD_BYTES
    while True:
        line, left = await _line(stream, left)
        match = _STATUS.match(line)
        if match is None:
            raise NoAnswerError(f"not an HTTP response: {line[:40].decode('ascii', 'backslashreplace')!r}")
        headers: dict[bytes, bytes] = {}
        while line:
            line, left = await _line(stream, left)
            name, _, value = line.partition(b":")
            headers[name.strip().lower()] = value.strip()
        status = int(match.group(1))
        if status >= 200 or status == 101:
            return status, headers


async def _body(stream: Stream, headers: dict[bytes, bytes]) -> bytes:
    """The body's first BODY_BYTES. Raises OSError, NoAnswerError."""
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        return await _chunks(stream)
    length = headers.get(b"content-length", b"")
    size = min(int(length), BODY_BYTES) if length.isdigit() and len(length) < 20 else None
    body = await _up_to(stream, BODY_BYTES if size is None else size)
    if size is not None and len(body) < size:
        raise NoAnswerError("connection closed before a whole response")
    return body


async def _chunks(stream: Stream) -> bytes:
    body = b""
    while len(body) < BODY_BYTES:
        line, _ = await _line(stream, HEAD_BYTES)
        match = _CHUNK.match(line)
        if match is None:
            raise NoAnswerError("not an HTTP response: a chunk has no size")
        size = int(match.group(1), 16)
        if size == 0:
            break
        wanted = min(size, BODY_BYTES - len(body))
        part = await _up_to(stream, wanted)
        if len(part) < wanted:
            raise NoAnswerError("connection closed before a whole response")
        body += part
        if wanted == size:
            await _line(stream, HEAD_BYTES)
    return body


async def _up_to(stream: Stream, size: int) -> bytes:
    body = bytearray()
    while len(body) < size and (data := await stream.read(size - len(body))):
        body += data
    return bytes(body)


async def _line(reader: Stream, left: int) -> tuple[bytes, int]:
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        raise NoAnswerError(
            "connection closed before a whole response" if error.partial else "connection closed"
        ) from None
    except asyncio.LimitOverrunError:
        left = -1
        line = b""
    left -= len(line)
    if left < 0:
        raise NoAnswerError(f"response head longer than {HEAD_BYTES} bytes")
    return line.rstrip(b"\r\n"), left


def _lowered(text: str) -> str:
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]  # not of an abbreviation
