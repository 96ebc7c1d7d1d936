"""The history of terms with real daemons: by the daemon, from etcd alone, and from this node's own notes when etcd is away."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.etcd_server import EtcdServer
from tests.system.nodes import COMMAND, Make, Node, beats, until

pytestmark = [pytest.mark.etcd, pytest.mark.system]


def history(one: Node, *arguments: str) -> dict[str, Any]:
    done = one.run("history", "job", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def written(one: Node, terms: int) -> list[dict[str, Any]]:
    """The terms, when the beginning of the newest is on record."""
    until(lambda: one.run("status").returncode in (0, 1), "it answers")
    until(lambda: len(t := history(one)["terms"]) >= terms and t[0]["ready"], f"{terms} terms on record")
    found = history(one)["terms"]
    assert isinstance(found, list)
    return found


def test_a_resignation_and_a_killed_daemon_are_told_with_their_gaps(
    node: Make, text: str, etcd: EtcdServer, namespace: str, tmp_path: Path
) -> None:
    one = node("one", text)
    until(lambda: beats(tmp_path / "beats"), "one leads")
    two = node("two", text)
    until(lambda: '"phase": "following"' in two.run("status", "--json").stdout, "two waits")
    (first,) = written(one, 1)
    assert (first["node"], first["standing"], first["why_begun"]) == ("one", "leading", "no earlier term is known")
    assert one.run("resign", "job").returncode == 0
    second, first = written(two, 2)
    assert (first["standing"], first["why_ended"]) == ("ended", "resigned by an operator")
    assert (second["node"], second["gap_by"]) == ("two", "two-spans")
    assert 0 < second["gap_seconds"] < 10

    os.kill(two.daemon.pid, signal.SIGKILL)
    third, second, _ = written(one, 3)
    assert (third["node"], second["why_ended"], third["gap_by"]) == ("one", "the daemon died", "key-gone")
    assert second["ready"], "what its leader wrote of its beginning outlives it"

    table = one.run("history", "job", "-n", "2").stdout
    assert "the daemon died" in table
    assert "\x1b" not in table
    assert "no earlier term is known" not in table, "two terms were asked for"
    alone = subprocess.run(
        [*COMMAND, "history", "job", "--json", "--file", str(one.file)], capture_output=True, text=True, check=True
    )
    assert json.loads(alone.stdout)["terms"] == history(one)["terms"]
    known = history(one)["gaps"]
    assert (known["count"], known["whole"]) == (2, 1)
    assert known["p50_seconds"] <= known["max_seconds"]
    # What older versions read is where it was.
    old = json.loads(etcd.etcdctl("get", "--print-value-only", f"{namespace}.log/job/{first['token']}"))
    assert (old["v"], old["mark"]) == (1, "stopped")


def test_without_etcd_the_node_tells_of_its_own_terms(
    node: Make, text: str, etcd: EtcdServer, fresh_etcd: EtcdServer
) -> None:
    one = node("one", text.replace(etcd.endpoint, fresh_etcd.endpoint))
    written(one, 1)
    fresh_etcd.kill()
    until(lambda: history(one)["source"] == "local", "etcd is away", 30.0)
    found = history(one)
    assert found["detail"]
    assert found["terms"][0]["ready"]
    assert "only this node's own terms" in one.run("history", "job").stdout
    lines = (one.home / "state" / "terms").read_text().splitlines()
    assert {json.loads(line)["election"] for line in lines} == {"job"}


def test_the_ledger_keeps_as_many_terms_as_it_is_told(
    node: Make, text: str, etcd: EtcdServer, namespace: str, tmp_path: Path
) -> None:
    one = node("one", text.replace("    ttl: 5s", "    ttl: 5s\n    history: 2"))
    until(lambda: one.run("status").returncode == 0, "it leads")
    for terms in (1, 2, 2):
        until(lambda: str(one.election()["token"]) in _kept(etcd, namespace), "the term is in the ledger")
        assert len(_kept(etcd, namespace)) == terms
        assert one.run("resign", "job").returncode == 0


def test_a_state_directory_that_takes_nothing_costs_no_term(node: Make, text: str, tmp_path: Path) -> None:
    one = node("one", text)
    until(lambda: beats(tmp_path / "beats"), "one leads")
    notes = one.home / "state" / "terms"
    until(notes.exists, "the first term is noted")
    notes.unlink()
    notes.mkdir()  # nothing can be added to it
    tokens = {token for _, token in beats(tmp_path / "beats")}
    assert one.run("resign", "job").returncode == 0
    until(lambda: "the history of terms is not written" in one.says(), "it says so")
    until(lambda: {t for _, t in beats(tmp_path / "beats")} > tokens, "and leads on")


def _kept(etcd: EtcdServer, namespace: str) -> set[str]:
    keys = etcd.etcdctl("get", "--prefix", "--keys-only", f"{namespace}.log//job/").split()
    return {key.split("/")[-2] for key in keys}
