"""sd_notify against real datagram sockets."""

import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.report.systemd import STATUS_CHARACTERS, Notifier


class Manager:
    """systemd's end."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return messages


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(str(tmp_path / "notify") if request.param == "path" else f"@{uuid.uuid4()}")
    with manager.socket:
        yield manager


def test_every_message(manager: Manager) -> None:
    notifier = Notifier(manager.address, monotonic_ns=lambda: 12_345_678)
    assert notifier.enabled
    assert notifier.ready("leading billing")
    assert notifier.status("two\nlines")
    assert notifier.status("")
    assert notifier.reloading()
    assert notifier.ready()
    assert notifier.watchdog()
    assert notifier.extend_timeout(1.5)
    assert notifier.stopping("stopping billing")
    assert manager.heard() == [
        "READY=1\nSTATUS=leading billing",
        "STATUS=two lines",
        "STATUS= ",
        "RELOADING=1\nMONOTONIC_USEC=12345",
        "READY=1",
        "WATCHDOG=1",
        "EXTEND_TIMEOUT_USEC=1500000",
        "STOPPING=1\nSTATUS=stopping billing",
    ]


def test_a_status_is_bounded(manager: Manager) -> None:
    Notifier(manager.address).status("ä" * 10_000)
    assert manager.heard() == ["STATUS=" + "ä" * STATUS_CHARACTERS]


def test_a_full_socket_neither_blocks_nor_loses_what_matters(manager: Manager) -> None:
    notifier = Notifier(manager.address)
    while notifier.watchdog():
        pass
    assert not notifier.ready("up")
    assert not notifier.status("forgotten")
    assert not notifier.stopping()
    manager.heard()
    assert notifier.watchdog()
    assert manager.heard() == ["READY=1\nSTATUS=up", "STOPPING=1", "WATCHDOG=1"]


def test_nobody_listening_is_no_error(tmp_path: Path) -> None:
    for address in (None, "", "vsock:2:1234", str(tmp_path / "gone"), "/" + "x" * 200, "@" + "x" * 200):
        notifier = Notifier(address)
        assert not notifier.ready()
        assert not notifier.watchdog()
    assert not Notifier(None).enabled


def test_the_environment_is_taken_and_cleared(manager: Manager) -> None:
    environ = {
        "NOTIFY_SOCKET": manager.address,
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": str(os.getpid()),
        "A": "1",
    }
    notifier = Notifier.from_environment(environ)
    assert environ == {"A": "1"}
    assert notifier.watchdog_seconds == 30.0
    assert notifier.ready()


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "2000000"}, 2.0),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "7"}, 2.0),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "8"}, None),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "0"}, None),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "soon"}, None),
        ({"NOTIFY_SOCKET": "/x"}, None),
        ({"WATCHDOG_USEC": "2000000"}, None),
    ],
)
def test_the_watchdog_is_ours_or_nobodys(environ: dict[str, str], seconds: float | None) -> None:
    assert Notifier.from_environment(environ, pid=7).watchdog_seconds == seconds
    assert environ == {}
