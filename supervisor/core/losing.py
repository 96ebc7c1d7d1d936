"""What the session's news mean for the elections under its lease.

Promises: a term whose lease cannot be proven any more is over, and a candidacy whose key is gone with its lease is forgotten. Does
not: judge the lease (``session`` does).
"""

from supervisor.core import election as elections
from supervisor.core import preparing
from supervisor.core.draft import Draft
from supervisor.core.evolve import replace
from supervisor.core.names import LeaseId
from supervisor.core.state import ElectionPhase


def lease_doubted(draft: Draft, lease: LeaseId, cause: str) -> None:
    """The renew deadline passed: terms under the lease are over. Candidates keep their place while the key lives."""
    for e in draft.elections.values():
        if e.lease == lease and e.phase in elections.HELD:
            elections.step_down(draft, e, cause, lost=True)
        elif e.lease == lease and e.ahead is not None:
            draft.put_election(replace(e, ahead=None))  # what was a term in all but the command: no renewal revives it


def lease_lost(draft: Draft, lease: LeaseId, cause: str) -> None:
    """The lease, and so every key under it, is gone or must be taken for gone."""
    for e in draft.elections.values():
        if e.lease != lease:
            continue
        if e.phase in elections.HELD:
            elections.step_down(draft, e, cause, lost=True, key_lost=True)
        elif e.phase is ElectionPhase.RESIGNING and e.on_record:
            draft.put_election(replace(e, key_lost=True))  # the key needs no deleting any more; its record needs an end
        elif preparing.is_prepared(e):
            elections.abandon(draft, e, cause, key_lost=True)
        elif e.phase is not ElectionPhase.DETACHED:
            elections.detach(draft, e, cause)
