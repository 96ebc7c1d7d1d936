"""The end of a handover: the transaction that carries it out, and what is left when it comes to nothing.

Apart from ``handover``, which begins them, because the election's own transitions need it. Promises: pure.
"""

from supervisor.core import candidates, requests
from supervisor.core.actions import HandOver, Resign, WriteRequest
from supervisor.core.draft import Draft
from supervisor.core.events import Candidate
from supervisor.core.evolve import replace
from supervisor.core.names import Instant
from supervisor.core.requests import Stage
from supervisor.core.state import Election, State

DRAIN_AGAIN_SECONDS, AGAIN_SECONDS = 1.0, 10.0


def target(e: Election) -> Candidate | None:
    """The candidate that the office is to go to, if it is still the same."""
    if e.handover is None:
        return None
    return next((c for c in e.queue if c.create_revision == e.handover.token and c.lease == e.handover.lease), None)


def problem(state: State, e: Election) -> str:
    """Why the handover that is under way cannot end as it was meant to; empty when it can."""
    assert e.handover is not None
    found = target(e)
    return f"{e.handover.node} has left the queue" if found is None else candidates.problem(state, e, found)


def hand_over(e: Election, end: Resign) -> HandOver | Resign:
    """The transaction; the plain end when the target is gone, or the term was lost on the way."""
    found = target(e)
    if e.handover is None or found is None or e.lost or e.key_lost:
        return end
    asked = e.handover.request
    if asked is None:
        return HandOver(end=end, to=found, ahead=candidates.ahead(e, found))
    done = requests.written(replace(asked, stage=Stage.DONE, token=found.create_revision))
    path = requests.switchover_path(e.spec.name)
    return HandOver(end=end, to=found, ahead=candidates.ahead(e, found), path=path, done=done)


def unmoved(draft: Draft, e: Election, stage: Stage, why: str) -> Election:
    """It came to nothing. Say so to whoever asked; of our own wish, not again at once."""
    asked = e.handover.request if e.handover is not None else None
    if asked is not None:
        value = requests.written(replace(asked, stage=stage, why=why))
        draft.do(WriteRequest(path=requests.switchover_path(e.spec.name), value=value, revision=0))
    pause = DRAIN_AGAIN_SECONDS if draft.base.node in draft.base.requests.drains else AGAIN_SECONDS
    again = Instant(draft.now + pause)
    return replace(e, handover=None, move_hold=again, move_at=again, preferred=None, unmoved=why)
