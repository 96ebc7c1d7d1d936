"""Single values of what a child is born with: priorities, CPUs, capabilities, cgroup limits, sockets.

Promises, and does not: as ``values``.
"""

import ipaddress
import re

from supervisor.config import values
from supervisor.config.problems import Refused
from supervisor.config.units import shown, size_bytes
from supervisor.core.birth import IoClass, IoPriority, SocketKind, SocketSpec
from supervisor.core.capabilities import NAMES

MAX_CPUS = 8192
MAX_INSTANCES = 1000
_SIGNED = re.compile(r"-?(0|[1-9][0-9]{0,4})", re.ASCII)
_CPUS = re.compile(r"[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*", re.ASCII)
_PERCENT = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?) ?%", re.ASCII)
_SOCKET_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)
_OF_THE_DAEMON = ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID")
_MAX_UNIX_PATH = 107


def signed(text: str, *, least: int, most: int) -> int:
    """A whole number that may be negative."""
    if not _SIGNED.fullmatch(text):
        raise Refused(f"{shown(text)} is not a whole number", f"write a number from {least} to {most}")
    if not least <= (number := int(text)) <= most:
        raise Refused(f"{text} is out of range", f"write a number from {least} to {most}")
    return number


def nice(text: str) -> int:
    """-20, served first, to 19."""
    return signed(text, least=-20, most=19)


def oom_score_adj(text: str) -> int:
    """-1000, never chosen by the OOM killer, to 1000."""
    return signed(text, least=-1000, most=1000)


def cpus(text: str) -> tuple[int, ...]:
    """``0-3,6``: the CPUs' numbers, as ``taskset -c`` and ``lscpu`` write them."""
    compact = text.replace(" ", "")
    if not _CPUS.fullmatch(compact):
        raise Refused(f"{shown(text)} is not a list of CPUs", 'write numbers and ranges: "0-3,6"')
    found: set[int] = set()
    for part in compact.split(","):
        first, _, last = part.partition("-")
        begin, end = int(first), int(last or first)
        if end >= MAX_CPUS:
            raise Refused(f"{shown(text)} names CPU {end}", f"Linux knows no CPU above {MAX_CPUS - 1}")
        if end < begin:
            raise Refused(f"{part} ends before it begins", f"write {end}-{begin}")
        found.update(range(begin, end + 1))
    return tuple(sorted(found))


def limit_pair(text: str) -> tuple[int, int]:
    """``65536``, or ``1024:65536`` for a soft limit below the hard one; sizes and ``unlimited`` as in ``values.limit``."""
    soft, colon, hard = text.partition(":")
    least = values.limit(soft.strip())
    if not colon:
        return least, least
    most = values.limit(hard.strip())
    if most != -1 and (least == -1 or least > most):
        raise Refused(f"{text}: the soft limit is above the hard one", f"write {hard.strip()}:{soft.strip()}")
    return least, most


def capability(text: str) -> str:
    """``CAP_NET_BIND_SERVICE``; lower case, and without CAP_, too."""
    word = text.upper()
    name = word if word.startswith("CAP_") else f"CAP_{word}"
    if name not in NAMES:
        raise Refused(f"{shown(text)} is not a capability", values.suggestion(name, NAMES))
    return name


def group(text: str) -> str:
    """A group's name or number."""
    if ":" in text:
        raise Refused(f"{shown(text)} is not a group", "write one group: its name or its number")
    return values.user(text)


def passed_variable(text: str) -> str:
    """A variable of the daemon that a child may see."""
    if text in _OF_THE_DAEMON:
        raise Refused(f"{text} is meant for the supervisor alone", "remove it: a child would speak in our name")
    return values.variable_name(text)


def memory(text: str) -> int:
    """Bytes of a size, or -1 for ``unlimited``."""
    if text == "unlimited":
        return -1
    size = size_bytes(text)
    if size < 4096:
        raise Refused(f"{text} is less than one page", "write a size such as 512MB, or unlimited")
    return size


def swap(text: str) -> int:
    """Bytes of a size, ``0`` for none, or -1 for ``unlimited``."""
    return 0 if text == "0" else -1 if text == "unlimited" else size_bytes(text)


def cpu_percent(text: str) -> float:
    """``50%`` of one CPU; ``200%`` is two."""
    match = _PERCENT.fullmatch(text)
    if match is None:
        raise Refused(f"{shown(text)} is not a share of a CPU", "write a percentage: 50% is half a CPU, 200% is two")
    percent = float(match.group(1))
    if not 1 <= percent <= 100_000:
        raise Refused(f"{text} is out of range", "write 1% to 100000%: the kernel keeps at least 1 ms in each 100 ms")
    return percent


def weight(text: str) -> int:
    """1 to 10000; the kernel's default is 100."""
    return values.whole_number(text, least=1, most=10_000)


def pids(text: str) -> int:
    """A number of processes and threads, or -1 for ``unlimited``."""
    return -1 if text == "unlimited" else values.whole_number(text, least=1, most=4_194_304)


def socket_name(text: str) -> str:
    """What LISTEN_FDNAMES says: no colon."""
    if not _SOCKET_NAME.fullmatch(text):
        raise Refused(f"{shown(text)} cannot be a socket's name", "use letters, digits, '.', '_' and '-', at most 100")
    return text


def socket_address(text: str) -> SocketSpec:
    """``tcp://0.0.0.0:8080``, ``tcp://[::]:8080`` or ``unix:///run/app.sock``."""
    scheme, found, rest = text.partition("://")
    if found and scheme == "tcp":
        return _tcp(text, rest)
    if found and scheme == "unix":
        if not rest.startswith("/"):
            raise Refused(f"{shown(text)} has no absolute path", "write unix:///run/app.sock: three slashes")
        if len(rest.encode()) > _MAX_UNIX_PATH or "\0" in rest:
            raise Refused(f"{shown(text)} is too long for a socket", f"a path has {_MAX_UNIX_PATH} bytes at most")
        return SocketSpec(kind=SocketKind.UNIX, path=rest)
    raise Refused(
        f"{shown(text)} is not an address to listen on",
        "write tcp://0.0.0.0:8080, tcp://[::]:8080 or unix:///run/x.sock",
    )


def _tcp(text: str, rest: str) -> SocketSpec:
    host, port = values.address(rest)
    if port is None:
        raise Refused(f"{shown(text)} has no port", f"write tcp://{host}:8080")
    bare = host[1:-1] if host.startswith("[") else host
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        raise Refused(
            f"{shown(host)} is a name, not an address",
            "write the address: 0.0.0.0 for every interface, [::] for IPv6, 127.0.0.1 for this machine alone",
        ) from None
    return SocketSpec(kind=SocketKind.TCP, host=bare, port=port)


def socket_mode(text: str) -> int:
    """``0660``, read in octal."""
    digits = text.removeprefix("0o")
    if not re.fullmatch(r"0?[0-7]{3}", digits, re.ASCII):
        raise Refused(f"{shown(text)} is not a mode", 'write three octal digits: "0660"')
    return int(digits, 8)


def instances(text: str) -> int:
    """How many processes one declaration stands for."""
    return values.whole_number(text, least=1, most=MAX_INSTANCES)


def io_priority(io_class: str, level: str | None) -> IoPriority:
    """``best-effort`` and ``realtime`` with a level from 0, served first, to 7; ``idle`` without."""
    known = IoClass(values.choice(io_class, [str(member) for member in IoClass]))
    if level is None:
        return IoPriority(io_class=known)
    if known is IoClass.IDLE:
        raise Refused("idle has no level", "remove 'level', or write class: best-effort")
    return IoPriority(io_class=known, level=values.whole_number(level, most=7))
