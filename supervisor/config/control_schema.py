"""The shape of ``control``: who may use the control socket. Promises, and does not: as ``schema``, which takes it over."""

from typing import Annotated

from supervisor.config import birth_values
from supervisor.config.problems import Problems, Refused
from supervisor.config.shape import section, single
from supervisor.config.tree import MapNode, Node, child, text
from supervisor.core.access import ControlSpec

Group = Annotated[str, single(birth_values.group)]


@section
class Control:
    """``control``: who may use the control socket. Root and the daemon's own user may everything."""

    group: Group | None = None
    """The group, by name or number, that may everything. The socket file belongs to it.

    Class: live. Default: the daemon's own group. Example: ops"""

    read_group: Group | None = None
    """The group that may look (`status`, `leader`, `observe`, `logs`, `version`) and change nothing. The socket file is then open to
    all, and the daemon itself refuses who is in neither group.

    Class: live. Default: none. Example: monitoring"""

    mode: Annotated[int, single(birth_values.socket_mode)] | None = None
    """The socket file's mode, in octal and quoted. Not with `read_group`, which takes 0666.

    Class: live. Default: "0660". Example: "0600\""""


def spec(control: Control | None) -> ControlSpec | None:
    """As the core has it."""
    if control is None:
        return None
    return ControlSpec(group=control.group, read_group=control.read_group, mode=control.mode)


def check(control: Node | None, problems: Problems) -> None:
    """A mode that keeps out whom ``read_group`` lets in."""
    mode = child(control, "mode") if isinstance(control, MapNode) else None
    said = None if mode is None else text(mode)
    if said is None or mode is None or child(control, "read_group") is None:
        return
    try:
        kept_out = not birth_values.socket_mode(said) & 0o002
    except Refused:
        return  # the schema says it
    if kept_out:
        words = f"mode {said} keeps read_group out: the socket file can belong to one group only"
        problems.add(mode.place, words, "leave mode out: with read_group it is 0666, and the daemon looks at who calls")
