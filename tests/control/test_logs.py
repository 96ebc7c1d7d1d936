"""The Logs call, its client, its verb, and what status says of a log that takes nothing."""

import subprocess
import sys

import pytest

from supervisor.cli import exits, main, render, sheet
from supervisor.control import describe, views
from supervisor.control.client import Client, UnknownName
from supervisor.control.ports import Heard, LogTrouble
from supervisor.core.names import ElectionName, ProcessId, ProcessName
from tests.control import states
from tests.control.serving import Daemon, Serve
from tests.control.test_server import until

API = ProcessId(ElectionName("billing"), ProcessName("api"))
AT = "2026-11-24T05:00:00.000000Z"


def said(text: bytes, *, stream: str = "stdout", process: ProcessId = API, missed: int = 0) -> Heard:
    return Heard(process=process, stream=stream, at=AT, text=text, missed=missed)


@pytest.fixture
def daemon(serve: Serve) -> Daemon:
    daemon = serve(states.healthy())
    daemon.ports.heard = [said(b"one\n\xff\x1b[1mtwo\n"), said(b"bad\n", stream="stderr", missed=7)]
    return daemon


def test_lines_come_as_they_were_said(daemon: Daemon) -> None:
    with Client(daemon.socket) as client:
        found = list(client.logs("billing/api", lines=5, since_seconds=60.0))
    assert found == [
        views.LogLines(process="billing/api", stream="stdout", at=AT, text=b"one\n\xff\x1b[1mtwo\n", missed=0),
        views.LogLines(process="billing/api", stream="stderr", at=AT, text=b"bad\n", missed=7),
    ]
    assert daemon.ports.asked == [(("billing/api",), 5, 60.0, False)]


def test_without_a_name_it_is_all_of_them_and_with_an_unknown_one_nothing(daemon: Daemon) -> None:
    with Client(daemon.socket) as client:
        list(client.logs())
        (asked, lines, since, _) = daemon.ports.asked[0]
        assert (lines, since) == (None, None)
        assert set(asked) == {str(pid) for pid in states.healthy().processes}
        with pytest.raises(UnknownName, match="did you mean"):
            list(client.logs("billing/api", "biling/api"))


def test_a_follower_that_hangs_up_is_followed_no_more(daemon: Daemon) -> None:
    with Client(daemon.socket) as client:
        pieces = client.logs("billing/api", follow=True)
        assert [next(pieces).text, next(pieces).text] == [b"one\n\xff\x1b[1mtwo\n", b"bad\n"]
        assert daemon.ports.observers == 1
        pieces.close()
    until(lambda: daemon.ports.observers == 0)


def run(daemon: Daemon, *words: str) -> "subprocess.CompletedProcess[bytes]":
    argv = [sys.executable, "-m", "supervisor", "logs", "--socket", str(daemon.socket), *words]
    return subprocess.run(argv, capture_output=True, timeout=30, check=False)


def test_one_process_is_shown_as_it_spoke(daemon: Daemon) -> None:
    shown = run(daemon, "api")
    assert shown.returncode == exits.OK
    assert shown.stdout == b"one\n\xff\x1b[1mtwo\nbad\n"
    assert shown.stderr == b"supervisor: 7 lines of billing/api came too fast to be shown\n"


def test_several_are_told_apart(daemon: Daemon) -> None:
    shown = run(daemon, "-t", "--since", "5m")
    head = f"{AT} billing/api ".encode()
    assert shown.stdout == head + b"| one\n" + head + b"| \xff\x1b[1mtwo\n" + head + b"! bad\n"
    assert daemon.ports.asked[0][2] == 300.0


def test_following_shows_ten_lines_first_and_ends_at_an_interrupt(daemon: Daemon) -> None:
    argv = [sys.executable, "-m", "supervisor", "logs", "--socket", str(daemon.socket), "-f", "api"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as following:
        assert following.stdout is not None
        assert following.stdout.readline() == b"one\n"
        assert daemon.ports.asked == [(("billing/api",), 10, None, True)]
        following.send_signal(2)
        assert following.wait(20) == exits.OK


def test_an_unknown_process_is_a_mistake_of_the_callers(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["logs", "--socket", str(daemon.socket), "apy"]) == exits.USAGE
    assert 'no process is named "apy"' in capsys.readouterr().err


def test_status_says_what_a_log_does_not_take() -> None:
    state = states.healthy()
    troubles = {API: LogTrouble(lines=12, trouble="file /l: No space left on device")}
    status = describe.status(state, states.FACTS, states.NOW, log_troubles=troubles)
    assert status.condition == views.DEGRADED
    (reason,) = status.reasons
    assert (reason.subject, reason.kind) == ("billing/api", views.UNHEALTHY)
    assert reason.text == "its log takes nothing (file /l: No space left on device); 12 lines were dropped"
    (shown,) = [p for p in status.processes if p.name == "billing/api"]
    assert (shown.log_lines_lost, shown.log_trouble) == (12, "file /l: No space left on device")
    over = describe.status(state, states.FACTS, states.NOW, log_troubles={API: LogTrouble(lines=12, trouble="")})
    assert over.condition == views.HEALTHY
    assert "billing/api: 12 of its log lines were dropped since the start" in render.plain(sheet.sheet(over))
