"""Builds every adapter and runs them in one TaskGroup, until the core asks for the end.

Promises: whatever ends the group, the guardian is closed last, and it ends what is left. Does not: decide.
"""

import asyncio
import gc
import os
import random
import signal
import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor import __version__
from supervisor.config.apart import Reading
from supervisor.config.problems import ConfigError
from supervisor.control.ports import Facts
from supervisor.control.server import ControlServer
from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core import machine
from supervisor.core.history import Page
from supervisor.core.names import ElectionName, Home, NodeName
from supervisor.core.outside import WebSpec
from supervisor.core.spec import ProcessSpec, Spec
from supervisor.core.state import State
from supervisor.daemon import clock
from supervisor.daemon.children import Children
from supervisor.daemon.keeper import Keeper
from supervisor.daemon.loop import Loop
from supervisor.daemon.manager import LONGEST_WITHOUT_STEP_SECONDS, ServiceManager
from supervisor.daemon.order import Order
from supervisor.daemon.ports import DaemonPorts
from supervisor.daemon.proposals import Proposals
from supervisor.daemon.record import Record
from supervisor.daemon.reload import Reloader
from supervisor.daemon.store_calls import StoreCalls
from supervisor.daemon.tokens import TokenFile
from supervisor.guardian.link import GuardianLink, Launched
from supervisor.processes.logs import LogCapture
from supervisor.processes.output import Output
from supervisor.processes.probes import ExecResult
from supervisor.report import transitions
from supervisor.report.logline import Level, LogLine, is_journal, render
from supervisor.report.systemd import Notifier

if TYPE_CHECKING:
    from supervisor.daemon.errand import Errand
    from supervisor.daemon.web import Web
    from supervisor.report.metrics import Moment

ETCD_UNREACHABLE_EXIT_CODE = 69
STARTED_SECONDS = 2.0
YOUNG_OBJECTS, OLDER_ROUNDS = 5_000, (10, 10)
"""More objects than are freed until the youngest are looked at; rounds of that until the older are (Python: 700, 10, 10)."""
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
        root_only: bool,
        errand: "Errand | None" = None,
    ) -> None:
        self._launched = launched
        self._errand = errand
        self._output = output
        self._own = output.lane("supervisor")
        self._journal = is_journal(os.environ, 1)
        self._manager = ServiceManager(
            Notifier.from_environment(os.environ), state=lambda: self.loop.state, more=self._of_the_file
        )
        self._tokens = TokenFile(state_dir, lambda event: self.loop.post(event))
        initial = machine.initial(
            NodeName(node or socket.gethostname()),
            now=clock.now(),
            home=Home(boot=clock.boot_id(), mark=launched.mark),
            wall_offset_seconds=clock.wall_offset_seconds(),
            seen=self._tokens.read(),
        )
        self.loop = Loop(initial, clock=clock.now, perform=Order(self._begin).pass_on)
        self.keeper = Keeper(state_dir, tell=lambda text: self.say(Level.WARN, text))
        self.reloader = Reloader(
            file,
            node=node,
            state_dir=state_dir,
            post=self.loop.post,
            state=lambda: self.loop.state,
            wait=self.loop.wait,
            begun=reading,
            root_only=root_only,
            keeper=self.keeper,
        )
        self._logs = LogCapture(output=output, on_warning=lambda text: self.say(Level.WARN, text))
        self._link: GuardianLink | None = None
        self._children: Children | None = None
        self._store: StoreCalls | None = None
        self._record = Record(
            state_dir,
            state=lambda: self.loop.state,
            moment=self._moment,
            page=self._page,
            say=self.say,
            errand=self._run_errand,
            history=self._read_history,
        )
        self._ports = self._front(file, node, root_only=root_only)
        self._control = ControlServer(self._ports, socket_path)

    def _front(self, file: Path, node: str | None, *, root_only: bool) -> DaemonPorts:
        """What the control socket, and the page, show of all of it."""
        proposals = Proposals(
            file,
            node=node,
            hostname=socket.gethostname(),
            reloader=self.reloader,
            state=lambda: self.loop.state,
            root_only=root_only,
        )
        return DaemonPorts(
            self.loop,
            self.reloader,
            proposals,
            self._facts,
            self._logs,
            self._record,
            say=lambda text: self.say(Level.INFO, text),
            write_request=self._write_request,
        )

    def say(self, level: Level, message: str) -> None:
        """One line of our own."""
        self._write(LogLine(level=level, message=message))

    async def serve(self, spec: Spec) -> None:
        """Show the control socket to whom the file says; ``run`` takes it away. Raises ServeError."""
        await self._control.start(spec.control)

    def first_file(self, *, last_good: bool) -> list[ev.ConfigLoaded | ev.ConfigRejected]:
        """What to begin with: the file; or, when it is broken and we may, what was adopted last. Raises as ``Reloader.read``."""
        try:
            return [self.reloader.read()]
        except ConfigError as error:
            if not last_good:
                raise
            try:
                kept = self.reloader.read_last_good()
            except ConfigError as nothing:
                raise ConfigError([*error.problems, *nothing.problems], error.files) from None
            return [kept, ev.ConfigRejected(problems=tuple(map(str, error.problems)))]

    async def run(
        self, first: Sequence[ev.ConfigLoaded | ev.ConfigRejected], *, wait_etcd_seconds: float | None
    ) -> int:
        """From the first file to the end; returns the exit code."""
        self._link = GuardianLink(self._launched, on_event=self._hear, chance=random.random)
        self._children = Children(
            self._link,
            self._logs,
            self.loop.post,
            base=dict(os.environ),
            on_warning=lambda text: self.say(Level.WARN, text),
            passed_through=self._errand.process if self._errand is not None else None,
        )
        self.loop.observe(self._report)
        if self._errand is not None:
            self.loop.observe(self._errand.observe)
        self._greet()
        code = 70
        try:
            async with asyncio.TaskGroup() as group:
                self._store = StoreCalls(group, self.loop.post, now=clock.now, on_endpoints=self._link.store)
                background = [
                    group.create_task(self._link.run(), name="guardian link"),
                    group.create_task(self._children.probes.run(), name="probes"),
                    group.create_task(self.reloader.watch(), name="file watch"),
                    group.create_task(self._manager.keep_watchdog(self._alive), name="watchdog"),
                    group.create_task(self._record.outside.run(), name="health and metrics"),
                    group.create_task(_set_apart(), name="start over"),
                ]
                if wait_etcd_seconds is not None:
                    background.append(group.create_task(self._give_up_on_etcd(wait_etcd_seconds), name="wait for etcd"))
                if self._errand is None:
                    self._listen(group)
                else:
                    self._errand.begin(asyncio.get_running_loop(), self.loop, self._link)
                for event in first:
                    self.loop.post(event)
                collect_patiently()
                code = await self.loop.run()
                await self._record.end()
                if self._errand is not None:
                    code = self._errand.exit_code(code)
                await self._control.stop()
                await self._store.close()
                await self._tokens.close()
                await self.keeper.close()
                for task in background[1:]:
                    task.cancel()
                await self._link.close()
                background[0].cancel()
        finally:
            self.reloader.close()
            self._record.close()
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

    # --- what the record asks for

    async def _read_history(self, election: ElectionName) -> tuple[Page, ...]:
        assert self._store is not None
        return await self._store.history(election)

    async def _run_errand(
        self, spec: ProcessSpec, variables: tuple[tuple[str, str], ...], timeout_seconds: float
    ) -> ExecResult:
        assert self._children is not None
        return await self._children.run_errand(spec, variables, timeout_seconds)

    async def _write_request(self, path: str, value: bytes | None, revision: int | None) -> str:
        if self._store is None:
            return "the supervisor has only begun to start; try again"
        return await self._store.write_request(path, value, revision)

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
        self._write(*transitions.lines(before, event, after), at=clock.date(self.loop.shown_at))
        self._record.note(before, event, after)
        if after.generation != before.generation:
            self._adopted(before, after)
        if len(after.processes) < len(before.processes):
            for gone in before.processes.keys() - after.processes.keys():
                self._logs.forget(gone)
        self._manager.report(before, after)
        if before.spec is not after.spec and before.spec is not None and after.spec is not None:
            trouble = self._control.admit(after.spec.control) if before.spec.control != after.spec.control else ""
            if trouble:
                self.say(Level.WARN, trouble)

    def _adopted(self, before: State, after: State) -> None:
        was_last_good = self.keeper.running_last_good
        self.keeper.adopted(after.spec)
        if at := self.keeper.running_last_good:
            text = f"running the last good configuration, of {at}: the file is broken or gone, and is adopted once it is good"
            self.say(Level.WARN, text)
        elif was_last_good and before.spec is not None:
            self.say(Level.INFO, "the file is good again: the last good configuration is no longer needed")

    def _of_the_file(self) -> str:
        """For the line of status: what the state does not say."""
        at = self.keeper.running_last_good
        return f"; runs the last good configuration, of {at}" if at else ""

    def _write(self, *lines: LogLine, at: datetime | None = None) -> None:
        """Those of one step in one block: whoever writes it is woken once. ``at``: when it was, if that is not now."""
        if lines and (self._errand is None or self._errand.wish.verbose):
            now = at or datetime.now(UTC)
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

    def _page(self, spec: WebSpec) -> "Web":
        from supervisor.daemon.web import Web  # noqa: PLC0415 # only where it is asked for

        return Web(spec, self._ports, lambda: None if self._store is None else self._store.queues)

    def _facts(self) -> Facts:
        ready, spec = self._launched.ready, self.loop.state.spec
        return Facts(
            pid=os.getpid(),
            version=__version__,
            guardian_pid=ready.pid,
            containment=ready.containment,
            local_etcd=spec is not None and spec.local_etcd is not None,
            endpoints=spec.etcd.endpoints if spec is not None else (),
            config_hash=self.keeper.hash,
            last_good=self.keeper.running_last_good,
            unkept=self.keeper.trouble,
        )


async def _set_apart() -> None:
    """What there is once the start is over stays: the collector need not look at it again."""
    await asyncio.sleep(STARTED_SECONDS)
    gc.collect()
    gc.freeze()


def collect_patiently() -> None:
    """Have Python look for garbage that refers to itself less often.

    There is little of it, and a thousand wins that are decided in a breath make enough objects that live on to have everything looked
    at again and again meanwhile: some tens of milliseconds each time.
    """
    gc.set_threshold(YOUNG_OBJECTS, *OLDER_ROUNDS)


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
    root_only: bool,
    last_good: bool,
    on_error: Callable[[Exception], int],
    errand: "Errand | None" = None,
) -> int:
    """Everything after the guardian is up. ``reading``: of the file, begun.

    ``on_error`` words what keeps us from starting and names the exit code.
    """

    async def main() -> int:
        output = Output(1 if errand is None else 2)
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
                    root_only=root_only,
                    errand=errand,
                )
                first = daemon.first_file(last_good=last_good)
                assert isinstance(first[0], ev.ConfigLoaded), "what follows it says why it is not the file"
                await daemon.serve(first[0].spec)
            except Exception as error:  # noqa: BLE001 # worded for people by on_error, which raises what it does not know
                await GuardianLink(launched, on_event=lambda _: None, chance=random.random).close()
                return on_error(error)
            return await daemon.run(first, wait_etcd_seconds=wait_etcd_seconds)
        finally:
            await output.close()

    return asyncio.run(main(), debug=False)
