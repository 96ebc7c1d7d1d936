"""Every kind of contender elects on a real etcd: one leads and one waits, the office is handed over, nothing is left."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.rivals.contenders import KINDS, Contender, Elect, Lock, Naive, Place, Supervisor
from bench.rows.handover import gap_after
from bench.rows.row import on_loopback
from tests.etcd_server import EtcdServer

pytestmark = [pytest.mark.etcd, pytest.mark.system]


@pytest.fixture
def place(fresh_etcd: EtcdServer) -> Place:
    return on_loopback(fresh_etcd, ttl_seconds=3)


def use(kind: type[Contender], place: Place, home: Path, then: Callable[[Contender], None]) -> Contender:
    side = kind(place, home)
    try:
        side.start()
        then(side)
    finally:
        side.close()
    return side


def is_probe(pid: int) -> bool:
    try:
        return b"probe.py" in Path(f"/proc/{pid}/cmdline").read_bytes()  # a zombie's is empty
    except OSError:
        return False


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_it_elects_and_hands_over_without_two_at_once(kind: type[Contender], place: Place, tmp_path: Path) -> None:
    def hand_over(side: Contender) -> None:
        before = side.settle()
        gap, outlived = gap_after(side, lambda s, old: s.hand_over(old), from_strike=False)
        assert gap > 0
        assert not outlived
        assert before.node in {"n1", "n2"}

    side = use(kind, place, tmp_path, hand_over)
    side.beats.read()
    terms = side.beats.record.intervals("job")
    assert len(terms) >= 2
    assert terms[0].node != terms[1].node
    assert not side.beats.record.overlaps()
    assert not any(is_probe(one.pid) for one in terms)


def test_the_naive_pattern_leaves_its_work_behind_and_overlaps(place: Place, tmp_path: Path) -> None:
    """The reason for all this: its supervisor is killed, and the work goes on beside the next leader's."""

    def killed(side: Contender) -> None:
        side.settle()
        _, outlived = gap_after(side, lambda s, old: s.kill_supervisor(old), from_strike=True)
        assert outlived

    side = use(Naive, place, tmp_path, killed)
    side.beats.read()
    assert side.beats.record.overlaps()


def test_ours_does_not(place: Place, tmp_path: Path) -> None:
    def killed(side: Contender) -> None:
        side.settle()
        _, outlived = gap_after(side, lambda s, old: s.kill_supervisor(old), from_strike=True)
        assert not outlived

    side = use(Supervisor, place, tmp_path, killed)
    side.beats.read()
    assert not side.beats.record.overlaps()


def test_etcdctl_gives_its_commands_a_token_that_rises(place: Place, tmp_path: Path) -> None:
    def hand_over(side: Contender) -> None:
        gap_after(side, lambda s, old: s.hand_over(old), from_strike=False)

    side = use(Lock, place, tmp_path, hand_over)
    side.beats.read()
    tokens = [one.token for one in side.beats.record.intervals("job")]
    assert len(tokens) >= 2
    assert tokens == sorted(set(tokens))


def test_the_lease_of_etcdctl_elect_is_not_ours_to_choose() -> None:
    assert not Elect.ttl_is_ours
