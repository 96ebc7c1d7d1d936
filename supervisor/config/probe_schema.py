"""The shape of ready and health probes.

Promises, and does not: as ``schema``, which takes them over.
"""

from collections.abc import Callable
from typing import Annotated

from supervisor.config import probe_values
from supervisor.config.kinds import Command, Count, Path, Seconds, SecondsOrNone, Switch, Text, one_of
from supervisor.config.problems import Refused
from supervisor.config.shape import Before, key_of, section, single
from supervisor.config.tree import Leaf
from supervisor.core.spec import UnhealthyAction


def alone(key: str) -> Callable[[object], object]:
    """A single value stands for a mapping with this one key."""
    return lambda value: {key: value} if isinstance(value, Leaf) else value


def some(value: object) -> object:
    """A single value stands for a list of one; an empty list for a mistake."""
    if value == []:
        raise Refused("the list is empty", "name at least one, or leave the key out")
    return [value] if isinstance(value, Leaf) else value


url_alone, address_alone = alone("url"), alone("address")


@section
class ProbeTls:
    """``tls`` of an http or grpc probe. Files that are replaced on disk are read again."""

    ca: Path | None = None
    """The certificates of the authorities that may have signed the server's: a PEM file.

    Class: live. Default: the machine's own authorities. Example: ca.pem"""

    cert: Path | None = None
    """Our certificate, for a server that asks for one: a PEM file. Needs `key`.

    Class: live. Default: none is shown. Example: probe.pem"""

    key: Path | None = None
    """The private key of `cert`: a PEM file.

    Class: live. Default: none. Example: probe-key.pem"""

    server_name: Text | None = None
    """The name that the server's certificate must have.

    Class: live. Default: the host that is asked. Example: billing.example.org"""

    insecure: Switch | None = None
    """Whether any certificate will do. Of `http` only.

    Class: live. Example: on"""


@section
class Http:
    """``http`` of a probe; a text alone is its `url`."""

    url: Annotated[str, single(probe_values.url)]
    """What is asked for. Its user, password and query are never shown.

    Class: live. Default: required. Example: http://127.0.0.1:8080/healthz"""

    method: Annotated[str, single(probe_values.method)] | None = None
    """The request's method; it has no body.

    Class: live. Example: HEAD"""

    headers: (
        dict[Annotated[str, key_of(probe_values.header_name)], Annotated[str, single(probe_values.header_value)]] | None
    ) = None
    """Headers of the request. Their values are never shown.

    Class: live. Default: none. Example: {Authorization: "Bearer ${API_TOKEN}"}"""

    status: Annotated[list[Annotated[tuple[int, int], single(probe_values.status_range)]], Before(some)] | None = None
    """The answers that pass: a status, a range, or a list of them. Redirects are not followed.

    Class: live. Example: [200, "300-399"]"""

    body: Annotated[tuple[str, str], single(probe_values.body_match)] | None = None
    """What the body must contain: a text, or `/a regular expression/`; its first 64 KiB count.

    Class: live. Default: anything. Example: '/"state": *"ok"/'"""

    socket: Annotated[str, single(probe_values.socket_file)] | None = None
    """A unix socket to connect to, whatever host the URL names; a path relative to this file.

    Class: live. Default: the host and port of the URL. Example: /run/billing.sock"""

    tls: ProbeTls | None = None
    """How an https connection is secured.

    Class: as its keys. Default: what the machine trusts. Example: {ca: ca.pem}"""


@section
class Grpc:
    """``grpc`` of a probe, which asks `grpc.health.v1.Health/Check`; a text alone is its `address`."""

    address: Annotated[str, single(probe_values.address)]
    """Whom to ask: `host:port` or `unix:/path`.

    Class: live. Default: required. Example: 127.0.0.1:50051"""

    service: Annotated[str, single(probe_values.grpc_service)] | None = None
    """The service whose health is asked for.

    Class: live. Default: the server as a whole. Example: billing.v1.Billing"""

    tls: ProbeTls | None = None
    """How the connection is secured.

    Class: as its keys. Default: in the clear. Example: {ca: ca.pem}"""


HttpOrUrl = Annotated[Http, Before(url_alone)]
GrpcOrAddress = Annotated[Grpc, Before(address_alone)]


@section
class Probe:
    """What ready and health probes share. Each names one way to look."""

    exec: Command | None = None
    """Passes when this command exits 0. It runs as the process's user and in its term.

    Class: live. Default: one way to look is required. Example: [/usr/bin/check, --now]"""

    http: HttpOrUrl | None = None
    """Passes when this is answered with a good status: a URL, or a mapping that says more.

    Class: live. Default: one way to look is required. Example: http://127.0.0.1:8080/healthz"""

    tcp: Annotated[str, single(probe_values.address)] | None = None
    """Passes when a connection is accepted: `host:port` or `unix:/path`.

    Class: live. Default: one way to look is required. Example: 127.0.0.1:5432"""

    grpc: GrpcOrAddress | None = None
    """Passes when this answers SERVING: an address, or a mapping that says more.

    Class: live. Default: one way to look is required. Example: 127.0.0.1:50051"""

    initial_delay: SecondsOrNone | None = None
    """Before the first look; a duration.

    Class: live. Example: 5s"""

    every: Seconds | None = None
    """Between two looks; a duration.

    Class: live. Example: 500ms"""

    timeout: Seconds | None = None
    """A look without an answer by then has failed; a duration.

    Class: live. Example: 3s"""

    failures: Count | None = None
    """So many failures in a row make it unhealthy.

    Class: live. Default: 3, of a watchdog 1. Example: 5"""

    successes: Count | None = None
    """So many successes in a row make it ready, or healthy again.

    Class: live. Example: 2"""


@section
class Ready(Probe):
    """``ready`` of a process: how to tell that it can serve. It names one way to look or to be told."""

    notify: Annotated[bool, single(probe_values.switched_on)] | None = None
    """Passes when the process says READY=1 by sd_notify. It learns where at its start.

    Class: restart. Default: one way to look is required. Example: on"""

    log: Annotated[str, single(probe_values.pattern)] | None = None
    """Passes when a line of its output matches this regular expression of Python's.

    Class: live. Default: one way to look is required. Example: 'listening on .*:80$'"""

    within: Seconds | None = None
    """Not ready by then is a failed start; a duration.

    Class: live. Default: wait for ever. Example: 30s"""


@section
class Health(Probe):
    """``health`` of a process: how to tell that it is well. It names one way to look or to be told."""

    watchdog: Annotated[float, single(probe_values.watchdog_seconds)] | None = None
    """The process has to say WATCHDOG=1 by sd_notify at least this often; a duration of 100ms or more. It learns so at its
    start.

    Class: restart. Default: one way to look is required. Example: 10s"""

    on_failure: Annotated[UnhealthyAction, one_of(UnhealthyAction)] | None = None
    """What being unhealthy does beside being proclaimed.

    Class: live. Example: restart"""
