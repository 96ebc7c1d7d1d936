"""The state, as ``status`` says it.

Promises: pure; nothing is claimed without the instant it was last confirmed; ages and remainders are relative to the
``now`` given, never negative. Does not: judge whether it is good (``condition`` does).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypedDict

from supervisor.control import condition, documents, leaders, movement, views, words
from supervisor.control.ports import Facts, LogTrouble
from supervisor.core import document, versions
from supervisor.core.names import ElectionName, Instant, ProcessId, Role
from supervisor.core.state import Election, ElectionPhase, LastExit, Process, ProcessPhase, Session, State
from supervisor.core.store_events import EndpointSight


class _Standing(TypedDict):
    """Fields of an election's view."""

    cooldown_seconds: float | None
    cooldown_until: str
    unfit: str
    withdraw_seconds: float | None


_ROLE_ORDER = {role: rank for rank, role in enumerate(Role)}
_ROLE_OF_PHASE = {
    ElectionPhase.LEADING: "leader",
    ElectionPhase.FOLLOWING: "follower",
    ElectionPhase.PROVING: "follower",
}


def status(
    state: State,
    facts: Facts,
    now: Instant,
    *,
    loop_lag_seconds: float = 0.0,
    only: ElectionName | None = None,
    log_troubles: Mapping[ProcessId, LogTrouble] | None = None,
    process_only: ProcessId | None = None,
    exits: bool = False,
) -> views.Status:
    """Everything, or what concerns one election, or one process. ``exits``: with the past of each process."""
    if process_only is not None:
        whole = status(
            state, facts, now, loop_lag_seconds=loop_lag_seconds, only=process_only.election, log_troubles=log_troubles,
            exits=exits,
        )  # fmt: skip
        return _of_process(whole, str(process_only))
    names = sorted(state.elections) if only is None else [only]
    chosen = [state.elections[name] for name in names if name in state.elections]
    shown = [p for pid in _ordered(state) if only is None or pid.election == only for p in [state.processes[pid]]]
    shown = [p for p in shown if not p.id.is_hook or p.alive or p.last_exit is not None]
    ttls = {e.spec.ttl_seconds for e in chosen}
    troubles = log_troubles or {}
    reasons = (*condition.reasons(state, now, only=only), *_of_logs(shown, troubles))
    return views.Status(
        schema_version=views.SCHEMA_VERSION,
        condition=condition.condition(reasons),
        reasons=reasons,
        daemon=daemon(state, facts, now, loop_lag_seconds),
        config=config(state, facts, now),
        store=store(state, facts, now),
        sessions=tuple(session(s, now) for ttl, s in sorted(state.sessions.items()) if only is None or ttl in ttls),
        elections=tuple(election(state, e, now) for e in chosen),
        processes=tuple(process(state, p, now, troubles.get(p.id), exits=exits) for p in shown),
    )


def _of_process(whole: views.Status, name: str) -> views.Status:
    """What concerns one process: it, its election, and why they are not well."""
    others = {p.name for p in whole.processes} - {name}
    reasons = tuple(r for r in whole.reasons if r.subject not in others)
    return replace(
        whole,
        reasons=reasons,
        condition=condition.condition(reasons),
        processes=tuple(p for p in whole.processes if p.name == name),
    )


def daemon(state: State, facts: Facts, now: Instant, loop_lag_seconds: float) -> views.Daemon:
    """The program that answers."""
    return views.Daemon(
        node=state.node,
        pid=facts.pid,
        version=facts.version,
        started_at=document.wall_time(state, state.started_at),
        uptime_seconds=_since(state.started_at, now),
        loop_lag_seconds=loop_lag_seconds,
        guardian_pid=facts.guardian_pid,
        guardian_lost=state.guardian_lost,
        containment=facts.containment,
        stopping=state.stopping,
        drained=movement.drained(state),
    )


def config(state: State, facts: Facts, now: Instant) -> views.Config:
    """The file in force, and what is wrong with the last one."""
    return views.Config(
        source=state.source,
        generation=state.generation,
        loaded_age_seconds=None if state.spec is None else _since(state.loaded_at, now),
        problems=state.problems,
        rejected_age_seconds=None if state.rejected_at is None else _since(state.rejected_at, now),
        hash=facts.config_hash,
        last_good=facts.last_good,
        unkept=facts.unkept,
    )


def store(state: State, facts: Facts, now: Instant) -> views.Store:
    """Etcd."""
    seen, connected = state.store, state.store.connected
    etcd = connected or (state.spec.etcd if state.spec else None)
    local = state.spec.local_etcd is not None if state.spec else facts.local_etcd
    met = sorted({e.version for e in seen.endpoints})
    return views.Store(
        used=condition.uses_store(state),
        endpoints=(etcd.endpoints if etcd else ()) or facts.endpoints,
        namespace=leaders.namespace(state),
        local=local,
        reachable={True: "yes", False: "no", None: views.UNKNOWN}[seen.reachable],
        since_seconds=None if connected is None else _since(seen.since, now),
        detail=seen.detail,
        cluster=seen.cluster,
        members=tuple(map(_endpoint, seen.endpoints)),
        warnings=() if local else tuple(filter(None, map(versions.warning, met))),
    )


def _endpoint(e: EndpointSight) -> views.Endpoint:
    state = "foreign" if e.foreign else {True: "well", False: "ill", None: views.UNKNOWN}[e.well]
    return views.Endpoint(endpoint=e.endpoint, state=state, detail=e.detail, version=e.version, failures=e.failures)


def session(s: Session, now: Instant) -> views.Session:
    """One lease."""
    held = s.lease is not None
    return views.Session(
        ttl_seconds=s.ttl_seconds,
        state="waiting" if not held else "doubted" if s.lost else "renewed",
        lease="" if s.lease is None else f"{s.lease:x}",
        granted_seconds=s.granted_seconds if held else None,
        seconds_left=_until(s.lease_deadline, now) if held else None,
        confirmed_age_seconds=_since(s.sent_at, now) if held else None,
        failures=s.failures,
        detail=s.detail,
    )


def election(state: State, e: Election, now: Instant) -> views.Election:
    """One election. What it shows of its lease is the session's, while the key is under that lease."""
    session = leaders.session_of(state, e)
    position = next((n for n, c in enumerate(e.queue, 1) if leaders.is_ours(e, c)), None)
    played = [p for p in _members(state, e) if not p.id.is_hook and (condition.wanted(state, p) or p.alive)]
    return views.Election(
        name=e.spec.name,
        role=_ROLE_OF_PHASE.get(e.phase, e.phase.value),
        phase=e.phase.value,
        since_seconds=_since(e.since, now),
        cause=e.cause,
        token=e.term.token if e.term else None,
        lease="" if e.lease is None else f"{e.lease:x}",
        lease_seconds_left=_until(session.lease_deadline, now) if session else None,
        key=leaders.own_key(state, e),
        queue_position=position,
        queue_length=None if e.queue_at is None else len(e.queue),
        queue_age_seconds=leaders.queue_age_seconds(state, e, now),
        leader=leaders.leader(state, e, now, most_characters=documents.SHOWN_CHARACTERS),
        health=document.worst(map(document.process_health, played)).value if played else None,
        blockers=e.blockers,
        waiting_for=condition.waiting_for(state, e, now),
        processes=tuple(str(p.id) for p in _members(state, e) if not p.id.is_hook),
        **_standing(state, e, now),
        paused=movement.paused(state, e),
        priority=e.spec.priority,
        switchover=movement.switchover(state, e),
    )


def _standing(state: State, e: Election, now: Instant) -> _Standing:
    """What keeps the node from standing, or is about to."""
    until = e.hold_until if e.phase is ElectionPhase.DETACHED and (e.giveups or e.withdrawals) else None
    cools = until is not None and now < until
    queued = e.phase is ElectionPhase.FOLLOWING
    return _Standing(
        cooldown_seconds=_until(until, now) if cools and until is not None else None,
        cooldown_until=document.wall_time(state, until) if cools and until is not None else "",
        unfit=e.unfit if queued or e.phase is ElectionPhase.DETACHED else "",
        withdraw_seconds=_until(e.withdraw_at, now) if queued and e.withdraw_at is not None else None,
    )


def process(
    state: State, p: Process, now: Instant, log: LogTrouble | None = None, *, exits: bool = False
) -> views.Process:
    """One process. Uptime is known while it runs; a child being stopped shows how long that already takes."""
    wanted = condition.wanted(state, p)
    return views.Process(
        name=str(p.id),
        election=p.id.election,
        role=p.spec.role.value,
        wanted=wanted,
        phase=p.phase.value,
        since_seconds=_since(p.since, now),
        pid=p.pid,
        uptime_seconds=_since(p.since, now) if p.phase is ProcessPhase.RUNNING else None,
        ready=p.ready,
        health=document.process_health(p).value if wanted or p.alive else None,
        probe_detail=p.probe_detail,
        restarts=p.restarts,
        last_exit=words.last_exit(p.last_exit),
        last_exit_age_seconds=None if p.last_exit is None else _since(p.last_exit.at, now),
        retry_seconds=None if p.retry_at is None else _until(p.retry_at, now),
        kill_seconds=None if p.kill_at is None else _until(p.kill_at, now),
        status_text=p.status,
        log_lines_lost=log.lines if log else 0,
        log_trouble=log.trouble if log else "",
        kind=p.spec.kind.value,
        halted=p.halted,
        stopping=p.why if p.phase is ProcessPhase.STOPPING else "",
        blockers=p.blockers,
        waiting_for=condition.missing_needs(state, p) if wanted and not p.alive and not p.halted else "",
        last_decision=p.last_exit.decision if p.last_exit is not None else "",
        exits=tuple(_exit(state, last, now) for last in reversed(p.exits)) if exits else (),
    )


def _exit(state: State, last: LastExit, now: Instant) -> views.Exit:
    upcoming = last.next_at is not None and last.next_at > now
    return views.Exit(
        at=document.wall_time(state, last.at),
        age_seconds=_since(last.at, now),
        how=words.last_exit(last),
        code=last.code,
        signal="" if last.signal is None else words.signal_name(last.signal),
        core_dumped=last.core_dumped,
        oom_killed=last.oom_killed,
        ran_seconds=last.ran_seconds,
        cause=last.cause or last.detail,
        decision=last.decision,
        next_seconds=_until(last.next_at, now) if upcoming and last.next_at is not None else None,
        lines=last.lines,
    )


def _of_logs(shown: Iterable[Process], troubles: Mapping[ProcessId, LogTrouble]) -> Iterator[views.Reason]:
    for p in shown:
        trouble = troubles.get(p.id)
        if trouble is not None and trouble.trouble:
            text = f"its log takes nothing ({trouble.trouble}); {trouble.lines} lines were dropped"
            yield views.Reason(kind=views.UNHEALTHY, subject=str(p.id), text=text)


def observation(state: State, e: Election, now: Instant) -> views.Observation:
    """Who leads one election now, with the whole of what its key says."""
    return views.Observation(
        at=document.wall_time(state, now),
        election=e.spec.name,
        leader=leaders.leader(state, e, now),
    )


def _members(state: State, e: Election) -> list[Process]:
    found = (state.processes.get(pid) for pid in state.members.get(e.spec.name) or ())
    return sorted((p for p in found if p is not None), key=lambda p: (_ROLE_ORDER[p.spec.role], p.id))


def _ordered(state: State) -> list[ProcessId]:
    """By election, the always processes last; leader before follower; then by name."""
    return sorted(
        state.processes,
        key=lambda pid: (not pid.election, pid.election, _ROLE_ORDER[state.processes[pid].spec.role], pid.name),
    )


def _since(then: Instant, now: Instant) -> float:
    return max(0.0, now - then)


def _until(then: Instant, now: Instant) -> float:
    return max(0.0, then - now)
