"""The shape of what a child is born with: the sections of a process that few processes have.

Promises, and does not: as ``schema``, which takes them over.
"""

from typing import Annotated

from supervisor.config import birth_values, values
from supervisor.config.kinds import Switch, User, count
from supervisor.config.problems import Refused
from supervisor.config.shape import Before, OrNothing, Whole, key_of, leaf, section, single
from supervisor.config.tree import Leaf
from supervisor.core.birth import IoPriority, SocketSpec

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
Instances = Annotated[int, single(birth_values.instances)]
"""Left over only where it could not be read (``instances``): here it is said why."""


def socket_or_address(value: object) -> object:
    """An address alone is a socket with nothing else said of it."""
    return {"listen": value} if isinstance(value, Leaf) else value


def io_priority(value: object) -> IoPriority:
    """``idle``, or ``{class: best-effort, level: 3}``. Not a section: ``class`` is a word of Python's."""
    if isinstance(value, Leaf):
        return birth_values.io_priority(str(value), None)
    if not isinstance(value, dict) or "class" not in value or not value.keys() <= {"class", "level"}:
        raise Refused("a class and a level are expected", "write {class: best-effort, level: 3}, or idle")
    level = value.get("level")
    return birth_values.io_priority(str(leaf(value["class"])), None if level is None else str(leaf(level)))


IoNice = Annotated[IoPriority, Whole(io_priority)]


@section
class Capabilities:
    """``capabilities`` of a process: one of the two."""

    keep: list[Annotated[str, single(birth_values.capability)]] | None = None
    """These and no others, which a user other than root then really has; with or without CAP_.

    Class: restart. Default: keep or drop is required. Example: [net_bind_service]"""

    drop: list[Annotated[str, single(birth_values.capability)]] | None = None
    """All that it would have but these.

    Class: restart. Default: keep or drop is required. Example: [sys_admin]"""


@section
class Cgroup:
    """``cgroup`` of a process: limits that all it starts share. A limit that cannot be set is a failed start."""

    memory: Annotated[int, single(birth_values.memory)] | None = None
    """Beyond it the kernel kills (memory.max): a size, or `unlimited`.

    Class: restart. Default: no limit. Example: 512MB"""

    memory_high: Annotated[int, single(birth_values.memory)] | None = None
    """Beyond it the kernel slows down and reclaims (memory.high): a size.

    Class: restart. Default: no limit. Example: 450MB"""

    swap: Annotated[int, single(birth_values.swap)] | None = None
    """memory.swap.max: a size, `0` or `unlimited`.

    Class: restart. Default: no limit. Example: 0"""

    cpu: Annotated[float, single(birth_values.cpu_percent)] | None = None
    """Percent of one CPU: 50% is half of one, 200% is two (cpu.max).

    Class: restart. Default: no limit. Example: 150%"""

    cpu_weight: Weight | None = None
    """Its share of a busy CPU, 1 to 10000; others have 100 (cpu.weight).

    Class: restart. Default: the kernel's, 100. Example: 50"""

    pids: Annotated[int, single(birth_values.pids)] | None = None
    """Processes and threads (pids.max): a number, or `unlimited`.

    Class: restart. Default: no limit. Example: 100"""

    io_weight: Weight | None = None
    """Its share of a busy disk, 1 to 10000; others have 100 (io.weight).

    Class: restart. Default: the kernel's, 100. Example: 10"""

    best_effort: Switch | None = None
    """Whether it is started without those limits that this machine does not let us set.

    Class: restart. Example: on"""


@section
class Socket:
    """A socket, by name under ``sockets`` of a process; an address alone is its `listen`."""

    listen: Annotated[SocketSpec, single(birth_values.socket_address)]
    """Where it listens: `tcp://ADDRESS:PORT` or `unix:///PATH`.

    Class: restart. Default: required. Example: 'tcp://[::]:8080'"""

    backlog: Annotated[int, single(count)] | None = None
    """How many connections may wait to be accepted; net.core.somaxconn is a limit, too.

    Class: restart. Example: 1000"""

    mode: Annotated[int, single(birth_values.socket_mode)] | None = None
    """The mode of a unix socket's file, in octal.

    Class: restart. Example: '0600'"""

    owner: User | None = None
    """The owner of a unix socket's file: `name` or `name:group`.

    Class: restart. Default: the user of the process. Example: billing:www"""

    reuse_port: Switch | None = None
    """Whether others of the same user that ask for it, too, may listen on the same address (SO_REUSEPORT).

    Class: restart. Example: on"""


Sockets = Annotated[
    dict[Annotated[str, key_of(birth_values.socket_name)], Annotated[Socket, Before(socket_or_address)]],
    OrNothing,
]
