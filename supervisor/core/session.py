"""The transitions of the sessions: one lease per TTL, granted, renewed, lost, given back.

Promises: trust counts from the instant a request was sent; the renew deadline ends terms, the lease deadline ends the
session, whether or not anybody says so; a lease that is given up is revoked only when no leader process of it can be
alive. ``expire`` runs before any event is looked at, so that nothing is ever decided on a belief that has run out.
"""

from supervisor.core import losing, ownership, restarts, timing
from supervisor.core.actions import Extend, GrantLease, Renew, RevokeLease
from supervisor.core.draft import Draft
from supervisor.core.events import (
    LeaseGone,
    LeaseGranted,
    LeaseGrantFailed,
    LeaseRevoked,
    LeaseRevokeFailed,
    Renewed,
    RenewFailed,
)
from supervisor.core.evolve import replace
from supervisor.core.names import Instant, LeaseId
from supervisor.core.state import Election, ElectionPhase, Session
from supervisor.core.store import DoomedLease

GRANT_TIMEOUT_SECONDS = 3.0
MOST_PAUSE_SECONDS = 0.1
"""Between renewals that fail: each has had its own time to be answered, and what is left until the deadline is short."""
BAD_GRANT_PAUSE_SECONDS = 30.0
"""After a lease that no promise fits in: the configuration or etcd must change first."""


def expire(draft: Draft) -> None:
    """End what time has ended, before anything else is believed."""
    now = draft.now
    for session in draft.sessions.values():
        if session.lease is None:
            continue
        if now >= session.lease_deadline:
            give_up(draft, session, f"no renewal acknowledged within the lease ({session.detail or 'no answer'})")
        elif now >= session.renew_deadline and not session.lost:
            draft.put_session(replace(session, lost=True))
            unseen = session.trusted_at != session.sent_at
            what = "sight of our keys" if unseen else "renewal acknowledged"
            detail = session.unconfirmed if unseen else session.detail
            cause = f"no {what} for 2/3 of the lease ({detail or 'no answer'})"
            losing.lease_doubted(draft, session.lease, cause)


def give_up(draft: Draft, session: Session, cause: str, *, gone: bool = False) -> None:
    """The session's lease is no longer ours to rely on. Its elections lose their keys; a new lease is asked for."""
    if session.lease is not None:
        if not gone:
            doom(draft, session.lease, session.granted_seconds)
        losing.lease_lost(draft, session.lease, cause)
    draft.put_session(Session(ttl_seconds=session.ttl_seconds, next_at=draft.now, failures=1, detail=cause))


def doom(draft: Draft, lease: LeaseId, granted_seconds: int) -> None:
    """Have a lease revoked as soon as nothing of it can be alive."""
    until = Instant(draft.now + 2 * granted_seconds + 10)
    draft.doomed.put(lease, DoomedLease(lease=lease, next_at=draft.now, until=until))


def on_granted(draft: Draft, event: LeaseGranted) -> None:
    """A lease for a session, if anybody still wants it and it is fit for its elections."""
    session = draft.sessions.get(event.ttl_seconds)
    if session is None or session.lease is not None or draft.base.stopping:
        doom(draft, event.lease, event.granted_seconds)
        return
    problem = _unfit(draft, event)
    if problem:
        doom(draft, event.lease, event.granted_seconds)
        pause = Instant(draft.now + BAD_GRANT_PAUSE_SECONDS)
        draft.put_session(replace(session, asked=False, next_at=pause, failures=session.failures + 1, detail=problem))
        return
    session = Session(
        ttl_seconds=event.ttl_seconds,
        lease=event.lease,
        granted_seconds=event.granted_seconds,
        sent_at=event.sent_at,
        next_at=Instant(event.sent_at + timing.renewal_pause_seconds(event.granted_seconds)),
    )
    if draft.now >= session.renew_deadline:
        doom(draft, event.lease, event.granted_seconds)
        session = Session(
            ttl_seconds=event.ttl_seconds, next_at=draft.now, failures=1, detail="the grant came too late"
        )
        draft.put_session(session)
        return
    draft.put_session(session)
    draft.do(Extend(lease=event.lease, lease_deadline=session.lease_deadline))
    _touch(draft, event.ttl_seconds)


def on_grant_failed(draft: Draft, event: LeaseGrantFailed) -> None:
    """Ask again, ever less often."""
    session = draft.sessions.get(event.ttl_seconds)
    if session is None or session.lease is not None:
        return
    failures = session.failures + 1
    next_at = Instant(draft.now + restarts.retry_seconds(failures, event.chance))
    draft.put_session(replace(session, asked=False, failures=failures, next_at=next_at, detail=event.detail))


def on_renewed(draft: Draft, event: Renewed) -> None:
    """A newer acknowledgement moves every deadline of the lease; an older one moves nothing."""
    session = draft.session_of(event.lease)
    if session is None:
        return
    if event.sent_at <= session.sent_at:
        draft.put_session(replace(session, asked=False))
        return
    session = replace(
        session,
        granted_seconds=event.granted_seconds,
        sent_at=event.sent_at,
        asked=False,
        next_at=Instant(event.sent_at + timing.renewal_pause_seconds(event.granted_seconds)),
        failures=0,
        detail="",
    )
    if draft.now >= timing.renew_deadline(session.sent_at, session.granted_seconds):
        draft.put_session(replace(session, next_at=draft.now))
        return
    doubted, session = session.lost, replace(session, lost=draft.now >= session.renew_deadline)
    draft.put_session(session)
    draft.do(Extend(lease=event.lease, lease_deadline=session.trust_deadline))
    if doubted != session.lost:
        _touch(draft, session.ttl_seconds)  # an ordinary renewal lets nobody do what they could not do before


def on_renew_failed(draft: Draft, event: RenewFailed) -> None:
    """At once by another endpoint, then with short pauses: the renew deadline is the judge, not the number of tries."""
    session = draft.session_of(event.lease)
    if session is None:
        return
    failures = session.failures + 1
    pause = 0.0 if failures == 1 else MOST_PAUSE_SECONDS
    draft.put_session(
        replace(session, asked=False, failures=failures, next_at=Instant(draft.now + pause), detail=event.detail)
    )


def on_gone(draft: Draft, event: LeaseGone) -> None:
    """Etcd itself says that the lease is no more."""
    session = draft.session_of(event.lease)
    if session is not None:
        give_up(draft, session, f"etcd does not know the lease any more ({event.detail})", gone=True)


def on_revoked(draft: Draft, event: LeaseRevoked) -> None:
    """Gone for good."""
    draft.doomed.drop(event.lease)


def on_revoke_failed(draft: Draft, event: LeaseRevokeFailed) -> None:
    """Try again, but not for ever, and only once when we are ending: then it is left to expire."""
    doomed = draft.doomed.get(event.lease)
    if doomed is None:
        return
    if draft.base.stopping or draft.now >= doomed.until:
        draft.doomed.drop(event.lease)
    else:
        draft.doomed.put(event.lease, replace(doomed, asked=False, next_at=Instant(draft.now + 1.0)))


def reconcile(draft: Draft) -> None:
    """Ask for what is due: leases for the elections there are, renewals, revocations."""
    if _other_settings(draft) or any(_claim(was) != _claim(e) for was, e in draft.elections.changes()):
        _match(draft, _wanted(draft))
    for session in draft.sessions.values():
        if draft.base.stopping and session.lease is None:
            _retire(draft, session)
        elif not session.asked and draft.now >= session.next_at:
            _ask(draft, session)
    for doomed in draft.doomed.values():
        if not doomed.asked and draft.now >= doomed.next_at and not _alive_under(draft, doomed.lease):
            draft.doomed.put(doomed.lease, replace(doomed, asked=True))
            draft.do(RevokeLease(lease=doomed.lease))
    ownership.reconcile(draft)


def _match(draft: Draft, wanted: set[int]) -> None:
    """One session for each TTL that is wanted, and no other."""
    for ttl in wanted - set(draft.sessions):
        draft.put_session(Session(ttl_seconds=ttl, next_at=draft.now))
    for session in draft.sessions.values():
        if session.ttl_seconds not in wanted:
            _retire(draft, session)


def _other_settings(draft: Draft) -> bool:
    now, was = draft.base, draft.before
    return now.spec is not was.spec or now.store.connected is not was.store.connected or now.stopping != was.stopping


def _claim(e: Election | None) -> tuple[bool, int] | None:
    return None if e is None else (e.phase is ElectionPhase.DETACHED, e.spec.ttl_seconds)


def _wanted(draft: Draft) -> set[int]:
    """TTLs of elections that hold a key, or want one from the etcd we are connected to."""
    base = draft.base
    settled = base.spec is not None and base.store.connected == base.spec.etcd and not base.stopping
    return {e.spec.ttl_seconds for e in draft.elections.values() if settled or e.phase is not ElectionPhase.DETACHED}


def _ask(draft: Draft, session: Session) -> None:
    draft.put_session(replace(session, asked=True))
    if session.lease is None:
        draft.do(GrantLease(ttl_seconds=session.ttl_seconds, timeout_seconds=GRANT_TIMEOUT_SECONDS))
    else:
        timeout = timing.renewal_patience_seconds(session.granted_seconds)
        draft.do(Renew(lease=session.lease, timeout_seconds=timeout))


def _retire(draft: Draft, session: Session) -> None:
    if session.lease is not None:
        doom(draft, session.lease, session.granted_seconds)
    draft.sessions.drop(session.ttl_seconds)


def _alive_under(draft: Draft, lease: LeaseId) -> bool:
    return any(e.lease == lease and e.term is not None for e in draft.elections.values())


def _unfit(draft: Draft, event: LeaseGranted) -> str:
    problems = (
        timing.budget(e.spec, event.granted_seconds).problem
        for e in draft.elections.values()
        if e.spec.ttl_seconds == event.ttl_seconds
    )
    return next((p for p in problems if p), "")


def _touch(draft: Draft, ttl_seconds: int) -> None:
    draft.dirty.update(name for name in draft.elections if draft.elections[name].spec.ttl_seconds == ttl_seconds)
