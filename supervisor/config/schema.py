"""The shape of the file: which keys there are, and what kind of value each takes.

Promises: every key that is unknown, missing or of the wrong kind is reported at its place, all at once; a File that
comes out holds only values that ``values`` accepted. Defaults are not stated here: None means that the file is silent,
and ``core.spec`` says what then; where that is None, too, the text under the key says what it means. Does not: compare
values with each other (``relations`` does).

Of pydantic it imports, as ``shape`` does, only the core that validates: every reading of a file would pay for BaseModel
with its schema generator, a tenth of a second.
"""

from functools import cache
from typing import Annotated, NamedTuple

from pydantic_core import SchemaValidator, ValidationError

from supervisor.config import control_schema, outside_schema, units, values
from supervisor.config.kinds import (
    Name,
    NameKey,
    Path,
    Seconds,
    SecondsOrNone,
    Switch,
    Text,
    UnlistedNodes,
    hook,
    one_of,
)
from supervisor.config.problems import MAX_PROBLEMS, Refused
from supervisor.config.process_schema import Hook, Process
from supervisor.config.shape import Before, OrNothing, Whole, schema_of, section, single
from supervisor.config.tree import Leaf, Plain, Steps
from supervisor.core.spec import CampaignWay, CampaignWhen, GiveUp, ReloadPolicy

# --- values of one key -----------------------------------------------------------------------------------------------


def proclaim_every(text: str) -> float:
    """How often the document is written again."""
    if (seconds := units.duration_seconds(text)) < 1:
        raise Refused(f"{text} is too often", "write 1s or more: changes are proclaimed at once anyway")
    return seconds


def some_endpoints(value: object) -> object:
    """An empty list of endpoints is a mistake."""
    if value == []:
        raise Refused("there are no endpoints", "name at least one, or leave 'endpoints' out to run a local etcd")
    return value


def json_object(value: object) -> dict[str, object]:
    """What is proclaimed beside our own fields."""
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


# --- the file --------------------------------------------------------------------------------------------------------


@section
class Tls:
    """``etcd.tls``: how the connection to etcd is secured. Paths are relative to the file they are written in."""

    ca: Path | None = None
    """The certificates of the authorities that may have signed etcd's: a PEM file.

    Class: live. Default: the machine's own authorities. Example: ca.pem"""

    cert: Path | None = None
    """Our own certificate, for an etcd that asks for one: a PEM file. Needs `key`.

    Class: live. Default: none is shown. Example: node.pem"""

    key: Path | None = None
    """The private key of `cert`: a PEM file.

    Class: live. Default: none. Example: node-key.pem"""

    server_name: Text | None = None
    """The name that etcd's certificate must have, where it is not the host of the endpoint.

    Class: live. Default: the host of the endpoint. Example: etcd.example.org"""


@section
class Auth:
    """``etcd.auth``: the etcd user to be, where etcd's authentication is on."""

    user: Text
    """The user's name. It needs read and write on three ranges: the namespace, and the namespace with `.ctl` and `.log`.

    Class: live. Default: required. Example: supervisor"""

    password_file: Path
    """A file that holds the password; read whenever it is needed, so a new password needs no reload.

    Class: live. Default: required. Example: /run/credentials/etcd-password"""


@section
class Etcd:
    """``etcd``: where the elections are held.

    A file with elections and without endpoints starts a private etcd for this machine; a file without elections needs none.
    """

    endpoints: Annotated[list[Annotated[str, single(values.endpoint)]], Before(some_endpoints)] | None = None
    """Every member of the etcd cluster: `host:port`, `https://host:port` or `unix:///path`. A change is live as long as it
    leads to the same cluster, and refused when it leads to another.

    Class: live. Default: a private etcd on this machine. Example: [https://10.0.0.1:2379, https://10.0.0.2:2379]"""

    discovery_srv: Annotated[str, single(values.domain)] | None = None
    """A DNS domain whose SRV records name the members, instead of `endpoints`, as etcd's own client asks for them.

    Class: live. Default: none is asked. Example: example.org"""

    discovery_srv_name: Name | None = None
    """The suffix of the SRV service's name, as etcd's `--discovery-srv-name`.

    Class: live. Default: no suffix. Example: prod"""

    namespace: Annotated[str, single(values.namespace)] | None = None
    """The prefix of every key of ours. Supervisors that are to compete need the same one.

    Class: re-campaign. Example: /prod/supervisor"""

    tls: Tls | None = None
    """How the connection is secured; with https endpoints.

    Class: as its keys. Default: by the scheme of the endpoints. Example: {ca: ca.pem, cert: node.pem, key: node-key.pem}"""

    auth: Auth | None = None
    """Who we are to etcd.

    Class: as its keys. Default: nobody, or the client certificate. Example: {user: supervisor, password_file: /run/pw}"""

    campaign: Annotated[CampaignWay, one_of(CampaignWay)] | None = None
    """How a candidate enters its queue: by one transaction, as etcd's own clients do, or by the Election service's call, for
    an etcd that exposes nothing else (not above 20 elections a node).

    Class: re-campaign. Example: rpc"""


AHook = Annotated[Hook, Before(hook)]
Processes = Annotated[dict[NameKey, Process], OrNothing]


@section
class LeaderHooks:
    """``hooks`` of the leader role: commands at the turns of an election, each a command or a mapping (see *A hook*)."""

    elected: AHook | None = None
    """Run in the term, before its first process; its failure ends the term.

    Class: live. Default: none. Example: [/usr/local/bin/vip, up]"""

    demoted: AHook | None = None
    """Run when every process of the term is gone, before the key is given up; by the guardian if the daemon is dead.

    Class: live. Default: none. Example: {command: [/usr/local/bin/vip, down], timeout: 3s}"""

    gave_up: AHook | None = None
    """Run when a leader process has used up its restarts. Nothing waits for it.

    Class: live. Default: none. Example: /usr/local/bin/page billing"""


@section
class FollowerHooks:
    """``hooks`` of the follower role."""

    leader_changed: AHook | None = None
    """Run on a standby when another node leads, or says something else in `proclaim.value`.

    Class: live. Default: none. Example: [/usr/local/bin/point-proxy]"""

    gave_up: AHook | None = None
    """Run when a follower process has used up its restarts. Nothing waits for it.

    Class: live. Default: none. Example: /usr/local/bin/page billing standby"""


@section
class Leader:
    """``leader`` of an election: what runs on the node that leads, in its term."""

    hooks: LeaderHooks | None = None
    """Commands at the turns of the election.

    Class: as its keys. Default: none. Example: {elected: [/usr/local/bin/vip, up], demoted: [/usr/local/bin/vip, down]}"""

    processes: Processes | None = None
    """The leader processes by name (see *A process*). What is added is started, what is removed is stopped; no other notices.

    Class: live. Default: none. Example: {api: {command: /usr/bin/billing}}"""


@section
class Follower:
    """``follower`` of an election: what runs on a node that takes part and does not lead."""

    hooks: FollowerHooks | None = None
    """Commands at the turns of the election.

    Class: as its keys. Default: none. Example: {leader_changed: [/usr/local/bin/point-proxy]}"""

    processes: Processes | None = None
    """The follower processes by name (see *A process*); none may have the name of a leader process of the same election.

    Class: live. Default: none. Example: {standby: {command: billing --standby}}"""


@section
class Proclaim:
    """``proclaim`` of an election: what the leader's key in etcd says, for all who ask who leads."""

    every: Annotated[float, single(proclaim_every)] | None = None
    """How often the document is written again though nothing has changed; a duration, 1s or more.

    Class: live. Example: 30s"""

    value: Annotated[dict[str, object], Whole(json_object)] | None = None
    """Fields of your own in the document: any JSON of at most 2048 bytes.

    Class: live. Default: none. Example: {address: "http://10.0.0.7:8080"}"""


@section
class Election:
    """One of ``elections``: a contest in which at most one node leads."""

    ttl: Annotated[int, single(values.ttl_seconds)] | None = None
    """How long etcd keeps a leader's lease without a renewal: whole seconds, 2s or more. So much later at most is a leader
    replaced whose machine died; `supervisor check` prints how it is spent.

    Class: re-campaign. Example: 5s"""

    lost_grace: SecondsOrNone | None = None
    """The time that leader processes have between SIGTERM and SIGKILL when the lease is lost; a duration.

    Class: re-campaign. Default: what the TTL leaves. Example: 2s"""

    safety_margin: Seconds | None = None
    """How long before the lease can end everything of the term is dead, whatever happens; a duration.

    Class: re-campaign. Default: 500ms, or 5 % of the TTL if that is more. Example: 1s"""

    campaign_timeout: Seconds | None = None
    """A candidacy that has not won after this long is withdrawn and made anew, at the end of the queue; a duration.

    Class: live. Default: wait for ever. Example: 10m"""

    proclaim: Proclaim | None = None
    """What the leader's key says.

    Class: as its keys. Default: our own fields alone. Example: {every: 10s, value: {address: "http://10.0.0.7:8080"}}"""

    takeover_guard: Switch | None = None
    """Whether a winner starts nothing until its predecessor's end is proven, though etcd lost the key of a lease that lives.

    Class: live. Example: off"""

    on_giveup: Annotated[GiveUp, one_of(GiveUp)] | None = None
    """What happens when a leader process has used up its restarts: another node's turn, or go on without it, degraded.

    Class: live. Example: stay"""

    cooldown: Annotated[tuple[float, float], single(values.cooldown_seconds)] | None = None
    """How long a node does not stand after it gave up or withdrew: first and longest; doubled each time in a row.

    Class: live. Example: 30s..10m"""

    campaign_when: Annotated[CampaignWhen, one_of(CampaignWhen)] | None = None
    """Whether a node stands always, or only while its follower processes are healthy.

    Class: live. Example: healthy"""

    priority: Annotated[int, single(values.priority)] | None = None
    """A healthy candidate of a higher priority is handed the office; from -1000 to 1000. Equal ones move nobody.

    Class: live. Example: 50"""

    priority_cooldown: Seconds | None = None
    """How old a leader's term is at least when it hands over for a priority; a duration.

    Class: live. Example: 5m"""

    reload: Annotated[ReloadPolicy, one_of(ReloadPolicy)] | None = None
    """What a change of anything under this election costs: as little as it allows (keep), or the term (resign): stop, prove
    that nothing is left, resign, campaign anew.

    Class: re-campaign. Example: resign"""

    history: Annotated[int, single(values.kept_terms)] | None = None
    """How many terms the ledger in etcd keeps (`supervisor history`); 0: none beyond the records that takeovers need.

    Class: live. Example: 200"""

    leader: Leader | None = None
    """What the leader runs.

    Class: as its keys. Default: nothing. Example: {processes: {api: {command: /usr/bin/billing}}}"""

    follower: Follower | None = None
    """What every other node runs.

    Class: as its keys. Default: nothing. Example: {processes: {standby: {command: billing --standby}}}"""


@section
class Overlay:
    """One of ``nodes``: what differs on that node.

    Mappings are merged key by key, lists and single values replace those of the file, and ``~`` removes a key.
    """

    etcd: Etcd | None = None
    """What differs in ``etcd`` there.

    Class: as its keys. Default: nothing. Example: {endpoints: [127.0.0.1:2379]}"""

    elections: Annotated[dict[NameKey, Election], OrNothing] | None = None
    """What differs in the elections, or others beside them; `NAME: ~` where the node takes no part.

    Class: live. Default: nothing. Example: {billing: ~}"""

    processes: Processes | None = None
    """What differs in the always processes, or others beside them.

    Class: live. Default: nothing. Example: {exporter: {command: node-exporter --collector.zfs}}"""


@section
class File:
    """The file as a whole. What it includes is part of it."""

    node: Name | None = None
    """This node's name, which no other in the same namespace may have. Part of keys, locks and environments: a running daemon
    refuses another. `--node` stands for it.

    Class: refused. Default: the host name. Example: web-1"""

    etcd: Etcd | None = None
    """Where the elections are held.

    Class: as its keys. Default: a private etcd on this machine, if there are elections. Example: {endpoints: [10.0.0.1:2379]}"""

    elections: Annotated[dict[NameKey, Election], OrNothing] | None = None
    """The elections by name. One that is added begins, one that is removed ends in order; no other notices.

    Class: live. Default: none. Example: {billing: {leader: {processes: {api: {command: /usr/bin/billing}}}}}"""

    processes: Processes | None = None
    """The always processes by name: they run whoever leads (see *A process*).

    Class: live. Default: none. Example: {exporter: {command: node-exporter}}"""

    metrics: outside_schema.Metrics | None = None
    """Where health checks and metrics are.

    Class: as its keys. Default: nowhere. Example: {address: 127.0.0.1:9977}"""

    web: outside_schema.Web | None = None
    """Where the read-only page for a browser is.

    Class: as its keys. Default: nowhere. Example: {address: 127.0.0.1:9978}"""

    notify: Annotated[dict[NameKey, outside_schema.ANotify], OrNothing] | None = None
    """Whom to tell of what happens, by names of your own.

    Class: live. Default: nobody. Example: {pager: {events: process-gave-up, command: /usr/local/bin/page}}"""

    nodes: Annotated[dict[NameKey, Overlay], OrNothing] | None = None
    """What differs on single nodes, by name: keys of the file that are merged into it there. `~` removes a key. What a change
    brings costs what it costs here.

    Class: live. Default: none. Example: {web-1: {elections: {billing: {ttl: 5s}}}}"""

    unlisted_nodes: Annotated[str, one_of(UnlistedNodes)] | None = None
    """Whether a node that ``nodes`` does not list runs the file as it is, or refuses it.

    Class: live. Default: run. Example: refuse"""

    control: control_schema.Control | None = None
    """Who may use the control socket, and for what.

    Class: as its keys. Default: the daemon's user and group may everything, others nothing. Example: {read_group: monitoring}"""

    include: list[Text] | None = None
    """More files: paths, or patterns whose matches are taken in the order of their names; relative to this file. Elections and
    processes of all are put together, and a name may be declared once. What a change brings costs what it costs here.

    Class: live. Default: none. Example: [conf.d/*.yaml]"""


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
    return SchemaValidator(schema_of(File))
