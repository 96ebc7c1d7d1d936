from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StatusRequest(_message.Message):
    __slots__ = ("election", "exits")
    ELECTION_FIELD_NUMBER: _ClassVar[int]
    EXITS_FIELD_NUMBER: _ClassVar[int]
    election: str
    exits: bool
    def __init__(self, election: _Optional[str] = ..., exits: bool = ...) -> None: ...

class Status(_message.Message):
    __slots__ = ("schema_version", "condition", "reasons", "daemon", "config", "store", "sessions", "elections", "processes")
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    DAEMON_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    ELECTIONS_FIELD_NUMBER: _ClassVar[int]
    PROCESSES_FIELD_NUMBER: _ClassVar[int]
    schema_version: int
    condition: str
    reasons: _containers.RepeatedCompositeFieldContainer[Reason]
    daemon: Daemon
    config: Config
    store: Store
    sessions: _containers.RepeatedCompositeFieldContainer[Session]
    elections: _containers.RepeatedCompositeFieldContainer[Election]
    processes: _containers.RepeatedCompositeFieldContainer[Process]
    def __init__(self, schema_version: _Optional[int] = ..., condition: _Optional[str] = ..., reasons: _Optional[_Iterable[_Union[Reason, _Mapping]]] = ..., daemon: _Optional[_Union[Daemon, _Mapping]] = ..., config: _Optional[_Union[Config, _Mapping]] = ..., store: _Optional[_Union[Store, _Mapping]] = ..., sessions: _Optional[_Iterable[_Union[Session, _Mapping]]] = ..., elections: _Optional[_Iterable[_Union[Election, _Mapping]]] = ..., processes: _Optional[_Iterable[_Union[Process, _Mapping]]] = ...) -> None: ...

class Reason(_message.Message):
    __slots__ = ("kind", "subject", "text")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    kind: str
    subject: str
    text: str
    def __init__(self, kind: _Optional[str] = ..., subject: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class Daemon(_message.Message):
    __slots__ = ("node", "pid", "version", "started_at", "uptime_seconds", "loop_lag_seconds", "guardian_pid", "guardian_lost", "containment", "stopping", "drained")
    NODE_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    UPTIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    LOOP_LAG_SECONDS_FIELD_NUMBER: _ClassVar[int]
    GUARDIAN_PID_FIELD_NUMBER: _ClassVar[int]
    GUARDIAN_LOST_FIELD_NUMBER: _ClassVar[int]
    CONTAINMENT_FIELD_NUMBER: _ClassVar[int]
    STOPPING_FIELD_NUMBER: _ClassVar[int]
    DRAINED_FIELD_NUMBER: _ClassVar[int]
    node: str
    pid: int
    version: str
    started_at: str
    uptime_seconds: float
    loop_lag_seconds: float
    guardian_pid: int
    guardian_lost: bool
    containment: str
    stopping: str
    drained: str
    def __init__(self, node: _Optional[str] = ..., pid: _Optional[int] = ..., version: _Optional[str] = ..., started_at: _Optional[str] = ..., uptime_seconds: _Optional[float] = ..., loop_lag_seconds: _Optional[float] = ..., guardian_pid: _Optional[int] = ..., guardian_lost: bool = ..., containment: _Optional[str] = ..., stopping: _Optional[str] = ..., drained: _Optional[str] = ...) -> None: ...

class Config(_message.Message):
    __slots__ = ("source", "generation", "loaded_age_seconds", "problems", "rejected_age_seconds", "hash", "last_good", "unkept")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    LOADED_AGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    REJECTED_AGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    LAST_GOOD_FIELD_NUMBER: _ClassVar[int]
    UNKEPT_FIELD_NUMBER: _ClassVar[int]
    source: str
    generation: int
    loaded_age_seconds: float
    problems: _containers.RepeatedScalarFieldContainer[str]
    rejected_age_seconds: float
    hash: str
    last_good: str
    unkept: str
    def __init__(self, source: _Optional[str] = ..., generation: _Optional[int] = ..., loaded_age_seconds: _Optional[float] = ..., problems: _Optional[_Iterable[str]] = ..., rejected_age_seconds: _Optional[float] = ..., hash: _Optional[str] = ..., last_good: _Optional[str] = ..., unkept: _Optional[str] = ...) -> None: ...

class Store(_message.Message):
    __slots__ = ("used", "endpoints", "namespace", "local", "reachable", "since_seconds", "detail", "cluster", "members", "warnings")
    USED_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    LOCAL_FIELD_NUMBER: _ClassVar[int]
    REACHABLE_FIELD_NUMBER: _ClassVar[int]
    SINCE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    used: bool
    endpoints: _containers.RepeatedScalarFieldContainer[str]
    namespace: str
    local: bool
    reachable: str
    since_seconds: float
    detail: str
    cluster: str
    members: _containers.RepeatedCompositeFieldContainer[Endpoint]
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, used: bool = ..., endpoints: _Optional[_Iterable[str]] = ..., namespace: _Optional[str] = ..., local: bool = ..., reachable: _Optional[str] = ..., since_seconds: _Optional[float] = ..., detail: _Optional[str] = ..., cluster: _Optional[str] = ..., members: _Optional[_Iterable[_Union[Endpoint, _Mapping]]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class Endpoint(_message.Message):
    __slots__ = ("endpoint", "state", "detail", "version", "failures")
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    endpoint: str
    state: str
    detail: str
    version: str
    failures: int
    def __init__(self, endpoint: _Optional[str] = ..., state: _Optional[str] = ..., detail: _Optional[str] = ..., version: _Optional[str] = ..., failures: _Optional[int] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("ttl_seconds", "state", "lease", "granted_seconds", "seconds_left", "confirmed_age_seconds", "failures", "detail")
    TTL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    GRANTED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SECONDS_LEFT_FIELD_NUMBER: _ClassVar[int]
    CONFIRMED_AGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    ttl_seconds: int
    state: str
    lease: str
    granted_seconds: int
    seconds_left: float
    confirmed_age_seconds: float
    failures: int
    detail: str
    def __init__(self, ttl_seconds: _Optional[int] = ..., state: _Optional[str] = ..., lease: _Optional[str] = ..., granted_seconds: _Optional[int] = ..., seconds_left: _Optional[float] = ..., confirmed_age_seconds: _Optional[float] = ..., failures: _Optional[int] = ..., detail: _Optional[str] = ...) -> None: ...

class Election(_message.Message):
    __slots__ = ("name", "role", "phase", "since_seconds", "cause", "token", "lease", "lease_seconds_left", "key", "queue_position", "queue_length", "queue_age_seconds", "leader", "health", "blockers", "waiting_for", "processes", "cooldown_seconds", "cooldown_until", "unfit", "withdraw_seconds", "paused", "priority", "switchover")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    SINCE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    LEASE_SECONDS_LEFT_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    QUEUE_POSITION_FIELD_NUMBER: _ClassVar[int]
    QUEUE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    QUEUE_AGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    BLOCKERS_FIELD_NUMBER: _ClassVar[int]
    WAITING_FOR_FIELD_NUMBER: _ClassVar[int]
    PROCESSES_FIELD_NUMBER: _ClassVar[int]
    COOLDOWN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    COOLDOWN_UNTIL_FIELD_NUMBER: _ClassVar[int]
    UNFIT_FIELD_NUMBER: _ClassVar[int]
    WITHDRAW_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    SWITCHOVER_FIELD_NUMBER: _ClassVar[int]
    name: str
    role: str
    phase: str
    since_seconds: float
    cause: str
    token: int
    lease: str
    lease_seconds_left: float
    key: str
    queue_position: int
    queue_length: int
    queue_age_seconds: float
    leader: Leader
    health: str
    blockers: _containers.RepeatedScalarFieldContainer[str]
    waiting_for: str
    processes: _containers.RepeatedScalarFieldContainer[str]
    cooldown_seconds: float
    cooldown_until: str
    unfit: str
    withdraw_seconds: float
    paused: str
    priority: int
    switchover: str
    def __init__(self, name: _Optional[str] = ..., role: _Optional[str] = ..., phase: _Optional[str] = ..., since_seconds: _Optional[float] = ..., cause: _Optional[str] = ..., token: _Optional[int] = ..., lease: _Optional[str] = ..., lease_seconds_left: _Optional[float] = ..., key: _Optional[str] = ..., queue_position: _Optional[int] = ..., queue_length: _Optional[int] = ..., queue_age_seconds: _Optional[float] = ..., leader: _Optional[_Union[Leader, _Mapping]] = ..., health: _Optional[str] = ..., blockers: _Optional[_Iterable[str]] = ..., waiting_for: _Optional[str] = ..., processes: _Optional[_Iterable[str]] = ..., cooldown_seconds: _Optional[float] = ..., cooldown_until: _Optional[str] = ..., unfit: _Optional[str] = ..., withdraw_seconds: _Optional[float] = ..., paused: _Optional[str] = ..., priority: _Optional[int] = ..., switchover: _Optional[str] = ...) -> None: ...

class Leader(_message.Message):
    __slots__ = ("state", "words", "node", "key", "token", "lease", "value", "proclaimed_state", "proclaimed_health", "proclaimed_since", "ours", "foreign", "source", "age_seconds", "leading")
    STATE_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    PROCLAIMED_STATE_FIELD_NUMBER: _ClassVar[int]
    PROCLAIMED_HEALTH_FIELD_NUMBER: _ClassVar[int]
    PROCLAIMED_SINCE_FIELD_NUMBER: _ClassVar[int]
    OURS_FIELD_NUMBER: _ClassVar[int]
    FOREIGN_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    AGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    LEADING_FIELD_NUMBER: _ClassVar[int]
    state: str
    words: str
    node: str
    key: str
    token: int
    lease: str
    value: str
    proclaimed_state: str
    proclaimed_health: str
    proclaimed_since: str
    ours: bool
    foreign: bool
    source: str
    age_seconds: float
    leading: bool
    def __init__(self, state: _Optional[str] = ..., words: _Optional[str] = ..., node: _Optional[str] = ..., key: _Optional[str] = ..., token: _Optional[int] = ..., lease: _Optional[str] = ..., value: _Optional[str] = ..., proclaimed_state: _Optional[str] = ..., proclaimed_health: _Optional[str] = ..., proclaimed_since: _Optional[str] = ..., ours: bool = ..., foreign: bool = ..., source: _Optional[str] = ..., age_seconds: _Optional[float] = ..., leading: bool = ...) -> None: ...

class Process(_message.Message):
    __slots__ = ("name", "election", "role", "wanted", "phase", "since_seconds", "pid", "uptime_seconds", "ready", "health", "probe_detail", "restarts", "last_exit", "last_exit_age_seconds", "retry_seconds", "kill_seconds", "status_text", "log_lines_lost", "log_trouble", "kind", "halted", "stopping", "blockers", "waiting_for", "last_decision", "exits")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ELECTION_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    SINCE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    UPTIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    PROBE_DETAIL_FIELD_NUMBER: _ClassVar[int]
    RESTARTS_FIELD_NUMBER: _ClassVar[int]
    LAST_EXIT_FIELD_NUMBER: _ClassVar[int]
    LAST_EXIT_AGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    RETRY_SECONDS_FIELD_NUMBER: _ClassVar[int]
    KILL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    STATUS_TEXT_FIELD_NUMBER: _ClassVar[int]
    LOG_LINES_LOST_FIELD_NUMBER: _ClassVar[int]
    LOG_TROUBLE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    HALTED_FIELD_NUMBER: _ClassVar[int]
    STOPPING_FIELD_NUMBER: _ClassVar[int]
    BLOCKERS_FIELD_NUMBER: _ClassVar[int]
    WAITING_FOR_FIELD_NUMBER: _ClassVar[int]
    LAST_DECISION_FIELD_NUMBER: _ClassVar[int]
    EXITS_FIELD_NUMBER: _ClassVar[int]
    name: str
    election: str
    role: str
    wanted: bool
    phase: str
    since_seconds: float
    pid: int
    uptime_seconds: float
    ready: bool
    health: str
    probe_detail: str
    restarts: int
    last_exit: str
    last_exit_age_seconds: float
    retry_seconds: float
    kill_seconds: float
    status_text: str
    log_lines_lost: int
    log_trouble: str
    kind: str
    halted: bool
    stopping: str
    blockers: _containers.RepeatedScalarFieldContainer[str]
    waiting_for: str
    last_decision: str
    exits: _containers.RepeatedCompositeFieldContainer[Exit]
    def __init__(self, name: _Optional[str] = ..., election: _Optional[str] = ..., role: _Optional[str] = ..., wanted: bool = ..., phase: _Optional[str] = ..., since_seconds: _Optional[float] = ..., pid: _Optional[int] = ..., uptime_seconds: _Optional[float] = ..., ready: bool = ..., health: _Optional[str] = ..., probe_detail: _Optional[str] = ..., restarts: _Optional[int] = ..., last_exit: _Optional[str] = ..., last_exit_age_seconds: _Optional[float] = ..., retry_seconds: _Optional[float] = ..., kill_seconds: _Optional[float] = ..., status_text: _Optional[str] = ..., log_lines_lost: _Optional[int] = ..., log_trouble: _Optional[str] = ..., kind: _Optional[str] = ..., halted: bool = ..., stopping: _Optional[str] = ..., blockers: _Optional[_Iterable[str]] = ..., waiting_for: _Optional[str] = ..., last_decision: _Optional[str] = ..., exits: _Optional[_Iterable[_Union[Exit, _Mapping]]] = ...) -> None: ...

class Exit(_message.Message):
    __slots__ = ("at", "age_seconds", "how", "code", "signal", "core_dumped", "oom_killed", "ran_seconds", "cause", "decision", "next_seconds", "lines")
    AT_FIELD_NUMBER: _ClassVar[int]
    AGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    HOW_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    CORE_DUMPED_FIELD_NUMBER: _ClassVar[int]
    OOM_KILLED_FIELD_NUMBER: _ClassVar[int]
    RAN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    NEXT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    at: str
    age_seconds: float
    how: str
    code: int
    signal: str
    core_dumped: bool
    oom_killed: bool
    ran_seconds: float
    cause: str
    decision: str
    next_seconds: float
    lines: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, at: _Optional[str] = ..., age_seconds: _Optional[float] = ..., how: _Optional[str] = ..., code: _Optional[int] = ..., signal: _Optional[str] = ..., core_dumped: bool = ..., oom_killed: bool = ..., ran_seconds: _Optional[float] = ..., cause: _Optional[str] = ..., decision: _Optional[str] = ..., next_seconds: _Optional[float] = ..., lines: _Optional[_Iterable[str]] = ...) -> None: ...

class ReloadRequest(_message.Message):
    __slots__ = ("wait_seconds", "token")
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    wait_seconds: float
    token: str
    def __init__(self, wait_seconds: _Optional[float] = ..., token: _Optional[str] = ...) -> None: ...

class PlanRequest(_message.Message):
    __slots__ = ("content", "name", "key")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    name: str
    key: str
    def __init__(self, content: _Optional[bytes] = ..., name: _Optional[str] = ..., key: _Optional[str] = ...) -> None: ...

class Planned(_message.Message):
    __slots__ = ("schema_version", "problems", "source", "in_force", "generation", "token", "changes", "notes", "in_force_since")
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    IN_FORCE_SINCE_FIELD_NUMBER: _ClassVar[int]
    schema_version: int
    problems: _containers.RepeatedScalarFieldContainer[str]
    source: str
    in_force: str
    generation: int
    token: str
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    notes: _containers.RepeatedScalarFieldContainer[str]
    in_force_since: str
    def __init__(self, schema_version: _Optional[int] = ..., problems: _Optional[_Iterable[str]] = ..., source: _Optional[str] = ..., in_force: _Optional[str] = ..., generation: _Optional[int] = ..., token: _Optional[str] = ..., changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ..., notes: _Optional[_Iterable[str]] = ..., in_force_since: _Optional[str] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("cost", "kind", "name", "role", "here", "ends", "keys", "why", "successor", "gap", "stop_seconds", "seen_stop_seconds")
    COST_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    HERE_FIELD_NUMBER: _ClassVar[int]
    ENDS_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    SUCCESSOR_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    STOP_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SEEN_STOP_SECONDS_FIELD_NUMBER: _ClassVar[int]
    cost: str
    kind: str
    name: str
    role: str
    here: str
    ends: bool
    keys: _containers.RepeatedCompositeFieldContainer[KeyChange]
    why: str
    successor: Successor
    gap: str
    stop_seconds: float
    seen_stop_seconds: float
    def __init__(self, cost: _Optional[str] = ..., kind: _Optional[str] = ..., name: _Optional[str] = ..., role: _Optional[str] = ..., here: _Optional[str] = ..., ends: bool = ..., keys: _Optional[_Iterable[_Union[KeyChange, _Mapping]]] = ..., why: _Optional[str] = ..., successor: _Optional[_Union[Successor, _Mapping]] = ..., gap: _Optional[str] = ..., stop_seconds: _Optional[float] = ..., seen_stop_seconds: _Optional[float] = ...) -> None: ...

class KeyChange(_message.Message):
    __slots__ = ("key", "how", "old", "new")
    KEY_FIELD_NUMBER: _ClassVar[int]
    HOW_FIELD_NUMBER: _ClassVar[int]
    OLD_FIELD_NUMBER: _ClassVar[int]
    NEW_FIELD_NUMBER: _ClassVar[int]
    key: str
    how: str
    old: str
    new: str
    def __init__(self, key: _Optional[str] = ..., how: _Optional[str] = ..., old: _Optional[str] = ..., new: _Optional[str] = ...) -> None: ...

class Successor(_message.Message):
    __slots__ = ("words", "node", "key", "health", "priority", "certain")
    WORDS_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    CERTAIN_FIELD_NUMBER: _ClassVar[int]
    words: str
    node: str
    key: str
    health: str
    priority: int
    certain: bool
    def __init__(self, words: _Optional[str] = ..., node: _Optional[str] = ..., key: _Optional[str] = ..., health: _Optional[str] = ..., priority: _Optional[int] = ..., certain: bool = ...) -> None: ...

class Reloaded(_message.Message):
    __slots__ = ("adopted", "problems", "summary", "settled", "reasons", "outdated", "changed_since")
    ADOPTED_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    SETTLED_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    OUTDATED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_SINCE_FIELD_NUMBER: _ClassVar[int]
    adopted: bool
    problems: _containers.RepeatedScalarFieldContainer[str]
    summary: _containers.RepeatedScalarFieldContainer[str]
    settled: bool
    reasons: _containers.RepeatedCompositeFieldContainer[Reason]
    outdated: bool
    changed_since: bool
    def __init__(self, adopted: bool = ..., problems: _Optional[_Iterable[str]] = ..., summary: _Optional[_Iterable[str]] = ..., settled: bool = ..., reasons: _Optional[_Iterable[_Union[Reason, _Mapping]]] = ..., outdated: bool = ..., changed_since: bool = ...) -> None: ...

class ResignRequest(_message.Message):
    __slots__ = ("election", "wait_seconds")
    ELECTION_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    election: str
    wait_seconds: float
    def __init__(self, election: _Optional[str] = ..., wait_seconds: _Optional[float] = ...) -> None: ...

class Resigned(_message.Message):
    __slots__ = ("outcome", "token", "leader", "waiting_for")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    WAITING_FOR_FIELD_NUMBER: _ClassVar[int]
    outcome: str
    token: int
    leader: Leader
    waiting_for: str
    def __init__(self, outcome: _Optional[str] = ..., token: _Optional[int] = ..., leader: _Optional[_Union[Leader, _Mapping]] = ..., waiting_for: _Optional[str] = ...) -> None: ...

class SwitchoverRequest(_message.Message):
    __slots__ = ("election", "to", "at_seconds", "wait_seconds", "cancel")
    ELECTION_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    AT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    election: str
    to: str
    at_seconds: float
    wait_seconds: float
    cancel: bool
    def __init__(self, election: _Optional[str] = ..., to: _Optional[str] = ..., at_seconds: _Optional[float] = ..., wait_seconds: _Optional[float] = ..., cancel: bool = ...) -> None: ...

class PauseRequest(_message.Message):
    __slots__ = ("election", "resume", "wait_seconds")
    ELECTION_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    election: str
    resume: bool
    wait_seconds: float
    def __init__(self, election: _Optional[str] = ..., resume: bool = ..., wait_seconds: _Optional[float] = ...) -> None: ...

class DrainRequest(_message.Message):
    __slots__ = ("node", "undrain", "followers_stop", "force", "wait_seconds")
    NODE_FIELD_NUMBER: _ClassVar[int]
    UNDRAIN_FIELD_NUMBER: _ClassVar[int]
    FOLLOWERS_STOP_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    node: str
    undrain: bool
    followers_stop: bool
    force: bool
    wait_seconds: float
    def __init__(self, node: _Optional[str] = ..., undrain: bool = ..., followers_stop: bool = ..., force: bool = ..., wait_seconds: _Optional[float] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("text", "outcome")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    text: str
    outcome: str
    def __init__(self, text: _Optional[str] = ..., outcome: _Optional[str] = ...) -> None: ...

class RestartRequest(_message.Message):
    __slots__ = ("process", "wait_seconds")
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    process: str
    wait_seconds: float
    def __init__(self, process: _Optional[str] = ..., wait_seconds: _Optional[float] = ...) -> None: ...

class Restarted(_message.Message):
    __slots__ = ("outcome", "process")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    outcome: str
    process: Process
    def __init__(self, outcome: _Optional[str] = ..., process: _Optional[_Union[Process, _Mapping]] = ...) -> None: ...

class StartRequest(_message.Message):
    __slots__ = ("process", "wait_seconds")
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    process: str
    wait_seconds: float
    def __init__(self, process: _Optional[str] = ..., wait_seconds: _Optional[float] = ...) -> None: ...

class Started(_message.Message):
    __slots__ = ("outcome", "process")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    outcome: str
    process: Process
    def __init__(self, outcome: _Optional[str] = ..., process: _Optional[_Union[Process, _Mapping]] = ...) -> None: ...

class StopRequest(_message.Message):
    __slots__ = ("process", "wait_seconds")
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    process: str
    wait_seconds: float
    def __init__(self, process: _Optional[str] = ..., wait_seconds: _Optional[float] = ...) -> None: ...

class Stopped(_message.Message):
    __slots__ = ("outcome", "process")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    outcome: str
    process: Process
    def __init__(self, outcome: _Optional[str] = ..., process: _Optional[_Union[Process, _Mapping]] = ...) -> None: ...

class LeaderRequest(_message.Message):
    __slots__ = ("election",)
    ELECTION_FIELD_NUMBER: _ClassVar[int]
    election: str
    def __init__(self, election: _Optional[str] = ...) -> None: ...

class ObserveRequest(_message.Message):
    __slots__ = ("elections",)
    ELECTIONS_FIELD_NUMBER: _ClassVar[int]
    elections: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, elections: _Optional[_Iterable[str]] = ...) -> None: ...

class Observation(_message.Message):
    __slots__ = ("at", "election", "leader")
    AT_FIELD_NUMBER: _ClassVar[int]
    ELECTION_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    at: str
    election: str
    leader: Leader
    def __init__(self, at: _Optional[str] = ..., election: _Optional[str] = ..., leader: _Optional[_Union[Leader, _Mapping]] = ...) -> None: ...

class LogsRequest(_message.Message):
    __slots__ = ("processes", "lines", "since_seconds", "follow")
    PROCESSES_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    SINCE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    processes: _containers.RepeatedScalarFieldContainer[str]
    lines: int
    since_seconds: float
    follow: bool
    def __init__(self, processes: _Optional[_Iterable[str]] = ..., lines: _Optional[int] = ..., since_seconds: _Optional[float] = ..., follow: bool = ...) -> None: ...

class LogLines(_message.Message):
    __slots__ = ("process", "stream", "at", "text", "missed")
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    MISSED_FIELD_NUMBER: _ClassVar[int]
    process: str
    stream: str
    at: str
    text: bytes
    missed: int
    def __init__(self, process: _Optional[str] = ..., stream: _Optional[str] = ..., at: _Optional[str] = ..., text: _Optional[bytes] = ..., missed: _Optional[int] = ...) -> None: ...

class HistoryRequest(_message.Message):
    __slots__ = ("election",)
    ELECTION_FIELD_NUMBER: _ClassVar[int]
    election: str
    def __init__(self, election: _Optional[str] = ...) -> None: ...

class History(_message.Message):
    __slots__ = ("election", "source", "detail", "terms")
    ELECTION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    election: str
    source: str
    detail: str
    terms: _containers.RepeatedCompositeFieldContainer[TermStory]
    def __init__(self, election: _Optional[str] = ..., source: _Optional[str] = ..., detail: _Optional[str] = ..., terms: _Optional[_Iterable[_Union[TermStory, _Mapping]]] = ...) -> None: ...

class TermStory(_message.Message):
    __slots__ = ("token", "node", "standing", "why_begun", "why_ended", "won", "ready", "lost", "ended", "gap_seconds", "gap_by")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    STANDING_FIELD_NUMBER: _ClassVar[int]
    WHY_BEGUN_FIELD_NUMBER: _ClassVar[int]
    WHY_ENDED_FIELD_NUMBER: _ClassVar[int]
    WON_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    GAP_SECONDS_FIELD_NUMBER: _ClassVar[int]
    GAP_BY_FIELD_NUMBER: _ClassVar[int]
    token: int
    node: str
    standing: str
    why_begun: str
    why_ended: str
    won: str
    ready: str
    lost: str
    ended: str
    gap_seconds: float
    gap_by: str
    def __init__(self, token: _Optional[int] = ..., node: _Optional[str] = ..., standing: _Optional[str] = ..., why_begun: _Optional[str] = ..., why_ended: _Optional[str] = ..., won: _Optional[str] = ..., ready: _Optional[str] = ..., lost: _Optional[str] = ..., ended: _Optional[str] = ..., gap_seconds: _Optional[float] = ..., gap_by: _Optional[str] = ...) -> None: ...

class EventsRequest(_message.Message):
    __slots__ = ("elections", "kinds", "lines", "follow")
    ELECTIONS_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    elections: _containers.RepeatedScalarFieldContainer[str]
    kinds: _containers.RepeatedScalarFieldContainer[str]
    lines: int
    follow: bool
    def __init__(self, elections: _Optional[_Iterable[str]] = ..., kinds: _Optional[_Iterable[str]] = ..., lines: _Optional[int] = ..., follow: bool = ...) -> None: ...

class Happening(_message.Message):
    __slots__ = ("number", "at", "node", "kind", "election", "process", "token", "text", "facts", "missed")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ELECTION_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    MISSED_FIELD_NUMBER: _ClassVar[int]
    number: int
    at: str
    node: str
    kind: str
    election: str
    process: str
    token: int
    text: str
    facts: str
    missed: int
    def __init__(self, number: _Optional[int] = ..., at: _Optional[str] = ..., node: _Optional[str] = ..., kind: _Optional[str] = ..., election: _Optional[str] = ..., process: _Optional[str] = ..., token: _Optional[int] = ..., text: _Optional[str] = ..., facts: _Optional[str] = ..., missed: _Optional[int] = ...) -> None: ...

class QueueRequest(_message.Message):
    __slots__ = ("election",)
    ELECTION_FIELD_NUMBER: _ClassVar[int]
    election: str
    def __init__(self, election: _Optional[str] = ...) -> None: ...

class Queue(_message.Message):
    __slots__ = ("election", "age_seconds", "candidates")
    ELECTION_FIELD_NUMBER: _ClassVar[int]
    AGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    election: str
    age_seconds: float
    candidates: _containers.RepeatedCompositeFieldContainer[Standing]
    def __init__(self, election: _Optional[str] = ..., age_seconds: _Optional[float] = ..., candidates: _Optional[_Iterable[_Union[Standing, _Mapping]]] = ...) -> None: ...

class Standing(_message.Message):
    __slots__ = ("position", "node", "key", "token", "state", "health", "priority", "ours")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    OURS_FIELD_NUMBER: _ClassVar[int]
    position: int
    node: str
    key: str
    token: int
    state: str
    health: str
    priority: int
    ours: bool
    def __init__(self, position: _Optional[int] = ..., node: _Optional[str] = ..., key: _Optional[str] = ..., token: _Optional[int] = ..., state: _Optional[str] = ..., health: _Optional[str] = ..., priority: _Optional[int] = ..., ours: bool = ...) -> None: ...

class AccessRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Allowed(_message.Message):
    __slots__ = ("control", "reason")
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    control: bool
    reason: str
    def __init__(self, control: bool = ..., reason: _Optional[str] = ...) -> None: ...

class VersionRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Version(_message.Message):
    __slots__ = ("version", "pid", "node", "schema_version")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    version: str
    pid: int
    node: str
    schema_version: int
    def __init__(self, version: _Optional[str] = ..., pid: _Optional[int] = ..., node: _Optional[str] = ..., schema_version: _Optional[int] = ...) -> None: ...
