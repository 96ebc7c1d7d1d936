"""Packets with file descriptors over one end of a socketpair.

Promises: never blocks; packets leave in the order given, and wait in memory while the other side does not read; a
descriptor given to ``send`` is closed here once it is sent (give a duplicate to keep yours); those received are
close-on-exec.
Does not: know what is in a packet.
"""

import array
import errno
import os
import socket
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

MAX_DESCRIPTORS: Final = 4
_FATAL: Final = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.EBADF})


class WireClosedError(Exception):
    """The other side is gone, or this end is closed."""


class Wire:
    """One end."""

    def __init__(self, sock: socket.socket, *, max_bytes: int) -> None:
        sock.settimeout(0.0)
        self._sock = sock
        self._max_bytes = max_bytes
        self._waiting: deque[tuple[bytes, tuple[int, ...]]] = deque()

    def fileno(self) -> int:
        """For poll and add_reader; -1 once closed."""
        return self._sock.fileno()

    @property
    def pending(self) -> bool:
        """Whether ``flush`` is to be called when the socket is writable."""
        return bool(self._waiting)

    def send(self, packet: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send now, or queue. A peer that is gone loses it silently: ``receive`` is where that is noticed."""
        self._waiting.append((packet, tuple(descriptors)))
        self.flush()

    def flush(self) -> bool:
        """Send what waits, as far as the other side takes it. True when nothing waits any more."""
        while self._waiting:
            packet, descriptors = self._waiting[0]
            try:
                self._send_one(packet, descriptors)
            except (BlockingIOError, InterruptedError):
                return False
            except OSError as error:
                if error.errno in {errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS}:
                    return (
                        False  # the kernel is short of something for now; tried again with the next packet or wake-up
                    )
                if error.errno not in _FATAL:
                    raise
            self._waiting.popleft()
            _close(descriptors)
        return True

    def _send_one(self, packet: bytes, descriptors: tuple[int, ...]) -> None:
        if self._sock.fileno() < 0:
            raise OSError(errno.EBADF, "closed")
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        self._sock.sendmsg([packet], rights, socket.MSG_NOSIGNAL)

    def receive(self) -> tuple[bytes, list[int]] | None:
        """The next packet and its descriptors, or None when there is none for now. Raises WireClosedError at the end."""
        space = socket.CMSG_SPACE(MAX_DESCRIPTORS * array.array("i").itemsize)
        while True:
            try:
                packet, rights, _, _ = self._sock.recvmsg(self._max_bytes, space, socket.MSG_CMSG_CLOEXEC)
            except (BlockingIOError, InterruptedError):
                return None
            except ConnectionResetError:
                continue  # the peer went with our packets unread; its own are still here, and then the end
            except OSError as error:
                raise WireClosedError(str(error)) from None
            descriptors = array.array("i")
            for level, kind, data in rights:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
            if not packet:
                _close(descriptors)
                raise WireClosedError("the other side is gone")
            return packet, list(descriptors)

    def close(self) -> None:
        """Close this end; what was not sent is dropped."""
        while self._waiting:
            _close(self._waiting.popleft()[1])
        self._sock.close()


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
