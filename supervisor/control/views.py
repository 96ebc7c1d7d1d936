"""What the control API says, as plain data: one dataclass for each message of ``control.proto``, field by field.

The meaning of every field is written there, once. None is "not known" or "does not apply", never zero. A client gets
these, so that protobuf's names stop at ``convert``. Does not: know where anything comes from (``describe`` does).
"""

from dataclasses import Field, dataclass
from typing import ClassVar, Final, Protocol

SCHEMA_VERSION: Final = 1
"""Of the messages and of ``status --json``. Fields may be added to a version; none is removed or changes its meaning."""

# Status.condition
HEALTHY: Final = "healthy"
DEGRADED: Final = "degraded"
UNKNOWN: Final = "unknown"
"""Also a Reason.kind, a Leader.state and a Store.reachable."""

# Reason.kind
UNSETTLED: Final = "unsettled"
UNHEALTHY: Final = "unhealthy"

# Leader.state
KNOWN: Final = "known"
NONE: Final = "none"


class View(Protocol):
    """Any of the dataclasses here."""

    __dataclass_fields__: ClassVar[dict[str, Field[object]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing that keeps this node from being healthy."""

    kind: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """The program that answers."""

    node: str
    pid: int
    version: str
    started_at: str
    uptime_seconds: float
    loop_lag_seconds: float
    guardian_pid: int | None
    guardian_lost: bool
    containment: str
    stopping: str
    drained: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The file in force, and what is wrong with the last one if it was refused."""

    source: str
    generation: int
    loaded_age_seconds: float | None
    problems: tuple[str, ...]
    rejected_age_seconds: float | None
    hash: str = ""
    """SHA-256 of all its files together."""
    last_good: str = ""
    """When it was adopted, if it is the last good configuration and not what the file says; else empty."""
    unkept: str = ""
    """Why it is not kept for ``run --last-good``; empty when it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One address of etcd."""

    endpoint: str
    state: str
    detail: str
    version: str
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Etcd."""

    used: bool
    endpoints: tuple[str, ...]
    namespace: str
    local: bool
    reachable: str
    since_seconds: float | None
    detail: str
    cluster: str
    members: tuple[Endpoint, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The lease that the elections of one TTL share."""

    ttl_seconds: int
    state: str
    lease: str
    granted_seconds: int | None
    seconds_left: float | None
    confirmed_age_seconds: float | None
    failures: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """Who leads, as far as can be told, with the source of that knowledge and its age."""

    state: str
    words: str
    node: str = ""
    key: str = ""
    token: int | None = None
    lease: str = ""
    value: str = ""
    proclaimed_state: str = ""
    proclaimed_health: str = ""
    proclaimed_since: str = ""
    ours: bool = False
    foreign: bool = False
    source: str = ""
    age_seconds: float | None = None
    leading: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Election:
    """An election as this node takes part in it."""

    name: str
    role: str
    phase: str
    since_seconds: float
    cause: str
    token: int | None
    lease: str
    lease_seconds_left: float | None
    key: str
    queue_position: int | None
    queue_length: int | None
    queue_age_seconds: float | None
    leader: Leader
    health: str | None
    blockers: tuple[str, ...]
    waiting_for: str
    processes: tuple[str, ...]
    cooldown_seconds: float | None = None
    cooldown_until: str = ""
    unfit: str = ""
    withdraw_seconds: float | None = None
    paused: str = ""
    priority: int = 0
    switchover: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How one child of a process ended, and what was decided then."""

    at: str
    age_seconds: float
    how: str
    code: int | None
    signal: str
    core_dumped: bool
    oom_killed: bool
    ran_seconds: float
    cause: str
    decision: str
    next_seconds: float | None
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A declared process and its present child."""

    name: str
    election: str
    role: str
    wanted: bool
    phase: str
    since_seconds: float
    pid: int | None
    uptime_seconds: float | None
    ready: bool
    health: str | None
    probe_detail: str
    restarts: int
    last_exit: str
    last_exit_age_seconds: float | None
    retry_seconds: float | None
    kill_seconds: float | None
    status_text: str
    log_lines_lost: int
    log_trouble: str
    kind: str = "service"
    halted: bool = False
    stopping: str = ""
    blockers: tuple[str, ...] = ()
    waiting_for: str = ""
    last_decision: str = ""
    exits: tuple[Exit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything this node knows."""

    schema_version: int
    condition: str
    reasons: tuple[Reason, ...]
    daemon: Daemon
    config: Config
    store: Store
    sessions: tuple[Session, ...]
    elections: tuple[Election, ...]
    processes: tuple[Process, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """What became of a reload."""

    adopted: bool
    problems: tuple[str, ...]
    summary: tuple[str, ...]
    settled: bool | None
    reasons: tuple[Reason, ...]
    outdated: bool = False
    changed_since: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """One key that differs."""

    key: str
    how: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Successor:
    """Who is next in a queue."""

    words: str
    node: str
    key: str
    health: str
    priority: int | None
    certain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of one election or process."""

    cost: str
    kind: str
    name: str
    role: str
    here: str
    ends: bool
    keys: tuple[KeyChange, ...]
    why: str
    successor: Successor | None
    gap: str
    stop_seconds: float | None
    seen_stop_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What adopting a file would do."""

    schema_version: int
    problems: tuple[str, ...]
    source: str
    in_force: str
    generation: int
    token: str
    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    in_force_since: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resigned:
    """What became of a resignation."""

    outcome: str
    token: int | None
    leader: Leader
    waiting_for: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How something goes that takes a while."""

    text: str
    outcome: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted:
    """What became of a restart."""

    outcome: str
    process: Process


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What became of a start."""

    outcome: str
    process: Process


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """What became of a stop."""

    outcome: str
    process: Process


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Who leads one election, at one moment."""

    at: str
    election: str
    leader: Leader


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLines:
    """Lines that one stream of one process said."""

    process: str
    stream: str
    at: str
    text: bytes
    missed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TermStory:
    """One term of an election."""

    token: int
    node: str
    standing: str
    why_begun: str
    why_ended: str
    won: str
    ready: str
    lost: str
    ended: str
    gap_seconds: float | None
    gap_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What is on record of an election's terms, newest first."""

    election: str
    source: str
    detail: str
    terms: tuple[TermStory, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One thing that happened."""

    number: int
    at: str
    node: str
    kind: str
    election: str
    process: str
    token: int | None
    text: str
    facts: str
    missed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One candidate of an election."""

    position: int
    node: str
    key: str
    token: int
    state: str
    health: str
    priority: int | None
    ours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Who stands for an election, the leader first."""

    election: str
    age_seconds: float | None
    candidates: tuple[Standing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What a caller may."""

    control: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Which program answers."""

    version: str
    pid: int
    node: str
    schema_version: int
