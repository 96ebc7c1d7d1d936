"""Between one machine and etcd: latency, loss, cuts, requests carried out late or twice; and the watch.

Promises: a call is answered exactly once: by what etcd said, if that arrives before the deadline, else by the failure, at
the deadline. Requests may be carried out though no answer comes, after the deadline, or twice; answers may overtake one
another. A watch is in order, may lag, may hang without anybody noticing, and lists anew when it breaks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from supervisor.core.events import Event, QueueChanged, StoreReachable, TermRecord
from supervisor.core.names import ElectionName, Token
from supervisor.core.request_events import RequestsSeen
from tests.simulation.etcd import Etcd, Queue
from tests.simulation.kernel import Kernel

T = TypeVar("T")

LIST_TIMEOUT_SECONDS = 3.0
WALL = 1_600_000_000.0
"""The date when the simulation begins."""


class Link:
    """One machine's way to etcd and back."""

    __slots__ = ("cut_down", "cut_up", "etcd", "kernel", "late", "loss", "noise", "slow")

    def __init__(self, kernel: Kernel, etcd: Etcd) -> None:
        self.kernel = kernel
        self.etcd = etcd
        self.cut_up = 0
        """By how many faults requests are dropped."""
        self.cut_down = 0
        self.loss = 0.0
        self.late = 0.0
        """Seconds that every answer takes beside."""
        self.slow = 0.0
        """Seconds added to each way, at most."""
        self.noise = True
        """Now and then a message takes seconds, or comes twice."""

    def latency(self) -> float:
        """Of one message."""
        random = self.kernel.random
        seconds = 0.0003 + 0.003 * random() ** 3
        if self.slow:
            seconds += self.slow * random()
        if self.noise and random() < 0.004:
            seconds += 3.0 * random()
        return seconds

    def call(
        self,
        apply: Callable[[], T],
        answer: Callable[[T], None],
        fail: Callable[[], None],
        timeout_seconds: float,
        *,
        once: bool = False,
    ) -> None:
        """Send a request. One of ``answer`` and ``fail`` is called, once. ``once``: never carried out twice, or late."""
        kernel = self.kernel
        deadline = kernel.now + timeout_seconds
        if self.cut_up or (self.loss and kernel.random() < self.loss):
            kernel.at(deadline, fail)
            return
        arrival = kernel.now + self.latency()
        if self.noise and not once and kernel.random() < 0.01:
            kernel.at(arrival + 3.0 * kernel.random(), self._again, apply)
        if once and arrival > deadline:
            kernel.at(deadline, fail)
        else:
            kernel.at(arrival, self._arrived, apply, answer, fail, deadline, once)

    def _again(self, apply: Callable[[], T]) -> None:
        if self.etcd.up and not self.cut_up:
            apply()

    def _arrived(
        self,
        apply: Callable[[], T],
        answer: Callable[[T], None],
        fail: Callable[[], None],
        deadline: float,
        once: bool,
    ) -> None:
        kernel = self.kernel
        if self.cut_up or not self.etcd.up:
            if not self.cut_up and not once and kernel.random() < 0.5:
                self.etcd.deferred.append(apply)
            kernel.at(max(deadline, kernel.now), fail)
            return
        result = apply()
        back = kernel.now + self.late + self.latency()
        if back > deadline or self.cut_down or (self.loss and kernel.random() < self.loss):
            kernel.at(max(deadline, kernel.now), fail)
        else:
            kernel.at(back, self._returned, answer, result, fail, deadline)

    def _returned(self, answer: Callable[[T], None], result: T, fail: Callable[[], None], deadline: float) -> None:
        if self.cut_down:
            self.kernel.at(deadline, fail)
        else:
            answer(result)


News = QueueChanged | RequestsSeen


class Watch:
    """The namespace as one daemon is shown it."""

    def __init__(self, link: Link, post: Callable[[Event], None]) -> None:
        self._link = link
        self._kernel = link.kernel
        self._post = post
        self._stream = 0
        """Numbers the streams; 0: none was opened yet."""
        self._open = False
        self._listing = False
        self._last = 0.0
        self._early: list[News] = []
        self._buffer: list[News] = []
        self._known: set[ElectionName] = set()
        self.hung = 0
        self.closed = False
        link.etcd.watchers.append(self.changed)
        link.etcd.request_watchers.append(self.asked)
        self._list()

    def close(self) -> None:
        """Its daemon is gone."""
        if not self.closed:
            self.closed = True
            self._link.etcd.watchers.remove(self.changed)
            self._link.etcd.request_watchers.remove(self.asked)

    def changed(self, election: ElectionName, queue: Queue, revision: int) -> None:
        """Etcd tells every stream."""
        if not self._open:
            return
        event = QueueChanged(election=election, candidates=queue, revision=revision)
        if self._listing:
            self._early.append(event)
        else:
            self._send(event)

    def asked(self) -> None:
        """Of requests, too. One watch for both: that they hang apart shows nothing that loss does not."""
        if not self._open:
            return
        event = self._requests()
        if self._listing:
            self._early.append(event)
        else:
            self._send(event)

    def repeat(self) -> None:
        """Whoever connects is told of all requests."""
        if self._open and not self._listing:
            self._send(self._requests())

    def _requests(self) -> RequestsSeen:
        return RequestsSeen(entries=self._link.etcd.entries(), wall_seconds=WALL + self._kernel.now)

    def _send(self, event: News) -> None:
        self._last = max(self._last, self._kernel.now + self._link.late + self._link.latency())
        self._kernel.at(self._last, self._arrived, self._stream, event)

    def _arrived(self, stream: int, event: News) -> None:
        if stream != self._stream or self.closed:
            return
        if self.hung or self._link.cut_down or self._buffer:
            if not self._buffer:
                self._kernel.at(self._kernel.now + 1.0 + 3.0 * self._kernel.random(), self._look, stream)
            self._buffer.append(event)
            return
        self._show(event)

    def _show(self, event: News) -> None:
        if isinstance(event, QueueChanged):
            self._known.add(event.election)
        self._post(event)

    def _look(self, stream: int) -> None:
        """It was silent for a while: a hang is not noticed, a cut is; what is neither delivers what it holds."""
        if stream != self._stream or self.closed:
            return
        if self.hung:
            self._kernel.at(self._kernel.now + 0.2, self._look, stream)
        elif self._link.cut_down:
            self.break_off()
        else:
            held, self._buffer = self._buffer, []
            for event in held:
                self._show(event)

    def break_off(self) -> None:
        """GOAWAY, compaction, a member that ended, a silence: list and watch again."""
        if self._open and not self.closed:
            self._open = self._listing = False
            self._stream += 1
            self._buffer = []
            self._kernel.at(self._kernel.now + 0.1 * self._kernel.random(), self._list)

    def _list(self) -> None:
        if self.closed:
            return
        if self.hung:
            self._kernel.at(self._kernel.now + 0.5, self._list)
            return
        self._link.call(self._read, self._listed, self._not_listed, LIST_TIMEOUT_SECONDS, once=True)

    def _read(self) -> tuple[int, int, dict[ElectionName, Queue], RequestsSeen]:
        self._stream += 1
        self._open = self._listing = True
        self._buffer, self._early = [], []
        return self._stream, self._link.etcd.revision, dict(self._link.etcd.queues), self._requests()

    def _listed(self, found: tuple[int, int, dict[ElectionName, Queue], RequestsSeen]) -> None:
        stream, revision, queues, requests = found
        if stream != self._stream or self.closed:
            return
        self._listing = False
        self._last = self._kernel.now
        self._post(StoreReachable(endpoint="http://store:2379"))
        self._post(requests)
        for election in self._known | set(queues):
            self._post(QueueChanged(election=election, candidates=queues.get(election, ()), revision=revision))
        self._known = set(queues)
        early, self._early = self._early, []
        for event in early:
            self._send(event)

    def _not_listed(self) -> None:
        if not self.closed:
            self._open = self._listing = False
            self._stream += 1
            self._kernel.at(self._kernel.now + 0.1 + 0.9 * self._kernel.random(), self._list)


class RecordWatch:
    """One record as one daemon is shown it: the next change, late like the other watch, or never where the stream breaks."""

    def __init__(
        self, link: Link, beside: Watch, election: ElectionName, token: Token, tell: Callable[[TermRecord], None]
    ) -> None:
        """``beside``: the stream of the queues; what hangs there hangs here."""
        self._link, self._beside = link, beside
        self._place = (election, token)
        self._tell = tell
        link.etcd.readers.append(self._written)

    def close(self) -> None:
        """Nobody waits for it any more."""
        if self._written in self._link.etcd.readers:
            self._link.etcd.readers.remove(self._written)

    def _written(self, election: ElectionName, token: Token, value: bytes) -> None:
        if (election, token) == self._place:
            self.close()
            kernel = self._link.kernel
            record = TermRecord(token=token, value=value)
            kernel.at(kernel.now + self._link.late + self._link.latency(), self._arrived, record)

    def _arrived(self, record: TermRecord) -> None:
        kernel = self._link.kernel
        if self._beside.hung:
            kernel.at(kernel.now + 0.2, self._arrived, record)
        elif not self._link.cut_down and not self._beside.closed:
            self._tell(record)
