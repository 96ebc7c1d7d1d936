"""The ledger of terms: what is written of each, when, and how a gap is known."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.core import actions as ac
from supervisor.core import history, ledger
from supervisor.core import operator_events as oev
from supervisor.core.evolve import replace
from supervisor.core.history import Page, Standing, Story
from supervisor.core.names import ElectionName, Token
from supervisor.core.state import ElectionPhase
from tests.core.world import FakeStore, World, election, pass_time, share, spec

JOB = ElectionName("job")


def told(store: FakeStore) -> tuple[Story, ...]:
    """The history of the store."""
    began, records = store.ledger.get("job", {}), store.records.get("job", {})
    pages = (Page(token=t, began=began.get(t, b""), record=records.get(t, b"")) for t in {*began, *records})
    return history.stories(pages)


def pair(*, stubborn: bool = False) -> tuple[World, World]:
    """One leads, two waits."""
    store = FakeStore()
    one, two = World(name="one", store=store, stubborn=stubborn), World(name="two", store=store, next_lease=0x2000)
    for world in (one, two):
        world.load(spec(election()))
        share(one, two)
    return one, two


def test_nothing_is_written_before_the_term_has_been_ready_for_a_while() -> None:
    world = World()
    world.load(spec(election()))
    assert world.running() == ["job/work"]
    world.advance(ledger.CALM_SECONDS - 0.1)
    assert not world.store.ledger
    world.advance(0.1)
    (first,) = told(world.store)
    assert first.standing is Standing.LEADING
    assert (first.node, first.why_begun, first.gap_seconds) == ("one", "no earlier term is known", None)
    assert first.won
    assert first.ready
    assert not first.ended


def test_an_etcd_that_is_slow_is_not_troubled_until_it_answers_again() -> None:
    """A write more, and then again, made a look at our keys late enough to cost the term (an fsync of 2 s)."""
    world = World()
    world.load(spec(election()))
    world.advance(ledger.CALM_SECONDS - 0.1)
    (ttl, session), *_ = world.state.sessions.items()
    slow = replace(session, sight_seconds=ledger.CALM_ANSWER_SECONDS)
    world.state = replace(world.state, sessions={ttl: slow})
    world.advance(0.1)
    assert not any("< Chronicle" in line for line in world.log)
    world.advance(ledger.RETRY_SECONDS)
    assert len(told(world.store)) == 1, "the looks since then were answered at once"


def test_a_willing_end_is_whole_and_its_gap_is_the_sum_of_two_spans() -> None:
    one, two = pair(stubborn=True)  # it stops when it is killed, after its stop timeout
    pass_time(5.0, one, two)
    one.post(oev.ResignRequested(election=JOB))
    pass_time(40.0, one, two)
    newest, before = told(two.store)[:2]
    assert two.phase() is ElectionPhase.LEADING
    assert before.standing is Standing.ENDED
    assert before.why_ended == "resigned by an operator"
    assert newest.why_begun == f"after term {before.token} of one: resigned by an operator"
    assert newest.gap_by == "two-spans"
    assert newest.gap_seconds == pytest.approx(one.process().spec.stop.timeout_seconds, abs=0.2)
    assert before.lost < before.ended <= newest.ready


def test_our_own_last_term_is_measured_by_one_clock() -> None:
    world = World()
    world.load(spec(election()))
    world.advance(5.0)
    world.post(oev.ResignRequested(election=JOB))
    world.advance(5.0)
    newest, before = told(world.store)
    assert newest.gap_by == "one-clock"
    assert newest.gap_seconds == pytest.approx(0.0, abs=1.0)
    assert all((before.ready, before.lost, before.ended))


def test_of_one_that_left_no_word_the_gap_counts_from_its_keys_end() -> None:
    one, two = pair()
    pass_time(5.0, one, two)
    two.store.end_lease(one.state.elections[JOB].lease)  # type: ignore[arg-type] # it has one
    share(two)  # and one hears of nothing any more: its machine is dead
    two.advance(30.0)
    assert two.phase() is ElectionPhase.LEADING
    newest, before = told(two.store)
    assert (newest.gap_by, before.standing) == ("key-gone", Standing.SILENT)
    assert "left no word" in newest.why_begun
    assert newest.gap_seconds == pytest.approx(9.75, abs=0.5)  # it waited the guard out


def test_a_failure_is_tried_again_a_few_times_and_harms_nothing() -> None:
    world = World()
    world.failing.add(ac.Chronicle)
    world.load(spec(election()))
    world.advance(200.0)
    assert sum("< Chronicle" in line for line in world.log) == ledger.MOST_TRIES
    assert world.running() == ["job/work"]


def test_history_off_writes_nothing() -> None:
    world = World()
    world.load(spec(election(history=0)))
    world.advance(20.0)
    assert not world.store.ledger


def test_what_an_older_version_wrote_is_a_term_with_less_to_tell() -> None:
    old = {"v": 1, "mark": "stopped", "node": "web-1", "since": "2026-01-01T00:00:00Z", "cause": "the daemon died"}
    (story,) = history.stories([Page(token=Token(7), record=json.dumps(old).encode())])
    assert (story.node, story.won, story.why_ended) == ("web-1", "2026-01-01T00:00:00Z", "the daemon died")
    assert (story.ready, story.gap_seconds) == ("", None)


def test_percentiles_say_how_many_gaps_are_sure() -> None:
    pages = [
        Page(token=Token(n), began=json.dumps({"gap": n / 100, "gap_by": by}).encode())
        for n, by in zip(range(1, 101), ["one-clock", "key-gone"] * 50, strict=True)
    ]
    found = history.gaps(history.stories(pages))
    assert (found.count, found.sure, found.p50, found.p90, found.p99, found.most) == (100, 50, 0.5, 0.9, 0.99, 1.0)
    assert history.gaps(()).most is None


@given(st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=9),
    lambda inner: st.dictionaries(st.sampled_from(["gap", "gap_by", "mark", "won", "node", "cause", "why"]), inner),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_nonsense_is_no_error(value: bytes) -> None:
    for story in history.stories([Page(token=Token(3), began=value, record=value)]):
        assert json.dumps(story.gap_seconds) != "NaN"
