"""Probes: looking at a child again and again, and saying each time what was seen.

Promises: a probe looks at once, or after its initial delay, and then every ``every_seconds``; the first pause alone is of
random length, so that hundreds that were started together do not go on together; every look is exactly one ProbeSucceeded
or ProbeFailed, no later than its timeout; looks of one probe never overlap, so that a slow one is not made slower; after
``stop`` nothing more is heard of it. What a child tells by itself (``notify``, ``logwatch``) is not looked for: it is passed
on when it comes.
Does not: count successes or failures or judge a child (the core does), spawn (``run_exec`` does), or keep exact time: a look
that takes longer than the period delays the next.
"""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, assert_never

from supervisor.core.actions import StartProbe
from supervisor.core.events import Event, ProbeFailed, ProbeSucceeded
from supervisor.core.names import RunId
from supervisor.core.spec import ProbeKind, ProbeSpec
from supervisor.processes.lines import neutralise
from supervisor.processes.looks import look_http, look_tcp, place

SHORTEST_PAUSE_SECONDS: Final = 0.01
"""Between two looks, however slow the first was."""

LAST_LINE_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecResult:
    """How the command of an exec probe ended. With neither code nor signal it never ran, and ``detail`` says why."""

    code: int | None = None
    signal: int | None = None
    timed_out: bool = False
    """It was killed for it."""
    output: bytes = b""
    """The end of what it said."""
    detail: str = ""


RunExec = Callable[[tuple[str, ...], RunId, float], Awaitable[ExecResult]]
"""Runs a command beside a run, killed after so many seconds or when cancelled; returns when nothing of it is left.

Raises nothing but OSError. May take longer than the seconds: then the next look waits for it."""

Report = Callable[[str | None], None]
"""Takes the outcome of one look: None, or why it failed."""


class ProbeRunner:
    """All probes of the daemon, each a task of ``run``."""

    def __init__(
        self,
        *,
        on_event: Callable[[Event], None],
        run_exec: RunExec,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """``chance``: uniform in [0, 1)."""
        self._on_event = on_event
        self._run_exec = run_exec
        self._chance = chance
        self._group: asyncio.TaskGroup | None = None
        self._waiting: dict[tuple[RunId, str], StartProbe] = {}
        self._tasks: dict[tuple[RunId, str], asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Keeps the probes going until cancelled. Probes started before it begin with it."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for action in self._waiting.values():
                    self._begin(group, action)
                self._waiting.clear()
                try:
                    await asyncio.get_running_loop().create_future()
                finally:
                    self._group = None  # a probe started from here on waits for another run
        finally:
            self._tasks.clear()

    def start(self, action: StartProbe) -> None:
        """Begins to look; replaces the run's probe of the same purpose."""
        self.stop(action.run, action.purpose)
        if self._group is None:
            self._waiting[action.run, action.purpose] = action
        else:
            self._begin(self._group, action)

    def stop(self, run: RunId, purpose: str) -> None:
        """Ends a probe, a look under way included; a probe that is none is nobody."""
        self._waiting.pop((run, purpose), None)
        task = self._tasks.pop((run, purpose), None)
        if task is not None:
            task.cancel()

    def stop_run(self, run: RunId) -> None:
        """Ends every probe of a run."""
        for key in [key for key in (*self._waiting, *self._tasks) if key[0] == run]:
            self.stop(*key)

    def _begin(self, group: asyncio.TaskGroup, action: StartProbe) -> None:
        name = f"probe {action.process} {action.purpose}"
        self._tasks[action.run, action.purpose] = group.create_task(self._repeat(group, action), name=name)

    async def _repeat(self, group: asyncio.TaskGroup, action: StartProbe) -> None:
        loop = asyncio.get_running_loop()
        me = asyncio.current_task()

        def report(failure: str | None) -> None:
            if self._tasks.get((action.run, action.purpose)) is not me:
                return  # stopped in the meantime
            if failure is None:
                self._on_event(ProbeSucceeded(run=action.run, purpose=action.purpose))
            else:
                self._on_event(ProbeFailed(run=action.run, purpose=action.purpose, detail=failure))

        probe = action.probe
        if probe.initial_delay_seconds:
            await asyncio.sleep(probe.initial_delay_seconds)
        pause = probe.every_seconds * self._chance()
        while True:
            began = loop.time()
            await self._look(group, probe, action.run, report)
            await asyncio.sleep(max(SHORTEST_PAUSE_SECONDS, began + pause - loop.time()))
            pause = probe.every_seconds

    async def _look(self, group: asyncio.TaskGroup, probe: ProbeSpec, run: RunId, report: Report) -> None:
        match probe.kind:
            case ProbeKind.HTTP:
                report(await _in_time(look_http(probe.url, probe.http, probe.tls), probe))
            case ProbeKind.TCP:
                report(await _in_time(look_tcp(probe.address), probe))
            case ProbeKind.GRPC:
                # gRPC is in the daemon anyway; the messages of its health service only where one is asked.
                from supervisor.processes.grpclook import look_grpc  # noqa: PLC0415

                report(await _in_time(look_grpc(probe), probe))
            case ProbeKind.EXEC:
                await self._look_exec(group, probe, run, report)
            case ProbeKind.NOTIFY | ProbeKind.WATCHDOG | ProbeKind.LOG:
                raise AssertionError("nobody looks for what is told")
            case _:
                assert_never(probe.kind)

    async def _look_exec(self, group: asyncio.TaskGroup, probe: ProbeSpec, run: RunId, report: Report) -> None:
        """Reports at the timeout at the latest, and still waits for the command to be gone before the next look."""
        command = group.create_task(self._run_command(probe, run))
        try:
            done, _ = await asyncio.wait({command}, timeout=probe.timeout_seconds)
            report(command.result() if done else _timed_out(probe.timeout_seconds))
            await asyncio.wait({command})
        finally:
            command.cancel()

    async def _run_command(self, probe: ProbeSpec, run: RunId) -> str | None:
        try:
            result = await self._run_exec(probe.command, run, probe.timeout_seconds)
        except OSError as error:  # no pipe, no descriptor, no guardian: the look failed, whoever's fault it is
            result = ExecResult(detail=error.strerror or str(error))
        return exec_failure(result, probe.timeout_seconds)


def exec_failure(result: ExecResult, timeout_seconds: float) -> str | None:
    """None when the command exited 0, else why it did not pass: ``exit code 1: last line``."""
    if result.timed_out:
        return _timed_out(timeout_seconds)
    if result.code == 0:
        return None
    if result.signal is not None:
        how = f"killed by {_signal_name(result.signal)}"
    elif result.code is not None:
        how = f"exit code {result.code}"
    else:
        how = f"cannot be started: {result.detail or 'no reason given'}"
    said = neutralise(result.output).decode().strip().rpartition("\n")[2][:LAST_LINE_CHARACTERS]
    return f"{how}: {said}" if said else how


async def _in_time(look: Awaitable[str | None], probe: ProbeSpec) -> str | None:
    try:
        async with asyncio.timeout(probe.timeout_seconds):
            failure = await look
    except TimeoutError:
        failure = _timed_out(probe.timeout_seconds)
    return None if failure is None else f"{failure} ({place(probe)})"


def _timed_out(timeout_seconds: float) -> str:
    return f"timed out after {timeout_seconds:g} s"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
