"""What scripts live on, with real daemons: the stream of events, observing over restarts, and who leads as an exit code."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from tests.etcd_server import EtcdServer
from tests.system.nodes import COMMAND, Make, Node, beats, until

pytestmark = [pytest.mark.etcd, pytest.mark.system]


@contextmanager
def streaming(one: Node, verb: str, *arguments: str) -> Iterator[IO[str]]:
    """The lines that a verb prints, until the test has seen enough."""
    argv = [*COMMAND, verb, *arguments, "--socket", str(one.socket)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(10)


def until_line(lines: IO[str], **wanted: object) -> dict[str, Any]:
    """The first line with these values; the test's own timeout is the deadline."""
    for line in lines:
        found = json.loads(line)
        assert isinstance(found, dict)
        if all(found[key] == value for key, value in wanted.items()):
            return found
    raise AssertionError(f"the stream ended without {wanted}")


def led(node: Make, text: str, tmp_path: Path) -> Node:
    one = node("one", text)
    until(lambda: beats(tmp_path / "beats"), "one leads")
    until(lambda: one.run("leader", "job", "--is-me").returncode == 0, "and says so")
    return one


def test_events_tell_a_life_and_go_on_with_the_next_daemon(node: Make, text: str, tmp_path: Path) -> None:
    one = led(node, text, tmp_path)
    with streaming(one, "events", "-f", "--json", "-n", "500") as lines:
        won = until_line(lines, kind="term-won")
        assert (won["schema_version"], won["election"], won["node"]) == (1, "job", "one")
        assert until_line(lines, kind="process-started")["facts"]["pid"] == one.pid_of("job/work")
        assert until_line(lines, kind="term-ready", token=won["token"])["facts"]["start_seconds"] >= 0
        os.kill(one.pid_of("job/work"), signal.SIGKILL)
        exited = until_line(lines, kind="process-exited", process="job/work")
        assert exited["facts"]["signal"] == 9
        assert "restart" in exited["text"]
        assert one.run("resign", "job").returncode == 0
        ending = until_line(lines, kind="term-ending")
        assert "resigned by an operator" in ending["text"]
        until_line(lines, kind="term-ended", token=won["token"])
        again = until_line(lines, kind="term-ready")
        assert again["facts"]["gap_by"] == "one-clock"
        one.end()
        one.start()
        assert until_line(lines, kind="term-won")["token"] > again["token"]
    assert "by a bug of ours" not in one.says()
    only = one.run("events", "job", "--kind", "term-won")
    assert only.stdout.count("\n") == 1
    assert "this node leads" in only.stdout


def test_observe_says_unknown_while_there_is_no_daemon_and_goes_on(node: Make, text: str, tmp_path: Path) -> None:
    one = led(node, text, tmp_path)
    with streaming(one, "observe", "job") as lines:
        first = until_line(lines, election="job")
        assert first["leader"]["ours"]
        os.kill(one.daemon.pid, signal.SIGKILL)
        one.daemon.wait()
        while (lost := until_line(lines, election="job"))["leader"]["state"] != "unknown":
            pass
        assert "the daemon has ended" in lost["leader"]["words"]
        one.start()
        while (found := until_line(lines, election="job"))["leader"]["token"] in (None, first["leader"]["token"]):
            pass
        assert found["leader"]["token"] > first["leader"]["token"]
    assert one.run("observe", "--no-reconnect", "nothing").returncode == 64


def test_who_leads_as_an_exit_code(node: Make, text: str, tmp_path: Path) -> None:
    one = led(node, text, tmp_path)
    two = node("two", text)
    until(lambda: '"phase": "following"' in two.run("status", "--json").stdout, "two waits")
    token = one.election()["token"]
    held = one.run("assert", "job", "--min-token", str(token))
    assert (held.returncode, held.stdout, held.stderr) == (0, f"{token}\n", "")
    assert one.run("assert", "job", "--min-token", str(token + 1)).returncode == 75
    assert one.run("assert", "job", "-q").stdout == ""
    for code, arguments in ((1, ("leader", "job", "--is-me")), (75, ("assert", "job"))):
        done = two.run(*arguments)
        assert (done.returncode, done.stdout) == (code, "")
    assert "one leads" in two.run("assert", "job").stderr
    two.end()
    assert two.run("leader", "job", "--is-me").returncode == 3
    assert one.run("assert", "jobb").returncode == 64


def test_a_reader_that_takes_nothing_holds_nobody_up(node: Make, text: str, tmp_path: Path) -> None:
    one = led(node, text, tmp_path)
    argv = [*COMMAND, "events", "-f", "--json", "--socket", str(one.socket)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        process.send_signal(signal.SIGSTOP)
        for _ in range(3):
            assert one.run("resign", "job").returncode == 0
        until(lambda: one.run("leader", "job", "--is-me").returncode == 0, "it leads on")
        process.kill()
    shown = subprocess.run(
        f"{' '.join(COMMAND)} events -f --socket {one.socket} | head -n 1",
        shell=True, capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    assert shown.stdout.count("\n") == 1
    assert shown.stderr == ""


def test_why_tells_what_led_here(node: Make, text: str, etcd: EtcdServer, tmp_path: Path) -> None:
    one = led(node, text, tmp_path)
    assert one.run("resign", "job").returncode == 0
    until(lambda: one.run("leader", "job", "--is-me").returncode == 0, "it leads again")
    why = one.run("status", "--why", "job")
    assert why.returncode == 0
    assert why.stdout.startswith("job: this node leads")
    told = why.stdout.splitlines()
    order = ["gives up the lead", "the term is over", "this node leads"]
    places = [max(n for n, line in enumerate(told) if words in line) for words in order]
    assert places == sorted(places)
    assert one.run("status", "--why", "jbo").returncode == 64
