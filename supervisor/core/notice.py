"""A willing end is announced: the next in line gets ready while the old leader processes still serve.

Between the last sign of the one and the first of the other lies only what cannot be done before: the proof that nothing is left,
the key's deletion, the proof of the win, and the process's own start. So a leader that is to leave says *stopping* in its document and serves on for
``NOTICE_SECONDS``; whoever stands behind it, or is named in it (``handover``), and reads that arms its guardian, notes its token and holds its first processes
just before exec (``preparing``), at most for ``HELD_SECONDS``. The proof of the win releases them, as ever.

Promises: pure; a notice is given only where somebody of ours stands behind us and something serves meanwhile, for a few elections
at a time, and is a hint: that it was not read, or not believed, costs nothing but time. What ends a term against our will
does not wait for it. Does not: begin a term, or let anything of a command run before its proof.
"""

from collections.abc import Iterable
from itertools import islice

from supervisor.core import ahead, document
from supervisor.core import election as elections
from supervisor.core.draft import Draft
from supervisor.core.events import Candidate
from supervisor.core.evolve import replace
from supervisor.core.names import EPOCH, Instant
from supervisor.core.preparing import MOST_HELD, arm, can_be_held, may_prepare
from supervisor.core.state import Election, ElectionPhase, Process

NOTICE_SECONDS = 0.03
"""From the decision to leave to the first signal: two writes to etcd, and a fork on the other node."""
HELD_SECONDS = 30.0
"""For which processes are held for a predecessor that does not come to its end: they grow old, and cost memory."""


def leave(draft: Draft, e: Election, cause: str, processes: Iterable[Process]) -> Election:
    """End the term of our own will, if there is a cause: at once, or when the notice is over."""
    if not cause:
        return e
    if e.leave_at is None and not _worth_it(draft, e, processes):
        return elections.step_down(draft, e, cause)
    if e.leave_at is None:
        return draft.put_election(replace(e, leaving=cause, leave_at=Instant(draft.now + NOTICE_SECONDS)))
    return elections.step_down(draft, e, e.leaving) if draft.now >= e.leave_at else e


def _worth_it(draft: Draft, e: Election, processes: Iterable[Process]) -> bool:
    session = draft.session_of(e.lease)
    if session is None or session.lost or session.unchecked or draft.base.store.reachable is False:
        return False
    if not can_be_held(e.spec) or not _is_followed(e):
        return False
    if not any(p.alive and p.term == e.term and not p.held for p in processes):
        return False
    # No more than can be held: for others it would be time lost.
    all_others = (o for o in draft.elections.freeze().values() if o.spec.name != e.spec.name)
    ending = (o for o in all_others if o.leaving or o.phase is ElectionPhase.STEPPING_DOWN)
    return len(list(islice(ending, MOST_HELD))) < MOST_HELD


def _is_followed(e: Election) -> bool:
    behind = [c for c in e.queue if c.create_revision > (e.create_revision or 0)]
    return bool(behind) and document.node_of(behind[0].value) is not None


def hear(draft: Draft, e: Election) -> Election:
    """While FOLLOWING: get ready when the leader leaves and we are next; let go of what was held for too long.

    Where nobody may begin a term, one that is on record ahead ends as an abandoned proof does: proven empty, disarmed, *stopped* on its
    record, and our key given up; we enter the queue anew.
    """
    if e.on_record and e.term is not None and (why := elections.withheld(draft, e)):
        return elections.abandon(draft, e, f"ready to lead, but {why}")
    if e.ahead is not None and e.queue and _is_ours(e, e.queue[0]):
        return ahead.first(draft, e)
    is_next = _is_next(draft, e)
    if e.prepare:
        if not is_next:  # the leader has thought better of it, or somebody else leads
            return draft.put_election(replace(e, prepare=False, held_until=EPOCH, ahead=None))
        return e if draft.now < e.held_until else draft.put_election(replace(e, prepare=False))
    if not is_next or not can_be_held(e.spec) or (e.term is not None and e.held_until != EPOCH):
        return e
    session = draft.session_of(e.lease)
    if session is None or draft.base.store.reachable is False or not may_prepare(draft, e, session):
        return e
    draft.prepared += 1
    e = draft.put_election(replace(e, prepare=True, held_until=Instant(draft.now + HELD_SECONDS)))
    return e if e.term is not None else ahead.look(draft, arm(draft, e, session, elections.last_words(draft, e)))


def _is_next(draft: Draft, e: Election) -> bool:
    """Whether the leader says that it leaves, and we are the one it names, or the second where it names nobody; and may lead."""
    if len(e.queue) < 2 or not document.says_stopping(e.queue[0].value) or elections.withheld(draft, e):
        return False
    named = document.named_next(e.queue[0].value)
    return named == draft.base.node if named else _is_ours(e, e.queue[1])


def _is_ours(e: Election, candidate: Candidate) -> bool:
    return candidate.lease == e.lease and candidate.create_revision == e.create_revision
