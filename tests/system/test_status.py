"""``status`` when something is wrong with what it asks: honest, and at once."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.etcd_server import EtcdServer
from tests.system.nodes import COMMAND, Make, until

pytestmark = [pytest.mark.system, pytest.mark.etcd]


def file(endpoint: str) -> str:
    return f"""\
etcd: {{endpoints: ["{endpoint}"]}}
elections:
  job: {{ttl: 5s, leader: {{processes: {{work: {{command: [sleep, infinity]}}}}}}}}
"""


def test_with_etcd_down_it_answers_and_claims_nothing(fresh_etcd: EtcdServer, node: Make) -> None:
    one = node("a", file(fresh_etcd.endpoint))
    until(lambda: one.run("status").returncode == 0, "a leader")
    fresh_etcd.freeze()
    until(lambda: one.status()["store"]["reachable"] == "no", "no answer of etcd's")
    until(lambda: one.election()["leader"]["state"] == "unknown", "the end of what can be proven")
    began = time.monotonic()
    shown = one.run("status")
    assert time.monotonic() - began < 5.0  # the answer waits for nobody; this is a Python's start
    assert shown.returncode == 1
    assert "unknown (last confirmed" in shown.stdout, shown.stdout
    assert "unreachable" in shown.stdout
    found = one.status()
    leader = found["elections"][0]["leader"]
    assert leader["source"] == "watch"
    assert leader["age_seconds"] > 0
    assert found["store"]["reachable"] == "no"
    fresh_etcd.kill()
    assert one.run("status").returncode == 1
    fresh_etcd.start()
    until(lambda: one.run("status").returncode == 0, "a leader again")


def test_a_frozen_daemon_is_said_to_be_frozen(fresh_etcd: EtcdServer, node: Make) -> None:
    one = node("a", file(fresh_etcd.endpoint))
    until(lambda: one.run("status").returncode == 0, "a leader")
    os.kill(one.daemon.pid, signal.SIGSTOP)
    try:
        for arguments in ([], ["--json"], ["--watch"]):
            done = one.run("status", *arguments)
            assert (done.returncode, done.stdout) == (4, "")
            assert f"pid {one.daemon.pid}" in done.stderr
            assert (
                "it is stopped (SIGSTOP)" in done.stderr or "is stopped (SIGSTOP) and has said nothing" in done.stderr
            )
    finally:
        os.kill(one.daemon.pid, signal.SIGCONT)
    until(lambda: one.run("status").returncode == 0, "a leader again")


def test_a_watch_outlives_the_daemon(fresh_etcd: EtcdServer, node: Make) -> None:
    one = node("a", file(fresh_etcd.endpoint))
    until(lambda: one.run("status").returncode == 0, "a leader")
    argv = [*COMMAND, "status", "--watch", "--json", "--socket", str(one.socket)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as watcher:
        assert watcher.stdout is not None
        first = json.loads(watcher.stdout.readline())
        assert first["daemon"]["pid"] == one.daemon.pid
        one.end()
        one.start()
        for line in watcher.stdout:
            said = json.loads(line)
            if said["daemon"]["pid"] == one.daemon.pid and said["condition"] == "healthy":
                break
        watcher.terminate()


def test_without_etcd_ever_it_says_that_nothing_is_known(node: Make, tmp_path: Path) -> None:
    one = node("a", file(f"unix://{tmp_path}/nobody"))
    until(one.socket.exists, "a socket")
    until(lambda: "unreachable" in one.run("status").stdout, "no etcd")
    found = one.status()
    assert found["elections"][0]["leader"]["words"] == "unknown (never seen)"
    assert found["elections"][0]["queue_length"] is None
