"""What a child is born with beyond its command and environment, as plain data: the rarer part of a ProcessSpec.

Promises: names stay names here (of groups, capabilities); what the numbers are is for the machine that starts the child.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class IoClass(StrEnum):
    """Whose reads and writes the disk's scheduler serves first (ioprio_set(2))."""

    REALTIME = "realtime"
    BEST_EFFORT = "best-effort"
    IDLE = "idle"


class Scheduling(StrEnum):
    """How the CPU is shared (sched(7)). Real-time policies are not among them: they would outrun the guardian."""

    OTHER = "other"
    BATCH = "batch"
    IDLE = "idle"


@dataclass(frozen=True, slots=True, kw_only=True)
class IoPriority:
    """``ionice``."""

    io_class: IoClass
    level: int = 4
    """0 is served first, 7 last; ``idle`` has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """Which of root's powers a child may have, by name as ``CAP_NET_BIND_SERVICE``."""

    names: tuple[str, ...]
    keep: bool
    """These and no others, which a user other than root then really has; False: all that it would have but these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupSpec:
    """Limits of a run's cgroup: all that the process starts share them. None: not limited."""

    memory_bytes: int | None = None
    """Beyond it the kernel kills (memory.max)."""
    memory_high_bytes: int | None = None
    """Beyond it the kernel slows down and reclaims (memory.high)."""
    swap_bytes: int | None = None
    """memory.swap.max."""
    cpu_percent: float | None = None
    """Of one CPU: 50 is half of one, 200 is two (cpu.max)."""
    cpu_weight: int | None = None
    """1 to 10000; others have 100 (cpu.weight)."""
    pids: int | None = None
    """Processes and threads (pids.max)."""
    io_weight: int | None = None
    """1 to 10000; others have 100 (io.weight)."""
    best_effort: bool = False
    """Start without the limits that this machine does not let us set. False: that is a failed start."""


class SocketKind(StrEnum):
    """What a socket is."""

    TCP = "tcp"
    UNIX = "unix"


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketSpec:
    """A listening socket that is opened for a process, and stays open while the process restarts."""

    kind: SocketKind
    host: str = ""
    """For ``tcp``: an IPv4 or IPv6 address."""
    port: int = 0
    path: str = ""
    """For ``unix``: an absolute path."""
    backlog: int = 4096
    """Connections that wait to be accepted; the kernel's net.core.somaxconn is a limit, too."""
    mode: int = 0o660
    """Of the file of a ``unix`` socket."""
    owner: str | None = None
    """``name`` or ``name:group`` of that file. None: the process's user."""
    reuse_port: bool = False
    """SO_REUSEPORT: others of the same user that ask for it, too, may listen on the same address."""


NO_SOCKETS: Mapping[str, SocketSpec] = {}
