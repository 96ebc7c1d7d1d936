"""A willing end is announced, and the next in line gets ready while the leader still serves; everything else ends as before."""

from dataclasses import replace

from supervisor.core import actions as ac
from supervisor.core import document
from supervisor.core import events as ev
from supervisor.core import operator_events as oev
from supervisor.core.names import ElectionName, Role
from supervisor.core.notice import HELD_SECONDS, NOTICE_SECONDS
from supervisor.core.preparing import MOST_HELD
from supervisor.core.spec import ElectionSpec, HookKind
from supervisor.core.state import ElectionPhase
from supervisor.core.wording import FIRST_WORD_SECONDS
from tests.core.world import FakeStore, World, election, hook, hooked, pass_time, process, share, spec

JOB = ElectionName("job")
LEAVING = b'{"node":"other","state":"stopping","v":1}'


def pair(*elections: ElectionSpec) -> tuple[World, World]:
    """A leader, and a node that waits behind it, in each of these elections."""
    store = FakeStore()
    one, two = World(name="one", store=store), World(name="two", store=store, next_lease=0x2000)
    for world in (one, two):
        world.load(spec(*(elections or (election(),))))
        share(one, two)
    pass_time(1.5, one, two)
    return one, two


def held(world: World) -> list[str]:
    return sorted(str(c.spec.id) for c in world.children.values() if c.held)


def asked(world: World, kind: type[ac.Action]) -> int:
    return sum(f"< {kind.__name__}(" in line for line in world.log)


def follower() -> World:
    """Behind a leader of which only the key is there."""
    world = World()
    world.foreign("job")
    world.load(spec(election()))
    assert world.phase() is ElectionPhase.FOLLOWING
    return world


def says(world: World, value: bytes) -> None:
    """The leader writes this."""
    queue = world.store.keys["job"]
    queue[0] = replace(queue[0], value=value)
    world.store.revision += 1
    world.show_queue("job")
    world.post(ev.Ticked())


def test_the_leader_serves_on_while_the_next_gets_ready() -> None:
    one, two = pair()
    one.post(oev.ResignRequested(election=JOB))
    share(one, two)
    assert one.running() == ["job/work"]
    assert document.says_stopping(one.store.keys["job"][0].value)
    assert held(two) == ["job/work"]
    assert two.phase() is ElectionPhase.FOLLOWING
    pass_time(NOTICE_SECONDS, one, two)
    assert two.running() == ["job/work"]
    assert (asked(two, ac.Arm), asked(two, ac.Spawn), asked(two, ac.Release)) == (1, 1, 1)


def test_that_it_leads_is_said_when_its_processes_have_begun() -> None:
    one, two = pair()
    one.post(oev.ResignRequested(election=JOB))
    share(one, two)
    pass_time(NOTICE_SECONDS, one, two)
    assert b'"state":"leading"' not in one.store.keys["job"][0].value
    pass_time(FIRST_WORD_SECONDS, one, two)
    assert b'"state":"leading"' in one.store.keys["job"][0].value


def test_a_shutdown_is_announced_too() -> None:
    one, two = pair()
    one.post(ev.ShutdownRequested(reason="done"))
    share(one, two)
    assert (one.running(), held(two)) == (["job/work"], ["job/work"])
    pass_time(NOTICE_SECONDS, one, two)
    assert one.exit_code == 0
    assert two.running() == ["job/work"]


def test_nobody_behind_is_told_nothing() -> None:
    world = World()
    world.load(spec(election()))
    world.post(oev.ResignRequested(election=JOB))
    assert asked(world, ac.SignalRun) == 1


def test_neither_is_a_stranger() -> None:
    world = World()
    world.load(spec(election()))
    world.foreign("job")
    world.post(oev.ResignRequested(election=JOB))
    assert asked(world, ac.SignalRun) == 1


def test_nor_one_that_could_hold_nothing() -> None:
    one, _ = pair(hooked(hook(HookKind.DEMOTED)))
    one.post(oev.ResignRequested(election=JOB))
    assert one.state.elections[JOB].leave_at is None
    one, _ = pair(election(follower=(process("standby", role=Role.FOLLOWER),)))
    one.post(oev.ResignRequested(election=JOB))
    assert one.state.elections[JOB].leave_at is None


def test_of_many_only_a_few_are_announced() -> None:
    one, _ = pair(*(election(f"e{n}") for n in range(3 * MOST_HELD)))
    one.post(ev.ShutdownRequested(reason="done"))
    assert sum(e.leave_at is not None for e in one.state.elections.values()) == MOST_HELD


def test_a_term_that_is_lost_meanwhile_ends_at_once() -> None:
    one, two = pair()
    one.post(oev.ResignRequested(election=JOB))
    share(one, two)
    one.delete_key("job", one.tokens[JOB])
    one.post(ev.Ticked())
    assert asked(one, ac.KillRun) == 1


def test_what_is_held_for_a_leader_that_stays_grows_too_old() -> None:
    world = follower()
    says(world, LEAVING)
    assert held(world) == ["job/work"]
    world.advance(HELD_SECONDS + 0.1)
    assert not held(world)
    assert world.phase() is ElectionPhase.FOLLOWING
    says(world, LEAVING.replace(b'"v":1', b'"v": 1'))
    assert not held(world)


def test_who_prepared_and_lets_go_steps_down_from_it() -> None:
    world = follower()
    says(world, LEAVING)
    world.post(ev.ShutdownRequested(reason="done"))
    order = [line.split("< ")[1].split("(")[0] for line in world.log if "< " in line]
    assert order[order.index("KillRun") :][:3] == ["KillRun", "Vacate", "Resign"]
    assert world.exit_code == 0


def test_our_own_key_vanishes_while_we_are_ready() -> None:
    world = follower()
    says(world, LEAVING)
    revision = world.state.elections[JOB].create_revision
    assert revision is not None
    world.delete_key("job", revision)
    world.post(ev.Ticked())
    assert not held(world)
    assert asked(world, ac.Release) == 0


def test_only_the_very_next_gets_ready() -> None:
    world = World()
    world.foreign("job")
    world.foreign("job")
    world.load(spec(election()))
    says(world, LEAVING)
    assert not held(world)
