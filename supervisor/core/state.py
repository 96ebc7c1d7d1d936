"""What is true now, as far as we know: one immutable value that ``machine.step`` replaces.

Every instant is on CLOCK_BOOTTIME; every belief that came from etcd stands beside the instant it was confirmed, so
that ``status`` can say how old it is. Nothing here decides; the properties only read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from supervisor.core import timing
from supervisor.core.events import Candidate, ConfigLoaded, TermRecord
from supervisor.core.names import (
    EPOCH,
    ElectionName,
    Home,
    Instant,
    LeaseId,
    NodeName,
    ProcessId,
    ProcessName,
    Role,
    RunId,
    SeenToken,
    Term,
    Token,
)
from supervisor.core.others import Ahead, Departed, LeaseSight, Past, Predecessor
from supervisor.core.requests import Handover, Requests
from supervisor.core.spec import ElectionSpec, HookKind, ProcessSpec, Spec, hook_name
from supervisor.core.store import DoomedLease, Store

ELECTED = hook_name(HookKind.ELECTED, Role.LEADER)


class Health(StrEnum):
    """How well something serves, worst last."""

    HEALTHY = "healthy"
    STARTING = "starting"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class ElectionPhase(StrEnum):
    """Where this node stands in an election. Only in LEADING and STEPPING_DOWN can a leader process be alive."""

    DETACHED = "detached"
    """No key of ours that we know of; campaigns as soon as it may."""
    CAMPAIGNING = "campaigning"
    """The key is being created; it may or may not be in the queue."""
    FOLLOWING = "following"
    """Our key is in the queue and, as far as the watch shows, not first."""
    PROVING = "proving"
    """The watch shows our key first; a linearizable read is on its way to prove it."""
    LEADING = "leading"
    """Proven. Leader processes start once the guardian is armed and the follower processes are gone."""
    STEPPING_DOWN = "stepping-down"
    """The term is over; its processes are being stopped and the containment proven empty."""
    RESIGNING = "resigning"
    """Nothing of the term is alive; our key is being deleted."""


class ProcessPhase(StrEnum):
    """Where a declared process stands. A child exists in STARTING, RUNNING, STOPPING and CLEARING."""

    STOPPED = "stopped"
    """No child of it, and none on its way."""
    STARTING = "starting"
    """exec asked for, not yet confirmed."""
    RUNNING = "running"
    """Its command is being executed."""
    STOPPING = "stopping"
    """The stop signal was sent; at ``kill_at`` the containment is killed."""
    CLEARING = "clearing"
    """The main process has ended by itself; what it left behind is being killed."""
    BACKOFF = "backoff"
    """Waits until ``retry_at`` before the next start."""
    COMPLETED = "completed"
    """Ended, and its restart policy leaves it at that."""
    GAVE_UP = "gave-up"
    """Used up its restarts; only an operator, a reload of it or a new term starts it again."""


ALIVE = frozenset({ProcessPhase.STARTING, ProcessPhase.RUNNING, ProcessPhase.STOPPING, ProcessPhase.CLEARING})


@dataclass(frozen=True, slots=True, kw_only=True)
class LastExit:
    """How the previous child of a process ended."""

    at: Instant
    code: int | None
    signal: int | None
    core_dumped: bool
    ran_seconds: float
    detail: str = ""
    """Why it could not be started, when it never ran."""
    oom_killed: bool = False
    """The kernel killed it, or another process of its run, because memory was used up."""
    cause: str = ""
    """Why we ended it; empty when it ended by itself."""
    stopping_seconds: float | None = None
    """How long its main process took to end once that was asked for; None when nobody asked."""
    decision: str = ""
    """What was decided then, for people: ``restart in 400 ms (2 of 5 in 1 m)``. Empty until nothing of it is left."""
    next_at: Instant | None = None
    """When it is started again, as decided then."""
    lines: tuple[str, ...] = ()
    """The last of what it wrote; kept for the newest exit only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A declared process and its present child, if any."""

    id: ProcessId
    spec: ProcessSpec
    """What the present child was started with; while there is none, what the next one will be."""
    phase: ProcessPhase = ProcessPhase.STOPPED
    since: Instant = EPOCH
    """When the phase began."""
    run: RunId | None = None
    """The present child, else None."""
    term: Term | None = None
    """The term the present child belongs to; None for follower and always processes."""
    pid: int | None = None
    ready: bool = False
    health: Health = Health.STARTING
    probe_detail: str = ""
    """What the last failing probe said."""
    status: str = ""
    """The present child's own words for what it does (sd_notify)."""
    passes: int = 0
    """Probe successes in a row, of the probe that matters now."""
    fails: int = 0
    """Probe failures in a row, likewise."""
    ready_by: Instant | None = None
    """Not ready by then is a failed start; of a task, not completed by then."""
    started_at: Instant | None = None
    """When the present child was executed."""
    kill_at: Instant | None = None
    """In STOPPING: when SIGKILL follows."""
    killed: bool = False
    """KillRun was asked for this run."""
    held: bool = False
    """Made ready, and waits just before exec for ``Release``: nothing of the command runs yet."""
    signal_at: Instant | None = None
    """In STOPPING: when the next signal of its stop sequence follows."""
    signalled: int = 0
    """Signals of its stop sequence that were sent."""
    before_due: bool = False
    """Its pre-stop command is still to be started."""
    before: RunId | None = None
    """The run of its pre-stop command, until that is proven empty."""
    gone: float | None = None
    """The child itself is proven empty, its pre-stop command is not: the chance that came with that news."""
    blockers: tuple[str, ...] = ()
    """Who is left of it though its main process has ended and everything was killed."""
    why: str = ""
    """In STOPPING: why it is being stopped."""
    halted: bool = False
    """An operator has stopped it: it is not started before an operator says so."""
    failed: bool = False
    """It is being stopped because it failed (not ready in time, unhealthy): the restart budget decides what follows."""
    restarts: int = 0
    """Restarts after an exit of its own since the daemon or the term began."""
    recent_restarts: tuple[Instant, ...] = ()
    """Those within the restart period."""
    failures: int = 0
    """Restarts since it last ran stably; the exponent of the backoff."""
    retry_at: Instant | None = None
    last_exit: LastExit | None = None
    ends_by: Instant | None = None
    """When a child that is to end by itself has failed to."""
    listening: bool = False
    """Sockets may be held open for it."""
    exits: tuple[LastExit, ...] = ()
    """The last few, newest last, each with what was decided."""

    @property
    def alive(self) -> bool:
        """Whether a child of it may exist."""
        return self.phase in ALIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Election:
    """One election as this node takes part in it."""

    spec: ElectionSpec
    """In force; a changed one is adopted when the election is detached, or live where that is safe."""
    phase: ElectionPhase = ElectionPhase.DETACHED
    since: Instant = EPOCH
    cause: str = "start"
    """Why the phase was entered, for people."""
    lease: LeaseId | None = None
    """The lease our key is, or may be, under."""
    create_revision: Token | None = None
    """Of our key while it is believed to exist."""
    term: Term | None = None
    """The term led, being stepped down from, or while FOLLOWING or PROVING prepared for: armed, and its processes held."""
    won_at: Instant | None = None
    ahead: Ahead | None = None
    """While FOLLOWING: what was seen, and put on record, for a leader that is leaving (``ahead``)."""
    armed: bool = False
    """The guardian holds the term's kill-by."""
    prepare: bool = False
    """The term's first processes are made ready, and held, while the proof of the win is under way (``preparing``)."""
    held_until: Instant = EPOCH
    """While FOLLOWING: until when they are, for a leader that is leaving (``notice``)."""
    leaving: str = ""
    """While LEADING: why the term is to end, of our own will; empty when it is not."""
    leave_at: Instant | None = None
    """When it does: whoever is next was told, and gets ready."""
    remembered: bool = False
    """The term's token is noted for daemons to come."""
    vacating: bool = False
    """The guardian was told that the term ends, and says Disarmed as soon as it is empty."""
    disarming: bool = False
    lost: bool = False
    """The term ended against our will: its processes have until kill-by, whatever their own stop timeout says."""
    key_lost: bool = False
    """The office is someone else's, or may be: kill, do not ask."""
    standby: bool = False
    """The follower role runs: somebody else was seen to lead, or nobody could be asked for a TTL."""
    asked: bool = False
    """A request to etcd (campaign, read, resign) is unanswered."""
    retry_at: Instant | None = None
    """When the request of this phase is tried again."""
    hold_until: Instant | None = None
    """Does not campaign before: the cool-down after a give-up or a withdrawal, or the pause after a token too low."""
    cooldown_seconds: float = 0.0
    """The cool-down that begins when our key is gone."""
    withdrawals: int = 0
    """Withdrawals from the queue in a row; like give-ups, they double the cool-down."""
    unfit: str = ""
    """Why this node does not stand (``standing``), or is about to withdraw; empty while it is fit."""
    withdraw_at: Instant | None = None
    """While FOLLOWING: when it leaves the queue unless it is fit again by then."""
    refused: str = ""
    """Why the last candidacy was given up for its token (``tokens``); empty when it was not."""
    giveups: int = 0
    """Give-ups in a row; doubles the cool-down."""
    campaign_deadline: Instant | None = None
    """When campaign_timeout ends this campaign."""
    queue: tuple[Candidate, ...] = ()
    """Oldest first, as the watch last showed it."""
    queue_revision: int = 0
    queue_at: Instant | None = None
    """When that was; None: never seen."""
    proclaimed: bytes = b""
    """The document in our key, as far as it is acknowledged."""
    proclaimed_at: Instant | None = None
    """When the last proclaim was asked for."""
    proclaiming: bytes | None = None
    """The document of the unanswered proclaim."""
    proclaim_at: Instant | None = None
    """When the document is written next."""
    proclaim_failures: int = 0
    """In a row."""
    proclaim_retry_at: Instant | None = None
    """After a failure: not before."""
    blockers: tuple[str, ...] = ()
    """Who keeps the containment from being empty."""
    on_record: bool = False
    """The term's record was, or may have been, written: it must be ended with the term."""
    first_at: Instant = EPOCH
    """When the present first of the queue was first seen to be it."""
    departed: tuple[Departed, ...] = ()
    """Those who stood before us, newest last; bounded."""
    waits_for: tuple[Predecessor, ...] = ()
    """While LEADING: whose end is not proven yet."""
    proof_asked_at: Instant = EPOCH
    """When the last proof was asked for."""
    proofs: int = 0
    """Proofs asked for in this term; spaces out the questions while it waits."""
    unclosed: tuple[TermRecord, ...] = ()
    """Records of terms that are over and do not say so yet, with what they are to say."""
    forget: tuple[Token, ...] = ()
    """Terms long over, whose records go with our own term's end, though nothing has moved them to the ledger."""
    ready_at: Instant | None = None
    """When all that the term runs served for the first time."""
    lost_at: Instant | None = None
    """When the term began to end."""
    note_at: Instant | None = None
    """While LEADING: when its beginning is written to the ledger (``ledger``)."""
    note_tries: int = 0
    previous: TermRecord | None = None
    """The newest term before ours, as its record said when ours was proven."""
    overdue: tuple[TermRecord, ...] = ()
    """Terms long over, whose records go to the ledger."""
    past: Past | None = None
    """Our own last term here."""
    struck: bool = False
    """The guardian's kill-by has passed for the term: it starts nothing of it any more."""
    withheld: str = ""
    """First in the queue, and why it takes no office all the same: nobody moves, or the node is drained."""
    handover: Handover | None = None
    """While the term is being handed over, until our key is gone."""
    answered: str = ""
    """The last request for a switchover that was answered."""
    preferred: tuple[Token, Instant] | None = None
    """While LEADING: the candidate of higher priority that could take over, and since when it could without a break."""
    unmoved: str = ""
    """Why the last handover came to nothing; empty once one did not."""
    move_hold: Instant = EPOCH
    """No movement of our own wish before: the last one came to nothing."""
    move_at: Instant | None = None
    """When to look again whether one is due."""
    hooked: Mapping[ProcessName, str] = field(default_factory=dict)
    """By hook: what it was last run for, and with what success (``hooks``)."""

    @property
    def opened(self) -> bool:
        """Whether the hook *elected* has done its work in this term, or there is none: processes may start."""
        return ELECTED not in self.spec.hooks or self.hooked.get(ELECTED) == f"done {self.term}"

    @property
    def leading(self) -> bool:
        """Whether the office is proven ours and not being given up."""
        return self.phase is ElectionPhase.LEADING

    @property
    def leader(self) -> Candidate | None:
        """The first in the queue as the watch last showed it: a belief, as old as ``queue_at``."""
        return self.queue[0] if self.queue else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The lease shared by the elections of one TTL, with what is known of its life."""

    ttl_seconds: int
    """As asked for; names the session."""
    lease: LeaseId | None = None
    granted_seconds: int = 0
    sent_at: Instant = EPOCH
    """When the last acknowledged grant or renewal was *sent*."""
    asked: bool = False
    """A grant or renewal is unanswered."""
    next_at: Instant = EPOCH
    """When to renew, or to ask for a lease again."""
    failures: int = 0
    """Unanswered or failed requests in a row."""
    lost: bool = False
    """The renew deadline passed: terms under the lease are over, though it may still live."""
    detail: str = ""
    """What the last failure said."""
    confirmed_at: Instant = EPOCH
    """When the question was *sent* that last found every key of our terms in place; EPOCH while there is no term."""
    confirming_at: Instant | None = None
    """When the unanswered one was sent."""
    confirm_at: Instant = EPOCH
    """When to ask next."""
    sight_seconds: float = 0.0
    """How long the last answer to it took."""
    unconfirmed: str = ""
    """Why the last such question was not answered; empty when it was."""
    unchecked: bool = False
    """We did not run for a while and have not seen our keys since: nothing is started or rewritten on what we believed."""

    @property
    def lease_deadline(self) -> Instant:
        """Last instant at which the lease can be proven."""
        return timing.lease_deadline(self.sent_at, self.granted_seconds)

    @property
    def trusted_at(self) -> Instant:
        """From when trust in a term counts: a living lease alone does not show that the term's key is still there."""
        return min(self.sent_at, self.confirmed_at) if self.confirmed_at else self.sent_at

    @property
    def trust_deadline(self) -> Instant:
        """As the lease deadline, for the terms under it."""
        return timing.lease_deadline(self.trusted_at, self.granted_seconds)

    @property
    def renew_deadline(self) -> Instant:
        """Past it without newer acknowledgements, leadership is lost."""
        return timing.renew_deadline(self.trusted_at, self.granted_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything."""

    node: NodeName
    started_at: Instant
    home: Home = field(default_factory=Home)
    wall_offset_seconds: float = 0.0
    """Wall clock less CLOCK_BOOTTIME at start: for the dates people read, never for a decision."""
    spec: Spec | None = None
    """The desired state; None before the first file is adopted."""
    generation: int = 0
    """Counts adopted files."""
    source: str = ""
    loaded_at: Instant = EPOCH
    problems: tuple[str, ...] = ()
    """Of the last file when it was refused; empty when the last one was adopted."""
    rejected_at: Instant | None = None
    pending: ConfigLoaded | None = None
    """A good file that is not in force before it is known whose etcd it names."""
    store: Store = field(default_factory=Store)
    seen: Mapping[str, SeenToken] = field(default_factory=dict)
    """The highest token seen of each election, by its name in etcd."""
    requests: Requests = field(default_factory=Requests)
    """What is asked of nodes, ours among them, in the etcd we are connected to."""
    raising: bool = False
    """The local etcd's revision is being raised."""
    sessions: Mapping[int, Session] = field(default_factory=dict)
    sights: Mapping[LeaseId, LeaseSight] = field(default_factory=dict)
    doomed: Mapping[LeaseId, DoomedLease] = field(default_factory=dict)
    elections: Mapping[ElectionName, Election] = field(default_factory=dict)
    processes: Mapping[ProcessId, Process] = field(default_factory=dict)
    next_run: int = 1
    runs: Mapping[RunId, ProcessId] = field(default_factory=dict)
    """Whose child a live run is."""
    held: frozenset[RunId] = frozenset()
    """The runs that wait just before exec."""
    members: Mapping[ElectionName, tuple[ProcessId, ...]] = field(default_factory=dict)
    """The processes of each election; those of none under the empty name. An index of ``processes``."""
    stopping: str = ""
    """Why the daemon is ending; empty while it is not."""
    exit_code: int = 0
    guardian_lost: bool = False
    exited: bool = False
    """Exit was asked for: nothing follows."""
