"""Is all well, and if not, why not: the reasons behind ``status``'s word and exit code.

Promises: pure; every deviation from "converged and healthy" has a reason that names its subject; no reason, no deviation.
Does not: decide anything: it reads what the core decided.
"""

from collections.abc import Iterator

from supervisor.control import leaders, movement, views
from supervisor.control.words import duration, last_exit
from supervisor.core import alarms
from supervisor.core.advice import nobody
from supervisor.core.document import process_health, wall_time
from supervisor.core.names import ElectionName, Instant, ProcessId, Role, grant_line
from supervisor.core.needs import satisfied
from supervisor.core.spec import Need, ProbeKind, ProcessKind
from supervisor.core.state import Election, ElectionPhase, Health, Process, ProcessPhase, State

_HELD = frozenset({ElectionPhase.LEADING, ElectionPhase.STEPPING_DOWN})


def condition(reasons: tuple[views.Reason, ...]) -> str:
    """One word for all of them. *Unknown* only when nothing is known to be wrong: known trouble says more."""
    kinds = {r.kind for r in reasons}
    if views.UNKNOWN in kinds and views.UNHEALTHY not in kinds:
        return views.UNKNOWN
    return views.DEGRADED if kinds else views.HEALTHY


def reasons(state: State, now: Instant, *, only: ElectionName | None = None) -> tuple[views.Reason, ...]:
    """Why this node is not healthy; ``only`` leaves the other elections and the always processes out."""
    found = [*of_node(state, now)]
    for name in sorted(state.elections):
        if only is None or name == only:
            found += _of_election(state, state.elections[name], now)
            found += movement.reasons_of(state, state.elections[name])
    for pid in sorted(state.processes):
        if only is None or pid.election == only:
            found += _of_process(state, state.processes[pid], now)
    return tuple(found)


def of_node(state: State, now: Instant) -> tuple[views.Reason, ...]:
    """Those of them that are of no election and no process."""
    return (*_of_daemon(state), *_of_store(state, now), *movement.reasons(state))


def settled(state: State, now: Instant) -> bool:
    """Whether nothing is on its way any more. What is broken and stays so counts as settled."""
    return not any(r.kind in (views.UNSETTLED, views.UNKNOWN) for r in reasons(state, now))


def uses_store(state: State) -> bool:
    """Whether anything needs etcd. A file without elections needs none."""
    return bool(state.elections) or bool(state.spec and state.spec.elections)


def wanted(state: State, p: Process) -> bool:
    """Whether a process belongs to the role that this node plays now."""
    if state.spec is None or p.id.is_hook:
        return False
    if not p.id.election:
        etcd = state.spec.local_etcd
        return (etcd is not None and p.id == etcd.id) or (not state.stopping and p.id.name in state.spec.processes)
    e = state.elections.get(p.id.election)
    if e is None:
        return False
    if p.spec.role is Role.LEADER:
        return e.phase is ElectionPhase.LEADING and p.id.name in e.spec.leader
    declared = p.id.name in e.spec.follower and p.id.election in state.spec.elections
    return declared and e.standby and e.phase not in _HELD and not state.stopping


# --- what an election waits for ------------------------------------------------------------------------------------


def waiting_for(state: State, e: Election, now: Instant) -> str:
    """What must happen before an election goes on; empty when it is where it should be."""
    match e.phase:
        case ElectionPhase.DETACHED:
            return "" if movement.drained(state) else _before_campaign(state, e, now)
        case ElectionPhase.CAMPAIGNING:
            return "etcd to put this node in the queue"
        case ElectionPhase.FOLLOWING:
            return ""
        case ElectionPhase.PROVING:
            return "etcd to confirm that this node is first in the queue"
        case ElectionPhase.LEADING:
            return _before_start(state, e, now)
        case ElectionPhase.STEPPING_DOWN:
            return _before_resign(state, e, now)
        case ElectionPhase.RESIGNING:
            return "etcd to delete this node's key"


def _before_campaign(state: State, e: Election, now: Instant) -> str:
    if state.stopping:
        return ""
    if e.refused:
        return "a fencing token above all that were seen"
    if e.hold_until is not None and now < e.hold_until:
        more = f"{duration(e.hold_until - now)} more"
        withdrawn = e.cause.startswith("withdrawn")
        if not withdrawn and not e.giveups:
            return f"its next campaign, {more}"
        after = "withdrawal" if withdrawn else "give-up"
        return f"the cool-down after a {after}, {more} (until {wall_time(state, e.hold_until)})"
    if e.unfit:
        return f"its standby to be healthy: {e.unfit}"
    session = state.sessions.get(e.spec.ttl_seconds)
    if session is None or session.lease is None or session.lost:
        detail = session.detail if session else ""
        return "a lease from etcd" + (f" ({detail})" if detail else "")
    return "its next campaign" if state.requests.known else "etcd to tell what is asked of this node"


def _before_start(state: State, e: Election, now: Instant) -> str:
    if e.waits_for:
        last = max(e.waits_for, key=lambda p: p.clear_at)
        return f"its predecessor's end, {duration(last.clear_at - now)} at most: {last.detail}"
    if not e.armed:
        return "the guardian to be armed"
    if not e.remembered:
        return "its token to be noted"
    followers = [str(p.id) for p in _members(state, e) if p.alive and p.spec.role is Role.FOLLOWER]
    if followers:
        return f"its follower processes to end: {', '.join(followers)}"
    return "" if e.opened else "its hook elected to succeed"


def _before_resign(state: State, e: Election, now: Instant) -> str:
    alive = [p for p in _members(state, e) if p.alive and p.term is not None]
    if alive:
        kills = [p.kill_at for p in alive if p.kill_at is not None]
        last = f" (SIGKILL in {duration(max(kills) - now)})" if kills and max(kills) > now else ""
        if all(p.id.is_hook for p in alive):
            return f"its hook to end: {', '.join(str(p.id) for p in alive)}{last}"
        return f"its processes to end: {', '.join(map(_with_blockers, alive))}{last}"
    if e.blockers:
        return f"its containment to be empty; still alive: {', '.join(e.blockers)}"
    return "the guardian to prove that nothing is left"


def _with_blockers(p: Process) -> str:
    return f"{p.id} (still alive: {', '.join(p.blockers)})" if p.blockers else str(p.id)


# --- reasons -------------------------------------------------------------------------------------------------------


def _of_daemon(state: State) -> Iterator[views.Reason]:
    if state.guardian_lost:
        yield views.Reason(kind=views.UNHEALTHY, subject="daemon", text="the guardian died")
    if state.stopping:
        yield views.Reason(kind=views.UNSETTLED, subject="daemon", text=f"is ending: {state.stopping}")
    if state.problems:
        count = len(state.problems)
        text = f"the last file was refused ({count} problem{'s' if count > 1 else ''}); the one before it is in force"
        if state.spec is None:
            text = f"the file was refused ({count} problem{'s' if count > 1 else ''}); none is in force"
        yield views.Reason(kind=views.UNHEALTHY, subject="config", text=text)
    elif state.pending is not None:
        text = "asks the etcd that the new file names whether it is the same cluster"
        yield views.Reason(kind=views.UNSETTLED, subject="config", text=text)
    elif state.spec is None:
        yield views.Reason(kind=views.UNSETTLED, subject="config", text="no file is in force yet")


def _of_store(state: State, now: Instant) -> Iterator[views.Reason]:
    if text := nobody(state.store):
        yield views.Reason(kind=views.UNHEALTHY, subject="etcd", text=text)
    for prefix in state.store.missing:
        text = f"its user may not read and write {prefix}: {grant_line(prefix)}"
        yield views.Reason(kind=views.UNHEALTHY, subject="etcd", text=text)
    for alarm in sorted({e.alarm for e in state.store.endpoints if e.alarm}):
        yield views.Reason(kind=views.UNHEALTHY, subject="etcd", text=alarms.in_words(alarm))
    if not uses_store(state) or state.store.reachable is True:
        return
    if state.store.reachable is None:
        yield views.Reason(kind=views.UNKNOWN, subject="etcd", text="has not answered yet")
        return
    detail = f": {state.store.detail}" if state.store.detail else ""
    text = f"unreachable for {duration(now - state.store.since)}{detail}"
    yield views.Reason(kind=views.UNHEALTHY, subject="etcd", text=text)


def _of_election(state: State, e: Election, now: Instant) -> Iterator[views.Reason]:
    name = e.spec.name
    declared = state.spec.elections.get(name) if state.spec else None
    session = leaders.session_of(state, e)
    if session is not None and session.lost:
        text = f"its lease is in doubt: no renewal acknowledged for {duration(now - session.sent_at)}"
        yield views.Reason(kind=views.UNHEALTHY, subject=name, text=text)
    waits = waiting_for(state, e, now)
    if e.refused:
        yield views.Reason(kind=views.UNHEALTHY, subject=name, text=f"takes no office: {e.refused}")
    elif e.phase is ElectionPhase.DETACHED and e.hold_until is not None and now < e.hold_until:
        text = f"waits for {waits}; {e.cause}"
        yield views.Reason(kind=views.UNHEALTHY, subject=name, text=text)
    elif e.phase is ElectionPhase.DETACHED and e.unfit:
        # Settled when nothing of it is on its way any more: its own processes' reasons say what is wrong.
        starting = all(process_health(p) in (Health.HEALTHY, Health.STARTING) for p in _followers(state, e))
        kind = views.UNSETTLED if starting else views.UNHEALTHY
        yield views.Reason(kind=kind, subject=name, text=f"does not stand: {e.unfit}")
    elif e.phase is ElectionPhase.FOLLOWING and e.withdraw_at is not None:
        text = f"leaves the queue in {duration(e.withdraw_at - now)}: {e.unfit}"
        yield views.Reason(kind=views.UNHEALTHY, subject=name, text=text)
    elif e.phase is ElectionPhase.DETACHED and movement.drained(state):
        pass  # that is what was asked for
    elif e.phase not in (ElectionPhase.LEADING, ElectionPhase.FOLLOWING) or waits:
        words = f"{e.phase.value}, waits for {waits}" if waits else e.phase.value
        yield views.Reason(kind=views.UNSETTLED, subject=name, text=words)
    elif declared is None and not state.stopping:
        yield views.Reason(kind=views.UNSETTLED, subject=name, text="is removed from the file")
    elif declared is not None and declared != e.spec:
        yield views.Reason(kind=views.UNSETTLED, subject=name, text="the file's settings are not in force yet")
    elif state.store.reachable is True and e.queue_at is None and e.phase is ElectionPhase.FOLLOWING:
        yield views.Reason(kind=views.UNKNOWN, subject=name, text="etcd's watch has not shown who leads")


def _of_process(state: State, p: Process, now: Instant) -> Iterator[views.Reason]:
    if p.id.is_hook:
        if p.phase is ProcessPhase.GAVE_UP:
            yield views.Reason(kind=views.UNHEALTHY, subject=str(p.id), text=f"failed ({last_exit(p.last_exit)})")
        return
    if not wanted(state, p):
        if p.alive:
            yield views.Reason(kind=views.UNSETTLED, subject=str(p.id), text=_stopping(p, now))
        return
    health = process_health(p)
    if health is Health.HEALTHY:
        return
    kind = views.UNSETTLED if health is Health.STARTING or (p.halted and p.alive) else views.UNHEALTHY
    yield views.Reason(kind=kind, subject=str(p.id), text=_trouble(state, p, now))


def _stopping(p: Process, now: Instant) -> str:
    kill = f", SIGKILL in {duration(p.kill_at - now)}" if p.kill_at is not None and p.kill_at > now else ""
    why = f" ({p.why})" if p.why else ""
    left = f"; still alive: {', '.join(p.blockers)}" if p.blockers else ""
    return f"still {p.phase.value}{why}{kill}{left}"


def _trouble(state: State, p: Process, now: Instant) -> str:
    ended = last_exit(p.last_exit)
    if p.halted and not p.alive:
        return f"stopped by an operator; `supervisor start {p.id}` starts it"
    match p.phase:
        case ProcessPhase.RUNNING:
            task = p.spec.kind is ProcessKind.TASK
            word = "unhealthy" if p.health is Health.UNHEALTHY else "not completed yet" if task else "not ready yet"
            detail = f": {p.probe_detail}" if p.probe_detail else _awaited(p)
            return word + detail + (f" ({p.status})" if p.status else "")
        case ProcessPhase.BACKOFF:
            again = "" if p.retry_at is None else f"; starts again in {duration(p.retry_at - now)}"
            return f"{ended or 'ended'}{again}"
        case ProcessPhase.GAVE_UP:
            remedy = f"`supervisor start {p.id}` starts it again"
            after = f" after {p.restarts} restarts" if p.restarts else ""
            return f"gave up{after} ({ended or 'ended'}); {remedy}"
        case ProcessPhase.STOPPED:
            missing = missing_needs(state, p)
            return f"waits for {missing}" if missing else "is about to start"
        case ProcessPhase.STOPPING | ProcessPhase.CLEARING:
            return _stopping(p, now) + (f" ({ended})" if ended and p.phase is ProcessPhase.CLEARING else "")
        case _:
            return p.phase.value + (f" ({ended})" if ended else "")


def _awaited(p: Process) -> str:
    """What a process that tells by itself has not told."""
    match p.spec.ready.kind if p.spec.ready is not None and not p.ready else None:
        case ProbeKind.NOTIFY:
            return ": it has not said READY=1"
        case ProbeKind.LOG:
            return ": no line has matched"
        case _:
            return ""


def missing_needs(state: State, p: Process) -> str:
    """``migrate, db (healthy), cache (gave up)``: what a process still waits for; empty when nothing."""
    missing = []
    for name, need in p.spec.needs.items():
        other = state.processes.get(ProcessId(p.id.election, name))
        if satisfied(other, need):
            continue
        word = "" if need is Need.READY else need.value
        if other is not None and other.halted:
            word = "stopped by an operator"
        elif other is not None and other.phase is ProcessPhase.GAVE_UP:
            word = "gave up"
        missing.append(f"{name} ({word})" if word else name)
    return ", ".join(missing)


def _followers(state: State, e: Election) -> list[Process]:
    return [p for p in _members(state, e) if p.spec.role is Role.FOLLOWER]


def _members(state: State, e: Election) -> list[Process]:
    found = (state.processes.get(pid) for pid in sorted(state.members.get(e.spec.name) or ()))
    return [p for p in found if p is not None]
