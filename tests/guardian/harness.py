"""A guardian on duty with everything a test needs to give it orders and wait for its news."""

import asyncio
import os
import select
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from supervisor.core import events
from supervisor.core.actions import Arm
from supervisor.core.names import ElectionName, Instant, LeaseId, RunId, Term, Token
from supervisor.guardian.link import GuardianLink, Launched, SpawnRequest, launch

E = TypeVar("E")
PATIENCE_SECONDS = 30.0
BILLING = Term(ElectionName("billing"), Token(7))
LEASE = LeaseId(0x1234)

DAEMONISE = """
import os, sys, time, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        if "clean" in sys.argv: os.execve(sys.executable, [sys.executable, "-c", sys.argv[1], "stay", sys.argv[2]], {})
        open(sys.argv[2], "w").write(str(os.getpid()))
        while True: time.sleep(1)
    os._exit(0)
os.wait()
if "stay" not in sys.argv and "leave" not in sys.argv:
    while True: time.sleep(1)
"""
STAY = 'import os,sys,time\nopen(sys.argv[2]+".new","w").write(str(os.getpid()))\nos.rename(sys.argv[2]+".new",sys.argv[2])\ntime.sleep(1000)'


def arm(term: Term, lease: LeaseId, lease_deadline: Instant, margin: float, record: str = "") -> Arm:
    """An order to arm; ``record`` is the key of the term's record."""
    return Arm(
        term=term,
        lease=lease,
        lease_deadline=lease_deadline,
        margin_seconds=margin,
        candidate_key=f"/test/{term.election}/{lease:x}",
        record_key=record or f"/test.log/{term.election}/{term.token}",
        stopped_record=b"stopped",
    )


def now(after: float = 0.0) -> Instant:
    """An instant on the guardian's clock."""
    return Instant(time.clock_gettime(time.CLOCK_BOOTTIME) + after)


def dead(pid: int) -> bool:
    """Gone, or a zombie that somebody else has to wait for."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return stat.rpartition(") ")[2][0] in "ZX"


def wait_dead(pid: int) -> None:
    """Block until a process that is not our child has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([fd], [], [], PATIENCE_SECONDS)[0], f"{pid} lives"
    finally:
        os.close(fd)


async def until(condition: Callable[[], object]) -> None:
    """Look until it is so."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


async def written_pid(path: Path) -> int:
    """The pid that a grandchild writes about itself."""
    await until(lambda: path.exists() and path.read_text())
    return int(path.read_text())


class Duty:
    """A launched guardian, its link, and the news in order."""

    def __init__(self, launched: Launched) -> None:
        self.news: list[events.Event] = []
        self._changed = asyncio.Event()
        self.link = GuardianLink(launched, on_event=self._hear, chance=lambda: 0.5)
        self.pid = launched.ready.pid
        self._next = 0

    def _hear(self, event: events.Event) -> None:
        self.news.append(event)
        self._changed.set()

    async def expect(self, kind: type[E], run: RunId | None = None) -> E:
        """The first news of this kind (about this run), now or later."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                self._changed.clear()
                for event in self.news:
                    if isinstance(event, kind) and (run is None or getattr(event, "run", None) == run):
                        return event
                await self._changed.wait()

    def about(self, run: RunId) -> list[str]:
        """What was said of a run, by name."""
        return [type(e).__name__ for e in self.news if getattr(e, "run", None) == run]

    def begin(self, *argv: str, out: int = 2, **more: object) -> RunId:
        """Order a spawn."""
        self._next += 1
        run = RunId(self._next)
        fields: dict[str, object] = {"term": None, "environment": dict(os.environ), "scope": f"test.{run}"} | more
        self.link.spawn(SpawnRequest(run=run, argv=argv, **fields), out, 2)  # type: ignore[arg-type]
        return run

    async def start(self, *argv: str, out: int = 2, **more: object) -> tuple[RunId, int]:
        """Order a spawn and wait for exec."""
        run = self.begin(*argv, out=out, **more)
        return run, (await self.expect(events.Spawned, run)).pid

    async def python(self, code: str, *arguments: str, **more: object) -> tuple[RunId, int]:
        """Run Python in a child."""
        return await self.start(sys.executable, "-c", code, *arguments, **more)  # type: ignore[arg-type]

    async def arm(self, seconds: float = 60.0, margin: float = 0.0, term: Term = BILLING) -> None:
        """Arm a term and wait for it."""
        self.link.arm(arm(term, LEASE, now(seconds), margin))
        await self.expect(events.Armed)


@asynccontextmanager
async def on_duty(state_dir: Path) -> AsyncIterator[Duty]:
    """Launch, run, close; nothing is left."""
    duty = Duty(launch(state_dir=state_dir, node="test"))
    # Not a TaskGroup: a fixture is set up and torn down by two different tasks.
    task = asyncio.create_task(duty.link.run())
    try:
        yield duty
    finally:
        await duty.link.close()
        await task
    wait_dead(duty.pid)


def kill(pid: int, signo: int = signal.SIGKILL) -> None:
    """Of a pid that a test started."""
    os.kill(pid, signo)
