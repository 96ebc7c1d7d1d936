"""Who stands for an election and who does not: give-ups, withdrawals, and the cool-downs that follow them."""

import pytest

from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core.names import ElectionName, ProcessId, ProcessName, Role
from supervisor.core.operator_events import StartRequested, StopRequested
from supervisor.core.spec import CampaignWhen, ProbeKind, ProbeSpec, RestartPolicy, RestartSpec, Spec
from supervisor.core.state import ElectionPhase
from tests.core.world import FakeStore, World, election, pass_time, process, share, spec

JOB = ElectionName("job")
STANDBY = ProcessId(JOB, ProcessName("standby"))
NEVER = RestartSpec(policy=RestartPolicy.NEVER)
HEALTH = ProbeSpec(kind=ProbeKind.TCP, address="x:1", failures=1)
READY = ProbeSpec(kind=ProbeKind.TCP, address="x:1")


def gated(**more: object) -> Spec:
    standby = process("standby", role=Role.FOLLOWER, **more)  # type: ignore[arg-type] # as they are
    return spec(election(follower=(standby,), campaign_when=CampaignWhen.HEALTHY))


def two(desired: Spec) -> tuple[World, World]:
    store = FakeStore()
    one, other = World(name="one", store=store), World(name="two", store=store, next_lease=0x2000)
    for world in (one, other):
        world.load(desired)
        share(one, other)
    return one, other


def probe(world: World, *, well: bool, purpose: str = "health", name: str = "job/standby") -> None:
    run = world.process(name).run
    assert run is not None
    if well:
        world.post(ev.ProbeSucceeded(run=run, purpose=purpose))
    else:
        world.post(ev.ProbeFailed(run=run, purpose=purpose, detail="refused"))


def give_up(world: World) -> None:
    world.crash("job/work")


# --- after a give-up -------------------------------------------------------------------------------------------------


def test_a_node_that_gave_up_lets_the_other_lead_and_plays_its_follower() -> None:
    standby = process("standby", role=Role.FOLLOWER)
    one, other = two(spec(election(leader=(process("work", restart=NEVER),), follower=(standby,))))
    assert (one.running(), other.running()) == (["job/work"], ["job/standby"])
    give_up(one)
    share(one, other)
    assert other.running() == ["job/work"], "its follower role ended, the leader's began"
    assert one.phase() is ElectionPhase.DETACHED
    assert one.running() == ["job/standby"]
    give_up(other)
    share(one, other)
    assert one.running() == other.running() == ["job/standby"], "both are out, and nobody leads"
    pass_time(9.0, one, other)
    assert [c.lease for c in one.store.keys["job"]] == []
    pass_time(2.0, one, other)
    assert sorted(one.running() + other.running()) == ["job/standby", "job/work"]


def test_the_cool_down_doubles_to_its_longest_and_a_stable_term_ends_the_row() -> None:
    world = World()
    work = process("work", restart=NEVER)
    world.load(spec(election(leader=(work,), cooldown_min_seconds=4.0, cooldown_max_seconds=10.0)))
    for pause in (4.0, 8.0, 10.0, 10.0):
        give_up(world)
        world.advance(pause - 0.1)
        assert world.phase() is ElectionPhase.DETACHED
        world.advance(0.2)
        assert world.phase() is ElectionPhase.LEADING
    world.advance(121)
    give_up(world)
    world.advance(4.1)
    assert world.phase() is ElectionPhase.LEADING, "the first of a new row"


def test_the_cool_down_begins_when_the_key_is_gone() -> None:
    world = World()
    world.load(spec(election(leader=(process("work", restart=NEVER), process("slow")))))
    slow = next(c for c in world.children.values() if str(c.spec.id) == "job/slow")
    slow.obeys = False
    give_up(world)
    world.advance(9.9)
    assert world.phase() is ElectionPhase.STEPPING_DOWN
    world.advance(10)
    assert world.phase() is ElectionPhase.DETACHED, "10 s of its stop's own time do not count"
    world.advance(0.2)
    assert world.phase() is ElectionPhase.LEADING


def test_an_operator_who_has_mended_it_ends_the_cool_down() -> None:
    world = World()
    world.load(spec(election(leader=(process("work", restart=NEVER),))))
    give_up(world)
    world.advance(1)
    assert world.phase() is ElectionPhase.DETACHED
    world.post(StartRequested(process=ProcessId(JOB, ProcessName("work"))))
    assert world.running() == ["job/work"]


def test_a_lease_that_is_trusted_again_lets_those_stand_that_waited_for_it() -> None:
    world = World()
    idle = process("idle", election="other")
    work = process("work", restart=NEVER)
    world.load(spec(election(leader=(work,)), election("other", leader=(idle,))))
    give_up(world)
    assert world.phase() is ElectionPhase.DETACHED
    world.muted |= {ac.Renew, ac.ConfirmKeys}
    world.advance(6.5)
    assert world.phase("other") is ElectionPhase.LEADING
    for child in world.children.values():
        child.obeys = False
    world.advance(0.3)
    assert world.phase("other") is ElectionPhase.STEPPING_DOWN, "the lease is in doubt"
    world.post(StartRequested(process=work.id))
    assert world.phase() is ElectionPhase.DETACHED
    world.release()
    assert world.phase() is ElectionPhase.LEADING


# --- campaign_when: healthy ------------------------------------------------------------------------------------------


def test_a_node_stands_when_its_standby_is_ready_and_not_before() -> None:
    world = World()
    world.load(gated(ready=READY))
    assert world.running() == ["job/standby"], "from the start, without a key"
    world.advance(60)
    assert world.phase() is ElectionPhase.DETACHED
    assert world.state.elections[JOB].unfit == "job/standby is not ready"
    probe(world, well=True, purpose="ready")
    assert world.phase() is ElectionPhase.LEADING
    assert world.running() == ["job/work"]
    world.advance(600)
    assert world.phase() is ElectionPhase.LEADING, "whoever leads has no standby to be judged by"


def test_without_follower_processes_every_node_is_healthy() -> None:
    world = World()
    world.load(spec(election(campaign_when=CampaignWhen.HEALTHY)))
    assert world.phase() is ElectionPhase.LEADING


def test_a_sick_standby_leaves_the_queue_and_a_short_trouble_does_not() -> None:
    one, other = two(gated(health=HEALTH))
    probe(one, well=True)
    share(one, other)
    probe(other, well=True)
    share(one, other)
    assert other.phase() is ElectionPhase.FOLLOWING
    probe(other, well=False)
    pass_time(3.0, one, other)
    probe(other, well=True)
    pass_time(30.0, one, other)
    assert len(one.store.keys["job"]) == 2, "3 s of trouble are no reason"
    probe(other, well=False)
    pass_time(4.0, one, other)
    assert other.phase() is ElectionPhase.DETACHED
    assert other.state.elections[JOB].cause == "withdrawn: job/standby is unhealthy"
    assert len(one.store.keys["job"]) == 1
    assert other.running() == ["job/standby"], "it is looked after, to stand again"


def test_a_standby_that_comes_and_goes_costs_fewer_and_fewer_candidacies() -> None:
    one, other = two(gated(health=HEALTH))
    probe(one, well=True)
    share(one, other)
    for _ in range(100):
        probe(other, well=True)
        pass_time(2.0, one, other, slice_seconds=0.5)
        probe(other, well=False)
        pass_time(4.0, one, other, slice_seconds=0.5)
    campaigns = sum("< Campaign(" in line for line in other.log)
    assert 3 <= campaigns <= 7, "in 600 s: after 10, 20, 40, 80, 160 and 300 s at the earliest"


def test_a_standby_that_an_operator_stopped_does_not_stand() -> None:
    one, other = two(gated())
    assert other.phase() is ElectionPhase.FOLLOWING
    other.post(StopRequested(process=STANDBY))
    pass_time(4.0, one, other)
    assert other.phase() is ElectionPhase.DETACHED
    assert other.state.elections[JOB].unfit == "job/standby is stopped by an operator"
    other.post(StartRequested(process=STANDBY))
    share(one, other)
    assert other.phase() is ElectionPhase.FOLLOWING, "an operator's word ends the cool-down, too"


def test_a_standby_that_is_first_in_the_queue_wins_though_it_stumbles() -> None:
    one, other = two(gated())
    other.crash("job/standby")
    other.crash("job/standby")
    one.post(ev.ShutdownRequested(reason="done"))
    share(one, other)
    assert other.phase() is ElectionPhase.LEADING


@pytest.mark.parametrize("when", CampaignWhen)
def test_the_rule_changes_by_a_reload_without_a_new_candidacy(when: CampaignWhen) -> None:
    one, other = two(gated())
    token = other.state.elections[JOB].create_revision
    standby = process("standby", role=Role.FOLLOWER)
    other.load(spec(election(follower=(standby,), campaign_when=when)))
    pass_time(1.0, one, other)
    assert other.state.elections[JOB].create_revision == token
