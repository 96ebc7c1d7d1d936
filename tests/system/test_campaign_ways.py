"""``etcd.campaign``: two daemons in one queue, one for each way, and a reload from one way to the other."""

import os
import signal
from pathlib import Path

import pytest

from tests.etcd_server import EtcdServer
from tests.system.nodes import Make, Node, beats, until

pytestmark = [pytest.mark.etcd, pytest.mark.system]


def by_call(text: str) -> str:
    assert "etcd: {" in text
    return text.replace("etcd: {", "etcd: {campaign: rpc, ")


def worked(tmp_path: Path) -> list[str]:
    """Whose beats there were, in order, repeats left out."""
    names: list[str] = []
    for name, _ in beats(tmp_path / "beats"):
        if not names or names[-1] != name:
            names.append(name)
    return names


def follows(one: Node) -> bool:
    if "job: following" not in one.says():
        return False  # it may not even have a socket yet
    seen = one.election()
    return (seen["role"], seen["queue_position"]) == ("follower", 2)


def test_one_of_each_way_take_turns(node: Make, text: str, tmp_path: Path) -> None:
    one = node("one", text)
    until(lambda: worked(tmp_path) == ["one"], "the first leads")
    two = node("two", by_call(text))
    until(lambda: follows(two), "the second waits in its call")
    assert one.run("resign", "job").returncode == 0
    until(lambda: worked(tmp_path) == ["one", "two"], "the call's turn")
    until(lambda: follows(one), "the first queues behind it")
    assert two.run("resign", "job").returncode == 0
    until(lambda: worked(tmp_path) == ["one", "two", "one"], "back")
    until(lambda: follows(two), "and waits again")
    os.kill(one.daemon.pid, signal.SIGKILL)
    until(lambda: worked(tmp_path) == ["one", "two", "one", "two"], "a killed daemon's guardian ends its term")
    tokens = [token for _, token in beats(tmp_path / "beats")]
    assert tokens == sorted(tokens)
    assert two.election()["token"] == tokens[-1]


def test_a_waiting_daemon_that_is_killed_leaves_nobody_in_the_queue(
    node: Make, text: str, tmp_path: Path, etcd: EtcdServer, namespace: str
) -> None:
    one = node("one", text)
    until(lambda: worked(tmp_path) == ["one"], "the first leads")
    two = node("two", by_call(text))
    until(lambda: follows(two), "the second waits in its call")
    os.kill(two.daemon.pid, signal.SIGKILL)
    listed = ("get", "--prefix", "--keys-only", f"{namespace}/job/")
    until(lambda: len(etcd.etcdctl(*listed).split()) == 1, "its key is gone")
    assert one.election()["role"] == "leader"


def test_a_reload_from_one_way_to_the_other_and_back(node: Make, text: str, tmp_path: Path) -> None:
    one = node("one", text)
    until(lambda: worked(tmp_path) == ["one"], "the first leads")
    two = node("two", text)
    until(lambda: follows(two), "the second waits")
    first = one.election()["token"]

    two.file.write_text(by_call(text))  # who waits gives up its place, and nobody's term is touched
    assert two.run("reload").returncode == 0
    until(lambda: follows(two), "it waits in a call")
    assert one.election()["token"] == first

    one.file.write_text(by_call(text))  # who leads stops, resigns, and queues behind
    assert one.run("reload").returncode == 0
    until(lambda: worked(tmp_path) == ["one", "two"], "the other leads")
    until(lambda: follows(one), "and the first waits in a call")
    assert "the file changes etcd.campaign" in one.says()

    two.file.write_text(text)
    assert two.run("reload").returncode == 0
    until(lambda: worked(tmp_path) == ["one", "two", "one"], "and back")
    until(lambda: follows(two), "the other waits again")


def test_a_restarted_etcd_ends_the_calls_and_they_are_made_anew(
    node: Make, text: str, tmp_path: Path, fresh_etcd: EtcdServer, etcd: EtcdServer
) -> None:
    text = text.replace(etcd.endpoint, fresh_etcd.endpoint).replace("ttl: 5s", "ttl: 10s")
    one = node("one", by_call(text))
    until(lambda: worked(tmp_path) == ["one"], "the first leads")
    two = node("two", by_call(text))
    until(lambda: follows(two), "the second waits in its call")
    token = one.election()["token"]
    fresh_etcd.restart()
    until(lambda: "its Campaign call was cut off" in two.says(), "the call's end")
    until(lambda: follows(two), "it waits in another")
    assert one.election()["token"] == token
    assert worked(tmp_path) == ["one"]
    assert one.run("resign", "job").returncode == 0
    until(lambda: worked(tmp_path) == ["one", "two"], "and its turn comes")
