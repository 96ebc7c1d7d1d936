"""What a child is born with beyond the ordinary, as the guardian wants it: numbers, and only what was asked for.

Promises: ``extras`` is None for a process that asks for nothing of it, so that its spawn costs nothing more; a name that
means nothing here is an UnknownName that says what to write.
Does not: do any of it (the guardian's child does, before exec).
"""

import os
from typing import Final

from supervisor.core.birth import CgroupSpec, IoClass, Scheduling, SocketKind, SocketSpec
from supervisor.core.spec import ProcessSpec
from supervisor.processes.identity import Identity, resolve_user

_IO_CLASSES: Final = {IoClass.REALTIME: 1, IoClass.BEST_EFFORT: 2, IoClass.IDLE: 3}
_POLICIES: Final = {
    Scheduling.OTHER: os.SCHED_OTHER,
    Scheduling.BATCH: os.SCHED_BATCH,
    Scheduling.IDLE: os.SCHED_IDLE,
}
_CPU_PERIOD_MICROSECONDS: Final = 100_000
UNLIMITED: Final = -1


def extras(spec: ProcessSpec, identity: Identity | None, *, of_probe: bool = False) -> dict[str, object] | None:
    """The mapping that ``guardian.setup`` understands. Raises UnknownUser for the owner of a socket.

    A probe's command gets the user's powers and the CPU's share of its process, not its sockets, limits or /tmp.
    """
    found: dict[str, object] = {}
    if spec.nice is not None:
        found["nice"] = spec.nice
    if spec.scheduling is not None:
        found["scheduling"] = _POLICIES[spec.scheduling]
    if spec.ionice is not None:
        level = 0 if spec.ionice.io_class is IoClass.IDLE else spec.ionice.level
        found["ionice"] = [_IO_CLASSES[spec.ionice.io_class], level]
    if spec.oom_score_adj is not None:
        found["oom_score_adj"] = spec.oom_score_adj
    if spec.cpu_affinity:
        found["cpu_affinity"] = list(spec.cpu_affinity)
    if spec.capabilities is not None:
        from supervisor.core.capabilities import NAMES  # noqa: PLC0415 # few files name any

        found["capabilities"] = sorted(map(NAMES.index, spec.capabilities.names))
        found["keep"] = spec.capabilities.keep
    if spec.no_new_privileges:
        found["no_new_privileges"] = True
    if not of_probe:
        found.update(_of_the_process_alone(spec, identity))
    return found or None


def _of_the_process_alone(spec: ProcessSpec, identity: Identity | None) -> dict[str, object]:
    found: dict[str, object] = {}
    if spec.private_tmp:
        found["private_tmp"] = True
    if spec.cgroup is not None:
        found["cgroup"] = cgroup_files(spec.cgroup)
        found["best_effort"] = spec.cgroup.best_effort
    if spec.sockets:
        found["owner"] = str(spec.id)
        found["sockets"] = [_socket(name, one, identity) for name, one in spec.sockets.items()]
    return found


def cgroup_files(limits: CgroupSpec) -> dict[str, str]:
    """The files of cgroup v2 that hold these limits, and what they hold."""
    plain = {
        "memory.max": limits.memory_bytes,
        "memory.high": limits.memory_high_bytes,
        "memory.swap.max": limits.swap_bytes,
        "cpu.weight": limits.cpu_weight,
        "pids.max": limits.pids,
        "io.weight": limits.io_weight,
    }
    files = {file: "max" if value == UNLIMITED else str(value) for file, value in plain.items() if value is not None}
    if limits.cpu_percent is not None:
        quota = round(limits.cpu_percent / 100 * _CPU_PERIOD_MICROSECONDS)
        files["cpu.max"] = f"{quota} {_CPU_PERIOD_MICROSECONDS}"
    return files


def _socket(name: str, spec: SocketSpec, identity: Identity | None) -> dict[str, object]:
    owner = resolve_user(spec.owner) if spec.owner is not None else identity
    unix = spec.kind is SocketKind.UNIX
    return {
        "name": name,
        "kind": str(spec.kind),
        "host": spec.host,
        "port": spec.port,
        "path": spec.path,
        "backlog": spec.backlog,
        "mode": spec.mode,
        "uid": owner.uid if owner and unix else -1,
        "gid": owner.gid if owner and unix else -1,
        "reuse_port": spec.reuse_port,
    }
