"""What can become known of etcd itself: where its members are, how they do, which cluster they are.

A part of ``events``, which names them all; apart because no election's story needs it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from supervisor.core.names import ElectionName, LeaseId, Token
from supervisor.core.spec import EtcdSpec

if TYPE_CHECKING:
    from supervisor.core.events import Candidate, TermRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreIdentified:
    """Which cluster answers at an etcd that we may turn to."""

    etcd: EtcdSpec
    """As in the question."""
    cluster: str
    """Its id, in hex; empty: it did not answer, or several do."""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSight:
    """How one endpoint of etcd is. Not an event itself; events carry it."""

    endpoint: str
    well: bool | None
    """None: not asked yet."""
    detail: str = ""
    cluster: str = ""
    """The id of the cluster it belongs to, in hex; empty: not known."""
    version: str = ""
    failures: int = 0
    """Calls of it that failed, until this was told."""
    alarm: str = ""
    """What etcd itself complains of (NOSPACE, CORRUPT), in its own words."""
    foreign: bool = False
    """It belongs to another cluster than the rest, and is not used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointsSeen:
    """How the endpoints are: told when one is found, is lost, falls ill or recovers, or says what it is."""

    cluster: str
    """The id of the cluster that is used."""
    endpoints: tuple[EndpointSight, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRemembered:
    """The token of a term was noted for daemons to come, or could not be: the term goes on all the same."""

    election: ElectionName
    token: Token
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionRaised:
    """The local etcd's revision is above what was asked, or why it is not."""

    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionsSeen:
    """Which of our ranges etcd's user may not read and write; told when that changes."""

    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySeen:
    """Whether etcd's HTTP gateway would serve the guardian; told when that changes."""

    refusal: str
    """Why not, in etcd's words; empty: it would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignEnded:
    """A Campaign call that had put our key into the queue has ended (``etcd.campaign: rpc``). It proves nothing."""

    election: ElectionName
    lease: LeaseId
    create_revision: Token
    broken: bool
    """It was cut off. The member that held it deletes the key as soon as it notices, be it much later."""
    detail: str
    chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Chronicled:
    """The ledger has the term's beginning, or why it has not."""

    election: ElectionName
    token: Token
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedAhead:
    """Who stood first in the queue, up to two, and the records, when our term was put on record ahead of its win."""

    election: ElectionName
    asked_for: Token
    """The create revision of our key, as in the question."""
    front: "tuple[Candidate, ...]"
    records: "tuple[TermRecord, ...]"
    raft_term: int
    problem: str = ""
    """Why it is not known; empty: it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderStopped:
    """The record of the term before ours, as it became after we had looked ahead."""

    election: ElectionName
    asked_for: Token
    record: "TermRecord"
