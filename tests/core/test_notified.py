"""What children tell by sd_notify, and what a change of probes costs."""

from dataclasses import replace

from supervisor.core import diff
from supervisor.core import events as ev
from supervisor.core.names import ElectionName, ProcessId, ProcessName
from supervisor.core.spec import GiveUp, ProbeKind, ProbeSpec, ProcessSpec, RestartPolicy, RestartSpec, StopSpec
from supervisor.core.state import ProcessPhase
from tests.core.world import World, election, process, spec

WORK = ProcessId(ElectionName("job"), ProcessName("work"))
ONCE = RestartSpec(policy=RestartPolicy.ALWAYS, limit=1, backoff_min_seconds=0.1, backoff_max_seconds=0.1)
NOTIFY = ProbeSpec(kind=ProbeKind.NOTIFY, within_seconds=2.0)


def leading_work() -> World:
    world = World()
    world.load(spec(election(leader=(process("work", ready=NOTIFY),))))
    return world


def test_a_start_takes_longer_when_the_process_says_so_and_a_stop_does_not() -> None:
    world = World(stubborn=True)
    work = process("work", ready=NOTIFY, restart=ONCE, stop=StopSpec(timeout_seconds=1.0))
    world.load(spec(election(leader=(work,), on_giveup=GiveUp.STAY)))
    (run,) = world.children
    world.advance(1.5)
    world.post(ev.Notified(run=run, status="migrating", extend_seconds=3.0))
    world.advance(2.0)
    assert (world.state.processes[WORK].phase, world.state.processes[WORK].status) == (
        ProcessPhase.RUNNING,
        "migrating",
    )
    world.post(ev.Notified(run=run, extend_seconds=0.1))
    world.advance(0.9)
    assert world.state.processes[WORK].phase is ProcessPhase.RUNNING, "an extension shortens nothing"
    world.advance(0.3)
    assert world.state.processes[WORK].phase is ProcessPhase.STOPPING
    world.post(ev.Notified(run=run, extend_seconds=100.0))
    world.advance(1.1)
    assert run not in world.children, "killed when its stop timeout was over"


def test_a_process_that_spoke_before_we_knew_that_it_runs_is_heard() -> None:
    world = leading_work()
    run = world.state.processes[WORK].run
    assert run is not None
    starting = replace(world.state.processes[WORK], phase=ProcessPhase.STARTING, ready_by=None)
    world.state = replace(world.state, processes={**world.state.processes, WORK: starting})
    world.post(ev.Notified(run=run, extend_seconds=30.0))
    world.post(ev.Spawned(run=run, pid=1))
    assert world.state.processes[WORK].ready_by == world.now + 30.0


def test_what_a_child_says_is_forgotten_with_it() -> None:
    world = leading_work()
    (run,) = world.children
    world.post(ev.Notified(run=run, status="up"))
    world.crash("job/work")
    assert world.state.processes[WORK].status == ""
    world.post(ev.Notified(run=run, status="late"))
    assert world.state.processes[WORK].status == ""


def test_a_change_of_probes_restarts_only_what_must_be_told_at_its_start() -> None:
    tcp = ProbeSpec(kind=ProbeKind.TCP, address="a:1")

    def beats(seconds: float, failures: int = 1) -> ProbeSpec:
        return ProbeSpec(kind=ProbeKind.WATCHDOG, every_seconds=seconds, failures=failures)

    def declared(ready: ProbeSpec | None = None, health: ProbeSpec | None = None) -> ProcessSpec:
        return process("work", ready=ready, health=health)

    for old, new, restarts in (
        (declared(tcp), declared(NOTIFY), True),
        (declared(NOTIFY), declared(tcp), False),
        (declared(NOTIFY), declared(replace(NOTIFY, within_seconds=9.0)), False),
        (declared(NOTIFY), declared(NOTIFY, beats(10)), True),
        (declared(None, beats(10)), declared(None, beats(5)), True),
        (declared(None, beats(10)), declared(None, beats(10, failures=3)), False),
        (declared(None, beats(10)), declared(NOTIFY, beats(10)), False),
        (declared(None, beats(10)), declared(), False),
    ):
        assert diff.needs_restart(old, new) is restarts, (old, new)
