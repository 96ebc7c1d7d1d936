"""TLS over a plain asyncio connection, for a look over https.

Promises: what ``asyncio.open_connection(ssl=…)`` gives a client that reads lines; failures are ssl.SSLError and OSError.
Does not: close TLS in its own way: a look drops the connection.

Why by hand: asyncio's own TLS has ssl, and with it libcrypto, in every daemon's memory (4.5 MB), https or not; this
module is imported by the first look that needs it. See decision 7.
"""

import asyncio
import functools
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from supervisor.core.spec import ProbeTls

T = TypeVar("T")

TRUST_SECONDS: Final = 600
"""How long a removed or renewed CA certificate of the machine may go unnoticed."""

_READ_BYTES: Final = 16 * 1024


class _ClosedError(ConnectionResetError):
    """The server hung up, as it may after its answer."""


class FileUnusableError(OSError):
    """A file of certificates or keys is not there, or holds none."""


class TlsStream:
    """One connection, from ``open`` on."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tls: Callable[..., ssl.SSLObject], limit: int
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = tls(self._incoming, self._outgoing)
        self._limit = limit
        self._clear = bytearray()

    @classmethod
    async def open(
        cls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, limit: int, tls: ProbeTls
    ) -> "TlsStream":
        """Shake hands with a server that is trusted to be ``host``, or as ``tls`` says."""
        context = await asyncio.to_thread(_context_of, tls)
        host = tls.server_name or host
        stream = cls(reader, writer, functools.partial(context.wrap_bio, server_hostname=host), limit)
        await stream._until_done(stream._tls.do_handshake)
        return stream

    async def write(self, data: bytes) -> None:
        """Send all of it."""
        await self._until_done(lambda: self._tls.write(data))

    async def readuntil(self, separator: bytes) -> bytes:
        """As StreamReader's: up to and with the separator. Raises IncompleteReadError and LimitOverrunError as it does."""
        while (end := self._clear.find(separator)) < 0:
            if len(self._clear) > self._limit:
                raise asyncio.LimitOverrunError("no separator within the limit", len(self._clear))
            try:
                data = await self._until_done(lambda: self._tls.read(_READ_BYTES))
            except (ssl.SSLZeroReturnError, _ClosedError):  # with TLS's goodbye or without
                data = b""
            if not data:
                raise asyncio.IncompleteReadError(bytes(self._clear), None)
            self._clear += data
        end += len(separator)
        line = bytes(self._clear[:end])
        del self._clear[:end]
        return line

    async def read(self, size: int) -> bytes:
        """As StreamReader's: some bytes, at most so many; nothing at the end."""
        if not self._clear:
            try:
                self._clear += await self._until_done(lambda: self._tls.read(_READ_BYTES))
            except (ssl.SSLZeroReturnError, _ClosedError):
                return b""
        data = bytes(self._clear[:size])
        del self._clear[:size]
        return data

    async def _until_done(self, step: Callable[[], T]) -> T:
        """Repeat the step, feeding it from the wire, until it wants no more."""
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                pass
            finally:
                self._writer.write(self._outgoing.read())  # of a failure, too: the alert tells the server why
            data = await self._reader.read(_READ_BYTES)
            if not data:
                raise _ClosedError("connection closed")
            self._incoming.write(data)


def _context_of(tls: ProbeTls) -> ssl.SSLContext:
    """The present one: files that were replaced are read again. Raises OSError."""
    stamps = []
    for path in (tls.ca, tls.cert, tls.key):
        try:
            stamps.append(None if path is None else Path(path).stat().st_mtime_ns)
        except OSError as error:
            raise FileUnusableError(f"{path}: {error.strerror}") from None
    return _context(tls, tuple(stamps), int(time.monotonic() // TRUST_SECONDS))


@functools.lru_cache(maxsize=32)
def _context(tls: ProbeTls, stamps: tuple[int | None, ...], age: int) -> ssl.SSLContext:  # noqa: ARG001  (other stamps or age, another entry)
    """Trusts what the machine trusts. Reading that takes some 20 ms, so it is kept; not for ever, as it is renewed."""
    path = tls.ca
    try:
        context = ssl.create_default_context(cafile=path)
        path = tls.cert
        if tls.cert is not None:
            context.load_cert_chain(tls.cert, tls.key, password="")
    except OSError as error:  # of ssl's, too
        raise FileUnusableError(
            f"{path}: {error.reason if isinstance(error, ssl.SSLError) else error.strerror}"
        ) from None
    if tls.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def in_words(error: OSError) -> str | None:
    """Why TLS failed, without the names of exceptions; None when it is not TLS's failure."""
    if isinstance(error, FileUnusableError):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or str(error)).replace('_', ' ').lower()}"
    return None
