"""What a file asks this node to tell the outside world: where it answers HTTP, and whom it notifies of what.

Part of ``spec``; in a file of its own because nothing that decides reads it. A change of any of it is live.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSpec:
    """The HTTP endpoint for health checks and metrics."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSpec:
    """The read-only page for a browser."""

    host: str
    port: int
    logs: bool = False
    """Whether it shows what processes write themselves: their logs, and their words in status and probes."""
    names: tuple[str, ...] = ()
    """Under which it may be asked for, beside addresses and localhost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSpec:
    """An HTTP request for each event: its JSON is the body."""

    url: str = field(repr=False)
    """May hold a secret: shown as its host alone."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca: str | None = None
    """Certificates to trust instead of the system's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySpec:
    """Whom to tell, of which events, and how hard to try."""

    name: str
    events: tuple[str, ...]
    """Kinds of ``happenings``; empty: all."""
    elections: tuple[str, ...] = ()
    """Only of these; empty: of all."""
    command: tuple[str, ...] = ()
    """Executed for each event, which is in its environment; empty: the webhook is asked."""
    user: str | None = None
    webhook: WebhookSpec | None = None
    timeout_seconds: float = 10.0
    retries: int = 5
    """After the first try."""
    backoff_min_seconds: float = 1.0
    backoff_max_seconds: float = 60.0
