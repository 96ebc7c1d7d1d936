"""Fencing tokens must rise, even when etcd's revisions do not: restored from a snapshot, wiped, or replaced.

A token is a create revision. Whoever checks it (``docs/examples``) refuses a leader whose token is not above the last, so
a term that begins with a low one would lead and achieve nothing; and where it is used to order writes, the old ones would
win. So this node keeps the highest token it has seen of each election, its own terms' and other leaders', across restarts
and whatever cluster it is connected to, and takes no office with one that is not above it.

Promises: a candidate whose token is too low leaves the queue at once, so that it is in nobody's way, says why and what to
do, and tries again now and then; a token is remembered by the shell before the first process of its term is started; a
local etcd that was wiped is brought above by as many writes as it takes, when they are few.
Does not: trust a cluster's id to tell a new cluster from an old one: etcd makes it of the members' addresses.
"""

from collections.abc import Iterable

from supervisor.core.actions import RaiseRevision, Remember
from supervisor.core.draft import Draft
from supervisor.core.evolve import replace
from supervisor.core.names import ElectionName, Instant, SeenToken, Token
from supervisor.core.spec import DEFAULT_NAMESPACE
from supervisor.core.state import Election, ElectionPhase, State
from supervisor.core.store_events import RevisionRaised, TokenRemembered

PAUSE_SECONDS = 30.0
"""Between two tries of a candidate whose token was too low."""
MOST_WRITES = 50_000
"""A local etcd is raised by so many at most: seconds."""


def remember(draft: Draft, election: ElectionName, token: Token, *, term: bool) -> None:
    """Note a token of this election; one that is not above the highest is known already, but a term's is answered for."""
    key = place(draft.base, election)
    known = draft.seen.get(key)
    if known is not None and known.token >= token and not term:
        return
    seen = SeenToken(token=max(token, known.token if known else token), cluster=draft.base.store.cluster)
    draft.seen.put(key, seen)
    draft.do(Remember(place=key, seen=seen, election=election if term else None, token=token))


def note_leader(draft: Draft, e: Election) -> None:
    """Who stands first in the queue, if it is not us, leads or is about to: its token counts."""
    if e.leader is not None and e.leader.lease != e.lease:
        remember(draft, e.spec.name, e.leader.create_revision, term=False)


def refusal(draft: Draft, e: Election, token: Token) -> str:
    """Why no term may begin with this token; empty when it may."""
    known = draft.seen.get(place(draft.base, e.spec.name))
    if known is None or token > known.token:
        return ""
    cluster = draft.base.store.cluster
    if known.cluster and cluster and known.cluster != cluster:
        what = f"etcd is another cluster (id {cluster}, was {known.cluster}) whose revisions are lower"
    else:
        what = "etcd's revisions went back: it was restored from a snapshot, or made anew"
    return (
        f"its fencing token would be {token}, and {known.token} was seen already on this node: {what}. Raise etcd's revision "
        f"above {known.token} (etcdutl snapshot restore --bump-revision 1000000000 --mark-compacted), or, if nothing that "
        "it writes to checks tokens, stop the supervisor and remove the file 'tokens' from its state directory"
    )


def on_low(draft: Draft, e: Election) -> Election:
    """A candidacy was refused: where etcd is our own, have it raised."""
    spec = draft.base.spec
    local = spec is not None and spec.local_etcd is not None
    above = max((seen.token for seen in draft.seen.values()), default=Token(0))
    if local and not draft.base.raising and above - (e.create_revision or 0) <= MOST_WRITES:
        draft.base = replace(draft.base, raising=True)
        draft.do(RaiseRevision(above=above))
    return replace(e, hold_until=Instant(draft.now + PAUSE_SECONDS))


def on_remembered(draft: Draft, event: TokenRemembered) -> None:
    """The term's token outlives us: its processes may start."""
    e = draft.elections.get(event.election)
    if e is not None and e.term is not None and e.term.token == event.token and not e.remembered:
        draft.put_election(replace(e, remembered=True))


def on_raised(draft: Draft, event: RevisionRaised) -> None:
    """The local etcd is above all that was seen, or could not be brought there."""
    draft.base = replace(draft.base, raising=False)
    if event.problem:
        return
    for e in draft.elections.values():
        if e.refused and e.phase in (ElectionPhase.DETACHED, ElectionPhase.RESIGNING):
            draft.put_election(replace(e, hold_until=draft.now))


def place(state: State, election: ElectionName) -> str:
    """Under which name an election's token is kept: its name in etcd."""
    connected = state.store.connected
    return f"{connected.namespace if connected else DEFAULT_NAMESPACE}/{election}"


def highest(found: Iterable[tuple[str, SeenToken]]) -> dict[str, SeenToken]:
    """Of several notes on one election the highest counts."""
    seen: dict[str, SeenToken] = {}
    for key, note in found:
        if key not in seen or note.token > seen[key].token:
            seen[key] = note
    return seen
