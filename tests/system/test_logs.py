"""What processes say, through the whole program: to files, to memory, to whoever asks."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.processes.test_capture import fill
from tests.system.nodes import COMMAND, Make, until

pytestmark = pytest.mark.system

MOUNT, UMOUNT = shutil.which("mount"), shutil.which("umount")


def file(processes: dict[str, object]) -> str:
    return json.dumps({"processes": processes})


def test_logs_shows_the_last_words_and_follows_over_a_restart(tmp_path: Path, node: Make) -> None:
    script = 'echo "begins $$$$"; echo trouble >&2; exec sleep infinity'
    one = node("one", file({"api": {"command": ["sh", "-c", script], "log": {"to": "none"}}}))
    until(lambda: "trouble" in one.run("logs", "api").stdout, "its words")
    first = one.pid_of("api")
    assert one.run("logs", "api", "-n", "2").stdout == f"begins {first}\ntrouble\n"
    assert one.run("logs").stdout == f"api | begins {first}\napi ! trouble\n"
    assert "begins" not in one.says(), "to: none"
    argv = [*COMMAND, "logs", "-f", "api", "--socket", str(one.socket)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        assert [following.stdout.readline() for _ in range(2)] == [f"begins {first}\n", "trouble\n"]
        assert one.run("restart", "api").returncode == 0
        assert following.stdout.readline() == f"begins {one.pid_of('api')}\n"
        one.daemon.terminate()
        assert following.wait(20) == 3, "the daemon has ended"
    unknown = one.run("logs", "apy")
    assert unknown.returncode == 3


def test_a_log_moved_away_is_reopened_on_sigusr1(tmp_path: Path, node: Make) -> None:
    log = tmp_path / "api.log"
    script = "n=0; while true; do n=$((n+1)); echo $n; sleep 0.01; done"
    one = node("one", file({"api": {"command": ["sh", "-c", script], "log": {"file": str(log), "max_size": "off"}}}))
    until(lambda: log.exists() and log.stat().st_size > 100, "a log")
    log.rename(tmp_path / "api.log.old")
    one.daemon.send_signal(signal.SIGUSR1)
    until(lambda: log.exists() and log.stat().st_size > 100, "another")
    assert "received SIGUSR1" in one.says()
    one.end()
    lines = ((tmp_path / "api.log.old").read_text() + log.read_text()).split()
    assert lines == [str(n) for n in range(1, len(lines) + 1)]


def test_where_lines_go_is_a_live_change(tmp_path: Path, node: Make) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    script = "while true; do echo line; sleep 0.02; done"
    one = node("one", file({"api": {"command": ["sh", "-c", script], "log": {"file": str(first)}}}))
    until(lambda: first.exists() and first.read_text(), "a line in the first file")
    pid = one.pid_of("api")
    log = {"to": ["file", "stdout"], "file": str(second), "format": "json"}
    one.file.write_text(file({"api": {"command": ["sh", "-c", script], "log": log}}))
    assert one.run("reload").returncode == 0
    until(lambda: second.exists() and second.read_text(), "a line in the second file")
    assert one.pid_of("api") == pid
    said = json.loads(second.read_text().splitlines()[0])
    assert (said["process"], said["stream"], said["message"]) == ("api", "stdout", "line")
    until(lambda: '"message": "line"' in one.says(), "the same on our own output")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_told_of_and_shown_and_the_child_runs_on(tmp_path: Path, node: Make) -> None:
    assert MOUNT is not None
    assert UMOUNT is not None
    disk, done = tmp_path / "disk", tmp_path / "done"
    disk.mkdir()
    subprocess.run([MOUNT, "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], check=True)
    try:
        fill(disk / "filler")
        script = f"seq 1 500000; touch {done}; exec sleep infinity"
        one = node("one", file({"api": {"command": ["sh", "-c", script], "log": {"file": f"{disk}/log"}}}))
        until(done.exists, "the child goes on")
        until(lambda: one.status()["processes"][0]["log_lines_lost"] == 500_000, "the loss")
        status = one.run("status")
        assert status.returncode == 1
        assert "No space left on device" in status.stdout
        assert one.says().count("cannot be written") == 1
        assert one.run("logs", "api", "-n", "1").stdout == "500000\n", "in memory all the same"
        one.end()
    finally:
        subprocess.run([UMOUNT, disk], check=True)
