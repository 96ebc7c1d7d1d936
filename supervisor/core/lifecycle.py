"""The transitions of one process: what each event means in each phase.

Theory of operation. STOPPED until desired; STARTING until exec is confirmed; RUNNING until its main process ends by
itself (CLEARING: what it left behind is killed) or is asked to stop (STOPPING, ``stopping``). A child is over only when its
containment is *empty*, never when its main process exited; only then may the next one start. An end nobody asked for
goes to ``restarts.decide``: BACKOFF, COMPLETED or GAVE_UP. *Ready* and *health* are facts about RUNNING, not phases; a
task is never ready: it completes. ``halted`` is an operator's stop, and beats all of this.

Rules of this file: events name a run, and a run that is not the process's present one is old news and changes nothing.
"""

from supervisor.core import restarts, stopping, story
from supervisor.core.actions import CloseSockets, ConfigureLog, KillRun, Release, Spawn, StartProbe, StopProbe
from supervisor.core.draft import Draft
from supervisor.core.events import (
    Emptied,
    Exited,
    Lingering,
    Notified,
    ProbeFailed,
    ProbeSucceeded,
    Spawned,
    SpawnFailed,
)
from supervisor.core.evolve import replace
from supervisor.core.names import EPOCH, Instant, ProcessId, RunId, Term
from supervisor.core.spec import ProcessKind, ProcessSpec, UnhealthyAction
from supervisor.core.state import Health, LastExit, Process, ProcessPhase

READY = "ready"
HEALTH = "health"


# --- moves ---------------------------------------------------------------------------------------------------------


def start(
    draft: Draft,
    p: Process,
    spec: ProcessSpec,
    term: Term | None,
    variables: tuple[tuple[str, str], ...],
    *,
    held: bool = False,
) -> Process:
    """Ask for a child of this spec; ``held``: up to the point where it would exec."""
    assert not p.alive
    run = draft.new_run(p.id)
    draft.do(ConfigureLog(process=p.id, log=spec.log))
    draft.do(Spawn(run=run, spec=spec, term=term, variables=variables, held=held))
    if held:
        draft.base = replace(draft.base, held=draft.base.held | {run})
    return draft.put_process(
        replace(
            p,
            spec=spec,
            phase=ProcessPhase.STARTING,
            since=draft.now,
            run=run,
            term=term,
            pid=None,
            ready=False,
            health=Health.STARTING,
            probe_detail="",
            status="",
            passes=0,
            fails=0,
            ready_by=None,
            started_at=None,
            kill_at=None,
            killed=False,
            signal_at=None,
            failed=False,
            held=held,
            retry_at=None,
            listening=bool(spec.sockets),
            blockers=(),
            why="",
        )
    )


def release(draft: Draft, p: Process) -> Process:
    """Let a held child go on to exec."""
    assert p.run is not None
    draft.do(Release(run=p.run))
    draft.base = replace(draft.base, held=draft.base.held - {p.run})
    return draft.put_process(replace(p, held=False, since=draft.now))


def stop(draft: Draft, p: Process, *, kill_by: Instant | None = None, failed: bool = False, why: str = "") -> Process:
    """Ask the child to end, and have everything of it killed by its stop timeout, or by ``kill_by`` when that is sooner."""
    if p.held:
        kill_by = draft.now  # nothing of the command runs yet: there is nobody to ask
    if p.phase in (ProcessPhase.STARTING, ProcessPhase.RUNNING):
        _stop_probes(draft, p)
        p = stopping.begin(draft, p, willing=kill_by is None, failed=failed, why=why)
    if kill_by is not None:
        p = stopping.hurry(p, draft.now, kill_by)
    return draft.put_process(stopping.press(draft, p))


def restart(draft: Draft, p: Process) -> Process:
    """An operator's word: end the child, and begin anew with a fresh budget as soon as nothing of it is left."""
    p = replace(p, failures=0, recent_restarts=(), failed=False, halted=False)
    if p.phase is ProcessPhase.CLEARING:
        # It ended by itself, and from now on on request: what follows is not the budget's to decide.
        p = replace(p, phase=ProcessPhase.STOPPING, since=draft.now)
    if p.phase is ProcessPhase.STOPPING:
        return draft.put_process(replace(p, why="restarted by an operator"))
    return stop(draft, p, why="restarted by an operator")


def halt(draft: Draft, p: Process) -> None:
    """An operator's word: not to run. What runs is stopped by the reconciler, since it is not desired any more."""
    if not p.halted:
        draft.put_process(replace(p, halted=True))


def unhalted(p: Process) -> Process:
    """The process without an operator's stop."""
    return replace(p, halted=False) if p.halted else p


def resume(draft: Draft, p: Process) -> None:
    """An operator's word: to run again, with a fresh budget where it had failed. What runs, or has completed, is left alone."""
    if p.halted:
        p = draft.put_process(unhalted(p))
    if p.phase in (ProcessPhase.BACKOFF, ProcessPhase.GAVE_UP):
        rest(draft, p)
    elif p.alive:
        draft.put_process(replace(p, failures=0, recent_restarts=()))


def rest(draft: Draft, p: Process) -> Process:
    """Not desired, nothing alive: forget the restarts of the past."""
    spec = _declared(draft, p)
    _lean_off(draft, p.spec, spec)
    kept = Process(
        id=p.id, spec=spec, since=draft.now, restarts=p.restarts, last_exit=p.last_exit, exits=p.exits,
        halted=p.halted, listening=p.listening,
    )  # fmt: skip
    return draft.put_process(kept)


def declare(draft: Draft, pid: ProcessId, spec: ProcessSpec) -> None:
    """A file declares it: its place in the state, and there, while it is at rest, what the next child will be."""
    p = draft.processes.get(pid)
    if p is None:
        draft.put_process(fresh(pid, spec, draft.now))
    elif p.phase is ProcessPhase.STOPPED and p.spec != spec:
        draft.put_process(replace(p, spec=spec))


def _declared(draft: Draft, p: Process) -> ProcessSpec:
    """As the file in force has it; as it was where that does not have it any more."""
    desired = draft.base.spec
    if desired is None or p.id.is_hook:
        return p.spec
    if not p.id.election:
        return desired.processes.get(p.id.name, p.spec)
    election = desired.elections.get(p.id.election)
    if election is None:
        return p.spec
    return election.leader.get(p.id.name) or election.follower.get(p.id.name) or p.spec


def _lean_off(draft: Draft, old: ProcessSpec, new: ProcessSpec) -> None:
    """What it no longer needs may be waiting for that, to be stopped. Those of an election are looked at together anyway."""
    if old.needs != new.needs and not old.id.election:
        draft.touched.update(ProcessId(old.id.election, name) for name in old.needs)


def close_sockets(draft: Draft, p: Process) -> Process:
    """Nobody is to answer there any more: whoever connects is refused at once instead of waiting for nothing."""
    draft.do(CloseSockets(process=p.id, run=p.run))
    return draft.put_process(replace(p, listening=False))


def vanished(draft: Draft, p: Process) -> None:
    """Proven dead by whoever ended everything: a start that was under way included, whose answer never comes."""
    assert p.run is not None
    _stop_probes(draft, p)
    _forget_run(draft, p.run)
    if p.before is not None:
        _forget_run(draft, p.before)
    rest(draft, p)


def refresh(draft: Draft, p: Process, spec: ProcessSpec) -> Process:
    """Take live changes over into a running child: how it is watched, restarted, stopped and logged."""
    old = p.spec
    p = replace(p, spec=spec)
    _lean_off(draft, old, spec)
    if old.log != spec.log:
        draft.do(ConfigureLog(process=p.id, log=spec.log))
    if p.phase is ProcessPhase.RUNNING and (old.ready != spec.ready or old.health != spec.health):
        _stop_probes(draft, replace(p, spec=old))
        p = _begin_watching(draft, replace(p, passes=0, fails=0, ready=p.ready or _ready_at_once(spec)))
    elif p.phase is ProcessPhase.RUNNING and old.timeout_seconds != spec.timeout_seconds:
        p = replace(p, ready_by=_task_deadline(p))
    return draft.put_process(p)


# --- events --------------------------------------------------------------------------------------------------------


def on_spawned(draft: Draft, p: Process, event: Spawned) -> None:
    """Exec succeeded. While stopping, that changes nothing but the pid we can show."""
    p = replace(p, pid=event.pid, started_at=draft.now)
    if p.phase is ProcessPhase.STARTING:
        asked = p.ready_by  # it may have spoken before we heard that it runs
        p = replace(p, phase=ProcessPhase.RUNNING, since=draft.now, ready=_ready_at_once(p.spec))
        p = _begin_watching(draft, p)
        if asked is not None and p.ready_by is not None:
            p = replace(p, ready_by=max(asked, p.ready_by))
    draft.put_process(p)


def on_spawn_failed(draft: Draft, p: Process, event: SpawnFailed) -> None:
    """It never ran, so there is nothing to clear. One that was held is no failed start: it is tried when its term has begun."""
    if p.held:
        assert p.run is not None
        _forget_run(draft, p.run)
        e = draft.elections.get(p.id.election)
        if e is not None:
            draft.put_election(replace(e, prepare=False))
        rest(draft, p)
        return
    last = LastExit(at=draft.now, code=None, signal=None, core_dumped=False, ran_seconds=0.0, detail=event.detail)
    _over(draft, replace(p, last_exit=last), chance=event.chance)


def on_exited(draft: Draft, p: Process, event: Exited) -> None:
    """The main process ended. What it left behind is killed before anything else happens to this process."""
    ran = draft.now - p.started_at if p.started_at is not None else 0.0
    last = LastExit(
        at=draft.now,
        code=event.code,
        signal=event.signal,
        core_dumped=event.core_dumped,
        oom_killed=event.oom_killed,
        ran_seconds=ran,
        cause=p.why if p.phase is ProcessPhase.STOPPING else "",
        stopping_seconds=draft.now - p.since if p.phase is ProcessPhase.STOPPING else None,
    )
    p = stopping.exited(draft, replace(p, last_exit=last, pid=None))
    if p.phase in (ProcessPhase.STARTING, ProcessPhase.RUNNING):
        _stop_probes(draft, p)
        p = replace(p, phase=ProcessPhase.CLEARING, since=draft.now, ready=False)
    if not p.killed and not event.empty and p.run is not None:
        draft.do(KillRun(run=p.run))
        p = replace(p, killed=True)
    draft.put_process(p)


def on_lingering(draft: Draft, p: Process, event: Lingering) -> None:
    """Killed, and still there: ``status`` names them."""
    if p.phase in (ProcessPhase.STOPPING, ProcessPhase.CLEARING):
        draft.put_process(replace(p, blockers=event.blockers))


def on_emptied(draft: Draft, p: Process, event: Emptied) -> None:
    """Nothing of the child is left: the process is free again, unless its pre-stop command is still there."""
    if p.before is not None:
        # The story's lines wait in the exit itself; it is told when all is over.
        last = None if p.last_exit is None else replace(p.last_exit, lines=event.lines)
        draft.put_process(replace(p, gone=event.chance, last_exit=last))
        return
    _over(draft, p, chance=event.chance, lines=event.lines)


def on_before(draft: Draft, p: Process, event: Spawned | SpawnFailed | Exited | Emptied | Lingering) -> None:
    """News of the pre-stop command. However it ended: the stop goes on."""
    match event:
        case Exited(run=run):
            if not event.empty:
                draft.do(KillRun(run=run))  # what it left behind
        case Emptied() | SpawnFailed():
            p = stopping.before_over(draft, p)
            if p.gone is None:
                draft.put_process(stopping.press(draft, p))
            else:
                _over(draft, p, chance=p.gone, lines=p.last_exit.lines if p.last_exit else ())
        case Lingering(blockers=blockers):
            draft.put_process(replace(p, blockers=blockers))
        case Spawned():
            pass


def on_probe(draft: Draft, p: Process, event: ProbeSucceeded | ProbeFailed) -> None:
    """Count results in a row; turn ready, healthy or unhealthy at the thresholds."""
    if p.phase is not ProcessPhase.RUNNING:
        return
    probe = p.spec.ready if event.purpose == READY else p.spec.health
    if probe is None or (event.purpose == READY) == p.ready:
        return  # of a probe that has been replaced, or that no longer matters
    if isinstance(event, ProbeSucceeded):
        p = replace(p, passes=p.passes + 1, fails=0)
        if p.passes >= probe.successes:
            p = (
                _became_ready(draft, p)
                if event.purpose == READY
                else replace(p, health=Health.HEALTHY, probe_detail="")
            )
        draft.put_process(p)
        return
    p = draft.put_process(replace(p, fails=p.fails + 1, passes=0, probe_detail=event.detail))
    if event.purpose == HEALTH and p.fails >= probe.failures:
        p = draft.put_process(replace(p, health=Health.UNHEALTHY))
        if probe.action is UnhealthyAction.RESTART:
            stop(draft, p, failed=True, why=f"unhealthy: {event.detail}" if event.detail else "unhealthy")


def on_notified(draft: Draft, p: Process, event: Notified) -> None:
    """Keep what it says of itself; a start that takes longer than thought may take longer, a stop may not."""
    if event.status is not None:
        p = replace(p, status=event.status)
    timed = p.spec.ready is not None and p.spec.ready.within_seconds is not None and not p.ready
    if event.extend_seconds is not None and timed and p.phase in (ProcessPhase.STARTING, ProcessPhase.RUNNING):
        p = replace(p, ready_by=max(p.ready_by or EPOCH, Instant(draft.now + event.extend_seconds)))
    draft.put_process(p)


# --- helpers -------------------------------------------------------------------------------------------------------


def _over(draft: Draft, p: Process, *, chance: float, lines: tuple[str, ...] = ()) -> None:
    """The child is gone for good; what follows depends on whether it was asked to go."""
    assert p.run is not None
    _forget_run(draft, p.run)
    gone = replace(
        p, run=None, pid=None, ready=False, health=Health.STARTING, kill_at=None, killed=False, held=False, ready_by=None,
        started_at=None, signal_at=None, signalled=0, before_due=False, gone=None, blockers=(), why="", status="",
    )  # fmt: skip
    if p.halted or (p.phase is ProcessPhase.STOPPING and not p.failed):
        rest(draft, story.told(gone, story.ASKED, lines=lines))
        return
    last = p.last_exit
    failure = p.failed or last is None or restarts.is_failure(p.spec.restart, code=last.code)
    decision = restarts.decide(
        p.spec.restart,
        failure=failure,
        ran_seconds=_served_seconds(p),
        failures=p.failures,
        recent=p.recent_restarts,
        chance=chance,
        now=draft.now,
    )
    words = story.of_decision(p, decision, failure=failure, now=draft.now)
    next_at = decision.at if isinstance(decision, restarts.Again) else None
    gone = story.told(replace(gone, since=draft.now, failed=failure), words, lines=lines, next_at=next_at)
    match decision:
        case restarts.Again(at=at, failures=failures, recent=recent):
            again = replace(gone, phase=ProcessPhase.BACKOFF, retry_at=at, failures=failures, recent_restarts=recent)
            draft.put_process(replace(again, restarts=p.restarts + 1))
        case restarts.Leave():
            # A failure that is not to be followed by a restart is one that nothing will mend: it has given up.
            phase = ProcessPhase.GAVE_UP if failure else ProcessPhase.COMPLETED
            draft.put_process(replace(gone, phase=phase))
        case restarts.GiveUp():
            draft.put_process(replace(gone, phase=ProcessPhase.GAVE_UP))


def _forget_run(draft: Draft, run: RunId) -> None:
    draft.runs.drop(run)
    if run in draft.base.held:
        draft.base = replace(draft.base, held=draft.base.held - {run})


def _served_seconds(p: Process) -> float:
    """For how long it was no failed start. One that we ended before it was ready was nothing else."""
    if p.last_exit is None or (p.phase is ProcessPhase.STOPPING and not p.ready):
        return 0.0
    return p.last_exit.ran_seconds


def _ready_at_once(spec: ProcessSpec) -> bool:
    return spec.ready is None and spec.kind is ProcessKind.SERVICE


def _task_deadline(p: Process) -> Instant | None:
    if p.spec.timeout_seconds is None or p.started_at is None:
        return None
    return Instant(p.started_at + p.spec.timeout_seconds)


def _begin_watching(draft: Draft, p: Process) -> Process:
    """Start the probe that matters now: ready first, then health."""
    assert p.run is not None
    ready, health = p.spec.ready, p.spec.health
    if p.spec.kind is ProcessKind.TASK:
        return replace(p, health=Health.STARTING, ready_by=_task_deadline(p))
    if ready is not None and not p.ready:
        draft.do(StartProbe(run=p.run, process=p.id, purpose=READY, probe=ready))
        by = None if ready.within_seconds is None else Instant(draft.now + ready.within_seconds)
        return replace(p, health=Health.STARTING, ready_by=by)
    if health is not None:
        draft.do(StartProbe(run=p.run, process=p.id, purpose=HEALTH, probe=health))
        return replace(p, ready_by=None)
    return replace(p, health=Health.HEALTHY, ready_by=None)


def _became_ready(draft: Draft, p: Process) -> Process:
    assert p.run is not None
    draft.do(StopProbe(run=p.run, purpose=READY))
    p = replace(p, ready=True, passes=0, fails=0, probe_detail="", health=Health.HEALTHY)
    return _begin_watching(draft, p)


def _stop_probes(draft: Draft, p: Process) -> None:
    assert p.run is not None
    if p.phase is not ProcessPhase.RUNNING:
        return
    if p.spec.ready is not None and not p.ready:
        draft.do(StopProbe(run=p.run, purpose=READY))
    elif p.spec.health is not None:
        draft.do(StopProbe(run=p.run, purpose=HEALTH))


def fresh(pid: ProcessId, spec: ProcessSpec, now: Instant) -> Process:
    """A process that has never run."""
    return Process(id=pid, spec=spec, since=now)
