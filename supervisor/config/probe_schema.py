"""The shape of an http or grpc probe that is more than an address.

Promises, and does not: as ``schema``, which takes them over.
"""

from collections.abc import Callable
from typing import Annotated

from supervisor.config import probe_values, values
from supervisor.config.problems import Refused
from supervisor.config.shape import Before, key_of, section, single
from supervisor.config.tree import Leaf

Text = Annotated[str, single(str)]
Path = Annotated[str, single(values.path)]
Switch = Annotated[bool, single(values.switch)]


def _alone(key: str) -> Callable[[object], object]:
    """A single value stands for a mapping with this one key."""
    return lambda value: {key: value} if isinstance(value, Leaf) else value


def _some(value: object) -> object:
    """A single value stands for a list of one; an empty list for a mistake."""
    if value == []:
        raise Refused("the list is empty", "name at least one, or leave the key out")
    return [value] if isinstance(value, Leaf) else value


@section
class ProbeTls:
    """``tls`` of an http or grpc probe."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    server_name: Text | None = None
    insecure: Switch | None = None


@section
class Http:
    """``http`` of a probe; a text alone is its URL."""

    url: Annotated[str, single(probe_values.url)]
    method: Annotated[str, single(probe_values.method)] | None = None
    headers: (
        dict[Annotated[str, key_of(probe_values.header_name)], Annotated[str, single(probe_values.header_value)]] | None
    ) = None
    status: Annotated[list[Annotated[tuple[int, int], single(probe_values.status_range)]], Before(_some)] | None = None
    body: Annotated[tuple[str, str], single(probe_values.body_match)] | None = None
    socket: Annotated[str, single(probe_values.socket_file)] | None = None
    tls: ProbeTls | None = None


@section
class Grpc:
    """``grpc`` of a probe; a text alone is its address."""

    address: Annotated[str, single(probe_values.address)]
    service: Annotated[str, single(probe_values.grpc_service)] | None = None
    tls: ProbeTls | None = None


HttpOrUrl = Annotated[Http, Before(_alone("url"))]
GrpcOrAddress = Annotated[Grpc, Before(_alone("address"))]
