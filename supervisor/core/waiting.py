"""A winner's wait for terms before its own whose end is not proven: what ``takeover`` judges, done to the state.

Promises: while an election waits, nothing of it starts; whom it has waited for is closed on record, so that nobody after us
waits for it again. Does not: judge.
"""

from supervisor.core import ledger, records, takeover, timing
from supervisor.core.actions import CloseRecords
from supervisor.core.draft import Draft
from supervisor.core.events import FirstRead
from supervisor.core.evolve import replace
from supervisor.core.names import Instant
from supervisor.core.records import Mark
from supervisor.core.state import Election

FIRST_LOOK_SECONDS = 0.02
"""While waiting for a predecessor's word: it comes within milliseconds when it comes at all."""
MOST_LOOK_SECONDS = 0.2


def wait_for_predecessors(draft: Draft, e: Election, event: FirstRead) -> Election:
    """Nothing of the term starts while an earlier one may run; what can be told to be over is closed on the way."""
    mine = e.create_revision or 0
    told = [records.read(r, otherwise_ttl_seconds=e.spec.ttl_seconds) for r in event.records if r.token != mine]
    session = draft.session_of(e.lease)
    ttl = session.granted_seconds if session else e.spec.ttl_seconds
    margin = timing.safety_margin_seconds(e.spec, ttl)
    opened = takeover.open_terms(draft.base, e, told) + takeover.unrecorded(e, told, ttl, margin)
    given = {r.token: r for r in event.records}
    e, waits_for = takeover.predecessors(e, opened, given, draft.now, raft_term=event.raft_term)
    if not e.spec.takeover_guard:
        waits_for = ()
    waited = {p.token for p in waits_for}
    over = {t.token for t in told if t.mark is Mark.STARTED and t.token < mine} - waited
    unclosed = tuple(records.closed(r) for r in event.records if r.token in over)
    e = ledger.note_earlier(e, event.records, frozenset(takeover.overdue(told)))
    pause = min(MOST_LOOK_SECONDS, FIRST_LOOK_SECONDS * 2 ** min(e.proofs, 8))
    return draft.put_election(
        replace(
            e,
            waits_for=waits_for,
            retry_at=Instant(draft.now + pause) if waits_for else None,
            unclosed=unclosed if e.spec.takeover_guard else (),
            forget=takeover.overdue(told, records.KEPT + records.SPARE),
        )
    )


def waited_out(draft: Draft, e: Election) -> Election:
    """Of the predecessors waited for, those whose time is up are over."""
    left = tuple(p for p in e.waits_for if p.clear_at > draft.now)
    if len(left) == len(e.waits_for):
        return e
    over = tuple(records.closed(p.record) for p in e.waits_for if p not in left)
    retry_at = e.retry_at if left else None
    return draft.put_election(replace(e, waits_for=left, retry_at=retry_at, unclosed=(*e.unclosed, *over)))


def close_records(draft: Draft, e: Election) -> Election:
    """So that nobody after us has to wait for those whom we have waited for."""
    draft.do(CloseRecords(election=e.spec.name, records=e.unclosed))
    return draft.put_election(replace(e, unclosed=()))
