"""A file that changes the way to etcd: the same cluster costs nothing, another one is refused as a whole."""

from dataclasses import replace

import pytest

from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core import store_events as sev
from supervisor.core.names import ElectionName, Role
from supervisor.core.spec import AuthSpec, EtcdSpec, Spec, TlsSpec
from supervisor.core.state import ElectionPhase
from tests.core.world import World, election, process, spec

OURS, THEIRS = "aaaa", "bbbb"
NEW = EtcdSpec(endpoints=("http://new:2379",))
JOB = ElectionName("job")


@pytest.fixture
def world() -> World:
    world = World()
    world.load(spec(election()))
    world.post(sev.EndpointsSeen(cluster=OURS, endpoints=()))
    assert world.state.elections[JOB].leading
    return world


def moved(world: World, etcd: EtcdSpec = NEW, *, always: bool = False) -> Spec:
    more = (process("extra", role=Role.ALWAYS),) if always else ()
    desired = replace(spec(election(), always=more), etcd=etcd)
    world.load(desired)
    return desired


def identified(world: World, cluster: str, etcd: EtcdSpec = NEW, detail: str = "") -> None:
    world.post(sev.StoreIdentified(etcd=etcd, cluster=cluster, detail=detail))


def asked(world: World, kind: type[ac.Action]) -> int:
    return sum(f"< {kind.__name__}" in line for line in world.log)


@pytest.mark.parametrize(
    "etcd",
    [
        NEW,
        EtcdSpec(endpoints=("http://store:2379",), tls=TlsSpec(ca="/ca")),
        EtcdSpec(endpoints=("http://store:2379",), auth=AuthSpec(user="u", password_file="/p")),
        EtcdSpec(discovery_srv="example.org"),
    ],
)
def test_the_same_cluster_costs_no_term(world: World, etcd: EtcdSpec) -> None:
    term, connected = world.state.elections[JOB].term, asked(world, ac.Connect)
    desired = moved(world, etcd, always=True)
    assert world.state.spec != desired, "nothing of it is in force yet"
    assert not any(p.name == "extra" for p in world.state.processes)
    identified(world, OURS, etcd)
    assert world.state.spec == desired
    assert world.state.store.connected == etcd
    assert asked(world, ac.Connect) == connected + 1
    world.advance(60)
    assert (world.state.elections[JOB].term, world.state.elections[JOB].phase) == (term, ElectionPhase.LEADING)
    assert any(p.name == "extra" for p in world.state.processes)


def test_another_cluster_is_refused_as_a_whole_and_what_runs_goes_on(world: World) -> None:
    before = world.state
    moved(world, always=True)
    identified(world, THEIRS)
    (problem,) = world.state.problems
    assert f"belong to another etcd cluster (id {THEIRS}, was {OURS}); to move" in problem
    assert (world.state.spec, world.state.generation) == (before.spec, before.generation)
    assert world.state.rejected_at is not None
    world.advance(60)
    assert world.state.elections[JOB].term == before.elections[JOB].term
    moved(world)
    identified(world, OURS)
    assert world.state.problems == ()


def test_what_does_not_answer_is_refused_with_the_reason(world: World) -> None:
    moved(world)
    identified(world, "", detail="connection refused")
    assert "connection refused" in world.state.problems[0]
    assert world.state.elections[JOB].leading


def test_a_later_file_takes_the_place_of_one_that_waits(world: World) -> None:
    moved(world)
    other = EtcdSpec(endpoints=("http://newer:2379",))
    desired = moved(world, other)
    identified(world, THEIRS)  # of the first
    assert not world.state.problems
    identified(world, OURS, other)
    assert world.state.spec == desired


def test_a_bad_file_ends_the_wait(world: World) -> None:
    moved(world)
    world.post(ev.ConfigRejected(problems=("f:1:1: no",)))
    identified(world, OURS)
    assert world.state.store.connected != NEW


def test_where_nothing_is_held_the_file_is_adopted_at_once() -> None:
    world = World(failing={ac.GrantLease})
    world.load(spec(election()))
    desired = moved(world)
    assert world.state.spec == desired
    assert world.state.store.connected == NEW
    assert not asked(world, ac.Identify)


def test_a_file_that_corrects_an_etcd_that_never_answered_is_campaigned_under() -> None:
    world = World(failing={ac.GrantLease})
    world.load(spec(election()))
    world.failing.clear()
    moved(world)
    world.advance(1)
    assert world.state.elections[JOB].leading


def test_another_namespace_of_the_same_cluster_is_a_new_campaign(world: World) -> None:
    etcd = replace(NEW, namespace="/other")
    moved(world, etcd)
    identified(world, OURS, etcd)
    world.advance(5)
    assert asked(world, ac.Resign)
    assert world.state.store.connected == etcd
    assert world.state.elections[JOB].leading


def test_a_shutdown_meanwhile_is_a_shutdown(world: World) -> None:
    moved(world)
    world.post(ev.ShutdownRequested(reason="end"))
    identified(world, THEIRS)
    world.advance(5)
    assert world.exit_code == 0
