"""The whole program on a real etcd: real daemons, real children, real kills. Nothing is faked here."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.etcd_server import EtcdServer
from tests.system.nodes import Make, beats, runs, until

pytestmark = [pytest.mark.system, pytest.mark.etcd]


def test_a_killed_daemon_takes_its_processes_along_and_another_node_leads(
    node: Make, text: str, tmp_path: Path
) -> None:
    path = tmp_path / "beats"
    one = node("one", text)
    until(lambda: beats(path), "the first beat")
    two = node("two", text)
    until(lambda: "job: following" in two.says(), "the follower")
    one.daemon.send_signal(signal.SIGKILL)
    one.daemon.wait()
    until(lambda: beats(path)[-1][0] == "two", "the takeover", 4.5)
    seen = beats(path)
    first_of_two = next(i for i, beat in enumerate(seen) if beat[0] == "two")
    assert all(beat[0] == "two" for beat in seen[first_of_two:]), "the old leader's process lived on"
    assert seen[-1][1] > seen[0][1], "the token did not rise"


def test_status_leader_resign_and_stop(node: Make, text: str, tmp_path: Path, etcd: EtcdServer, namespace: str) -> None:
    one = node("one", text)
    until(lambda: beats(tmp_path / "beats"), "the first beat")
    status = one.run("status")
    assert status.returncode == 0, status.stdout + status.stderr
    for word in ("one", "job", "leader", "work"):
        assert word in status.stdout
    shown = json.loads(one.run("status", "--json").stdout)
    assert shown["schema_version"] == 1
    assert f"{namespace}/job/" in etcd.etcdctl("get", "--prefix", namespace)
    document = json.loads(one.run("leader", "job", "--json").stdout)
    assert "one" in json.dumps(document)
    resigned = one.run("resign", "job")
    assert resigned.returncode == 0, resigned.stdout + resigned.stderr
    until(lambda: len({token for _, token in beats(tmp_path / "beats")}) == 2, "a second term")
    one.daemon.terminate()
    assert one.daemon.wait(15) == 0
    assert etcd.etcdctl("get", "--prefix", namespace + "/") == ""


def test_a_crash_restarts_in_place_and_a_reload_touches_only_what_changed(
    node: Make, text: str, tmp_path: Path
) -> None:
    other = "  other: {ttl: 5s, leader: {processes: {idle: {command: [sleep, infinity]}}}}\n"
    one = node("one", text + other)
    until(lambda: beats(tmp_path / "beats"), "the first beat")
    until(lambda: "job/work: started" in one.says() and "other/idle: started" in one.says(), "both processes")
    token = beats(tmp_path / "beats")[-1][1]
    os.kill(one.pid_of("job/work"), signal.SIGKILL)
    until(lambda: one.says().count("job/work: started") == 2, "the restart")
    one.file.write_text((text + other).replace("sleep 0.05", "sleep 0.04"))
    until(lambda: one.says().count("job/work: started") == 3, "the restart for the new command")
    assert one.says().count("other/idle: started") == 1
    until(lambda: beats(tmp_path / "beats")[-1][1] == token, "the same token")
    one.file.write_text("elections: [")
    until(lambda: "configuration refused" in one.says(), "the refusal")
    status = one.run("status")
    assert status.returncode == 1
    assert "file.yaml" in status.stdout + status.stderr
    assert one.says().count("job/work: started") == 3


def test_a_second_daemon_on_the_socket_is_refused_by_pid(node: Make, text: str, tmp_path: Path) -> None:
    one = node("one", text)
    until(lambda: beats(tmp_path / "beats"), "the first beat")
    again = subprocess.run(
        [sys.executable, "-m", "supervisor", "run", str(one.file), "--socket", str(one.socket)],
        env={**os.environ, "SUPERVISOR_STATE_DIR": str(tmp_path / "elsewhere")},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert again.returncode != 0
    assert str(one.daemon.pid) in again.stderr


def test_a_foreign_candidate_queues_behind_us_and_wins_when_we_go(
    node: Make, text: str, tmp_path: Path, etcd: EtcdServer, namespace: str
) -> None:
    one = node("one", text)
    until(lambda: beats(tmp_path / "beats"), "the first beat")
    foreign = etcd.spawn_etcdctl("elect", f"{namespace}/job", "other")
    try:
        until(lambda: "other" in etcd.etcdctl("get", "--prefix", f"{namespace}/job/"), "the foreign candidate")
        assert one.run("resign", "job").returncode == 0
        assert foreign.stdout is not None
        assert f"{namespace}/job/" in foreign.stdout.readline()
        until(lambda: "job: following" in one.says(), "us behind it")
    finally:
        foreign.terminate()
        foreign.communicate(timeout=10)
    until(lambda: len({token for _, token in beats(tmp_path / "beats")}) == 2, "our second term", 70)


def test_the_guardian_dies_and_everything_ends_with_70(node: Make, text: str, tmp_path: Path) -> None:
    one = node("one", text)
    until(lambda: "job/work: started" in one.says(), "the process")
    guardian = int(one.says().split("guardian pid ")[1].split(",")[0])
    work = one.pid_of("job/work")
    os.kill(guardian, signal.SIGKILL)
    assert one.daemon.wait(15) == 70
    assert not runs(work), "a leader process outlived the guardian and the daemon"


def test_no_etcd_within_the_time_given_is_69(tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text('etcd: {endpoints: ["127.0.0.1:9"]}\nelections: {job: {}}\n')
    options = ["--socket", str(tmp_path / "s"), "--state-dir", str(tmp_path / "state"), "--wait-etcd", "1s"]
    ended = subprocess.run(
        [sys.executable, "-m", "supervisor", "run", str(file), *options], capture_output=True, timeout=30, check=False
    )
    assert ended.returncode == 69
    assert ended.stdout.count(b"etcd unreachable") == 1, "said once"
