"""What a drill concludes from beats: by records that were made up, bad ones above all."""

import pytest

from supervisor.core.drill import (
    HERE,
    NANOSECONDS,
    BadBeatsError,
    Beats,
    Kind,
    Ping,
    Round,
    Span,
    Strike,
    Term,
    Verdict,
    hull,
    judge,
    offset,
    sentence,
)

MS = NANOSECONDS // 1000
STRIKE = Strike(kind=Kind.KILL, node="a", token=10, at=5_000 * MS)


def term(
    node: str, token: int, first: int, last: int, *, gone: int | None = None, machine: str = HERE, longest: int = 5
) -> Term:
    """All times in milliseconds."""
    return Term(
        node=node,
        machine=machine,
        token=token,
        first=first * MS,
        last=last * MS,
        beats=1 + (last - first) // 4,
        longest=longest * MS,
        gone=None if gone is None else gone * MS,
    )


def span(least: int, most: int) -> Span:
    return Span(least=least * MS, most=most * MS)


STRUCK = term("a", 10, 1_000, 5_010, gone=5_012)


def test_a_good_round_has_overlap_0_and_its_gap() -> None:
    done = judge(STRIKE, [STRUCK, term("b", 12, 5_060, 6_000)], {})
    assert (done.verdict, done.why) == (Verdict.PASSED, "")
    assert done.overlap == span(0, 0)
    assert done.gap == span(48, 50)
    assert done.stopped == span(10, 12)
    assert done.taken == span(60, 60)
    assert (done.next_node, done.next_token) == ("b", 12)
    assert sentence([done]) == "kill, 1 round: overlap 0, gap 0.050 s"


def test_a_deliberate_overlap_is_found_and_measured() -> None:
    done = judge(STRIKE, [term("a", 10, 1_000, 5_400, gone=5_405), term("b", 12, 5_060, 6_000)], {})
    assert done.verdict is Verdict.FAILED
    assert done.overlap == span(340, 345)
    assert "for 0.340 s" in done.why
    assert sentence([done]).startswith("kill, 1 round: overlap 0.340 s")


def test_an_overlap_of_two_others_is_found_too() -> None:
    terms = [STRUCK, term("b", 12, 5_060, 6_000, gone=6_003), term("c", 14, 5_900, 7_000)]
    assert judge(STRIKE, terms, {}).verdict is Verdict.FAILED


def test_an_old_term_that_lives_on_is_found() -> None:
    terms = [term("c", 8, 100, 6_000), STRUCK, term("b", 12, 5_060, 6_000)]
    assert judge(STRIKE, terms, {}).verdict is Verdict.FAILED


def test_terms_that_were_over_before_are_of_no_concern() -> None:
    old = [term("c", 6, 100, 500, gone=505), term("b", 7, 400, 600, gone=605)]
    done = judge(STRIKE, [*old, STRUCK, term("b", 12, 5_060, 6_000)], {})
    assert done.verdict is Verdict.PASSED
    assert set(done.terms) == {STRUCK, term("b", 12, 5_060, 6_000)}


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ([], "nothing was recorded"),
        ([term("b", 12, 5_060, 6_000)], "nothing was recorded"),
        ([term("a", 10, 5_001, 5_010)], "nothing was recorded"),
        ([STRUCK], "nobody took over"),
        ([STRUCK, term("b", 12, 5_060, 6_000, machine="far")], "never compared"),
        ([STRUCK, term("b", 10, 5_060, 6_000), term("c", 12, 6_100, 6_200)], "the same token"),
        ([STRUCK, term("b", 14, 5_060, 5_070, gone=5_071), term("c", 12, 6_100, 6_200)], "began after token 14"),
    ],
)
def test_what_proves_nothing_has_failed(terms: list[Term], why: str) -> None:
    done = judge(STRIKE, terms, {})
    assert done.verdict is Verdict.FAILED
    assert why in done.why


def test_a_drill_without_rounds_has_failed() -> None:
    assert "nothing was recorded" in sentence([])


def test_an_end_that_was_not_seen_in_time_is_not_proven() -> None:
    done = judge(STRIKE, [term("a", 10, 1_000, 5_050, gone=5_065), term("b", 12, 5_060, 6_000)], {})
    assert done.verdict is Verdict.UNSURE
    assert done.overlap == span(0, 5)
    assert done.gap == span(0, 10)
    assert sentence([done]).startswith("kill, 1 round: overlap between 0 and 0.005 s")


def test_without_sight_of_the_end_the_next_beat_could_have_come() -> None:
    heir = term("b", 12, 5_060, 6_000)
    assert judge(STRIKE, [term("a", 10, 1_000, 5_010, longest=40), heir], {}).verdict is Verdict.PASSED
    assert judge(STRIKE, [term("a", 10, 1_000, 5_010, longest=70), heir], {}).verdict is Verdict.UNSURE


def test_another_clock_is_brought_to_ours_with_what_is_not_known_of_it() -> None:
    heir = term("b", 12, 905_060, 906_000, machine="far")
    done = judge(STRIKE, [STRUCK, heir], {"far": span(899_990, 900_005)})
    assert done.verdict is Verdict.PASSED
    assert done.gap == span(43, 60)
    assert done.taken == span(55, 70)
    assert judge(STRIKE, [STRUCK, heir], {"far": span(899_900, 900_100)}).verdict is Verdict.UNSURE
    assert judge(STRIKE, [STRUCK, heir], {"far": span(900_100, 900_110)}).verdict is Verdict.FAILED


def test_two_terms_on_one_far_clock_are_compared_exactly() -> None:
    vague = {"far": span(0, 2_000)}
    terms = [
        STRUCK,
        term("b", 12, 8_000, 9_000, gone=9_001, machine="far"),
        term("b", 14, 9_005, 9_500, machine="far"),
    ]
    assert judge(STRIKE, terms, vague).overlap == span(0, 0)


def test_a_clock_is_known_by_the_quickest_of_its_answers() -> None:
    def ping(sent: int, at: int, heard: int) -> Ping:
        return Ping(sent=sent, at=at, heard=heard)

    assert offset([]) is None
    assert offset([ping(100, 1_004, 110)]) == Span(least=894, most=904)
    assert offset([ping(100, 1_004, 110), ping(200, 1_101, 202)]) == Span(least=899, most=901)
    # Contradictions: a clock was stepped between the two. All that either says is possible.
    assert offset([ping(100, 1_004, 110), ping(200, 1_181, 202)]) == Span(least=894, most=981)
    assert hull(Span(least=1, most=3), Span(least=2, most=9)) == Span(least=1, most=9)


def test_beats_are_read_wherever_the_text_was_cut() -> None:
    beats = Beats(HERE)
    beats.feed("a.drill 10 1000 77\na.drill 10 10")
    beats.feed("40 77\na.drill 12 2000 78\n")
    first, second = beats.terms
    assert (first.node, first.token, first.first, first.last, first.beats, first.longest) == (
        "a.drill",
        10,
        1000,
        1040,
        2,
        40,
    )
    assert beats.living() == (78, second)
    beats.gone(78, 2010)
    beats.gone(77, 1041)
    assert [t.gone for t in beats.terms] == [1041, 2010]
    assert beats.living() is None


@pytest.mark.parametrize(
    "line", ["", "a 1 2", "a 1 2 3 4", "a x 2 3", "a 1 -2 3", " 1 2 3", "a 1 2 3\na 1 1 3", "\x1b[2J"]
)
def test_a_line_that_is_no_beat_spoils_the_record(line: str) -> None:
    with pytest.raises(BadBeatsError):
        Beats(HERE).feed(f"{line}\n")


def test_the_sentence_tells_every_kind_and_the_worst_of_each() -> None:
    good = judge(STRIKE, [STRUCK, term("b", 12, 5_060, 6_000)], {})
    frozen = Strike(kind=Kind.FREEZE, node="a", token=10, at=5_000 * MS)
    slow = judge(frozen, [STRUCK, term("b", 12, 5_260, 6_000)], {})
    lost = Round(strike=frozen, verdict=Verdict.FAILED, why="nobody took over")
    assert sentence([good, slow, lost]) == (
        "kill, 1 round: overlap 0, gap 0.050 s; freeze, 2 rounds: overlap 0, gap 0.250 s, 1 FAILED: nobody took over"
    )
