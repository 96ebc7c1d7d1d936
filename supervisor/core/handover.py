"""Handing an office over: to whom, when, and what becomes of it.

Theory of operation. The leader decides and does it all; nobody has to help, so nobody who is frozen or cut off can spoil
it. A wish (a request for a switchover, a drain, a candidate of higher priority) names a target that is fit by its document;
etcd is asked how long its lease has, and a lease that was renewed lately says that its daemon lives. Only then is the term
stepped down from, as at any willing end: notice, which names the target, stop, proven empty, disarmed. Then one transaction (``HandOver``): if our key and the
target's are the ones we mean, ours goes, those of the candidates between go with it, and the request is settled. They are
nodes like ours, and enter anew behind it; a stranger between is never touched, and the wish is refused.

Promises: the office goes to the target or nowhere; a target that has left, or is unfit when our processes have ended, is no
loss: our key was never given up, and we lead on under the same token, proven anew (``election.go_on``). A lease lost on the
way ends the handover, and the term as any lost one. Of movements of our own wish there is one at a time, and a pause after one that
came to nothing. Nothing moves while the election is paused.
Does not: help a target that dies after the transaction: that is a failover, within its lease's TTL.
"""

from supervisor.core import candidates, requests, succession, timing
from supervisor.core.actions import AskDate, AskLease, WriteRequest
from supervisor.core.draft import Draft
from supervisor.core.events import Candidate, LeaseSeen, LeaseUnseen
from supervisor.core.evolve import replace
from supervisor.core.names import Instant
from supervisor.core.request_events import DateSeen, RequestsSeen, RequestsUnseen
from supervisor.core.requests import Handover, Stage, Switchover
from supervisor.core.state import Election, ElectionPhase

ASK_TIMEOUT_SECONDS = 1.0
ANSWER_SECONDS = 3.0
LATE_SECONDS = 60.0
"""After the date asked for; if nobody led by then, nobody expects it any more."""


# --- requests ------------------------------------------------------------------------------------------------------


def on_requests(draft: Draft, event: RequestsSeen) -> None:
    """What is asked for, and the date."""
    before = draft.base.requests
    after = replace(
        requests.read(event.entries, before), offset_seconds=event.wall_seconds - draft.now, dated_at=draft.now
    )
    draft.base = replace(draft.base, requests=after)
    if not before.known or before.pauses != after.pauses or before.drains != after.drains:
        draft.touch_all()
    for name in {*before.switchovers, *after.switchovers}:
        e = draft.elections.get(name)
        if e is not None and before.switchovers.get(name) != after.switchovers.get(name):
            draft.dirty.add(name)


def on_unseen(draft: Draft, event: RequestsUnseen) -> None:
    """Without the permission to read them: as if there were none, and what was known stays."""
    known = draft.base.requests.known
    draft.base = replace(draft.base, requests=replace(draft.base.requests, known=True, problem=event.detail))
    if not known:
        draft.touch_all()


def on_date(draft: Draft, event: DateSeen) -> None:
    """The clock on the wall may have been set."""
    offset = event.wall_seconds - draft.now
    known = draft.base.requests
    draft.base = replace(
        draft.base, requests=replace(known, offset_seconds=offset, dated_at=draft.now, asked_date=False)
    )
    draft.dirty.update(name for name in known.switchovers if name in draft.elections)


def reconcile_dates(draft: Draft) -> None:
    """Look at the wall clock when a date has come, and now and then before it."""
    known = draft.base.requests
    due = requests.date_due(known)
    if due is not None and draft.now >= due and not known.asked_date and draft.base.requests.dated_at < draft.now:
        draft.base = replace(draft.base, requests=replace(known, asked_date=True))
        draft.do(AskDate())


# --- the leader's side ---------------------------------------------------------------------------------------------


def begun(draft: Draft, e: Election) -> bool:
    """Whether the term of a leader is being left for a handover. Called while nothing else ends the term."""
    if e.leaving:
        return False
    if e.handover is not None:
        if draft.now >= e.handover.by:
            nothing(draft, e, f"etcd did not say in time whether {e.handover.node} is alive")
        return False
    asked = _asked(draft, e)
    if asked is not None:
        _on_asked(draft, e, asked)
        return draft.elections[e.spec.name].phase is not ElectionPhase.LEADING
    if draft.base.requests.paused(e.spec.name) or not draft.base.requests.known:
        return False
    if draft.now < e.move_hold:
        _look_again(draft, e, e.move_hold)
        return False
    drain = draft.base.requests.drains.get(draft.base.node)
    if drain is not None:
        found = candidates.fit(draft.base, e)
        if found:
            _begin(draft, e, found[0][0], found[0][1].node, "drained")
        elif drain.force:
            draft.put_election(replace(e, leaving="drained, though nobody else could lead"))
            return True
        return False
    _prefer(draft, e)
    return False


def _asked(draft: Draft, e: Election) -> Switchover | None:
    """The request that is due now."""
    asked = draft.base.requests.switchovers.get(e.spec.name)
    if asked is None or asked.stage is not Stage.ASKED or asked.id == e.answered:
        return None
    if asked.at is not None and draft.base.requests.date(draft.now) < asked.at:
        return None
    return asked


def _on_asked(draft: Draft, e: Election, asked: Switchover) -> None:
    date = draft.base.requests.date(draft.now)
    late = date > asked.until or (asked.at is not None and date > asked.at + LATE_SECONDS)
    found = candidates.fit(draft.base, e)
    why = ""
    if late:
        why = "nobody led it in time to hand it over"
    elif draft.base.requests.paused(e.spec.name) is not None:
        why = "it is paused: nobody moves (supervisor resume)"
    elif asked.to == draft.base.node:
        why = f"{asked.to} leads it already"
    elif asked.to:
        target = candidates.of_node((c for c in e.queue if c.lease != e.lease), asked.to)
        why = f"{asked.to} does not stand for it" if target is None else candidates.problem(draft.base, e, target)
        found = [] if target is None or why else [pair for pair in found if pair[0] == target]
    elif not found:
        why = candidates.why_nobody(draft.base, e)
    if why:
        _answer(draft, e, replace(asked, stage=Stage.REFUSED, why=why, node=draft.base.node))
        return
    target, said = found[0]
    accepted = replace(asked, stage=Stage.ACCEPTED, to=said.node, node=draft.base.node)
    e = _answer(draft, e, accepted)
    _begin(draft, e, target, said.node, f"switchover to {said.node}, asked for by {asked.by or 'somebody'}", accepted)


def _begin(
    draft: Draft, e: Election, target: Candidate, node: str, cause: str, request: Switchover | None = None
) -> None:
    """Ask whether the target lives."""
    handover = Handover(
        node=node,
        lease=target.lease,
        token=target.create_revision,
        cause=cause,
        request=request,
        by=Instant(draft.now + ANSWER_SECONDS),
    )
    draft.do(AskLease(lease=target.lease, timeout_seconds=ASK_TIMEOUT_SECONDS))
    draft.put_election(replace(e, handover=handover, move_at=handover.by))


def on_lease_seen(draft: Draft, event: LeaseSeen) -> None:
    """A lease that was renewed lately has somebody who renews it: go, and nobody comes back empty-handed."""
    for e in _waiting_for(draft, event.lease):
        assert e.handover is not None
        # Renewed three times in a TTL: half of it gone means that a renewal is missing. etcd rounds down.
        if event.granted_seconds > 0 and 2 * (event.remaining_seconds + 1) >= event.granted_seconds:
            draft.put_election(replace(e, leaving=e.leaving or e.handover.cause))
        else:
            nothing(draft, e, f"{e.handover.node} has not renewed its lease lately: it may be dead")


def on_lease_unseen(draft: Draft, event: LeaseUnseen) -> None:
    """Not known to live: nobody is handed anything."""
    for e in _waiting_for(draft, event.lease):
        assert e.handover is not None
        nothing(draft, e, f"etcd did not say whether {e.handover.node} is alive: {event.detail}")


def _waiting_for(draft: Draft, lease: int) -> list[Election]:
    return [
        e
        for e in draft.elections.values()
        if e.handover is not None and e.handover.lease == lease and e.phase is ElectionPhase.LEADING
    ]


def nothing(draft: Draft, e: Election, why: str) -> None:
    """The handover came to nothing before anything was touched: the term goes on."""
    assert e.handover is not None
    draft.put_election(succession.unmoved(draft, e, Stage.REFUSED, why))


def reconsidered(draft: Draft, e: Election) -> Election:
    """While the target is given notice: what it takes to be handed the office may be gone, and nothing is touched yet."""
    if e.handover is None or e.leaving != e.handover.cause or draft.base.stopping:
        return e
    why = succession.problem(draft.base, e)
    if not why:
        return e
    return draft.put_election(replace(succession.unmoved(draft, e, Stage.ABORTED, why), leaving="", leave_at=None))


def _answer(draft: Draft, e: Election, answer: Switchover) -> Election:
    path = requests.switchover_path(e.spec.name)
    draft.do(WriteRequest(path=path, value=requests.written(answer), revision=answer.revision))
    return draft.put_election(replace(e, answered=answer.id))


# --- priority ------------------------------------------------------------------------------------------------------


def _prefer(draft: Draft, e: Election) -> None:
    """Hand over to a candidate of higher priority that could lead for a while now, unless this term is too young for it."""
    best = None
    if candidates.outranked(e) and not _chosen(draft, e):
        best = next((p for p in candidates.fit(draft.base, e) if p[1].priority > e.spec.priority), None)
    if best is None:
        if e.preferred is not None:
            draft.put_election(replace(e, preferred=None))
        return
    target, said = best
    if e.preferred is None or e.preferred[0] != target.create_revision:
        e = draft.put_election(replace(e, preferred=(target.create_revision, draft.now)))
    assert e.preferred is not None
    steady = Instant(e.preferred[1] + timing.renew_every_seconds(e.spec.ttl_seconds))
    young = (e.won_at if e.won_at is not None else draft.now) + e.spec.priority_cooldown_seconds
    at = Instant(max(steady, young))
    if draft.now >= at:
        _begin(draft, e, target, said.node, f"{said.node} has the higher priority ({said.priority})")
    else:
        _look_again(draft, e, at)


def _chosen(draft: Draft, e: Election) -> bool:
    """Whether an operator has given us this very term: it is not taken back for a priority."""
    asked = draft.base.requests.switchovers.get(e.spec.name)
    return asked is not None and asked.stage is Stage.DONE and e.term is not None and asked.token == e.term.token


def _look_again(draft: Draft, e: Election, at: Instant) -> None:
    if e.move_at != at:
        draft.put_election(replace(e, move_at=at))
