"""One look over the network: does it accept a connection, does it answer HTTP well.

Promises: a look that fails says why in a few words and never raises; it leaves no connection behind; being cancelled ends it
at once, so that whoever times it keeps the bound.
Does not: time itself, follow redirects, use proxies, or read a response's body.

Written on asyncio streams rather than ``http.client`` in a thread: a thread cannot be cancelled, its socket timeout counts
from every byte anew, and a server that dribbles would hold it for ever. What is needed of HTTP is one request and the head
of its response.
"""

import asyncio
import base64
import os
import re
import socket
from typing import Final, Protocol
from urllib.parse import SplitResult, quote, unquote, urlsplit

from supervisor import __version__

HEAD_BYTES: Final = 16 * 1024
"""The longest response head that is read."""

_STATUS = re.compile(rb"HTTP/\d(?:\.\d)? +(\d{3})(?: |$)")
_ERRNO = re.compile(r"\[Errno (\d+)\]")
_SAFE: Final = "!#$%&'()*+,/:;=?@[]~"
"""What a path keeps as it is: the reserved characters of RFC 3986, and % so that nothing is escaped twice."""


class _LookError(Exception):
    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


async def look_tcp(address: str) -> str | None:
    """Connects to ``host:port`` or ``[v6]:port``. None when accepted, else why not."""
    host, _, port = address.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host.strip("[]") or "localhost", port)
    except (OSError, UnicodeError) as error:
        return in_words(error)
    writer.transport.abort()
    return None


async def look_http(url: str) -> str | None:
    """One GET. None for a status of 200 to 399, else why not."""
    try:
        parts = urlsplit(url)
        request = http_request(parts)
        host, secure = parts.hostname or "localhost", parts.scheme == "https"
        reader, writer = await asyncio.open_connection(host, parts.port or (443 if secure else 80), limit=HEAD_BYTES)
    except (OSError, ValueError) as error:
        return in_words(error)
    try:
        status = await (_ask_securely(reader, writer, host, request) if secure else _ask(reader, writer, request))
    except (OSError, ValueError) as error:
        return in_words(error)
    except _LookError as error:
        return error.detail
    else:
        return None if 200 <= status < 400 else f"status {status}"
    finally:
        if secure:
            writer.transport.abort()  # closing in TLS's own way would wait for the other side
        else:
            writer.close()


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    writer.write(request)
    return await _status(reader)


async def _ask_securely(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, request: bytes) -> int:
    from supervisor.processes import tls  # noqa: PLC0415 # libcrypto: only in the memory of those who need it

    try:
        stream = await tls.TlsStream.open(reader, writer, host, HEAD_BYTES)
        await stream.write(request)
        return await _status(stream)
    except OSError as error:
        if words := tls.in_words(error):
            raise _LookError(words) from None
        raise


def http_request(parts: SplitResult) -> bytes:
    """The request for a URL, as bytes on the wire; a user and password in the URL become basic authorization."""
    path = quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {parts.netloc.rpartition('@')[2].encode('idna').decode()}",
        f"User-Agent: supervisor/{__version__}",
        "Accept: */*",
        "Connection: close",
    ]
    if parts.username is not None:
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        lines.append(f"Authorization: Basic {base64.b64encode(credentials.encode()).decode()}")
    return "\r\n".join([*lines, "", ""]).encode()


def in_words(error: Exception) -> str:
    """Why a connection failed, without the names of exceptions: ``connection refused``."""
    if isinstance(error, socket.gaierror):
        return f"host not found: {error.strerror}"
    if isinstance(error, OSError) and error.errno:
        return _lowered(os.strerror(error.errno))
    # A name with several addresses fails with all their errors in one text and no number.
    numbers = sorted({int(number) for number in _ERRNO.findall(str(error))})
    return ", ".join(_lowered(os.strerror(number)) for number in numbers) or _lowered(str(error)) or "connection closed"


class _Lines(Protocol):
    async def readuntil(self, separator: bytes) -> bytes: ...


async def _status(reader: _Lines) -> int:
    """The status of the final response, after its whole head was read. Raises OSError, _LookError."""
    left = HEAD_BYTES
    while True:
        line, left = await _line(reader, left)
        match = _STATUS.match(line)
        if match is None:
            raise _LookError(f"not an HTTP response: {line[:40].decode('ascii', 'backslashreplace')!r}")
        while line:
            line, left = await _line(reader, left)
        status = int(match.group(1))
        if status >= 200 or status == 101:
            return status


async def _line(reader: _Lines, left: int) -> tuple[bytes, int]:
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        raise _LookError(
            "connection closed before a whole response" if error.partial else "connection closed"
        ) from None
    except asyncio.LimitOverrunError:
        left = -1
        line = b""
    left -= len(line)
    if left < 0:
        raise _LookError(f"response head longer than {HEAD_BYTES} bytes")
    return line.rstrip(b"\r\n"), left


def _lowered(text: str) -> str:
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]  # not of an abbreviation
