"""The public socket: who calls is learnt from the kernel before a byte is passed on to gRPC.

gRPC for Python does not show a handler the peer's credentials. So the socket that callers see is ours: for each connection
SO_PEERCRED says who it is, and a connection of our own, from an address that names this one, carries the bytes to gRPC's
socket, which nobody else can reach. The handler finds that address as its peer.

Promises: a caller is known as the kernel knew it when it connected; bytes are passed on as they are, and no faster than the
other side takes them; when either side ends, both do. Does not: decide who may do what.
"""

import asyncio
import contextlib
import os
import socket as sockets
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_CREDENTIALS: Final = struct.Struct("3i")
_PIECE_BYTES: Final = 65_536
_BACKLOG: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is at the other end of a connection."""

    pid: int
    uid: int
    gid: int

    def __str__(self) -> str:
        """``uid 0 pid 4711``: how logs and requests name it."""
        return f"uid {self.uid} pid {self.pid}"


NOBODY: Final = Caller(pid=0, uid=-1, gid=-1)


class Relay:
    """From a public socket to a private one."""

    def __init__(self, inner: Path) -> None:
        self._inner = inner
        self._callers: dict[str, Caller] = {}
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    def caller(self, peer: str) -> Caller:
        """Who is behind the address that gRPC calls the peer."""
        return self._callers.get(peer.removeprefix("unix-abstract:"), NOBODY)

    async def start(self, outer: Path) -> None:
        """Listen. Raises OSError."""
        self._server = await asyncio.start_unix_server(self._accepted, outer, backlog=_BACKLOG)

    async def stop(self) -> None:
        """End every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        name = f"supervisor-{os.urandom(12).hex()}"
        try:
            raw = writer.get_extra_info("socket")
            pid, uid, gid = _CREDENTIALS.unpack(
                raw.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, _CREDENTIALS.size)
            )
            self._callers[name] = Caller(pid=pid, uid=uid, gid=gid)
            await self._carry(name, reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # whoever it was has left, or we are ending
        finally:
            self._callers.pop(name, None)
            self._open.discard(task)
            writer.close()

    async def _carry(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner = sockets.socket(sockets.AF_UNIX)
        inner.settimeout(0.0)
        inner.bind(f"\0{name}")
        await asyncio.get_running_loop().sock_connect(inner, str(self._inner))
        back, there = await asyncio.open_unix_connection(sock=inner)
        ways = {asyncio.ensure_future(_pump(reader, there)), asyncio.ensure_future(_pump(back, writer))}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            there.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(_PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
