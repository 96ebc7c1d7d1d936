"""A control server over a real socket, in its own thread and event loop, as a daemon has its own process."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from supervisor.control.door import Door
from supervisor.control.server import ControlServer
from supervisor.core.access import ControlSpec
from supervisor.core.state import State
from tests.control.fakes import Answer, FakePorts


class Daemon:
    """A served ``FakePorts``."""

    def __init__(self, socket: Path, loop: asyncio.AbstractEventLoop, ports: FakePorts, server: ControlServer) -> None:
        self.socket = socket
        self._server = server
        self.ports = ports
        self._loop = loop

    def become(self, state: State) -> None:
        """Have the daemon make a step, and wait until it has."""
        self.call(lambda: self.ports.become(state))

    @property
    def door(self) -> Door:
        """By which callers come in."""
        assert self._server._door is not None
        return self._server._door

    def admit(self, access: ControlSpec | None) -> None:
        """As a reload does."""
        self._server.admit(access)

    def call(self, what: Callable[[], None]) -> None:
        """Run something on the daemon's loop."""
        done: Future[None] = Future()

        def run() -> None:
            what()
            done.set_result(None)

        self._loop.call_soon_threadsafe(run)
        done.result(10)


@contextmanager
def serving(socket: Path, state: State, answer: Answer | None = None) -> Iterator[Daemon]:
    """A daemon at the socket until the block ends."""
    ready: Future[tuple[asyncio.AbstractEventLoop, FakePorts, ControlServer, asyncio.Event]] = Future()

    async def serve() -> None:
        ports = FakePorts(state, answer=answer)
        server, over = ControlServer(ports, socket), asyncio.Event()
        await server.start()
        ready.set_result((asyncio.get_running_loop(), ports, server, over))
        await over.wait()
        await server.stop()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    loop, ports, server, over = ready.result(10)
    try:
        yield Daemon(socket, loop, ports, server)
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)


Serve = Callable[..., Daemon]
