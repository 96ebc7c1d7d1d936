"""What a candidate's key says, written when it changes: never more than once a second, and again every so often.

Promises: the word that we lead goes out at once, others wait for it; a document that could not be written is written again ever less
often. Does not: make the document (``document`` does).
"""

import math

from supervisor.core import document
from supervisor.core import election as elections
from supervisor.core.actions import Proclaim
from supervisor.core.draft import Draft
from supervisor.core.events import Proclaimed, ProclaimFailed
from supervisor.core.evolve import replace
from supervisor.core.names import Instant, ProcessId
from supervisor.core.restarts import retry_seconds
from supervisor.core.state import Election, ElectionPhase, Process

AT_MOST_EVERY_SECONDS = 1.0
RETRY_SECONDS, LEAST_OFTEN_SECONDS = 1.0, 10.0


def proclaim(draft: Draft, e: Election) -> None:
    """Write the document on every change, at most once a second, and again every ``proclaim.every``."""
    if e.create_revision is None or e.lease is None or e.proclaiming is not None or unchecked(draft, e):
        return
    written = document.build(draft.base, e, shown(draft, e))
    last = e.proclaimed_at if e.proclaimed_at is not None else e.since
    # To the full second: a thousand elections that say the same again do so in one breath and a few transactions.
    again = Instant(math.ceil(last + e.spec.proclaim.every_seconds))
    if written != e.proclaimed:
        # The word that we lead goes out at once: others wait for it.
        first_word = e.phase is ElectionPhase.LEADING and b'"state":"leading"' not in e.proclaimed
        again = draft.now if first_word else min(again, Instant(last + AT_MOST_EVERY_SECONDS))
    if e.proclaim_retry_at is not None:
        again = max(again, e.proclaim_retry_at)
    if draft.now < again:
        if e.proclaim_at != again:
            draft.elections.put(e.spec.name, replace(e, proclaim_at=again))
        return
    draft.do(Proclaim(election=e.spec.name, lease=e.lease, create_revision=e.create_revision, document=written))
    draft.elections.put(e.spec.name, replace(e, proclaiming=written, proclaimed_at=draft.now, proclaim_at=None))


def on_proclaimed(draft: Draft, e: Election, event: Proclaimed) -> None:
    """The document stands."""
    if e.create_revision == event.create_revision and e.proclaiming is not None:
        stands = replace(e, proclaimed=e.proclaiming, proclaiming=None, proclaim_failures=0, proclaim_retry_at=None)
        draft.put_election(stands)


def on_proclaim_failed(draft: Draft, e: Election, event: ProclaimFailed) -> None:
    """Unknown what stands there now: write again, ever less often, for each word more is work for an etcd that is slow.

    If etcd says that the key is not ours, that is the news.
    """
    if e.create_revision != event.create_revision:
        return
    failures = e.proclaim_failures + 1
    again = Instant(draft.now + retry_seconds(failures, event.chance, least=RETRY_SECONDS, most=LEAST_OFTEN_SECONDS))
    e = draft.put_election(
        replace(
            e, proclaimed=b"", proclaiming=None, proclaim_failures=failures, proclaim_retry_at=again, proclaim_at=again
        )
    )
    if event.key_gone:
        elections.key_vanished(draft, e, "our key is gone or not ours any more")


def unchecked(draft: Draft, e: Election) -> bool:
    """Whether we have not looked for our key since we woke."""
    session = draft.session_of(e.lease)
    return session is not None and session.unchecked


def shown(draft: Draft, e: Election) -> list[Process]:
    """The processes a document speaks of: those of the role this node plays."""
    leading = e.phase in elections.HELD
    role = e.spec.leader if leading else e.spec.follower
    ids = (ProcessId(e.spec.name, name) for name in sorted(role))
    return [p for p in map(draft.processes.get, ids) if p is not None]
