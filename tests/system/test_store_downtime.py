"""An etcd that is away for a while, with two whole daemons: shorter than the lease, and longer (``docs/complaints.md``)."""

from pathlib import Path

import pytest

from tests.etcd_server import EtcdServer
from tests.system.nodes import Make, beats, until

pytestmark = [pytest.mark.etcd, pytest.mark.system]


def queue(etcd: EtcdServer, namespace: str) -> list[str]:
    """The keys of the candidates, oldest first."""
    order = ("--sort-by", "CREATE", "--keys-only")
    return etcd.etcdctl("get", "--prefix", *order, f"{namespace}/job/").split()


def test_a_downtime_shorter_than_the_lease_moves_nobody(
    node: Make, text: str, tmp_path: Path, etcd: EtcdServer, fresh_etcd: EtcdServer, namespace: str
) -> None:
    """patroni#909, #1593: the leader moved, or was demoted, because the store was away."""
    text = text.replace(etcd.endpoint, fresh_etcd.endpoint).replace("ttl: 5s", "ttl: 15s")
    one = node("one", text)
    until(lambda: beats(tmp_path / "beats"), "the first leads")
    two = node("two", text)
    until(lambda: "job: following" in two.says(), "the second waits")
    token, order = one.election()["token"], queue(fresh_etcd, namespace)
    fresh_etcd.kill()
    until(lambda: "etcd unreachable" in one.says() and "etcd unreachable" in two.says(), "both notice")
    fresh_etcd.start()
    until(lambda: one.says().count("etcd reachable") == 2 and two.says().count("etcd reachable") == 2, "both are back")
    assert queue(fresh_etcd, namespace) == order
    assert one.election()["token"] == token
    assert {(name, beat) for name, beat in beats(tmp_path / "beats")} == {("one", token)}


def test_a_downtime_longer_than_the_lease_leaves_one_worker(
    node: Make, text: str, tmp_path: Path, etcd: EtcdServer, fresh_etcd: EtcdServer
) -> None:
    """microsoft/etcd3#158, etcd-java#49: after a restart of etcd both nodes led, or one ran two workers."""
    text = text.replace(etcd.endpoint, fresh_etcd.endpoint).replace("ttl: 5s", "ttl: 3s")
    one = node("one", text)
    until(lambda: beats(tmp_path / "beats"), "the first leads")
    two = node("two", text)
    until(lambda: "job: following" in two.says(), "the second waits")
    fresh_etcd.kill()
    until(lambda: "job/work: stopped" in one.says(), "the term ends without etcd")
    before = beats(tmp_path / "beats")
    fresh_etcd.start()
    until(lambda: len(beats(tmp_path / "beats")) > len(before) + 40, "somebody works again", 40.0)
    seen = beats(tmp_path / "beats")
    tokens = [token for _, token in seen]
    assert tokens == sorted(tokens), "no term came back after a later one"
    assert len({token for _, token in seen}) == len(set(seen)), "each term had one worker's node"
    assert sum(each.says().count("job/work: started") for each in (one, two)) == len(set(tokens))
