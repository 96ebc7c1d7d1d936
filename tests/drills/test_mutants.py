"""The drills are drilled: a supervisor that is broken on purpose must be caught, and the overlap be seen by the checker."""

import random
from pathlib import Path

import pytest

from tests.drills import net
from tests.drills.drill import Result, drill
from tests.drills.fault import Fault
from tests.drills.fleet import Fleet
from tests.drills.node_faults import BothFrozen, DaemonFrozen, DaemonKilled, Resigned
from tests.etcd_server import BRISK, installed

pytestmark = [pytest.mark.drill, pytest.mark.system, pytest.mark.etcd, pytest.mark.root, pytest.mark.timeout(240)]

SUPERVISOR = ("-m", "supervisor")
BROKEN = Path(__file__).with_name("broken.py")


@pytest.fixture(autouse=True)
def _able() -> None:
    if why := net.missing() or ("" if installed() else "no etcd"):
        pytest.skip(f"no drills here: {why}")


def rehearse(fault: type[Fault], *program: str) -> tuple[Result, Fleet]:
    """One fault on a small fleet of its own."""
    with Fleet(nodes=2, ttl_seconds=3, etcd_arguments=BRISK, program=program or SUPERVISOR) as fleet:
        return drill(fleet, fault, "hard", random.Random(1)), fleet


@pytest.mark.parametrize(
    ("mutant", "fault"),
    [("late-kill-by", DaemonFrozen), ("resign-before-empty", Resigned), ("idle-guardian", DaemonKilled)],
)
def test_a_broken_supervisor_is_caught(mutant: str, fault: type[Fault]) -> None:
    result, _ = rehearse(fault, str(BROKEN), mutant)
    assert result.overlaps, str(result)


def test_when_daemon_and_guardian_sleep_nothing_is_promised_but_the_token() -> None:
    result, fleet = rehearse(BothFrozen)
    assert result.overlaps, "the drill would see it"
    assert fleet.record.disorder() == []
    assert not result.problems


def test_the_same_faults_leave_the_real_one_unharmed() -> None:
    for fault in (DaemonFrozen, Resigned, DaemonKilled):
        result, _ = rehearse(fault)
        assert not result.overlaps
