"""Other endpoints, certificates or users for the etcd that our terms are in: a move that costs nothing, or none at all.

A lease and its keys are in a cluster, not at an endpoint. So a file that changes how etcd is reached is held until the new
way has been tried: the same cluster id, and everything goes on over the new connection; another one, and the file as a
whole is refused, because the nodes of a fleet that read it one after another would lead in both clusters at once.

Promises: nothing of the file is in force before its etcd is known to be ours; what runs goes on meanwhile, and after a
refusal; where no lease and no key of ours is left, and where etcd is our own local one, there is nothing to keep, and the
file is adopted at once. Does not: ask etcd (``Identify`` is answered by the shell).
"""

from supervisor.core import reconcile
from supervisor.core.actions import Connect, Identify
from supervisor.core.draft import Draft
from supervisor.core.events import ConfigLoaded
from supervisor.core.evolve import replace
from supervisor.core.spec import CampaignWay, EtcdSpec, Spec
from supervisor.core.state import ElectionPhase
from supervisor.core.store_events import StoreIdentified

TIMEOUT_SECONDS = 5.0


def on_loaded(draft: Draft, event: ConfigLoaded) -> None:
    """A good file: adopt it, or first find out whose etcd it names."""
    if not _is_move(draft, event.spec):
        adopt(draft, event)
        return
    draft.base = replace(draft.base, pending=event)
    draft.do(Identify(etcd=event.spec.etcd, timeout_seconds=TIMEOUT_SECONDS))


def on_identified(draft: Draft, event: StoreIdentified) -> None:
    """Whose it is. An answer for a file that another has replaced meanwhile is old news."""
    held = draft.base.pending
    if held is None or held.spec.etcd != event.etcd:
        return
    problem = _problem(draft.base.store.cluster, event) if _is_move(draft, held.spec) else ""
    if problem:
        draft.base = replace(draft.base, pending=None, problems=(problem,), rejected_at=draft.now)
        return
    adopt(draft, held)
    before = draft.base.store.connected
    same = before is not None and _candidacy(before) == _candidacy(event.etcd)  # else they leave by the old way first
    if same and event.cluster == draft.base.store.cluster:
        draft.base = replace(draft.base, store=replace(draft.base.store, connected=event.etcd))
        draft.do(Connect(etcd=event.etcd))


def adopt(draft: Draft, event: ConfigLoaded) -> None:
    """The file is in force from now on."""
    base = draft.base
    draft.base = replace(
        base, spec=event.spec, source=event.source, generation=base.generation + 1, loaded_at=draft.now, problems=(),
        rejected_at=None, pending=None, node=base.node if base.spec else event.spec.node,
    )  # fmt: skip
    reconcile.adopt(draft, event.spec)
    draft.touch_all()


def _is_move(draft: Draft, wanted: Spec) -> bool:
    """Whether it changes the way to an etcd that holds something of ours."""
    base = draft.base
    connected = base.store.connected
    if connected is None or base.spec is None or base.stopping or not wanted.elections:
        return False
    if base.spec.local_etcd is not None or wanted.local_etcd is not None:
        return False
    if _way(connected) == _way(wanted.etcd):
        return False
    held = any(s.lease is not None for s in draft.sessions.values()) or bool(draft.doomed)
    return held or any(e.phase is not ElectionPhase.DETACHED for e in draft.elections.values())


def _way(etcd: EtcdSpec) -> EtcdSpec:
    """All that says how etcd is reached, and nothing else."""
    return replace(etcd, namespace="", campaign=CampaignWay.TRANSACTION)


def _candidacy(etcd: EtcdSpec) -> tuple[str, CampaignWay]:
    return etcd.namespace, etcd.campaign


def _problem(ours: str, event: StoreIdentified) -> str:
    if not event.cluster:
        return (
            f"etcd: it cannot be reached as the new file says, so that nobody can tell whether it is the same cluster: "
            f"{event.detail} (correct the file; the connection before it is kept)"
        )
    if not ours:
        return (
            f"etcd: the endpoints belong to etcd cluster {event.cluster}, and the present one has not said its id yet "
            "(try again when it is reachable, or restart the supervisor)"
        )
    if event.cluster != ours:
        return (
            f"etcd: the endpoints belong to another etcd cluster (id {event.cluster}, was {ours}); to move to another "
            "etcd, stop the supervisor on every node, change the file, and start them again: nodes that moved one after "
            "another would lead in both"
        )
    return ""
