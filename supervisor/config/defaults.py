"""What holds where the file is silent, in the file's own notation.

Promises: taken from the defaults of ``core.spec``, where they are stated; writing one out changes nothing (a test writes
them all). None where that is no value of the file: the text under the key says it in words. Does not: apply them
(``convert`` does).
"""

from collections.abc import Callable, Mapping
from enum import Enum

from supervisor.config import birth_schema, control_schema, outside_schema, probe_schema, process_schema, schema
from supervisor.config.units import SECONDS_PER_UNIT
from supervisor.core.access import ControlSpec
from supervisor.core.birth import CgroupSpec, SocketKind, SocketSpec
from supervisor.core.names import ElectionName, ProcessId, ProcessName, Role
from supervisor.core.outside import NotifySpec
from supervisor.core.spec import (
    ElectionSpec,
    EtcdSpec,
    HookKind,
    HookSpec,
    HttpSpec,
    LogSpec,
    ProbeKind,
    ProbeSpec,
    ProbeTls,
    ProcessSpec,
    ProclaimSpec,
    RestartSpec,
    StopSpec,
)

_PROCESS = ProcessSpec(id=ProcessId(ElectionName(""), ProcessName("p")), role=Role.ALWAYS, command=())
_ELECTION = ElectionSpec(name=ElectionName("e"))
_PROBE = ProbeSpec(kind=ProbeKind.EXEC)
_RESTART, _STOP, _LOG, _HTTP = RestartSpec(), StopSpec(), LogSpec(), HttpSpec()
_SOCKET = SocketSpec(kind=SocketKind.UNIX)
_NOTIFY = NotifySpec(name="", events=())

SPECS: Mapping[type, object] = {
    schema.Etcd: EtcdSpec(),
    control_schema.Control: ControlSpec(),
    schema.Election: _ELECTION,
    schema.Proclaim: ProclaimSpec(),
    process_schema.Process: _PROCESS,
    process_schema.Hook: HookSpec(kind=HookKind.ELECTED, process=_PROCESS),
    process_schema.Restart: _RESTART,
    process_schema.Stop: _STOP,
    process_schema.Log: _LOG,
    probe_schema.Ready: _PROBE,
    probe_schema.Health: _PROBE,
    probe_schema.Http: _HTTP,
    probe_schema.ProbeTls: ProbeTls(),
    birth_schema.Cgroup: CgroupSpec(),
    birth_schema.Socket: _SOCKET,
    outside_schema.Notify: _NOTIFY,
}
"""By section, what is asked for when nothing is written. Its fields are found by the names of the keys."""


def _span(least: float, most: float) -> str:
    return f"{duration(least)}..{duration(most)}"


SPECIAL: Mapping[tuple[type, str], Callable[[], str | None]] = {
    (schema.Election, "cooldown"): lambda: _span(_ELECTION.cooldown_min_seconds, _ELECTION.cooldown_max_seconds),
    (process_schema.Restart, "policy"): lambda: None,  # another for a task
    (process_schema.Restart, "expected"): lambda: f"[{', '.join(map(str, _RESTART.expected_exit_codes))}]",
    (process_schema.Restart, "backoff"): lambda: _span(_RESTART.backoff_min_seconds, _RESTART.backoff_max_seconds),
    (outside_schema.Notify, "backoff"): lambda: _span(_NOTIFY.backoff_min_seconds, _NOTIFY.backoff_max_seconds),
    (process_schema.Restart, "limit"): lambda: f"{_RESTART.limit} per {duration(_RESTART.period_seconds)}",
    (process_schema.Log, "compress"): lambda: "gzip" if _LOG.compress else "off",
    (process_schema.Log, "format"): lambda: "json" if _LOG.json else "text",
    (process_schema.Syslog, "facility"): lambda: _LOG.syslog_facility,
    (process_schema.Syslog, "format"): lambda: _LOG.syslog_format.value,
    (probe_schema.Ready, "failures"): lambda: None,  # another for a watchdog
    (probe_schema.Health, "failures"): lambda: None,
    (probe_schema.Health, "on_failure"): lambda: _PROBE.action.value,
    (probe_schema.Http, "status"): lambda: ", ".join(f"{first}-{last}" for first, last in _HTTP.statuses),
    (birth_schema.Socket, "mode"): lambda: f'"{_SOCKET.mode:04o}"',
}
"""Keys that stand for more than one field, or for one of another name."""


def default_of(section: type, key: str) -> str | None:
    """The default of a key, or None."""
    if (section, key) in SPECIAL:
        return SPECIAL[section, key]()
    spec = SPECS.get(section)
    for suffix, shown in (("", _plain), ("_seconds", duration), ("_bytes", size)):
        if (value := getattr(spec, key + suffix, None)) is not None:
            return shown(value)
    return None


def _plain(value: object) -> str | None:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Enum):
        return str(value.value)
    return str(value) if isinstance(value, int | str) and value != "" else None


def duration(seconds: object) -> str:
    """``1m`` for 60.0, ``100ms`` for 0.1: in the largest unit that leaves no fraction."""
    assert isinstance(seconds, int | float)
    if seconds == 0:
        return "0s"
    unit = next(u for u in reversed(SECONDS_PER_UNIT) if round(seconds / SECONDS_PER_UNIT[u], 6).is_integer())
    return f"{round(seconds / SECONDS_PER_UNIT[unit])}{unit}"


def size(count: object) -> str:
    """``50MB`` for 50,000,000."""
    assert isinstance(count, int)
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count % factor == 0:
            return f"{count // factor}{unit}"
    return f"{count}B"
