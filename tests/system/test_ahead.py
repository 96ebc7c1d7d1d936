"""The next in line has its term on record before the leader is gone, and begins it on what the watches show."""

import base64
import json
import signal
from functools import partial
from pathlib import Path

import pytest

from tests.etcd_server import EtcdServer
from tests.system.nodes import Make, beats, until
from tests.system.test_takeover import never_beside, pair

pytestmark = [pytest.mark.system, pytest.mark.etcd]
MOST_TURNS = 12


def written_at(etcd: EtcdServer, namespace: str) -> dict[int, int]:
    """By token: the revision at which its record came to say what it says."""
    found = json.loads(etcd.etcdctl("get", "--prefix", f"{namespace}.log/job/", "-w", "json"))
    return {int(_text(kv["key"]).rpartition("/")[2]): kv["mod_revision"] for kv in found["kvs"]}


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode()


def _beats_on(file: Path, name: str) -> bool:
    return beats(file)[-1][0] == name


def test_a_term_begins_without_another_write(
    node: Make, text: str, tmp_path: Path, etcd: EtcdServer, namespace: str
) -> None:
    """Seen in one of the turns at the latest: on a machine that is busy the notice may be over before the next in line has read it."""
    nodes = dict(zip(("one", "two"), pair(node, text, tmp_path), strict=True))
    for turn in range(MOST_TURNS):
        before, after = ("one", "two") if turn % 2 == 0 else ("two", "one")
        old = beats(tmp_path / "beats")[-1][1]
        nodes[before].run("resign", "job")
        until(partial(_beats_on, tmp_path / "beats", after), "the handover")
        new = beats(tmp_path / "beats")[-1][1]
        never_beside(tmp_path / "beats", old)
        written = written_at(etcd, namespace)
        if written[new] < written[old]:
            break
    else:
        pytest.fail("no new term was put on record before the old one was over")


def test_a_leader_whose_key_vanishes_in_its_last_moments_is_waited_for(
    node: Make, text: str, tmp_path: Path, etcd: EtcdServer, namespace: str
) -> None:
    """Frozen when it has said that it leaves: its processes live, its key goes, its record says nothing."""
    one, two = pair(node, text, tmp_path)
    old = beats(tmp_path / "beats")[-1][1]
    lease = one.says().split("became leader")[1].split("lease=")[1].split()[0]
    key = f"{namespace}/job/{lease}"
    said = etcd.etcdctl("get", "--print-value-only", key).strip()
    one.daemon.send_signal(signal.SIGSTOP)
    try:
        leaving = said.replace('"state":"leading"', '"state":"stopping"')
        etcd.etcdctl("put", f"--lease={lease}", key, leaving)
        until(lambda: len(written_at(etcd, namespace)) == 2, "the look ahead")
        assert etcd.etcdctl("del", key).strip() == "1"
        until(lambda: "job: waits for the end of term" in two.says(), "the wait")
        until(lambda: beats(tmp_path / "beats")[-1][0] == "two", "the takeover")
        never_beside(tmp_path / "beats", old)
    finally:
        one.daemon.send_signal(signal.SIGCONT)
