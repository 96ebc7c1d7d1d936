"""A win that is decided by the watch: its term was put on record, and our key seen, before the leader had left.

The leader says that it leaves (``notice``). While its processes still serve, who is next in line asks for ``LookAhead``: in one
transaction our key is seen to be there, the term's record is begun, who stands before us and every record are read, and
from that revision on the leader's own record is watched. When the watch then shows its key gone, and its record
says *stopped*, the term begins without another write to etcd's disk.

Why that is a win. Create revisions only rise, so who stood before us at the look is all that will ever stand before us: the
leader alone, and now its key is gone. Its record says that nothing of it is alive; no other term was open, and none before
ours can be opened any more, for only who is first is put on record. A watch shows a state that was, in order and without
gaps, be it late: late by so much, we begin so much later.

Why it does not matter that our own key may have gone since. Nobody who comes after us is misled by that any more than in the
middle of a term: our record says *started* since the look, so they wait (``takeover``) for the *stopped* of it, or until a TTL
less half a margin after they saw our key gone; which was after the look. So trust in the term counts from the sending
of the look, as it counts from a proof's (``ownership``): the guardian strikes a TTL less the whole margin after that at the
latest. Therefore a look is good only while *nothing* that the guardian counts from is newer: no renewal, no sight of other
keys under the same lease was sent since. And a lease that was in doubt since then had, in the reckoning of those who wait for its
natural end, lost its terms for good: the look goes with it.

Promises: pure; whatever does not fit leads to the proof by transaction, as ever: another look, a later renewal, a gap in which we
did not run, an open record, a leader whose key is gone and whose record does not say *stopped* within ``LINGER_SECONDS``.
Does not: guard foreign candidates behind us, who read no records, against an early deletion of our key in just that time;
nor does anything in the middle of a term.
"""

from supervisor.core import election as elections
from supervisor.core import records, waiting
from supervisor.core.actions import LookAhead
from supervisor.core.draft import Draft
from supervisor.core.events import FirstRead, TermRecord
from supervisor.core.evolve import replace
from supervisor.core.names import Instant
from supervisor.core.others import Ahead
from supervisor.core.records import Mark
from supervisor.core.state import Election, ElectionPhase, Session
from supervisor.core.store_events import LeaderStopped, LookedAhead

LINGER_SECONDS = 0.005
"""That *stopped* and the end of the key, one revision told of by two streams, may lie apart."""


def look(draft: Draft, e: Election) -> Election:
    """While FOLLOWING, second in the queue, and just armed: put the term on record, and look."""
    assert e.lease is not None
    assert e.create_revision is not None
    leader = e.queue[0].create_revision
    record = elections.on_record(draft, e, Mark.STARTED)
    draft.do(
        LookAhead(election=e.spec.name, lease=e.lease, create_revision=e.create_revision, leader=leader, record=record)
    )
    return draft.put_election(replace(e, on_record=True, ahead=Ahead(leader=leader, asked_at=draft.now)))


def on_looked(draft: Draft, e: Election, event: LookedAhead) -> None:
    """The answer, or that there is none."""
    a = e.ahead
    if (
        a is None
        or a.seen is not None
        or event.asked_for != e.create_revision
        or e.phase is not ElectionPhase.FOLLOWING
    ):
        return
    queued = [(c.create_revision, c.lease) for c in event.front]
    expected = [a.leader, e.create_revision]
    fits = not event.problem and [revision for revision, _ in queued] == expected and queued[1][1] == e.lease
    ahead = replace(a, seen=event.records, raft_term=event.raft_term) if fits else None
    draft.put_election(replace(e, ahead=ahead))


def on_stopped(draft: Draft, e: Election, event: LeaderStopped) -> None:
    """The leader's record has changed since."""
    a = e.ahead
    if a is None or event.record.token != a.leader or event.asked_for != e.create_revision:
        return
    told = records.read(event.record, otherwise_ttl_seconds=e.spec.ttl_seconds)
    if told.mark is not Mark.STARTED:
        draft.put_election(replace(e, ahead=replace(a, stopped=event.record)))


def first(draft: Draft, e: Election) -> Election:
    """While FOLLOWING, and first as the watch shows: begin the term, if it may and all that it takes was seen; else ask for the proof."""
    session = draft.session_of(e.lease)
    if elections.withheld(draft, e) or not _good(e, session, draft.now):
        return elections.prove(draft, e)
    assert e.ahead is not None
    assert session is not None
    if e.ahead.stopped is not None:
        at_look = replace(e, proof_asked_at=e.ahead.asked_at)
        won = waiting.wait_for_predecessors(draft, at_look, _as_read(at_look, e.ahead, e.ahead.stopped))
        if won.waits_for:
            return elections.prove(draft, draft.put_election(e))
        return elections.lead(draft, replace(won, proofs=e.proofs + 1, ahead=None), session)
    if e.retry_at is None:
        return draft.put_election(replace(e, retry_at=Instant(draft.now + LINGER_SECONDS)))
    return elections.prove(draft, e) if draft.now >= e.retry_at else e


def _good(e: Election, session: Session | None, now: Instant) -> bool:
    a = e.ahead
    if a is None or a.seen is None or e.term is None or not e.prepare or e.struck:
        return False
    if session is None or session.lost or session.unchecked or now >= session.renew_deadline:
        return False
    newest = max(session.sent_at, session.confirmed_at, session.confirming_at or session.sent_at)
    return newest <= a.asked_at


def _as_read(e: Election, a: Ahead, stopped: TermRecord) -> FirstRead:
    """What a proof would read now: of what was read, only the leader's record has changed."""
    assert a.seen is not None
    assert e.create_revision is not None
    told = tuple(stopped if r.token == stopped.token else r for r in a.seen)
    return FirstRead(
        election=e.spec.name, asked_for=e.create_revision, first=e.queue[0], records=told, raft_term=a.raft_term
    )
