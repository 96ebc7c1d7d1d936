"""``step``: one event in, the next state and the actions that follow out. The only judge there is.

Promises: pure (same state, event and instant, same answer); total (every event is answered in every state, and what
does not fit changes nothing); what has run out by ``now`` is ended before the event is looked at; afterwards desired and
actual are compared and what is due is asked for. ``schedule`` says when to come back with ``Ticked`` if nothing else
happens; coming early is harmless.
Does not: do anything. The shell performs the actions, in their order (``actions``).
"""

from collections.abc import Mapping
from typing import assert_never

from supervisor.core import (
    ahead,
    ending,
    handover,
    ledger,
    lifecycle,
    members,
    moving,
    operator,
    ownership,
    proclaiming,
    reconcile,
    schedule,
    session,
    sights,
    tokens,
)
from supervisor.core import election as elections
from supervisor.core import events as ev
from supervisor.core import operator_events as oev
from supervisor.core import request_events as rev
from supervisor.core import store_events as sev
from supervisor.core.actions import Action
from supervisor.core.draft import Draft
from supervisor.core.evolve import replace
from supervisor.core.names import Home, Instant, NodeName, SeenToken
from supervisor.core.state import Election, State

GUARDIAN_LOST_EXIT_CODE = 70


def initial(
    node: NodeName,
    *,
    now: Instant,
    home: Home | None = None,
    wall_offset_seconds: float = 0.0,
    seen: Mapping[str, SeenToken] | None = None,
) -> State:
    """Nothing desired, nothing running; what earlier daemons left at ``home`` has been ended.

    ``seen``: the tokens that they have left there, by the elections' names in etcd.
    """
    return State(
        node=node, started_at=now, home=home or Home(), wall_offset_seconds=wall_offset_seconds, seen=dict(seen or {})
    )


def step(state: State, event: ev.Event, *, now: Instant) -> tuple[State, tuple[Action, ...]]:
    """Answer one event at one instant. Never raises on news that does not fit; never changes ``state``."""
    if state.exited:
        return state, ()
    draft = Draft(state, now)
    session.expire(draft)
    _dispatch(draft, event)
    # Twice at most: leases follow from elections, elections from leases.
    reconcile.reconcile(draft)
    session.reconcile(draft)
    connected = draft.base.store.connected
    reconcile.reconcile(draft)
    if draft.base.store.connected is not connected:
        session.reconcile(
            draft
        )  # the last session elsewhere went just now: leases are wanted from where we are connected
    sights.reconcile(draft)
    handover.reconcile_dates(draft)
    reconcile.finish(draft)
    return draft.finish()


def _dispatch(draft: Draft, event: ev.Event) -> None:
    match event:
        case (
            ev.ConfigLoaded() | ev.ConfigRejected() | ev.ShutdownRequested() | ev.GuardianLost() | ev.Ticked() | ev.Woke()
            | ev.StoreReachable() | ev.StoreUnreachable() | ev.StoreConfirmed()
            | sev.EndpointsSeen() | sev.StoreIdentified() | sev.TokenRemembered() | sev.RevisionRaised() | sev.PermissionsSeen()
            | sev.GatewaySeen()
        ):  # fmt: skip
            _on_daemon(draft, event)
        case (
            ev.LeaseGranted() | ev.LeaseGrantFailed() | ev.Renewed() | ev.RenewFailed() | ev.LeaseGone()
            | ev.LeaseRevoked() | ev.LeaseRevokeFailed() | ev.KeysConfirmed() | ev.KeysUnconfirmed()
            | ev.LeaseSeen() | ev.LeaseUnseen()
        ):  # fmt: skip
            _on_session(draft, event)
        case ev.Armed() | ev.Disarmed() | ev.DisarmRefused() | ev.KillByStruck():
            _on_election(draft, draft.elections.get(event.term.election), event)
        case (
            ev.Campaigned() | ev.CampaignFailed() | sev.CampaignEnded() | ev.QueueChanged() | ev.FirstRead() | ev.ReadFirstFailed()
            | ev.Proclaimed() | ev.ProclaimFailed() | ev.Resigned() | ev.ResignFailed() | oev.ResignRequested()
            | ev.RecordsClosed() | ev.CloseRecordsFailed() | sev.Chronicled() | sev.LookedAhead() | sev.LeaderStopped()
        ):  # fmt: skip
            _on_election(draft, draft.elections.get(event.election), event)
        case (
            ev.Spawned() | ev.SpawnFailed() | ev.Exited() | ev.Lingering() | ev.Emptied()
            | ev.ProbeSucceeded() | ev.ProbeFailed() | ev.Notified()
        ):  # fmt: skip
            _on_process(draft, event)
        case ev.Together(events=events):
            for one in events:
                _dispatch(draft, one)
        case rev.RequestsSeen():
            handover.on_requests(draft, event)
        case rev.RequestsUnseen():
            handover.on_unseen(draft, event)
        case rev.DateSeen():
            handover.on_date(draft, event)
        case rev.HandOverRefused():
            if (e := draft.elections.get(event.election)) is not None:
                ending.on_handover_refused(draft, e, event)
        case oev.RestartRequested() | oev.StartRequested() | oev.StopRequested():
            operator.on_request(draft, event)
        case _:
            assert_never(event)


def _on_daemon(
    draft: Draft,
    event: ev.ConfigLoaded | ev.ConfigRejected | ev.ShutdownRequested | ev.GuardianLost | ev.Ticked | ev.Woke
    | ev.StoreReachable | ev.StoreUnreachable | ev.StoreConfirmed
    | sev.EndpointsSeen | sev.StoreIdentified | sev.TokenRemembered | sev.RevisionRaised | sev.PermissionsSeen
    | sev.GatewaySeen,
) -> None:  # fmt: skip
    base, now = draft.base, draft.now
    match event:
        case ev.ConfigLoaded():
            moving.on_loaded(draft, event)
        case ev.ConfigRejected(problems=problems):
            draft.base = replace(base, problems=problems, rejected_at=now, pending=None)
        case ev.ShutdownRequested(reason=reason, exit_code=code):
            if not base.stopping:
                draft.base = replace(base, stopping=reason, exit_code=code)
            draft.touch_all()
        case ev.GuardianLost(detail=detail):
            reason = base.stopping or f"the guardian died ({detail})"
            draft.base = replace(base, guardian_lost=True, stopping=reason, exit_code=GUARDIAN_LOST_EXIT_CODE)
            for p in draft.processes.values():
                if p.alive:
                    lifecycle.vanished(draft, p)
            draft.touch_all()
        case ev.StoreReachable(endpoint=endpoint):
            store = replace(base.store, reachable=True, since=now, confirmed_at=now, detail=endpoint)
            draft.base = replace(base, store=store)
        case ev.StoreConfirmed():
            draft.base = replace(base, store=replace(base.store, confirmed_at=now))
        case ev.StoreUnreachable(detail=detail):
            draft.base = replace(base, store=replace(base.store, reachable=False, since=now, detail=detail))
        case sev.StoreIdentified():
            moving.on_identified(draft, event)
        case sev.TokenRemembered():
            tokens.on_remembered(draft, event)
        case sev.RevisionRaised():
            tokens.on_raised(draft, event)
        case sev.PermissionsSeen():
            members.on_permissions(draft, event)
        case sev.GatewaySeen():
            members.on_gateway(draft, event)
        case sev.EndpointsSeen():
            members.on_seen(draft, event)
        case ev.Ticked():
            schedule.touch_due(draft)
        case ev.Woke():
            ownership.on_woke(draft)
            draft.touch_all()
        case _:
            assert_never(event)


def _on_session(
    draft: Draft,
    event: ev.LeaseGranted | ev.LeaseGrantFailed | ev.Renewed | ev.RenewFailed | ev.LeaseGone
    | ev.LeaseRevoked | ev.LeaseRevokeFailed | ev.KeysConfirmed | ev.KeysUnconfirmed
    | ev.LeaseSeen | ev.LeaseUnseen,
) -> None:  # fmt: skip
    match event:
        case ev.LeaseGranted():
            session.on_granted(draft, event)
        case ev.LeaseGrantFailed():
            session.on_grant_failed(draft, event)
        case ev.Renewed():
            session.on_renewed(draft, event)
        case ev.RenewFailed():
            session.on_renew_failed(draft, event)
        case ev.LeaseGone():
            session.on_gone(draft, event)
        case ev.LeaseRevoked():
            session.on_revoked(draft, event)
            draft.touch_all()
        case ev.LeaseRevokeFailed():
            session.on_revoke_failed(draft, event)
            draft.touch_all()
        case ev.KeysConfirmed():
            ownership.on_confirmed(draft, event)
        case ev.KeysUnconfirmed():
            ownership.on_unconfirmed(draft, event)
        case ev.LeaseSeen():
            sights.on_seen(draft, event)
            handover.on_lease_seen(draft, event)
        case ev.LeaseUnseen():
            sights.on_unseen(draft, event)
            handover.on_lease_unseen(draft, event)
        case _:
            assert_never(event)


def _on_election(
    draft: Draft,
    e: Election | None,
    event: ev.Armed | ev.Disarmed | ev.DisarmRefused | ev.KillByStruck | ev.Campaigned | ev.CampaignFailed | sev.CampaignEnded | ev.QueueChanged
    | ev.FirstRead | ev.ReadFirstFailed | ev.Proclaimed | ev.ProclaimFailed | ev.Resigned | ev.ResignFailed
    | oev.ResignRequested | ev.RecordsClosed | ev.CloseRecordsFailed | sev.Chronicled | sev.LookedAhead | sev.LeaderStopped,
) -> None:  # fmt: skip
    if e is None:
        return
    match event:
        case ev.Armed():
            elections.on_armed(draft, e, event)
        case ev.Disarmed():
            ending.on_disarmed(draft, e, event)
        case ev.DisarmRefused():
            ending.on_disarm_refused(draft, e, event)
        case ev.KillByStruck():
            elections.on_struck(draft, e, event)
        case ev.Campaigned():
            elections.on_campaigned(draft, e, event)
        case ev.CampaignFailed():
            elections.on_campaign_failed(draft, e, event)
        case sev.CampaignEnded():
            elections.on_campaign_ended(draft, e, event)
        case ev.QueueChanged():
            elections.on_queue(draft, e, event)
        case ev.FirstRead():
            elections.on_first_read(draft, e, event)
        case ev.ReadFirstFailed():
            elections.on_read_first_failed(draft, e, event)
        case ev.Proclaimed():
            proclaiming.on_proclaimed(draft, e, event)
        case ev.ProclaimFailed():
            proclaiming.on_proclaim_failed(draft, e, event)
        case ev.Resigned():
            ending.on_resigned(draft, e, event)
        case ev.ResignFailed():
            ending.on_resign_failed(draft, e, event)
        case oev.ResignRequested():
            elections.on_resign_requested(draft, e, event)
        case sev.LookedAhead():
            ahead.on_looked(draft, e, event)
        case sev.LeaderStopped():
            ahead.on_stopped(draft, e, event)
        case sev.Chronicled():
            ledger.on_chronicled(draft, e, event)
        case ev.RecordsClosed() | ev.CloseRecordsFailed():
            # When it failed, the next winner waits out what we have waited out: longer than it must, never shorter.
            pass
        case _:
            assert_never(event)


def _on_process(
    draft: Draft,
    event: ev.Spawned
    | ev.SpawnFailed
    | ev.Exited
    | ev.Lingering
    | ev.Emptied
    | ev.ProbeSucceeded
    | ev.ProbeFailed
    | ev.Notified,
) -> None:
    owner = draft.runs.get(event.run)
    p = draft.processes.get(owner) if owner is not None else None
    if p is None:
        return
    if p.before == event.run and not isinstance(event, ev.ProbeSucceeded | ev.ProbeFailed | ev.Notified):
        lifecycle.on_before(draft, p, event)
        return
    if p.run != event.run:
        return
    match event:
        case ev.Spawned():
            lifecycle.on_spawned(draft, p, event)
        case ev.SpawnFailed():
            lifecycle.on_spawn_failed(draft, p, event)
        case ev.Exited():
            lifecycle.on_exited(draft, p, event)
        case ev.Lingering():
            lifecycle.on_lingering(draft, p, event)
        case ev.Emptied():
            lifecycle.on_emptied(draft, p, event)
        case ev.ProbeSucceeded() | ev.ProbeFailed():
            lifecycle.on_probe(draft, p, event)
        case ev.Notified():
            lifecycle.on_notified(draft, p, event)
        case _:
            assert_never(event)
