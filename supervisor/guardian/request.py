"""What the daemon asks of its guardian when it wants a child.

Promises: numbers instead of names, the whole environment; ``order_of`` is the same as the protocol says it.
Does not: check anything; who asks has resolved it all.
"""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field

from supervisor.core.names import RunId, Term
from supervisor.guardian import protocol as say


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnRequest:
    """A child with everything resolved: numbers instead of names, the whole environment."""

    run: RunId
    scope: str
    """What it is, for people who look at cgroups: ``billing.api.17``."""
    term: Term | None
    """Must be armed. None: no kill-by rules it."""
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str | None = None
    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] | None = None
    umask: int | None = None
    rlimits: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """Soft and hard by resource number; -1 is unlimited."""
    extras: Mapping[str, object] | None = None
    """What few children need, as ``guardian.setup`` knows it; None: nothing of it."""
    stop_signal: int = signal.SIGTERM
    """With the other three: how the guardian stops it when the daemon is dead."""
    stop_then: tuple[tuple[int, float], ...] = ()
    stop_to: str = "group"
    stop_timeout_seconds: float = 10.0
    last: bool = False
    """The local etcd: stopped after everything else, for the others' leases are revoked there."""
    held: bool = False
    """Made ready, and stopped just before exec until ``release``."""


def order_of(request: SpawnRequest) -> say.Spawn:
    """The order."""
    return say.Spawn(
        run=request.run,
        scope=request.scope,
        term=None if request.term is None else str(request.term),
        argv=request.argv,
        environment=tuple(request.environment.items()),
        directory=request.directory,
        uid=request.uid,
        gid=request.gid,
        groups=request.groups,
        umask=request.umask,
        rlimits=tuple((number, *pair) for number, pair in request.rlimits.items()),
        stop_signal=request.stop_signal,
        stop_then=request.stop_then,
        stop_to=request.stop_to,
        stop_timeout_seconds=request.stop_timeout_seconds,
        last=request.last,
        held=request.held,
        extras=None if request.extras is None else dict(request.extras),
    )
