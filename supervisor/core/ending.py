"""The end of a term: everything of it proven dead, then the key, which goes last; and what becomes of one that was to be handed over.

Part of ``election``, whose rules hold here too. Promises: the key is not given up before the guardian has said that nothing of the
term is alive; a handover that comes to nothing costs the office nothing.
"""

from supervisor.core import election as elections
from supervisor.core import hooks, succession
from supervisor.core.draft import Draft
from supervisor.core.election import LAST_RESIGN_SECONDS
from supervisor.core.events import Disarmed, DisarmRefused, Resigned, ResignFailed
from supervisor.core.evolve import replace
from supervisor.core.names import Instant
from supervisor.core.request_events import HandOverRefused
from supervisor.core.requests import Stage
from supervisor.core.state import ELECTED, Election, ElectionPhase


def on_disarmed(draft: Draft, e: Election, event: Disarmed) -> None:
    """Proven empty. The key goes last, and now is last."""
    if e.phase is not ElectionPhase.STEPPING_DOWN or e.term != event.term:
        return
    stopped(draft, replace(e, armed=False, disarming=False, blockers=()))


def stopped(draft: Draft, e: Election) -> None:
    """Nothing of the term is alive and no switch is armed: give the key up, if there still is one, and say so."""
    e = replace(e, term=None)
    if e.handover is None:
        elections.resign(draft, e, e.cause)
    elif e.lost or e.key_lost or draft.base.guardian_lost:
        elections.resign(draft, succession.unmoved(draft, e, Stage.ABORTED, f"the term was lost: {e.cause}"), e.cause)
    elif why := succession.problem(draft.base, e):
        go_on(draft, e, why)
    else:
        elections.resign(draft, e, e.cause)


def go_on(draft: Draft, e: Election, why: str) -> None:
    """A handover came to nothing, and our key was never given up: the office is ours as before, and proven anew.

    The same term: nobody else can have led in between. What it ran has ended, hooks included, and begins again.
    """
    e = succession.unmoved(draft, e, Stage.ABORTED, why)
    if draft.base.stopping:
        elections.resign(draft, e, e.cause)
        return
    hooked = {name: noted for name, noted in e.hooked.items() if name not in (hooks.DEMOTED, ELECTED)}
    e = replace(e, hooked=hooked, vacating=False, disarming=False, armed=False, blockers=(), waits_for=(), asked=False)
    elections.prove(draft, replace(e, phase=ElectionPhase.PROVING, since=draft.now))


def on_disarm_refused(draft: Draft, e: Election, event: DisarmRefused) -> None:
    """Something is still alive in there: the key stays, and ``status`` names it."""
    if e.phase is ElectionPhase.STEPPING_DOWN and e.term == event.term:
        retry = Instant(draft.now + elections.RETRY_SECONDS)
        draft.put_election(replace(e, disarming=False, blockers=event.blockers, retry_at=retry))


def on_resigned(draft: Draft, e: Election, event: Resigned) -> None:
    """Our key is gone because we wanted it."""
    if e.phase is ElectionPhase.RESIGNING and e.create_revision == event.create_revision:
        elections.gone(draft, e)


def on_resign_failed(draft: Draft, e: Election, event: ResignFailed) -> None:
    """Try until the key or its lease is gone; when ending, the lease's end takes it along.

    A record alone is not worth more than a lease's time: who waits for it has stopped waiting by then.
    """
    if e.phase is not ElectionPhase.RESIGNING or e.create_revision != event.create_revision:
        return
    keyless = e.key_lost or not any(elections.is_ours(e, c) for c in e.queue)
    patience = LAST_RESIGN_SECONDS if draft.base.stopping else e.spec.ttl_seconds
    if (draft.base.stopping or keyless) and draft.now >= e.since + patience:
        elections.gone(draft, e)
    else:
        draft.put_election(replace(e, asked=False, retry_at=Instant(draft.now + elections.RETRY_SECONDS)))


def on_handover_refused(draft: Draft, e: Election, event: HandOverRefused) -> None:
    """The target left in the last moment. Our key is where it was, unless the watch knows better."""
    if e.phase is not ElectionPhase.RESIGNING or e.create_revision != event.create_revision:
        return
    if e.lost or e.key_lost:
        elections.resign(draft, replace(e, handover=None), e.cause)
    elif e.handover is not None:
        go_on(draft, e, event.detail)
