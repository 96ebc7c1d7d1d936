"""What we know of etcd's endpoints, kept for people.

Promises: nothing about a lease, a queue or a term follows from it. Does not: choose among them (the adapter does, in the
middle of a call).
"""

from supervisor.core.draft import Draft
from supervisor.core.evolve import replace
from supervisor.core.store_events import EndpointsSeen, GatewaySeen, PermissionsSeen


def on_permissions(draft: Draft, event: PermissionsSeen) -> None:
    """Take it over."""
    draft.base = replace(draft.base, store=replace(draft.base.store, missing=event.missing))


def on_gateway(draft: Draft, event: GatewaySeen) -> None:
    """Take it over."""
    draft.base = replace(draft.base, store=replace(draft.base.store, gateway=event.refusal))


def on_seen(draft: Draft, event: EndpointsSeen) -> None:
    """Take it over."""
    store = draft.base.store
    cluster = event.cluster or store.cluster
    versions = store.versions.union(e.version for e in event.endpoints)
    store = replace(store, cluster=cluster, endpoints=event.endpoints, versions=versions)
    draft.base = replace(draft.base, store=store)
