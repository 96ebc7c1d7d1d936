"""What is looked at: of an etcd, of this machine, of the unit and of the places.

Promises: plain data; what could not be looked at is None, or has a text that says why not. Does not: judge.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointFacts:
    """One address of etcd."""

    url: str
    error: str = ""
    """Why it did not say how it is; empty when it did."""
    cluster: str = ""
    version: str = ""
    alarms: tuple[str, ...] = ()
    leader: bool = True
    """Whether it sees a leader of its cluster."""
    learner: bool = False
    db_size_bytes: int = 0
    trips_seconds: tuple[float, ...] = ()
    """Of questions that go the way of a renewal, one after the other."""
    trips_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseFacts:
    """A lease that was asked for, and given back."""

    asked_seconds: int
    granted_seconds: int | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeFacts:
    """One of the three ranges of keys."""

    prefix: str
    permitted: bool = True
    written_seconds: float | None = None
    """How long it took to write a scratch key of a lease that ends it."""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFacts:
    """One etcd."""

    endpoints: tuple[EndpointFacts, ...] = ()
    detail: str = ""
    """Why no endpoint is known, or a name among several is not."""
    members: tuple[str, ...] | None = None
    """The names of its voting members; None when it does not say."""
    leases: tuple[LeaseFacts, ...] = ()
    ranges: tuple[RangeFacts, ...] = ()
    login_error: str = ""
    """Etcd asks for a user, and this one is refused or none is named."""
    local: bool = False
    """It is the private etcd of one machine, which has one member by design."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFacts:
    """How this machine tells time."""

    source: str | None
    available: tuple[str, ...] = ()
    suspended_seconds: float = 0.0
    """CLOCK_BOOTTIME less CLOCK_MONOTONIC."""
    hypervisor: bool = False
    steal_share: float | None = None
    """Of all time since the boot, by the hypervisor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardianFacts:
    """What a guardian gets here: the running one, or a trial that asked for the same."""

    of: str
    """``the running guardian (pid 12)``, ``a trial as root``."""
    memory_locked: bool
    realtime: bool
    oom_score_adj: int
    nofile: int
    """The most descriptors."""
    words: tuple[str, ...] = ()
    """What a trial was told by the kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFacts:
    """What a process of this user can do here."""

    cgroup: str = ""
    """A subtree that a process could enter; it is removed again."""
    cgroup_error: str = ""
    deathsig_error: str = ""
    """Why a child outlives its parent; empty when it does not."""
    nproc: int = -1
    """The most processes of this user; -1 is no limit."""
    pids_max: int = -1
    """Of its cgroups; -1 likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitFacts:
    """The systemd unit that the daemon runs, or would run, under."""

    name: str
    kill_mode: str
    delegate: bool
    watchdog_seconds: float
    """0: none."""
    memlock: int
    rtprio: int
    nofile: int
    """Limits; -1 is none."""
    stop_seconds: float
    restart: str
    notify: bool
    """Whether it waits to be told that the daemon is ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFacts:
    """One directory, link or file on the way to a place."""

    path: str
    uid: int
    gid: int
    mode: int
    link: bool = False
    last: bool = False
    owner: str = ""
    group: str = ""
    """Their names, where they have any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceFacts:
    """A file or directory that we need."""

    check: str
    """``state.directory``."""
    path: str
    what: str
    """``the state directory``."""
    steps: tuple[StepFacts, ...] = ()
    write_error: str = ""
    """Why a trial file could not be written in it, or in what there is of it."""
    free_bytes: int | None = None
    """None where nothing will be written."""
    free_inodes: int | None = None
    network: str = ""
    """The kind of the file system where it lies elsewhere: ``nfs4``."""
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """Everything but etcd."""

    clock: ClockFacts | None = None
    guardian: GuardianFacts | None = None
    trial: TrialFacts | None = None
    unit: UnitFacts | None = None
    containment: str = ""
    """Of a daemon that runs: ``cgroup``, ``session``. Empty when none does."""
    places: tuple[PlaceFacts, ...] = ()
    uid: int = 0
    processes: int = 0
    """Declared in the file."""
    stop_seconds: float | None = None
    """How long a whole stop may take by the file; None where there is none."""
