"""A fleet in the middle of an upgrade: what one version writes into etcd and the other reads, both ways."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.etcd_server import EtcdServer
from tests.system.nodes import Make, Node, beats, until

pytestmark = [pytest.mark.system, pytest.mark.etcd]
_NEXT = str(Path(__file__).with_name("next_version.py"))


def ahead(node: Make, text: str, mode: str) -> Node:
    """A node of the next version."""
    return node("ahead", text, prefix=(sys.executable, _NEXT, mode), environment={**os.environ, "PYTHONPATH": "."})


def leads(name: str, path: Path) -> None:
    until(lambda: (b := beats(path)) and b[-1][0] == name, f"{name} leads", 30)


def settled(one: Node) -> None:
    """It leads, and has written the beginning of its term into the ledger."""
    until(lambda: one.election()["phase"] == "leading", f"{one.name} leads")


def test_either_version_follows_and_leads_after_the_other(
    node: Make, text: str, tmp_path: Path, etcd: EtcdServer, namespace: str
) -> None:
    path = tmp_path / "beats"
    two = ahead(node, text, "fields")
    leads("ahead", path)
    one = node("now", text)
    until(lambda: "job: following" in one.says(), "the follower")
    written = json.loads(etcd.etcdctl("get", "--prefix", "--print-value-only", "--limit=1", f"{namespace}/job/"))
    assert (written["v"], written["sealed"]) == (2, "yes")
    # Old reads new: who leads, by every way of asking.
    assert one.run("leader", "job").stdout.startswith("ahead")
    assert one.run("status").returncode in (0, 1)
    assert one.election()["leader"]["words"] == "ahead"
    fleet = one.run("status", "--fleet", "--json", "--file", str(one.file))
    assert "ahead" in fleet.stdout
    assert not fleet.stderr

    assert two.run("resign", "job").returncode == 0
    leads("now", path)
    settled(one)
    # New reads old.
    until(lambda: two.election()["leader"]["words"] == "now", "the new one sees the old one lead")
    assert one.run("resign", "job").returncode == 0
    leads("ahead", path)
    settled(two)
    os.kill(two.daemon.pid, signal.SIGKILL)
    leads("now", path)
    assert "waits for the end" not in one.says() + two.says(), "a record of the other version is believed"
    tokens = [token for _, token in beats(path)]
    assert tokens == sorted(tokens), "two terms beat at once"
    told = json.loads(one.run("history", "job", "--json").stdout)["terms"]
    assert [t["node"] for t in told] == ["now", "ahead", "now", "ahead"]
    assert told[1]["why_ended"] == "the daemon died"
    assert "Traceback" not in one.says() + two.says()


def test_a_mark_that_nobody_knows_is_taken_for_a_term_that_may_still_run(
    node: Make, text: str, tmp_path: Path, etcd: EtcdServer, namespace: str
) -> None:
    path = tmp_path / "beats"
    two = ahead(node, text, "marks")
    leads("ahead", path)
    one = node("now", text)
    until(lambda: "job: following" in one.says(), "the follower")
    assert two.run("resign", "job").returncode == 0
    assert '"mark":"retired"' in etcd.etcdctl("get", "--prefix", f"{namespace}.log/job/")
    until(lambda: "waits for the end of term" in one.says(), "it waits the old term out")
    leads("now", path)
    tokens = [token for _, token in beats(path)]
    assert tokens == sorted(tokens), "two terms beat at once"
    assert "Traceback" not in one.says() + two.says()
