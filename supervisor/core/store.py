"""What is known of etcd itself, beside what is in it. Part of ``state``."""

from dataclasses import dataclass

from supervisor.core.names import EPOCH, Instant, LeaseId
from supervisor.core.spec import EtcdSpec
from supervisor.core.store_events import EndpointSight


@dataclass(frozen=True, slots=True, kw_only=True)
class DoomedLease:
    """A lease we have given up and want gone, so that its keys do not stand in anybody's way."""

    lease: LeaseId
    asked: bool = False
    next_at: Instant = EPOCH
    until: Instant = EPOCH
    """Past it (a TTL and some) we leave the rest to etcd's own expiry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """What we know of etcd."""

    connected: EtcdSpec | None = None
    """The etcd that Connect last named."""
    reachable: bool | None = None
    """None: not known yet."""
    since: Instant = EPOCH
    confirmed_at: Instant | None = None
    """When the watch last answered: until then every queue was as it is held here. None: never yet."""
    detail: str = ""
    cluster: str = ""
    """The id of the cluster, in hex; empty: not known yet."""
    endpoints: tuple[EndpointSight, ...] = ()
    """Each endpoint, every name looked up, as last seen."""
    missing: tuple[str, ...] = ()
    """Ranges of keys that etcd's user may not read and write."""
    gateway: str = ""
    """Why etcd's HTTP gateway would refuse the guardian; empty: it would not, as far as is known."""
    versions: frozenset[str] = frozenset()
    """Every version of etcd met so far: each is warned of once."""
