"""What an operator says about one election or process. Part of ``events``.

An operator's word about a process stands until the next one: no restart, reload, term or standby period changes it. Only the end of the
daemon does.
"""

from dataclasses import dataclass

from supervisor.core.names import ElectionName, ProcessId


@dataclass(frozen=True, slots=True, kw_only=True)
class ResignRequested:
    """An operator wants this node to give up an election and queue at its end."""

    election: ElectionName


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartRequested:
    """An operator wants a process stopped and started again, with a fresh restart budget."""

    process: ProcessId


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequested:
    """An operator lifts an earlier stop, and wants the process started with a fresh restart budget where it is to run."""

    process: ProcessId


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequested:
    """An operator wants a process stopped, and left so until an operator says otherwise."""

    process: ProcessId
