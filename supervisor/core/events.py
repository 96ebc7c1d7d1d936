"""Everything that can happen to us, one frozen dataclass each.

The shell turns the world into these and gives them to ``machine.step`` one at a time. An event states a fact and the
evidence for it (which lease, which create revision, when the request was *sent*); it never carries a decision.
News about something that no longer exists (a run that ended, a lease given up) is normal and changes nothing.
"""

from dataclasses import dataclass

from supervisor.core import operator_events as oev
from supervisor.core import store_events as sev
from supervisor.core.names import ElectionName, Instant, LeaseId, RunId, Term, Token
from supervisor.core.request_events import RequestEvent
from supervisor.core.spec import Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigLoaded:
    """A file was read and is valid as a whole."""

    spec: Spec
    source: str
    """Path of the file and a short hash of its content, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigRejected:
    """A file was read, or could not be, and is not adopted; what runs goes on."""

    problems: tuple[str, ...]
    """One ``file:line:column: message`` each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownRequested:
    """Stop everything in order and end with ``exit_code``."""

    reason: str
    exit_code: int = 0


# --- time ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """Something in the state may be due. Which, ``step`` finds out from ``now``; an early tick changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Woke:
    """This daemon did not run for a while: stopped by a signal, starved, suspended with its machine, or stuck in a call.

    Comes before any event that waited meanwhile.
    """

    gap_seconds: float


# --- the guardian and the children ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Armed:
    """The guardian holds a kill-by for this term: from now on its processes may be started."""

    term: Term


@dataclass(frozen=True, slots=True, kw_only=True)
class Disarmed:
    """The guardian proved the term's containment empty and forgot its kill-by."""

    term: Term


@dataclass(frozen=True, slots=True, kw_only=True)
class DisarmRefused:
    """The guardian still finds something alive in the term's containment."""

    term: Term
    blockers: tuple[str, ...]
    """``pid (name)`` each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KillByStruck:
    """The guardian killed the term's containment because kill-by had passed, and starts nothing of the term any more."""

    term: Term
    late_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardianLost:
    """The guardian is dead. The shell has killed every containment and proven each empty before it says so."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawned:
    """exec succeeded: the child runs."""

    run: RunId
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnFailed:
    """The child was never executed, and its containment is empty."""

    run: RunId
    detail: str
    chance: float
    """Uniform in [0, 1), for the jitter of the backoff."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """The main pid of a run ended. Its containment may still hold others: that is ``Emptied``'s to say."""

    run: RunId
    code: int | None
    """Exit code, or None when a signal ended it."""
    signal: int | None
    core_dumped: bool = False
    empty: bool = False
    """Nothing of the run is left alive: Emptied is the next that is heard of it."""
    oom_killed: bool = False
    """The kernel killed it, or another process of its run, because memory was used up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lingering:
    """The main pid of a run has ended, everything was killed, and somebody is still there."""

    run: RunId
    blockers: tuple[str, ...]
    """``pid (name)`` each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emptied:
    """Nothing of this run is left alive: observed, not assumed. Comes after ``Exited``, once."""

    run: RunId
    chance: float
    """Uniform in [0, 1), for the jitter of the backoff."""
    lines: tuple[str, ...] = ()
    """The last of what it wrote, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSucceeded:
    """A probe of a run passed."""

    run: RunId
    purpose: str
    """``ready`` or ``health``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeFailed:
    """A probe of a run failed or timed out."""

    run: RunId
    purpose: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """A child, proven to be of the run, spoke by sd_notify: what it does, in its own short words; how long its start still takes."""

    run: RunId
    status: str | None = None
    extend_seconds: float | None = None


# --- etcd: the session ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseGranted:
    """etcd granted a lease for the session of ``ttl_seconds``."""

    ttl_seconds: int
    """As asked; names the session."""
    lease: LeaseId
    granted_seconds: int
    """What etcd gave: it raises TTLs below its minimum."""
    sent_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseGrantFailed:
    """No lease: try again later."""

    ttl_seconds: int
    detail: str
    chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """etcd acknowledged a renewal that was *sent* at ``sent_at``; trust counts from there, never from the reply."""

    lease: LeaseId
    granted_seconds: int
    sent_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewFailed:
    """No answer in time, or an error that says nothing about the lease."""

    lease: LeaseId
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseGone:
    """etcd says that it does not know this lease (any more). Its keys are gone with it."""

    lease: LeaseId
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRevoked:
    """The lease and its keys are gone because we asked, or were gone already."""

    lease: LeaseId


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRevokeFailed:
    """The revocation was not acknowledged; the lease may live until its TTL."""

    lease: LeaseId
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreUnreachable:
    """No endpoint of etcd answers."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreReachable:
    """etcd answers again, or for the first time."""

    endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfirmed:
    """The watch answers: every queue is as it last showed it. Told at most about once a second."""


# --- etcd: elections -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One key in an election's queue. Not an event itself; events carry it."""

    key: str
    lease: LeaseId
    create_revision: Token
    value: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaigned:
    """Our key is in the queue. ``first`` was read in the same transaction, so it is as good as a linearizable read."""

    election: ElectionName
    lease: LeaseId
    create_revision: Token
    first: Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignFailed:
    """Our key may or may not be in the queue; a repeated campaign finds it if it is."""

    election: ElectionName
    lease: LeaseId
    detail: str
    chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueChanged:
    """The watch shows an election's queue as of ``revision``, oldest first. A hint, not a proof."""

    election: ElectionName
    candidates: tuple[Candidate, ...]
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TermRecord:
    """One record of a term. Not an event itself; events carry it."""

    token: Token
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRead:
    """The answer to ``Prove``: who is first in the queue, read linearizably, and the newest terms' records.

    ``first`` None: the queue is empty. When it is the key asked for, its record says *started* now.
    """

    election: ElectionName
    asked_for: Token
    """As in the question. An answer about an earlier key of ours put nothing on record for this one."""
    first: Candidate | None
    records: tuple[TermRecord, ...] = ()
    raft_term: int = 0
    """Of etcd, as whoever answered knows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFirstFailed:
    """The linearizable read was not answered; our record may have been written all the same."""

    election: ElectionName
    detail: str
    chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysConfirmed:
    """The keys of our terms under a lease were read linearizably."""

    lease: LeaseId
    asked_at: Instant
    """As in the question."""
    missing: tuple[ElectionName, ...]
    """Those whose key, of that create revision, is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysUnconfirmed:
    """The read was not answered."""

    lease: LeaseId
    asked_at: Instant
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseSeen:
    """What etcd says of somebody else's lease: how long it has, if nobody renews it."""

    lease: LeaseId
    sent_at: Instant
    remaining_seconds: int
    """Whole seconds, rounded down; negative: there is no such lease (any more)."""
    granted_seconds: int
    raft_term: int = 0
    """Of etcd, as whoever answered knows it: this read is not linearizable, and a deposed leader may answer it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseUnseen:
    """The question after a lease was not answered."""

    lease: LeaseId
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsClosed:
    """Records of terms that are over say so now."""

    election: ElectionName


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseRecordsFailed:
    """They may not."""

    election: ElectionName
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proclaimed:
    """Our document was written over our own key."""

    election: ElectionName
    create_revision: Token


@dataclass(frozen=True, slots=True, kw_only=True)
class ProclaimFailed:
    """The document was not written. ``key_gone`` when etcd says that the key is not ours (any more)."""

    election: ElectionName
    create_revision: Token
    key_gone: bool
    detail: str
    chance: float = 0.0
    """In [0, 1), for jitter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resigned:
    """Our key with this create revision does not exist (any more)."""

    election: ElectionName
    create_revision: Token


@dataclass(frozen=True, slots=True, kw_only=True)
class ResignFailed:
    """The deletion was not acknowledged; the key may still be there."""

    election: ElectionName
    create_revision: Token
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """News about different elections that were there at once (``duties``): one step answers them all, each as it would alone."""

    events: tuple["Event", ...]


Event = (
    ConfigLoaded | ConfigRejected | ShutdownRequested | Ticked | Woke
    | oev.ResignRequested | oev.RestartRequested | oev.StartRequested | oev.StopRequested
    | Armed | Disarmed | DisarmRefused | KillByStruck | GuardianLost | Lingering
    | Spawned | SpawnFailed | Exited | Emptied | ProbeSucceeded | ProbeFailed | Notified
    | LeaseGranted | LeaseGrantFailed | Renewed | RenewFailed | LeaseGone | LeaseRevoked | LeaseRevokeFailed
    | StoreUnreachable | StoreReachable | StoreConfirmed | sev.EndpointsSeen | sev.StoreIdentified
    | sev.TokenRemembered | sev.RevisionRaised | sev.PermissionsSeen | sev.GatewaySeen
    | Campaigned | CampaignFailed | sev.CampaignEnded | QueueChanged | FirstRead | ReadFirstFailed
    | KeysConfirmed | KeysUnconfirmed | LeaseSeen | LeaseUnseen | RecordsClosed | CloseRecordsFailed | sev.Chronicled | sev.LookedAhead | sev.LeaderStopped
    | Proclaimed | ProclaimFailed | Resigned | ResignFailed | Together | RequestEvent
)  # fmt: skip
