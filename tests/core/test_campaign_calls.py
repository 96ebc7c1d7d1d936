"""``etcd.campaign: rpc`` in the core: what the end of a Campaign call means in each phase, and a change of the way."""

from dataclasses import replace

import pytest

from supervisor.core import actions as ac
from supervisor.core import diff
from supervisor.core import events as ev
from supervisor.core import store_events as sev
from supervisor.core.advice import MOST_CALLS, advice
from supervisor.core.names import ElectionName, Role, Token
from supervisor.core.spec import CampaignWay, EtcdSpec, Spec
from supervisor.core.state import ElectionPhase
from tests.core.world import World, election, process, spec

JOB = ElectionName("job")


def by_call(desired: Spec) -> Spec:
    return replace(desired, etcd=replace(desired.etcd, campaign=CampaignWay.RPC))


def ended(world: World, *, broken: bool) -> sev.CampaignEnded:
    e = world.state.elections[JOB]
    assert e.lease is not None
    assert e.create_revision is not None
    return sev.CampaignEnded(
        election=JOB, lease=e.lease, create_revision=e.create_revision, broken=broken, detail="gone", chance=0.0
    )


def following() -> tuple[World, ev.Candidate]:
    world = World()
    other = world.foreign("job")
    world.pending.clear()
    world.load(by_call(spec(election(follower=(process("standby", role=Role.FOLLOWER),)))))
    assert world.phase() is ElectionPhase.FOLLOWING
    return world, other


def asked(world: World, kind: type[ac.Action]) -> int:
    return sum(f"< {kind.__name__}" in line for line in world.log)


def test_a_returned_campaign_is_a_reason_to_ask_and_no_win() -> None:
    world, _ = following()
    world.post(ended(world, broken=False))
    assert asked(world, ac.Prove) == 1
    assert world.phase() is ElectionPhase.FOLLOWING, "somebody else is first"
    assert world.running() == ["job/standby"]


def test_a_returned_campaign_whose_key_is_gone_wins_nothing() -> None:
    world, other = following()
    told = ended(world, broken=False)
    world.keys["job"] = []
    world.post(told)
    assert world.running() == ["job/standby"]
    world.advance(1)
    assert world.phase() is ElectionPhase.LEADING, "by a new key"
    assert world.tokens[JOB] > max(told.create_revision, other.create_revision)


def test_a_call_that_was_cut_off_gives_its_key_up_and_queues_anew_after_a_pause() -> None:
    world, other = following()
    told = ended(world, broken=True)
    world.post(told)
    assert world.phase() is ElectionPhase.DETACHED
    assert [c.create_revision for c in world.keys["job"]] == [other.create_revision]
    assert world.running() == ["job/standby"], "the follower role goes on"
    world.advance(5)
    assert world.phase() is ElectionPhase.FOLLOWING
    assert asked(world, ac.Campaign) == 2
    assert world.state.elections[JOB].create_revision != told.create_revision


def test_calls_that_break_at_once_are_not_made_in_a_loop() -> None:
    world, _ = following()
    for _ in range(10):
        if world.phase() is ElectionPhase.FOLLOWING:
            world.post(ended(world, broken=True))
        world.advance(0.5)
    assert asked(world, ac.Campaign) <= 5


@pytest.mark.parametrize("broken", [True, False])
def test_a_leader_does_not_care_for_its_call(broken: bool) -> None:
    world = World()
    world.load(by_call(spec(election())))
    token = world.tokens[JOB]
    world.post(ended(world, broken=broken))
    world.advance(1)
    assert world.phase() is ElectionPhase.LEADING
    assert world.tokens[JOB] == token


@pytest.mark.parametrize("broken", [True, False])
def test_the_end_of_an_earlier_call_is_old_news(broken: bool) -> None:
    world, _ = following()
    old = ended(world, broken=broken)
    proofs = asked(world, ac.Prove)
    world.post(replace(old, create_revision=Token(old.create_revision - 1)))
    assert world.phase() is ElectionPhase.FOLLOWING
    assert asked(world, ac.Prove) == proofs
    assert asked(world, ac.Resign) == 0


@pytest.mark.parametrize("there", [True, False])
def test_a_key_that_the_watch_has_missed_since_does_not_queue_as_a_ghost(there: bool) -> None:
    """Deleted by hand between the transaction and its answer: the watch may be the faster of the two."""
    world = World()
    other = world.foreign("job")
    world.muted.add(ac.Campaign)
    world.load(spec(election()))
    lease = world.state.sessions[10].lease
    assert lease is not None
    mine = ev.Candidate(key="/supervisor/job/1", lease=lease, create_revision=Token(other.create_revision + 5))
    shown = (other, mine) if there else (other,)
    world.post(ev.QueueChanged(election=JOB, candidates=shown, revision=mine.create_revision + 1))
    world.post(ev.Campaigned(election=JOB, lease=lease, create_revision=mine.create_revision, first=other))
    assert world.phase() is (ElectionPhase.FOLLOWING if there else ElectionPhase.DETACHED)


def test_a_change_of_the_way_is_a_campaign_anew_by_the_old_connection() -> None:
    world = World()
    desired = spec(election())
    world.load(desired)
    world.post(sev.EndpointsSeen(cluster="aaaa", endpoints=()))
    token = world.tokens[JOB]
    (change,) = (c for c in diff.diff(desired, by_call(desired)) if c.what == "election job")
    assert (change.cost, change.keys) == (diff.Cost.RECAMPAIGN, ("etcd",))
    world.load(by_call(desired))
    assert asked(world, ac.Identify) == 0, "it is the same etcd, reached in the same way"
    world.advance(1)
    assert world.phase() is ElectionPhase.LEADING
    assert world.tokens[JOB] > token
    resigned = next(i for i, line in enumerate(world.log) if "< Resign" in line)
    connected = max(i for i, line in enumerate(world.log) if "< Connect" in line)
    assert resigned < connected


def test_a_change_of_the_way_and_of_the_endpoints_resigns_first() -> None:
    world = World()
    world.load(spec(election()))
    world.post(sev.EndpointsSeen(cluster="aaaa", endpoints=()))
    token = world.tokens[JOB]
    elsewhere = EtcdSpec(endpoints=("http://new:2379",), campaign=CampaignWay.RPC)
    world.load(replace(spec(election()), etcd=elsewhere))
    assert world.tokens[JOB] == token, "first it is asked whose etcd that is"
    world.post(sev.StoreIdentified(etcd=elsewhere, cluster="aaaa"))
    world.advance(1)
    assert world.phase() is ElectionPhase.LEADING
    assert world.tokens[JOB] > token


@pytest.mark.parametrize(("count", "way", "warned"), [
    (MOST_CALLS, CampaignWay.RPC, False),
    (MOST_CALLS + 1, CampaignWay.RPC, True),
    (1000, CampaignWay.TRANSACTION, False),
])  # fmt: skip
def test_many_calls_are_warned_of(count: int, way: CampaignWay, warned: bool) -> None:
    desired = spec(*(election(f"e{i}") for i in range(count)))
    found = advice(replace(desired, etcd=replace(desired.etcd, campaign=way)))
    assert len(found) == warned
    assert all(f"with {count} elections" in text for text in found)
