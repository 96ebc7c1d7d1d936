"""Handing an office over: to the one asked for, or to nobody."""

import json
from dataclasses import replace

import pytest

from supervisor.core import actions as ac
from supervisor.core import document
from supervisor.core import events as ev
from supervisor.core.names import ElectionName, NodeName, Role
from supervisor.core.notice import NOTICE_SECONDS
from supervisor.core.request_events import Entry
from supervisor.core.requests import FLEET, Stage, Switchover, pause_path, paused_now, read, switchover_path, written
from supervisor.core.spec import HookKind, ProbeKind, ProbeSpec, Spec
from supervisor.core.state import ElectionPhase
from tests.core.world import FakeStore, World, election, hook, hooked, pass_time, process, share, spec

JOB = ElectionName("job")
PATH = switchover_path(JOB)
READY = ProbeSpec(kind=ProbeKind.TCP, address="x:1")


def named(desired: Spec, name: str) -> Spec:
    """The same file on another node."""
    return replace(desired, node=NodeName(name))


def fleet(*names: str, desired: Spec | None = None) -> list[World]:
    """Nodes in the queue in this order; the first leads."""
    store = FakeStore()
    desired = desired or spec(election())
    worlds = [World(name=name, store=store, next_lease=0x1000 * n) for n, name in enumerate(names, 1)]
    for world in worlds:
        world.load(named(desired, world.name))
        share(*worlds)
    pass_time(1.5, *worlds)
    assert worlds[0].phase() is ElectionPhase.LEADING
    return worlds


def wish(to: str, *, id_: str = "1", at: float | None = None, stage: Stage = Stage.ASKED) -> bytes:
    until = (at or 1.6e9) + 100_000
    return written(Switchover(id=id_, to=NodeName(to), at=at, until=until, by="a test", stage=stage))


def asked(world: World) -> Switchover:
    value, revision = world.store.requests[PATH]
    return read([Entry(path=PATH, value=value, revision=revision)], world.state.requests).switchovers[JOB]


def switch(worlds: list[World], to: str, **more: object) -> Switchover:
    worlds[0].store.ask(PATH, wish(to, **more))  # type: ignore[arg-type] # as they are
    share(*worlds)
    pass_time(1.0, *worlds)
    return asked(worlds[0])


def begin(worlds: list[World], to: str) -> None:
    """Ask, and let the notice pass that the target is given."""
    worlds[0].store.ask(PATH, wish(to))
    share(*worlds)
    pass_time(NOTICE_SECONDS, *worlds)


def leaders(worlds: list[World]) -> list[str]:
    return [w.name for w in worlds if w.phase() is ElectionPhase.LEADING]


def token(world: World) -> int:
    return int(world.state.elections[JOB].create_revision or 0)


# --- switchover -------------------------------------------------------------------------------------------------------


def test_the_last_in_the_queue_leads_next_and_the_others_step_behind_it() -> None:
    worlds = fleet("one", "two", "three", "four")
    done = switch(worlds, "four")
    assert done.stage is Stage.DONE
    assert done.node == "one"
    assert leaders(worlds) == ["four"]
    assert done.token == token(worlds[3])
    assert worlds[3].running() == ["job/work"]
    assert [w.phase() for w in worlds[:3]] == [ElectionPhase.FOLLOWING] * 3, "all of them queue again"
    assert len(worlds[0].store.keys["job"]) == 4
    assert not [w for w in worlds if w is not worlds[3] and w.running()]


def test_without_a_name_the_next_that_is_healthy_leads() -> None:
    worlds = fleet("one", "two", "three")
    done = switch(worlds, "")
    assert (done.stage, done.to) == (Stage.DONE, "two")
    assert leaders(worlds) == ["two"]


def test_whoever_leads_follows_a_hundred_wishes_and_lands_nowhere_else() -> None:
    worlds = fleet("one", "two", "three")
    for n in range(100):
        to = worlds[(n * 2 + 1) % 3].name
        before = leaders(worlds)
        done = switch(worlds, to, id_=str(n))
        if before == [to]:
            assert done.stage is Stage.REFUSED
            assert "leads it already" in done.why
        else:
            assert done.stage is Stage.DONE
        assert leaders(worlds) == [to]


@pytest.mark.parametrize("to", ["five", "one"])
def test_a_name_that_does_not_stand_or_leads_is_refused_and_nothing_is_touched(to: str) -> None:
    worlds = fleet("one", "two")
    before = token(worlds[0])
    done = switch(worlds, to)
    assert done.stage is Stage.REFUSED
    assert done.why
    assert token(worlds[0]) == before
    assert worlds[0].running() == ["job/work"]
    assert worlds[0].state.elections[JOB].handover is None


def test_a_target_that_is_not_healthy_is_refused() -> None:
    standby = process("standby", role=Role.FOLLOWER, ready=READY)
    worlds = fleet("one", "two", desired=spec(election(follower=(standby,))))
    done = switch(worlds, "two")
    assert (done.stage, done.why) == (Stage.REFUSED, "two is starting")
    run = worlds[1].process("job/standby").run
    assert run is not None
    worlds[1].post(ev.ProbeSucceeded(run=run, purpose="ready"))
    pass_time(2.0, *worlds)
    assert switch(worlds, "two", id_="2").stage is Stage.DONE


def test_a_target_whose_lease_is_not_renewed_is_refused() -> None:
    worlds = fleet("one", "two")
    worlds[1].muted |= {ac.Renew, ac.ConfirmKeys, ac.Proclaim}
    pass_time(6.5, worlds[0])
    worlds[0].store.ask(PATH, wish("two"))
    share(worlds[0])
    assert asked(worlds[0]).stage is Stage.REFUSED
    assert "may be dead" in asked(worlds[0]).why
    assert worlds[0].running() == ["job/work"]


def test_etcd_that_does_not_say_whether_the_target_lives_is_no_reason_to_go() -> None:
    worlds = fleet("one", "two")
    worlds[0].muted.add(ac.AskLease)
    worlds[0].store.ask(PATH, wish("two"))
    share(*worlds)
    assert asked(worlds[0]).stage is Stage.ACCEPTED
    pass_time(4.0, *worlds)
    assert asked(worlds[0]).stage is Stage.REFUSED
    assert worlds[0].running() == ["job/work"]
    worlds[0].release()
    pass_time(1.0, *worlds)
    assert leaders(worlds) == ["one"], "a late answer moves nobody"


def test_a_stranger_between_is_never_touched_and_the_wish_is_refused() -> None:
    worlds = fleet("one", "two")
    stranger = worlds[0].foreign("job")
    three = World(name="three", store=worlds[0].store, next_lease=0x9000)
    three.load(named(spec(election()), "three"))
    worlds.append(three)
    share(*worlds)
    done = switch(worlds, "three")
    assert done.stage is Stage.REFUSED
    assert stranger.key in done.why
    assert stranger in worlds[0].store.keys["job"]
    assert switch(worlds, "two", id_="2").stage is Stage.DONE, "who is before it, is not in its way"
    assert leaders(worlds) == ["two"]


def slow_to_stop(worlds: list[World]) -> None:
    for child in worlds[0].children.values():
        child.obeys = False


def test_the_target_leaves_while_we_stop_and_we_lead_on_under_the_same_token() -> None:
    worlds = fleet("one", "two", "three")
    slow_to_stop(worlds)
    before = token(worlds[0])
    begin(worlds, "three")
    assert worlds[0].phase() is ElectionPhase.STEPPING_DOWN
    worlds[2].post(ev.ShutdownRequested(reason="bad luck"))
    share(*worlds)
    pass_time(12.0, *worlds[:2])
    assert asked(worlds[0]).stage is Stage.ABORTED
    assert "three has left the queue" in asked(worlds[0]).why
    assert leaders(worlds[:2]) == ["one"]
    assert token(worlds[0]) == before
    assert worlds[0].running() == ["job/work"]


def test_the_target_leaves_in_the_last_moment_and_the_transaction_does_nothing() -> None:
    worlds = fleet("one", "two")
    slow_to_stop(worlds)
    before = token(worlds[0])
    begin(worlds, "two")
    worlds[0].blind = True
    worlds[1].post(ev.ShutdownRequested(reason="bad luck"))
    pass_time(12.0, worlds[0])
    assert any("HandOverRefused" in line for line in worlds[0].log)
    assert worlds[0].phase() is ElectionPhase.LEADING
    assert token(worlds[0]) == before
    assert worlds[0].running() == ["job/work"]
    worlds[0].blind = False


def test_a_transaction_without_an_answer_is_repeated_and_done_once() -> None:
    worlds = fleet("one", "two", "three")
    worlds[0].failing.add(ac.HandOver)
    begin(worlds, "three")
    assert worlds[0].phase() is ElectionPhase.RESIGNING
    worlds[0].failing.clear()
    pass_time(1.0, *worlds)
    assert leaders(worlds) == ["three"]
    assert asked(worlds[0]).stage is Stage.DONE


def test_a_lease_lost_on_the_way_is_a_lost_term_and_no_handover() -> None:
    worlds = fleet("one", "two", "three")
    slow_to_stop(worlds)
    begin(worlds, "three")
    worlds[0].muted |= {ac.Renew, ac.ConfirmKeys}
    pass_time(12.0, *worlds)
    assert asked(worlds[0]).stage is Stage.ABORTED
    assert leaders(worlds[1:]) == ["two"], "an ordinary failover, in the queue's order"


def test_hooks_run_again_in_the_term_that_goes_on() -> None:
    desired = spec(hooked(hook(HookKind.ELECTED), hook(HookKind.DEMOTED)))
    worlds = fleet("one", "two", desired=desired)
    slow_to_stop(worlds)
    begin(worlds, "two")
    worlds[1].post(ev.ShutdownRequested(reason="bad luck"))
    share(*worlds)
    pass_time(12.0, worlds[0])
    assert [(name.rpartition("@")[2], code) for name, _, code in worlds[0].hooks_run] == [
        ("elected", 0),
        ("demoted", 0),
        ("elected", 0),
    ]
    assert worlds[0].running() == ["job/work"]


def test_a_leader_that_shuts_down_in_the_middle_completes_it() -> None:
    worlds = fleet("one", "two", "three")
    slow_to_stop(worlds)
    begin(worlds, "three")
    worlds[0].post(ev.ShutdownRequested(reason="an operator"))
    pass_time(12.0, *worlds)
    assert leaders(worlds[1:]) == ["three"]
    assert worlds[0].exit_code == 0


# --- notice -----------------------------------------------------------------------------------------------------------


def held(world: World) -> list[str]:
    return sorted(str(p.id) for p in world.state.processes.values() if p.held)


def test_the_one_that_is_named_gets_ready_and_the_second_does_not() -> None:
    worlds = fleet("one", "two", "three")
    worlds[0].store.ask(PATH, wish("three"))
    share(*worlds)
    assert worlds[0].phase() is ElectionPhase.LEADING, "it serves on"
    assert [held(world) for world in worlds[1:]] == [[], ["job/work"]]
    pass_time(NOTICE_SECONDS, *worlds)
    assert leaders(worlds) == ["three"]
    assert worlds[2].running() == ["job/work"]


def test_a_target_that_leaves_during_the_notice_costs_nothing() -> None:
    worlds = fleet("one", "two", "three")
    before = worlds[0].state.elections[JOB]
    runs = set(worlds[0].children)
    worlds[0].store.ask(PATH, wish("three"))
    share(*worlds)
    worlds[2].post(ev.ShutdownRequested(reason="bad luck"))
    share(*worlds)
    pass_time(1.0, *worlds)
    assert asked(worlds[0]).stage is Stage.ABORTED
    after = worlds[0].state.elections[JOB]
    assert (after.phase, after.term, after.lost_at) == (ElectionPhase.LEADING, before.term, None)
    assert set(worlds[0].children) == runs, "nothing was stopped"
    assert not any(document.says_stopping(c.value) for c in worlds[0].store.keys["job"])


def test_who_got_ready_lets_go_when_the_leader_stays_and_gets_ready_again_for_the_next_notice() -> None:
    worlds = fleet("one", "two", "three")
    slow_to_stop(worlds)
    begin(worlds, "three")
    assert held(worlds[2]) == ["job/work"]
    sick = json.loads(worlds[0].store.keys["job"][2].value) | {"health": "unhealthy"}
    target = worlds[0].store.keys["job"][2]
    worlds[0].store.keys["job"][2] = replace(target, value=json.dumps(sick).encode())
    worlds[0].store.revision += 1
    worlds[0].show_queue("job")
    worlds[2].muted.add(ac.Proclaim)
    pass_time(12.0, *worlds)
    assert worlds[0].phase() is ElectionPhase.LEADING
    assert asked(worlds[0]).stage is Stage.ABORTED
    share(*worlds)
    assert held(worlds[2]) == []
    worlds[2].release()
    pass_time(1.0, *worlds)
    worlds[0].store.ask(PATH, wish("three", id_="2"))
    share(*worlds)
    assert held(worlds[2]) == ["job/work"]
    for child in worlds[0].children.values():
        child.obeys = True
    pass_time(1.0, *worlds)
    assert leaders(worlds) == ["three"]


def test_where_nobody_may_lead_nobody_gets_ready() -> None:
    worlds = fleet("one", "two")
    worlds[0].store.ask(pause_path(FLEET), paused_now("me", 1.6e9))
    share(*worlds)
    worlds[0].post(ev.ShutdownRequested(reason="it ends"))
    share(*worlds)
    assert held(worlds[1]) == []
    pass_time(1.0, *worlds)
    assert worlds[1].phase() is ElectionPhase.FOLLOWING


# --- at a date --------------------------------------------------------------------------------------------------------


def test_a_date_is_waited_for_and_outlives_the_leader_that_saw_the_wish() -> None:
    worlds = fleet("one", "two", "three")
    at = float(round(worlds[0].wall())) + 300
    worlds[0].store.ask(PATH, wish("three", at=at))
    share(*worlds)
    pass_time(100.0, *worlds, slice_seconds=1.0)
    assert leaders(worlds) == ["one"]
    worlds[0].post(ev.ShutdownRequested(reason="an upgrade"))
    share(*worlds)
    pass_time(190.0, *worlds[1:], slice_seconds=1.0)
    assert leaders(worlds[1:]) == ["two"]
    pass_time(15.0, *worlds[1:], slice_seconds=1.0)
    assert leaders(worlds[1:]) == ["three"]


def test_a_clock_that_was_set_meanwhile_is_noticed() -> None:
    worlds = fleet("one", "two")
    at = float(round(worlds[0].wall())) + 600
    worlds[0].store.ask(PATH, wish("two", at=at))
    share(*worlds)
    for world in worlds:
        world.wall_offset += 500
    pass_time(130.0, *worlds, slice_seconds=1.0)
    assert leaders(worlds) == ["two"]


def test_a_date_that_nobody_led_at_is_refused_when_somebody_does() -> None:
    worlds = fleet("one", "two")
    at = worlds[0].wall() - 3600
    assert switch(worlds, "two", at=at).stage is Stage.REFUSED
    assert leaders(worlds) == ["one"]


def test_a_wish_that_was_taken_back_moves_nobody() -> None:
    worlds = fleet("one", "two")
    worlds[0].store.ask(PATH, wish("two", at=worlds[0].wall() + 60))
    share(*worlds)
    worlds[0].store.ask(PATH, None)
    pass_time(100.0, *worlds, slice_seconds=1.0)
    assert leaders(worlds) == ["one"]


@pytest.mark.parametrize(
    "nonsense",
    [b"", b"[]", b"{}", b"\xff", b'{"id":"1","stage":"asked"}', b'{"id":"1","stage":"what","until":"2030-01-01T00:00:00Z"}',
     b'{"id":"1","stage":"asked","until":"2030-01-01T00:00:00Z","at":"soon"}', b"[" * 100_000],
)  # fmt: skip
def test_nonsense_asks_for_nothing(nonsense: bytes) -> None:
    worlds = fleet("one", "two")
    worlds[0].store.ask(PATH, nonsense)
    share(*worlds)
    assert leaders(worlds) == ["one"]
    assert JOB not in worlds[0].state.requests.switchovers


def test_what_is_written_is_read_back() -> None:
    one = Switchover(id="7", to=NodeName("two"), at=1.7e9, until=1.8e9, by="me", stage=Stage.DONE, node="one", token=12)
    back = read([Entry(path=PATH, value=written(one), revision=0)], World().state.requests)
    assert back.switchovers == {JOB: one}
    assert json.loads(written(one))["v"] == 1
