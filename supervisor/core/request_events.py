"""What becomes known of requests to nodes (``<namespace>.ctl/``) and of handing an office over. Part of ``events``."""

from dataclasses import dataclass

from supervisor.core.names import ElectionName, Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One key below ``<namespace>.ctl/``. Not an event itself; events carry it."""

    path: str
    """Without the prefix: ``switchover/billing``, ``pause``, ``drain/web-1``."""
    value: bytes
    revision: int
    """Of its last change: who answers a request writes over that one and no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsSeen:
    """Everything below ``<namespace>.ctl/``, as the watch shows it."""

    entries: tuple[Entry, ...]
    wall_seconds: float
    """The date when it was seen: requests name dates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsUnseen:
    """Requests may not be read. Nodes go on without them."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DateSeen:
    """The wall clock, asked because a request names a date."""

    wall_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOverRefused:
    """Nothing was done: the target's key is gone or a later one, and ours is where it was."""

    election: ElectionName
    create_revision: Token
    detail: str


RequestEvent = RequestsSeen | RequestsUnseen | DateSeen | HandOverRefused
