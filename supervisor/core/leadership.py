"""Whether this node leads at an instant, for those who ask: scripts, load balancers, metrics.

Promises: pure; says yes only while what runs under the term may run at that very moment. Does not: decide anything.
"""

from supervisor.core.names import Instant
from supervisor.core.state import Election, ElectionPhase, State


def is_under_way(state: State, e: Election, now: Instant) -> bool:
    """It leads by a lease that is proven, its guardian holds kill-by, no earlier term may run, and it is not giving up."""
    if e.phase is not ElectionPhase.LEADING or not e.armed or e.waits_for:
        return False
    session = state.sessions.get(e.spec.ttl_seconds)
    return session is not None and session.lease == e.lease and not session.lost and now < session.renew_deadline


def unready(state: State) -> list[str]:
    """Why this node cannot do its part yet, or any more; empty when it can."""
    if state.spec is None:
        return ["no file is in force"]
    if state.stopping:
        return [f"it is stopping: {state.stopping}"]
    reasons = []
    if state.spec.elections and not state.store.reachable:
        reasons.append("etcd is not reached")
    outside = (ElectionPhase.DETACHED, ElectionPhase.CAMPAIGNING)
    missing = sorted(
        name
        for name, e in state.elections.items()
        if e.phase in outside and e.hold_until is None and not e.unfit and not e.refused
    )
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        reasons.append(f"not in the queue of {', '.join(missing[:3])}{more}")
    return reasons
