"""The control API on a unix socket.

Who may use it: connect(2) needs write permission on the socket file, judged by the kernel by the caller's user, groups and
capabilities at that moment. The file belongs to the daemon's user and group and has mode 0660; it is bound inside a private
directory and moved into place when its mode is right, so there is no instant at which others could connect. Whoever may
connect may do everything the API offers; who it was is known (``relay``), and what it asks for is logged. gRPC itself listens
in the private directory, which stays.

Promises: the socket appears whole or not at all, and goes at ``stop``; a caller costs at most one reply's memory. Does
not: lock (``lock.acquire`` is the caller's to hold, so that a stale socket is only ever replaced by one daemon), or listen
on a network.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

import grpc

from supervisor.control.ports import Ports
from supervisor.control.relay import Relay
from supervisor.control.service import ControlService
from supervisor.pb import control_pb2_grpc

SOCKET_MODE: Final = 0o660
MOST_CALLS: Final = 256
"""At the same time; more are refused at once instead of queued."""
MOST_SOCKET_PATH_BYTES: Final = 107
"""sockaddr_un (unix(7)): 108 with the closing zero."""

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 65_536),  # our requests are names and numbers
    ("grpc.so_reuseport", 0),
)


class ServeError(Exception):
    """The socket cannot be served. The message says why and what to do."""


class ControlServer:
    """Serves ``ports`` at ``path`` from ``start`` to ``stop``; both once, on the daemon's event loop."""

    def __init__(self, ports: Ports, path: Path) -> None:
        self._ports = ports
        self._path = path
        self._server: grpc.aio.Server | None = None
        self._private = path.with_name(f".{path.name}")
        self._relay = Relay(self._private / "s")
        self._identity: tuple[int, int] | None = None

    async def start(self) -> None:
        """Listen, then show the socket. Its directory exists and the lock is held. Raises ServeError."""
        server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=MOST_CALLS)
        control_pb2_grpc.add_ControlServicer_to_server(ControlService(self._ports, self._relay.caller), server)
        inner, hidden = self._private / "s", self._private / "p"
        try:
            _check_length(self._path, inner)
            self._clean()
            self._private.mkdir(mode=0o700)
            server.add_insecure_port("unix:" + quote(str(inner)))
            await server.start()
            await self._relay.start(hidden)
            hidden.chmod(SOCKET_MODE)
            hidden.rename(self._path)
        except (OSError, RuntimeError) as error:
            await self._relay.stop()
            await server.stop(None)
            self._clean()
            remedy = "choose another place with --socket or $SUPERVISOR_SOCKET"
            raise ServeError(f"cannot serve the control socket {self._path}: {error}; {remedy}") from error
        status = self._path.lstat()
        self._identity = (status.st_dev, status.st_ino)
        self._server = server

    async def stop(self, grace_seconds: float = 0.2) -> None:
        """Take the socket away, then give calls that wait or observe the grace before they are cancelled."""
        if self._server is None:
            return
        server, self._server = self._server, None
        try:
            status = self._path.lstat()
            if (status.st_dev, status.st_ino) == self._identity:
                self._path.unlink()
        except FileNotFoundError:
            pass
        await server.stop(grace_seconds)
        await self._relay.stop()
        self._clean()

    def _clean(self) -> None:
        """Of a daemon before us that was killed, too: the lock says that it is gone."""
        with suppress(OSError):
            for name in ("s", "p"):
                (self._private / name).unlink(missing_ok=True)
            self._private.rmdir()


def _check_length(*paths: Path) -> None:
    for path in paths:
        length = len(os.fsencode(path))
        if length > MOST_SOCKET_PATH_BYTES:
            raise OSError(f"{path} has {length} bytes, and a unix socket's path at most {MOST_SOCKET_PATH_BYTES}")
