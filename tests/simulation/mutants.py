"""The product broken on purpose: each of these is found, or the simulation proves nothing.

The first six are bugs that elections over etcd have had, here or elsewhere; three are builds that somebody might ship by
mistake; the others are single steps of our own reasoning left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from unittest.mock import patch

from supervisor.core import candidates, ending, handover, losing, ownership, reconcile, session, stopping, takeover
from supervisor.core import election as elections
from supervisor.core import events as ev
from supervisor.core.actions import Disarm, Spawn
from supervisor.core.draft import Draft
from supervisor.core.names import ElectionName, Instant, LeaseId, RunId, Term, Token
from supervisor.core.others import Departed, LeaseSight
from supervisor.core.records import Told
from supervisor.core.spec import ProcessSpec
from supervisor.core.state import Election, ElectionPhase, Session
from supervisor.guardian import protocol as say
from supervisor.guardian.terms import Terms
from tests.simulation.etcd import Etcd
from tests.simulation.guardian import Guardian
from tests.simulation.machine import Machine

Mutant = Callable[[], AbstractContextManager[object]]


def phantom_leader() -> AbstractContextManager[object]:
    """To look first is taken for the win: no proof that our key is there and the oldest (etcd#12334)."""
    asked = elections.prove

    def prove(draft: Draft, e: Election) -> Election:
        mine = draft.session_of(e.lease)
        if mine is None or mine.lost:
            return asked(draft, e)
        e = replace(e, on_record=True, proofs=e.proofs + 1, proof_asked_at=draft.now)
        return elections.lead(draft, e, mine)

    return patch.object(elections, "prove", prove)


@contextmanager
def zombie_candidate() -> Iterator[None]:
    """A candidate whose key went with its lease waits on for ever (etcd#19597)."""
    lost, vanished = losing.lease_lost, elections.key_vanished

    def waits(e: Election) -> bool:
        return e.phase in elections.QUEUED

    def lease_lost(draft: Draft, lease: LeaseId, cause: str) -> None:
        kept = [e for e in draft.elections.values() if e.lease == lease and waits(e)]
        lost(draft, lease, cause)
        for e in kept:
            draft.put_election(e)

    def key_vanished(draft: Draft, e: Election, cause: str) -> None:
        if not waits(e):
            vanished(draft, e, cause)

    with patch.object(losing, "lease_lost", lease_lost), patch.object(elections, "key_vanished", key_vanished):
        yield


@contextmanager
def deadline_from_the_reply() -> Iterator[None]:
    """Trust counts from the arrival of an answer, not from the sending of its question."""
    granted, renewed, confirmed = session.on_granted, session.on_renewed, ownership.on_confirmed

    def on_granted(draft: Draft, event: ev.LeaseGranted) -> None:
        granted(draft, replace(event, sent_at=draft.now))

    def on_renewed(draft: Draft, event: ev.Renewed) -> None:
        renewed(draft, replace(event, sent_at=draft.now))

    def on_confirmed(draft: Draft, event: ev.KeysConfirmed) -> None:
        mine = draft.session_of(event.lease)
        if mine is not None and mine.confirming_at == event.asked_at:
            draft.put_session(replace(mine, confirming_at=draft.now))
            event = replace(event, asked_at=draft.now)
        confirmed(draft, event)

    with (
        patch.object(session, "on_granted", on_granted),
        patch.object(session, "on_renewed", on_renewed),
        patch.object(ownership, "on_confirmed", on_confirmed),
    ):
        yield


def wall_clock() -> AbstractContextManager[object]:
    """The clock that decides is one that can be set."""

    def step(machine: Machine, seconds: float) -> None:
        machine.clock_zero += seconds

    return patch.object(Machine, "step_wall_clock", step)


def release_before_dead() -> AbstractContextManager[object]:
    """A term that is over resigns at once, while its processes are still being stopped."""

    def stepping_down(draft: Draft, e: Election) -> None:
        ending.stopped(draft, e)

    return patch.object(reconcile, "_stepping_down", stepping_down)


def start_at_once() -> AbstractContextManager[object]:
    """No winner waits for anybody: a key that was deleted while its lease lived is nobody's business."""
    return patch.object(takeover, "predecessors", lambda e, *_, **__: (e, ()))


def no_guardian() -> AbstractContextManager[object]:
    """Nobody strikes."""

    def strike(_guardian: Guardian) -> set[str]:
        return set()

    return patch.object(Guardian, "strike", strike)


def kill_by_after_expiry() -> AbstractContextManager[object]:
    """The margin is added instead of taken off."""

    arm = Terms.arm

    def late(terms: Terms, order: say.Arm) -> None:
        values = {name: getattr(order, name) for name in say.Arm.__annotations__}
        arm(terms, say.Arm(**{**values, "margin_seconds": -order.margin_seconds}))

    return patch.object(Terms, "arm", late)


def resign_before_empty() -> AbstractContextManager[object]:
    """The guardian says that a term is empty without looking, and nobody else looks."""

    def disarm(guardian: Guardian, a: Disarm) -> None:
        guardian.terms.disarm(str(a.term), guardian.machine.local())
        guardian.news(ev.Disarmed(term=a.term))

    def stepping_down(draft: Draft, e: Election) -> None:
        if not e.disarming and e.term is not None:
            draft.do(Disarm(term=e.term))
            draft.put_election(replace(e, disarming=True, retry_at=None))

    return _Both(patch.object(Guardian, "disarm", disarm), patch.object(reconcile, "_stepping_down", stepping_down))


def farewell_before_empty() -> AbstractContextManager[object]:
    """The guardian gives leases back as soon as its daemon is dead."""
    return patch.object(Terms, "lease_of", lambda _terms, _term: None)


def renewal_suffices() -> AbstractContextManager[object]:
    """A lease that is renewed is taken for a key that is there, and nobody looks."""
    trusted = patch.object(Session, "trusted_at", property(lambda s: s.sent_at))
    return _Both(trusted, patch.object(ownership, "reconcile", lambda _draft: None))


def any_end_is_natural() -> AbstractContextManager[object]:
    """A lease that was seen at all is taken for one that ran out."""

    def lost_by(sight: LeaseSight | None, *, led_since: Instant) -> Instant | None:
        return None if sight is None else Instant(max(led_since, sight.sent_at))

    return patch.object(takeover, "lost_by", lost_by)


def deposed_leader_believed() -> AbstractContextManager[object]:
    """What a deposed leader of etcd says of a lease is taken for the truth (found by this simulation)."""
    clear_at, saw = takeover._clear_at, takeover.saw

    def seen(sight: LeaseSight, event: ev.LeaseSeen, now: Instant) -> LeaseSight:
        return saw(sight, replace(event, raft_term=0), now)

    def clear(told: Told, departed: Departed, *, believed: bool) -> Instant:
        return clear_at(told, departed, believed=True)

    return _Both(patch.object(takeover, "saw", seen), patch.object(takeover, "_clear_at", clear))


def strike_ignored() -> AbstractContextManager[object]:
    """A term that the guardian struck goes on, without processes (found by this simulation)."""
    return patch.object(elections, "on_struck", lambda *_: None)


def pre_stop_outside() -> AbstractContextManager[object]:
    """The pre-stop command runs in no term, so that nothing waits for it and no kill-by ends it."""

    def outside(
        *, run: RunId, spec: ProcessSpec, term: Term | None, variables: tuple[tuple[str, str], ...]
    ) -> Spawn:  # the term is what it leaves out
        return Spawn(run=run, spec=spec, term=None, variables=variables)

    return patch.object(stopping, "Spawn", outside)


def nobody_steps_aside() -> AbstractContextManager[object]:
    """A handover leaves those between where they are, so that the first of them leads."""
    return patch.object(candidates, "ahead", lambda _e, _c: ())


def pause_ignored() -> AbstractContextManager[object]:
    """Who is first leads, whatever is asked of nodes."""
    return patch.object(elections, "withheld", lambda _draft, _e: "")


def look_begins_a_term() -> AbstractContextManager[object]:
    """Who has looked ahead is not asked any more whether a term may begin: it is on record, after all."""

    def withheld(draft: Draft, e: Election) -> str:
        return "" if e.on_record else whole(draft, e)

    whole = elections.withheld
    return patch.object(elections, "withheld", withheld)


def priority_at_once() -> AbstractContextManager[object]:
    """A leader hands over to whoever has the higher priority, however young its own term is."""
    begun = handover._prefer

    def prefer(draft: Draft, e: Election) -> None:
        begun(draft, replace(e, won_at=Instant(0.0)))

    return patch.object(handover, "_prefer", prefer)


def stopped_not_awaited() -> AbstractContextManager[object]:
    """Who has looked ahead takes the end of the leader's key for the end of its processes."""

    def on_queue(draft: Draft, e: Election, event: ev.QueueChanged) -> None:
        shown(draft, e, event)
        e = draft.elections[e.spec.name]
        if e.ahead is not None and e.ahead.stopped is None and e.ahead.seen and e.phase is ElectionPhase.FOLLOWING:
            record = ev.TermRecord(token=e.ahead.leader, value=b'{"mark":"stopped"}')
            draft.put_election(replace(e, ahead=replace(e.ahead, stopped=record)))

    shown = elections.on_queue
    return patch.object(elections, "on_queue", on_queue)


def look_without_record() -> AbstractContextManager[object]:
    """What is looked at ahead is not put on record."""

    def look_ahead(etcd: Etcd, election: ElectionName, create_revision: Token, record: bytes) -> object:
        answer = asked(etcd, election, create_revision, record)
        etcd.records[election].pop(create_revision, None)
        return answer

    asked = Etcd.look_ahead

    def unrecorded(*_: object) -> list[Told]:
        return []

    return _Both(patch.object(Etcd, "look_ahead", look_ahead), patch.object(takeover, "unrecorded", unrecorded))


class _Both:
    """Two patches as one."""

    def __init__(self, *patches: AbstractContextManager[object]) -> None:
        self._patches = patches

    def __enter__(self) -> None:
        for p in self._patches:
            p.__enter__()

    def __exit__(self, *_: object) -> None:
        for p in reversed(self._patches):
            p.__exit__(None, None, None)


MUTANTS: dict[str, Mutant] = {
    f.__name__.replace("_", "-"): f
    for f in (
        phantom_leader,
        zombie_candidate,
        deadline_from_the_reply,
        wall_clock,
        release_before_dead,
        start_at_once,
        no_guardian,
        kill_by_after_expiry,
        resign_before_empty,
        farewell_before_empty,
        renewal_suffices,
        any_end_is_natural,
        deposed_leader_believed,
        strike_ignored,
        pre_stop_outside,
        nobody_steps_aside,
        pause_ignored,
        priority_at_once,
        stopped_not_awaited,
        look_without_record,
        look_begins_a_term,
    )
}
