"""No term begins with a token that is not above all that this node has seen."""

from dataclasses import replace

from supervisor.core import actions as ac
from supervisor.core import machine
from supervisor.core import store_events as sev
from supervisor.core.names import ElectionName, Instant, NodeName, ProcessId, ProcessName, Role, SeenToken, Token
from supervisor.core.state import ElectionPhase, ProcessPhase
from supervisor.core.tokens import PAUSE_SECONDS
from tests.core.world import FakeStore, World, election, process, share, spec

JOB = ElectionName("job")
PLACE = "/supervisor/job"
WORK = ProcessId(JOB, ProcessName("work"))


def knowing(token: int, *, cluster: str = "", muted: set[type] | None = None) -> World:
    """A daemon whose forerunners have seen this token; the store's next one is 101."""
    world = World(muted=muted or set())
    world.state = machine.initial(
        NodeName("one"), now=Instant(world.now), seen={PLACE: SeenToken(token=Token(token), cluster=cluster)}
    )
    return world


def asked(world: World, kind: type[ac.Action]) -> list[str]:
    return [line for line in world.log if f"< {kind.__name__}(" in line]


def test_a_term_waits_for_its_token_to_be_noted() -> None:
    world = World(muted={ac.Remember})
    world.load(spec(election()))
    assert world.state.elections[JOB].armed
    assert world.state.processes[WORK].held
    assert world.running() == []
    world.release()
    assert world.state.processes[WORK].phase is ProcessPhase.RUNNING
    assert world.state.seen[PLACE].token == world.tokens[JOB]


def test_a_disk_that_does_not_take_it_keeps_no_term_from_starting() -> None:
    world = World(muted={ac.Remember})
    world.load(spec(election()))
    world.muted.clear()
    world.held.clear()
    term = world.state.elections[JOB].term
    assert term is not None
    world.post(sev.TokenRemembered(election=JOB, token=term.token, problem="no space left on device"))
    assert world.state.processes[WORK].phase is ProcessPhase.RUNNING


def test_a_token_that_is_too_low_is_no_term_and_stands_in_nobodys_way() -> None:
    for token in (101, 5000):  # the same is too low as well
        world = knowing(token)
        world.load(spec(election()))
        e = world.state.elections[JOB]
        assert e.phase is ElectionPhase.DETACHED
        assert world.keys["job"] == []
        assert f"its fencing token would be 101, and {token} was seen" in e.refused
        assert "bump-revision" in e.refused
        assert not asked(world, ac.Prove)
        assert not world.children


def test_one_that_is_higher_is_a_term() -> None:
    world = knowing(100)
    world.load(spec(election()))
    assert world.state.elections[JOB].leading


def test_it_tries_again_and_leads_once_etcd_is_above() -> None:
    world = knowing(5000)
    world.load(spec(election()))
    world.advance(PAUSE_SECONDS + 1)
    assert world.state.elections[JOB].refused
    assert len(asked(world, ac.Campaign)) == 2
    world.store.revision = 6000
    world.advance(PAUSE_SECONDS + 1)
    e = world.state.elections[JOB]
    assert e.leading
    assert e.refused == ""


def test_the_follower_role_goes_on_meanwhile() -> None:
    world = knowing(5000)
    world.load(spec(election(follower=(process("standby", role=Role.FOLLOWER),))))
    world.advance(1)
    assert [c.spec.id.name for c in world.children.values()] == ["standby"]


def test_another_cluster_is_said_to_be_one() -> None:
    world = knowing(5000, cluster="aaaa", muted={ac.Campaign})
    world.load(spec(election()))
    world.post(sev.EndpointsSeen(cluster="bbbb", endpoints=()))
    world.release()
    assert "etcd is another cluster (id bbbb, was aaaa)" in world.state.elections[JOB].refused


def test_tokens_of_other_leaders_count() -> None:
    store = FakeStore()
    one, two = World(name="one", store=store), World(name="two", store=store, next_lease=0x2000)
    for world in (one, two):
        world.load(spec(election()))
        share(one, two)
    assert two.state.seen[PLACE].token == one.tokens[JOB]
    (note,) = asked(two, ac.Remember)
    assert "election=None" in note


def test_a_wiped_local_etcd_is_raised_and_then_led_in() -> None:
    world = knowing(5000)
    desired = spec(election())
    world.load(replace(desired, local_etcd=process("local-etcd", election="", role=Role.ALWAYS)))
    assert len(asked(world, ac.RaiseRevision)) == 1
    assert "above=5000" in asked(world, ac.RaiseRevision)[0]
    world.store.revision = 5001
    world.post(sev.RevisionRaised())
    assert world.state.elections[JOB].leading


def test_a_local_etcd_that_is_far_behind_or_cannot_be_raised_is_only_told_of() -> None:
    world = knowing(5_000_000)
    local = process("local-etcd", election="", role=Role.ALWAYS)
    world.load(replace(spec(election()), local_etcd=local))
    assert not asked(world, ac.RaiseRevision)
    world = knowing(5000)
    world.load(replace(spec(election()), local_etcd=local))
    world.post(sev.RevisionRaised(problem="no"))
    assert world.state.elections[JOB].phase is ElectionPhase.DETACHED
    assert world.state.elections[JOB].refused
