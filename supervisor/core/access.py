"""Who may use the control socket, and for what.

Promises: whoever may change anything may look; root and the daemon's own user may everything, so that nobody can lock them out.
Does not: know names of groups or sockets; ``control.door`` finds out who calls, the kernel has let in only whom the socket's mode
allows.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

SOCKET_MODE: Final = 0o660
OPEN_MODE: Final = 0o666
"""When groups are told apart: the socket file can name one group only, so the daemon itself refuses."""


class Access(IntEnum):
    """What a caller may, in rising order."""

    NOTHING = 0
    READ = 1
    CONTROL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSpec:
    """``control``: the socket. Names or numbers of groups; None: left out."""

    group: str | None = None
    """May everything. None: the daemon's own group."""
    read_group: str | None = None
    """May look, and change nothing."""
    mode: int | None = None
    """Of the socket file. None: 0660, and 0666 with ``read_group``."""

    @property
    def socket_mode(self) -> int:
        """The mode in force."""
        if self.mode is not None:
            return self.mode
        return SOCKET_MODE if self.read_group is None else OPEN_MODE


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is at the other end, as the kernel says."""

    uid: int
    pid: int
    groups: frozenset[int]
    """The primary one and the others."""


def access(
    caller: Caller, *, own_uid: int, spec: ControlSpec | None, group: int | None, read_group: int | None
) -> Access:
    """What a caller may. ``group`` and ``read_group``: the ids of the spec's groups; None where there is no such group."""
    if spec is None or caller.uid in (0, own_uid):
        return Access.CONTROL  # without a spec the socket's own mode is all that was asked for
    if _member(caller.groups, group):
        return Access.CONTROL
    return Access.READ if _member(caller.groups, read_group) else Access.NOTHING


def _member(groups: Collection[int], group: int | None) -> bool:
    return group is not None and group in groups
