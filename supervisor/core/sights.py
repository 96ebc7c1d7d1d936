"""The leases of those we wait for: which are looked at, and when.

Promises: one question per lease, however many elections its owner leads; none after a lease that nobody here waits for.
What an answer means is ``takeover``'s to say.
"""

from supervisor.core import takeover
from supervisor.core.actions import AskLease
from supervisor.core.draft import Draft
from supervisor.core.election import QUEUED
from supervisor.core.events import LeaseSeen, LeaseUnseen
from supervisor.core.evolve import replace
from supervisor.core.names import Instant, LeaseId
from supervisor.core.others import LeaseSight
from supervisor.core.state import Election

ASK_TIMEOUT_SECONDS = 0.5
"""A lease that runs out is looked at closely: a member that does not answer is left for another soon."""
RETRY_SECONDS = 0.2


def reconcile(draft: Draft) -> None:
    """Look at the leases of the leaders we queue behind, as often as they are worth it."""
    for before, after in draft.elections.changes():
        was, wanted = _interest(before), _interest(after)
        if was != wanted:
            _count(draft, was, -1)
            _count(draft, wanted, 1)
    for sight in draft.sights.values():
        if not sight.waiting:
            draft.sights.drop(sight.lease)
        elif not sight.asked and draft.now >= sight.next_at:
            draft.sights.put(sight.lease, replace(sight, asked=True))
            draft.do(AskLease(lease=sight.lease, timeout_seconds=ASK_TIMEOUT_SECONDS))


def on_seen(draft: Draft, event: LeaseSeen) -> None:
    """An answer, and when the next is worth having."""
    sight = draft.sights.get(event.lease)
    if sight is None:
        return
    sight = takeover.saw(sight, event, draft.now)
    next_at = takeover.next_look(sight, draft.now, next_in_line=sight.near > 0)
    draft.sights.put(event.lease, replace(sight, next_at=next_at))


def on_unseen(draft: Draft, event: LeaseUnseen) -> None:
    """Ask again soon: what is not seen cannot be told to have ended by itself."""
    sight = draft.sights.get(event.lease)
    if sight is not None:
        draft.sights.put(event.lease, replace(sight, asked=False, next_at=Instant(draft.now + RETRY_SECONDS)))


def _count(draft: Draft, interest: tuple[LeaseId, bool] | None, by: int) -> None:
    """Counted, not searched for: a node may wait in thousands of elections."""
    if interest is None:
        return
    lease, near = interest
    sight = draft.sights.get(lease) or LeaseSight(lease=lease, next_at=draft.now)
    draft.sights.put(lease, replace(sight, waiting=sight.waiting + by, near=sight.near + (by if near else 0)))


def _interest(e: Election | None) -> tuple[LeaseId, bool] | None:
    """The lease of whom this election waits for, and whether we are next in line."""
    if e is None or e.phase not in QUEUED or not e.queue or not e.spec.takeover_guard:
        return None
    first = e.queue[0]
    if first.lease in (e.lease, 0):
        return None
    return first.lease, len(e.queue) > 1 and e.queue[1].lease == e.lease
