"""The shape of the file: which keys there are, and what kind of value each takes.

Promises: every key that is unknown, missing or of the wrong kind is reported at its place, all at once; a File that
comes out holds only values that ``values`` accepted. Defaults are not stated here: None means that the file is silent,
and ``core.spec`` says what then. Does not: compare values with each other (``relations`` does).

Of pydantic it imports, as ``shape`` does, only the core that validates: the daemon keeps for ever what it has imported,
and BaseModel with its schema generator is 9 MB and a tenth of a second more.
"""

from functools import cache
from typing import Annotated, NamedTuple

from pydantic_core import SchemaValidator, ValidationError

from supervisor.config import birth_schema, life_relations, log_values, probe_schema, probe_values, units, values
from supervisor.config.problems import MAX_PROBLEMS, Refused
from supervisor.config.shape import Before, OrNothing, Whole, section
from supervisor.config.shape import key_of as _key
from supervisor.config.shape import leaf as _leaf
from supervisor.config.shape import schema_of as _section
from supervisor.config.shape import single as _single
from supervisor.config.tree import Empty, Kind, Leaf, Plain, Steps
from supervisor.core.birth import Scheduling
from supervisor.core.spec import (
    CampaignWay,
    CampaignWhen,
    GiveUp,
    Need,
    ProcessKind,
    ReloadPolicy,
    RestartPolicy,
    StopTo,
    SyslogFormat,
    UnhealthyAction,
)

# --- single values ---------------------------------------------------------------------------------------------------


def _duration(text: str, *, zero: bool) -> float:
    seconds = units.duration_seconds(text)
    if seconds <= 0 and not zero:
        raise Refused(f"{text} is no time at all", "write a duration above 0, such as 500ms")
    return seconds


def _proclaim_every(text: str) -> float:
    if (seconds := units.duration_seconds(text)) < 1:
        raise Refused(f"{text} is too often", "write 1s or more: changes are proclaimed at once anyway")
    return seconds


_Words = (
    CampaignWay | CampaignWhen | GiveUp | ProcessKind | ReloadPolicy | RestartPolicy | Scheduling | StopTo | SyslogFormat
    | UnhealthyAction
)  # fmt: skip


def _one_of(enum: type[_Words]) -> Whole:
    return _single(lambda text: enum(values.choice(text, [str(member) for member in enum])))


Text = Annotated[str, _single(str)]
Name = Annotated[str, _single(values.name)]
Path = Annotated[str, _single(values.path)]
Seconds = Annotated[float, _single(lambda text: _duration(text, zero=False))]
SecondsOrNone = Annotated[float, _single(lambda text: _duration(text, zero=True))]
Count = Annotated[int, _single(lambda text: values.whole_number(text, least=1))]


# --- lists and mappings ----------------------------------------------------------------------------------------------


def _words(value: object) -> object:
    """A command in one text becomes its words; a list is one already."""
    if not isinstance(value, list):
        text = _leaf(value)
        value = [Leaf(word, Kind.TEXT, text.directory) for word in values.words(text)]
    if not value or (isinstance(value[0], Leaf) and not value[0].strip()):
        raise Refused("the command is empty", "write the program and its arguments: [program, argument]")
    if isinstance(value[0], Leaf) and value[0].startswith("~"):
        values.path(value[0])
    return value


def _endpoints(value: object) -> object:
    if value == []:
        raise Refused("there are no endpoints", "name at least one, or leave 'endpoints' out to run a local etcd")
    return value


def _list(value: object) -> object:
    """One value where a list is expected is a list of one."""
    return value if isinstance(value, list) else [_leaf(value)]


def _json_object(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise Refused("the value is not a mapping", "write keys: {address: ...}")
    return {key: _json(part) for key, part in value.items()}


def _json(value: Plain) -> object:
    if isinstance(value, Leaf):
        try:
            return values.json_scalar(value)
        except Refused:
            return None  # `relations` reports it, at its own place
    if isinstance(value, dict):
        return {key: _json(part) for key, part in value.items()}
    return [_json(part) for part in value] if isinstance(value, list) else None


def _hook(value: object) -> object:
    """A hook may be nothing but its command."""
    return value if isinstance(value, dict | Empty) else {"command": value}


Word = Annotated[Leaf, Whole(_leaf)]
Command = Annotated[list[Word], Before(_words)]
Environment = Annotated[
    dict[Annotated[str, _key(values.variable_name)], Text],
    OrNothing,
]
NameKey = Annotated[str, _key(values.name)]


# --- the file --------------------------------------------------------------------------------------------------------


@section
class Tls:
    """``etcd.tls``."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    server_name: Text | None = None


@section
class Auth:
    """``etcd.auth``."""

    user: Text
    password_file: Path


@section
class Etcd:
    """``etcd``."""

    endpoints: Annotated[list[Annotated[str, _single(values.endpoint)]], Before(_endpoints)] | None = None
    discovery_srv: Annotated[str, _single(values.domain)] | None = None
    discovery_srv_name: Name | None = None
    namespace: Annotated[str, _single(values.namespace)] | None = None
    tls: Tls | None = None
    auth: Auth | None = None
    campaign: Annotated[CampaignWay, _one_of(CampaignWay)] | None = None


@section
class Probe:
    """What ready and health probes share."""

    exec: Command | None = None
    http: probe_schema.HttpOrUrl | None = None
    tcp: Annotated[str, _single(probe_values.address)] | None = None
    grpc: probe_schema.GrpcOrAddress | None = None
    initial_delay: SecondsOrNone | None = None
    every: Seconds | None = None
    timeout: Seconds | None = None
    failures: Count | None = None
    successes: Count | None = None


@section
class Ready(Probe):
    """``ready`` of a process."""

    notify: Annotated[bool, _single(probe_values.switched_on)] | None = None
    log: Annotated[str, _single(probe_values.pattern)] | None = None
    within: Seconds | None = None


@section
class Health(Probe):
    """``health`` of a process."""

    watchdog: Annotated[float, _single(probe_values.watchdog_seconds)] | None = None
    on_failure: Annotated[UnhealthyAction, _one_of(UnhealthyAction)] | None = None


@section
class Restart:
    """``restart`` of a process."""

    policy: Annotated[RestartPolicy, _one_of(RestartPolicy)] | None = None
    expected: list[Annotated[int, _single(values.expected_exit_code)]] | None = None
    backoff: Annotated[tuple[float, float], _single(values.backoff_seconds)] | None = None
    limit: Annotated[tuple[int | None, float], _single(values.restart_limit)] | None = None
    reset_after: Seconds | None = None


@section
class Stop:
    """``stop`` of a process."""

    signal: Annotated[str, _single(values.signal_name)] | None = None
    timeout: SecondsOrNone | None = None
    signals: list[Annotated[tuple[str, float], _single(values.stop_step)]] | None = None
    to: Annotated[StopTo, _one_of(StopTo)] | None = None
    before: Command | None = None
    before_timeout: Seconds | None = None


@section
class Syslog:
    """``log.syslog`` of a process."""

    facility: Annotated[str, _single(log_values.facility)] | None = None
    format: Annotated[SyslogFormat, _one_of(SyslogFormat)] | None = None


@section
class Log:
    """``log`` of a process."""

    to: Annotated[list[Annotated[str, _single(log_values.log_target)]], Before(_list)] | None = None
    file: Path | None = None
    stderr_file: Path | None = None
    max_size: Annotated[int, _single(log_values.log_size)] | None = None
    max_age: Annotated[float, _single(log_values.log_age)] | None = None
    keep: Annotated[int, _single(lambda text: values.whole_number(text, most=1000))] | None = None
    compress: Annotated[bool, _single(log_values.compression)] | None = None
    format: Annotated[bool, _single(log_values.log_format)] | None = None
    timestamps: Annotated[bool, _single(values.switch)] | None = None
    prefix: Annotated[bool, _single(values.switch)] | None = None
    syslog: Syslog | None = None


@section
class Process:
    """One declared process, in any role."""

    command: Command
    directory: Path | None = None
    environment: Environment | None = None
    environment_files: list[Path] | None = None
    pass_environment: birth_schema.PassedVariables | None = None
    user: Annotated[str, _single(values.user)] | None = None
    umask: Annotated[int, _single(values.umask)] | None = None
    limits: birth_schema.Limits | None = None
    groups: birth_schema.Groups | None = None
    nice: birth_schema.Nice | None = None
    scheduling: Annotated[Scheduling, _one_of(Scheduling)] | None = None
    ionice: birth_schema.IoNice | None = None
    oom_score_adj: birth_schema.OomScoreAdj | None = None
    cpu_affinity: birth_schema.Cpus | None = None
    capabilities: birth_schema.Capabilities | None = None
    no_new_privileges: birth_schema.Switch | None = None
    private_tmp: birth_schema.Switch | None = None
    cgroup: birth_schema.Cgroup | None = None
    sockets: birth_schema.Sockets | None = None
    pty: birth_schema.Switch | None = None
    instances: birth_schema.Instances | None = None
    kind: Annotated[ProcessKind, _one_of(ProcessKind)] | None = None
    timeout: Seconds | None = None
    needs: Annotated[dict[str, Need], Whole(life_relations.needs)] | None = None
    ready: Ready | None = None
    health: Health | None = None
    restart: Restart | None = None
    stop: Stop | None = None
    log: Log | None = None


Processes = Annotated[dict[NameKey, Process], OrNothing]


@section
class Hook:
    """A hook of an election: a command, or a mapping that says more about it."""

    command: Command
    timeout: Seconds | None = None
    directory: Path | None = None
    environment: Environment | None = None
    environment_files: list[Path] | None = None
    user: Annotated[str, _single(values.user)] | None = None
    umask: Annotated[int, _single(values.umask)] | None = None
    limits: birth_schema.Limits | None = None


AHook = Annotated[Hook, Before(_hook)]


@section
class LeaderHooks:
    """``hooks`` of the leader role."""

    elected: AHook | None = None
    demoted: AHook | None = None
    gave_up: AHook | None = None


@section
class FollowerHooks:
    """``hooks`` of the follower role."""

    leader_changed: AHook | None = None
    gave_up: AHook | None = None


@section
class Leader:
    """``leader`` of an election."""

    hooks: LeaderHooks | None = None
    processes: Processes | None = None


@section
class Follower:
    """``follower`` of an election."""

    hooks: FollowerHooks | None = None
    processes: Processes | None = None


@section
class Proclaim:
    """``proclaim`` of an election."""

    every: Annotated[float, _single(_proclaim_every)] | None = None
    value: Annotated[dict[str, object], Whole(_json_object)] | None = None


@section
class Election:
    """One election."""

    ttl: Annotated[int, _single(values.ttl_seconds)] | None = None
    lost_grace: SecondsOrNone | None = None
    safety_margin: Seconds | None = None
    campaign_timeout: Seconds | None = None
    proclaim: Proclaim | None = None
    takeover_guard: Annotated[bool, _single(values.switch)] | None = None
    on_giveup: Annotated[GiveUp, _one_of(GiveUp)] | None = None
    cooldown: Annotated[tuple[float, float], _single(values.cooldown_seconds)] | None = None
    campaign_when: Annotated[CampaignWhen, _one_of(CampaignWhen)] | None = None
    reload: Annotated[ReloadPolicy, _one_of(ReloadPolicy)] | None = None
    leader: Leader | None = None
    follower: Follower | None = None


@section
class Overlay:
    """What differs on one node; merged into the file before it comes here (``overlays``)."""

    etcd: Etcd | None = None
    elections: Annotated[dict[NameKey, Election], OrNothing] | None = None
    processes: Processes | None = None


@section
class File:
    """The whole file, its includes merged into it."""

    node: Name | None = None
    etcd: Etcd | None = None
    elections: Annotated[dict[NameKey, Election], OrNothing] | None = None
    processes: Processes | None = None
    nodes: Annotated[dict[NameKey, Overlay], OrNothing] | None = None
    unlisted_nodes: Annotated[str, _single(lambda text: values.choice(text, ("run", "refuse")))] | None = None
    include: list[Text] | None = None


# --- reading it ------------------------------------------------------------------------------------------------------


class Misfit(NamedTuple):
    """One thing that does not fit the shape, as the validator tells it; ``mistakes`` puts it into words."""

    kind: str
    path: Steps
    found: object
    refusal: Refused | None


def read(data: Plain) -> File | list[Misfit]:
    """The file as a File, or everything about it that does not fit."""
    try:
        file = _validator().validate_python(data)
    except ValidationError as e:
        misfits = []
        for error in e.errors(include_url=False)[:MAX_PROBLEMS]:
            cause = error.get("ctx", {}).get("error")
            refusal = cause if isinstance(cause, Refused) else None
            misfits.append(Misfit(error["type"], error["loc"], error["input"], refusal))
        return misfits
    assert isinstance(file, File)
    return file


@cache
def _validator() -> SchemaValidator:
    return SchemaValidator(_section(File))
