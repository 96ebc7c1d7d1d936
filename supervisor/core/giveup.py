"""How long a node stays out of an election that it could not serve: the cool-down after give-ups and withdrawals.

Theory of operation. A leader process that has used up its restarts ends the term (``on_giveup: resign``); a candidate whose
standby is sick leaves the queue (``standing``). Either way the node has no key for a while, so that it does not win again at
once: ``cooldown: 10s..5m`` is the first and the longest such while, doubled with each in a row. A term, or a candidacy, that
went well for long enough ends the row. The while begins when our key is gone: however long the processes took to stop, it
is spent out of the queue in full.
The price is availability: when every other node is gone, too, nobody leads until the cool-down is over, although this node
might have served again. The reverse would be worse: of two nodes the sick one, first in the queue whenever the other resigns,
would be tried again and again. An operator who has mended the node ends the while: ``supervisor start`` or ``restart`` of one of the
election's processes.
Promises: pure. Does not: outlive the daemon: one that is started anew begins without a past.
"""

from supervisor.core.draft import Draft
from supervisor.core.evolve import replace
from supervisor.core.names import ElectionName, Instant
from supervisor.core.spec import ElectionSpec
from supervisor.core.state import Election, ElectionPhase


def after_giveup(draft: Draft, e: Election) -> Election:
    """The election with the cool-down that this give-up costs."""
    stood = draft.now - (e.won_at if e.won_at is not None else draft.now)
    giveups = 1 if stood > _stable_seconds(e.spec, e.giveups) else e.giveups + 1
    return replace(e, giveups=giveups, cooldown_seconds=pause_seconds(e.spec, giveups))


def after_withdrawal(draft: Draft, e: Election) -> Election:
    """Likewise, for a candidate that leaves the queue."""
    withdrawals = 1 if draft.now - e.since > _stable_seconds(e.spec, e.withdrawals) else e.withdrawals + 1
    return replace(e, withdrawals=withdrawals, cooldown_seconds=pause_seconds(e.spec, withdrawals))


def hold_until(e: Election, now: Instant) -> Instant | None:
    """Until when the election is left alone, asked when our key is gone."""
    return Instant(now + e.cooldown_seconds) if e.cooldown_seconds else e.hold_until


def pardon(draft: Draft, name: ElectionName) -> None:
    """An operator's word: whatever was wrong is mended."""
    e = draft.elections.get(name)
    if e is None or e.refused or not (e.giveups or e.withdrawals):
        return
    waits = e.phase is ElectionPhase.DETACHED
    hold = None if waits else e.hold_until
    draft.put_election(replace(e, giveups=0, withdrawals=0, cooldown_seconds=0.0, hold_until=hold))


def pause_seconds(spec: ElectionSpec, times: int) -> float:
    """The first cool-down, doubled with each in a row, up to the longest."""
    doubled: float = spec.cooldown_min_seconds * 2.0 ** min(max(times - 1, 0), 32)
    return min(spec.cooldown_max_seconds, doubled)


def _stable_seconds(spec: ElectionSpec, times: int) -> float:
    """What lasted longer than this ends the row: longer than a process takes to use up its restarts, and than the last pause."""
    longest = max((p.restart.period_seconds for p in spec.leader.values()), default=0.0)
    return max(10.0 * spec.ttl_seconds, 2.0 * longest, pause_seconds(spec, times) if times else 0.0)
