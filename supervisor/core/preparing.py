"""What is done for a term while the proof of its win is still under way, so that the win itself starts the processes.

The watch shows our key first; the transaction that proves it and puts the term on record takes etcd a write to its disk.
Meanwhile, or before when the leader has said that it leaves (``notice``), the guardian is armed, the token is remembered, and the processes that the term begins with are forked, set up
and held just before exec. The proof, the term on record, the guardian's word, the remembered token and the end of every
predecessor release them, all together and nothing less; whatever else comes ends them, and the term with them.

Promises: nothing of a command runs before its term is proven (``reconcile`` alone releases); what was prepared for a term
that does not come about is killed, and the term is stepped down from as if it had been led: proven empty, disarmed, and the
key given up last. Does not: prepare for many at once: who wins a thousand elections needs the machine for the proofs.
"""

from supervisor.core import hooks, timing, tokens
from supervisor.core.actions import Arm
from supervisor.core.draft import Draft
from supervisor.core.evolve import replace
from supervisor.core.names import Term, candidate_key, record_key
from supervisor.core.spec import DEFAULT_NAMESPACE, ElectionSpec, ProcessKind, ProcessSpec
from supervisor.core.state import ELECTED, Election, ElectionPhase, Session

MOST_HELD = 4
"""Processes held at a time."""


def arm(draft: Draft, e: Election, session: Session, stopped_record: bytes) -> Election:
    """Have the guardian hold the term of this candidacy, and its token remembered. Once for a term."""
    assert e.create_revision is not None
    assert e.lease is not None
    name, connected = e.spec.name, draft.base.store.connected
    namespace = connected.namespace if connected else DEFAULT_NAMESPACE
    term = Term(name, e.create_revision)
    draft.do(
        Arm(
            term=term,
            lease=e.lease,
            lease_deadline=session.trust_deadline,
            margin_seconds=timing.safety_margin_seconds(e.spec, session.granted_seconds),
            candidate_key=candidate_key(namespace, name, e.lease),
            record_key=record_key(namespace, name, e.create_revision),
            stopped_record=stopped_record,
            undo=hooks.undo(draft, replace(e, term=term), session.granted_seconds),
        )
    )
    tokens.remember(draft, name, e.create_revision, term=True)
    return draft.put_election(replace(e, term=term, armed=False, remembered=False))


def may_prepare(draft: Draft, e: Election, session: Session | None) -> bool:
    """Whether the term that is being proven is worth the trouble, and its lease beyond doubt."""
    if session is None or session.lost or session.unchecked or not e.spec.leader or _is_hooked(e.spec):
        return False
    return (e.prepare or len(draft.base.held) + draft.prepared < MOST_HELD) and not draft.base.stopping


def can_be_held(spec: ElectionSpec) -> bool:
    """Whether leader processes may be held while another leads: not where follower processes must be gone first."""
    return bool(spec.leader) and not spec.follower and not _is_hooked(spec)


def _is_hooked(spec: ElectionSpec) -> bool:
    """Nothing is executed before the one; a guardian that outlives us would run the other for no term."""
    return ELECTED in spec.hooks or hooks.DEMOTED in spec.hooks


def may_hold(draft: Draft, spec: ProcessSpec) -> bool:
    """Whether a child of this spec may be held.

    Sockets are the term's: opened ahead of it they would take connections for a leader that is none yet. Tasks are few and
    last: what would be won is nothing beside them.
    """
    return spec.kind is ProcessKind.SERVICE and not spec.sockets and len(draft.base.held) < MOST_HELD


def may_run(e: Election) -> bool:
    """Whether a command of the term may be executed: it is proven, armed, remembered, and no earlier one may still run."""
    return e.phase is ElectionPhase.LEADING and e.armed and e.remembered and not e.waits_for


def holds(e: Election) -> bool:
    """Whether leader processes of this election may be held: the leader leaves, or the proof is under way or has just come."""
    if not e.prepare or e.waits_for or e.term is None:
        return False
    return e.phase in (ElectionPhase.LEADING, ElectionPhase.FOLLOWING) or (e.phase is ElectionPhase.PROVING and e.asked)


def is_prepared(e: Election) -> bool:
    """Whether there is, in the queue, a term of ours to be ended: armed for, or perhaps on record."""
    if e.phase is ElectionPhase.PROVING and e.on_record:
        return True
    return e.phase in (ElectionPhase.FOLLOWING, ElectionPhase.PROVING) and e.term is not None
