"""A daemon for the control API to ask: a state that tests change, and events that they can answer."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from supervisor.control.ports import Facts, Heard, Ledger, LogTrouble, PlanReading, ReloadOutcome
from supervisor.core.events import Event
from supervisor.core.happenings import Happening
from supervisor.core.names import ElectionName, Instant, ProcessId
from supervisor.core.state import State
from supervisor.daemon.ring import Ring
from tests.control import states

Answer = Callable[[State, Event], State]


class FakePorts:
    """``Ports`` as the daemon has them: events are answered later, on the loop, one at a time; states are coalesced."""

    def __init__(self, state: State, *, answer: Answer | None = None) -> None:
        self.facts: Facts = states.FACTS
        self.lag_seconds = 0.0
        self.outcome = ReloadOutcome(adopted=True)
        self.reading: PlanReading | None = None
        """What a plan is made of; None: what is in force."""
        self.read_for: list[tuple[bytes | None, str]] = []
        self.tokens: list[str] = []
        self.posted: list[Event] = []
        self.said: list[str] = []
        self.troubles: dict[ProcessId, LogTrouble] = {}
        self.heard: list[Heard] = []
        self.ledger = Ledger(pages=())
        self.ring = Ring(kept=20)
        self.told_of: list[ElectionName] = []
        self.asked: list[tuple[tuple[str, ...], int | None, float | None, bool]] = []
        self.date = 1.7e9
        self.written: list[tuple[str, bytes | None, int | None]] = []
        self.refuses = ""
        self.observers = 0
        self.waiting = 0
        self._state = state
        self._answer = answer
        self._changed: set[asyncio.Event] = set()

    def loop_lag_seconds(self) -> float:
        return self.lag_seconds

    def state(self) -> State:
        return self._state

    def now(self) -> Instant:
        return states.NOW

    def post(self, event: Event) -> None:
        self.posted.append(event)
        if self._answer is not None:
            answer = self._answer
            asyncio.get_running_loop().call_soon(lambda: self.become(answer(self._state, event)))

    def wall(self) -> float:
        return self.date

    async def write_request(self, path: str, value: bytes | None, revision: int | None) -> str:
        self.written.append((path, value, revision))
        return self.refuses

    def become(self, state: State) -> None:
        """The daemon made a step."""
        self._state = state
        for changed in self._changed:
            changed.set()

    async def wait(self, predicate: Callable[[State], bool], timeout_seconds: float) -> State | None:
        self.waiting += 1
        try:
            with suppress(TimeoutError), self._news() as changed:
                async with asyncio.timeout(timeout_seconds):
                    while not predicate(self._state):
                        await changed.wait()
                        changed.clear()
                    return self._state
            return None
        finally:
            self.waiting -= 1

    async def subscribe(self) -> AsyncGenerator[State, None]:
        self.observers += 1
        try:
            with self._news() as changed:
                while True:
                    changed.clear()
                    yield self._state
                    await changed.wait()
        finally:
            self.observers -= 1

    def happened(self) -> Sequence[tuple[int, Happening]]:
        return self.ring.last()

    def happenings(self, *, after: int) -> AsyncGenerator[tuple[int, Happening, int], None]:
        return self.ring.follow(after=after)

    async def history(self, election: ElectionName) -> Ledger:
        self.told_of.append(election)
        return self.ledger

    def tell(self, text: str) -> None:
        self.said.append(text)

    def log_troubles(self) -> dict[ProcessId, LogTrouble]:
        return self.troubles

    async def logs(
        self, processes: Sequence[ProcessId], *, lines: int | None, since_seconds: float | None, follow: bool
    ) -> AsyncGenerator[Heard, None]:
        self.asked.append((tuple(map(str, processes)), lines, since_seconds, follow))
        self.observers += 1
        try:
            for heard in self.heard:
                yield heard
            if follow:
                await asyncio.Event().wait()
        finally:
            self.observers -= 1

    async def read(self, content: bytes | None, name: str) -> PlanReading:
        self.read_for.append((content, name))
        return self.reading or PlanReading(spec=self._state.spec, source=self._state.source, token="t")

    async def reload(self, token: str = "") -> ReloadOutcome:
        self.tokens.append(token)
        return self.outcome

    @contextmanager
    def _news(self) -> Iterator[asyncio.Event]:
        changed = asyncio.Event()
        self._changed.add(changed)
        try:
            yield changed
        finally:
            self._changed.discard(changed)
