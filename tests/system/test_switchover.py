"""Leaders moved about on the real system: three daemons, one etcd, real children."""

import signal
from itertools import pairwise
from pathlib import Path

import pytest

from tests.etcd_server import EtcdServer
from tests.system.nodes import Make, Node, beats, until

pytestmark = [pytest.mark.system, pytest.mark.etcd]

NAMES = ("one", "two", "three")


def fleet(node: Make, text: str) -> list[Node]:
    nodes = [node(NAMES[0], text)]
    until(lambda: "job: became leader" in nodes[0].says(), "the first leads")
    for name in NAMES[1:]:
        nodes.append(node(name, text))
        until(lambda: "job: following" in nodes[-1].says(), f"{name} follows")
    return nodes


def queued(nodes: list[Node], election: str = "job") -> int:
    return int(nodes[0].election(election)["queue_length"] or 0)


def tokens(path: Path) -> list[tuple[str, int]]:
    """Who led, in which terms, in the order of their beats."""
    found: list[tuple[str, int]] = []
    for beat in beats(path):
        if not found or found[-1] != beat:
            found.append(beat)
    return found


def test_a_switchover_lands_where_it_was_asked_to_from_any_node(node: Make, text: str, tmp_path: Path) -> None:
    nodes = fleet(node, text)
    done = nodes[1].run("switchover", "job", "--to", "three")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "asked one to hand over to three" in done.stdout
    assert "three leads (token" in done.stdout.splitlines()[-1]
    again = nodes[0].run("switchover", "job", "--to", "three")
    assert (again.returncode, "three leads already" in again.stdout) == (0, True), again.stdout + again.stderr
    until(lambda: queued(nodes) == 3, "everybody queues again")
    anybody = nodes[2].run("switchover", "job")
    assert anybody.returncode == 0, anybody.stdout + anybody.stderr
    refused = nodes[0].run("switchover", "job", "--to", "four")
    assert refused.returncode == 75
    assert "four does not stand for it; there are:" in refused.stderr
    until(lambda: len(tokens(tmp_path / "beats")) == 3, "a third term")
    terms = tokens(tmp_path / "beats")
    assert [name for name, _ in terms][:2] == ["one", "three"]
    assert all(a < b for (_, a), (_, b) in pairwise(terms))
    assert "control: Switchover election=job to=three, by " in nodes[1].says()


def test_the_target_is_killed_in_the_middle_and_the_old_leader_goes_on(node: Make, text: str, tmp_path: Path) -> None:
    nodes = fleet(node, text.replace("while true", "trap : TERM; while true").replace("timeout: 2s", "timeout: 4s"))
    until(lambda: beats(tmp_path / "beats"), "it works")
    before = nodes[0].election()["token"]
    until(lambda: nodes[0].election()["phase"] == "leading", "one leads")
    asking = nodes[1].begin("switchover", "job", "--to", "three")
    until(lambda: nodes[0].election()["phase"] == "stepping-down", "it stops")
    nodes[2].daemon.send_signal(signal.SIGKILL)
    out, err = asking.communicate(timeout=30)
    assert asking.returncode == 75, out + err
    assert "aborted, one leads on: three has left the queue" in err
    until(lambda: nodes[0].election()["phase"] == "leading", "it leads on")
    assert nodes[0].election()["token"] == before
    seen = len(beats(tmp_path / "beats"))
    until(lambda: len(beats(tmp_path / "beats")) > seen, "and works")
    assert {name for name, _ in beats(tmp_path / "beats")} == {"one"}


def test_a_date_is_kept_in_etcd_and_can_be_taken_back(
    node: Make, text: str, tmp_path: Path, etcd: EtcdServer, namespace: str
) -> None:
    nodes = fleet(node, text)
    asked = nodes[1].run("switchover", "job", "--to", "two", "--at", "+1h")
    assert asked.returncode == 0, asked.stdout + asked.stderr
    assert "switchover/job" in etcd.etcdctl("get", "--prefix", "--keys-only", f"{namespace}.ctl/")
    assert "to two at" in nodes[0].election()["switchover"]
    assert nodes[0].run("status").returncode == 0, "a wish for later is no trouble"
    other = nodes[0].run("switchover", "job", "--to", "three")
    assert (other.returncode, "--cancel takes it back" in other.stderr) == (75, True)
    assert nodes[2].run("switchover", "job", "--cancel").returncode == 0
    until(lambda: not nodes[0].election()["switchover"], "it is taken back")
    soon = nodes[1].run("switchover", "job", "--to", "two", "--at", "+1s")
    assert soon.returncode == 0
    until(lambda: tokens(tmp_path / "beats")[-1][0] == "two", "two leads at the time")


def test_a_foreign_candidate_before_the_target_is_left_alone_and_the_switchover_refused(
    node: Make, text: str, tmp_path: Path, etcd: EtcdServer, namespace: str
) -> None:
    one = node("one", text)
    until(lambda: beats(tmp_path / "beats"), "the first beat")
    foreign = etcd.spawn_etcdctl("elect", f"{namespace}/job", "other")
    try:
        until(lambda: "other" in etcd.etcdctl("get", "--prefix", f"{namespace}/job/"), "the foreign candidate")
        two = node("two", text)
        until(lambda: "job: following" in two.says(), "the second node")
        refused = two.run("switchover", "job", "--to", "two")
        assert refused.returncode == 75
        assert "is no supervisor: it does not step aside" in refused.stderr
        assert "other" in etcd.etcdctl("get", "--prefix", f"{namespace}/job/")
        assert one.election()["phase"] == "leading"
    finally:
        foreign.terminate()
        foreign.communicate(timeout=10)
