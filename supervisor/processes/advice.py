"""What a good file asks for that cannot be had here: said by ``supervisor check``, before a start fails for it.

Promises: every warning is of the user and the machine that ask; the file may be meant for others.
Does not: get imported by the daemon, where the start itself says so.
"""

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from supervisor.core.birth import IoClass, SocketKind
from supervisor.core.spec import ProcessSpec
from supervisor.processes.identity import UnknownName, resolve_groups, resolve_user


def warnings(spec: ProcessSpec) -> list[str]:
    """What cannot work when this user runs the process on this machine: ``KEY: why, and what to do`` each."""
    found = []
    owners = [one.owner for one in spec.sockets.values() if one.owner]
    for user in dict.fromkeys([*([spec.user] if spec.user else []), *owners]):
        try:
            resolve_user(user)
        except UnknownName as error:
            found.append(str(error))
    try:
        resolve_groups(spec.groups or ())
    except UnknownName as error:
        found.append(str(error))
    if os.geteuid() != 0:
        found += [f"{key} needs a supervisor that runs as root, and this is {_me()}" for key in _of_root(spec)]
    missing = sorted(set(spec.cpu_affinity) - set(range(os.cpu_count() or 1)))
    if missing:
        found.append(f"cpu_affinity: there is no CPU {', '.join(map(str, missing))} here, only 0-{_last_cpu()}")
    if spec.cgroup is not None and not spec.cgroup.best_effort and not _has_cgroup2():
        found.append("cgroup: this machine has no cgroup v2: it will not start; set best_effort: on to start without")
    return found


def _of_root(spec: ProcessSpec) -> Iterator[str]:
    """The keys that ask for what only root may do."""
    if spec.user is not None and not _is_me(spec.user):
        yield "user"
    if spec.groups is not None:
        yield "groups"
    if spec.nice is not None and spec.nice < os.getpriority(os.PRIO_PROCESS, 0):
        yield f"nice: {spec.nice}"
    if spec.ionice is not None and spec.ionice.io_class is IoClass.REALTIME:
        yield "ionice: {class: realtime}"
    if spec.oom_score_adj is not None and spec.oom_score_adj < int(Path("/proc/self/oom_score_adj").read_text()):
        yield f"oom_score_adj: {spec.oom_score_adj}"
    if spec.capabilities is not None:
        yield "capabilities"
    if spec.private_tmp:
        yield "private_tmp"
    least = _first_unprivileged_port()
    for name, one in spec.sockets.items():
        if one.kind is SocketKind.TCP and one.port < least:
            yield f"sockets: {name}: port {one.port}"


def _is_me(user: str) -> bool:
    try:
        who = resolve_user(user)
    except UnknownName:
        return True  # said already
    return who.is_ours


def _me() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"uid {os.geteuid()}"


def _last_cpu() -> int:
    return (os.cpu_count() or 1) - 1


def _first_unprivileged_port() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    except (OSError, ValueError):
        return 1024


def _has_cgroup2() -> bool:
    try:
        return " - cgroup2 " in Path("/proc/self/mountinfo").read_text()
    except OSError:
        return False
