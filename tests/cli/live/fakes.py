"""A daemon without a socket: what it says is what a test has it say, what is asked of it is noted."""
# ruff: noqa: ARG002 # asked as the real one is

import os
import queue
from collections.abc import Generator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from supervisor.control import views
from supervisor.control.client import Client, ControlError, NotRunning

BEAT_SECONDS = 2.0
"""It says something though nothing changed, as the daemon does."""


class FakeDaemon:
    """What every connection is to."""

    def __init__(self, status: views.Status) -> None:
        self.status = status
        self.pid = os.getpid()
        self.alive = True
        self.allowed = views.Allowed(control=True, reason="")
        self.queue = views.Queue(election="", age_seconds=0.1, candidates=())
        self.history = views.History(election="", source="etcd", detail="", terms=())
        self.happened: list[views.Happening] = []
        self.said: dict[str, list[views.LogLines]] = {}
        self.done: list[tuple[str, ...]] = []
        self.refusal: ControlError | None = None
        self.progress: tuple[views.Progress, ...] = ()
        self._streams: list[tuple[str, queue.SimpleQueue[object]]] = []

    def connect(self) -> Client:
        if not self.alive:
            raise NotRunning("no supervisor is running here")
        return FakeClient(self)

    def become(self, status: views.Status) -> None:
        self.status = status
        self._tell("status", status)

    def happen(self, found: views.Happening) -> None:
        self.happened.append(found)
        self._tell("events", found)

    def say(self, process: str, text: bytes, stream: str = "stdout") -> None:
        piece = views.LogLines(process=process, stream=stream, at="2026-11-24T12:00:00Z", text=text, missed=0)
        self.said.setdefault(process, []).append(piece)
        self._tell(f"logs {process}", piece)

    def end(self) -> None:
        self.alive = False
        for _, stream in self._streams:
            stream.put(NotRunning("the supervisor has ended"))

    def _tell(self, kind: str, item: object) -> None:
        for name, stream in self._streams:
            if name == kind:
                stream.put(item)

    def stream(self, kind: str, mine: "queue.SimpleQueue[object]") -> None:
        self._streams.append((kind, mine))


class FakeClient(Client):
    """One connection."""

    def __init__(self, daemon: FakeDaemon) -> None:
        self._daemon = daemon
        self.pid = daemon.pid
        self._mine: queue.SimpleQueue[object] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._mine.put(NotRunning("closed"))

    def _next(self, timeout_seconds: float | None = None) -> object:
        item = self._mine.get(timeout=timeout_seconds)
        if isinstance(item, ControlError):
            raise item
        return item

    def status(self, name: str = "", *, exits: bool = False) -> views.Status:
        whole = self._daemon.status
        if not name:
            return whole
        elections = tuple(e for e in whole.elections if e.name == name)
        processes = tuple(p for p in whole.processes if name in (p.name, p.election))
        return replace(whole, elections=elections, processes=processes)

    def watch_status(self, name: str = "", *, exits: bool = False) -> Generator[views.Status, None, None]:
        self._daemon.stream("status", self._mine)
        yield self._daemon.status
        while True:
            try:
                item = self._next(BEAT_SECONDS)
            except queue.Empty:
                item = self._daemon.status
            assert isinstance(item, views.Status)
            yield item

    def events(
        self, *elections: str, kinds: Sequence[str] = (), lines: int | None = None, follow: bool = False
    ) -> Generator[views.Happening, None, None]:
        yield from self._daemon.happened
        if follow:
            self._daemon.stream("events", self._mine)
            while True:
                item = self._next()
                assert isinstance(item, views.Happening)
                yield item

    def logs(
        self, *processes: str, lines: int | None = None, since_seconds: float | None = None, follow: bool = False
    ) -> Generator[views.LogLines, None, None]:
        (process,) = processes
        self._daemon.stream(f"logs {process}", self._mine)
        yield from self._daemon.said.get(process, ())
        while True:
            item = self._next()
            assert isinstance(item, views.LogLines)
            yield item

    def access(self) -> views.Allowed:
        return self._daemon.allowed

    def queue(self, election: str) -> views.Queue:
        return self._daemon.queue

    def history(self, election: str) -> views.History:
        return self._daemon.history

    def _do(self, *what: str) -> None:
        if self._daemon.refusal is not None:
            raise self._daemon.refusal
        self._daemon.done.append(what)

    def resign(self, election: str, wait_seconds: float) -> views.Resigned:
        self._do("resign", election)
        leader = views.Leader(state=views.KNOWN, words="web-2", token=1300)
        return views.Resigned(outcome="resigned", token=1234, leader=leader, waiting_for="")

    def _of(self, process: str) -> views.Process:
        return next(p for p in self._daemon.status.processes if p.name == process)

    def restart(self, process: str, wait_seconds: float) -> views.Restarted:
        self._do("restart", process)
        return views.Restarted(outcome="restarted", process=self._of(process))

    def start(self, process: str, wait_seconds: float) -> views.Started:
        self._do("start", process)
        return views.Started(outcome="started", process=self._of(process))

    def stop(self, process: str, wait_seconds: float) -> views.Stopped:
        self._do("stop", process)
        return views.Stopped(outcome="stopped", process=self._of(process))

    def _progress(self, *what: str) -> Generator[views.Progress, None, None]:
        self._do(*what)
        yield from self._daemon.progress or (views.Progress(text="done so", outcome="done"),)

    def switchover(
        self, election: str, *, to: str = "", at: float | None = None, wait_seconds: float, cancel: bool = False
    ) -> Generator[views.Progress, None, None]:
        return self._progress("switchover", election, to)

    def pause(
        self, election: str, *, resume: bool = False, wait_seconds: float
    ) -> Generator[views.Progress, None, None]:
        return self._progress("resume" if resume else "pause", election)

    def drain(
        self,
        node: str,
        *,
        undrain: bool = False,
        followers_stop: bool = False,
        force: bool = False,
        wait_seconds: float,
    ) -> Generator[views.Progress, None, None]:
        return self._progress("undrain" if undrain else "drain", node)
