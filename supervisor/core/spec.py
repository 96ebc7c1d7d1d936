"""The desired state: what one file asks of one node, as plain data with every default stated here once.

A Spec is complete and valid by construction of ``config``: names are unique, times are positive, needs are acyclic and
every time budget holds. Two equal specs ask for the same thing, so the reconciler may compare them with ``==``.
Does not: know YAML, read files, or expand variables (``config`` did).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from supervisor.core.names import HOOK_MARK, ElectionName, NodeName, ProcessId, ProcessName, Role

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


class ProbeKind(StrEnum):
    """How a probe looks."""

    EXEC = "exec"
    HTTP = "http"
    TCP = "tcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSpec:
    """One active check of a process: ready (once, before others rely on it) or health (again and again)."""

    kind: ProbeKind
    command: tuple[str, ...] = ()
    """For ``exec``: passes when it exits 0."""
    url: str = ""
    """For ``http``: passes on a status of 200 to 399."""
    address: str = ""
    """For ``tcp``, ``host:port``: passes when the connection is accepted."""
    every_seconds: float = 2.0
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


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSpec:
    """Where a process's output goes. ``file`` None: the supervisor's own output, each line prefixed by its name."""

    file: str | None = None
    max_size_bytes: int = 50_000_000
    keep: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """A declared process. The fields named in ``LIVE_PROCESS_FIELDS`` change without touching the running child."""

    id: ProcessId
    role: Role
    command: tuple[str, ...]
    """Executed as it is; never given to a shell. The first word is looked up on PATH when it has no slash."""
    directory: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    environment_files: tuple[str, ...] = ()
    """Read at each start, in order; ``environment`` wins over them."""
    user: str | None = None
    """``name`` or ``name:group``; numbers allowed."""
    umask: int | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    """rlimits by lower-case name without RLIMIT_: ``nofile``."""
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


LIVE_PROCESS_FIELDS = frozenset({"ready", "health", "restart", "stop", "log", "needs", "timeout_seconds"})
"""A change of these never restarts a child: they say how it is watched, not what it is."""


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
    reload: ReloadPolicy = ReloadPolicy.KEEP
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
    local_etcd: ProcessSpec | None = None
    """The private etcd to run before anything campaigns, with ``etcd.endpoints`` naming it; None when there is another."""

    def process_specs(self) -> dict[ProcessId, ProcessSpec]:
        """Every declared process of every role, by id."""
        specs = {p.id: p for p in self.processes.values()}
        for election in self.elections.values():
            specs.update({p.id: p for p in election.leader.values()})
            specs.update({p.id: p for p in election.follower.values()})
        return specs
