"""When a document is written: which words others wait for, and when what has not changed is said again.

Promises: pure. Does not: know what a document says (``document``), or ask for the writing of it (``reconcile``).
"""

import math

from supervisor.core.names import Instant
from supervisor.core.state import Election, ElectionPhase

AT_MOST_EVERY_SECONDS = 1.0
FIRST_WORD_SECONDS = 0.02
"""From the win to the word that we lead."""


def again_at(e: Election, last: Instant) -> Instant:
    """When what was said at ``last`` is said again though nothing has changed.

    To the full second: a thousand elections do so in one breath and a few transactions.
    """
    return Instant(math.ceil(last + e.spec.proclaim.every_seconds))


def due_at(e: Election, last: Instant, now: Instant, *, changed: bool) -> Instant:
    """When the document is written: the last was at ``last``, and what it would say now is ``changed`` or not."""
    again = again_at(e, last)
    if changed:
        again = word_due(e, now) or min(again, Instant(last + AT_MOST_EVERY_SECONDS))
    return again if e.proclaim_retry_at is None else max(again, e.proclaim_retry_at)


def word_due(e: Election, now: Instant) -> Instant | None:
    """When a word goes out that others wait for; None when this is none.

    That we leave: at once. That we lead: in a moment, for whom does it serve before the processes do, and the write would take from
    their start what etcd, this node and all who watch need for it.
    """
    if e.leave_at is not None and b'"state":"stopping"' not in e.proclaimed:
        return now
    if e.phase is ElectionPhase.LEADING and b'"state":"leading"' not in e.proclaimed:
        return Instant((e.won_at or now) + FIRST_WORD_SECONDS)
    return None
