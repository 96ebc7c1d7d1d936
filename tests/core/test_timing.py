"""The arithmetic of trust: each formula, and that a budget without a problem really leaves room."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from supervisor.core import timing
from supervisor.core.names import ElectionName, Instant
from supervisor.core.spec import ElectionSpec


def election(
    ttl_seconds: int = 10, *, lost_grace_seconds: float | None = None, safety_margin_seconds: float | None = None
) -> ElectionSpec:
    return ElectionSpec(
        name=ElectionName("billing"),
        ttl_seconds=ttl_seconds,
        lost_grace_seconds=lost_grace_seconds,
        safety_margin_seconds=safety_margin_seconds,
    )


SECONDS = st.floats(min_value=0, max_value=1000)
ELECTIONS = st.builds(
    election,
    st.integers(min_value=1, max_value=2000),
    lost_grace_seconds=st.none() | SECONDS,
    safety_margin_seconds=st.none() | SECONDS,
)


def test_renewals_are_a_third_of_the_ttl_apart() -> None:
    assert timing.renew_every_seconds(9) == 3


def test_trust_counts_from_the_sending() -> None:
    assert timing.lease_deadline(Instant(100.0), 9) == Instant(109.0)
    assert timing.renew_deadline(Instant(100.0), 9) == Instant(106.0)
    assert timing.kill_by(Instant(109.0), 0.5) == 108.5


@pytest.mark.parametrize(("ttl_seconds", "margin_seconds"), [(2, 0.5), (10, 0.5), (20, 1.0), (60, 3.0)])
def test_the_default_margin_is_half_a_second_or_a_twentieth(ttl_seconds: int, margin_seconds: float) -> None:
    assert timing.safety_margin_seconds(election(ttl_seconds), ttl_seconds) == pytest.approx(margin_seconds)


def test_the_default_grace_is_what_the_ttl_leaves() -> None:
    assert timing.lost_grace_seconds(election(), 10) == pytest.approx(10 / 3 - 0.5)
    assert timing.lost_grace_seconds(election(safety_margin_seconds=1.0), 12) == pytest.approx(3)
    assert timing.lost_grace_seconds(election(safety_margin_seconds=9.0), 10) == 0


def test_what_the_election_says_wins() -> None:
    e = election(lost_grace_seconds=0.0, safety_margin_seconds=0.2)
    assert timing.lost_grace_seconds(e, 100) == 0
    assert timing.safety_margin_seconds(e, 100) == 0.2


def test_a_budget_that_fits_shows_its_sum() -> None:
    budget = timing.budget(election(lost_grace_seconds=2.0))
    assert budget.problem is None
    assert budget.remedy is None
    assert str(budget) == "2 x renew_every 3.333s + lost_grace 2s + safety_margin 0.5s = 9.167s of ttl 10s"


def test_a_budget_that_does_not_fit_says_the_sum_and_both_ways_out() -> None:
    budget = timing.budget(election(lost_grace_seconds=5.0))
    assert budget.problem == (
        "the ttl is too short for what it must hold: "
        "2 x renew_every 3.333s + lost_grace 5s + safety_margin 0.5s = 12.167s of ttl 10s, 2.167s too much"
    )
    assert budget.remedy == "raise ttl to 18s, or lower lost_grace to 2.833s"
    assert timing.budget(election(18, lost_grace_seconds=5.0)).problem is None
    assert timing.budget(election(17, lost_grace_seconds=5.0)).problem is not None
    assert timing.budget(election(lost_grace_seconds=2.833)).problem is None


def test_a_margin_that_takes_everything_is_refused_with_the_most_it_may_be() -> None:
    budget = timing.budget(election(safety_margin_seconds=4.0))
    assert budget.problem is not None
    assert budget.remedy == "raise ttl to 12s, or lower safety_margin to 3.333s"


@pytest.mark.parametrize("margin_seconds", [0.0, 0.049])
def test_a_margin_shorter_than_a_kill_is_refused(margin_seconds: float) -> None:
    budget = timing.budget(election(safety_margin_seconds=margin_seconds))
    assert budget.problem == f"safety_margin {margin_seconds:g}s is shorter than a kill may take: 0.05s"
    assert budget.remedy == "leave safety_margin out, or write 0.05s or more"


def test_the_granted_ttl_is_what_counts() -> None:
    asked = election(1)
    assert timing.budget(asked).problem is not None
    budget = timing.budget(asked, 2)
    assert budget.problem is None
    assert budget.granted
    assert str(budget).endswith("of ttl 2s as granted by etcd")
    shorter = timing.budget(election(10, lost_grace_seconds=2.0), 6)
    assert shorter.problem is not None
    assert "as granted by etcd" in shorter.problem


@given(ELECTIONS, st.none() | st.integers(min_value=1, max_value=5000))
def test_a_budget_without_a_problem_leaves_the_grace_before_the_kill(e: ElectionSpec, granted: int | None) -> None:
    budget = timing.budget(e, granted)
    sent = Instant(1000.0)
    deadline = timing.lease_deadline(sent, budget.ttl_seconds)
    kill_by = timing.kill_by(deadline, budget.safety_margin_seconds)
    room = kill_by - timing.renew_deadline(sent, budget.ttl_seconds)
    if budget.problem is None:
        assert room >= budget.lost_grace_seconds - 1e-5
        assert kill_by < deadline
        assert budget.remedy is None
    else:
        assert room < budget.lost_grace_seconds or budget.safety_margin_seconds < timing.SHORTEST_SAFETY_MARGIN_SECONDS
        assert budget.remedy


@given(ELECTIONS)
def test_the_suggested_ttl_fits_and_is_the_least(e: ElectionSpec) -> None:
    least = timing.least_ttl_seconds(e)
    assume(e.safety_margin_seconds is None or e.safety_margin_seconds >= timing.SHORTEST_SAFETY_MARGIN_SECONDS)
    if least:
        assert timing.budget(e, least).problem is None
    if least > 1:
        assert timing.budget(e, least - 1).problem is not None


def test_a_short_lease_is_renewed_often_enough_to_outlast_a_stall_of_etcd() -> None:
    for ttl in (14.0, 30.0, 60.0):
        assert timing.renewal_pause_seconds(ttl) == timing.renew_every_seconds(ttl)
    for ttl in (9.5, 10.0, 12.0, 13.5):
        left = 2 * timing.renew_every_seconds(ttl) - timing.renewal_pause_seconds(ttl)
        assert left >= timing.ETCD_STALL_SECONDS - 1e-9
    assert timing.renewal_pause_seconds(5) == pytest.approx(5 / 6)
    assert timing.renewal_pause_seconds(2) == pytest.approx(2 / 6)
