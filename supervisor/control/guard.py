"""Before every call of the control API: may this caller do that, and if it changes something, who was it.

Promises: a call that is not known to be harmless needs *control*, so that a new one is closed until somebody says otherwise; a
refusal says why and what to do; every call that changes something is told to the log with uid and pid before it is begun, refused
ones too. Does not: know what a call does.
"""

import grp
import os
import pwd
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import grpc
from google.protobuf.message import Message

from supervisor.control import views
from supervisor.control.convert import to_message
from supervisor.control.door import Door
from supervisor.control.ports import Ports
from supervisor.core.access import Access, Caller, ControlSpec, access
from supervisor.pb import control_pb2, control_pb2_grpc

if TYPE_CHECKING:
    Context: TypeAlias = grpc.aio.ServicerContext[Message, Message]
    Unary = Callable[[Message, Context], Awaitable[Message]]
    Stream = Callable[[Message, Context], AsyncGenerator[Message, None]]

HARMLESS: Final = frozenset(
    {
        "Status",
        "WatchStatus",
        "Plan",
        "Leader",
        "Observe",
        "Queue",
        "Logs",
        "Events",
        "History",
        "Version",
        "Access",
    }
)
"""Calls that change nothing."""
UNTOLD: Final = frozenset({"wait_seconds", "key", "content"})
"""Of a request: what is of no interest in the log, and what is secret."""
LONGEST_WORD: Final = 200
"""Of what a caller has sent, in a line of the log or an answer: he may send megabytes, and often."""
_NOBODY: Final = Caller(uid=-1, pid=0, groups=frozenset())


def guard(service: control_pb2_grpc.ControlServicer, ports: Ports, door: Door) -> control_pb2_grpc.ControlServicer:
    """The service, each call guarded."""
    methods = control_pb2.DESCRIPTOR.services_by_name["Control"].methods
    for method in methods:
        inner = getattr(service, method.name)
        wrap = _stream if method.server_streaming else _unary
        setattr(service, method.name, wrap(method.name, inner, _Guard(ports, door)))
    return service


def allowed(caller: Caller, may: Access, spec: ControlSpec | None) -> views.Allowed:
    """What ``Access`` answers."""
    control = may is Access.CONTROL
    return views.Allowed(control=control, reason="" if control else _reason("change anything", caller, may, spec))


class _Guard:
    def __init__(self, ports: Ports, door: Door) -> None:
        self._ports = ports
        self._door = door

    def _judged(self, context: "Context") -> tuple[Caller, ControlSpec | None, Access]:
        caller = self._door.caller(context.peer()) or _NOBODY
        spec = self._ports.state().spec
        control = spec.control if spec is not None else None
        return caller, control, of_caller(caller, control)

    def access(self, context: "Context") -> control_pb2.Allowed:
        """What the caller may: the guard's own answer, for nobody else knows."""
        caller, control, may = self._judged(context)
        return to_message(allowed(caller, may, control), control_pb2.Allowed())

    async def pass_or_abort(self, method: str, request: Message, context: "Context") -> None:
        caller, control, may = self._judged(context)
        harmless = method in HARMLESS
        refused = may < (Access.READ if harmless else Access.CONTROL)
        if not harmless:
            self._ports.tell(_line(method, request, caller, refused=refused))
        if refused:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, _reason(method, caller, may, control))


def of_caller(caller: Caller, spec: ControlSpec | None) -> Access:
    """What a caller may under this spec, the groups looked up now: they may have changed since the file was read."""
    return access(
        caller,
        own_uid=os.geteuid(),
        spec=spec,
        group=os.getegid() if spec is None or spec.group is None else group_id(spec.group),
        read_group=None if spec is None or spec.read_group is None else group_id(spec.read_group),
    )


def group_id(name: str) -> int | None:
    """The id of a group, by name or number; None when there is none."""
    if name.isdecimal():
        return int(name)
    with suppress(KeyError):
        return grp.getgrnam(name).gr_gid
    return None


def _unary(method: str, inner: "Unary", guarding: _Guard) -> "Unary":
    async def call(request: Message, context: "Context") -> Message:
        await guarding.pass_or_abort(method, request, context)
        return guarding.access(context) if method == "Access" else await inner(request, context)

    return call


def _stream(method: str, inner: "Stream", guarding: _Guard) -> "Stream":
    async def call(request: Message, context: "Context") -> AsyncGenerator[Message, None]:
        await guarding.pass_or_abort(method, request, context)
        async for message in inner(request, context):
            yield message

    return call


def _line(method: str, request: Message, caller: Caller, *, refused: bool) -> str:
    """``control: Resign election=billing, by root (uid 0), pid 4711 (supervisor)``."""
    told = ((field.name, value) for field, value in request.ListFields() if field.name not in UNTOLD)
    said = "".join(f" {name}={str(value)[:LONGEST_WORD]}" for name, value in told)
    by = f"by {_user(caller.uid)}, pid {caller.pid}{_program(caller.pid)}"
    return f"control: {method}{said}, {by}" + (": refused" if refused else "")


def _reason(method: str, caller: Caller, may: Access, spec: ControlSpec | None) -> str:
    group = (spec.group if spec is not None else None) or _group(os.getegid())
    verb = method.lower()
    if may is Access.READ:
        return f"{_user(caller.uid)} may look but not {verb}: that takes group {group} (control.group), or sudo"
    groups = [group, *([spec.read_group] if spec is not None and spec.read_group else [])]
    return (
        f"{_user(caller.uid)} is in none of the groups of this supervisor ({', '.join(groups)}); join one, or use sudo"
    )


def _user(uid: int) -> str:
    with suppress(KeyError):
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    return f"uid {uid}"


def _group(gid: int) -> str:
    with suppress(KeyError):
        return grp.getgrgid(gid).gr_name
    return str(gid)


def _program(pid: int) -> str:
    with suppress(OSError):
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
        return f" ({name})"
    return ""
