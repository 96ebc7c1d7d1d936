"""Everything the core may ask for, one frozen dataclass each, and the order they must keep.

**The order of duties.** The shell performs actions in the order given, but for what ``duties`` lets others go before, and
starts each without waiting for the last; where one must not begin before another is *done*, the core waits for the
confirming event before it asks:

    Prove    -> FirstRead before any exec of a term            no process without a win that is proven and on record
    Arm      -> Armed     likewise                             none without a dead-man's switch
    Remember -> TokenRemembered, likewise                      no token that a later one could be below
    Exited + Emptied      before the next Spawn of a process   no two incarnations at once
    Emptied of every run  before Disarmed                      the switch stays armed while anything lives
    Vacate   -> Disarmed  before Resign                        the key goes last
    Resigned (all)        before RevokeLease at shutdown       the same, for the lease
    LeaseRevoked          before the local etcd is stopped     the store outlives those who need it

Each action is answered by exactly one of the events named beside it, unless the shell ends first.
"""

from dataclasses import dataclass

from supervisor.core.events import Candidate, TermRecord
from supervisor.core.names import ElectionName, Instant, LeaseId, ProcessId, RunId, SeenToken, Term, Token
from supervisor.core.spec import EtcdSpec, LogSpec, ProbeSpec, ProcessSpec, StopTo

# --- the guardian and the children ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """The hook ``demoted``, for a guardian that outlives its daemon. Not an action itself; ``Arm`` carries it."""

    spec: ProcessSpec
    variables: tuple[tuple[str, str], ...]
    timeout_seconds: float
    reserve_seconds: float
    """What it keeps for itself of the time before kill-by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """Hold kill-by = lease deadline - margin for this term, extended with its lease. -> Armed | KillByStruck."""

    term: Term
    lease: LeaseId
    lease_deadline: Instant
    margin_seconds: float
    candidate_key: str
    record_key: str
    stopped_record: bytes
    """What the guardian writes to ``record_key``, deleting ``candidate_key``, when it ends the term without the daemon."""
    undo: Undo | None = None
    """What it runs before, if anything of the term was started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extend:
    """The lease was renewed: every term armed under it may live until this deadline less its margin. No answer."""

    lease: LeaseId
    lease_deadline: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Disarm:
    """Forget the term's kill-by if its containment is empty. -> Disarmed | DisarmRefused."""

    term: Term


@dataclass(frozen=True, slots=True, kw_only=True)
class Vacate:
    """The term is ending: start nothing more of it, and disarm it as soon as its containment is empty. -> Disarmed."""

    term: Term


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawn:
    """Start a child. -> Spawned | SpawnFailed; then Exited; then Emptied."""

    run: RunId
    spec: ProcessSpec
    term: Term | None
    """The term whose kill-by rules it; None for follower and always processes."""
    variables: tuple[tuple[str, str], ...]
    """SUPERVISOR_* of this run."""
    held: bool = False
    """Make it ready, and stop it just before exec until Release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Let a held run go on to exec. No answer but Spawned | SpawnFailed; an ended run is nobody."""

    run: RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalRun:
    """Send a signal to the run's main process, its group or all of its containment. No answer; an ended run is nobody."""

    run: RunId
    signal: str
    to: StopTo = StopTo.GROUP


@dataclass(frozen=True, slots=True, kw_only=True)
class KillRun:
    """SIGKILL everything in the run's containment, again until it is empty. No answer but Exited and Emptied."""

    run: RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseSockets:
    """Close what is held open for this process between its runs; a child's own copies are its own. No answer."""

    process: ProcessId
    run: RunId | None
    """The last for which they were opened, if it is not over: never closed before that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartProbe:
    """Probe a run until StopProbes. -> ProbeSucceeded | ProbeFailed, again and again. Replaces one of its purpose."""

    run: RunId
    process: ProcessId
    purpose: str
    """``ready`` or ``health``."""
    probe: ProbeSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class StopProbe:
    """End a probe of a run. No answer; no event of it comes later from a new start."""

    run: RunId
    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigureLog:
    """Where the output of a process goes from now on. No answer."""

    process: ProcessId
    log: LogSpec


# --- etcd ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """Use this etcd, watch its namespace. Replaces an earlier one. -> StoreReachable | StoreUnreachable as they occur."""

    etcd: EtcdSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Identify:
    """Ask an etcd, by a connection of its own, which cluster it is; the present one stays. -> StoreIdentified."""

    etcd: EtcdSpec
    timeout_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseRevision:
    """Write nothing of worth to our own local etcd until its revision is above this. -> RevisionRaised."""

    above: Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Remember:
    """Note the highest token of an election where the next daemon finds it. -> TokenRemembered, for a term's."""

    place: str
    """The election's name in etcd."""
    seen: SeenToken
    election: ElectionName | None
    """Whose term waits for it; None: nobody's."""
    token: Token
    """Of the term."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantLease:
    """Ask for a lease. -> LeaseGranted | LeaseGrantFailed."""

    ttl_seconds: int
    timeout_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Renew:
    """Renew a lease, by another endpoint than the last when that one failed. -> Renewed | RenewFailed | LeaseGone."""

    lease: LeaseId
    timeout_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeLease:
    """Give the lease back; its keys go with it. -> LeaseRevoked | LeaseRevokeFailed."""

    lease: LeaseId


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """Create our key under the lease if it is absent, and read who is first. -> Campaigned | CampaignFailed."""

    election: ElectionName
    lease: LeaseId
    document: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Prove:
    """In one transaction: if our key is there and the oldest, write the term's record; read who is first, and the records.

    -> FirstRead | ReadFirstFailed.
    """

    election: ElectionName
    lease: LeaseId
    create_revision: Token
    record: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAhead:
    """In one transaction: if our key is there, write the term's record; read who stands first, up to us, and the records.

    Then the leader's record is watched from there on, until it changes, for a while.
    -> LookedAhead, and then LeaderStopped if it comes to that.
    """

    election: ElectionName
    lease: LeaseId
    create_revision: Token
    leader: Token
    record: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmKeys:
    """Read linearizably whether these keys of ours are there. -> KeysConfirmed | KeysUnconfirmed."""

    lease: LeaseId
    asked_at: Instant
    """Given back with the answer, so that a late one is not taken for a newer question's."""
    keys: tuple[tuple[ElectionName, Token], ...]
    """Elections, with the create revisions of our keys."""
    timeout_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AskLease:
    """Ask how long a lease of somebody else has left. -> LeaseSeen | LeaseUnseen."""

    lease: LeaseId
    timeout_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseRecords:
    """Write over the records of terms that are over. -> RecordsClosed | CloseRecordsFailed."""

    election: ElectionName
    records: tuple[TermRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chronicle:
    """Write how a term began to the ledger, move records of terms long over there, and keep the newest. -> Chronicled."""

    election: ElectionName
    token: Token
    """Of the term that began."""
    began: bytes
    ended: tuple[TermRecord, ...]
    """Records that go from where winners read them, as they are."""
    keep: int
    """Terms that stay in the ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proclaim:
    """Write the document over our key if its create revision is still this. -> Proclaimed | ProclaimFailed."""

    election: ElectionName
    lease: LeaseId
    create_revision: Token
    document: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Resign:
    """Delete our key if its create revision is still this, and end the term's record. -> Resigned | ResignFailed.

    Both in one transaction, and the record also when the key is gone already.
    """

    election: ElectionName
    lease: LeaseId
    create_revision: Token
    record: bytes = b""
    """*stopped*, written over the record if there is one; empty for a candidacy that never asked for the proof."""
    forget: tuple[Token, ...] = ()
    """Terms long over, whose records go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """As Resign, but only while the target's key is the one of ``to``; those before it in the queue go with ours.

    All in one transaction: nobody else is first in between. -> Resigned | HandOverRefused | ResignFailed.
    """

    end: Resign
    to: Candidate
    ahead: tuple[Candidate, ...]
    """Candidates of nodes like ours between us and the target. They enter anew, behind it."""
    path: str = ""
    """Of the request below ``<namespace>.ctl/`` that is settled with it; empty: none."""
    done: bytes = b""
    """What that is to say."""

    @property
    def election(self) -> ElectionName:
        """Whose office it is."""
        return self.end.election


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRequest:
    """Answer a request, if it is still the one of this revision. No answer: the watch shows what stands there."""

    path: str
    value: bytes
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AskDate:
    """Look at the wall clock. -> DateSeen."""


# --- the daemon itself ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """End the daemon. Nothing runs, no key of ours is left that could be removed."""

    code: int


Action = (
    Arm | Extend | Disarm | Vacate | Spawn | Release | SignalRun | KillRun | CloseSockets | StartProbe | StopProbe
    | ConfigureLog
    | Connect | Identify | RaiseRevision | Remember | GrantLease | Renew | RevokeLease | ConfirmKeys | AskLease
    | Campaign | Prove | LookAhead | CloseRecords | Chronicle | Proclaim | Resign | HandOver | WriteRequest | AskDate
    | Exit
)  # fmt: skip
