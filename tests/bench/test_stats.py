"""Medians, spreads and ratios, by hand and by property."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.harness import stats
from bench.harness.wait import NotSeenError, turns, until

SERIES = st.lists(st.floats(min_value=0.001, max_value=1e6), min_size=1, max_size=50)


def test_a_summary_by_hand() -> None:
    found = stats.summary([5.0, 1.0, 4.0, 2.0, 3.0])
    assert (found.count, found.median, found.low, found.high) == (5, 3.0, 1.0, 5.0)
    assert (found.p10, found.p90) == (1.0, 5.0)


def test_the_median_of_an_even_number_lies_between() -> None:
    assert stats.summary([1.0, 2.0]).median == 1.5


def test_one_outlier_moves_neither_median_nor_p90() -> None:
    calm = [10.0] * 20
    assert stats.summary([*calm, 9999.0]).median == 10.0
    assert stats.summary([*calm, 9999.0]).p90 == 10.0
    assert stats.summary([*calm, 9999.0]).high == 9999.0


def test_nothing_measured_is_no_summary() -> None:
    with pytest.raises(ValueError, match="no samples"):
        stats.summary([])


@given(SERIES)
def test_a_summary_is_in_order(samples: list[float]) -> None:
    found = stats.summary(samples)
    assert found.low <= found.p10 <= found.median <= found.high
    assert found.p10 <= found.p90 <= found.high


@given(SERIES, SERIES)
def test_a_ratio_is_within_its_interval_of_whole_series_and_the_same_every_time(
    ours: list[float], theirs: list[float]
) -> None:
    found = stats.ratio(ours, theirs)
    assert found == stats.ratio(ours, theirs)
    assert found.low <= found.high
    assert min(ours) / max(theirs) <= found.value * (1 + 1e-9)
    assert found.value <= max(ours) / min(theirs) * (1 + 1e-9)


def test_a_ratio_of_steady_series_has_no_spread() -> None:
    assert stats.ratio([2.0] * 5, [4.0] * 5) == stats.Ratio(value=0.5, low=0.5, high=0.5)


def test_zero_divided() -> None:
    assert stats.ratio([0.0], [0.0]).value == 1.0
    assert stats.ratio([1.0], [0.0]).value == float("inf")


def test_everybody_has_a_turn_in_each_round_and_another_begins_each() -> None:
    taken = list(turns(["a", "b", "c"], 4))
    assert [number for number, _ in taken] == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    assert all(sorted(side for n, side in taken if n == number) == ["a", "b", "c"] for number in range(4))
    assert [next(side for n, side in taken if n == number) for number in range(4)] == ["a", "b", "c", "a"]


def test_what_does_not_come_is_named() -> None:
    with pytest.raises(NotSeenError, match="a miracle"):
        until("a miracle", lambda: False, seconds=0.01)
