"""Who calls is known, may do what it may, and is told of in the log."""

import asyncio
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from supervisor.control import client, views
from supervisor.control.client import Client
from supervisor.control.door import Door
from supervisor.control.guard import HARMLESS
from supervisor.core.access import ControlSpec
from supervisor.core.spec import Spec
from supervisor.core.state import State
from supervisor.pb import control_pb2
from tests.control import states
from tests.control.callers import as_group
from tests.control.serving import Daemon, Serve, serving

OPS, WATCHERS = 64_101, 64_102
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def governed(**control: object) -> State:
    state = states.healthy()
    spec = state.spec or Spec(node=state.node)
    return replace(state, spec=replace(spec, control=ControlSpec(**control)))  # type: ignore[arg-type]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that others may enter; pytest's own are ours alone."""
    with tempfile.TemporaryDirectory(prefix="sv") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def may(socket: Path, group: int) -> views.Allowed:
    """What ``Access`` answers somebody of that group."""
    code = """
import json, os, sys
from dataclasses import asdict
from pathlib import Path
from supervisor.control.client import Client
group = int(sys.argv[2])
os.setgroups([group]); os.setresgid(group, group, group); os.setresuid(65534, 65534, 65534)
with Client(Path(sys.argv[1])) as connected:
    print(json.dumps(asdict(connected.access())))
"""
    argv = [sys.executable, "-c", code, str(socket), str(group)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    return views.Allowed(**json.loads(done.stdout))


def test_who_stands_is_told_and_the_owner_may_everything(serve: Serve) -> None:
    with Client(serve().socket) as connected:
        queue = connected.queue("billing")
        assert [(c.position, c.node, c.ours) for c in queue.candidates][:1] == [(1, "web-1", True)]
        assert connected.queue("search").candidates[0].node == "web-2"
        assert connected.access() == views.Allowed(control=True, reason="")
        with pytest.raises(client.UnknownName, match="did you mean"):
            connected.queue("biling")


@ROOT
def test_one_group_acts_another_looks_the_rest_do_neither(place: Path) -> None:
    with serving(place / "s", governed(group=str(OPS), read_group=str(WATCHERS))) as daemon:
        daemon.admit(ControlSpec(read_group=str(WATCHERS)))
        _one_acts_another_looks(daemon)


def _one_acts_another_looks(daemon: Daemon) -> None:
    code, out, err = as_group(daemon.socket, WATCHERS, "status")
    assert code == 0, err
    assert "web-1" in out
    code, _, err = as_group(daemon.socket, WATCHERS, "resign", "search")
    assert code == 77
    assert f"may look but not resign: that takes group {OPS} (control.group), or sudo" in err
    assert as_group(daemon.socket, OPS, "resign", "search")[0] == 75  # not held: it was let in
    assert may(daemon.socket, OPS) == views.Allowed(control=True, reason="")
    looks = may(daemon.socket, WATCHERS)
    assert not looks.control
    assert f"may look but not change anything: that takes group {OPS} (control.group), or sudo" in looks.reason
    code, _, err = as_group(daemon.socket, 64_103, "status")
    assert code == 77
    assert f"is in none of the groups of this supervisor ({OPS}, {WATCHERS})" in err
    assert [line for line in daemon.ports.said if "refused" in line]
    assert all("uid 65534" in line for line in daemon.ports.said)


def test_every_change_is_told_with_who_it_was_and_no_look_is(serve: Serve) -> None:
    daemon = serve()
    with Client(daemon.socket) as connected:
        connected.status()
        connected.leader("billing")
        assert daemon.ports.said == []
        connected.resign("search", 1)
        with pytest.raises(client.UnknownName):
            connected.restart("nothing", 1)
    resigned, restarted = daemon.ports.said
    assert resigned.startswith("control: Resign election=search, by ")
    assert f"(uid {os.geteuid()}), pid {os.getpid()} (" in resigned
    assert restarted.startswith("control: Restart process=nothing")


def test_every_call_is_either_harmless_or_not() -> None:
    names = {method.name for method in control_pb2.DESCRIPTOR.services_by_name["Control"].methods}
    assert names >= HARMLESS
    assert not HARMLESS & {"Reload", "Resign", "Restart", "Start", "Stop"}


def test_large_answers_and_many_callers_go_through(serve: Serve) -> None:
    names = [f"election-{n:05}" for n in range(3000)]
    daemon = serve(states.state(*(states.following(name, leader=()) for name in names)))
    with Client(daemon.socket) as connected:
        assert len(connected.status().elections) == 3000
    clients = [Client(daemon.socket) for _ in range(20)]
    assert {c.version().node for c in clients} == {"web-1"}
    for one in clients:
        one.close()
    door: Callable[[], int] = lambda: len(daemon.door._callers)  # noqa: E731
    deadline = time.monotonic() + 20
    while door() and time.monotonic() < deadline:
        daemon.call(lambda: None)
    assert door() == 0  # who has hung up is forgotten


async def test_what_is_said_at_once_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by the transports of Python 3.11.2, Debian 12's: they begin to read whether they are paused or not."""

    def begins(self: Any, fd: int, callback: Callable[..., None], *arguments: object) -> None:
        if not self._closing:
            self._loop._add_reader(fd, callback, *arguments)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(64))
        writer.close()

    monkeypatch.setattr("asyncio.selector_events._SelectorTransport._add_reader", begins)
    inner = await asyncio.start_unix_server(echo, tmp_path / "inner")
    door = Door(tmp_path / "inner")
    with (
        socket.socket(socket.AF_UNIX) as listening,
        socket.socket(socket.AF_UNIX) as caller,
    ):
        listening.bind(str(tmp_path / "outer"))
        await door.open(listening)
        caller.connect(str(tmp_path / "outer"))
        caller.sendall(b"now")
        caller.setblocking(False)
        async with asyncio.timeout(20):
            assert await asyncio.get_running_loop().sock_recv(caller, 64) == b"now"
        await door.close()
        await door.end()
    inner.close()


def test_group_and_mode_of_the_socket(serve: Serve) -> None:
    daemon = serve()
    assert stat.S_IMODE(daemon.socket.stat().st_mode) == 0o660
    daemon.call(lambda: daemon.admit(ControlSpec(mode=0o600)))
    assert stat.S_IMODE(daemon.socket.stat().st_mode) == 0o600
    daemon.call(lambda: daemon.admit(ControlSpec(read_group="nogroup")))
    assert stat.S_IMODE(daemon.socket.stat().st_mode) == 0o666
    inner = daemon.socket.with_name(daemon.socket.name + ".d")
    assert stat.S_IMODE(inner.stat().st_mode) == 0o700


def test_condition_words_are_unchanged() -> None:
    assert views.SCHEMA_VERSION == 1
