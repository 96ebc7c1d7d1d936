"""What a candidate's key says, written when it changes: never more than once a second, and again every so often.

Promises: the word that we lead goes out at once, others wait for it; a document that could not be written is written again ever less
often. Does not: make the document (``document`` does).
"""

from supervisor.core import document, wording
from supervisor.core import election as elections
from supervisor.core.actions import Proclaim
from supervisor.core.draft import Draft
from supervisor.core.events import Proclaimed, ProclaimFailed
from supervisor.core.evolve import replace
from supervisor.core.names import Instant, ProcessId
from supervisor.core.restarts import retry_seconds
from supervisor.core.state import Election, ElectionPhase, Process

CALM = frozenset({ElectionPhase.LEADING, ElectionPhase.FOLLOWING})
RETRY_SECONDS, LEAST_OFTEN_SECONDS = 1.0, 10.0


def proclaim(draft: Draft, e: Election) -> None:
    """Write the document on every change, at most once a second, and again every ``proclaim.every``."""
    if e.create_revision is None or e.lease is None or unchecked(draft, e):
        return
    if e.proclaiming is not None:
        if e.proclaim_at is None:  # something may have changed since: looked at when the answer is here
            draft.elections.put(e.spec.name, replace(e, proclaim_at=draft.now))
        return
    written = document.build(draft.base, e, shown(draft, e))
    last = e.proclaimed_at if e.proclaimed_at is not None else e.since
    again = wording.due_at(e, last, draft.now, changed=written != e.proclaimed)
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
        if e.proclaiming == e.proclaimed and e.proclaim_at is None and e.phase in CALM and e.proclaimed_at is not None:
            # The same again, and nothing has changed since: a thousand such answers are nothing to be reconciled.
            again = wording.again_at(e, e.proclaimed_at)
            draft.elections.put(e.spec.name, replace(stands, proclaim_at=again))
        else:
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
