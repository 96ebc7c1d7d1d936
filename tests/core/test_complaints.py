"""What others' users suffered from, in the core (``docs/complaints.md``)."""

from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core import operator_events as oev
from supervisor.core.names import ElectionName, Role
from supervisor.core.state import ElectionPhase
from tests.core.world import World, election, process, spec

JOB = ElectionName("job")


def asked(world: World, kind: type[ac.Action]) -> int:
    return sum(f"< {kind.__name__}" in line for line in world.log)


def test_who_goes_on_leading_says_so_again_and_again() -> None:
    """keepalived#1884, #2387: after a contested interval nobody told the world anew who the survivor is."""
    world = World()
    world.load(spec(election()))
    world.advance(1)
    said = asked(world, ac.Proclaim)
    world.advance(60)
    assert asked(world, ac.Proclaim) >= said + 5, "whatever stood in its key meanwhile is written over"


def test_who_never_led_stops_nothing_of_a_leader() -> None:
    """client-go#1187: "stopped leading" fires for those who never did."""
    world = World()
    world.foreign("job")
    world.pending.clear()
    world.load(spec(election(follower=(process("standby", role=Role.FOLLOWER),))))
    world.post(oev.ResignRequested(election=JOB))
    world.post(ev.ShutdownRequested(reason="SIGTERM"))
    world.advance(20)
    assert world.phase() is ElectionPhase.DETACHED
    assert not any(asked(world, kind) for kind in (ac.Arm, ac.Disarm))
    assert not [line for line in world.log if "stepping" in line]
