"""A passage to a server on loopback that can be cut without the server's knowing: every connection ends, new ones may come.

Promises: bytes both ways, as they are; after ``cut`` no connection made before it is open; all threads end with ``close``.
"""

import contextlib
import socket
from threading import Lock, Thread
from types import TracebackType
from typing import Self


class Passage:
    """``with Passage(etcd.client_port) as way: ... way.port ... way.cut()``."""

    def __init__(self, port: int) -> None:
        self._there = ("127.0.0.1", port)
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        self._lock = Lock()
        self._open: set[socket.socket] = set()
        self._doorman = Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._doorman.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)  # wakes whoever waits in accept
        self._door.close()
        self._doorman.join()
        self.cut()

    def cut(self) -> None:
        """End every connection there is."""
        with self._lock:
            doomed, self._open = self._open, set()
        for one in doomed:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._door.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._there)
            except OSError:
                near.close()
                continue
            with self._lock:
                self._open |= {near, far}
            for a, b in ((near, far), (far, near)):
                Thread(target=_carry, args=(a, b), daemon=True).start()


def _carry(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := one.recv(65536):
            other.sendall(part)
    for end in (one, other):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
