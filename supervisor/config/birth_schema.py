"""The shape of what a child is born with: the sections of a process that few processes have.

Promises, and does not: as ``schema``, which takes them over.
"""

from typing import Annotated

from supervisor.config import birth_values, values
from supervisor.config.problems import Refused
from supervisor.config.shape import Before, OrNothing, Whole, key_of, leaf, section, single
from supervisor.config.tree import Leaf
from supervisor.core.birth import IoPriority, SocketSpec

Switch = Annotated[bool, single(values.switch)]
Weight = Annotated[int, single(birth_values.weight)]
Limits = Annotated[
    dict[Annotated[str, key_of(values.limit_name)], Annotated[tuple[int, int], single(birth_values.limit_pair)]],
    OrNothing,
]
PassedVariables = list[Annotated[str, single(birth_values.passed_variable)]]
Groups = list[Annotated[str, single(birth_values.group)]]
Nice = Annotated[int, single(birth_values.nice)]
OomScoreAdj = Annotated[int, single(birth_values.oom_score_adj)]
Cpus = Annotated[tuple[int, ...], single(birth_values.cpus)]
Backlog = Annotated[int, single(lambda text: values.whole_number(text, least=1))]
Instances = Annotated[int, single(birth_values.instances)]
"""Left over only where it could not be read (``instances``): here it is said why."""


def _socket(value: object) -> object:
    """An address alone is a socket with nothing else said of it."""
    return {"listen": value} if isinstance(value, Leaf) else value


def _io_priority(value: object) -> IoPriority:
    """``idle``, or ``{class: best-effort, level: 3}``. Not a section: ``class`` is a word of Python's."""
    if isinstance(value, Leaf):
        return birth_values.io_priority(str(value), None)
    if not isinstance(value, dict) or "class" not in value or not value.keys() <= {"class", "level"}:
        raise Refused("a class and a level are expected", "write {class: best-effort, level: 3}, or idle")
    level = value.get("level")
    return birth_values.io_priority(str(leaf(value["class"])), None if level is None else str(leaf(level)))


IoNice = Annotated[IoPriority, Whole(_io_priority)]


@section
class Capabilities:
    """``capabilities`` of a process."""

    keep: list[Annotated[str, single(birth_values.capability)]] | None = None
    drop: list[Annotated[str, single(birth_values.capability)]] | None = None


@section
class Cgroup:
    """``cgroup`` of a process."""

    memory: Annotated[int, single(birth_values.memory)] | None = None
    memory_high: Annotated[int, single(birth_values.memory)] | None = None
    swap: Annotated[int, single(birth_values.swap)] | None = None
    cpu: Annotated[float, single(birth_values.cpu_percent)] | None = None
    cpu_weight: Weight | None = None
    pids: Annotated[int, single(birth_values.pids)] | None = None
    io_weight: Weight | None = None
    best_effort: Switch | None = None


@section
class Socket:
    """One of a process's ``sockets``."""

    listen: Annotated[SocketSpec, single(birth_values.socket_address)]
    backlog: Backlog | None = None
    mode: Annotated[int, single(birth_values.socket_mode)] | None = None
    owner: Annotated[str, single(values.user)] | None = None
    reuse_port: Switch | None = None


Sockets = Annotated[
    dict[Annotated[str, key_of(birth_values.socket_name)], Annotated[Socket, Before(_socket)]],
    OrNothing,
]
