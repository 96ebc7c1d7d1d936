"""Every fault once, on one fleet, by one seed: no two leaders, no needless move, one leader at the end."""

import random
from collections.abc import Iterator

import pytest

from tests.drills import net
from tests.drills.drill import drill
from tests.drills.etcd_faults import QUOTA_BYTES
from tests.drills.faults import FAULTS, PROMISED
from tests.drills.fleet import ELECTIONS, Fleet
from tests.etcd_server import installed

pytestmark = [pytest.mark.drill, pytest.mark.system, pytest.mark.etcd, pytest.mark.root, pytest.mark.timeout(240)]

SEED = 3


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """One for all of these tests: each leaves it settled, or the next says that it is not."""
    if why := net.missing() or ("" if installed() else "no etcd"):
        pytest.skip(f"no drills here: {why}")
    with Fleet(etcd_arguments=["--quota-backend-bytes", str(QUOTA_BYTES)]) as one:
        yield one


@pytest.mark.parametrize("name", PROMISED)
def test_never_two_leaders(fleet: Fleet, name: str) -> None:
    chance = random.Random(f"{SEED} {name}")
    result = drill(fleet, FAULTS[name], chance.choice(ELECTIONS), chance)
    assert not result.overlaps, "\n".join([*result.overlaps, fleet.evidence()])
    assert not result.problems, "\n".join(result.problems)
