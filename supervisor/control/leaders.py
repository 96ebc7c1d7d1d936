"""Who leads an election, as far as this node can tell: with the source of that knowledge, and its age.

Promises: pure. A leader is named only while there is evidence that stands now: our own lease while it can be proven, or
etcd's watch while etcd answers. Everything else is *unknown*, with what was last known beside it. Does not: ask etcd.
"""

from supervisor.control import documents, views
from supervisor.control.words import duration
from supervisor.core import leadership
from supervisor.core.events import Candidate
from supervisor.core.names import Instant, candidate_key
from supervisor.core.state import Election, ElectionPhase, Session, State

BY_LEASE = "lease"
BY_WATCH = "watch"
STALE_SECONDS = 6.0
"""A watch that lives is confirmed every two seconds or so; one that says nothing is replaced within four."""
_IN_OFFICE = frozenset({ElectionPhase.LEADING, ElectionPhase.STEPPING_DOWN})


def session_of(state: State, e: Election) -> Session | None:
    """The session whose lease the election's key is under, if it still is."""
    session = state.sessions.get(e.spec.ttl_seconds)
    return session if session is not None and session.lease is not None and session.lease == e.lease else None


def namespace(state: State) -> str:
    """Of the etcd in use; of the one declared before any is."""
    etcd = state.store.connected or (state.spec.etcd if state.spec else None)
    return etcd.namespace if etcd else ""


def own_key(state: State, e: Election) -> str:
    """Our candidate key; empty when none is believed to exist."""
    if e.lease is None or e.create_revision is None:
        return ""
    return candidate_key(namespace(state), e.spec.name, e.lease)


def leader(state: State, e: Election, now: Instant, *, most_characters: int | None = None) -> views.Leader:
    """The leader; its value is cut to ``most_characters``."""
    session, held = session_of(state, e), _held(e)
    if held is not None and session is not None and leads_by_lease(state, e, now):
        leading = leadership.is_under_way(state, e, now)
        return _known(state, e, held, BY_LEASE, now - session.sent_at, most_characters, leading=leading)
    age = queue_age_seconds(state, e, now)
    if age is None:
        return views.Leader(state=views.UNKNOWN, words="unknown (never seen)")
    if not confirmed(state, e, now):
        last = _name(e.leader) if e.leader else "nobody"
        words = f"unknown (last confirmed {duration(age)} ago: {last})"
        return views.Leader(state=views.UNKNOWN, words=words, source=BY_WATCH, age_seconds=age)
    if e.leader is None:
        return views.Leader(state=views.NONE, words="none", source=BY_WATCH, age_seconds=age)
    return _known(state, e, e.leader, BY_WATCH, age, most_characters)


def leads_by_lease(state: State, e: Election, now: Instant) -> bool:
    """Whether our own lease proves at this moment that our key is the first."""
    session = session_of(state, e)
    return session is not None and now < session.lease_deadline and _held(e) is not None


def queue_age_seconds(state: State, e: Election, now: Instant) -> float | None:
    """How long ago the watch last changed the queue or said that it lives; None when the queue was never seen."""
    if e.queue_at is None:
        return None
    return max(0.0, now - max(e.queue_at, state.store.confirmed_at or e.queue_at))


def confirmed(state: State, e: Election, now: Instant) -> bool:
    """Whether what the watch showed stands. A lease in doubt says that it does not before every endpoint was tried."""
    session = state.sessions.get(e.spec.ttl_seconds)
    if state.store.reachable is not True or (session is not None and session.lost):
        return False
    age = queue_age_seconds(state, e, now)
    return age is not None and age <= STALE_SECONDS


def is_ours(e: Election, candidate: Candidate) -> bool:
    """Whether a candidate's key is the one this node created."""
    return candidate.lease == e.lease and candidate.create_revision == e.create_revision


def queue(state: State, e: Election, now: Instant) -> views.Queue:
    """Who stands for it, as the watch last showed it."""
    return views.Queue(
        election=e.spec.name,
        age_seconds=queue_age_seconds(state, e, now),
        candidates=tuple(_standing(state, e, n, c) for n, c in enumerate(e.queue, 1)),
    )


def _standing(state: State, e: Election, position: int, c: Candidate) -> views.Standing:
    document, said = documents.read_whole(c.value) or (None, {})
    priority, ours = said.get("priority"), is_ours(e, c)
    return views.Standing(
        position=position,
        node=state.node if ours else document.node if document else "",
        key=c.key,
        token=c.create_revision,
        state=document.state if document else "",
        health=document.health if document else "",
        priority=priority if isinstance(priority, int) and not isinstance(priority, bool) else None,
        ours=ours,
    )


def _held(e: Election) -> Candidate | None:
    """Our own key while a term of ours stands and nobody says that the key is gone."""
    if e.phase not in _IN_OFFICE or e.key_lost or e.term is None or e.lease is None:
        return None
    shown = next((c for c in e.queue if is_ours(e, c)), None)
    return Candidate(
        key=shown.key if shown else "",
        lease=e.lease,
        create_revision=e.term.token,
        value=e.proclaimed or (shown.value if shown else b""),
    )


def _name(candidate: Candidate) -> str:
    document = documents.read(candidate.value)
    return document.node if document else candidate.key


def _known(
    state: State,
    e: Election,
    c: Candidate,
    source: str,
    age_seconds: float,
    most_characters: int | None,
    *,
    leading: bool = False,
) -> views.Leader:
    document = documents.read(c.value)
    ours = is_ours(e, c)
    return views.Leader(
        state=views.KNOWN,
        words=state.node if ours else _name(c),
        node=state.node if ours else document.node if document else "",
        key=c.key or own_key(state, e),
        token=c.create_revision,
        lease=f"{c.lease:x}",
        value=documents.text(c.value, most_characters),
        proclaimed_state=document.state if document else "",
        proclaimed_health=document.health if document else "",
        proclaimed_since=document.since if document else "",
        ours=ours,
        foreign=document is None and not ours,
        source=source,
        age_seconds=max(0.0, age_seconds),
        leading=ours and source == BY_LEASE and leading,
    )
