"""What is made ready while a win is being proven: released by the proof and all that belongs to it, ended by anything else."""

import pytest

from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core.names import ElectionName, ProcessId, ProcessName, Role
from supervisor.core.operator_events import StartRequested, StopRequested
from supervisor.core.preparing import MOST_HELD
from supervisor.core.spec import HookKind, Need, ProcessKind
from supervisor.core.state import ElectionPhase, ProcessPhase
from tests.core.world import World, election, hook, hooked, process, spec

JOB = ElectionName("job")
WORK = ProcessId(JOB, ProcessName("work"))


def next_in_line(*muted: type, **more: object) -> World:
    """Behind somebody who goes while these are not answered."""
    world = World()
    other = world.foreign("job")
    world.load(spec(election(**more)))  # type: ignore[arg-type] # forwarded as they are
    assert world.phase() is ElectionPhase.FOLLOWING
    world.muted.update(muted)
    world.delete_key("job", other.create_revision)
    world.post(ev.Ticked())
    return world


def held(world: World) -> list[str]:
    return sorted(str(c.spec.id) for c in world.children.values() if c.held)


def asked(world: World, kind: type[ac.Action]) -> int:
    return sum(f"< {kind.__name__}(" in line for line in world.log)


@pytest.mark.parametrize("last", [ac.Prove, ac.Arm, ac.Remember])
def test_a_child_is_held_until_the_last_of_what_it_waits_for(last: type) -> None:
    world = next_in_line(last)
    assert world.running() == []
    assert not asked(world, ac.Release)
    world.release()
    assert world.phase() is ElectionPhase.LEADING
    assert world.running() == ["job/work"]
    assert (asked(world, ac.Arm), asked(world, ac.Spawn), asked(world, ac.Release)) == (1, 1, 1)


def test_the_proof_is_asked_for_first() -> None:
    world = next_in_line()
    order = [line.split("< ")[1].split("(")[0] for line in world.log if "< " in line]
    assert order[order.index("Prove") :][:5] == ["Prove", "Arm", "Remember", "ConfigureLog", "Spawn"]


def test_a_proof_that_fails_ends_it_and_the_next_one_begins_anew() -> None:
    world = next_in_line(ac.Prove)
    assert held(world) == ["job/work"]
    world.muted.clear()
    world.held.clear()
    world.post(ev.ReadFirstFailed(election=JOB, detail="timed out", chance=0.5))
    assert world.phase() is ElectionPhase.PROVING
    assert not world.children
    world.advance(1)
    assert world.phase() is ElectionPhase.LEADING
    assert world.running() == ["job/work"]
    assert asked(world, ac.Arm) == 1


def test_our_key_is_deleted_meanwhile() -> None:
    world = next_in_line(ac.Prove)
    assert held(world) == ["job/work"]
    revision = world.state.elections[JOB].create_revision
    assert revision is not None
    world.delete_key("job", revision)
    world.muted.clear()
    world.held.clear()
    world.post(ev.Ticked())
    order = [line.split("< ")[1].split("(")[0] for line in world.log if "< " in line]
    assert order[order.index("KillRun") :][:3] == ["KillRun", "Vacate", "Resign"]
    assert not world.children
    assert not world.armed
    world.advance(1)
    assert world.running() == ["job/work"]


def test_the_guardian_strikes_meanwhile() -> None:
    world = next_in_line(ac.Prove)
    term = world.state.elections[JOB].term
    assert term is not None
    world.post(ev.KillByStruck(term=term, late_seconds=0.0))
    assert term not in world.armed
    assert all(child.term != term for child in world.children.values())  # a new candidacy may be proven already


def test_the_daemon_is_to_end_meanwhile() -> None:
    world = next_in_line(ac.Prove)
    world.post(ev.ShutdownRequested(reason="SIGTERM"))
    assert world.exit_code == 0


def test_a_child_that_fails_before_it_was_executed_costs_no_restart() -> None:
    world = World(failing={ac.Spawn}, muted={ac.Prove})
    world.load(spec(election()))
    p = world.state.processes[WORK]
    assert (p.phase, p.restarts, p.last_exit) == (ProcessPhase.STOPPED, 0, None)
    assert asked(world, ac.Spawn) == 1  # and not again and again while the proof is under way
    world.failing.clear()
    world.release()
    assert world.running() == ["job/work"]


def test_nothing_is_held_beside_follower_processes() -> None:
    world = next_in_line(ac.Prove, follower=(process("standby", role=Role.FOLLOWER),))
    assert world.running() == ["job/standby"]
    assert held(world) == []
    world.release()
    assert world.running() == ["job/work"]


def test_hooks_that_a_reload_adds_while_a_term_is_prepared_are_its_own_and_owed_nothing_before_it_runs() -> None:
    world = next_in_line(ac.Prove)
    assert held(world) == ["job/work"]
    world.load(spec(hooked(hook(HookKind.ELECTED), hook(HookKind.DEMOTED))))
    world.load(spec(election(ttl_seconds=5)))  # the candidacy is given up
    world.advance(1)
    assert world.hooks_run == []
    assert world.running() == []

    world = next_in_line(ac.Prove)
    world.load(spec(hooked(hook(HookKind.ELECTED), hook(HookKind.DEMOTED))))
    world.release()
    world.advance(1)
    assert [name for name, _, _ in world.hooks_run] == ["job/@elected"]
    assert world.running() == ["job/work"]


def test_what_needs_another_is_not_held() -> None:
    first, second = process("first"), process("second", needs={ProcessName("first"): Need.READY})
    world = next_in_line(ac.Prove, leader=(first, second))
    assert held(world) == ["job/first"]
    world.release()
    assert world.running() == ["job/first", "job/second"]


def test_a_task_is_not_held_and_what_an_operator_stops_while_it_is_held_has_no_story() -> None:
    task = process("migrate", kind=ProcessKind.TASK)
    world = next_in_line(ac.Prove, leader=(task, process("work")))
    assert held(world) == ["job/work"]
    world.post(StopRequested(process=WORK))
    assert held(world) == []
    world.release()
    assert world.running() == ["job/migrate"]
    assert world.process("job/work").exits == ()
    assert world.process("job/work").restarts == 0
    world.post(StartRequested(process=WORK))
    assert world.running() == ["job/migrate", "job/work"]


def test_few_are_held_at_a_time() -> None:
    names = [f"job{number}" for number in range(3 * MOST_HELD)]
    world = World(muted={ac.Prove})
    world.load(spec(*(election(name, leader=(process("work", election=name),)) for name in names)))
    assert len(held(world)) == MOST_HELD
    assert world.state.held == {c.run for c in world.children.values()}
    world.release()
    assert len(world.running()) == 3 * MOST_HELD
    assert not world.state.held
