"""Telling systemd: ready, reloading, stopping, alive, and one line of status.

Promises: sd_notify(3)'s protocol over the datagram socket that NOTIFY_SOCKET names, a path or an abstract one; no call
raises or blocks, and without that variable none does anything; READY, RELOADING and STOPPING that found the socket full
are sent again before the next message. The variables are taken out of the environment, so that no child speaks for us.
Does not: decide when to send (call ``watchdog`` at half of ``watchdog_seconds``), or pass descriptors.
"""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Final

from supervisor.core import harmless

STATUS_CHARACTERS: Final = 500
"""systemctl shows one line; longer ones are cut."""

_HELD_MESSAGES: Final = 8


class Notifier:
    """The line to the service manager, or to nobody."""

    def __init__(
        self,
        address: str | None = None,
        *,
        watchdog_seconds: float | None = None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """``address``: NOTIFY_SOCKET's value. ``monotonic_ns`` must be CLOCK_MONOTONIC, which systemd compares with."""
        self._address = address if address and address[0] in "/@" else None  # vsock: is for virtual machines
        self.watchdog_seconds = watchdog_seconds if self._address else None
        """How long systemd waits for a sign of life; None: it does not."""
        self._monotonic_ns = monotonic_ns
        self._held: list[bytes] = []

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str], *, pid: int | None = None) -> "Notifier":
        """Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of ``environ``. ``pid`` is ours."""
        address = environ.pop("NOTIFY_SOCKET", None)
        usec, wanted = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        for_us = wanted in {"", str(os.getpid() if pid is None else pid)}
        seconds = int(usec) / 1e6 if for_us and usec.isascii() and usec.isdigit() and int(usec) > 0 else None
        return cls(address, watchdog_seconds=seconds)

    @property
    def enabled(self) -> bool:
        """Whether anybody listens."""
        return self._address is not None

    def ready(self, status: str = "") -> bool:
        """Start-up, or a reload, is finished. Every method: whether it was handed to systemd (False without one)."""
        return self._send({"READY": "1", "STATUS": status}, hold=True)

    def reloading(self, status: str = "") -> bool:
        """A reload has begun; ``ready`` ends it. ``Type=notify-reload`` needs the clock to tell it from an older one."""
        usec = str(self._monotonic_ns() // 1000)
        return self._send({"RELOADING": "1", "MONOTONIC_USEC": usec, "STATUS": status}, hold=True)

    def stopping(self, status: str = "") -> bool:
        """The end has begun."""
        return self._send({"STOPPING": "1", "STATUS": status}, hold=True)

    def status(self, status: str) -> bool:
        """One line for ``systemctl status``."""
        return self._send({"STATUS": status or " "})

    def watchdog(self) -> bool:
        """A sign of life."""
        return self._send({"WATCHDOG": "1"})

    def extend_timeout(self, seconds: float) -> bool:
        """Starting, reloading or stopping may take this much longer, from now."""
        return self._send({"EXTEND_TIMEOUT_USEC": str(round(seconds * 1e6))})

    def _send(self, message: Mapping[str, str], *, hold: bool = False) -> bool:
        if self._address is None:
            return False
        lines = [f"{key}={_one_line(value)}" for key, value in message.items() if value]
        data = "\n".join(lines).encode("utf-8", "replace")
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(0)  # non-blocking
            address = f"\0{self._address[1:]}" if self._address[0] == "@" else self._address
            while self._held:
                sender.sendto(self._held[0], address)
                del self._held[0]
            sender.sendto(data, address)
            return True
        if hold:
            self._held = [*self._held, data][-_HELD_MESSAGES:]
        return False


def _one_line(text: str) -> str:
    return harmless.line(" ".join(text.split("\n"))[:STATUS_CHARACTERS])
