"""A file that changes the way to etcd, with a real daemon and real clusters."""

import json
from pathlib import Path

import pytest

from tests.etcd_server import EtcdServer
from tests.system.nodes import Make, beats, until

pytestmark = [pytest.mark.etcd, pytest.mark.system]


def test_another_way_to_the_same_cluster_keeps_the_term_and_another_cluster_is_refused(
    node: Make, text: str, etcd: EtcdServer, fresh_etcd: EtcdServer, tmp_path: Path
) -> None:
    one = node("one", text)
    until(lambda: beats(tmp_path / "beats"), "the leader works")
    token = one.election()["token"]

    by_name = text.replace("127.0.0.1", "localhost")
    one.file.write_text(by_name)
    done = one.run("reload")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"localhost:{etcd.client_port}" in json.dumps(one.status()["store"])
    assert one.election()["token"] == token

    one.file.write_text(text.replace(etcd.endpoint, fresh_etcd.endpoint))
    done = one.run("reload")
    assert done.returncode == 78, done.stdout + done.stderr
    assert "belong to another etcd cluster" in done.stdout + done.stderr
    assert "belong to another etcd cluster" in one.says()
    seen = len(beats(tmp_path / "beats"))
    until(lambda: len(beats(tmp_path / "beats")) > seen, "the leader works on")
    assert one.election()["token"] == token

    one.file.write_text(by_name)
    assert one.run("reload").returncode == 0
    assert one.status()["config"]["problems"] == []
    assert {beat for _, beat in beats(tmp_path / "beats")} == {token}


def test_a_new_way_that_leads_nowhere_is_refused(node: Make, text: str, etcd: EtcdServer, tmp_path: Path) -> None:
    one = node("one", text)
    until(lambda: beats(tmp_path / "beats"), "the leader works")
    one.file.write_text(text.replace(etcd.endpoint, "http://127.0.0.1:1"))
    done = one.run("reload")
    assert done.returncode == 78
    assert "cannot be reached as the new file says" in done.stdout + done.stderr
    one.file.write_text(text)
    until(lambda: not one.status()["config"]["problems"], "the old file is good again")
    assert {beat for _, beat in beats(tmp_path / "beats")} == {one.election()["token"]}
