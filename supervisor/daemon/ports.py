"""The daemon as the control API sees it (``control.ports.Ports``)."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from functools import partial

from supervisor.control.ports import Facts, Heard, Ledger, LogTrouble, PlanReading, ReloadOutcome
from supervisor.core.events import Event
from supervisor.core.happenings import Happening
from supervisor.core.names import ElectionName, Instant, ProcessId
from supervisor.core.state import State
from supervisor.daemon import clock
from supervisor.daemon.loop import Loop
from supervisor.daemon.proposals import Proposals
from supervisor.daemon.record import Record
from supervisor.daemon.reload import Reloader
from supervisor.processes.logs import LogCapture
from supervisor.processes.rendering import stamp

ADOPT_TIMEOUT_SECONDS = 10.0

WriteRequest = Callable[[str, bytes | None, int | None], Coroutine[None, None, str]]


class DaemonPorts:
    """Loop, file and facts behind one front."""

    def __init__(
        self,
        loop: Loop,
        reloader: Reloader,
        proposals: Proposals,
        facts: Callable[[], Facts],
        logs: LogCapture,
        record: Record,
        *,
        say: Callable[[str], None],
        write_request: WriteRequest,
    ) -> None:
        self._loop = loop
        self._reloader = reloader
        self._proposals = proposals
        self._facts = facts
        self._logs = logs
        self._record = record
        self._say = say
        self._write = write_request

    @property
    def facts(self) -> Facts:
        """What does not change."""
        return self._facts()

    def loop_lag_seconds(self) -> float:
        """How late the last timer was."""
        return self._loop.lag_seconds

    def state(self) -> State:
        """The state after the last step."""
        return self._loop.state

    def now(self) -> Instant:
        """CLOCK_BOOTTIME."""
        return clock.now()

    def post(self, event: Event) -> None:
        """Queue an event."""
        self._loop.post(event)

    def wall(self) -> float:
        """The date."""
        return clock.wall()

    async def write_request(self, path: str, value: bytes | None, revision: int | None) -> str:
        """See ``StoreCalls.write_request``."""
        return await self._write(path, value, revision)

    async def wait(self, predicate: Callable[[State], bool], timeout_seconds: float) -> State | None:
        """The first state that fits, or None."""
        return await self._loop.wait(predicate, timeout_seconds)

    async def subscribe(self) -> AsyncGenerator[State, None]:
        """This state and every later one; slow readers skip."""
        seen: State | None = None
        while True:
            found = await self._loop.wait(partial(_differs, seen), 3600.0)
            if found is None:
                continue
            seen = found
            yield found
            if found.exited:
                return

    def tell(self, text: str) -> None:
        """One line of our own."""
        self._say(text)

    def log_troubles(self) -> dict[ProcessId, LogTrouble]:
        """Of every process that lost lines or whose log is in trouble."""
        return {pid: LogTrouble(lines=lost.lines, trouble=lost.trouble) for pid, lost in self._logs.losses().items()}

    async def logs(
        self, processes: Sequence[ProcessId], *, lines: int | None, since_seconds: float | None, follow: bool
    ) -> AsyncGenerator[Heard, None]:
        """The last of what processes said, and what they say from then on."""
        since = None if since_seconds is None else clock.wall() - since_seconds
        async with aclosing(self._logs.follow(processes, lines=lines, since=since, follow=follow)) as heard:
            async for said in heard:
                at = stamp(said.at)
                yield Heard(process=said.process, stream=said.stream, at=at, text=said.text, missed=said.missed)

    def happened(self) -> Sequence[tuple[int, Happening]]:
        """What is kept of what happened."""
        return self._record.ring.last()

    def happenings(self, *, after: int) -> AsyncGenerator[tuple[int, Happening, int], None]:
        """What happened after this number, and happens."""
        return self._record.ring.follow(after=after)

    async def history(self, election: ElectionName) -> Ledger:
        """What is on record of an election's terms."""
        return await self._record.ledger(election)

    async def read(self, content: bytes | None, name: str) -> PlanReading:
        """What is at the file, or would be."""
        found = await self._proposals.read(content, name)
        return PlanReading(problems=found.shown, spec=found.spec, source=found.source, token=found.token)

    async def reload(self, token: str = "") -> ReloadOutcome:
        """Read the file again, or take what was read, and wait for the step that adopts it."""
        if token:
            return await self._proposals.adopt(token)
        before = self._loop.state
        adopted, problems, summary = await self._reloader.reload()
        if adopted and summary:
            await self._loop.wait(lambda s: s.generation > before.generation, ADOPT_TIMEOUT_SECONDS)
        elif not adopted:
            await asyncio.sleep(0)
        return ReloadOutcome(adopted=adopted, problems=problems, summary=summary)


def _differs(seen: State | None, state: State) -> bool:
    return state is not seen
