"""``status --watch``: what it shows while the daemon talks, is silent, and is gone."""

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest
from rich.console import Console

from supervisor.cli import ages, main, watch
from supervisor.control import describe, views
from supervisor.control.client import Client, NotRunning
from tests.control import states
from tests.control.serving import Serve, serving

COMMAND = (sys.executable, "-m", "supervisor", "status", "--watch")


def test_a_stream_says_what_changes_and_changes_together_once(serve: Serve) -> None:
    daemon = serve()
    with Client(daemon.socket) as connected:
        statuses = connected.watch_status()
        assert next(statuses) == describe.status(states.healthy(), states.FACTS, states.NOW)
        for n in range(50):  # a burst
            daemon.become(replace(states.healthy(), stopping=f"burst {n}"))
        found = [s.daemon.stopping for s in (next(statuses), next(statuses))]
        assert found[-1] == "burst 49"
        statuses.close()


def test_silence_is_bounded(serve: Serve) -> None:
    with Client(serve().socket) as connected:
        statuses = connected.watch_status()
        began = time.monotonic()
        first, second = next(statuses), next(statuses)
        assert first == second  # nothing changed, and yet it was said
        assert time.monotonic() - began < watch.SILENT_SECONDS
        statuses.close()


def test_the_stream_ends_with_the_daemon_and_names_are_checked(serve: Serve) -> None:
    socket = serve(replace(states.healthy(), exited=True)).socket
    with Client(socket) as connected, pytest.raises(NotRunning, match="has ended"):
        list(connected.watch_status())


def test_a_mistyped_name_ends_it(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["status", "--watch", "biling", "--socket", str(serve().socket)]) == 64
    assert 'did you mean "billing"?' in capsys.readouterr().err


def test_nobody_there_is_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["status", "--watch", "--socket", str(tmp_path / "s")]) == 3


def test_time_passes_in_a_view() -> None:
    status = describe.status(states.healthy(), states.FACTS, states.NOW)
    after = ages.later(status, 3.0)
    assert after.daemon.uptime_seconds == status.daemon.uptime_seconds + 3
    assert after.elections[0].since_seconds == status.elections[0].since_seconds + 3
    left, before = after.sessions[0].seconds_left, status.sessions[0].seconds_left
    assert left is not None
    assert before is not None
    assert left == pytest.approx(before - 3)
    assert ages.later(status, 1e6).sessions[0].seconds_left == 0.0
    assert after.sessions[0].ttl_seconds == status.sessions[0].ttl_seconds
    leader = after.elections[0].leader
    assert leader.age_seconds == (status.elections[0].leader.age_seconds or 0.0) + 3


def screen(heard: watch.Heard, since: watch.Heard | None = None, height: int = 40) -> str:
    console = Console(file=io.StringIO(), width=100, height=height, highlight=False)
    scene = watch.Scene(heard=heard, since=since)
    lines = console.render_lines(watch._screen(scene, console), console.options, pad=False)
    return "\n".join("".join(segment.text for segment in line) for line in lines)


def test_a_screen_says_how_old_it_is() -> None:
    status = describe.status(states.healthy(), states.FACTS, states.NOW)
    now = time.monotonic()
    assert screen(watch.Heard(at=now, status=status)).startswith("live, heard 0.0s ago")
    silent = screen(watch.Heard(at=now - 20, status=replace(status, daemon=replace(status.daemon, pid=os.getpid()))))
    assert f"the supervisor (pid {os.getpid()}) has said nothing for 20s; what follows is as old" in silent
    gone = watch.Heard(at=now, trouble=NotRunning("no supervisor is running here"))
    shown = screen(watch.Heard(at=now - 20, status=status), since=gone)
    assert "no supervisor is running here; what follows was said 20s ago" in shown
    assert "0.0s left" in shown  # of the lease, of which 7.2 s were left


def test_a_screen_that_is_too_small_says_so() -> None:
    status = describe.status(states.troubled(), states.FACTS, states.NOW)
    lines = screen(watch.Heard(at=time.monotonic(), status=status), height=12).splitlines()
    assert len(lines) == 12
    assert re.match(r"\d+ more lines", lines[-1])


def read_until(file: IO[str], text: str) -> str:
    """What it says up to there."""
    found = ""
    while text not in found:
        line = file.readline()
        assert line, f"ended before {text!r}: {found}"
        found += line
    return found


def test_it_finds_the_daemon_again(tmp_path: Path) -> None:
    argv = [*COMMAND, "--json", "--socket", str(tmp_path / "s")]
    with serving(tmp_path / "s", states.healthy()):
        watcher = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert watcher.stdout is not None
        assert watcher.stderr is not None
        assert json.loads(watcher.stdout.readline())["condition"] == "healthy"
    said = read_until(watcher.stderr, "ago\n")
    assert "what follows was said" in said
    with serving(tmp_path / "s", states.troubled()):
        while json.loads(watcher.stdout.readline())["condition"] != "degraded":
            pass
        watcher.send_signal(signal.SIGINT)
        assert watcher.wait(20) == 0
    watcher.stdout.close()
    watcher.stderr.close()


def test_piped_it_prints_what_changes(serve: Serve) -> None:
    daemon = serve()
    argv = [*COMMAND, "--socket", str(daemon.socket)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout is not None
        read_until(watcher.stdout, "always")
        daemon.become(states.troubled())
        assert "degraded" in read_until(watcher.stdout, "foreign")
        watcher.stdout.close()  # nobody reads any more
        assert watcher.wait(20) == 0


def on_a_terminal(socket: Path, *arguments: str) -> tuple[subprocess.Popen[bytes], Callable[[str], str]]:
    """The watch on a terminal of its own, and a way to wait for what it shows."""
    ours, theirs = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {
        "TERM": "xterm-256color",
        "COLUMNS": "100",
    }
    watcher = subprocess.Popen(
        [*COMMAND, *arguments, "--socket", str(socket)], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    said = bytearray()

    def shows(text: str) -> str:
        timer = threading.Timer(30, watcher.kill)
        timer.start()
        try:
            while text.encode() not in said:
                said.extend(os.read(ours, 65536))
        finally:
            timer.cancel()
        return said.decode(errors="replace")

    return watcher, shows


def test_on_a_terminal_it_has_a_screen_of_its_own(serve: Serve) -> None:
    daemon = serve()
    watcher, shows = on_a_terminal(daemon.socket)
    try:
        assert "\x1b[?1049h" in shows("web-1")
        daemon.become(states.troubled())
        assert "●" in shows("degraded")
        watcher.send_signal(signal.SIGINT)
        shows("\x1b[?1049l")
        assert watcher.wait(20) == 0
    finally:
        watcher.kill()
        watcher.wait()


def test_every_condition_has_an_exit_code_but_unknown() -> None:
    from supervisor.cli.status import CODES

    assert set(CODES) == {views.HEALTHY, views.DEGRADED}
