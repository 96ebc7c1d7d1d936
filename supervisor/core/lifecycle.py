"""The transitions of one process: what each event means in each phase.

Theory of operation. STOPPED until desired; STARTING until exec is confirmed; RUNNING until its main process ends by
itself (CLEARING: what it left behind is killed) or is asked to stop (STOPPING). A child is over only when its
containment is *empty*, never when its main process exited; only then may the next one start. An end nobody asked for
goes to ``restarts.decide``: BACKOFF, COMPLETED or GAVE_UP. *Ready* and *health* are facts about RUNNING, not phases.

Rules of this file: events name a run, and a run that is not the process's present one is old news and changes nothing.
"""

from supervisor.core import restarts
from supervisor.core.actions import CloseSockets, ConfigureLog, KillRun, SignalRun, Spawn, StartProbe, StopProbe
from supervisor.core.draft import Draft
from supervisor.core.events import Emptied, Exited, ProbeFailed, ProbeSucceeded, Spawned, SpawnFailed
from supervisor.core.evolve import replace
from supervisor.core.names import Instant, ProcessId, Term
from supervisor.core.spec import ProcessSpec, UnhealthyAction
from supervisor.core.state import Health, LastExit, Process, ProcessPhase

READY = "ready"
HEALTH = "health"


# --- moves ---------------------------------------------------------------------------------------------------------


def start(
    draft: Draft, p: Process, spec: ProcessSpec, term: Term | None, variables: tuple[tuple[str, str], ...]
) -> Process:
    """Ask for a child of this spec."""
    assert not p.alive
    run = draft.new_run(p.id)
    draft.do(ConfigureLog(process=p.id, log=spec.log))
    draft.do(Spawn(run=run, spec=spec, term=term, variables=variables))
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
            passes=0,
            fails=0,
            ready_by=None,
            kill_at=None,
            killed=False,
            failed=False,
            retry_at=None,
            listening=bool(spec.sockets),
        )
    )


def stop(draft: Draft, p: Process, *, kill_by: Instant | None = None, failed: bool = False) -> Process:
    """Ask the child to end, and have everything of it killed by its stop timeout, or by ``kill_by`` when that is sooner.

    Called again it only ever brings the kill forward.
    """
    run = p.run
    assert run is not None
    kill_at = Instant(draft.now + p.spec.stop.timeout_seconds)
    if kill_by is not None:
        kill_at = min(kill_at, kill_by)
    if p.phase in (ProcessPhase.STARTING, ProcessPhase.RUNNING):
        _stop_probes(draft, p)
        if kill_at > draft.now:
            draft.do(SignalRun(run=run, signal=p.spec.stop.signal))
        p = replace(p, phase=ProcessPhase.STOPPING, since=draft.now, kill_at=kill_at, failed=failed)
    elif p.kill_at is None or kill_at < p.kill_at:
        p = replace(p, kill_at=kill_at)
    if not p.killed and p.kill_at is not None and draft.now >= p.kill_at:
        draft.do(KillRun(run=run))
        p = replace(p, killed=True)
    return draft.put_process(p)


def restart(draft: Draft, p: Process) -> Process:
    """An operator's word: end the child, and begin anew with a fresh budget as soon as nothing of it is left."""
    p = replace(p, failures=0, recent_restarts=(), failed=False)
    if p.phase is ProcessPhase.CLEARING:
        # It ended by itself, and from now on on request: what follows is not the budget's to decide.
        p = replace(p, phase=ProcessPhase.STOPPING, since=draft.now)
    return draft.put_process(p) if p.phase is ProcessPhase.STOPPING else stop(draft, p)


def rest(draft: Draft, p: Process) -> Process:
    """Not desired, nothing alive: forget the restarts of the past."""
    return draft.put_process(
        Process(
            id=p.id,
            spec=p.spec,
            since=draft.now,
            restarts=p.restarts,
            last_exit=p.last_exit,
            listening=p.listening,
        )
    )


def close_sockets(draft: Draft, p: Process) -> Process:
    """Nobody is to answer there any more: whoever connects is refused at once instead of waiting for nothing."""
    draft.do(CloseSockets(process=p.id, run=p.run))
    return draft.put_process(replace(p, listening=False))


def vanished(draft: Draft, p: Process) -> None:
    """Proven dead by whoever ended everything: a start that was under way included, whose answer never comes."""
    assert p.run is not None
    _stop_probes(draft, p)
    draft.runs.drop(p.run)
    rest(draft, p)


def refresh(draft: Draft, p: Process, spec: ProcessSpec) -> Process:
    """Take live changes over into a running child: how it is watched, restarted, stopped and logged."""
    old = p.spec
    p = replace(p, spec=spec)
    if old.log != spec.log:
        draft.do(ConfigureLog(process=p.id, log=spec.log))
    if p.phase is ProcessPhase.RUNNING and (old.ready != spec.ready or old.health != spec.health):
        _stop_probes(draft, replace(p, spec=old))
        p = _begin_watching(draft, replace(p, passes=0, fails=0, ready=p.ready or spec.ready is None))
    return draft.put_process(p)


# --- events --------------------------------------------------------------------------------------------------------


def on_spawned(draft: Draft, p: Process, event: Spawned) -> None:
    """Exec succeeded. While stopping, that changes nothing but the pid we can show."""
    p = replace(p, pid=event.pid)
    if p.phase is ProcessPhase.STARTING:
        p = _begin_watching(draft, replace(p, phase=ProcessPhase.RUNNING, since=draft.now, ready=p.spec.ready is None))
    draft.put_process(p)


def on_spawn_failed(draft: Draft, p: Process, event: SpawnFailed) -> None:
    """It never ran, so there is nothing to clear."""
    last = LastExit(at=draft.now, code=None, signal=None, core_dumped=False, ran_seconds=0.0, detail=event.detail)
    _over(draft, replace(p, last_exit=last), chance=event.chance)


def on_exited(draft: Draft, p: Process, event: Exited) -> None:
    """The main process ended. What it left behind is killed before anything else happens to this process."""
    ran = draft.now - p.since if p.phase is ProcessPhase.RUNNING else 0.0
    last = LastExit(
        at=draft.now,
        code=event.code,
        signal=event.signal,
        core_dumped=event.core_dumped,
        ran_seconds=ran,
        oom_killed=event.oom_killed,
    )
    p = replace(p, last_exit=last, pid=None)
    if p.phase in (ProcessPhase.STARTING, ProcessPhase.RUNNING):
        _stop_probes(draft, p)
        p = replace(p, phase=ProcessPhase.CLEARING, since=draft.now, ready=False)
    if not p.killed and p.run is not None:
        draft.do(KillRun(run=p.run))
        p = replace(p, killed=True)
    draft.put_process(p)


def on_emptied(draft: Draft, p: Process, event: Emptied) -> None:
    """Nothing of the child is left: the process is free again."""
    _over(draft, p, chance=event.chance)


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
            stop(draft, p, failed=True)


# --- helpers -------------------------------------------------------------------------------------------------------


def _over(draft: Draft, p: Process, *, chance: float) -> None:
    """The child is gone for good; what follows depends on whether it was asked to go."""
    assert p.run is not None
    draft.runs.drop(p.run)
    asked = p.phase is ProcessPhase.STOPPING and not p.failed
    gone = replace(
        p, run=None, pid=None, ready=False, health=Health.STARTING, kill_at=None, killed=False, ready_by=None
    )
    if asked:
        rest(draft, gone)
        return
    last = p.last_exit
    failure = p.failed or last is None or restarts.is_failure(p.spec.restart, code=last.code)
    decision = restarts.decide(
        p.spec.restart,
        failure=failure,
        ran_seconds=last.ran_seconds if last else 0.0,
        failures=p.failures,
        recent=p.recent_restarts,
        chance=chance,
        now=draft.now,
    )
    gone = replace(gone, since=draft.now, failed=failure)
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


def _begin_watching(draft: Draft, p: Process) -> Process:
    """Start the probe that matters now: ready first, then health."""
    assert p.run is not None
    ready, health = p.spec.ready, p.spec.health
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
