"""The desired state: what one file asks of one node, as plain data with every default stated here once.

A Spec is complete and valid by construction of ``config``: names are unique, times are positive, needs are acyclic and
every time budget holds. Two equal specs ask for the same thing, so the reconciler may compare them with ``==``.
Does not: know YAML, read files, or expand variables (``config`` did).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from supervisor.core.access import ControlSpec
from supervisor.core.birth import Capabilities, CgroupSpec, IoPriority, Scheduling, SocketSpec
from supervisor.core.names import HOOK_MARK, ElectionName, NodeName, ProcessId, ProcessName, Role
from supervisor.core.outside import MetricsSpec, NotifySpec, WebSpec

DEFAULT_NAMESPACE = "/supervisor"
DEFAULT_TTL_SECONDS = 10


class RestartPolicy(StrEnum):
    """Which exits are followed by a restart."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    """An exit whose code is not in ``expected_exit_codes``, or a signal."""
    NEVER = "never"


class GiveUp(StrEnum):
    """What an election does when a leader process has used up its restarts."""

    RESIGN = "resign"
    STAY = "stay"


class CampaignWhen(StrEnum):
    """When a node stands for an election."""

    ALWAYS = "always"
    HEALTHY = "healthy"
    """While its follower processes are healthy: a node whose standby is sick does not stand."""


class ProcessKind(StrEnum):
    """What it means that a process ends."""

    SERVICE = "service"
    """It is to run as long as its role is played."""
    TASK = "task"
    """It is to end, with an expected exit code, once in each term or standby period, or once for an always process."""


class Need(StrEnum):
    """What must be true of a process before another that needs it is started."""

    READY = "ready"
    """It is ready; a task, and a service that has ended as expected: completed."""
    HEALTHY = "healthy"
    """It is ready, and its health probe, if it has one, does not say otherwise."""
    COMPLETED = "completed"
    """It has ended as expected."""


class StopTo(StrEnum):
    """Who gets the stop signals."""

    MAIN = "main"
    """The main process only."""
    GROUP = "group"
    """The main process's process group: what it started and did not move elsewhere."""
    ALL = "all"
    """Everything in the containment."""


class UnhealthyAction(StrEnum):
    """What a failing health probe does beside being proclaimed."""

    REPORT = "report"
    RESTART = "restart"


class ReloadPolicy(StrEnum):
    """What a change under an election costs."""

    KEEP = "keep"
    """As little as the change allows: the term goes on, changed processes restart."""
    RESIGN = "resign"
    """Any change ends the term: stop, resign, campaign anew."""


class CampaignWay(StrEnum):
    """How a candidate enters its queue; the key it leaves there is the same."""

    TRANSACTION = "transaction"
    """One KV transaction, many elections at once: the way of etcd's Go client and ``etcdctl elect``."""
    RPC = "rpc"
    """The Election service's Campaign, one call per election, which blocks until its turn comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSpec:
    """Files of the TLS connection to etcd; all absolute paths, or None where not used."""

    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    server_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSpec:
    """etcd user; the password stays in its file and is read when needed, so that no spec ever holds it."""

    user: str
    password_file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EtcdSpec:
    """Where the elections are held. ``endpoints`` is empty for the local etcd."""

    endpoints: tuple[str, ...] = ()
    """URLs with scheme, host and port: ``http://10.0.0.1:2379``; or ``unix:///run/etcd.sock``."""
    discovery_srv: str | None = None
    """The domain whose SRV records name the endpoints, instead of ``endpoints``."""
    discovery_srv_name: str | None = None
    """As etcd's ``--discovery-srv-name``: a suffix of the service's name."""
    namespace: str = DEFAULT_NAMESPACE
    """Key prefix without a trailing slash."""
    tls: TlsSpec | None = None
    auth: AuthSpec | None = None
    campaign: CampaignWay = CampaignWay.TRANSACTION


class ProbeKind(StrEnum):
    """How a probe looks."""

    EXEC = "exec"
    HTTP = "http"
    TCP = "tcp"
    GRPC = "grpc"
    NOTIFY = "notify"
    """The child says READY=1 by sd_notify."""
    WATCHDOG = "watchdog"
    """The child says WATCHDOG=1 by sd_notify, again and again."""
    LOG = "log"
    """A line of the child's output matches."""


TOLD_BY_NOTIFY = frozenset({ProbeKind.NOTIFY, ProbeKind.WATCHDOG})
"""The child must have been started with a socket for these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeTls:
    """How a probe speaks TLS; absolute paths. ``ca`` None: what the machine trusts."""

    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    server_name: str | None = None
    insecure: bool = False
    """Any certificate will do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSpec:
    """What an http probe asks beside its URL, and what it takes for an answer."""

    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """In the order of the file; they may hold secrets."""
    statuses: tuple[tuple[int, int], ...] = ((200, 399),)
    """Ranges, both ends included."""
    body: str = ""
    """A text that the body must contain; empty: none is asked for."""
    pattern: str = ""
    """A regular expression that must match somewhere in the body, likewise."""
    socket: str | None = None
    """A unix socket to connect to, whatever host the URL names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSpec:
    """One check of a process: ready (once, before others rely on it) or health (again and again)."""

    kind: ProbeKind
    command: tuple[str, ...] = ()
    """For ``exec``: passes when it exits 0."""
    url: str = field(default="", repr=False)
    """For ``http``: passes on an answer as ``http`` wants it. May hold a password."""
    http: HttpSpec = field(default_factory=HttpSpec)
    address: str = ""
    """For ``tcp`` and ``grpc``, ``host:port`` or ``unix:/path``. ``tcp`` passes when the connection is accepted."""
    service: str = ""
    """For ``grpc``: whose health is asked for; empty is the server's own. Passes on SERVING."""
    tls: ProbeTls | None = None
    """For ``grpc``: None is without TLS. For ``http``: None is TLS by the machine's own trust if the URL is https."""
    pattern: str = ""
    """For ``log``: a regular expression that matches somewhere in a line."""
    initial_delay_seconds: float = 0.0
    """Between the start of the probe and its first look."""
    every_seconds: float = 2.0
    """Between two looks. For ``watchdog``: each so often, a sign of life is due."""
    timeout_seconds: float = 1.0
    failures: int = 3
    """This many failures in a row make a healthy process unhealthy."""
    successes: int = 1
    """This many successes in a row make it ready, or healthy again."""
    within_seconds: float | None = None
    """For ``ready``: not ready by then counts as a failed start. None waits for ever."""
    action: UnhealthyAction = UnhealthyAction.REPORT
    """For ``health``: what being unhealthy does beside being proclaimed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartSpec:
    """When and how fast a process is started again."""

    policy: RestartPolicy = RestartPolicy.ALWAYS
    expected_exit_codes: tuple[int, ...] = (0,)
    backoff_min_seconds: float = 0.1
    backoff_max_seconds: float = 30.0
    limit: int | None = 5
    """At most this many restarts ... (None: as many as it takes)"""
    period_seconds: float = 60.0
    """... within this time; one more and the process has given up."""
    reset_after_seconds: float = 10.0
    """A child that ran this long was no failed start: the backoff begins anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSpec:
    """How a process is asked to end, and how long it may take before the whole containment is killed."""

    signal: str = "SIGTERM"
    timeout_seconds: float = 10.0
    """From the first signal to SIGKILL for the whole containment."""
    then: tuple[tuple[str, float], ...] = ()
    """Further signals, each so many seconds after the first."""
    to: StopTo = StopTo.GROUP
    before: tuple[str, ...] = ()
    """A command run before the first signal, beside the process and in its term. Not at an unwilling stop."""
    before_timeout_seconds: float = 5.0
    """It is killed, and the first signal sent, after this long at the latest."""


class LogTarget(StrEnum):
    """Where lines go."""

    FILE = "file"
    STDOUT = "stdout"
    """The supervisor's own output."""
    JOURNAL = "journal"
    SYSLOG = "syslog"


class SyslogFormat(StrEnum):
    """How a datagram to syslog is written."""

    RFC3164 = "rfc3164"
    RFC5424 = "rfc5424"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSpec:
    """Where a process's output goes, beside the last 64 KiB that stay in memory whatever is asked for here."""

    targets: tuple[LogTarget, ...] | None = None
    """None: the file if there is one, else the supervisor's own output. Empty: nowhere."""
    file: str | None = None
    stderr_file: str | None = None
    """stderr goes here instead of to ``file``; rotated as that is."""
    max_size_bytes: int = 50_000_000
    """0: never rotated by size."""
    max_age_seconds: float | None = None
    """Rotated at each multiple of this in UTC; None: never by age."""
    keep: int = 10
    compress: bool = False
    """Old files are packed with gzip."""
    json: bool = False
    """Every line becomes a JSON object unless it is one."""
    timestamps: bool = False
    prefix: bool | None = None
    """Each line begins with the process's name. None: on the supervisor's own output only."""
    syslog_facility: str = "daemon"
    syslog_format: SyslogFormat = SyslogFormat.RFC3164

    def destinations(self) -> tuple[LogTarget, ...]:
        """The targets in force."""
        if self.targets is not None:
            return self.targets
        return (LogTarget.STDOUT,) if self.file is None else (LogTarget.FILE,)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """A declared process. The fields named in ``diff.LIVE_PROCESS_FIELDS`` change without touching the running child."""

    id: ProcessId
    role: Role
    command: tuple[str, ...]
    """Executed as it is; never given to a shell. The first word is looked up on PATH when it has no slash."""
    directory: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    environment_files: tuple[str, ...] = ()
    """Read at each start, in order; ``environment`` wins over them."""
    pass_environment: tuple[str, ...] = ()
    """Variables of the daemon's own environment that the child gets too; the files and ``environment`` win over them."""
    user: str | None = None
    """``name`` or ``name:group``; numbers allowed."""
    groups: tuple[str, ...] | None = None
    """Exactly these supplementary groups. None: those that the user database gives ``user``."""
    umask: int | None = None
    limits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """rlimits, soft and hard, by lower-case name without RLIMIT_: ``nofile``. -1 is unlimited."""
    nice: int | None = None
    scheduling: Scheduling | None = None
    ionice: IoPriority | None = None
    oom_score_adj: int | None = None
    cpu_affinity: tuple[int, ...] = ()
    """The CPUs it may run on; empty: all that the supervisor may."""
    capabilities: Capabilities | None = None
    no_new_privileges: bool = False
    private_tmp: bool = False
    """Temporary directories (/tmp, /var/tmp) of its own, empty at each start."""
    cgroup: CgroupSpec | None = None
    sockets: Mapping[str, SocketSpec] = field(default_factory=dict)
    """Passed by LISTEN_FDS, in this order from descriptor 3 on."""
    pty: bool = False
    """stdout and stderr are one pseudo terminal instead of two pipes."""
    kind: ProcessKind = ProcessKind.SERVICE
    timeout_seconds: float | None = None
    """Of a task: how long one run of it may take before it is stopped and counts as failed. None: as long as it likes."""
    needs: Mapping[ProcessName, Need] = field(default_factory=dict)
    """Processes of the same role and election, and what must be true of each before this one is started."""
    ready: ProbeSpec | None = None
    health: ProbeSpec | None = None
    restart: RestartSpec = field(default_factory=RestartSpec)
    stop: StopSpec = field(default_factory=StopSpec)
    log: LogSpec = field(default_factory=LogSpec)

    @property
    def notifies(self) -> bool:
        """Whether a child of it is given a socket to notify."""
        return any(probe is not None and probe.kind in TOLD_BY_NOTIFY for probe in (self.ready, self.health))

    @property
    def watchdog_seconds(self) -> float | None:
        """How often a child of it is told to give a sign of life."""
        watched = self.health is not None and self.health.kind is ProbeKind.WATCHDOG
        return self.health.every_seconds if watched and self.health is not None else None


class HookKind(StrEnum):
    """When a hook runs."""

    ELECTED = "elected"
    """The term is proven, nothing of it runs yet; the leader processes wait for it, and its failure ends the term."""
    DEMOTED = "demoted"
    """Everything else of the term is gone; the key is given up after it."""
    GAVE_UP = "gave_up"
    """A process of the role has used up its restarts."""
    LEADER_CHANGED = "leader_changed"
    """Somebody else leads now, or says something else about itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookSpec:
    """A command that is run once at a turn of an election, contained and awaited like a process."""

    kind: HookKind
    process: ProcessSpec
    """Never restarted. Its name is ``hook_name`` of the kind and role."""
    timeout_seconds: float = 10.0
    """It is killed after this long, and has failed."""


def hook_name(kind: HookKind, role: Role) -> ProcessName:
    """``@elected``; ``@standby_gave_up`` for the only kind that both roles have."""
    standby = "standby_" if role is Role.FOLLOWER and kind is HookKind.GAVE_UP else ""
    return ProcessName(f"{HOOK_MARK}{standby}{kind}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProclaimSpec:
    """What the candidate key says beside our own fields."""

    every_seconds: float = 10.0
    """The document is written again after this long even if nothing changed."""
    value: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectionSpec:
    """A named contest and the processes of its two roles."""

    name: ElectionName
    ttl_seconds: int = DEFAULT_TTL_SECONDS
    lost_grace_seconds: float | None = None
    """Time between SIGTERM and SIGKILL when the lease is lost. None: what the TTL leaves (``timing.lost_grace``)."""
    safety_margin_seconds: float | None = None
    """kill-by's distance from the lease deadline. None: max(0.5 s, 5 % of the TTL)."""
    campaign_timeout_seconds: float | None = None
    """A campaign not won by then is withdrawn and renewed; the follower role goes on. None: wait for ever."""
    proclaim: ProclaimSpec = field(default_factory=ProclaimSpec)
    takeover_guard: bool = True
    """A winner starts nothing until its predecessor's end is proven, though etcd deleted the key of a live lease."""
    on_giveup: GiveUp = GiveUp.RESIGN
    cooldown_min_seconds: float = 10.0
    """How long a node does not stand after a give-up or a withdrawal; doubles with each in a row ..."""
    cooldown_max_seconds: float = 300.0
    """... up to this."""
    campaign_when: CampaignWhen = CampaignWhen.ALWAYS
    priority: int = 0
    """A healthy candidate of a higher one is handed the office ..."""
    priority_cooldown_seconds: float = 60.0
    """... by a leader whose term is at least so old."""
    reload: ReloadPolicy = ReloadPolicy.KEEP
    history: int = 50
    """Terms that the ledger in etcd keeps; 0: none beyond the records that takeovers need."""
    leader: Mapping[ProcessName, ProcessSpec] = field(default_factory=dict)
    follower: Mapping[ProcessName, ProcessSpec] = field(default_factory=dict)
    hooks: Mapping[ProcessName, HookSpec] = field(default_factory=dict)
    """Of both roles, by ``hook_name``. A change is live: what runs ends as it began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """Everything one file asks of this node."""

    node: NodeName
    etcd: EtcdSpec = field(default_factory=EtcdSpec)
    elections: Mapping[ElectionName, ElectionSpec] = field(default_factory=dict)
    processes: Mapping[ProcessName, ProcessSpec] = field(default_factory=dict)
    """The always processes."""
    metrics: MetricsSpec | None = None
    web: WebSpec | None = None
    notify: Mapping[str, NotifySpec] = field(default_factory=dict)
    control: ControlSpec | None = None
    local_etcd: ProcessSpec | None = None
    """The private etcd to run before anything campaigns, with ``etcd.endpoints`` naming it; None when there is another."""

    def process_specs(self) -> dict[ProcessId, ProcessSpec]:
        """Every declared process of every role, by id."""
        roles = [self.processes, *(role for e in self.elections.values() for role in (e.leader, e.follower))]
        return {p.id: p for role in roles for p in role.values()}
