"""What the log says of a story, told by a world that answers (``tests.core.world``)."""

from dataclasses import dataclass, field, replace

from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core.names import ElectionName, Role
from supervisor.core.operator_events import StartRequested, StopRequested
from supervisor.core.spec import (
    CampaignWay,
    CampaignWhen,
    LogSpec,
    ProbeKind,
    ProbeSpec,
    StopSpec,
    UnhealthyAction,
)
from supervisor.core.state import ElectionPhase, State
from supervisor.report import transitions
from tests.core.world import World, election, process, spec


@dataclass
class Told(World):
    """A world whose steps are told of."""

    said: list[str] = field(default_factory=list)
    states: list[State] = field(default_factory=list)

    def _step(self, event: ev.Event) -> None:
        before = self.state
        super()._step(event)
        self.states.append(self.state)
        self.said += [f"{line.level} {line.message}" for line in transitions.lines(before, event, self.state)]


JOB = ElectionName("job")


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


def test_the_key_goes_last_in_the_log_as_well_when_all_of_it_was_one_step() -> None:
    """The loop answers a run's end and the guardian's word on the term in one step."""
    world = leading()
    world.post(ev.ShutdownRequested(reason="SIGTERM"))
    states = world.states
    down = next(s for s in states if s.elections[JOB].phase is ElectionPhase.STEPPING_DOWN)
    gone = next(s for s in states if s.elections[JOB].phase is ElectionPhase.RESIGNING)
    told = [line.message for line in transitions.lines(down, ev.Ticked(), gone)]
    assert told.index("job/work: stopped") < told.index("job: resigning: SIGTERM")


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
    assert "warn job/work: killed by signal 9 after 1.2 s; restart at once (1 of 5 in 1 m)" in world.said


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
    assert told[2].startswith("warn job/work: exited with code 0 after 0.0 s")
    assert told[2].endswith(f"(unhealthy: {refused}); restart at once (1 of 5 in 1 m)")


def test_a_start_that_took_too_long_says_what_was_missing() -> None:
    for kind, missing in ((ProbeKind.NOTIFY, "it did not say READY=1"), (ProbeKind.LOG, "no line matched")):
        world = Told()
        ready = ProbeSpec(kind=kind, pattern="x", within_seconds=1.0)
        world.load(spec(election(leader=(process("work", ready=ready),))))
        world.advance(1.1)
        assert f"warn job/work: was not ready in time: {missing}" in world.said


def test_an_end_that_was_asked_for_says_why_and_a_failure_says_what_was_decided() -> None:
    world = leading()
    run = world.process().run
    assert run is not None
    world.post(StopRequested(process=world.process().id))
    assert world.said[:1] == ["info job/work: an operator stops it, until an operator starts it"]
    assert "info job/work: stopped" in world.said
    world.post(StartRequested(process=world.process().id))
    assert "info job/work: an operator starts it again" in world.said
    for _ in range(6):
        world.advance(2)
        world.crash("job/work", code=3, signal=None)
    told = [line for line in world.said if "gave up: 5 restarts in 1 m" in line]
    assert len(told) == 1
    assert told[0].startswith("error job/work: exited with code 3 after ")
    assert world.phase() is not ElectionPhase.LEADING, "told though the election steps down for it in the same step"
    assert world.said[-1] != "info job/work: stopped"


def test_who_is_left_after_a_kill_and_what_was_said_last_are_told() -> None:
    world = Told()
    world.load(spec(election(leader=(process("work", log=LogSpec(file="/var/log/work.log")),))))
    run = world.process().run
    assert run is not None
    del world.children[run]
    world.post(ev.Exited(run=run, code=1, signal=None, oom_killed=True))
    world.post(ev.Lingering(run=run, blockers=("77 (tar)",)))
    assert "warn job/work: killed, and still alive: 77 (tar)" in world.said
    world.post(ev.Emptied(run=run, chance=0.5, lines=("one", "two")))
    assert [line for line in world.said if line.startswith("warn")][-3:] == [
        "warn job/work: exited with code 1 after 0.0 s, out of memory: the kernel killed it or a process of it; restart at once (1 of 5 in 1 m)",
        "warn job/work: it said last: one",
        "warn job/work: it said last: two",
    ]


def test_why_a_node_does_not_stand_is_told_once() -> None:
    world = Told()
    standby = process("standby", role=Role.FOLLOWER, ready=ProbeSpec(kind=ProbeKind.TCP, address="x:1"))
    world.load(spec(election(follower=(standby,), campaign_when=CampaignWhen.HEALTHY)))
    world.advance(20)
    assert world.said.count("info job: does not stand: job/standby is not ready") == 1
    run = world.process("job/standby").run
    assert run is not None
    world.post(ev.ProbeSucceeded(run=run, purpose="ready"))
    assert "info job: its standby is healthy" in world.said
