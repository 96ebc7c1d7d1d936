"""The control API on a unix socket.

Who may use it. gRPC for Python does not show a handler the peer's credentials (SO_PEERCRED), so the check is the
kernel's: connect(2) needs write permission on the socket file, judged by the caller's user, groups and capabilities at
that moment. The file belongs to the daemon's user and group and has mode 0660; it is bound inside a private directory
and moved into place when its mode is right, so there is no instant at which others could connect. Whoever may connect
may do everything the API offers, but for what would show the daemon's environment or files: for that a caller shows the key,
which stands in a file beside the socket (``.key``, mode 0600, another one at each start) for the daemon's user and root to read.

Promises: the socket appears whole or not at all, and goes at ``stop``; a caller costs at most one reply's memory. Does
not: lock (``lock.acquire`` is the caller's to hold, so that a stale socket is only ever replaced by one daemon), or listen
on a network.
"""

import os
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import quote

import grpc

from supervisor.control.ports import Ports
from supervisor.control.service import ControlService
from supervisor.paths import key_path
from supervisor.pb import control_pb2_grpc

SOCKET_MODE: Final = 0o660
MOST_CALLS: Final = 256
"""At the same time; more are refused at once instead of queued."""
MOST_SOCKET_PATH_BYTES: Final = 107
"""sockaddr_un (unix(7)): 108 with the closing zero."""
MOST_REQUEST_BYTES: Final = 10_100_000
"""A file to be planned may be as long as one that is read, and the other requests are names and numbers."""

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MOST_REQUEST_BYTES),
    ("grpc.so_reuseport", 0),
)


class ServeError(Exception):
    """The socket cannot be served. The message says why and what to do."""


class ControlServer:
    """Serves ``ports`` at ``path`` from ``start`` to ``stop``; both once, on the daemon's event loop."""

    def __init__(self, ports: Ports, path: Path) -> None:
        self._ports = ports
        self._path = path
        self._key_path = key_path(path)
        self._server: grpc.aio.Server | None = None
        self._identity: tuple[int, int] | None = None

    async def start(self) -> None:
        """Listen, then show the socket. Its directory exists and the lock is held. Raises ServeError."""
        server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=MOST_CALLS)
        key = os.urandom(32).hex().encode()
        control_pb2_grpc.add_ControlServicer_to_server(ControlService(self._ports, key), server)
        try:
            with tempfile.TemporaryDirectory(prefix=".", dir=self._path.parent) as private:
                hidden = Path(private) / "s"
                _check_length(self._path, hidden)
                server.add_insecure_port("unix:" + quote(str(hidden)))
                await server.start()
                hidden.chmod(SOCKET_MODE)
                _write_secret(Path(private) / "k", key).rename(self._key_path)
                hidden.rename(self._path)
        except (OSError, RuntimeError) as error:
            await server.stop(None)
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
                self._key_path.unlink()
        except FileNotFoundError:
            pass
        await server.stop(grace_seconds)


def _write_secret(path: Path, secret: bytes) -> Path:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, secret)
    finally:
        os.close(descriptor)
    return path


def _check_length(*paths: Path) -> None:
    for path in paths:
        length = len(os.fsencode(path))
        if length > MOST_SOCKET_PATH_BYTES:
            raise OSError(f"{path} has {length} bytes, and a unix socket's path at most {MOST_SOCKET_PATH_BYTES}")
