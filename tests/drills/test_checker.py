"""The judge is judged first: what it must find, and what it must refuse."""

import pytest

from tests.drills.checker import BadBeatsError, NothingRecordedError, Record, read

S = 1_000_000_000


def lines(*beats: tuple[str, int, float, int]) -> str:
    """Beats of ``job``: node, token, seconds, pid."""
    return "".join(f"job {node} {token} {int(at * S)} {pid} beat\n" for node, token, at, pid in beats)


CLEAN = lines(("a", 1, 10.0, 7), ("a", 1, 10.5, 7), ("b", 2, 12.0, 8), ("b", 2, 13.0, 8))


def test_terms_that_follow_each_other_do_not_overlap_and_leave_a_gap() -> None:
    record = read(CLEAN)
    assert record.overlaps() == []
    assert record.disorder() == []
    assert [(g.before, g.after, g.seconds) for g in record.gaps("job")] == [(1, 2, 1.5)]
    assert [(t.token, t.beats) for t in record.terms("job")] == [(1, 2), (2, 2)]


def test_the_exact_length_of_an_overlap() -> None:
    record = read(lines(("a", 1, 10.0, 7), ("b", 2, 11.0, 8), ("a", 1, 11.25, 7), ("b", 2, 12.0, 8)))
    assert [o.seconds for o in record.overlaps()] == [0.25]
    assert record.gaps("job")[0].seconds == -0.25


def test_one_beat_within_another_term_is_an_overlap() -> None:
    record = read(lines(("a", 1, 10.0, 7), ("b", 2, 11.0, 8), ("a", 1, 12.0, 7)))
    assert len(record.overlaps()) == 1
    assert record.overlaps()[0].seconds == 0


def test_beats_at_the_same_nanosecond_overlap() -> None:
    assert read(lines(("a", 1, 10.0, 7), ("b", 2, 10.0, 8))).overlaps()


def test_a_frozen_process_that_beats_once_more_spans_everything_between() -> None:
    record = read(lines(("a", 1, 10.0, 7), ("b", 2, 15.0, 8), ("b", 2, 19.0, 8), ("a", 1, 20.0, 7)))
    assert [o.seconds for o in record.overlaps()] == [4.0]


def test_every_pair_counts_however_many_terms_lie_between() -> None:
    record = read(
        lines(
            ("a", 1, 10.0, 7), ("b", 2, 11.0, 8), ("b", 2, 12.0, 8), ("c", 3, 13.0, 9), ("c", 3, 14.0, 9),
            ("a", 1, 15.0, 7),
        )
    )  # fmt: skip
    assert sorted(o.seconds for o in record.overlaps()) == [1.0, 1.0]


def test_processes_of_one_term_may_run_together() -> None:
    assert read(lines(("a", 1, 10.0, 7), ("a", 1, 10.1, 8), ("a", 1, 11.0, 7), ("a", 1, 11.1, 8))).overlaps() == []


def test_one_token_on_two_nodes_is_found_twice() -> None:
    record = read(lines(("a", 1, 10.0, 7), ("b", 1, 11.0, 8), ("a", 1, 12.0, 7)))
    assert len(record.overlaps()) == 1
    assert "both a and b" in record.disorder()[0]


def test_a_node_overlapping_its_own_next_term_is_found() -> None:
    assert read(lines(("a", 1, 10.0, 7), ("a", 2, 11.0, 8), ("a", 1, 12.0, 7))).overlaps()


def test_falling_tokens_are_found() -> None:
    record = read(lines(("a", 2, 10.0, 7), ("b", 1, 11.0, 8)))
    assert record.overlaps() == []
    assert record.disorder() == ["job: token 1 of b began after token 2"]


def test_elections_are_judged_apart() -> None:
    text = CLEAN + f"other c 9 {11 * S} 20 start\nother c 9 {14 * S} 20 beat\n"
    assert read(text).overlaps() == []
    assert read(text).elections == ("job", "other")


def test_silence_is_the_longest_stretch_without_a_beat_edges_included() -> None:
    record = read(CLEAN)
    assert record.silence("job", 10 * S, 13 * S) == 1.5
    assert record.silence("job", 10 * S, 20 * S) == 7
    assert record.silence("job", 7 * S, 13 * S) == 3
    assert record.silence("nobody", 7 * S, 13 * S) == 6


def test_overlaps_of_the_past_can_be_left_out() -> None:
    record = read(lines(("a", 1, 10.0, 7), ("b", 2, 11.0, 8), ("a", 1, 11.25, 7), ("b", 2, 12.0, 8)))
    assert record.overlaps(since=11 * S)
    assert not record.overlaps(since=12 * S)


def test_text_may_come_in_any_pieces() -> None:
    record = Record()
    for letter in CLEAN:
        record.feed(letter)
    record.finish()
    assert [str(t) for t in record.terms("job")] == [str(t) for t in read(CLEAN).terms("job")]


def test_the_latest_process_is_the_newest_of_the_highest_token() -> None:
    latest = read(CLEAN + lines(("b", 2, 14.0, 9))).latest("job")
    assert latest is not None
    assert (latest.node, latest.pid) == ("b", 9)
    assert read(CLEAN).latest("nobody") is None


def test_nothing_recorded_is_a_failure() -> None:
    with pytest.raises(NothingRecordedError):
        read("")


@pytest.mark.parametrize(
    "text",
    [
        "job a 1 10 7 beat",  # the end of the line is missing
        "job a 1 10 7\n",
        "job a 1 10 7 beat more\n",
        "job a one 10 7 beat\n",
        "job a -1 10 7 beat\n",
        "job a 1 1.5 7 beat\n",
        "job a 1 10 7 breath\n",
        "job a 1 10 7 beatjob a 1 10 7 beat\n",
        " a 1 10 7 beat\n",
        "\n",
        "job a 1 10 7 beat\njob a 1 9 7 beat\n",  # time runs backwards
        "\0\0\0\0\n",
    ],
)
def test_a_record_that_cannot_be_read_is_a_failure(text: str) -> None:
    with pytest.raises(BadBeatsError):
        read(text)


def test_mending_a_record_is_not_possible_by_feeding_more() -> None:
    record = Record()
    record.feed("job a 1 10 7 be")
    with pytest.raises(BadBeatsError):
        record.finish()
