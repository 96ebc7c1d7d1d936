"""Pauses, drains and priorities on the real system: three daemons, one etcd, real children."""

import signal
from pathlib import Path

import pytest

from tests.etcd_server import EtcdServer
from tests.system.nodes import Make, beats, until
from tests.system.test_switchover import fleet, queued, tokens

pytestmark = [pytest.mark.system, pytest.mark.etcd]


def test_while_paused_nobody_moves_and_nobody_takes_over(node: Make, text: str, tmp_path: Path) -> None:
    nodes = fleet(node, text)
    paused = nodes[1].run("pause")
    assert paused.returncode == 0, paused.stdout + paused.stderr
    assert "PAUSED" in paused.stdout
    assert nodes[2].run("pause").returncode == 0, "already"
    status = nodes[0].run("status")
    assert (status.returncode, "PAUSED by one" in status.stdout or "PAUSED by two" in status.stdout) == (1, True)
    assert "PAUSED" in nodes[0].says()
    for verb in (("switchover", "job"), ("resign", "job")):
        refused = nodes[0].run(*verb)
        assert refused.returncode == 75
        assert "nobody moves" in refused.stderr
    nodes[0].daemon.send_signal(signal.SIGKILL)
    nodes[0].daemon.wait()
    until(lambda: queued(nodes[1:]) == 2, "its key is gone")
    until(lambda: "first in the queue, but nobody moves: it is paused" in nodes[1].run("status").stdout, "and told of")
    assert {name for name, _ in beats(tmp_path / "beats")} == {"one"}
    assert nodes[2].run("resume").returncode == 0
    until(lambda: tokens(tmp_path / "beats")[-1][0] == "two", "the next leads")


def test_a_drained_node_hands_over_and_stays_out_after_a_restart(
    node: Make, text: str, tmp_path: Path, etcd: EtcdServer, namespace: str
) -> None:
    nodes = fleet(node, text)
    drained = nodes[2].run("drain", "one")
    assert drained.returncode == 0, drained.stdout + drained.stderr
    assert "one leads nothing" in drained.stdout
    until(lambda: tokens(tmp_path / "beats")[-1][0] == "two", "two leads")
    assert "DRAINED" in nodes[0].run("status").stdout
    nodes[0].daemon.terminate()
    assert nodes[0].daemon.wait(15) == 0
    nodes[0].start()
    until(lambda: nodes[0].says().count("drained by") == 2, "it knows again")
    assert "one" not in etcd.etcdctl("get", "--prefix", "--print-value-only", f"{namespace}/job/")
    refused = nodes[0].run("switchover", "job", "--to", "one")
    assert (refused.returncode, "one is drained" in refused.stderr) == (75, True)
    undrained = nodes[0].run("undrain")
    assert undrained.returncode == 0, undrained.stdout + undrained.stderr
    until(lambda: queued(nodes) == 3, "it stands again")


def test_a_drain_that_would_leave_nobody_is_refused_and_can_be_forced(node: Make, text: str, tmp_path: Path) -> None:
    one = node("one", text)
    until(lambda: beats(tmp_path / "beats"), "it works")
    refused = one.run("drain")
    assert refused.returncode == 75
    assert "nobody else stands for it" in refused.stderr
    assert one.election()["phase"] == "leading"
    forced = one.run("drain", "--force")
    assert forced.returncode == 0, forced.stdout + forced.stderr
    until(lambda: one.election()["phase"] == "detached", "nobody leads")


def test_the_preferred_node_takes_over_once_after_its_crash(node: Make, text: str, tmp_path: Path) -> None:
    preferred = text.replace("    ttl: 5s\n", "    ttl: 5s\n    priority: 50\n    priority_cooldown: 3s\n")
    other = text.replace("    ttl: 5s\n", "    ttl: 5s\n    priority_cooldown: 3s\n")
    one = node("one", preferred)
    until(lambda: beats(tmp_path / "beats"), "it works")
    two = node("two", other)
    until(lambda: "job: following" in two.says(), "two follows")
    one.daemon.send_signal(signal.SIGKILL)
    one.daemon.wait()
    until(lambda: tokens(tmp_path / "beats")[-1][0] == "two", "two leads")
    one.start()
    until(lambda: tokens(tmp_path / "beats")[-1][0] == "one", "one leads again")
    assert "one has the higher priority (50)" in two.says()
    seen = len(beats(tmp_path / "beats"))
    until(lambda: len(beats(tmp_path / "beats")) > seen + 100, "five seconds of work")
    assert [name for name, _ in tokens(tmp_path / "beats")] == ["one", "two", "one"]
