"""What a process's life is made of: needs, tasks, restarts, an operator's word, the stop sequence, the story of its end."""

import pytest

from supervisor.core import events as ev
from supervisor.core import operator_events as oev
from supervisor.core.document import process_health
from supervisor.core.names import ElectionName, ProcessId, ProcessName, Role
from supervisor.core.operator_events import RestartRequested, StartRequested, StopRequested
from supervisor.core.spec import (
    GiveUp,
    Need,
    ProbeKind,
    ProbeSpec,
    ProcessKind,
    ProcessSpec,
    RestartPolicy,
    RestartSpec,
    StopSpec,
    StopTo,
)
from supervisor.core.state import ElectionPhase, Health, ProcessPhase
from tests.core.world import World, election, process, spec

JOB = ElectionName("job")
WORK = ProcessId(JOB, ProcessName("work"))
ON_FAILURE = RestartSpec(policy=RestartPolicy.ON_FAILURE)
HEALTH = ProbeSpec(kind=ProbeKind.TCP, address="x:1", failures=1)


def task(name: str, **more: object) -> ProcessSpec:
    return process(name, **{"kind": ProcessKind.TASK, "restart": ON_FAILURE, **more})  # type: ignore[arg-type]


def needing(name: str, **needs: Need) -> ProcessSpec:
    return process(name, needs={ProcessName(other): need for other, need in needs.items()})


def leading(*leader: ProcessSpec, **more: object) -> World:
    world = World()
    world.load(spec(election(leader=leader or (process("work"),), **more)))  # type: ignore[arg-type] # as they are
    assert world.phase() is ElectionPhase.LEADING
    return world


def signals(world: World) -> list[str]:
    return [line.split("< ")[1] for line in world.log if "SignalRun" in line or "KillRun" in line]


# --- needs -----------------------------------------------------------------------------------------------------------


def test_a_task_completes_before_those_that_need_it_and_runs_once_in_a_term() -> None:
    world = leading(needing("api", migrate=Need.COMPLETED), task("migrate"))
    assert world.running() == ["job/migrate"]
    world.crash("job/migrate", code=0, signal=None)
    assert world.running() == ["job/api"]
    assert process_health(world.process("job/migrate")) is Health.HEALTHY
    world.crash("job/api")
    world.advance(60)
    assert world.running() == ["job/api"]
    world.post(oev.ResignRequested(election=JOB))
    world.advance(1)
    assert world.running() == ["job/migrate"], "a new term runs it anew, first"
    world.crash("job/migrate", code=0, signal=None)
    assert world.running() == ["job/api"]


def test_a_plain_need_of_a_task_is_met_when_it_has_completed_not_while_it_runs() -> None:
    world = leading(needing("api", migrate=Need.READY), task("migrate"))
    world.advance(5)
    assert world.running() == ["job/migrate"]
    world.crash("job/migrate", code=0, signal=None)
    assert world.running() == ["job/api"]


def test_what_needs_nobody_waits_for_nobody() -> None:
    world = leading(needing("api", migrate=Need.READY), task("migrate"), process("metrics"), process("cache"))
    assert world.running() == ["job/cache", "job/metrics", "job/migrate"]


def test_healthy_waits_for_the_health_probe() -> None:
    world = leading(needing("api", db=Need.HEALTHY), process("db", health=HEALTH))
    assert world.running() == ["job/db"]
    db = world.process("job/db").run
    assert db is not None
    world.post(ev.ProbeSucceeded(run=db, purpose="health"))
    assert world.running() == ["job/api", "job/db"]


def test_who_runs_goes_on_when_what_it_needs_fails_and_waits_again_when_it_restarts_itself() -> None:
    never = RestartSpec(policy=RestartPolicy.NEVER)
    world = leading(needing("api", db=Need.READY), process("db", restart=never), on_giveup=GiveUp.STAY)
    world.crash("job/db")
    assert world.process("job/db").phase is ProcessPhase.GAVE_UP
    assert world.running() == ["job/api"]
    world.crash("job/api")
    world.advance(30)
    assert world.running() == [], "its own restart waits for db"
    world.post(RestartRequested(process=ProcessId(JOB, ProcessName("db"))))
    assert world.running() == ["job/api", "job/db"]


def test_a_stop_goes_backwards_one_layer_after_the_other() -> None:
    chain = (process("db"), needing("api", db=Need.READY), needing("web", api=Need.HEALTHY, db=Need.READY))
    world = leading(*chain)
    runs = {str(p.id): p.run for p in world.state.processes.values()}
    world.post(ev.ShutdownRequested(reason="SIGTERM"))
    order = [line for line in signals(world) if "SignalRun" in line]
    assert [f"run={runs[name]}," in line for name, line in zip(("job/web", "job/api", "job/db"), order, strict=True)]
    assert world.exit_code == 0


def test_a_changed_task_runs_again_before_anything_that_waits_for_it() -> None:
    world = leading(needing("api", migrate=Need.COMPLETED), task("migrate"))
    world.crash("job/migrate", code=0, signal=None)
    changed = task("migrate", environment={"V": "2"})
    world.completed.clear()
    world.load(spec(election(leader=(needing("api", migrate=Need.COMPLETED), changed))))
    assert world.running() == ["job/api", "job/migrate"], "who runs goes on"
    world.crash("job/api")
    world.advance(5)
    assert world.running() == ["job/migrate"]
    world.crash("job/migrate", code=0, signal=None)
    assert world.running() == ["job/api"]


# --- tasks -----------------------------------------------------------------------------------------------------------


def test_a_task_that_fails_is_tried_again_and_gives_the_office_up_in_the_end() -> None:
    world = leading(task("migrate", restart=RestartSpec(policy=RestartPolicy.ON_FAILURE, limit=2)), process("work"))
    for _ in range(3):
        world.crash("job/migrate", code=1, signal=None)
        world.advance(1)
    assert world.phase() is ElectionPhase.DETACHED
    assert "job/migrate gave up" in world.state.elections[JOB].cause


def test_a_task_that_takes_too_long_is_stopped_and_has_failed() -> None:
    world = leading(task("migrate", timeout_seconds=30.0, restart=RestartSpec(policy=RestartPolicy.NEVER)))
    world.advance(29)
    assert world.running() == ["job/migrate"]
    world.advance(2)
    exits = world.state.processes[ProcessId(JOB, ProcessName("migrate"))].exits
    assert exits[-1].cause == "not completed within 30 s"
    assert exits[-1].decision == "gave up: its restart policy is never"


def test_a_follower_task_runs_once_in_a_standby_period_and_an_always_task_once() -> None:
    world = World()
    other = world.foreign("job")
    warm = task("warm", role=Role.FOLLOWER)
    once = process("once", role=Role.ALWAYS, kind=ProcessKind.TASK, restart=ON_FAILURE)
    world.load(spec(election(follower=(warm,)), always=(once,)))
    assert world.running() == ["job/warm", "once"]
    world.crash("job/warm", code=0, signal=None)
    world.crash("once", code=0, signal=None)
    world.advance(60)
    assert world.running() == []
    world.delete_key("job", other.create_revision)
    world.post(ev.Ticked())
    assert world.running() == ["job/work"]
    world.completed.discard((warm.id, None))
    world.foreign("job")
    world.post(oev.ResignRequested(election=JOB))
    world.advance(1)
    assert world.running() == ["job/warm"], "another standby period"
    again = process("once", role=Role.ALWAYS, kind=ProcessKind.TASK, restart=ON_FAILURE, environment={"A": "1"})
    world.completed.clear()
    world.load(spec(election(follower=(warm,)), always=(again,)))
    assert "once" in world.running(), "its command changed"


# --- restarts --------------------------------------------------------------------------------------------------------


def test_unlimited_restarts_never_give_up() -> None:
    world = leading(process("work", restart=RestartSpec(limit=None, backoff_max_seconds=1.0)))
    for _ in range(50):
        world.advance(1.1)
        world.crash("job/work")
    assert world.phase() is ElectionPhase.LEADING
    assert world.process().restarts == 50
    assert world.process().exits[-1].decision.endswith("(without limit)")


@pytest.mark.parametrize(("ran", "pause"), [(3.0, 0.0), (1.0, 0.1)])
def test_the_backoff_begins_anew_after_reset_after(ran: float, pause: float) -> None:
    world = leading(process("work", restart=RestartSpec(reset_after_seconds=2.0, limit=None)))
    world.crash("job/work")
    world.advance(ran)
    world.crash("job/work")
    due = world.process().exits[-1].next_at
    assert due is not None
    assert due - world.now == pytest.approx(pause, rel=0.3)


# --- an operator's word ----------------------------------------------------------------------------------------------


def test_a_stop_by_an_operator_beats_restarts_reloads_and_terms() -> None:
    world = leading(process("work"), process("other"))
    world.post(StopRequested(process=WORK))
    assert world.running() == ["job/other"]
    assert world.phase() is ElectionPhase.LEADING, "the term stays"
    assert process_health(world.process()) is Health.DEGRADED
    assert (world.process().exits[-1].decision, world.process().exits[-1].cause) == (
        "asked to stop",
        "stopped by an operator",
    )
    world.load(spec(election(leader=(process("work", environment={"A": "1"}), process("other")))))
    world.advance(60)
    assert world.running() == ["job/other"]
    world.post(oev.ResignRequested(election=JOB))
    world.advance(1)
    assert world.phase() is ElectionPhase.LEADING
    assert world.running() == ["job/other"], "another term on this node"
    world.post(StopRequested(process=WORK))
    world.post(StartRequested(process=WORK))
    assert world.running() == ["job/other", "job/work"]
    run = world.process().run
    world.post(StartRequested(process=WORK))
    assert world.process().run == run, "twice is as good as once"


def test_a_stop_during_a_backoff_ends_it_and_start_begins_with_a_fresh_budget() -> None:
    world = leading(process("work", restart=RestartSpec(backoff_min_seconds=20.0)))
    world.crash("job/work")
    world.crash("job/work")
    assert world.process().phase is ProcessPhase.BACKOFF
    world.post(StopRequested(process=WORK))
    assert world.process().phase is ProcessPhase.STOPPED
    world.advance(100)
    assert world.running() == []
    world.post(StartRequested(process=WORK))
    assert world.running() == ["job/work"]
    assert world.process().recent_restarts == ()


def test_a_crash_while_an_operator_stops_it_is_followed_by_nothing() -> None:
    world = leading(process("work", stop=StopSpec(timeout_seconds=60.0)))
    next(iter(world.children.values())).obeys = False
    world.post(StopRequested(process=WORK))
    world.crash("job/work", code=1, signal=None)
    world.advance(60)
    assert world.running() == []
    assert world.phase() is ElectionPhase.LEADING


def test_a_restart_lifts_a_stop_and_start_lifts_a_giveup() -> None:
    never = RestartSpec(policy=RestartPolicy.NEVER)
    world = leading(process("work", restart=never), on_giveup=GiveUp.STAY)
    world.post(StopRequested(process=WORK))
    world.post(RestartRequested(process=WORK))
    assert world.running() == ["job/work"]
    world.crash("job/work", code=3, signal=None)
    assert world.process().phase is ProcessPhase.GAVE_UP
    world.post(StartRequested(process=WORK))
    assert world.running() == ["job/work"]


def test_start_leaves_a_completed_task_alone_and_restart_runs_it_again() -> None:
    world = leading(task("migrate"), process("work"))
    world.crash("job/migrate", code=0, signal=None)
    migrate = ProcessId(JOB, ProcessName("migrate"))
    world.post(StartRequested(process=migrate))
    assert world.running() == ["job/work"]
    world.completed.clear()
    world.post(RestartRequested(process=migrate))
    assert world.running() == ["job/migrate", "job/work"]


def test_a_stopped_process_does_not_wait_for_those_that_need_it() -> None:
    world = leading(process("db"), needing("api", db=Need.READY))
    world.post(StopRequested(process=ProcessId(JOB, ProcessName("db"))))
    assert world.running() == ["job/api"]


# --- the stop sequence -----------------------------------------------------------------------------------------------

THREE = StopSpec(signal="SIGINT", timeout_seconds=9.0, then=(("SIGTERM", 2.0), ("SIGQUIT", 5.0)), to=StopTo.ALL)


def test_signals_follow_each_other_until_one_is_obeyed_or_all_is_killed() -> None:
    world = leading(process("work", stop=THREE))
    next(iter(world.children.values())).obeys = False
    world.post(ev.ShutdownRequested(reason="SIGTERM"))
    assert signals(world) == ["SignalRun(run=1, signal=SIGINT, to=all)"]
    world.advance(2)
    world.advance(3)
    assert [s.split("signal=")[1] for s in signals(world)] == [
        "SIGINT, to=all)",
        "SIGTERM, to=all)",
        "SIGQUIT, to=all)",
    ]
    world.advance(3.9)
    assert world.running() == ["job/work"]
    world.advance(0.2)
    assert world.running() == []
    assert world.exit_code == 0


def test_an_obeyed_signal_ends_the_sequence() -> None:
    world = leading(process("work", stop=THREE))
    world.post(StopRequested(process=WORK))
    world.advance(20)
    assert [s for s in signals(world) if "SignalRun" in s] == ["SignalRun(run=1, signal=SIGINT, to=all)"]


def test_a_kill_by_cuts_the_sequence_short() -> None:
    world = leading(process("work", stop=THREE))
    next(iter(world.children.values())).obeys = False
    world.post(StopRequested(process=WORK))
    world.delete_key("job", world.tokens[JOB])
    world.post(ev.Ticked())
    assert world.running() == []


BEFORE = StopSpec(timeout_seconds=4.0, before=("/bin/drain",), before_timeout_seconds=3.0)


def test_the_pre_stop_command_runs_first_beside_the_process_and_in_its_term() -> None:
    world = leading(process("work", stop=BEFORE))
    world.dawdling = True
    world.post(oev.ResignRequested(election=JOB))
    assert world.running() == ["job/work", "job/work:before"]
    assert {c.term for c in world.children.values()} == {world.state.elections[JOB].term}
    assert signals(world) == []
    world.end(next(c.run for c in world.children.values() if c.before), code=1)
    world.post(ev.Ticked())
    assert any("SIGTERM" in s for s in signals(world)), "however it ended, the stop goes on"
    assert world.phase() is ElectionPhase.LEADING, "and is over: the next term has begun"


def test_a_pre_stop_command_that_takes_too_long_is_killed_and_the_stop_has_its_full_time() -> None:
    world = leading(process("work", stop=BEFORE))
    world.dawdling = world.stubborn = True
    for child in world.children.values():
        child.obeys = False
    world.post(StopRequested(process=WORK))
    world.advance(2.9)
    assert world.running() == ["job/work", "job/work:before"]
    world.advance(0.2)
    assert world.running() == ["job/work"]
    world.advance(3.8)
    assert world.running() == ["job/work"]
    world.advance(0.2)
    assert world.running() == []


def test_an_unwilling_stop_has_no_pre_stop_command_and_ends_one_that_runs() -> None:
    world = leading(process("work", stop=BEFORE))
    world.dawdling = True
    for child in world.children.values():
        child.obeys = False
    world.post(StopRequested(process=WORK))
    assert world.running() == ["job/work", "job/work:before"]
    world.delete_key("job", world.tokens[JOB])
    world.post(ev.Ticked())
    assert world.running() == [], "killed at once, both"
    lost = leading(process("work", stop=BEFORE))
    lost.delete_key("job", lost.tokens[JOB])
    lost.post(ev.Ticked())
    assert not [line for line in lost.log if ":before" in line]


def test_a_process_that_ends_by_itself_takes_its_pre_stop_command_along_and_is_over_after_it() -> None:
    world = leading(process("work", stop=BEFORE))
    world.dawdling = True
    world.post(RestartRequested(process=WORK))
    first = world.process().run
    assert first is not None
    world.crash("job/work", code=0, signal=None)
    assert world.running() == ["job/work"]
    assert world.process().run != first
    assert world.process().before is None


# --- the story of an end ---------------------------------------------------------------------------------------------


def test_every_exit_is_told_with_what_was_decided_and_the_last_ten_are_kept() -> None:
    world = leading(process("work", restart=RestartSpec(limit=20)))
    for n in range(14):
        world.advance(2)
        run = world.process().run
        assert run is not None
        del world.children[run]
        world.post(ev.Exited(run=run, code=None, signal=9, core_dumped=True, oom_killed=n % 2 == 0))
        world.post(ev.Emptied(run=run, chance=0.5, lines=tuple(f"line {i} of {n}" for i in range(40))))
        world.advance(31)
    exits = world.process().exits
    assert len(exits) == 10
    assert exits[-1] == world.process().last_exit
    assert exits[-1].core_dumped
    assert [e.oom_killed for e in exits[-2:]] == [True, False]
    assert exits[-1].lines[-1] == "line 39 of 13"
    assert [len(e.lines) for e in exits] == [0] * 9 + [10]
    assert exits[-1].decision == "restart at once (2 of 20 in 1 m)", "it had run stably"
    assert exits[-1].next_at is not None


def test_the_words_of_a_crash_loop() -> None:
    world = leading(process("work", restart=RestartSpec(limit=2)))
    for _ in range(3):
        world.advance(1)
        world.crash("job/work")
    decisions = [e.decision for e in world.process().exits]
    assert decisions == [
        "restart at once (1 of 2 in 1 m)",
        "restart in 87 ms (2 of 2 in 1 m)",
        "gave up: 2 restarts in 1 m",
    ]


def test_who_is_left_after_a_kill_is_known_by_name() -> None:
    world = leading(process("work"))
    run = world.process().run
    assert run is not None
    del world.children[run]
    world.post(ev.Exited(run=run, code=0, signal=None))
    world.post(ev.Lingering(run=run, blockers=("77 (tar)",)))
    assert world.process().phase is ProcessPhase.CLEARING
    assert world.process().blockers == ("77 (tar)",)
    world.post(ev.Emptied(run=run, chance=0.5))
    assert world.process().blockers == ()


def test_a_process_that_leaves_the_file_with_the_need_of_it_is_stopped() -> None:
    """One edit that removes a process and what another says of it: the other goes on, and nobody leans on it any more."""
    base = process("base", role=Role.ALWAYS)
    for environment in ({}, {"A": "2"}):
        world = World()
        world.load(spec(always=(base, process("user", role=Role.ALWAYS, needs={base.id.name: Need.READY}))))
        assert world.running() == ["base", "user"]
        world.load(spec(always=(process("user", role=Role.ALWAYS, environment=environment),)))
        assert world.running() == ["user"]
