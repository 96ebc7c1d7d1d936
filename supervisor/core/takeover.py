"""Whether the term before ours is over: the guard against a key that vanished while its lease, and its processes, lived.

etcd can delete the key of a lease that is being renewed: when its frozen leader wakes, when an operator errs. Who is next
then wins beside processes that still run. So a winner asks three things of each earlier term that is on record:

1. *stopped*, or *over*: its record says that nothing of it is alive. Start.
2. A natural end: while it led, its lease was seen so close to its end that its own daemon had lost the term already (the
   renew deadline passed), and by now the lease has run out. Start.
3. Neither: start when the term's processes have been killed at the latest, whatever its daemon believes.

Why 2 holds. Let the lease's last renewal before an answer have been sent at t0; etcd counts from a later instant, so the
end E that the answer implies is not before t0 + ttl. If E is at most ttl/3 after the *sending* of the question, then that
instant was not before t0 + 2/3 ttl: the renew deadline, past which the daemon ends the term for good, and no later
renewal revives it. Its processes are dead by t0 + ttl - margin, so by E - margin.
A leader of etcd that was frozen and wakes answers from what it knew before, and then has leases revoked that are being
kept alive: so the answer counts only if the proof of our win, which is linearizable, was given in the same raft term.
The answer is in whole seconds, rounded down: E is bounded by its arrival + remaining + 1. Answers that follow one another
without a renewal in between (one would have moved E beyond the older question + ttl) share the smallest of their bounds.

Promises: pure; half the safety margin is left for a guardian that is late, in 2 and 3 alike; a term that nothing is known
of, because we came late or the watch had a gap, counts from the instant at which we first saw its key gone.
Does not: guard against candidates that keep no record: they are believed.
"""

from collections.abc import Iterable, Mapping

from supervisor.core import document, records, timing
from supervisor.core.events import Candidate, LeaseSeen, TermRecord
from supervisor.core.evolve import replace
from supervisor.core.names import EPOCH, Home, Instant, LeaseId, Token
from supervisor.core.others import Departed, LeaseSight, Predecessor
from supervisor.core.records import Mark, Told
from supervisor.core.state import Election, State

CLOSE_LOOK_SECONDS = 0.1
"""How often the next in line asks while the leader's lease runs out."""
REMEMBERED = 8
"""Candidates that left before us, per election."""
ROUNDING_SECONDS = 1.0
"""etcd tells whole seconds, rounded down (lease TTL: int64(Remaining().Seconds()))."""


def saw(sight: LeaseSight, event: LeaseSeen, now: Instant) -> LeaseSight:
    """Take an answer over that arrived by ``now``."""
    if event.remaining_seconds < 0 or event.granted_seconds <= 0:
        return replace(sight, asked=False)  # gone: its keys are, too, and the watch says so
    ends_by = Instant(now + event.remaining_seconds + ROUNDING_SECONDS)
    if event.raft_term < sight.raft_term:
        return replace(sight, asked=False)  # from a leader of etcd that is none any more
    if (
        event.raft_term == sight.raft_term
        and sight.ends_by is not None
        and ends_by < sight.sent_at + event.granted_seconds
    ):
        ends_by = min(ends_by, sight.ends_by)
    return replace(
        sight,
        asked=False,
        sent_at=event.sent_at,
        granted_seconds=event.granted_seconds,
        ends_by=ends_by,
        raft_term=event.raft_term,
    )


def next_look(sight: LeaseSight, now: Instant, *, next_in_line: bool) -> Instant:
    """When to ask again: as often as it is renewed, and closely once a renewal is seen to be missing."""
    every = timing.renew_every_seconds(sight.granted_seconds or 3 * timing.DEFAULT_SAFETY_MARGIN_SECONDS)
    if sight.ends_by is not None and sight.ends_by - now < 2 * every:
        every = CLOSE_LOOK_SECONDS if next_in_line else every / 2
    return Instant(now + every)


def lost_by(sight: LeaseSight | None, *, led_since: Instant) -> Instant | None:
    """When the lease of a term led since then has run out, if its daemon had lost the term when we last asked."""
    if sight is None or sight.ends_by is None or sight.sent_at < led_since:
        return None
    late = sight.ends_by - sight.sent_at <= timing.renew_every_seconds(sight.granted_seconds)
    return sight.ends_by if late else None


def departed(e: Election, queue: Iterable[Candidate], sights: Mapping[LeaseId, LeaseSight], now: Instant) -> Election:
    """Note who stood before us in the queue as it was, and is not in this one."""
    present = {c.create_revision for c in queue}
    gone = [c for c in e.queue if c.create_revision not in present and c.lease != e.lease]
    if not gone:
        return e
    notes = []
    for c in gone:
        led = c.create_revision == e.queue[0].create_revision
        sight = sights.get(c.lease) if led else None
        ends_by = lost_by(sight, led_since=e.first_at)
        raft_term = sight.raft_term if sight is not None else 0
        node = (document.node_of(c.value) or "") if led else ""
        notes.append(Departed(token=c.create_revision, gone_at=now, ends_by=ends_by, raft_term=raft_term, node=node))
    return replace(e, departed=(*e.departed, *notes)[-REMEMBERED:])


def open_terms(state: State, e: Election, told: Iterable[Told]) -> list[Told]:
    """The terms before ours that may still run, as far as records say: neither ended, nor begun at our own home."""
    mine = e.create_revision or Token(0)
    return [t for t in told if t.token < mine and t.mark is Mark.STARTED and not _at_home(state, t)]


def unrecorded(e: Election, told: Iterable[Told], ttl_seconds: float, margin_seconds: float) -> list[Told]:
    """Terms of nodes like us of which there is no record: etcd had no space for it, or it was deleted.

    Taken for open ones under a lease like ours. A foreign candidate has no record because it keeps none.
    """
    known = {t.token for t in told}
    return [
        Told(
            token=d.token, mark=Mark.STARTED, node=d.node, home=Home(), ttl_seconds=ttl_seconds, margin_seconds=margin_seconds
        )
        for d in e.departed
        if d.node and d.token not in known and d.token < (e.create_revision or 0)
    ]  # fmt: skip


def _at_home(state: State, told: Told) -> bool:
    """Begun by this daemon or one before it on this machine: its guardian, or ours at its start, has ended it."""
    if not told.home.mark or told.home.mark != state.home.mark:
        return False
    # A local etcd goes with its state directory: whoever began that term began it here, before the machine rebooted.
    local = state.spec is not None and state.spec.local_etcd is not None
    return local or (told.home.boot == state.home.boot != "")


def predecessors(
    e: Election, told: Iterable[Told], given: Mapping[Token, TermRecord], now: Instant, *, raft_term: int
) -> tuple[Election, tuple[Predecessor, ...]]:
    """Who is to be waited for, of terms that are open. Also notes that their keys are gone, so that waiting has an end."""
    known = {d.token: d for d in e.departed}
    found = []
    for t in told:
        d = known.get(t.token)
        if d is None:
            d = Departed(token=t.token, gone_at=now, ends_by=None)
            e = replace(e, departed=(*e.departed, d)[-max(REMEMBERED, len(known) + 1) :])
            known[t.token] = d
        clear_at = _clear_at(t, d, believed=d.raft_term == raft_term)
        if clear_at > now:
            detail = f"nothing says that term {t.token} of {t.node} has stopped; it is dead by then at the latest"
            record = given.get(t.token) or TermRecord(token=t.token, value=b"")
            found.append(Predecessor(token=t.token, node=t.node, clear_at=clear_at, detail=detail, record=record))
    return e, tuple(found)


def _clear_at(told: Told, departed: Departed, *, believed: bool) -> Instant:
    slack = told.margin_seconds / 2
    guarded = departed.gone_at + told.ttl_seconds - slack
    natural = guarded if departed.ends_by is None or not believed else departed.ends_by - slack
    return Instant(min(guarded, natural))


def overdue(told: Iterable[Told], kept: int = records.KEPT) -> tuple[Token, ...]:
    """Terms that are over, beyond the newest so many."""
    over = sorted((t.token for t in told if t.mark is not Mark.STARTED), reverse=True)
    return tuple(over[kept:])


def first_seen(e: Election, queue: tuple[Candidate, ...], now: Instant) -> Instant:
    """Since when the first of this queue is known to be it."""
    if not queue:
        return EPOCH
    same = bool(e.queue) and e.queue[0].create_revision == queue[0].create_revision
    return e.first_at if same else now
