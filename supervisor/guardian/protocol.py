"""What the daemon and its guardian say to each other.

Promises: one JSON object per SOCK_SEQPACKET packet, with ``v`` and ``type``; ``decode(encode(m)) == m``; anything
unknown, missing or of the wrong type is a ProtocolError that names it. File descriptors travel beside the packet
(SCM_RIGHTS): stdout, stderr and perhaps stdin with Spawn, a pidfd with Spawned, the lock of the state directory with Hello.
Does not: touch a socket (``wire`` does), or know what the messages lead to. Terms are their text form here
(``billing#1234``), runs are numbers, instants are seconds on CLOCK_BOOTTIME.
"""

import json
import sys
from collections.abc import Callable
from typing import Final

from supervisor.guardian.record import record

VERSION: Final = 3

MAX_PACKET_BYTES: Final = 180_000
"""Below the kernel's default socket buffer (212,992, of which it keeps some), so that no tuning is ever needed."""


_LARGEST: Final = sys.float_info.max


class ProtocolError(Exception):
    """The other side said something that this version does not understand."""


class TooLargeError(ProtocolError):
    """A message does not fit into one packet."""


# --- daemon -> guardian ----------------------------------------------------------------------------------------------


@record
class Hello:
    """First of all. Carries the locked file of the state directory. -> Ready | Failed."""

    node: str
    root: str
    """Name for the containment's top, for people: the node's."""
    state_dir: str


@record
class Arm:
    """Hold kill-by = lease deadline - margin for this term. -> Armed, or Struck when that has passed already."""

    term: str
    lease: int
    lease_deadline: float
    margin_seconds: float
    candidate_key: str
    token: int
    """The candidate key's create revision: it is deleted while it is that one only."""
    record_key: str
    stopped_record: str
    """What is written over the term's record when the daemon is dead and nothing of the term is alive."""


@record
class Extend:
    """The lease was renewed until this instant. Only ever moves later. No answer."""

    lease: int
    lease_deadline: float


@record
class Disarm:
    """Forget the term if nothing of it is left alive. -> Disarmed | DisarmRefused."""

    term: str


@record
class Vacate:
    """The term is ending: start nothing more of it, and as soon as nothing of it is left alive, forget it. -> Disarmed."""

    term: str


@record
class Spawn:
    """Start a child with the descriptors as stdout, stderr and, if there is a third, stdin. -> Spawned | SpawnFailed; Exited; Emptied."""

    run: int
    scope: str
    """What it is, for people: names its cgroup."""
    term: str | None
    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    directory: str | None
    uid: int | None
    gid: int | None
    groups: tuple[int, ...] | None
    umask: int | None
    rlimits: tuple[tuple[int, int, int], ...]
    """Resource number, soft, hard."""
    stop_signal: int
    stop_then: tuple[tuple[int, float], ...]
    """Further signals, each so many seconds after the first."""
    stop_to: str
    """``main``, ``group`` or ``all``: as in Signal."""
    stop_timeout_seconds: float
    last: bool
    """Stopped after everything else when the daemon is dead: the local etcd, which the revocation needs."""
    held: bool
    """Made ready, and stopped just before exec until Release. Whatever else comes ends it unexecuted."""
    extras: dict[str, object] | None
    """What few children need, and only ``setup`` understands; None: nothing of it."""


@record
class Release:
    """Let a held run go on to exec, if its term still may. -> Spawned | SpawnFailed; an ended run is nobody."""

    run: int


@record
class Undo:
    """When you outlive the daemon: run this when nothing else of the armed term is left. Replaces an earlier one. No answer."""

    term: str
    spawn: str
    """The packet of a Spawn. Its run is not a number of the daemon's, and its descriptors do not come."""
    timeout_seconds: float
    reserve_seconds: float
    """The term's other runs are killed so long before kill-by."""


@record
class Signal:
    """Signal the run's main pid (``main``), its process group (``group``) or all of it (``all``).

    No answer; an ended run is nobody.
    """

    run: int
    signo: int
    to: str


@record
class Kill:
    """SIGKILL all of the run, again and again until it is empty. No answer but Exited and Emptied."""

    run: int


@record
class CloseSockets:
    """Close what is held open for this owner (``extras``): it is not to be started again. No answer."""

    owner: str


@record
class Store:
    """How to revoke leases without the daemon: etcd's HTTP gateway. Replaces an earlier one. No answer."""

    endpoints: tuple[str, ...]
    ca: str | None
    cert: str | None
    key: str | None
    server_name: str | None
    user: str | None
    password_file: str | None


@record
class Ping:
    """Are you running? -> Pong with the same number."""

    number: int


@record
class Quit:
    """The clean end: kill what is left, revoke nothing, exit 0."""


# --- guardian -> daemon ----------------------------------------------------------------------------------------------


@record
class Ready:
    """Leftovers are dead and the guardian is on duty."""

    pid: int
    containment: str
    """``cgroup`` or ``session``."""
    path: str
    """The cgroup that holds everything; empty for ``session``."""
    marker: str
    """What the environment variable SUPERVISOR_RUN of every child begins with."""
    notes: tuple[str, ...]
    """What it could and could not do to be always on time, for people."""


@record
class Failed:
    """The guardian cannot take up its duty, and ends."""

    reason: str


@record
class Armed:
    """The term has a kill-by: its processes may be started."""

    term: str


@record
class Disarmed:
    """Nothing of the term is alive, and its kill-by is forgotten."""

    term: str


@record
class DisarmRefused:
    """Something of the term is alive: ``pid (name)`` each."""

    term: str
    blockers: tuple[str, ...]


@record
class Spawned:
    """exec succeeded. Carries a pidfd."""

    run: int
    pid: int


@record
class SpawnFailed:
    """Never executed, and nothing of it is left."""

    run: int
    stage: str
    errno: int
    message: str


@record
class Exited:
    """The main pid was reaped. ``code`` None: ended by ``signal``. ``empty``: nothing is left, and Emptied comes next."""

    run: int
    code: int | None
    signal: int | None
    core: bool
    empty: bool
    oom_killed: bool
    """The kernel's OOM killer killed something of the run; known only where the memory controller counts it."""


@record
class Lingering:
    """The main pid has ended, all of the run was killed again and again, and these are still there: ``pid (name)`` each."""

    run: int
    blockers: tuple[str, ...]


@record
class Emptied:
    """Nothing of the run is left alive. After Exited, once."""

    run: int


@record
class Struck:
    """kill-by has passed and the term's containment got its SIGKILL."""

    term: str
    late_seconds: float


@record
class Pong:
    """The answer to Ping."""

    number: int


@record
class Dropped:
    """A message was not understood and had no effect."""

    reason: str


Order = (
    Hello | Arm | Extend | Disarm | Vacate | Spawn | Release | Undo | Signal | Kill | CloseSockets | Store | Ping | Quit
)
News = (
    Ready
    | Failed
    | Armed
    | Disarmed
    | DisarmRefused
    | Spawned
    | SpawnFailed
    | Exited
    | Lingering
    | Emptied
    | Struck
    | Pong
    | Dropped
)
Message = Order | News

_CLASSES: Final = (
    *(Hello, Arm, Extend, Disarm, Vacate, Spawn, Release, Undo, Signal, Kill, CloseSockets, Store, Ping, Quit),
    *(Ready, Failed, Armed, Disarmed, DisarmRefused, Spawned, SpawnFailed),
    *(Exited, Lingering, Emptied, Struck, Pong, Dropped),
)
_BY_NAME: Final[dict[str, Callable[..., Message]]] = {c.__name__: c for c in _CLASSES}


# --- JSON to typed values --------------------------------------------------------------------------------------------


def _int(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ProtocolError(f"expected a whole number, not {value!r:.60}")
    return value


def _float(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ProtocolError(f"expected a number, not {value!r:.60}")
    if not -_LARGEST <= value <= _LARGEST:  # nor is NaN: a deadline that no comparison finds passed is none
        raise ProtocolError("expected a number that is finite")
    return float(value)


def _str(value: object) -> str:
    if not isinstance(value, str):
        raise ProtocolError(f"expected text, not {value!r:.60}")
    return value


def _bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise ProtocolError(f"expected true or false, not {value!r:.60}")
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise ProtocolError(f"expected a list, not {value!r:.60}")
    return value


def _fixed(value: object, length: int) -> list[object]:
    items = _list(value)
    if len(items) != length:
        raise ProtocolError(f"expected {length} items, not {len(items)}")
    return items


def _pair(value: object) -> tuple[str, str]:
    first, second = _fixed(value, 2)
    return _str(first), _str(second)


def _step(value: object) -> tuple[int, float]:
    first, second = _fixed(value, 2)
    return _int(first), _float(second)


def _triple(value: object) -> tuple[int, int, int]:
    first, second, third = _fixed(value, 3)
    return _int(first), _int(second), _int(third)


def _mapping(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ProtocolError(f"expected a mapping, not {value!r:.60}")
    return value


# By the annotation itself: a field of a type that is not here cannot be declared unnoticed (the table is read at import).
_READERS: Final[dict[object, Callable[[object], object]]] = {
    int: _int,
    float: _float,
    str: _str,
    bool: _bool,
    int | None: lambda v: None if v is None else _int(v),
    str | None: lambda v: None if v is None else _str(v),
    tuple[str, ...]: lambda v: tuple(_str(i) for i in _list(v)),
    tuple[int, ...] | None: lambda v: None if v is None else tuple(_int(i) for i in _list(v)),
    dict[str, object] | None: lambda v: None if v is None else _mapping(v),
    tuple[tuple[int, float], ...]: lambda v: tuple(_step(i) for i in _list(v)),
    tuple[tuple[str, str], ...]: lambda v: tuple(_pair(i) for i in _list(v)),
    tuple[tuple[int, int, int], ...]: lambda v: tuple(_triple(i) for i in _list(v)),
}
_FIELDS: Final = {
    c.__name__: tuple((field, _READERS[kind]) for field, kind in c.__annotations__.items()) for c in _CLASSES
}


def encode(message: Message) -> bytes:
    """One packet. Raises TooLargeError when it would not fit into one."""
    name = type(message).__name__
    body = {"v": VERSION, "type": name, **{field: getattr(message, field) for field, _ in _FIELDS[name]}}
    # ASCII only: a lone surrogate (a byte of argv that is not UTF-8) survives as its escape.
    packet = json.dumps(body, separators=(",", ":")).encode("ascii")
    if len(packet) > MAX_PACKET_BYTES:
        raise TooLargeError(f"{name} needs {len(packet)} bytes, and a packet holds {MAX_PACKET_BYTES}")
    return packet


def decode(packet: bytes) -> Message:
    """The message in a packet. Raises ProtocolError saying what is wrong with it."""
    try:
        body = json.loads(packet)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not JSON: {error}") from None
    if not isinstance(body, dict):
        raise ProtocolError("not a JSON object")
    if body.get("v") != VERSION:
        raise ProtocolError(f"version {body.get('v')!r:.60} is not {VERSION}: daemon and guardian differ")
    name = body.get("type")
    if not isinstance(name, str) or name not in _BY_NAME:
        raise ProtocolError(f"unknown type {name!r:.60}")
    values: dict[str, object] = {}
    for field, read in _FIELDS[name]:
        if field not in body:
            raise ProtocolError(f"{name} lacks {field}")
        try:
            values[field] = read(body[field])
        except ProtocolError as error:
            raise ProtocolError(f"{name}.{field}: {error}") from None
    return _BY_NAME[name](**values)
