"""What is told of movements: as events, in the record of terms, and of a term that is led on after all."""

from supervisor.core import events as ev
from supervisor.core import happenings, planning, records
from supervisor.core.kinds import Kind
from supervisor.core.names import ElectionName, NodeName
from supervisor.core.requests import FLEET, drain_path, drained_now, pause_path, paused_now
from supervisor.core.state import ElectionPhase
from supervisor.daemon import ledger as ledger_file
from tests.core.test_handover import JOB, begin, fleet, slow_to_stop, switch
from tests.core.test_handover import token as token_of
from tests.core.world import World, election, pass_time, share, spec

MOVEMENTS = frozenset({
    Kind.PAUSED, Kind.RESUMED, Kind.DRAINED, Kind.UNDRAINED, Kind.SWITCHOVER, Kind.HANDING_OVER, Kind.HANDOVER_FAILED,
    Kind.WITHHELD, Kind.TERM_GOES_ON, Kind.TERM_WON, Kind.TERM_ENDING, Kind.TERM_ENDED,
})  # fmt: skip


def told(world: World) -> list[str]:
    return [str(h.facts.get("stage", h.kind)) for h in world.happened if h.kind in MOVEMENTS]


def sentences(world: World) -> str:
    return "\n".join(map(happenings.in_words, world.happened))


def test_a_switchover_is_told_of_by_everybody_who_sees_it_and_is_the_cause_of_both_terms() -> None:
    worlds = fleet("one", "two", "three")
    switch(worlds, "three")
    mine = ["term-won", "asked", "handing-over", "accepted", "term-ending", "done", "term-ended"]
    assert sorted(told(worlds[0])) == sorted(mine)
    assert "done" in told(worlds[1])
    assert "job: one has handed over to three: its token is" in sentences(worlds[1])
    assert "job: a switchover to three is asked for by a test" in sentences(worlds[0])
    (ended,) = [r for t, r in worlds[0].store.records["job"].items() if t != token_of(worlds[2])]
    assert records.fields(ended)["cause"] == "switchover to three, asked for by a test"
    [won] = [h for h in worlds[2].happened if h.kind is Kind.TERM_WON]
    assert "of one: switchover to three, asked for by a test" in str(won.facts["why"])


def test_a_handover_that_comes_to_nothing_is_no_end_and_no_new_term() -> None:
    worlds = fleet("one", "two")
    slow_to_stop(worlds)
    won = worlds[0].state.elections[JOB].won_at
    turns = []
    begin(worlds, "two")
    assert worlds[0].phase() is ElectionPhase.STEPPING_DOWN
    worlds[1].post(ev.ShutdownRequested(reason="bad luck"))
    share(*worlds)
    while worlds[0].phase() is not ElectionPhase.LEADING:
        before = worlds[0].state
        pass_time(0.1, worlds[0])
        was, now = before.elections[JOB], worlds[0].state.elections[JOB]
        turns += list(ledger_file.turns(before, was, now, worlds[0].state))
    assert told(worlds[0]).count("term-won") == 1
    assert "term-ended" not in told(worlds[0])
    assert "term-goes-on" in told(worlds[0])
    assert "handover-failed" in told(worlds[0])
    assert "this node leads on" in sentences(worlds[0])
    assert "aborted" in told(worlds[0])
    e = worlds[0].state.elections[JOB]
    assert (e.won_at, e.lost_at) == (won, None)
    assert "leads on: two has left the queue" in e.cause
    assert {"token": e.create_revision, "mark": "started", "lost": "", "cause": ""} in turns
    assert not any(turn.get("mark") == "stopped" for turn in turns)


def test_pauses_and_drains_are_told_of_once() -> None:
    worlds = fleet("one", "two")
    worlds[0].store.ask(pause_path(FLEET), paused_now("me", 1.6e9))
    share(*worlds)
    worlds[0].store.ask(pause_path(ElectionName("job")), paused_now("", 1.6e9))
    share(*worlds)
    assert "the fleet: PAUSED by me: nobody moves" in sentences(worlds[1])
    assert "job: PAUSED by somebody" in sentences(worlds[1])
    for path in (pause_path(FLEET), pause_path(ElectionName("job"))):
        worlds[0].store.ask(path, None)
    share(*worlds)
    assert told(worlds[1]).count("resumed") == 2
    worlds[0].store.ask(drain_path(NodeName("one")), drained_now("me", 1.6e9, followers_stop=False, force=False))
    share(*worlds)
    pass_time(3.0, *worlds)
    worlds[0].store.ask(drain_path(NodeName("one")), None)
    share(*worlds)
    for world in worlds:
        assert (told(world).count("drained"), told(world).count("undrained")) == (1, 1)
    assert "one is DRAINED by me: it leads nothing from now on" in sentences(worlds[1])
    assert "hands over to two (token" in sentences(worlds[0])


def test_who_takes_no_office_says_why() -> None:
    worlds = fleet("one", "two")
    worlds[0].store.ask(pause_path(FLEET), paused_now("me", 1.6e9))
    share(*worlds)
    worlds[0].post(ev.ShutdownRequested(reason="it ends"))
    share(*worlds)
    pass_time(1.0, *worlds)
    assert "job: this node is first and takes no office: nobody moves: it is paused" in sentences(worlds[1])


def test_a_plan_says_that_a_pause_holds_it_and_whom_a_priority_lets_take_over() -> None:
    worlds = fleet("one", "two", desired=spec(election(priority=10)))
    assert not planning.plan(worlds[0].state, spec(election(priority=20))).notes
    (note,) = planning.plan(worlds[0].state, spec(election(priority=5))).notes
    assert "job: two has the higher priority then (10)" in note
    assert "60 s old, it is handed the office" in note
    worlds[0].store.ask(pause_path(FLEET), paused_now("me", 1.6e9))
    share(*worlds)
    (note,) = planning.plan(worlds[0].state, spec(election(priority=10, ttl_seconds=20))).notes
    assert "job is paused: this node leads on as it is until `supervisor resume`" in note
    worlds[0].store.ask(drain_path(NodeName("one")), drained_now("me", 1.6e9, followers_stop=False, force=False))
    share(*worlds)
    assert any(
        "this node is drained" in note for note in planning.plan(worlds[0].state, spec(election(priority=10))).notes
    )
