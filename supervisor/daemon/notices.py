"""Telling others what happened: commands and webhooks, as the file's ``notify`` says.

Promises: whoever decides never waits for it; each notification has its own queue of ``MOST_WAITING`` events and works on one at
a time, oldest first; one that fails is tried again, ever later, and given up after its retries, which the log tells of once per
event; what does not fit into the queue is dropped, oldest first, and told of by a count. Commands are started by the guardian in
a containment of their own, as any child is, killed at their timeout, and end with the daemon. At the daemon's end what waits is
given ``LAST_SECONDS``. Does not: outlive the daemon, or keep anything on disk: an event that matters for ever is in the history.
"""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from supervisor.core.happenings import Happening
from supervisor.core.names import HOOK_MARK, ElectionName, ProcessId, ProcessName, Role
from supervisor.core.outside import NotifySpec, WebhookSpec
from supervisor.core.spec import ProcessSpec
from supervisor.core.state import State
from supervisor.processes.probes import ExecResult

MOST_WAITING: Final = 100
LAST_SECONDS: Final = 2.0

RunCommand = Callable[[NotifySpec, Mapping[str, str]], Awaitable[str]]
"""Runs the command with these variables; why it failed, empty when it did not."""
Post = Callable[[WebhookSpec, bytes], Awaitable[str]]
Describe = Callable[[Happening], tuple[bytes, Mapping[str, str]]]
"""The event as JSON, and as variables."""


class Notices:
    """Every notification of the file in force."""

    def __init__(self, *, run: RunCommand, post: Post, describe: Describe, warn: Callable[[str], None]) -> None:
        self._run = run
        self._post = post
        self._describe = describe
        self._warn = warn
        self._targets: dict[str, _Target] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def note(self, before: State, after: State, found: Iterable[Happening]) -> None:
        """Queue what somebody wants to know."""
        if after.spec is not before.spec and after.spec is not None:
            self._adopt(after.spec.notify)
        for target in self._targets.values():
            for happening in found:
                if target.wants(happening):
                    target.put(happening)

    async def close(self) -> None:
        """Give what waits a moment, then leave it."""
        waiting = [target.idle.wait() for target in self._targets.values()]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                await asyncio.gather(*waiting)
        tasks = [target.task for target in self._targets.values()] + list(self._leaving)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _adopt(self, wanted: Mapping[str, NotifySpec]) -> None:
        for name in [n for n, target in self._targets.items() if wanted.get(n) != target.spec]:
            task = self._targets.pop(name).task
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
            task.cancel()
        for name, spec in wanted.items():
            if name not in self._targets:
                self._targets[name] = _Target(spec, self._tell, self._warn)

    async def _tell(self, spec: NotifySpec, happening: Happening) -> str:
        """One try; why it failed."""
        body, variables = self._describe(happening)
        try:
            async with asyncio.timeout(spec.timeout_seconds):
                if spec.webhook is not None:
                    return await self._post(spec.webhook, body)
                return await self._run(spec, variables)
        except TimeoutError:
            return f"not done within {spec.timeout_seconds:g} s"


class _Target:
    """One notification, and what waits for it."""

    def __init__(
        self, spec: NotifySpec, tell: Callable[[NotifySpec, Happening], Awaitable[str]], warn: Callable[[str], None]
    ) -> None:
        self.spec = spec
        self.idle = asyncio.Event()
        self.idle.set()
        self._tell = tell
        self._warn = warn
        self._waiting: deque[Happening] = deque()
        self._arrived = asyncio.Event()
        self._dropped = 0
        self.task = asyncio.get_running_loop().create_task(self._work(), name=f"notify {spec.name}")

    def wants(self, h: Happening) -> bool:
        """Whether the file asks for this one: what concerns no election concerns all of them."""
        if self.spec.events and h.kind.value not in self.spec.events:
            return False
        return not self.spec.elections or not (h.election or h.process) or h.election in self.spec.elections

    def put(self, happening: Happening) -> None:
        """Behind those that wait."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self._dropped += 1
        self._waiting.append(happening)
        self.idle.clear()
        self._arrived.set()

    async def _work(self) -> None:
        while True:
            while self._waiting:
                await self._deliver(self._waiting.popleft())
            self.idle.set()
            self._arrived.clear()
            await self._arrived.wait()

    async def _deliver(self, happening: Happening) -> None:
        spec = self.spec
        if self._dropped:
            self._warn(f"notify {spec.name}: {self._dropped} events came too fast and were not told of")
            self._dropped = 0
        pause = spec.backoff_min_seconds
        for left in range(spec.retries, -1, -1):
            problem = await self._tell(spec, happening)
            if not problem:
                return
            if left:
                await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 # spreads a fleet's retries
                pause = min(2 * pause, spec.backoff_max_seconds)
            else:
                tries = f"{spec.retries + 1} tries" if spec.retries else "1 try"
                self._warn(f"notify {spec.name}: {happening.kind.value} was not told of after {tries}: {problem}")


def as_command(spec: NotifySpec) -> ProcessSpec:
    """What the guardian is asked to start."""
    pid = ProcessId(ElectionName(""), ProcessName(f"{HOOK_MARK}notify-{spec.name}"))
    return ProcessSpec(id=pid, role=Role.ALWAYS, command=spec.command, user=spec.user)


def as_variables(happened: Mapping[str, object], body: bytes) -> dict[str, str]:
    """An event as a command finds it in its environment."""
    told = {"SUPERVISOR_EVENT": body.decode()}
    for key in ("kind", "at", "election", "process", "token", "text"):
        value = happened.get(key)
        told[f"SUPERVISOR_EVENT_{key.upper()}"] = "" if value is None else str(value)
    return told


def in_words(result: ExecResult) -> str:
    """Why a command failed; empty when it did not. What it said is its own, and may hold anything."""
    if result.detail:
        return result.detail
    if result.timed_out:
        return "it was killed at its timeout"
    if result.signal is not None:
        return f"killed by signal {result.signal}"
    return "" if result.code == 0 else f"exit code {result.code}"
