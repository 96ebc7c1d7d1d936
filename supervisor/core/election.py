"""The transitions of one election: what each event means in each phase.

Theory of operation. An election is DETACHED until its session has a lease; then it CAMPAIGNs (creates its key), FOLLOWs
while the watch shows an older key, and when its own is first, PROVEs it by a transaction: own key, own create revision,
lowest of the prefix; the same transaction puts the term on record. Only that makes it LEAD, and it starts nothing while
it ``waits_for`` a predecessor whose end is not proven (``takeover``). However the term ends it is STEPPING_DOWN until
every process of it is proven dead and the guardian is disarmed, then RESIGNING until its key is gone and its record
says *stopped*, then DETACHED again.

Rules of this file: an event that does not fit the phase is old news and changes nothing; nothing here asks whether a
step was *requested*, only what is known now. What is due without an event of its own (to campaign, to step down for a
reload, to disarm when the last process is gone) is in ``reconcile``.
"""

from supervisor.core import giveup, ledger, preparing, records, succession, takeover, timing, tokens, waiting
from supervisor.core.actions import Prove, Resign
from supervisor.core.draft import Draft
from supervisor.core.events import (
    Armed,
    Campaigned,
    CampaignFailed,
    Candidate,
    FirstRead,
    KillByStruck,
    QueueChanged,
    ReadFirstFailed,
)
from supervisor.core.evolve import replace
from supervisor.core.names import Instant
from supervisor.core.operator_events import ResignRequested
from supervisor.core.records import Mark
from supervisor.core.restarts import retry_seconds
from supervisor.core.state import Election, ElectionPhase, Session
from supervisor.core.store_events import CampaignEnded

QUEUED = frozenset({ElectionPhase.FOLLOWING, ElectionPhase.PROVING})
HELD = frozenset({ElectionPhase.LEADING, ElectionPhase.STEPPING_DOWN})
RETRY_SECONDS = 0.2
LAST_RESIGN_SECONDS = 1.0
"""For a daemon that is ending: who waits for us starts at once when our record says that we stopped, else a TTL later."""


# --- moves ---------------------------------------------------------------------------------------------------------


def detach(draft: Draft, e: Election, cause: str) -> Election:
    """No key of ours is left, as far as we know; nothing of a term is alive."""
    return draft.put_election(
        Election(
            spec=e.spec,
            phase=ElectionPhase.DETACHED,
            since=draft.now,
            cause=cause,
            standby=e.standby,
            hold_until=giveup.hold_until(e, draft.now),
            withdrawals=e.withdrawals,
            unfit=e.unfit,
            refused=e.refused,
            giveups=e.giveups,
            queue=e.queue,
            queue_revision=e.queue_revision,
            queue_at=e.queue_at,
            first_at=e.first_at,
            departed=e.departed,
            hooked=e.hooked,
            past=ledger.past(e),
            answered=e.answered,
        )
    )


def follow(draft: Draft, e: Election, cause: str) -> Election:
    """Queued behind somebody: the follower role is ours to play."""
    return draft.put_election(
        replace(
            e, phase=ElectionPhase.FOLLOWING, since=draft.now, cause=cause, asked=False, retry_at=None, standby=True
        )
    )


def prove(draft: Draft, e: Election) -> Election:
    """We look first; ask etcd for the proof. Asked again while leading, it brings the predecessors' records."""
    assert e.lease is not None
    assert e.create_revision is not None
    if why := withheld(draft, e):
        again = e.phase is ElectionPhase.FOLLOWING and e.withheld == why
        return e if again else follow(draft, replace(e, withheld=why), f"first in the queue, but {why}")
    record = on_record(draft, e, Mark.STARTED)
    draft.do(Prove(election=e.spec.name, lease=e.lease, create_revision=e.create_revision, record=record))
    e = replace(
        e,
        withheld="",
        asked=True,
        retry_at=None,
        on_record=True,
        proofs=e.proofs + 1,
        proof_asked_at=draft.now,
        ahead=None,
    )
    if e.phase is not ElectionPhase.LEADING:
        since = draft.now if e.phase is not ElectionPhase.PROVING else e.since
        session = draft.session_of(e.lease)
        prepare = preparing.may_prepare(draft, e, session)
        draft.prepared += prepare and not e.prepare
        e = replace(e, phase=ElectionPhase.PROVING, since=since, cause="first in the queue", prepare=prepare)
        if prepare and e.term is None and session is not None:
            e = preparing.arm(draft, e, session, last_words(draft, e))
    return draft.put_election(e)


def withheld(draft: Draft, e: Election) -> str:
    """Why no term may begin here; empty when it may. One that has begun, or may have with a proof asked for, is not new.

    A look ahead begins none, though its term is on record: that is let go (``notice``).
    """
    if e.won_at is not None or (e.phase is ElectionPhase.PROVING and e.on_record):
        return ""
    if draft.base.requests.paused(e.spec.name) is not None:
        return "nobody moves: it is paused"
    return "this node is drained" if draft.base.node in draft.base.requests.drains else ""


def lead(draft: Draft, e: Election, session: Session) -> Election:
    """The office is proven ours: arm the guardian, unless it was. Processes follow its acknowledgement."""
    session = _confirmed_by_proof(draft, e, session)
    if e.term is None:
        e = preparing.arm(draft, e, session, last_words(draft, e))
    return draft.put_election(
        replace(
            e,
            phase=ElectionPhase.LEADING,
            since=draft.now,
            cause="won" if e.won_at is None else f"leads on: {e.unmoved}",
            won_at=draft.now if e.won_at is None else e.won_at,
            lost_at=None,
            asked=False,
            standby=False,
            campaign_deadline=None,
            proclaim_at=draft.now,
            proclaim_failures=0,
            proclaim_retry_at=None,
        )
    )


def step_down(draft: Draft, e: Election, cause: str, *, lost: bool = False, key_lost: bool = False) -> Election:
    """End the term. ``lost``: by kill-by at the latest; ``key_lost``: at once."""
    if e.phase is ElectionPhase.STEPPING_DOWN:
        if (lost and not e.lost) or (key_lost and not e.key_lost):
            e = draft.put_election(replace(e, lost=e.lost or lost, key_lost=e.key_lost or key_lost, cause=cause))
        return e
    return draft.put_election(
        replace(
            e,
            phase=ElectionPhase.STEPPING_DOWN,
            since=draft.now,
            cause=cause,
            lost=lost,
            lost_at=draft.now if e.won_at is not None else None,
            key_lost=key_lost,
            vacating=False,
            disarming=False,
            asked=False,
            waits_for=(),
            leaving="",
            leave_at=None,
            retry_at=None,
            proclaim_at=draft.now,
            proclaim_failures=0,
            proclaim_retry_at=None,
        )
    )


def give_up(draft: Draft, e: Election, cause: str) -> Election:
    """A leader process has used up its restarts: let another node try, and stay out for a while that grows."""
    return step_down(draft, giveup.after_giveup(draft, e), cause)


def resign(draft: Draft, e: Election, cause: str) -> Election:
    """Nothing of a term is alive: delete our key, and have its record say so."""
    assert e.lease is not None
    assert e.create_revision is not None
    record = on_record(draft, e, Mark.STOPPED) if e.on_record else b""
    end = Resign(election=e.spec.name, lease=e.lease, create_revision=e.create_revision, record=record, forget=e.forget)
    draft.do(succession.hand_over(e, end))
    since = draft.now if e.phase is not ElectionPhase.RESIGNING else e.since
    return draft.put_election(
        replace(e, phase=ElectionPhase.RESIGNING, since=since, cause=cause, asked=True, retry_at=None)
    )


def abandon(draft: Draft, e: Election, cause: str, *, key_lost: bool = False) -> Election:
    """Leave the queue; what was prepared for the term is ended first."""
    if e.term is not None:
        return step_down(draft, e, cause, lost=True, key_lost=key_lost)
    return resign(draft, replace(e, key_lost=e.key_lost or key_lost), cause)


# --- events --------------------------------------------------------------------------------------------------------


def on_campaigned(draft: Draft, e: Election, event: Campaigned) -> None:
    """Our key is in the queue, and the same transaction told who is first. If we are, the term goes on record next."""
    if e.phase is not ElectionPhase.CAMPAIGNING or e.lease != event.lease:
        return
    refused = tokens.refusal(draft, e, event.create_revision)
    if (e := replace(e, create_revision=event.create_revision, asked=False, refused=refused)).refused:
        resign(draft, tokens.on_low(draft, e), "its token is too low")
    elif e.queue_revision > event.create_revision and not any(is_ours(e, c) for c in e.queue):
        key_vanished(draft, e, "our key was deleted")  # the watch was faster than this answer
    elif is_ours(e, event.first):
        prove(draft, e)
    else:
        _after_reading_first(draft, e, event.first)


def on_campaign_failed(draft: Draft, e: Election, event: CampaignFailed) -> None:
    """The key may be there or not: the same campaign again finds out. When ending, the lease's end takes it along."""
    if e.phase is not ElectionPhase.CAMPAIGNING or e.lease != event.lease:
        return
    if draft.base.stopping:
        detach(draft, e, "campaign ended by shutdown")
        return
    pause = retry_seconds(1, event.chance)
    draft.put_election(replace(e, asked=False, retry_at=Instant(draft.now + pause), cause=event.detail))


def on_campaign_ended(draft: Draft, e: Election, event: CampaignEnded) -> None:
    """A reason to look for the proof; or, cut off, to give up a key that its member would delete under our feet."""
    if e.lease != event.lease or e.create_revision != event.create_revision:
        return
    if event.broken and e.phase in QUEUED:
        # A call that breaks as soon as it is made must not make us a loop.
        tries = 1 if draft.now - e.since > e.spec.ttl_seconds else 4
        pause = Instant(draft.now + retry_seconds(tries, event.chance))
        abandon(draft, replace(e, hold_until=pause), f"its Campaign call was cut off: {event.detail}")
    elif not event.broken and e.phase is ElectionPhase.FOLLOWING:
        prove(draft, e)


def on_first_read(draft: Draft, e: Election, event: FirstRead) -> None:
    """The proof, or its refutation. An answer about an earlier key of ours may even show this one first: it proves nothing."""
    if event.asked_for != e.create_revision:
        return
    if e.phase is ElectionPhase.PROVING and e.asked:
        _after_reading_first(draft, e, event.first, event)
    elif e.phase is ElectionPhase.LEADING and e.asked:
        e = replace(e, asked=False)
        if event.first is None or not is_ours(e, event.first):
            key_vanished(draft, e, "our key was deleted")
        else:
            waiting.wait_for_predecessors(draft, e, event)


def on_read_first_failed(draft: Draft, e: Election, event: ReadFirstFailed) -> None:
    """No proof, no term: ask again soon."""
    if e.phase in (ElectionPhase.PROVING, ElectionPhase.LEADING) and e.asked:
        pause = RETRY_SECONDS * (1.0 - event.chance / 2)
        cause = e.cause if e.phase is ElectionPhase.LEADING else event.detail
        draft.put_election(replace(e, asked=False, retry_at=Instant(draft.now + pause), cause=cause))


def on_queue(draft: Draft, e: Election, event: QueueChanged) -> None:
    """The watch's picture: reason to ask for a proof when we look first, and to end a term when our key is not in it."""
    same = _same_words(e, event.candidates)
    e = takeover.departed(e, event.candidates, draft.sights.freeze(), draft.now)
    first_at = takeover.first_seen(e, event.candidates, draft.now)
    e = replace(e, queue=event.candidates, queue_revision=event.revision, queue_at=draft.now, first_at=first_at)
    if same:
        draft.elections.put(
            e.spec.name, e
        )  # other words of the same candidates let nobody do what they could not do before
    else:
        draft.put_election(e)
    tokens.note_leader(draft, e)
    if e.create_revision is None or event.revision < e.create_revision:
        return  # older than our key: it cannot say anything about it
    if not any(is_ours(e, c) for c in event.candidates):
        key_vanished(draft, e, "our key was deleted")
    elif e.phase is ElectionPhase.FOLLOWING and is_ours(e, event.candidates[0]) and e.ahead is None:
        prove(draft, e)  # who has looked ahead may need none: ``notice.hear``, in this very step


def on_armed(draft: Draft, e: Election, event: Armed) -> None:
    """The dead-man's switch holds the term: its processes may start."""
    if e.term == event.term and not e.armed:
        draft.put_election(replace(e, armed=True))


def on_struck(draft: Draft, e: Election, event: KillByStruck) -> None:
    """The guardian will start nothing of this term any more, however well its lease is: it was frozen, or we were slow."""
    if e.term == event.term and e.phase in HELD | QUEUED:
        e = draft.put_election(replace(e, struck=True))
        if e.phase is not ElectionPhase.STEPPING_DOWN:
            step_down(draft, e, "kill-by passed", lost=True)


def on_resign_requested(draft: Draft, e: Election, _event: ResignRequested) -> None:
    """An operator's word; only a leader has something to give up. Where nobody moves, nobody does."""
    if e.phase is ElectionPhase.LEADING and not e.leaving and draft.base.requests.paused(e.spec.name) is None:
        draft.put_election(replace(e, giveups=0, withdrawals=0, leaving="resigned by an operator"))


# --- helpers -------------------------------------------------------------------------------------------------------


def is_ours(e: Election, candidate: Candidate) -> bool:
    """Whether a candidate is us."""
    return candidate.lease == e.lease and candidate.create_revision == e.create_revision


def _same_words(e: Election, candidates: tuple[Candidate, ...]) -> bool:
    """Whether these are the candidates there were, and say what they said, but for ourselves."""
    return len(candidates) == len(e.queue) and all(
        was.create_revision == c.create_revision and (c.lease == e.lease or was.value == c.value)
        for was, c in zip(e.queue, candidates, strict=True)
    )


def on_record(draft: Draft, e: Election, mark: Mark) -> bytes:
    """What is put on record of our term."""
    session = draft.session_of(e.lease)
    ttl = session.granted_seconds if session else e.spec.ttl_seconds
    margin = timing.safety_margin_seconds(e.spec, ttl)
    more = ledger.ended(draft.base, e, draft.now) if mark is Mark.STOPPED else {}
    return records.build(draft.base, e, mark, ttl_seconds=ttl, margin_seconds=margin, more=more)


def last_words(draft: Draft, e: Election) -> bytes:
    """What the guardian puts on record when we are dead."""
    return on_record(draft, replace(e, cause="the daemon died", won_at=draft.now), Mark.STOPPED)


def _confirmed_by_proof(draft: Draft, e: Election, session: Session) -> Session:
    """The proof is the first sight of the key. Beside other terms, the older sight of theirs counts for all."""
    if any(o.lease == e.lease and o.phase in HELD for o in draft.elections.freeze().values()):
        return session
    again = Instant(e.proof_asked_at + timing.renewal_pause_seconds(session.granted_seconds))
    return draft.put_session(replace(session, confirmed_at=e.proof_asked_at, confirm_at=again))


def gone(draft: Draft, e: Election) -> None:
    """No key of ours is left."""
    keyless = e.key_lost or draft.session_of(e.lease) is None
    revision = e.create_revision or 0
    e = detach(draft, e, e.cause)
    behind = any(c.create_revision > revision for c in e.queue)
    if keyless or behind:
        # Whoever comes next has its win to write: our own coming back can wait until it has.
        _pause(draft, e)


def _after_reading_first(draft: Draft, e: Election, first: Candidate | None, event: FirstRead | None = None) -> None:
    session = draft.session_of(e.lease)
    if first is None or (e.create_revision is not None and first.create_revision > e.create_revision):
        key_vanished(draft, e, "our key was deleted")
    elif not is_ours(e, first) and e.term is not None:
        abandon(draft, e, "another key is older")
    elif not is_ours(e, first):
        follow(draft, e, "queued behind the leader")
    elif session is None or session.lost:
        # First, but with a lease in doubt: no term begins on it. The session's next news decides.
        draft.put_election(
            replace(e, phase=ElectionPhase.PROVING, asked=False, retry_at=Instant(draft.now + RETRY_SECONDS))
        )
    elif session.sent_at > e.proof_asked_at:
        # The guardian may trust the lease until later than this proof allows the term: have a newer one.
        prove(draft, e)
    elif event is not None:
        lead(draft, waiting.wait_for_predecessors(draft, e, event), session)


def key_vanished(draft: Draft, e: Election, cause: str) -> None:
    """Our key is gone, whoever took it: what a term of ours still runs is killed, not asked."""
    if e.phase in HELD:
        step_down(draft, e, cause, lost=True, key_lost=True)
    elif e.phase is ElectionPhase.RESIGNING:
        pass  # what we have asked for; its answer is on the way
    elif preparing.is_prepared(e):
        abandon(draft, e, cause, key_lost=True)
    elif e.phase in QUEUED or e.phase is ElectionPhase.CAMPAIGNING:
        _pause(draft, detach(draft, e, cause))


def _pause(draft: Draft, e: Election) -> None:
    """Not at once: whoever deletes our key in a loop must not make us a loop as well."""
    draft.put_election(replace(e, retry_at=Instant(draft.now + RETRY_SECONDS)))
