"""A key that vanishes while its lease, and its processes, live on: the next in line leads and starts nothing beside them."""

import os
import signal
from pathlib import Path

import pytest

from tests.etcd_server import EtcdServer
from tests.system.nodes import Make, Node, beats, until

pytestmark = [pytest.mark.system, pytest.mark.etcd]


def pair(node: Make, text: str, tmp_path: Path) -> tuple[Node, Node]:
    one = node("one", text)
    until(lambda: beats(tmp_path / "beats"), "the first beat")
    two = node("two", text)
    until(lambda: "job: following" in two.says(), "the follower")
    return one, two


def delete_first(etcd: EtcdServer, namespace: str, one: Node) -> int:
    """The leader's key, by hand; its lease lives on."""
    key = f"{namespace}/job/{one.says().split('became leader')[1].split('lease=')[1].split()[0]}"
    assert etcd.etcdctl("del", key).strip() == "1"
    return beats(one.home.parent / "beats")[-1][1]


def never_beside(path: Path, old: int) -> None:
    """Once a later term beat, the older one did not any more."""
    tokens = [token for _, token in beats(path)]
    later = next(i for i, token in enumerate(tokens) if token > old)
    assert all(token > old for token in tokens[later:]), "two terms beat at once"


def test_a_key_deleted_by_hand_moves_the_office_without_an_overlap(
    node: Make, text: str, tmp_path: Path, etcd: EtcdServer, namespace: str
) -> None:
    one, two = pair(node, text, tmp_path)
    old = delete_first(etcd, namespace, one)
    until(lambda: beats(tmp_path / "beats")[-1][0] == "two", "the takeover")
    never_beside(tmp_path / "beats", old)
    assert '"mark":"stopped"' in etcd.etcdctl("get", f"{namespace}.log/job/{old}")
    assert "no earlier term is alive" in two.says() or "waits for the end" not in two.says()
    until(lambda: one.says().count("job: following") == 1, "the old leader queues again")


def test_beside_a_frozen_daemon_the_wait_is_bounded_and_status_says_why(
    node: Make, text: str, tmp_path: Path, etcd: EtcdServer, namespace: str
) -> None:
    one, two = pair(node, text, tmp_path)
    one.daemon.send_signal(signal.SIGSTOP)
    try:
        old = delete_first(etcd, namespace, one)
        until(lambda: two.election()["waiting_for"].startswith("its predecessor's end"), "the reason in status")
        assert two.run("status").returncode == 1
        assert "job: waits for the end of term" in two.says()
        until(lambda: beats(tmp_path / "beats")[-1][0] == "two", "the takeover")
        never_beside(tmp_path / "beats", old)
    finally:
        one.daemon.send_signal(signal.SIGCONT)
    until(lambda: "job: following" in one.says(), "the woken one queues behind")
    assert '"mark":"' in etcd.etcdctl("get", f"{namespace}.log/job/{old}")
    assert "started" not in one.says().split("stepping down")[1], "nothing is started on an old belief"


def test_with_the_guard_off_nobody_waits(
    node: Make, text: str, tmp_path: Path, etcd: EtcdServer, namespace: str
) -> None:
    one, two = pair(node, text.replace("    ttl: 5s", "    ttl: 5s\n    takeover_guard: off"), tmp_path)
    delete_first(etcd, namespace, one)
    until(lambda: beats(tmp_path / "beats")[-1][0] == "two", "the takeover")
    assert "waits for the end" not in two.says()
    os.kill(one.daemon.pid, 0)
