"""The leases of those we wait for: which are looked at, and when.

Promises: one question per lease, however many elections its owner leads; none after a lease that nobody here waits for.
What an answer means is ``takeover``'s to say.
"""

from dataclasses import replace

from supervisor.core import takeover
from supervisor.core.actions import AskLease
from supervisor.core.draft import Draft
from supervisor.core.election import QUEUED
from supervisor.core.events import LeaseSeen, LeaseUnseen
from supervisor.core.names import Instant, LeaseId
from supervisor.core.state import Election, LeaseSight

ASK_TIMEOUT_SECONDS = 0.5
"""A lease that runs out is looked at closely: a member that does not answer is left for another soon."""
RETRY_SECONDS = 0.2


def reconcile(draft: Draft) -> None:
    """Look at the leases of the leaders we queue behind, as often as they are worth it."""
    if any(_interest(before) != _interest(after) for before, after in draft.elections.changes()):
        wanted = _wanted(draft)
        for lease in draft.sights:
            if lease not in wanted:
                draft.sights.drop(lease)
        for lease in wanted:
            if lease not in draft.sights:
                draft.sights.put(lease, LeaseSight(lease=lease, next_at=draft.now))
    for sight in draft.sights.values():
        if not sight.asked and draft.now >= sight.next_at:
            draft.sights.put(sight.lease, replace(sight, asked=True))
            draft.do(AskLease(lease=sight.lease, timeout_seconds=ASK_TIMEOUT_SECONDS))


def on_seen(draft: Draft, event: LeaseSeen) -> None:
    """An answer, and when the next is worth having."""
    sight = draft.sights.get(event.lease)
    if sight is None:
        return
    sight = takeover.saw(sight, event, draft.now)
    near = _wanted(draft).get(event.lease, False)
    draft.sights.put(event.lease, replace(sight, next_at=takeover.next_look(sight, draft.now, next_in_line=near)))


def on_unseen(draft: Draft, event: LeaseUnseen) -> None:
    """Ask again soon: what is not seen cannot be told to have ended by itself."""
    sight = draft.sights.get(event.lease)
    if sight is not None:
        draft.sights.put(event.lease, replace(sight, asked=False, next_at=Instant(draft.now + RETRY_SECONDS)))


def _wanted(draft: Draft) -> dict[LeaseId, bool]:
    """Leases of leaders we queue behind, and whether we are next in line behind one of them."""
    wanted: dict[LeaseId, bool] = {}
    for e in draft.elections.values():
        interest = _interest(e)
        if interest is not None:
            lease, near = interest
            wanted[lease] = wanted.get(lease, False) or near
    return wanted


def _interest(e: Election | None) -> tuple[LeaseId, bool] | None:
    """The lease of whom this election waits for, and whether we are next in line."""
    if e is None or e.phase not in QUEUED or not e.queue or not e.spec.takeover_guard:
        return None
    first = e.queue[0]
    if first.lease in (e.lease, 0):
        return None
    return first.lease, len(e.queue) > 1 and e.queue[1].lease == e.lease
