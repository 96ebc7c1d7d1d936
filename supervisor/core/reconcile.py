"""Desired against actual: what is due without an event of its own.

Runs after every event, over what the event touched, until nothing more follows (as h11's state-triggered transitions).
Promises: a leader process is desired only while its election is LEADING, armed, waits for no predecessor and is free of
follower processes; a follower process only while the election is on standby and free of leader processes; whatever is
alive and not desired is being stopped. Running it twice in a row does nothing the second time.
"""

from supervisor.core import (
    diff,
    document,
    hooks,
    ledger,
    lifecycle,
    needs,
    notice,
    preparing,
    standing,
    stopping,
    story,
    timing,
    variables,
    waiting,
    wording,
)
from supervisor.core import election as elections
from supervisor.core.actions import Campaign, Connect, Disarm, Exit, Proclaim, Vacate
from supervisor.core.draft import Draft
from supervisor.core.evolve import replace
from supervisor.core.names import ElectionName, Instant, ProcessId, ProcessName, Role, Term
from supervisor.core.spec import GiveUp, ProcessSpec, Spec
from supervisor.core.state import Election, ElectionPhase, Process, ProcessPhase, Store

NO_ELECTION = ElectionName("")
OVER = frozenset({ProcessPhase.COMPLETED, ProcessPhase.GAVE_UP})
LOCAL_ETCD = ProcessId(NO_ELECTION, ProcessName("local-etcd"))


def reconcile(draft: Draft) -> None:
    """Everything the event touched, to a fixed point."""
    _connect(draft)
    left = 50
    while draft.dirty or draft.touched:
        assert (left := left - 1), "reconcile does not settle"
        names, draft.dirty = draft.dirty, set()
        touched, draft.touched = draft.touched, set()
        for name in sorted(names):
            for p in _processes_of(draft, name):
                _reconcile_process(draft, p.id)
            e = draft.elections.get(name)
            if e is not None:
                _reconcile_election(draft, e)
        if NO_ELECTION not in names:
            for pid in sorted(needs.concerned(touched, _processes_of(draft, NO_ELECTION))):
                if pid in draft.processes:
                    _reconcile_process(draft, pid)


def finish(draft: Draft) -> None:
    """While ending: once nothing is led, run or owed, ask for the end."""
    base = draft.base
    if not base.stopping or base.exited:
        return
    idle = all(e.phase is ElectionPhase.DETACHED for e in draft.elections.values())
    idle = idle and (base.guardian_lost or not any(hooks.owed(e) for e in draft.elections.values()))
    if idle and not draft.sessions and not draft.doomed and not any(p.alive for p in draft.processes.values()):
        draft.do(Exit(code=base.exit_code))
        draft.base = replace(base, exited=True)


# --- what there is -------------------------------------------------------------------------------------------------


def adopt(draft: Draft, spec: Spec) -> None:
    """Give every declared election and process of a new file its place in the state."""
    for name, election in spec.elections.items():
        if name not in draft.elections:
            draft.put_election(Election(spec=election, since=draft.now))
        hooks.adopt(draft, election)
    declared = spec.process_specs()
    if spec.local_etcd is not None:
        declared[spec.local_etcd.id] = spec.local_etcd
    for pid, process in declared.items():
        lifecycle.declare(draft, pid, process)


def _connect(draft: Draft) -> None:
    """Turn to another etcd once nothing of ours is left in the old one."""
    base = draft.base
    if base.spec is None or base.stopping or not base.spec.elections or base.store.connected == base.spec.etcd:
        return
    if draft.sessions or draft.doomed:
        return
    if any(e.phase is not ElectionPhase.DETACHED for e in draft.elections.values()):
        return
    draft.base = replace(base, store=Store(connected=base.spec.etcd, since=draft.now, versions=base.store.versions))
    draft.do(Connect(etcd=base.spec.etcd))
    for e in draft.elections.values():
        draft.put_election(replace(e, queue=(), queue_revision=0, queue_at=None, departed=()))


# --- elections -----------------------------------------------------------------------------------------------------


def _reconcile_election(draft: Draft, e: Election) -> None:
    reason = _reason_to_leave(draft, e)
    if not reason:
        e = _adopt_live(draft, e)
    match e.phase:
        case ElectionPhase.DETACHED:
            _detached(draft, e)
        case ElectionPhase.CAMPAIGNING:
            if not e.asked and _due(draft, e.retry_at):
                _campaign(draft, e)
        case ElectionPhase.FOLLOWING | ElectionPhase.PROVING:
            _queued(draft, e, reason)
        case ElectionPhase.LEADING:
            _leading(draft, e, reason)
        case ElectionPhase.STEPPING_DOWN:
            _stepping_down(draft, e)
        case ElectionPhase.RESIGNING:
            if not e.asked and _due(draft, e.retry_at):
                elections.resign(draft, e, e.cause)


def _reason_to_leave(draft: Draft, e: Election) -> str:
    """Why a candidacy or term cannot go on as it is; empty when it can."""
    base = draft.base
    if base.stopping:
        return base.stopping
    wanted = base.spec.elections.get(e.spec.name) if base.spec else None
    if base.spec is None or wanted is None:
        return "removed from the file"
    if base.store.connected is not base.spec.etcd and base.store.connected != base.spec.etcd:
        was = base.store.connected
        changes = () if was is None else diff.changed_fields(was, base.spec.etcd)
        return "the file changes etcd.campaign" if changes == ("campaign",) else "the file names another etcd"
    if diff.needs_recampaign(e.spec, wanted):
        return f"the file changes {', '.join(diff.changed_fields(e.spec, wanted))}"
    return ""


def _adopt_live(draft: Draft, e: Election) -> Election:
    wanted = draft.base.spec.elections.get(e.spec.name) if draft.base.spec else None
    if wanted is None or wanted is e.spec or wanted == e.spec:
        return e
    return hooks.adopted(draft, draft.put_election(replace(e, spec=wanted, proclaim_at=draft.now)), e)


def _detached(draft: Draft, e: Election) -> None:
    base = draft.base
    wanted = base.spec.elections.get(e.spec.name) if base.spec else None
    if wanted is None and not base.stopping:
        if not any(p.alive for p in _processes_of(draft, e.spec.name)) and not hooks.owed(e):
            draft.elections.drop(e.spec.name)
        return
    if wanted is None or base.stopping:
        return
    if wanted != e.spec:
        e = draft.put_election(replace(e, spec=wanted))
    if not e.standby and (e.hold_until is not None or draft.now >= e.since + e.spec.ttl_seconds):
        e = draft.put_election(replace(e, standby=True))
    if not standing.may_stand(draft, e) or not _due(draft, e.hold_until) or not _due(draft, e.retry_at):
        return
    e = draft.elections[e.spec.name]
    session = draft.sessions.get(e.spec.ttl_seconds)
    if base.spec is None or base.store.connected != base.spec.etcd or session is None:
        return
    if session.lease is not None and not session.lost:
        timeout = e.spec.campaign_timeout_seconds
        deadline = None if timeout is None else Instant(draft.now + timeout)
        _campaign(draft, replace(e, lease=session.lease, campaign_deadline=deadline, hold_until=None))


def _campaign(draft: Draft, e: Election) -> None:
    assert e.lease is not None
    since = e.since if e.phase is ElectionPhase.CAMPAIGNING else draft.now
    lease = e.lease
    e = replace(e, phase=ElectionPhase.CAMPAIGNING, since=since, asked=True, retry_at=None)
    written = document.build(draft.base, e, _shown(draft, e))
    draft.do(Campaign(election=e.spec.name, lease=lease, document=written))
    draft.put_election(
        replace(
            e, proclaimed=written, proclaimed_at=draft.now, proclaim_at=None, cause=e.cause if e.cause else "campaign"
        )
    )


def _queued(draft: Draft, e: Election, reason: str) -> None:
    if reason:
        elections.abandon(draft, e, reason)
    elif e.phase is ElectionPhase.FOLLOWING and e.campaign_deadline is not None and draft.now >= e.campaign_deadline:
        elections.abandon(draft, e, "the campaign timed out and is renewed")
    elif e.phase is ElectionPhase.PROVING:
        if not e.asked and _due(draft, e.retry_at):
            elections.prove(draft, e)
    elif not standing.withdrew(draft, e):
        _proclaim(draft, notice.hear(draft, draft.elections[e.spec.name]))


def _leading(draft: Draft, e: Election, reason: str) -> None:
    processes = _processes_of(draft, e.spec.name)
    gave_up = [p for p in processes if _led(e, p) and p.phase is ProcessPhase.GAVE_UP]
    e = notice.leave(draft, e, e.leaving or reason, processes)
    if e.phase is not ElectionPhase.LEADING:
        pass
    elif failure := hooks.failure(draft, e):
        elections.give_up(draft, e, failure)
    elif gave_up and e.spec.on_giveup is GiveUp.RESIGN:
        elections.give_up(draft, e, f"{gave_up[0].id} gave up")
    else:
        e = waiting.waited_out(draft, e)
        if e.waits_for and not e.asked and _due(draft, e.retry_at):
            e = elections.prove(draft, e)
        if e.unclosed:
            e = waiting.close_records(draft, e)
        _proclaim(draft, ledger.reconcile(draft, e))


def _stepping_down(draft: Draft, e: Election) -> None:
    starts = hooks.undoing(draft, e) or stopping.may_prepare(_processes_of(draft, e.spec.name), e)
    if not e.vacating and not draft.base.guardian_lost and not starts:
        assert e.term is not None
        draft.do(Vacate(term=e.term))
        e = draft.put_election(replace(e, vacating=True))
    if any(p.alive and p.term == e.term for p in _processes_of(draft, e.spec.name)):
        if not e.lost:
            _proclaim(draft, e)
    elif hooks.undoing(draft, e):
        _proclaim(draft, e)
    elif draft.base.guardian_lost:
        # Who could disarm is dead, and the shell has proven every containment empty.
        elections.stopped(draft, e)
    elif e.retry_at is None and not e.disarming:
        # The guardian's word is on its way, unless it finds what we do not know of: then it is asked who that is.
        draft.put_election(replace(e, retry_at=Instant(draft.now + elections.RETRY_SECONDS)))
    elif not e.disarming and _due(draft, e.retry_at):
        assert e.term is not None
        draft.do(Disarm(term=e.term))
        draft.put_election(replace(e, disarming=True, retry_at=None))


def _proclaim(draft: Draft, e: Election) -> None:
    """Write the document on every change, at most once a second, and again every ``proclaim.every``."""
    if e.create_revision is None or e.lease is None or _unchecked(draft, e):
        return
    if e.proclaiming is not None:
        if e.proclaim_at is None:  # something may have changed since: looked at when the answer is here
            draft.elections.put(e.spec.name, replace(e, proclaim_at=draft.now))
        return
    written = document.build(draft.base, e, _shown(draft, e))
    last = e.proclaimed_at if e.proclaimed_at is not None else e.since
    again = wording.due_at(e, last, draft.now, changed=written != e.proclaimed)
    if draft.now < again:
        if e.proclaim_at != again:
            draft.elections.put(e.spec.name, replace(e, proclaim_at=again))
        return
    draft.do(Proclaim(election=e.spec.name, lease=e.lease, create_revision=e.create_revision, document=written))
    draft.elections.put(e.spec.name, replace(e, proclaiming=written, proclaimed_at=draft.now, proclaim_at=None))


# --- processes -----------------------------------------------------------------------------------------------------


def _reconcile_process(draft: Draft, pid: ProcessId) -> None:
    p = draft.processes[pid]
    if pid.is_hook:
        hooks.reconcile(draft, p, may_lead=_may_lead(draft, p))
        return
    desired = _desired(draft, p)
    if p.listening and (desired is None or p.phase in OVER or not desired[0].sockets):
        # Closed when the end begins: a backlog that nobody will ever accept must not fill up meanwhile.
        p = lifecycle.close_sockets(draft, p)
    if p.phase in (ProcessPhase.STARTING, ProcessPhase.RUNNING):
        _running(draft, p, desired)
    elif p.phase is ProcessPhase.STOPPING:
        _stopping(draft, p)
    elif p.phase is ProcessPhase.CLEARING:
        pass  # Emptied is all that can come; KillRun repeats itself until then
    elif desired is None:
        if p.phase is not ProcessPhase.STOPPED:
            p = lifecycle.rest(draft, p)
        if not _declared(draft, p):
            draft.drop_process(pid)
    else:
        _idle(draft, p, *desired)


def _running(draft: Draft, p: Process, desired: tuple[ProcessSpec, Term | None] | None) -> None:
    if desired is None or desired[1] != p.term:
        kill_by = _kill_by(draft, p)
        if p.halted or kill_by is not None or not needs.leaned_on(draft, p):
            lifecycle.stop(draft, p, kill_by=kill_by, why=story.why_unwanted(draft, p))
    elif p.held:
        _held(draft, p, desired[0])
    elif diff.needs_restart(p.spec, desired[0]):
        lifecycle.stop(draft, p, why=f"the file changes {', '.join(diff.changed_fields(p.spec, desired[0]))}")
    elif p.ready_by is not None and draft.now >= p.ready_by and not p.ready:
        lifecycle.stop(draft, p, failed=True, why=story.why_overdue(p))
    elif p.spec is not desired[0] and p.spec != desired[0]:
        lifecycle.refresh(draft, p, desired[0])


def _held(draft: Draft, p: Process, spec: ProcessSpec) -> None:
    e = draft.elections[p.id.election]
    if spec != p.spec or not _clear(draft, e):
        lifecycle.stop(draft, p)
    elif _may_execute(e):
        if p.term is not None:
            hooks.entered(draft, e, p.term)
        lifecycle.release(draft, p)


def _stopping(draft: Draft, p: Process) -> None:
    stopping.advance(draft, p, kill_by=_kill_by(draft, p))


def _idle(draft: Draft, p: Process, spec: ProcessSpec, term: Term | None) -> None:
    """Desired and not alive: start it, unless its own past says not (yet)."""
    if p.phase is not ProcessPhase.STOPPED and (p.term != term or diff.needs_restart(p.spec, spec)):
        p = lifecycle.rest(draft, p)  # a new term or another command: the old one's failures are not its
    if p.phase in (ProcessPhase.COMPLETED, ProcessPhase.GAVE_UP):
        if p.spec != spec:
            draft.put_process(replace(p, spec=spec))
        return
    if not _due(draft, p.retry_at) or not needs.met(draft, spec, term):
        return
    e = draft.elections.get(p.id.election)
    held = e is not None and term is not None and not _may_execute(e)
    if held and not preparing.may_hold(draft, spec):
        return
    if e is not None and term is not None and not held:
        hooks.entered(draft, e, term)
    lifecycle.start(draft, p, spec, term, variables.of_run(draft, spec, term), held=held)


def _desired(draft: Draft, p: Process) -> tuple[ProcessSpec, Term | None] | None:
    """The spec it should run with and the term it should run in; None when it should not run."""
    base = draft.base
    spec = base.spec
    if spec is None or base.guardian_lost or p.halted:
        return None
    if p.id.election == NO_ELECTION:
        if p.id == LOCAL_ETCD:
            return _desired_etcd(draft, p)
        wanted = None if base.stopping else spec.processes.get(p.id.name)
        return None if wanted is None else (wanted, None)
    e = draft.elections.get(p.id.election)
    if e is None:
        return None
    if p.id.name in e.spec.leader:
        if not (_may_execute(e) or preparing.holds(e)) or (not p.alive and not _clear(draft, e)):
            return None
        return e.spec.leader[p.id.name], e.term
    wanted = e.spec.follower.get(p.id.name)
    if wanted is None or base.stopping or not e.standby or e.phase in elections.HELD:
        return None
    if base.spec is not None and e.spec.name not in spec.elections:
        return None
    return None if not p.alive and _any_alive(draft, e, leader=True) else (wanted, None)


def _may_lead(draft: Draft, p: Process) -> bool:
    """Whether a process, or a hook, of the leader role may run; to begin, it must also have the node for itself."""
    e = draft.elections.get(p.id.election)
    return e is not None and preparing.may_run(e) and (p.alive or _clear(draft, e))


def _may_execute(e: Election) -> bool:
    """Whether a leader process may: as a hook may, and after the hook that comes before it."""
    return preparing.may_run(e) and e.opened


def _clear(draft: Draft, e: Election) -> bool:
    """Whether nothing stands in the way of a leader process."""
    return not _any_alive(draft, e, leader=False) and not _unchecked(draft, e)


def _unchecked(draft: Draft, e: Election) -> bool:
    """Whether we have not looked for our key since we woke."""
    session = draft.session_of(e.lease)
    return session is not None and session.unchecked


def _desired_etcd(draft: Draft, p: Process) -> tuple[ProcessSpec, Term | None] | None:
    """The store outlives those who need it: while any key or lease of ours is in it, it runs as it is."""
    base = draft.base
    needed = (
        bool(draft.sessions)
        or bool(draft.doomed)
        or any(e.phase is not ElectionPhase.DETACHED for e in draft.elections.values())
    )
    if base.spec is None or base.stopping or base.store.connected not in (None, base.spec.etcd):
        return (p.spec, None) if needed and p.alive else None
    wanted = base.spec.local_etcd
    return None if wanted is None else (wanted, None)


def _kill_by(draft: Draft, p: Process) -> Instant | None:
    """When a process must be dead though its own stop timeout leaves it longer; None when nothing presses."""
    e = draft.elections.get(p.id.election)
    if e is None or p.term is None or e.phase is not ElectionPhase.STEPPING_DOWN or not e.lost:
        return None
    session = draft.session_of(e.lease)
    if e.key_lost or session is None:
        return draft.now
    margin = timing.safety_margin_seconds(e.spec, session.granted_seconds)
    by = timing.kill_by(session.trust_deadline, margin)
    return Instant(by - hooks.reserve_seconds(e, session.granted_seconds)) if hooks.owed(e) else by


def _declared(draft: Draft, p: Process) -> bool:
    spec = draft.base.spec
    if spec is None:
        return False
    if spec.local_etcd is not None and p.id == spec.local_etcd.id:
        return True
    if p.id.election == NO_ELECTION:
        return p.id.name in spec.processes
    election = spec.elections.get(p.id.election)
    return election is not None and (p.id.name in election.leader or p.id.name in election.follower)


def _processes_of(draft: Draft, name: ElectionName) -> list[Process]:
    """The processes of an election, or of none for the empty name, those still being stopped for a reload included."""
    return [draft.processes[pid] for pid in draft.members.get(name) or ()]


def _any_alive(draft: Draft, e: Election, *, leader: bool) -> bool:
    role = Role.LEADER if leader else Role.FOLLOWER
    return any(p.alive and p.spec.role is role for p in _processes_of(draft, e.spec.name))


def _led(e: Election, p: Process) -> bool:
    return p.id.name in e.spec.leader


def _shown(draft: Draft, e: Election) -> list[Process]:
    """The processes a document speaks of: those of the role this node plays."""
    leading = e.phase in elections.HELD
    role = e.spec.leader if leading else e.spec.follower
    ids = (ProcessId(e.spec.name, name) for name in sorted(role))
    return [p for p in map(draft.processes.get, ids) if p is not None]


def _due(draft: Draft, at: Instant | None) -> bool:
    return at is None or draft.now >= at
