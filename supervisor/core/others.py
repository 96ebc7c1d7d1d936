"""What is known of others who stood for an election before us: part of ``state``.

Does not: decide what follows from it (``takeover``, ``waiting``, ``sights``).
"""

from dataclasses import dataclass

from supervisor.core.events import TermRecord
from supervisor.core.names import EPOCH, Instant, LeaseId, Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Departed:
    """A candidate that stood before us, and whose key is gone."""

    token: Token
    gone_at: Instant
    """When the watch, or a read, first showed it gone: not before it was."""
    ends_by: Instant | None
    """Its lease, as seen while it led, had run out by then, and its term was lost already; None: not known."""
    node: str = ""
    """Who it was, when it was first in the queue and wrote documents like ours: it may have led. Empty: it did not."""
    raft_term: int = 0
    """In which etcd told so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A term of this very daemon that is over."""

    token: Token
    lost_at: Instant
    """When it began to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predecessor:
    """A term before ours whose processes may still run: nothing of ours starts before ``clear_at``."""

    token: Token
    node: str
    clear_at: Instant
    detail: str
    """What is known of its end, for people."""
    record: TermRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """What the next in line has seen and put on record while the leader was leaving (``ahead``)."""

    leader: Token
    """Whose term comes before ours."""
    asked_at: Instant
    """When that was asked for: trust in the term that follows counts from then."""
    seen: tuple[TermRecord, ...] | None = None
    """The records there were; None: not answered yet."""
    raft_term: int = 0
    stopped: TermRecord | None = None
    """The leader's record, once it says that nothing of its term is alive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseSight:
    """What was last seen of the lease of a leader whom we wait for."""

    lease: LeaseId
    waiting: int = 0
    """Elections in which we wait for its owner: none, and it is looked at no more."""
    near: int = 0
    """Those of them in which we are next in line."""
    asked: bool = False
    next_at: Instant = EPOCH
    sent_at: Instant = EPOCH
    """When the question of the newest answer was sent; EPOCH: none yet."""
    granted_seconds: int = 0
    ends_by: Instant | None = None
    """It has run out by then, unless it is renewed after ``sent_at``."""
    raft_term: int = 0
    """In which etcd told so."""
