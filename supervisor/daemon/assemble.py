"""Builds every adapter and runs them in one TaskGroup, until the core asks for the end.

Promises: whatever ends the group, the guardian is closed last, and it ends what is left. Does not: decide.
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import random
import signal
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor import __version__
from supervisor.config.apart import Reading
from supervisor.control import past, views
from supervisor.control.ports import Facts, Ledger
from supervisor.control.server import ControlServer
from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core import happenings, machine
from supervisor.core.names import ElectionName, Home, NodeName
from supervisor.core.outside import NotifySpec
from supervisor.core.state import State
from supervisor.daemon import clock
from supervisor.daemon.children import Children
from supervisor.daemon.ledger import LedgerFile
from supervisor.daemon.loop import Loop
from supervisor.daemon.manager import LONGEST_WITHOUT_STEP_SECONDS, ServiceManager
from supervisor.daemon.notices import Notices, as_command, as_variables, in_words
from supervisor.daemon.order import Order
from supervisor.daemon.outside import Outside
from supervisor.daemon.ports import DaemonPorts
from supervisor.daemon.reload import Reloader
from supervisor.daemon.ring import Ring
from supervisor.daemon.store_calls import StoreCalls
from supervisor.daemon.tokens import TokenFile
from supervisor.etcd.errors import StoreError
from supervisor.guardian.link import GuardianLink, Launched
from supervisor.processes.logs import LogCapture
from supervisor.processes.output import Output
from supervisor.processes.webhook import post
from supervisor.report import transitions
from supervisor.report.logline import Level, LogLine, is_journal, render
from supervisor.report.systemd import Notifier

if TYPE_CHECKING:
    from supervisor.report.metrics import Moment

ETCD_UNREACHABLE_EXIT_CODE = 69
UNREACHABLE_DURING_START = "etcd was not reached in time (--wait-etcd)"


class Daemon:
    """One supervisor."""

    def __init__(
        self,
        *,
        launched: Launched,
        file: Path,
        reading: Reading,
        node: str | None,
        socket_path: Path,
        state_dir: Path,
        output: Output,
    ) -> None:
        self._launched = launched
        self._output = output
        self._own = output.lane("supervisor")
        self._journal = is_journal(os.environ, 1)
        self._manager = ServiceManager(Notifier.from_environment(os.environ), state=lambda: self.loop.state)
        self._tokens = TokenFile(state_dir, lambda event: self.loop.post(event))
        initial = machine.initial(
            NodeName(node or socket.gethostname()),
            now=clock.now(),
            home=Home(boot=clock.boot_id(), mark=launched.mark),
            wall_offset_seconds=clock.wall_offset_seconds(),
            seen=self._tokens.read(),
        )
        self.loop = Loop(initial, clock=clock.now, perform=Order(self._begin).pass_on)
        self.reloader = Reloader(
            file,
            node=node,
            state_dir=state_dir,
            post=self.loop.post,
            state=lambda: self.loop.state,
            wait=self.loop.wait,
            begun=reading,
        )
        self._logs = LogCapture(output=output, on_warning=lambda text: self.say(Level.WARN, text))
        self._link: GuardianLink | None = None
        self._children: Children | None = None
        self._store: StoreCalls | None = None
        self._ledger = LedgerFile(state_dir, self._warn_from_thread)
        self._ring = Ring()
        ports = DaemonPorts(self.loop, self.reloader, self._facts, self._logs, self._read_ledger, self._ring)
        self._control = ControlServer(ports, socket_path)
        self._outside = Outside(
            self._moment,
            say=lambda text: self.say(Level.INFO, text),
            warn=lambda text: self.say(Level.WARN, text),
        )
        self._notices = Notices(
            run=self._run_notice, post=post, describe=self._describe, warn=lambda text: self.say(Level.WARN, text)
        )
        self._running = asyncio.get_running_loop()

    def say(self, level: Level, message: str) -> None:
        """One line of our own."""
        self._write(LogLine(level=level, message=message))

    async def serve(self) -> None:
        """Show the control socket; ``run`` takes it away. Raises ServeError."""
        await self._control.start()

    async def run(self, first: ev.ConfigLoaded, *, wait_etcd_seconds: float | None) -> int:
        """From the first file to the end; returns the exit code."""
        self._link = GuardianLink(self._launched, on_event=self._hear, chance=random.random)
        self._children = Children(
            self._link,
            self._logs,
            self.loop.post,
            base=dict(os.environ),
            on_warning=lambda text: self.say(Level.WARN, text),
        )
        self.loop.observe(self._report)
        self._greet()
        code = 70
        try:
            async with asyncio.TaskGroup() as group:
                self._store = StoreCalls(group, self.loop.post, clock=clock.now, on_endpoints=self._link.store)
                background = [
                    group.create_task(self._link.run(), name="guardian link"),
                    group.create_task(self._children.probes.run(), name="probes"),
                    group.create_task(self.reloader.watch(), name="file watch"),
                    group.create_task(self._manager.keep_watchdog(self._alive), name="watchdog"),
                    group.create_task(self._outside.run(), name="health and metrics"),
                ]
                if wait_etcd_seconds is not None:
                    background.append(group.create_task(self._give_up_on_etcd(wait_etcd_seconds), name="wait for etcd"))
                self._listen(group)
                self.loop.post(first)
                code = await self.loop.run()
                await self._notices.close()
                await self._control.stop()
                await self._store.close()
                await self._tokens.close()
                for task in background[1:]:
                    task.cancel()
                await self._link.close()
                background[0].cancel()
        finally:
            self.reloader.close()
            self._ledger.close()
            await self._logs.close()
        self.say(Level.INFO, f"ended with exit code {code}")
        return code

    # --- the core's actions and the guardian's news

    def _begin(self, action: ac.Action) -> None:
        assert self._children is not None
        assert self._store is not None
        assert self._link is not None
        if isinstance(action, ac.Remember):
            self._tokens.perform(action)
            return
        done = self._store.perform(action) or self._children.perform(action)
        assert done, f"nobody performs {action}"

    def _hear(self, event: ev.Event) -> None:
        assert self._children is not None
        self._children.on_event(event)

    # --- the past

    async def _read_ledger(self, election: ElectionName) -> Ledger:
        """From etcd; when that cannot be asked, this node's own notes."""
        assert self._store is not None
        try:
            return Ledger(pages=await self._store.history(election))
        except StoreError as error:
            pages = await asyncio.to_thread(self._ledger.read, election)
            return Ledger(pages=pages, detail=str(error))

    def _warn_from_thread(self, text: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._running.call_soon_threadsafe(self.say, Level.WARN, text)

    # --- notifications

    def _describe(self, happened: happenings.Happening) -> tuple[bytes, Mapping[str, str]]:
        """One event as a webhook's body and as a command's variables: the JSON that ``events`` prints, without a number."""
        told = dataclasses.asdict(past.happening(self.loop.state, 0, happened))
        told = {"schema_version": views.SCHEMA_VERSION, **told, "facts": dict(happened.facts)}
        del told["number"], told["missed"]
        body = json.dumps(told, ensure_ascii=False).encode(errors="replace")
        return body, as_variables(told, body)

    async def _run_notice(self, spec: NotifySpec, variables: Mapping[str, str]) -> str:
        assert self._children is not None
        told = (("SUPERVISOR_NODE", str(self.loop.state.node)), *variables.items())
        return in_words(await self._children.run_errand(as_command(spec), told, spec.timeout_seconds))

    # --- signals

    def _listen(self, group: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            reason = f"received {number.name}"
            loop.add_signal_handler(number, self.loop.post, ev.ShutdownRequested(reason=reason))
        loop.add_signal_handler(signal.SIGHUP, lambda: group.create_task(self._reload()))
        loop.add_signal_handler(signal.SIGUSR1, self._reopen)

    async def _reload(self) -> None:
        self._manager.reloading()
        await self.reloader.reload()
        self._manager.reloaded()

    def _reopen(self) -> None:
        self._logs.reopen()
        self.say(Level.INFO, "received SIGUSR1: log files are opened anew")

    async def _give_up_on_etcd(self, seconds: float) -> None:
        if await self.loop.wait(_reached_etcd, seconds) is None:
            event = ev.ShutdownRequested(reason=UNREACHABLE_DURING_START, exit_code=ETCD_UNREACHABLE_EXIT_CODE)
            self.loop.post(event)

    # --- telling

    def _report(self, before: State, event: ev.Event, after: State, _actions: tuple[ac.Action, ...]) -> None:
        self._write(*transitions.lines(before, event, after))
        try:
            self._record(before, event, after)
        except Exception as error:  # noqa: BLE001 # a bug in what is told is worth no term
            self.say(Level.ERROR, f"not on record, by a bug of ours: {type(event).__name__}: {error!r}")
        if len(after.processes) < len(before.processes):
            for gone in before.processes.keys() - after.processes.keys():
                self._logs.forget(gone)
        self._manager.report(before, after)

    def _record(self, before: State, event: ev.Event, after: State) -> None:
        """For history, events, metrics and notifications."""
        self._ledger.note(before, after)
        now = clock.now()
        found = happenings.of_step(before, event, after, now=now)
        self._ring.add(found)
        self._outside.note(before, event, after, found, now)
        self._notices.note(before, after, found)

    def _write(self, *lines: LogLine) -> None:
        """Those of one step in one block: whoever writes it is woken once."""
        if lines:
            now = datetime.now(UTC)
            self._own.put("".join(f"{render(line, now, journal=self._journal)}\n" for line in lines).encode())

    def _greet(self) -> None:
        ready = self._launched.ready
        self.say(Level.INFO, f"supervisor {__version__}, guardian pid {ready.pid}, containment {ready.containment}")
        for note in ready.notes:
            self.say(Level.INFO, f"guardian: {note}")

    def _alive(self) -> bool:
        """Whether we do our duty: the core is asked, and the guardian answers."""
        assert self._link is not None
        return self._link.answers and self.loop.since_step_seconds < LONGEST_WITHOUT_STEP_SECONDS

    def _moment(self) -> "Moment":
        from supervisor.report.metrics import Moment  # noqa: PLC0415 # 5 MB, only where it is asked for

        return Moment(
            state=self.loop.state,
            now=clock.now(),
            version=__version__,
            loop_lag_seconds=self.loop.lag_seconds,
            longest_gap_seconds=self.loop.longest_gap_seconds,
            log_lines_lost={str(pid): lost.lines for pid, lost in self._logs.losses().items()},
        )

    def _facts(self) -> Facts:
        ready, spec = self._launched.ready, self.loop.state.spec
        return Facts(
            pid=os.getpid(),
            version=__version__,
            guardian_pid=ready.pid,
            containment=ready.containment,
            local_etcd=spec is not None and spec.local_etcd is not None,
            endpoints=spec.etcd.endpoints if spec is not None else (),
        )


def _reached_etcd(state: State) -> bool:
    return bool(state.store.reachable) or (state.spec is not None and not state.spec.elections)


def run_daemon(
    *,
    launched: Launched,
    file: Path,
    reading: Reading,
    node: str | None,
    socket_path: Path,
    state_dir: Path,
    wait_etcd_seconds: float | None,
    on_error: Callable[[Exception], int],
) -> int:
    """Everything after the guardian is up. ``reading``: of the file, begun.

    ``on_error`` words what keeps us from starting and names the exit code.
    """

    async def main() -> int:
        output = Output(1)
        try:
            try:
                daemon = Daemon(
                    launched=launched,
                    file=file,
                    reading=reading,
                    node=node,
                    socket_path=socket_path,
                    state_dir=state_dir,
                    output=output,
                )
                first = daemon.reloader.read()
                await daemon.serve()
            except Exception as error:  # noqa: BLE001 # worded for people by on_error, which raises what it does not know
                await GuardianLink(launched, on_event=lambda _: None, chance=random.random).close()
                return on_error(error)
            return await daemon.run(first, wait_etcd_seconds=wait_etcd_seconds)
        finally:
            await output.close()

    return asyncio.run(main(), debug=False)
