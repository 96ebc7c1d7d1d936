"""A daemon whose file is broken or gone starts from the configuration that was in force last, if it was told so, and says it."""

import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.system.nodes import Make, Node, until

pytestmark = pytest.mark.system

GOOD = "include: [conf.d/*.yaml]\nprocesses: {idle: {command: [sleep, infinity]}}\n"
MORE = "processes: {more: {command: [sleep, infinity], directory: .}}\n"


def started(make: Make, name: str = "one", **options: Any) -> Node:
    """With a file that includes another, in force and kept."""
    one = make(name, "include: [conf.d/*.yaml]\nprocesses: {}\n", **options)
    one.daemon.wait(20)  # nothing to run: it was only to make the directory
    (one.home / "conf.d").mkdir()
    (one.home / "conf.d" / "more.yaml").write_text(MORE)
    one.file.write_text(GOOD)
    one.start()
    until(lambda: (one.home / "state" / "last-good.json").exists(), "what is kept")
    until(lambda: "more: started" in one.says(), "the processes")
    return one


def again(one: Node, *options: str) -> None:
    """As after a crash."""
    one.end()
    one.log.unlink()
    one.options = [*one.options, *options]
    one.start()


def config(one: Node) -> dict[str, Any]:
    found = one.status()["config"]
    assert isinstance(found, dict)
    return found


def break_it(one: Node) -> None:
    one.file.write_text(GOOD + "procesess: {}\n")


def remove_all(one: Node) -> None:
    one.file.unlink()
    (one.home / "conf.d" / "more.yaml").unlink()


@pytest.mark.parametrize("harm", [break_it, remove_all])
def test_it_starts_says_so_and_adopts_the_file_once_it_is_good(node: Make, harm: Any) -> None:
    one = started(node)
    before = config(one)
    assert len(before["hash"]) == 64
    assert before["hash"][:8] in before["source"]
    assert (before["last_good"], before["unkept"]) == ("", "")
    kept = json.loads((one.home / "state" / "last-good.json").read_text())
    assert kept["hash"] == before["hash"]
    one.daemon.send_signal(signal.SIGKILL)
    one.daemon.wait(20)
    harm(one)
    again(one, "--last-good")
    until(lambda: "more: started" in one.says(), "the processes of the last good configuration")
    until(lambda: config(one)["problems"], "the problems of the file")
    now = config(one)
    assert now["hash"] == before["hash"]
    assert now["last_good"] == kept["adopted_at"]
    assert f"running the last good configuration, of {kept['adopted_at']}" in one.says()
    shown = one.run("status")
    assert shown.returncode == 1
    assert "the last good one, of" in shown.stdout
    pid = one.pid_of("idle")
    (one.home / "conf.d" / "more.yaml").write_text(MORE)
    one.file.write_text(GOOD)
    until(lambda: not config(one)["last_good"], "the file in force")
    until(lambda: "the file is good again" in one.says(), "the good news")
    assert not config(one)["problems"]
    assert one.pid_of("idle") == pid
    assert one.run("status").returncode == 0


def test_without_the_flag_it_is_78_with_a_hint_that_names_the_flag(node: Make) -> None:
    one = started(node)
    break_it(one)
    again(one)
    assert one.daemon.wait(20) == 78
    last = one.says().splitlines()[-1]
    assert "--last-good" in last
    assert "ago is kept" in last


def test_with_the_flag_and_nothing_kept_both_are_told_of(node: Make) -> None:
    one = node("one", "procesess: {}\n", options=["--last-good"])
    assert one.daemon.wait(20) == 78
    assert "unknown key 'procesess'" in one.says()
    assert "no last good configuration" in one.says()


def test_with_the_flag_a_good_file_is_the_file_itself(node: Make) -> None:
    one = started(node)
    one.file.write_text(GOOD.replace("idle", "other"))
    again(one, "--last-good")
    until(lambda: "other: started" in one.says(), "the file's process")
    assert config(one)["last_good"] == ""


def test_systemd_is_told_and_a_place_that_cannot_be_written_stops_nothing(node: Make, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(20)
        one = started(node, environment={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")})
        break_it(one)
        in_the_way = one.home / "state" / "last-good.json.new"
        (in_the_way / "x").mkdir(parents=True)
        again(one, "--last-good")
        said = b""
        while b"runs the last good configuration" not in said:
            said = heard.recv(4096)
        assert b"STATUS=" in said
        one.file.write_text(GOOD)
        until(lambda: config(one)["unkept"], "that it cannot be kept")
        assert not config(one)["last_good"]
        assert "cannot be kept for --last-good" in one.says()
        assert "is not kept for --last-good" in one.run("status").stdout
        assert one.run("status").returncode == 0
