"""What open pages are told: the whole state once, and then what changed, each part by itself.

One task looks at the state for all of them, woken by the daemon's steps, and keeps the newest object of each part with the number
of the look that made it. A page has no queue, only a place: the number up to which it was told. So a slow one costs nothing,
holds nobody up, and is told the newest of each part and never what is outdated; of events it is told how many it missed.

Promises: nothing is looked at or kept while no page is open; the daemon has its turn after every ``AT_ONCE`` parts; a look is
followed by a pause of ``SHARE`` times what it cost; something is said at least every ``BEAT_SECONDS``, so that silence means
trouble; no more than ``MOST_STREAMS`` streams. Does not: write to a socket, or know what the objects say (``page_parts`` does).
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Protocol

from supervisor.control import condition, leaders, page_parts, watching
from supervisor.control.ports import Heard, LogTrouble, Ports
from supervisor.core import leadership
from supervisor.core.events import Candidate
from supervisor.core.happenings import Happening
from supervisor.core.names import ElectionName, ProcessId
from supervisor.core.state import State

MOST_STREAMS: Final = 32
"""Pages and logs together."""
TOGETHER_SECONDS: Final = 0.2
"""Between two looks at least."""
BEAT_SECONDS: Final = 2.0
"""The longest silence."""
SHARE: Final = 20
AT_ONCE: Final = 40
PIECE_BYTES: Final = 48 * 1024
"""Of one message, about."""
FIRST_EVENTS: Final = 200
FIRST_LINES: Final = 200
AGAIN_MILLISECONDS: Final = 1000
LATER_MILLISECONDS: Final = 10_000
"""After which a page that found no place, or lost the daemon, asks again."""


class Queues(Protocol):
    """The queues of the whole namespace, those of this node's elections too."""

    @property
    def marks(self) -> Mapping[ElectionName, int]:
        """Of each that has a candidate, another number after each change."""
        ...

    def of(self, election: ElectionName) -> tuple[Candidate, ...]:
        """Its candidates in order."""
        ...


@dataclass(frozen=True, slots=True)
class _Part:
    """The newest of one part: by which look, of what it was made, and what is said."""

    look: int
    made_of: tuple[object, ...]
    said: bytes


_GONE: Final = b"null"


class Feed:
    """The task, what it keeps, and whoever is told."""

    def __init__(self, ports: Ports, queues: Callable[[], Queues | None], *, own_words: bool) -> None:
        """``own_words``: whether what processes write themselves is told."""
        self._ports = ports
        self._queues = queues
        self._own_words = own_words
        self._parts: dict[str, _Part] = {}
        """In the order of their looks, the newest last."""
        self._look = 0
        self._done = 0
        """The last look that is complete."""
        self._marks: Mapping[ElectionName, int] = {}
        self._troubles: Mapping[ProcessId, LogTrouble] = {}
        self._readers: set[asyncio.Event] = set()
        self._logs = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def streams(self) -> int:
        """How many are being told."""
        return len(self._readers) + self._logs

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # --- what a page is told

    async def changes(self) -> AsyncGenerator[bytes, None]:
        """The stream of one page: ``hello``, then ``part`` and ``events``, until the daemon ends."""
        if self.streams >= MOST_STREAMS:
            yield _message("full", _json({"most": MOST_STREAMS}), again=LATER_MILLISECONDS)
            return
        news = asyncio.Event()
        self._readers.add(news)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look_on(), name="page")
        try:
            yield _message("hello", self._hello(), again=AGAIN_MILLISECONDS)
            told, number = 0, None
            while True:
                while told == self._done:
                    if self._task.done():
                        return
                    news.clear()
                    await news.wait()
                parts, told = self._since(told), self._done
                for piece in _pieces(parts, self._ports.now()):
                    yield piece
                found, missed = self._events(number)
                if found:
                    number = found[-1][0]
                    yield _message(
                        "events",
                        page_parts.happened(self._ports.state(), found, missed=missed, own_words=self._own_words),
                    )
                if self._ports.state().exited:
                    return
        finally:
            self._readers.discard(news)
            if not self._readers and self._task is not None:
                self._task.cancel()
                self._task = None
                self._parts, self._done, self._marks = {}, self._look, {}

    async def log(self, process: ProcessId) -> AsyncGenerator[bytes, None]:
        """The last of what a process said, and what it says."""
        if self.streams >= MOST_STREAMS:
            yield _message("full", _json({"most": MOST_STREAMS}), again=LATER_MILLISECONDS)
            return
        self._logs += 1
        try:
            yield _message("begin", _json({"process": str(process)}), again=AGAIN_MILLISECONDS)
            heard = self._ports.logs([process], lines=FIRST_LINES, since_seconds=None, follow=True)
            async with aclosing(heard) as pieces:
                async for piece in pieces:
                    yield _message("lines", _said(piece))
        finally:
            self._logs -= 1

    def _hello(self) -> bytes:
        facts, state = self._ports.facts, self._ports.state()
        return _json(
            {
                "node": state.node,
                "pid": facts.pid,
                "version": facts.version,
                "beat_seconds": BEAT_SECONDS,
                "logs": self._own_words,
            }
        )

    def _since(self, told: int) -> list[tuple[str, bytes]]:
        """Every part that is newer, oldest first."""
        found = []
        for name, part in reversed(self._parts.items()):
            if part.look <= told:
                break
            found.append((name, part.said))
        return found[::-1]

    def _events(self, number: int | None) -> tuple[Sequence[tuple[int, Happening]], int]:
        """What happened after this number, and how many of that are not kept."""
        kept = self._ports.happened()
        if number is None:
            return kept[-FIRST_EVENTS:], 0
        found = [(n, happened) for n, happened in kept if n > number]
        return found, found[0][0] - number - 1 if found else 0

    # --- looking

    async def _look_on(self) -> None:
        try:
            await self._keep()
        except Exception as error:  # noqa: BLE001 # a bug in what a page is told is worth no term
            self._ports.tell(f"pages are left, by a bug of ours: {error!r}")
        finally:
            for news in self._readers:
                news.set()

    async def _keep(self) -> None:
        """Look whenever there is something to see, for as long as somebody listens."""
        while True:
            seen, cost = self._ports.state(), 0.0
            self._look += 1
            began = time.thread_time()
            for _ in self._looked():
                cost += time.thread_time() - began
                await asyncio.sleep(0)
                began = time.thread_time()
            cost += time.thread_time() - began
            self._done = self._look
            for news in self._readers:
                news.set()
            await asyncio.sleep(max(TOGETHER_SECONDS, SHARE * cost))
            await self._ports.wait(lambda s: watching.changed(seen, s) or self._others_changed(), BEAT_SECONDS)  # noqa: B023 # waited for here

    def _others_changed(self) -> bool:
        queues = self._queues()
        return queues is not None and queues.marks != self._marks

    def _looked(self) -> Iterator[None]:
        """Make every part anew that is not what it was. Gives the daemon its turn now and then."""
        ports, state = self._ports, self._ports.state()
        said = page_parts.node(state, ports.facts, ports.now(), ports.loop_lag_seconds())
        self._put("node", (), said)
        self._troubles = ports.log_troubles()
        here = {"node"}
        for n, look in enumerate((*self._of_elections(here), *self._of_others(here), *self._of_processes(here)), 1):
            look()
            if n % AT_ONCE == 0:
                yield
        for name in self._parts.keys() - here:
            if self._parts[name].said != _GONE:
                self._put(name, (), _GONE)

    def _of_elections(self, here: set[str]) -> Iterator[Callable[[], None]]:
        for name in self._ports.state().elections:
            here.add(f"e/{name}")
            yield lambda name=name: self._see_election(name)  # type: ignore[misc] # a default binds the name of now

    def _of_others(self, here: set[str]) -> Iterator[Callable[[], None]]:
        queues, state = self._queues(), self._ports.state()
        self._marks = {} if queues is None else dict(queues.marks)
        for name in self._marks:
            if name not in state.elections:
                here.add(f"e/{name}")
                yield lambda name=name: self._see_other(name)  # type: ignore[misc] # a default in a lambda

    def _of_processes(self, here: set[str]) -> Iterator[Callable[[], None]]:
        for pid in self._ports.state().processes:
            if not pid.is_hook:
                here.add(f"p/{pid}")
                yield lambda pid=pid: self._see_process(pid)  # type: ignore[misc] # as above

    def _see_election(self, name: ElectionName) -> None:
        state, now = self._ports.state(), self._ports.now()
        e = state.elections.get(name)
        if e is None:
            return
        # Beside the election itself, what time and other parts of the state can change in what is said of it.
        stands = (leaders.confirmed(state, e, now), leadership.is_under_way(state, e, now))
        made_of = (e, *stands, leaders.leads_by_lease(state, e, now), condition.waiting_for(state, e, now))
        if self._differs(f"e/{name}", made_of):
            self._put(f"e/{name}", made_of, page_parts.election(state, e, now))

    def _see_other(self, name: ElectionName) -> None:
        state, now, queues = self._ports.state(), self._ports.now(), self._queues()
        if queues is None:
            return
        made_of = (self._marks.get(name), page_parts.watch_stands(state, now))
        if self._differs(f"e/{name}", made_of):
            self._put(f"e/{name}", made_of, page_parts.undeclared(state, name, queues.of(name), now))

    def _see_process(self, pid: ProcessId) -> None:
        state, now = self._ports.state(), self._ports.now()
        p = state.processes.get(pid)
        if p is None:
            return
        log = self._troubles.get(pid)
        made_of = (p, condition.wanted(state, p), log)
        if self._differs(f"p/{pid}", made_of):
            self._put(f"p/{pid}", made_of, page_parts.process(state, p, now, log, own_words=self._own_words))

    def _differs(self, name: str, made_of: tuple[object, ...]) -> bool:
        """Whether a part is made of something else now. What is large is compared by identity: it is replaced when it changes."""
        part = self._parts.get(name)
        if part is None or len(part.made_of) != len(made_of):
            return True
        return part.made_of[0] is not made_of[0] or part.made_of[1:] != made_of[1:]

    def _put(self, name: str, made_of: tuple[object, ...], said: bytes) -> None:
        self._parts.pop(name, None)  # so that it stands last
        self._parts[name] = _Part(self._look, made_of, said)


def elections(state: State, queues: Queues | None) -> Iterable[ElectionName]:
    """Every election that a page can know of."""
    return {*state.elections, *(queues.marks if queues is not None else ())}


def _pieces(parts: Sequence[tuple[str, bytes]], now: float) -> Iterator[bytes]:
    """The parts as messages of a bounded size; the last says that it is."""
    some: list[bytes] = []
    size = 0
    for n, (name, said) in enumerate(parts, 1):
        some.append(json.dumps(name).encode() + b":" + said)
        size += len(some[-1])
        last = n == len(parts)
        if size >= PIECE_BYTES or last:
            head = f'{{"now":{now!r},"last":{"true" if last else "false"},"parts":{{'
            yield _message("part", head.encode() + b",".join(some) + b"}}")
            some, size = [], 0


def _said(piece: Heard) -> bytes:
    text = piece.text.decode(errors="replace")
    return _json({"stream": piece.stream, "at": piece.at, "text": text, "missed": piece.missed})


def _json(told: Mapping[str, object]) -> bytes:
    return json.dumps(told, separators=(",", ":")).encode()


def _message(kind: str, data: bytes, *, again: int | None = None) -> bytes:
    """One server-sent event. The data is JSON on one line."""
    head = f"event: {kind}\n" if again is None else f"event: {kind}\nretry: {again}\n"
    return head.encode() + b"data: " + data + b"\n\n"
