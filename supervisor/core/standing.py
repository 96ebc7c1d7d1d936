"""``campaign_when: healthy``: a node whose standby is sick does not stand for the election.

Theory of operation. The follower role is played from the start, before there is a key of ours; the node stands once each of
its follower processes is ready and healthy, or completed. While it is queued, a standby that is not healthy for a while
(``WITHDRAW_AFTER``: a restart or a slow probe is no reason) takes the node out of the queue, and out of it stays for the
cool-down of ``giveup``, which grows: a standby that comes and goes costs one candidacy each 10 s at first, each 5 min in the
end, never more. Whoever leads is not affected: it has no follower processes. Neither is an election without any.
A standby that turned sick a moment ago, and is first in the queue now, wins: of two doubtful answers, the one with a leader.
When every node's standby is sick nobody stands, and nobody leads: that is what was asked for.
Promises: pure; the reason is kept (``Election.unfit``) and changes only when it does.
"""

from supervisor.core import election as elections
from supervisor.core import giveup, timing
from supervisor.core.document import process_health
from supervisor.core.draft import Draft
from supervisor.core.evolve import replace
from supervisor.core.names import Instant, ProcessId
from supervisor.core.spec import CampaignWhen
from supervisor.core.state import Election, Health, Process, ProcessPhase

WITHDRAW_AFTER = 1.0
"""Renewal intervals (a third of the TTL each) for which a queued candidate may be unfit."""
_COMING = (ProcessPhase.STOPPED, ProcessPhase.STARTING, ProcessPhase.RUNNING)


def may_stand(draft: Draft, e: Election) -> bool:
    """Whether the node may campaign. One that has to prove itself plays the follower role meanwhile."""
    if e.spec.campaign_when is CampaignWhen.HEALTHY and e.spec.follower and not e.standby:
        e = draft.put_election(replace(e, standby=True))
    why = unfit(draft, e)
    if why != e.unfit:
        draft.put_election(replace(e, unfit=why))
    return not why


def withdrew(draft: Draft, e: Election) -> bool:
    """Leave the queue if the standby has been sick for too long; whether it was left."""
    why = unfit(draft, e)
    if not why:
        if e.unfit or e.withdraw_at is not None:
            draft.put_election(replace(e, unfit="", withdraw_at=None))
        return False
    if e.withdraw_at is not None and draft.now >= e.withdraw_at:
        elections.abandon(draft, giveup.after_withdrawal(draft, e), f"withdrawn: {why}")
        return True
    if e.withdraw_at is None or why != e.unfit:
        grace = WITHDRAW_AFTER * timing.renew_every_seconds(e.spec.ttl_seconds)
        at = e.withdraw_at if e.withdraw_at is not None else Instant(draft.now + grace)
        draft.put_election(replace(e, unfit=why, withdraw_at=at))
    return False


def unfit(draft: Draft, e: Election) -> str:
    """Why the node's standby does not let it stand; empty when it does."""
    if e.spec.campaign_when is CampaignWhen.ALWAYS:
        return ""
    for name in e.spec.follower:
        pid = ProcessId(e.spec.name, name)
        p = draft.processes.get(pid)
        if p is None or process_health(p) is not Health.HEALTHY:
            return f"{pid} is {_state(p)}"
    return ""


def _state(p: Process | None) -> str:
    if p is None:
        return "not there"
    if p.halted:
        return "stopped by an operator"
    if p.health is Health.UNHEALTHY:
        return "unhealthy"
    return "not ready" if p.phase in _COMING and not p.failures else p.phase.value
