"""The control socket's door: takes connections, learns from the kernel who is there, and hands them on to gRPC.

gRPC for Python does not show a handler the peer's credentials. So the socket that people know is ours: each connection is
connected with one to gRPC's own socket, which lies in a directory that only we can enter, from an address in the abstract
namespace that we choose: that address gRPC does show, and by it we know who called.

Promises: no more connections than descriptors can be spared, of one user a quarter of them, and the last quarter for root and the
daemon's own user; whoever may do nothing gets a few, and for a moment, to be told so; the rest are hung up on at once, so that
thousands of callers cost the daemon neither its descriptors nor its time. A caller is known by SO_PEERCRED and SO_PEERGROUPS, as of its connect(2); what it sends is passed on as it is, with no
more of it in memory than two buffers; one that ends, at either side, ends the other. Does not: read it, or judge.
"""

import array
import asyncio
import errno
import os
import resource
import socket
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from supervisor.core.access import Access, Caller

_SO_PEERGROUPS: Final = 59
_MOST_GROUPS: Final = 65_536
_LAST_TURNS: Final = 4
_PREFIX: Final = "unix-abstract:"

MOST_CONNECTIONS: Final = 256
DESCRIPTORS_FOR_EACH: Final = 8
"""Of the daemon's limit: a connection takes three, and a term needs its own."""
ACCEPTED_AT_ONCE: Final = 8
WAITING: Final = 512
STRANGERS: Final = 4
"""Connections of a user who may do nothing."""
STRANGER_SECONDS: Final = 5.0
BURST_BYTES: Final = 1 << 20
"""Of one connection that is not root's or the daemon's own user's: those alone may send a file."""
BYTES_A_SECOND: Final = 64 * 1024


class Door:
    """Between the socket that is served and gRPC's."""

    def __init__(
        self, inner: Path, *, may: Callable[[Caller], Access] = lambda _: Access.CONTROL, most: int | None = None
    ) -> None:
        """``may``: what a caller is allowed now. ``most``: connections; None: as many as this process can spare."""
        self._inner = inner
        self._may = may
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most = most or max(
            8, min(MOST_CONNECTIONS, soft // DESCRIPTORS_FOR_EACH if soft > 0 else MOST_CONNECTIONS)
        )
        self._by_user: Counter[int] = Counter()
        self._ended = False
        self.refused = 0
        """Connections that were hung up on."""
        self._secret = os.urandom(8).hex()
        self._count = 0
        self._callers: dict[str, Caller] = {}
        self._server: asyncio.Server | None = None
        self._sides: set[_Side] = set()
        """The outer ends that are open."""
        self._emptied = asyncio.Event()

    async def open(self, listening: socket.socket) -> None:
        """Take connections from a socket that is bound already."""
        loop = asyncio.get_running_loop()
        # asyncio accepts as many in one go as it says may wait: each has a descriptor before it can be refused.
        self._server = await loop.create_unix_server(lambda: _Side(self), sock=listening, backlog=ACCEPTED_AT_ONCE)
        listening.listen(WAITING)

    async def close(self) -> None:
        """Take no more.

        Who was accepted already is made known first: asyncio forgets, and leaves open, whoever it has accepted for a server that
        is closed by the time it would make him known.
        """
        if self._server is None:
            return
        for listening in self._server.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        for _ in range(_LAST_TURNS):
            await asyncio.sleep(0)
        self._server.close()

    async def end(self, seconds: float = 0.5) -> None:
        """See off who is still there, when gRPC has ended: what was said to them is delivered, if they take it in time."""
        self._ended = True
        for side in list(self._sides):
            side.finish()
        try:
            async with asyncio.timeout(seconds):
                while self._sides:
                    self._emptied.clear()
                    await self._emptied.wait()
        except TimeoutError:
            for side in list(self._sides):
                side.drop()
        for _ in range(_LAST_TURNS):  # who was accepted in the last moment is made known, hung up on, and closed
            await asyncio.sleep(0)

    def caller(self, peer: str) -> Caller | None:
        """Who is behind a peer's address, as gRPC's context has it."""
        return self._callers.get(peer.removeprefix(_PREFIX))

    async def connect(self, side: "_Side", outer: socket.socket) -> None:
        """Find out who is there, and connect it through."""
        self._count += 1
        name = f"supervisor-{self._secret}-{self._count}"
        ours = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._callers[name] = self._admitted(side, _caller(outer))
            ours.setblocking(False)  # noqa: FBT003 # the signature is the library's
            ours.bind(f"\0{name}")
            loop = asyncio.get_running_loop()
            await loop.sock_connect(ours, str(self._inner))
            await loop.create_unix_connection(lambda: side.opposite(), sock=ours)  # made when it is there
        except OSError:
            ours.close()
            side.drop()
        finally:
            if side.is_gone:
                self._callers.pop(name, None)
            else:
                side.name = name

    def _admitted(self, side: "_Side", caller: Caller) -> Caller:
        """The caller, counted. Raises OSError when there is no room for it."""
        ours = caller.uid in (0, os.geteuid())
        known = ours or self._may(caller) > Access.NOTHING
        here, of_user = sum(self._by_user.values()), self._by_user[caller.uid]
        if ours:
            room = here < self._most
        else:
            room = here < self._most * 3 // 4 and of_user < (max(STRANGERS, self._most // 4) if known else STRANGERS)
        if not room:
            self.refused += 1
            raise OSError(errno.EUSERS, "too many connections")
        if not side.is_gone:
            self._by_user[caller.uid] += 1
            side.uid = caller.uid
            side.allowance = None if ours else _Allowance()
            if not known:
                asyncio.get_running_loop().call_later(STRANGER_SECONDS, side.drop)
        return caller

    def come(self, side: "_Side") -> None:
        """Somebody is there."""
        self._sides.add(side)
        if self._ended:
            side.drop()

    def gone(self, side: "_Side") -> None:
        """A caller has hung up, or we have."""
        self._callers.pop(side.name, None)
        self._sides.discard(side)
        if side.uid is not None:
            self._by_user[side.uid] -= 1
            if not self._by_user[side.uid]:
                del self._by_user[side.uid]
            side.uid = None
        self._emptied.set()


class _Allowance:
    """How much a connection may send: a burst, and then so much a second."""

    __slots__ = ("_at", "_left")

    def __init__(self) -> None:
        self._at = asyncio.get_running_loop().time()
        self._left = float(BURST_BYTES)

    def covers(self, size: int) -> bool:
        now = asyncio.get_running_loop().time()
        self._left = min(BURST_BYTES, self._left + (now - self._at) * BYTES_A_SECOND) - size
        self._at = now
        return self._left >= 0


class _Side(asyncio.Protocol):
    """One end of a connection that goes through; made for the outer one, which makes the inner one."""

    def __init__(self, door: Door, other: "_Side | None" = None) -> None:
        self._door = door
        self._other = other
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self.name = ""
        self.uid: int | None = None
        """Whose it is counted as."""
        self.allowance: _Allowance | None = None
        """Of what it sends; None: no bound."""
        self.is_gone = False

    def opposite(self) -> "_Side":
        self._other = _Side(self._door, self)
        return self._other

    def finish(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def drop(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._other is None:  # from outside: nothing is read before it can be passed on
            transport.pause_reading()
            self._door.come(self)
            outer = transport.get_extra_info("socket")
            self._task = asyncio.get_running_loop().create_task(self._door.connect(self, outer), name="control door")
        elif self._other.is_gone:
            transport.abort()
        elif self._other._transport is not None:  # noqa: SLF001 # our own other half
            self._other._transport.resume_reading()  # noqa: SLF001

    def data_received(self, data: bytes) -> None:
        if self.allowance is not None and not self.allowance.covers(len(data)):
            self.drop()  # gRPC would keep it in memory until a message is whole, of hundreds of calls at once
            return
        if self._other is not None and self._other._transport is not None:  # noqa: SLF001
            self._other._transport.write(data)  # noqa: SLF001

    def pause_writing(self) -> None:
        """Our reader is slow: read no more of what the other side sends."""
        if self._other is not None and self._other._transport is not None:  # noqa: SLF001
            self._other._transport.pause_reading()  # noqa: SLF001

    def resume_writing(self) -> None:
        if self._other is not None and self._other._transport is not None:  # noqa: SLF001
            self._other._transport.resume_reading()  # noqa: SLF001

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 # the signature is asyncio's
        self.is_gone = True
        self._door.gone(self)
        if self._other is not None and self._other._transport is not None:  # noqa: SLF001
            self._other._transport.close()  # noqa: SLF001 # what was sent before is still delivered


def _caller(peer: socket.socket) -> Caller:
    pid, uid, gid = struct.unpack("iII", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII")))
    groups = {gid}
    with suppress(OSError):  # before Linux 4.13: the primary group alone counts
        found = array.array("I")
        found.frombytes(peer.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, 4 * _MOST_GROUPS))
        groups.update(found)
    return Caller(uid=uid, pid=pid, groups=frozenset(groups))
