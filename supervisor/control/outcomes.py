"""What has become of an operator's word about a process, read from the state.

Promises: pure; an outcome is said when the state shows it, never when it is hoped for; ``timed-out`` means: not yet.
"""

from supervisor.control import condition
from supervisor.core.names import ProcessId, RunId
from supervisor.core.state import Process, ProcessPhase, State

TIMED_OUT = "timed-out"
_ENDED = (ProcessPhase.BACKOFF, ProcessPhase.GAVE_UP)


def of_restart(state: State, before: Process, first: RunId) -> str:
    """Asked for when the process was as ``before`` and ``first`` was the next run."""
    p = state.processes.get(before.id)
    if p is None:
        return "not-wanted"
    if p.run is not None and p.run >= first:
        return "restarted" if p.phase is ProcessPhase.RUNNING and p.ready else TIMED_OUT
    if p.phase is before.phase and p.since == before.since:
        return TIMED_OUT  # the request has not been answered yet
    if p.phase is ProcessPhase.COMPLETED:
        return "restarted"
    if p.phase in _ENDED:
        return "failed"
    return TIMED_OUT if p.alive or condition.wanted(state, p) else "not-wanted"


def of_start(state: State, before: Process) -> str:
    """Likewise, for a start."""
    p = state.processes.get(before.id)
    if p is None:
        return "not-wanted"
    if p.halted:
        return TIMED_OUT  # not answered yet
    well = p.phase is ProcessPhase.COMPLETED or (p.phase is ProcessPhase.RUNNING and p.ready)
    if well:
        return "already" if p.run == before.run and not before.halted else "started"
    if p.run is not None:
        return TIMED_OUT
    if p.phase in _ENDED:
        asked_before_it_ran = p.phase is before.phase and p.since == before.since
        return TIMED_OUT if asked_before_it_ran else "failed"
    return TIMED_OUT if condition.wanted(state, p) else "not-wanted"


def before_stop(state: State, p: Process) -> str:
    """What can be said without asking: ``already`` or ``refused``; empty when it must be asked for."""
    if p.id.is_hook:
        return "refused"
    if state.spec is not None and state.spec.local_etcd is not None and state.spec.local_etcd.id == p.id:
        return "refused"
    return "already" if p.halted and not p.alive else ""


def is_stopped(state: State, pid: ProcessId) -> bool:
    """Whether it is halted, and nothing of it is left."""
    p = state.processes.get(pid)
    return p is None or (p.halted and not p.alive)
