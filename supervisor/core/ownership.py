"""That the keys of our terms are where they should be, asked again and again.

A lease that is renewed says nothing of its keys: etcd can lose them (``takeover``), and a watch that hangs, or that a
member serves which has lost its cluster, does not tell. Whoever finds our key gone waits for a TTL from when it went. So
trust in a term counts from the older of two things: the renewal, and a linearizable read that found the keys of all terms
under the lease; by the end of that TTL we are dead, whatever the watch shows.

Promises: one question per lease, with each renewal, and again soon when it is not answered; a key that is missing ends its
term at once. After a time in which we did not run, nothing is started or rewritten before the keys have been seen again.
"""

from collections.abc import Iterator

from supervisor.core import election as elections
from supervisor.core import timing
from supervisor.core.actions import ConfirmKeys, Extend
from supervisor.core.draft import Draft
from supervisor.core.events import KeysConfirmed, KeysUnconfirmed
from supervisor.core.evolve import replace
from supervisor.core.names import EPOCH, Instant, LeaseId
from supervisor.core.state import Election, ElectionPhase

RETRY_SECONDS = 0.2
CLAIMED = frozenset({ElectionPhase.PROVING, ElectionPhase.LEADING, ElectionPhase.STEPPING_DOWN})
"""A proof that is on its way is asked for too: the answer to it may come before ours."""


def reconcile(draft: Draft) -> None:
    """Ask what is due; forget the question with the last term."""
    for session in draft.sessions.values():
        lease = session.lease
        if lease is None or not session.confirmed_at:
            continue
        if not any(_held(draft, lease)):
            session = replace(session, confirmed_at=EPOCH, confirming_at=None, unchecked=False)  # noqa: PLW2901 # the same one, later
            draft.put_session(replace(session, lost=draft.now >= session.renew_deadline))
        elif session.confirming_at is None and draft.now >= session.confirm_at:
            draft.put_session(replace(session, confirming_at=draft.now))
            claimed = (e for e in draft.elections.values() if e.lease == lease and e.phase in CLAIMED)
            keys = tuple((e.spec.name, e.create_revision) for e in claimed if e.create_revision is not None)
            timeout = timing.sight_patience_seconds(session.granted_seconds)
            draft.do(ConfirmKeys(lease=lease, asked_at=draft.now, keys=keys, timeout_seconds=timeout))


def on_confirmed(draft: Draft, event: KeysConfirmed) -> None:
    """The keys were there when we asked, but for those that were not: their terms are over."""
    session = draft.session_of(event.lease)
    if session is None or session.confirming_at != event.asked_at:
        return
    for name in event.missing:
        e = draft.elections.get(name)
        if e is not None and e.lease == event.lease and e.phase in CLAIMED:
            elections.key_vanished(draft, e, "our key was deleted")
    again = Instant(event.asked_at + timing.renewal_pause_seconds(session.granted_seconds))
    if session.unchecked:
        draft.dirty.update(e.spec.name for e in draft.elections.values() if e.lease == event.lease)
    session = replace(
        session, confirmed_at=event.asked_at, confirming_at=None, confirm_at=again, unconfirmed="", unchecked=False,
        sight_seconds=draft.now - event.asked_at,
    )  # fmt: skip
    draft.put_session(replace(session, lost=draft.now >= session.renew_deadline))
    draft.do(Extend(lease=event.lease, lease_deadline=session.trust_deadline))


def on_unconfirmed(draft: Draft, event: KeysUnconfirmed) -> None:
    """Ask again soon: the renew deadline is the judge."""
    session = draft.session_of(event.lease)
    if session is not None and session.confirming_at == event.asked_at:
        again = Instant(draft.now + RETRY_SECONDS)
        draft.put_session(replace(session, confirming_at=None, confirm_at=again, unconfirmed=event.detail))


def on_woke(draft: Draft) -> None:
    """Anything may have happened meanwhile: renew, and look for our keys, before anything is done on an old belief."""
    for session in draft.sessions.values():
        if session.lease is None:
            continue
        woken = replace(session, next_at=draft.now)
        if session.confirmed_at:
            # What was asked before the gap may be answered with what was true before it.
            woken = replace(woken, unchecked=True, confirming_at=None, confirm_at=draft.now)
        draft.put_session(woken)
    for e in draft.elections.values():
        if e.ahead is not None:
            draft.put_election(replace(e, ahead=None))


def _held(draft: Draft, lease: LeaseId) -> Iterator[Election]:
    return (e for e in draft.elections.values() if e.lease == lease and e.phase in elections.HELD)
