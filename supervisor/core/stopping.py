"""How a child is brought to its end: the pre-stop command, the signals in their order, and SIGKILL for all that is left.

Theory of operation. A willing stop begins with the pre-stop command, if there is one: a run of its own beside the child, in
the child's term and under its kill-by, with nothing that is the child's alone (sockets, a terminal, a /tmp). When it has ended,
or has had its time, the first signal follows, then the others of the sequence, and at ``kill_at`` the whole containment is
killed. An unwilling stop (``kill_by``) skips what of this there is no time for: no pre-stop command, the signals as they come
due, SIGKILL at kill-by; at a kill-by that is now, no signal either.
The child is over when itself *and* its pre-stop command are proven empty; a term is vacated when none is still to be started.
Promises: called again it only ever brings the kill forward; each signal is sent once.
"""

from collections.abc import Iterable

from supervisor.core import variables
from supervisor.core.actions import ConfigureLog, KillRun, SignalRun, Spawn
from supervisor.core.birth import NO_SOCKETS
from supervisor.core.draft import Draft
from supervisor.core.evolve import replace
from supervisor.core.names import Instant, ProcessId, ProcessName
from supervisor.core.spec import LogSpec, ProcessSpec, StopSpec
from supervisor.core.state import Election, Process, ProcessPhase

BEFORE = ":before"
"""Behind the name of a process: its pre-stop command, in logs and cgroups. No declared process can be called so."""


def begin(draft: Draft, p: Process, *, willing: bool, failed: bool, why: str) -> Process:
    """The child is to end: into STOPPING, with the times of its stop."""
    stop = p.spec.stop
    before = bool(stop.before) and willing and p.phase is ProcessPhase.RUNNING
    first = Instant(draft.now + (stop.before_timeout_seconds if before else 0.0))
    return replace(
        p, phase=ProcessPhase.STOPPING, since=draft.now, failed=failed, why=why, before_due=before, signalled=0,
        signal_at=first, kill_at=Instant(first + stop.timeout_seconds),
    )  # fmt: skip


def hurry(p: Process, now: Instant, kill_by: Instant) -> Process:
    """By ``kill_by``, and no more pre-stop command."""
    if p.kill_at is None or kill_by < p.kill_at:
        p = replace(p, kill_at=kill_by)
    if p.signal_at is not None and not p.signalled:
        p = replace(p, before_due=False, signal_at=min(p.signal_at, now))
    return p


def press(draft: Draft, p: Process) -> Process:
    """Send the signals that are due, and kill when it is time. The process is not written."""
    now, stop = draft.now, p.spec.stop
    run = p.run
    assert run is not None
    while not p.killed and p.signal_at is not None and p.signal_at <= now and p.kill_at is not None and now < p.kill_at:
        if not p.signalled and p.before is not None:
            draft.do(KillRun(run=p.before))
        draft.do(SignalRun(run=run, signal=_signal(stop, p.signalled), to=stop.to))
        p = replace(
            p, signalled=p.signalled + 1, signal_at=_next(stop, p.signalled, now, p.signal_at), before_due=False
        )
    if not p.killed and p.kill_at is not None and now >= p.kill_at:
        draft.do(KillRun(run=run))
        if p.before is not None:
            draft.do(KillRun(run=p.before))
        p = replace(p, killed=True, before_due=False)
    return p


def advance(draft: Draft, p: Process, *, kill_by: Instant | None) -> None:
    """What has come due in STOPPING: by time, or because a kill-by is sooner than the stop's own."""
    changed = p
    if kill_by is not None and not p.killed:
        changed = hurry(p, draft.now, kill_by)
    if changed.before_due and draft.now < (changed.signal_at or draft.now):
        changed = _start_before(draft, changed)
    changed = press(draft, changed)
    if changed is not p and changed != p:
        draft.put_process(changed)


def may_prepare(processes: Iterable[Process], e: Election) -> bool:
    """Whether a pre-stop command is still to be started in the term that is ending: it must not be vacated before."""
    return not e.lost and any(
        p.spec.stop.before and (p.before_due or p.phase in (ProcessPhase.STARTING, ProcessPhase.RUNNING))
        for p in processes
        if p.alive and p.term == e.term and not p.held
    )


def exited(draft: Draft, p: Process) -> Process:
    """The main process has ended: nobody is left to be signalled, and nothing needs to be prepared any more."""
    if p.before is not None:
        draft.do(KillRun(run=p.before))
    return replace(p, before_due=False, signal_at=None)


def before_over(draft: Draft, p: Process) -> Process:
    """The pre-stop command is gone, however it ended: the first signal is due, and the time it left over is not waited for."""
    assert p.before is not None
    draft.runs.drop(p.before)
    p = replace(p, before=None)
    if p.signalled or p.signal_at is None or p.killed:
        return p
    kill_at = Instant(draft.now + p.spec.stop.timeout_seconds)
    return replace(p, signal_at=draft.now, kill_at=kill_at if p.kill_at is None else min(p.kill_at, kill_at))


def _start_before(draft: Draft, p: Process) -> Process:
    pid = ProcessId(p.id.election, ProcessName(p.id.name + BEFORE))
    spec: ProcessSpec = replace(
        p.spec, id=pid, command=p.spec.stop.before, log=LogSpec(), ready=None, health=None, sockets=NO_SOCKETS,
        pty=False, private_tmp=False,
    )  # fmt: skip
    run = draft.new_run(p.id)
    draft.do(ConfigureLog(process=pid, log=spec.log))
    main = (("SUPERVISOR_MAIN_PID", str(p.pid)),) if p.pid is not None else ()
    draft.do(Spawn(run=run, spec=spec, term=p.term, variables=(*variables.of_run(draft, p.spec, p.term), *main)))
    return replace(p, before=run, before_due=False)


def _signal(stop: StopSpec, sent: int) -> str:
    return stop.signal if sent == 0 else stop.then[sent - 1][0]


def _next(stop: StopSpec, sent: int, now: Instant, due: Instant) -> Instant | None:
    """When the signal after number ``sent`` (from 0) follows; the first one's time counts as it was sent."""
    if sent >= len(stop.then):
        return None
    passed = stop.then[sent - 1][1] if sent else 0.0
    return Instant((now if sent == 0 else due) + stop.then[sent][1] - passed)
