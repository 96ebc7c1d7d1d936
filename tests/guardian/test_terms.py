"""kill-by only moves later, and a struck term stays struck."""

from hypothesis import given
from hypothesis import strategies as st

from supervisor.guardian.protocol import Arm
from supervisor.guardian.terms import Terms


def arm(terms: Terms, *, lease: int, lease_deadline: float, margin_seconds: float) -> Arm:
    order = Arm(
        term="a#1", lease=lease, lease_deadline=lease_deadline, margin_seconds=margin_seconds, candidate_key="/n/a/1",
        token=1, record_key="/n.log/a/1", stopped_record="{}",
    )  # fmt: skip
    terms.arm(order)
    return order


@given(st.lists(st.floats(0, 1000), min_size=1), st.floats(0, 10))
def test_kill_by_is_the_latest_deadline_less_the_margin(deadlines: list[float], margin: float) -> None:
    terms = Terms()
    arm(terms, lease=1, lease_deadline=deadlines[0], margin_seconds=margin)
    for deadline in deadlines:
        terms.extend(1, deadline)
        terms.extend(2, 2000.0)  # another lease changes nothing
    assert terms.kill_by("a#1") == max(deadlines) - margin


def test_what_was_struck_stays_struck() -> None:
    terms = Terms()
    arm(terms, lease=1, lease_deadline=10.0, margin_seconds=1.0)
    assert terms.strike(8.9) == []
    assert terms.refusal("a#1", 8.9) is None
    assert terms.strike(9.5) == [("a#1", 0.5)]
    terms.extend(1, 100.0)
    arm(terms, lease=1, lease_deadline=100.0, margin_seconds=1.0)
    assert terms.refusal("a#1", 9.6) is not None
    assert terms.strike(9.6) == []
    terms.disarm("a#1", 9.7)
    arm(terms, lease=1, lease_deadline=100.0, margin_seconds=1.0)
    assert terms.refusal("a#1", 9.7) is None


def test_leases_are_forgotten_after_their_deadline_unless_a_term_needs_them() -> None:
    terms = Terms()
    arm(terms, lease=1, lease_deadline=10.0, margin_seconds=1.0)
    terms.extend(2, 20.0)
    assert terms.leases(5.0) == {1: 10.0, 2: 20.0}
    assert terms.leases(15.0) == {2: 20.0}
    assert terms.kill_by("a#1") == 9.0
    assert terms.leases(25.0) == {}


def test_a_term_is_to_be_ended_until_its_daemon_has_had_time_to_do_so() -> None:
    terms = Terms()
    order = arm(terms, lease=1, lease_deadline=10.0, margin_seconds=1.0)
    assert terms.endings(1, 5.0) == [order]
    assert terms.endings(2, 5.0) == []
    terms.disarm("a#1", 5.0)
    assert terms.endings(1, 6.0) == [order]
    assert terms.endings(1, 11.0) == []
