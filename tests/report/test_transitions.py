"""What the log says of a story, told by a world that answers (``tests.core.world``)."""

from dataclasses import dataclass, field, replace

from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core.spec import CampaignWay, ProbeKind, ProbeSpec, StopSpec, UnhealthyAction
from supervisor.report import transitions
from tests.core.world import World, election, process, spec


@dataclass
class Told(World):
    """A world whose steps are told of."""

    said: list[str] = field(default_factory=list)

    def _step(self, event: ev.Event) -> None:
        before = self.state
        super()._step(event)
        self.said += [f"{line.level} {line.message}" for line in transitions.lines(before, event, self.state)]


def leading() -> Told:
    world = Told()
    world.load(spec(election(leader=(process("work", stop=StopSpec(timeout_seconds=2.0)),))))
    assert "info job/work: started" in world.said
    world.said.clear()
    return world


def test_a_process_that_obeys_is_stopped_and_nobody_speaks_of_killing() -> None:
    world = leading()
    world.post(ev.ShutdownRequested(reason="SIGTERM"))
    assert "info job/work: stopped" in world.said
    assert not any("killed" in line for line in world.said)


def test_a_process_that_does_not_obey_is_said_to_be_killed_once() -> None:
    world = leading()
    for child in world.children.values():
        child.obeys = False
    world.post(ev.ShutdownRequested(reason="SIGTERM"))
    assert not any("killed" in line for line in world.said)
    world.advance(3)
    assert world.said.count("warn job/work: killed, it did not stop in time") == 1
    assert "info job/work: stopped" in world.said


def test_what_repeats_is_not_told_of() -> None:
    world = leading()
    world.post(ev.StoreReachable(endpoint="http://store:2379"))
    world.said.clear()
    for _ in range(100):
        world.advance(1)
        world.post(ev.StoreConfirmed())
    assert world.said == []


def test_a_crash_says_how_and_after_how_long() -> None:
    world = leading()
    world.now += 1.25
    world.muted.add(ac.Spawn)
    world.crash("job/work", signal=9)
    assert "warn job/work: killed by signal 9 after 1.2 s" in world.said


def test_many_campaign_calls_are_warned_of_once() -> None:
    world = Told()
    desired = spec(*(election(f"e{i}") for i in range(21)))
    desired = replace(desired, etcd=replace(desired.etcd, campaign=CampaignWay.RPC))
    world.load(desired)
    world.load(replace(desired, elections={**desired.elections}))
    world.advance(1)
    assert len([line for line in world.said if line.startswith("warn etcd.campaign is rpc, with 21 elections")]) == 1


def test_a_probe_that_fails_is_told_of_once_for_each_reason() -> None:
    ready = ProbeSpec(kind=ProbeKind.EXEC, command=("check",), within_seconds=10.0)
    health = ProbeSpec(kind=ProbeKind.TCP, address="127.0.0.1:1", failures=2, action=UnhealthyAction.RESTART)
    world = Told()
    world.load(spec(election(leader=(process("work", ready=ready, health=health),))))
    (run,) = world.children
    world.said.clear()

    def fail(purpose: str, *details: str) -> list[str]:
        world.said.clear()
        for detail in details:
            world.post(ev.ProbeFailed(run=run, purpose=purpose, detail=detail))
        return [line for line in world.said if "work" in line]

    assert fail("ready", "exit code 1: at 12:01", "exit code 1: at 12:02", "exit code 2: no") == [
        "info job/work: the ready probe failed: exit code 1: at 12:01",
        "info job/work: the ready probe failed: exit code 2: no",
    ]
    world.post(ev.ProbeSucceeded(run=run, purpose="ready"))
    world.post(ev.ProbeSucceeded(run=run, purpose="health"))
    refused = "connection refused (127.0.0.1:1)"
    told = fail("health", refused, refused)
    assert told[:2] == [
        f"info job/work: the health probe failed: {refused}",
        f"warn job/work: is unhealthy: {refused}",
    ]


def test_a_start_that_took_too_long_says_what_was_missing() -> None:
    for kind, missing in ((ProbeKind.NOTIFY, "it did not say READY=1"), (ProbeKind.LOG, "no line matched")):
        world = Told()
        ready = ProbeSpec(kind=kind, pattern="x", within_seconds=1.0)
        world.load(spec(election(leader=(process("work", ready=ready),))))
        world.advance(1.1)
        assert f"warn job/work: was not ready in time: {missing}" in world.said
