"""Pauses, drains and priorities: who may move, who must, who would rather."""

import json
from dataclasses import replace

import pytest

from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core.names import ElectionName, NodeName, Role
from supervisor.core.operator_events import ResignRequested
from supervisor.core.requests import Stage, drain_path, drained_now, pause_path, paused_now
from supervisor.core.spec import RestartPolicy, RestartSpec, Spec
from supervisor.core.state import ElectionPhase
from tests.core.test_handover import JOB, READY, fleet, leaders, named, switch, token
from tests.core.world import FakeStore, World, election, pass_time, process, share, spec

NEVER = RestartSpec(policy=RestartPolicy.NEVER)


def ask(worlds: list[World], path: str, value: bytes | None) -> None:
    worlds[0].store.ask(path, value)
    share(*worlds)


def pause(worlds: list[World], name: str = "") -> None:
    ask(worlds, pause_path(ElectionName(name)), paused_now("a test", 1.6e9))


def resume(worlds: list[World], name: str = "") -> None:
    ask(worlds, pause_path(ElectionName(name)), None)


def drain(worlds: list[World], node: str, *, force: bool = False, followers_stop: bool = False) -> None:
    value = drained_now("a test", 1.6e9, followers_stop=followers_stop, force=force)
    ask(worlds, drain_path(NodeName(node)), value)


def undrain(worlds: list[World], node: str) -> None:
    ask(worlds, drain_path(NodeName(node)), None)


def said(world: World, key: str) -> object:
    (mine,) = [c for c in world.store.keys["job"] if c.lease == world.state.elections[JOB].lease]
    return json.loads(mine.value).get(key)


# --- pause ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "job"])
def test_while_paused_nobody_moves_and_everybody_says_so(name: str) -> None:
    worlds = fleet("one", "two")
    pause(worlds, name)
    pass_time(1.5, *worlds)
    assert [said(w, "paused") for w in worlds] == [True, True]
    before = token(worlds[0])
    worlds[0].post(ResignRequested(election=JOB))
    assert switch(worlds, "two").stage is Stage.REFUSED
    drain(worlds, "one")
    worlds[0].load(named(spec(election(ttl_seconds=12)), "one"))
    pass_time(30.0, *worlds, slice_seconds=0.5)
    assert leaders(worlds) == ["one"]
    assert token(worlds[0]) == before
    undrain(worlds, "one")
    resume(worlds, name)
    pass_time(5.0, *worlds)
    assert token(worlds[0]) != before, "what the file changes is done now"
    assert leaders(worlds) == ["two"]


def test_a_leader_that_dies_while_paused_is_not_replaced_before_the_pause_ends() -> None:
    worlds = fleet("one", "two", "three")
    pause(worlds)
    worlds[0].post(ev.ShutdownRequested(reason="it dies"))
    share(*worlds)
    pass_time(60.0, *worlds[1:], slice_seconds=0.5)
    assert leaders(worlds[1:]) == []
    assert worlds[1].phase() is ElectionPhase.FOLLOWING
    assert worlds[1].state.elections[JOB].withheld == "nobody moves: it is paused"
    resume(worlds[1:])
    assert leaders(worlds[1:]) == ["two"], "the first in the queue, at once"
    assert worlds[1].running() == ["job/work"]


def test_a_pause_beats_no_promise_a_lost_lease_still_ends_the_term() -> None:
    worlds = fleet("one", "two")
    pause(worlds)
    worlds[0].muted |= {ac.Renew, ac.ConfirmKeys}
    pass_time(15.0, *worlds)
    assert worlds[0].running() == []
    assert leaders(worlds) == []
    worlds[0].release()
    pass_time(5.0, *worlds)
    assert leaders(worlds) == [], "not even who led before"
    resume(worlds)
    pass_time(1.0, *worlds)
    assert leaders(worlds) == ["two"]


def test_a_process_that_gives_up_while_paused_moves_nobody_before_the_pause_ends() -> None:
    worlds = fleet("one", "two", desired=spec(election(leader=(process("work", restart=NEVER),))))
    pause(worlds)
    worlds[0].crash("job/work")
    pass_time(20.0, *worlds, slice_seconds=0.5)
    assert leaders(worlds) == ["one"]
    resume(worlds)
    pass_time(1.0, *worlds)
    assert leaders(worlds) == ["two"]


def test_a_handover_that_had_begun_ends_as_it_would_have() -> None:
    worlds = fleet("one", "two")
    for child in worlds[0].children.values():
        child.obeys = False
    before = token(worlds[0])
    from tests.core.test_handover import begin

    begin(worlds, "two")
    assert worlds[0].phase() is ElectionPhase.STEPPING_DOWN
    pause(worlds)
    worlds[1].post(ev.ShutdownRequested(reason="bad luck"))
    share(*worlds)
    pass_time(12.0, worlds[0])
    assert worlds[0].phase() is ElectionPhase.LEADING, "it never gave the office up, so it begins none"
    assert token(worlds[0]) == before


# --- drain ------------------------------------------------------------------------------------------------------------


def two_jobs() -> Spec:
    standby = process("standby", role=Role.FOLLOWER)
    other = election("other", leader=(process("more", election="other"),))
    return spec(election(follower=(standby,)), other)


def test_a_drained_node_hands_everything_over_and_stands_for_nothing() -> None:
    worlds = fleet("one", "two", "three", desired=two_jobs())
    pass_time(2.0, *worlds)
    drain(worlds, "one")
    pass_time(3.0, *worlds)
    assert leaders(worlds) == ["two"]
    assert worlds[1].phase("other") is ElectionPhase.LEADING
    assert worlds[0].phase() is worlds[0].phase("other") is ElectionPhase.DETACHED
    assert len(worlds[0].store.keys["job"]) == 2
    assert worlds[0].running() == ["job/standby"], "its follower role goes on"
    pass_time(60.0, *worlds, slice_seconds=0.5)
    assert worlds[0].phase() is ElectionPhase.DETACHED
    undrain(worlds, "one")
    pass_time(1.0, *worlds)
    assert worlds[0].phase() is ElectionPhase.FOLLOWING


def test_followers_stop_where_that_was_asked_for() -> None:
    worlds = fleet("one", "two", desired=two_jobs())
    pass_time(2.0, *worlds)
    drain(worlds, "two", followers_stop=True)
    pass_time(3.0, *worlds)
    assert worlds[1].running() == []
    undrain(worlds, "two")
    pass_time(3.0, *worlds)
    assert worlds[1].running() == ["job/standby"]


def test_a_drain_outlives_the_daemon_and_a_new_one_does_not_stand_before_it_knows() -> None:
    worlds = fleet("one", "two")
    drain(worlds, "two")
    again = World(name="two", store=worlds[0].store, next_lease=0x9000)
    again.muted.add(ac.Connect)
    again.load(named(spec(election()), "two"))
    again.advance(5.0)
    assert again.phase() is ElectionPhase.DETACHED, "etcd has not said yet what is asked of it"
    again.release()
    again.advance(5.0)
    assert again.phase() is ElectionPhase.DETACHED
    undrain([worlds[0], again], "two")
    assert again.phase() is ElectionPhase.FOLLOWING


def test_where_nobody_else_can_lead_a_drained_node_leads_on_unless_forced() -> None:
    worlds = fleet("one")
    drain(worlds, "one")
    pass_time(10.0, *worlds)
    assert leaders(worlds) == ["one"]
    drain(worlds, "one", force=True)
    pass_time(10.0, *worlds)
    assert leaders(worlds) == []
    assert worlds[0].phase() is ElectionPhase.DETACHED


def test_a_drained_node_waits_for_a_healthy_candidate() -> None:
    standby = process("standby", role=Role.FOLLOWER, ready=READY)
    worlds = fleet("one", "two", desired=spec(election(follower=(standby,))))
    drain(worlds, "one")
    pass_time(10.0, *worlds)
    assert leaders(worlds) == ["one"]
    run = worlds[1].process("job/standby").run
    assert run is not None
    worlds[1].post(ev.ProbeSucceeded(run=run, purpose="ready"))
    pass_time(3.0, *worlds)
    assert leaders(worlds) == ["two"]


# --- priority ---------------------------------------------------------------------------------------------------------


def ranked(*priorities: int, standby: bool = False, cooldown: float = 60.0) -> list[World]:
    """The first leads."""
    store = FakeStore()
    worlds = []
    for n, priority in enumerate(priorities):
        world = World(name=f"n{n}", store=store, next_lease=0x1000 * (n + 1))
        worlds.append(world)
        followers = (process("standby", role=Role.FOLLOWER, ready=READY),) if standby else ()
        mine = election(priority=priority, priority_cooldown_seconds=cooldown, follower=followers)
        world.load(named(spec(mine), world.name))
        share(*worlds)
    return worlds


def test_the_node_of_the_highest_priority_leads_in_the_end_and_it_moves_once() -> None:
    worlds = ranked(0, 10, 50, 20)
    pass_time(55.0, *worlds, slice_seconds=0.5)
    assert leaders(worlds) == ["n0"], "a term is not ended in its first minute"
    pass_time(10.0, *worlds, slice_seconds=0.5)
    assert leaders(worlds) == ["n2"]
    before = token(worlds[2])
    pass_time(300.0, *worlds, slice_seconds=1.0)
    assert token(worlds[2]) == before


def test_equal_priority_moves_nobody() -> None:
    worlds = ranked(5, 5, -3)
    pass_time(200.0, *worlds, slice_seconds=1.0)
    assert leaders(worlds) == ["n0"]


def test_the_preferred_node_comes_back_after_a_crash_and_takes_over_once_when_it_is_ready() -> None:
    worlds = ranked(50, 0, standby=True, cooldown=20.0)
    worlds[0].post(ev.ShutdownRequested(reason="it crashes"))
    pass_time(1.0, *worlds)
    back = World(name="n0", store=worlds[0].store, next_lease=0x9000, now=worlds[1].now)
    back.load(worlds[0].state.spec)  # type: ignore[arg-type] # it has one
    worlds[0] = back
    pass_time(60.0, *worlds, slice_seconds=0.5)
    assert leaders(worlds) == ["n1"], "it is not ready"
    run = back.process("job/standby").run
    assert run is not None
    back.post(ev.ProbeSucceeded(run=run, purpose="ready"))
    pass_time(6.0, *worlds)
    assert leaders(worlds) == ["n0"]
    before = token(back)
    pass_time(120.0, *worlds, slice_seconds=1.0)
    assert token(back) == before


def test_health_that_comes_and_goes_moves_leadership_at_most_once_per_cool_down() -> None:
    worlds = ranked(0, 50, standby=True, cooldown=30.0)
    moves, led = 0, leaders(worlds)
    began = worlds[0].now
    for n in range(200):
        p = worlds[1].state.processes.get(next(p for p in worlds[1].state.processes if p.name == "standby"))
        if p is not None and p.run is not None:
            kind = ev.ProbeSucceeded(run=p.run, purpose="ready") if n % 2 else None
            if kind:
                worlds[1].post(kind)
            else:
                worlds[1].crash("job/standby")
        pass_time(1.5 + (n % 5), *worlds, slice_seconds=0.5)
        if leaders(worlds) and leaders(worlds) != led:
            moves, led = moves + 1, leaders(worlds)
        if led == ["n1"] and n % 7 == 0:
            worlds[1].post(ResignRequested(election=JOB))
    assert moves <= 2 * (worlds[0].now - began) / 30.0 + 1


def test_an_operators_switchover_is_not_taken_back_for_a_priority() -> None:
    worlds = ranked(50, 0)
    assert switch(worlds, "n1").stage is Stage.DONE
    pass_time(300.0, *worlds, slice_seconds=1.0)
    assert leaders(worlds) == ["n1"]
    worlds[1].post(ResignRequested(election=JOB))
    pass_time(2.0, *worlds)
    assert leaders(worlds) == ["n0"]


def test_a_priority_is_changed_by_a_reload_without_a_new_candidacy() -> None:
    worlds = ranked(0, 0, cooldown=1.0)
    pass_time(5.0, *worlds)
    before = token(worlds[1])
    mine = election(priority=7, priority_cooldown_seconds=1.0)
    worlds[1].load(named(spec(mine), "n1"))
    pass_time(10.0, *worlds)
    assert leaders(worlds) == ["n1"]
    assert token(worlds[1]) == before
    assert replace(mine, priority=0) != mine
