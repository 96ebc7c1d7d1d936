"""The calls that move leaders, or keep them where they are. Part of ``service``.

Promises: a request in etcd says who made it, as the kernel knows them, for it outlives the caller. Does not: do it
(``moves`` does, and whoever leads).
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from supervisor.control import asked, moves
from supervisor.control.convert import to_message
from supervisor.control.ports import Ports
from supervisor.core.access import Caller
from supervisor.core.names import ElectionName, NodeName
from supervisor.pb import control_pb2, control_pb2_grpc

if TYPE_CHECKING:
    from supervisor.control.asked import Context


class MovingCalls(control_pb2_grpc.ControlServicer):
    """Switchover, pause and drain, told of as they go."""

    def __init__(self, ports: Ports, caller: Callable[[str], Caller | None]) -> None:
        self._ports = ports
        self._caller = caller

    async def Switchover(  # noqa: N802 # the name of the call
        self, request: control_pb2.SwitchoverRequest, context: "Context"
    ) -> AsyncGenerator[control_pb2.Progress, None]:
        """Have an election handed over."""
        name = (await asked.election(self._ports.state(), request.election, context)).spec.name
        at = request.at_seconds if request.HasField("at_seconds") else None
        wait_seconds, to = asked.limited(request.wait_seconds), NodeName(request.to)
        if request.cancel:
            telling = moves.cancel(self._ports, name)
        else:
            by = self._who(context)
            telling = moves.switchover(self._ports, name, to, at=at, wait_seconds=wait_seconds, by=by)
        async with aclosing(telling) as told:
            async for progress in told:
                yield to_message(progress, control_pb2.Progress())

    async def Pause(  # noqa: N802
        self, request: control_pb2.PauseRequest, context: "Context"
    ) -> AsyncGenerator[control_pb2.Progress, None]:
        """Have nobody move, or let them again."""
        name, wait_seconds = ElectionName(request.election), asked.limited(request.wait_seconds)
        if name:
            await asked.election(self._ports.state(), name, context)
        if request.resume:
            telling = moves.resume(self._ports, name, wait_seconds=wait_seconds)
        else:
            telling = moves.pause(self._ports, name, wait_seconds=wait_seconds, by=self._who(context))
        async with aclosing(telling) as told:
            async for progress in told:
                yield to_message(progress, control_pb2.Progress())

    async def Drain(  # noqa: N802
        self, request: control_pb2.DrainRequest, context: "Context"
    ) -> AsyncGenerator[control_pb2.Progress, None]:
        """Have a node lead nothing, or let it stand again."""
        node, wait_seconds = NodeName(request.node), asked.limited(request.wait_seconds)
        if request.undrain:
            telling = moves.undrain(self._ports, node, wait_seconds=wait_seconds)
        else:
            by, stop, force = self._who(context), request.followers_stop, request.force
            telling = moves.drain(self._ports, node, followers_stop=stop, force=force, wait_seconds=wait_seconds, by=by)
        async with aclosing(telling) as told:
            async for progress in told:
                yield to_message(progress, control_pb2.Progress())

    def _who(self, context: "Context") -> str:
        """Who calls, in words: a request outlives them."""
        caller = self._caller(context.peer())
        return "somebody" if caller is None else f"uid {caller.uid} pid {caller.pid}"
