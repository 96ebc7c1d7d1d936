"""An etcd whose revisions went back, with a real daemon: nothing starts on a token below one already seen here."""

import json
import shutil
from pathlib import Path

import pytest

from tests.etcd_server import EtcdServer
from tests.system.nodes import Make, beats, until

pytestmark = [pytest.mark.etcd, pytest.mark.system]


def test_after_a_restored_snapshot_no_term_begins_below_the_last(
    node: Make, text: str, etcd: EtcdServer, fresh_etcd: EtcdServer, tmp_path: Path
) -> None:
    mine = text.replace(etcd.endpoint, fresh_etcd.endpoint)
    snapshot = tmp_path / "snapshot"
    fresh_etcd.etcdctl("snapshot", "save", str(snapshot))
    fresh_etcd.write(200)
    one = node("one", mine)
    until(lambda: beats(tmp_path / "beats"), "the leader works")
    token = one.election()["token"]
    assert token > 200

    fresh_etcd.kill()
    shutil.rmtree(fresh_etcd.directory / "data")
    fresh_etcd.restore(snapshot)
    fresh_etcd.start()
    until(lambda: "takes no office" in one.says(), "the daemon refuses")
    until(lambda: "bump-revision" in json.dumps(one.status()["reasons"]), "and says so")
    assert {beat for _, beat in beats(tmp_path / "beats")} == {token}

    one.end()
    one.start()  # a restart forgets nothing
    until(lambda: one.says().count("takes no office") == 2, "the next daemon refuses as well")
    one.end()
    fresh_etcd.write(token + 10)
    one.start()
    until(lambda: max(beat for _, beat in beats(tmp_path / "beats")) > token, "it leads once etcd is above", 30.0)


def test_a_wiped_local_etcd_is_raised_above_what_was_seen(node: Make, text: str, tmp_path: Path) -> None:
    local = text[text.index("elections:") :]
    one = node("one", local)
    until(lambda: beats(tmp_path / "beats"), "the leader works")
    one.end()
    state = one.home / "state"
    shutil.rmtree(state / "local-etcd")
    with (state / "tokens").open("a") as file:
        file.write('{"election": "/supervisor/job", "token": 3000, "cluster": ""}\n')
    one.start()
    until(lambda: max(beat for _, beat in beats(tmp_path / "beats")) > 3000, "the next term is above", 40.0)
    assert "the local etcd's revision was raised" in one.says()
