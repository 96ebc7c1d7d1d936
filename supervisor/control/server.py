"""The control API on a unix socket.

Who may use it. First the kernel decides: connect(2) needs write permission on the socket file, judged by the caller's user, groups
and capabilities at that moment. The file belongs to the daemon's user and group and has mode 0660, or what ``control`` in the
file says; it is bound inside a private directory and moved into place when its mode is right, so there is no instant at which
others could connect. Then ``guard`` asks of each call who makes it (``door``).

Beside that, what would show the daemon's environment or files is for those alone who show the key, which stands in a file beside
the socket (``.key``, mode 0600, another one at each start) for the daemon's user and root to read.

Promises: the socket appears whole or not at all, and goes at ``stop``; a caller costs at most one reply's memory. Does
not: lock (``lock.acquire`` is the caller's to hold, so that a stale socket is only ever replaced by one daemon), or listen
on a network.
"""

import os
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

import grpc

from supervisor.control.door import Door
from supervisor.control.guard import group_id, guard, of_caller
from supervisor.control.ports import Ports
from supervisor.control.service import ControlService
from supervisor.core.access import ControlSpec
from supervisor.paths import key_path
from supervisor.pb import control_pb2_grpc

MOST_CALLS: Final = 256
"""At the same time; more are refused at once instead of queued."""
MOST_SOCKET_PATH_BYTES: Final = 107
"""sockaddr_un (unix(7)): 108 with the closing zero."""
MOST_REQUEST_BYTES: Final = 10_100_000
"""A file to be planned may be as long as one that is read, and the other requests are names and numbers."""

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MOST_REQUEST_BYTES),
    ("grpc.so_reuseport", 0),
    # Of one connection: nobody alone has all of MOST_CALLS.
    ("grpc.max_concurrent_streams", MOST_CALLS // 8),
    # Who connects and says nothing is seen off.
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_metadata_size", 8192),
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
        self._door: Door | None = None
        self._inner = path.with_name(f"{path.name}.d")
        """A directory that only we can enter, for gRPC's own socket. The lock makes it ours."""

    async def start(self, access: ControlSpec | None = None) -> None:
        """Listen, then show the socket. Its directory exists and the lock is held. Raises ServeError."""
        server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=MOST_CALLS)
        key = os.urandom(32).hex().encode()
        door = Door(self._inner / "s", may=lambda caller: of_caller(caller, self._spec()))
        service = guard(ControlService(self._ports, key, door.caller), self._ports, door)
        control_pb2_grpc.add_ControlServicer_to_server(service, server)
        outer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with tempfile.TemporaryDirectory(prefix=".", dir=self._path.parent) as private:
                hidden = Path(private) / "s"
                _check_length(self._path, hidden, self._inner / "s")
                _make_private(self._inner)
                server.add_insecure_port("unix:" + quote(str(self._inner / "s")))
                await server.start()
                outer.bind(str(hidden))
                _admit(hidden, access)
                await door.open(outer)
                _write_secret(Path(private) / "k", key).rename(self._key_path)
                hidden.rename(self._path)
        except (OSError, RuntimeError) as error:
            outer.close()
            await server.stop(None)
            _clear_away(self._inner)
            remedy = "choose another place with --socket or $SUPERVISOR_SOCKET"
            raise ServeError(f"cannot serve the control socket {self._path}: {error}; {remedy}") from error
        status = self._path.lstat()
        self._identity = (status.st_dev, status.st_ino)
        self._server, self._door = server, door

    def _spec(self) -> ControlSpec | None:
        spec = self._ports.state().spec
        return spec.control if spec is not None else None

    def admit(self, access: ControlSpec | None) -> str:
        """Open the socket to others than before. What could not be done, in words; empty when it was."""
        if not self._is_ours():
            return ""
        try:
            _admit(self._path, access)
        except OSError as error:
            return f"the control socket keeps its group and mode: {error}"
        return ""

    def _is_ours(self) -> bool:
        try:
            status = self._path.lstat()
        except FileNotFoundError:
            return False
        return (status.st_dev, status.st_ino) == self._identity

    async def stop(self, grace_seconds: float = 0.2) -> None:
        """Take the socket away, then give calls that wait or observe the grace before they are cancelled."""
        if self._server is None:
            return
        server, self._server = self._server, None
        if self._is_ours():
            self._path.unlink()
            self._key_path.unlink(missing_ok=True)
        if self._door is not None:
            await self._door.close()
        await server.stop(grace_seconds)
        if self._door is not None:
            await self._door.end()
        _clear_away(self._inner)


def _make_private(directory: Path) -> None:
    """Ours alone, and empty: what an earlier daemon left is of no use."""
    _clear_away(directory)
    directory.mkdir(mode=0o700)


def _clear_away(directory: Path) -> None:
    with suppress(OSError):  # gRPC may have removed its socket, and an earlier daemon may have left it
        (directory / "s").unlink(missing_ok=True)
        directory.rmdir()


def _admit(path: Path, access: ControlSpec | None) -> None:
    """Group and mode of the socket file. Raises OSError."""
    access = access or ControlSpec()
    if access.group is not None:
        group = group_id(access.group)
        if group is None:
            raise OSError(f"control.group: there is no group {access.group}")
        os.chown(path, -1, group)
    else:
        os.chown(path, -1, os.getegid())
    path.chmod(access.socket_mode)


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
