"""Hooks: commands that are run once at a turn of an election, in order, each awaited.

Theory of operation. A hook is a process that is never restarted, with a name no process of a file can have. What it is run
*for* is a text (a term; a leader and what that says of itself), and the election notes for what it last ran: a hook is due
when what it should be run for is not that. So none runs twice for one turn, none runs beside itself, and of turns that come
faster than the hook ends only the last one counts.

- ``elected``: in the term, armed and on record, before any process of it. Done, the processes start; failed, the term is given up.
- ``demoted``: in the term, after everything else of it is gone and before the guardian is disarmed, so before the key goes.
  *Owed* from the moment anything of the term was started. When the term has no time left (``late``: kill-by has passed), the
  office is given up without it and it runs outside of the term as soon as it can: late is better than never for an address
  that two machines have. Cut short in the term, it runs late once more; otherwise its failure is told, and holds nobody back.
- ``gave_up``: beside whatever follows from the give-up.
- ``leader_changed``: on a standby, while nothing of ours leads; killed at once when this node wins.

Promises: what is run in a term is dead by kill-by as any process of it; when the daemon dies, its guardian runs ``demoted``
(``Arm`` carries it). Does not: run it after a crash of both, or of the machine; so ``elected`` must not count on it.
"""

import json
import zlib

from supervisor.core import document, lifecycle, timing, variables
from supervisor.core.actions import Undo
from supervisor.core.draft import Draft
from supervisor.core.evolve import replace
from supervisor.core.names import Instant, ProcessId, ProcessName, Role, Term
from supervisor.core.spec import ElectionSpec, HookKind, HookSpec, ProcessSpec, hook_name
from supervisor.core.state import ELECTED, Election, ElectionPhase, Process, ProcessPhase

Variables = tuple[tuple[str, str], ...]

DEMOTED = hook_name(HookKind.DEMOTED, Role.LEADER)
LEADER_CHANGED = hook_name(HookKind.LEADER_CHANGED, Role.FOLLOWER)
MOST_VALUE_BYTES = 4096
"""Of another's proclaimed value in a hook's environment."""

_DONE, _FAILED, _OWED, _LATE = "done ", "failed ", "owed ", "late "
_HELD = frozenset({ElectionPhase.LEADING, ElectionPhase.STEPPING_DOWN})


# --- what the election asks ----------------------------------------------------------------------------------------


def failure(draft: Draft, e: Election) -> str:
    """Why ``elected`` ends the term; empty when it does not."""
    if ELECTED not in e.spec.hooks or e.hooked.get(ELECTED) != f"{_FAILED}{e.term}":
        return ""
    p = draft.processes.get(ProcessId(e.spec.name, ELECTED))
    last = p.last_exit if p is not None else None
    how = "" if last is None else f": {last.detail}" if last.detail else f": it ended by signal {last.signal}"
    if last is not None and last.code is not None:
        how = f": it exited with code {last.code}"
    return f"the hook elected failed{how}"


def entered(draft: Draft, e: Election, term: Term) -> None:
    """Something of a term is being started: from now on ``demoted`` is owed."""
    if DEMOTED in e.spec.hooks and e.hooked.get(DEMOTED) != f"{_OWED}{term}":
        _note(draft, e, DEMOTED, f"{_OWED}{term}")


def undoing(draft: Draft, e: Election) -> bool:
    """Whether the term must be held until ``demoted`` has run in it."""
    if e.term is None or DEMOTED not in e.spec.hooks or late(draft, e):
        return False
    return e.hooked.get(DEMOTED) in (f"{_OWED}{e.term}", str(e.term))


def owed(e: Election) -> bool:
    """Whether ``demoted`` has not been run for a term, this or an earlier one, that it should be run for."""
    return DEMOTED in e.spec.hooks and e.hooked.get(DEMOTED, "").startswith((_OWED, _LATE))


def late(draft: Draft, e: Election) -> bool:
    """Whether nothing can be run in the term any more."""
    if draft.base.guardian_lost or e.struck or e.key_lost:
        # A key that is gone ends the term now: the lease may be renewed for other terms, and kill-by with it.
        return True
    session = draft.session_of(e.lease)
    if session is None or not e.lost:
        return session is None
    margin = timing.safety_margin_seconds(e.spec, session.granted_seconds)
    return draft.now >= timing.kill_by(session.trust_deadline, margin)


def reserve_seconds(e: Election, granted_seconds: float) -> float:
    """What ``demoted`` keeps for itself of the time between a lost lease and kill-by: at most half of lost_grace."""
    hook = e.spec.hooks.get(DEMOTED)
    if hook is None:
        return 0.0
    return min(hook.timeout_seconds, timing.lost_grace_seconds(e.spec, granted_seconds) / 2)


def adopted(draft: Draft, e: Election, was: Election) -> Election:
    """A reload changed the hooks in the middle of a term: what the old ones settled stays settled."""
    if e.term is None or e.phase is ElectionPhase.PROVING or e.spec.hooks == was.spec.hooks:
        return e  # of a term that is only prepared for nothing has been executed yet: the new ones are its own
    if ELECTED in e.spec.hooks and ELECTED not in was.spec.hooks:
        e = _note(draft, e, ELECTED, f"{_DONE}{e.term}")
    begun = e.won_at is not None and e.armed and e.remembered and not e.waits_for and not e.vacating
    if DEMOTED in e.spec.hooks and DEMOTED not in was.spec.hooks and begun:
        e = _note(draft, e, DEMOTED, f"{_OWED}{e.term}")
    return e


# --- one hook ------------------------------------------------------------------------------------------------------


def reconcile(draft: Draft, p: Process, *, may_lead: bool) -> None:
    """Start it, end it or note how it ended. ``may_lead``: a leader process may be started now, but for ``elected``."""
    e = draft.elections.get(p.id.election)
    hook = e.spec.hooks.get(p.id.name) if e is not None else None
    if p.alive:
        _alive(draft, p, e, hook)
        return
    if e is None or hook is None:
        if not _declared(draft, p):  # else the election is about to take the new file over
            draft.drop_process(p.id)
        return
    if p.phase is not ProcessPhase.STOPPED or p.last_exit is not None:
        e = _settle(draft, e, p)
    due = _due(draft, e, hook, may_lead=may_lead)
    if due is None:
        return
    spec, term, what, more = due
    said = (*variables.of_run(draft, hook.process, e.term), *_prefixed(hook, more))
    p = lifecycle.start(draft, p, spec, term, said)
    draft.put_process(replace(p, ends_by=Instant(draft.now + hook.timeout_seconds)))
    if term is not None and hook.kind is not HookKind.DEMOTED:
        entered(draft, e, term)
    _note(draft, draft.elections[e.spec.name], p.id.name, what)


def _declared(draft: Draft, p: Process) -> bool:
    wanted = draft.base.spec.elections.get(p.id.election) if draft.base.spec else None
    return wanted is not None and p.id.name in wanted.hooks


def _alive(draft: Draft, p: Process, e: Election | None, hook: HookSpec | None) -> None:
    if p.phase is ProcessPhase.STOPPING:
        if not p.killed and p.kill_at is not None and draft.now >= p.kill_at:
            lifecycle.stop(draft, p)
    elif p.phase is ProcessPhase.CLEARING:
        pass
    elif hook is None or e is None or not _may_go_on(draft, e, hook, p):
        # A standby's hook stands in the way of our own term; one of a lost term has no time for manners.
        hurry = e is not None and e.phase in _HELD and (p.spec.role is Role.FOLLOWER or e.lost)
        lifecycle.stop(draft, p, kill_by=draft.now if hurry else None)
    elif p.ends_by is not None and draft.now >= p.ends_by:
        lifecycle.stop(draft, p, kill_by=draft.now, failed=True)


def _may_go_on(draft: Draft, e: Election, hook: HookSpec, p: Process) -> bool:
    match hook.kind:
        case HookKind.ELECTED:
            return e.phase is ElectionPhase.LEADING and e.term == p.term
        case HookKind.DEMOTED if e.key_lost and p.term is not None:
            return False
        case HookKind.DEMOTED | HookKind.GAVE_UP:
            return True  # its timeout, and kill-by where a term holds it, are all that ends it
        case HookKind.LEADER_CHANGED:
            return e.phase not in _HELD and not draft.base.stopping


Due = tuple[ProcessSpec, Term | None, str, dict[str, str]]
"""With which spec, in which term, for what, and with which variables."""


def _due(draft: Draft, e: Election, hook: HookSpec, *, may_lead: bool) -> Due | None:
    """What it is to be run for now, if it has not been."""
    noted = e.hooked.get(hook.process.id.name, "")
    match hook.kind:
        case HookKind.ELECTED:
            if may_lead and e.term is not None and not noted.endswith(str(e.term)):
                return hook.process, e.term, str(e.term), {}
        case HookKind.DEMOTED:
            return _demotion(draft, e, hook, noted)
        case HookKind.GAVE_UP:
            return _give_up(draft, e, hook, noted)
        case HookKind.LEADER_CHANGED:
            return _leader(draft, e, hook, noted)
    return None


def _demotion(draft: Draft, e: Election, hook: HookSpec, noted: str) -> Due | None:
    for_term = noted.removeprefix(_OWED).removeprefix(_LATE)
    if noted == for_term or draft.base.guardian_lost:
        return None
    why = {"CAUSE": e.cause, "LOST": "1" if e.lost else "0"}
    if e.term is None or for_term != str(e.term):
        outside = replace(
            hook.process, role=Role.FOLLOWER
        )  # no term holds it, so it must be gone before the next one begins
        gone = {"TERM": for_term, "FENCING_TOKEN": for_term.rpartition("#")[2]}
        return outside, None, f"{_DONE}{noted}", {**why, **gone, "LATE": "1"}
    if e.phase is not ElectionPhase.STEPPING_DOWN or late(draft, e) or noted.startswith(_LATE):
        return None
    others = (p for pid in draft.members.get(e.spec.name) or () for p in [draft.processes[pid]])
    if any(p.alive and p.term == e.term for p in others):
        return None
    return hook.process, e.term, for_term, {**why, "LATE": "0"}


def _give_up(draft: Draft, e: Election, hook: HookSpec, noted: str) -> Due | None:
    role = hook.process.role
    if (e.phase in _HELD) != (role is Role.LEADER):
        return None
    declared = e.spec.leader if role is Role.LEADER else e.spec.follower
    term = e.term if role is Role.LEADER else None
    for name in sorted(declared):
        p = draft.processes.get(ProcessId(e.spec.name, name))
        if p is None or p.phase is not ProcessPhase.GAVE_UP or p.term != term or p.last_exit is None:
            continue
        what = f"{name} {p.last_exit.at}"
        if what != noted:
            # In no term and of no role: to tell of a failure must neither delay what follows from it nor stand in its way.
            return replace(hook.process, role=Role.ALWAYS), None, what, {"GAVE_UP": name}
    return None


def _leader(draft: Draft, e: Election, hook: HookSpec, noted: str) -> Due | None:
    leader = e.leader
    if leader is None or not e.standby or e.phase in _HELD or draft.base.stopping:
        return None
    if draft.session_of(leader.lease) is not None:  # our own key, which the watch may show for a while after it is gone
        return None
    value = _value_of(leader.value)
    told = f"{leader.create_revision} {leader.key} {document.node_of(leader.value) or ''} {value}"
    what = f"{leader.create_revision} {zlib.crc32(told.encode(errors='replace')):08x}"
    if what == noted:
        return None
    return hook.process, None, what, {"LEADER_TOKEN": str(leader.create_revision), "LEADER_VALUE": value}


def _value_of(document_bytes: bytes) -> str:
    """The user's own fields of a leader's document as JSON on one line; a stranger's text as a JSON string; bounded."""
    try:
        found = json.loads(document_bytes)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict) and isinstance(found.get("value"), dict):
        text = json.dumps(found["value"], sort_keys=True, separators=(",", ":"))
    else:
        text = json.dumps(document_bytes[:MOST_VALUE_BYTES].decode(errors="replace"))
    return text if len(text) <= MOST_VALUE_BYTES else "{}"


def _settle(draft: Draft, e: Election, p: Process) -> Election:
    """Note how the last run ended, once."""
    name, noted = p.id.name, e.hooked.get(p.id.name, "")
    done = p.phase is ProcessPhase.COMPLETED
    if name == ELECTED and e.term is not None and noted == str(e.term):
        return _note(draft, e, name, f"{_DONE if done else _FAILED}{e.term}")
    if name == DEMOTED and e.term is not None and noted == str(e.term):
        cut_short = not done and (e.lost or e.struck)
        return _note(draft, e, name, f"{_LATE if cut_short else _DONE}{e.term}")
    return e


def _note(draft: Draft, e: Election, name: ProcessName, what: str) -> Election:
    return draft.put_election(replace(e, hooked={**e.hooked, name: what}))


def _prefixed(hook: HookSpec, more: dict[str, str]) -> Variables:
    pairs = {"HOOK": hook.kind.value, **more}
    return tuple((f"SUPERVISOR_{name}", value.replace("\0", "")) for name, value in pairs.items())


def undo(draft: Draft, e: Election, granted_seconds: float) -> Undo | None:
    """``demoted``, for a guardian that outlives this daemon: in the term if it can."""
    hook = e.spec.hooks.get(DEMOTED)
    if hook is None:
        return None
    said = _prefixed(hook, {"CAUSE": "the daemon died", "LOST": "1", "LATE": "0"})
    return Undo(
        spec=hook.process,
        variables=(*variables.of_run(draft, hook.process, e.term), *said),
        timeout_seconds=hook.timeout_seconds,
        reserve_seconds=reserve_seconds(e, granted_seconds),
    )


def adopt(draft: Draft, election: ElectionSpec) -> None:
    """Give every hook of an election its place among the processes."""
    for hook in election.hooks.values():
        if hook.process.id not in draft.processes:
            draft.put_process(lifecycle.fresh(hook.process.id, hook.process, draft.now))
