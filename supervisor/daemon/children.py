"""The core's process actions, through the guardian, the log capture and the probes.

Promises: everything that can fail before exec (an unknown user, a missing environment file, no descriptors left) is a
SpawnFailed that says so; the write ends of the log pipes are closed on our side whatever happens. A command of a probe
runs in a containment of its own, is killed at its timeout and with the run it looks at, and belongs to the run's term: it
is not started, and does not live, where the process itself must not; a term is not disarmed over it.
Does not: fork. The guardian does.
"""

import asyncio
import contextlib
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core.names import ProcessId, RunId, Term
from supervisor.core.spec import ProbeKind, ProcessSpec
from supervisor.core.story import KEPT_LINES
from supervisor.guardian.link import GuardianLink, SpawnRequest
from supervisor.guardian.protocol import TooLargeError
from supervisor.processes.birth import extras
from supervisor.processes.environment import EnvironmentFileError, build_environment
from supervisor.processes.identity import (
    Identity,
    UnknownName,
    resolve_groups,
    resolve_user,
    rlimit_number,
    signal_number,
)
from supervisor.processes.logs import LogCapture
from supervisor.processes.logwatch import LogWatches
from supervisor.processes.notify import NotifySockets
from supervisor.processes.pipes import Collector
from supervisor.processes.probes import ExecResult, ProbeRunner

LOCAL_ETCD_NAME = "local-etcd"
READY = "ready"
NO_RUN = RunId(0)
"""The core's begin at 1."""


DISARM_PATIENCE_SECONDS = 0.1
"""For commands of probes that were killed to be gone, before the guardian is asked to disarm all the same."""


@dataclass(slots=True)
class _Look:
    """A command run for a probe."""

    of: RunId
    term: Term | None
    done: asyncio.Event
    code: int | None = None
    signal: int | None = None
    detail: str = ""


class Children:
    """Starts, signals and ends children; hears of them from the guardian."""

    def __init__(
        self,
        link: GuardianLink,
        logs: LogCapture,
        post: Callable[[ev.Event], None],
        *,
        base: Mapping[str, str],
        on_warning: Callable[[str], None] = lambda _: None,
        passed_through: ProcessId | None = None,
    ) -> None:
        """``passed_through``: this process gets our own stdin, stdout and stderr instead of a log (``elect``)."""
        self._link = link
        self._logs = logs
        self._post = post
        self._base = base
        self._passed_through = passed_through
        self._runs: dict[RunId, ac.Spawn] = {}
        self._looks: dict[RunId, _Look] = {}
        self._next_look = 0
        self._disarming: dict[Term, asyncio.TimerHandle] = {}
        self.probes = ProbeRunner(on_event=post, run_exec=self._run_probe)
        self.notify = NotifySockets(on_event=post, holds=link.holds, on_warning=on_warning)
        self.watches = LogWatches(on_event=post)

    def on_event(self, event: ev.Event) -> None:
        """Guardian's news: of a probe's command for us, everything else for the core."""
        run = getattr(event, "run", None)
        look = self._looks.get(run) if run is not None else None
        if look is None:
            if isinstance(event, ev.Spawned) and event.run in self._runs:
                self._logs.started(self._runs[event.run].spec.id, event.run, event.pid)
            elif isinstance(event, ev.Exited):
                self._end_looks(event.run)
            elif isinstance(event, ev.Emptied | ev.SpawnFailed):
                asked = self._runs.get(event.run)
                if isinstance(event, ev.Emptied) and asked is not None:
                    event = replace(event, lines=self._logs.last_words(asked.spec.id, event.run, lines=KEPT_LINES))
                self._forget(event.run)
            self._post(event)
            return
        match event:
            case ev.Exited(code=code, signal=signal):
                look.code, look.signal = code, signal
                self._link.kill(event.run)  # what the command left behind
            case ev.SpawnFailed(detail=detail):
                look.detail = detail
                self._look_over(event.run, look)
            case ev.Emptied():
                self._look_over(event.run, look)
            case _:
                pass

    def perform(self, action: ac.Action) -> bool:
        """Begin one action; False when it is not about processes."""
        match action:
            case ac.Arm():
                self._link.arm(action)
                if action.undo is not None:
                    self._bequeath(action.term, action.undo)
            case ac.Extend(lease=lease, lease_deadline=deadline):
                self._link.extend(lease, deadline)
            case ac.Disarm(term=term):
                self._disarm(term)
            case ac.Vacate(term=term):
                self._link.vacate(term)
            case ac.Release(run=run):
                self._link.release(run)
            case ac.Spawn():
                self._spawn(action)
            case ac.SignalRun(run=run, signal=signal, to=to):
                self._link.signal(run, signal_number(signal), to)
            case ac.KillRun(run=run):
                self._link.kill(run)
            case ac.CloseSockets(process=process):
                self._link.close_sockets(str(process))
            case ac.StartProbe():
                self._start_probe(action)
            case ac.StopProbe(run=run, purpose=purpose):
                self._stop_probe(run, purpose)
            case ac.ConfigureLog(process=process, log=log):
                self._logs.configure(process, log)
            case _:
                return False
        return True

    def _bequeath(self, term: Term, undo: ac.Undo) -> None:
        """The guardian is to run it when we cannot. What is wrong with it shows when we do, in the usual way."""
        spec = undo.spec
        with contextlib.suppress(UnknownName, EnvironmentFileError, OSError, ValueError, TooLargeError):
            identity = resolve_user(spec.user) if spec.user else None
            environment = build_environment(spec, undo.variables, self._base, identity)
            self._link.undo(
                _request(RunId(0), spec, term, environment, identity),
                timeout_seconds=undo.timeout_seconds,
                reserve_seconds=undo.reserve_seconds,
            )

    def _spawn(self, action: ac.Spawn) -> None:
        fds: tuple[int, ...] = ()
        spec, run = action.spec, action.run
        try:
            identity = resolve_user(spec.user) if spec.user else None
            environment = build_environment(spec, action.variables, self._base, identity)
            environment.update(self.notify.open(spec, run))
            owner = identity.uid if identity else None
            if spec.id == self._passed_through:
                fds = (os.dup(1), os.dup(2), os.dup(0))
            else:
                fds = self._logs.open(spec.id, run, owner=owner, terminal=spec.pty, variables=action.variables)
            if self.watches.open(spec, run):
                self._logs.listen(spec.id, run, partial(self.watches.feed, run))
            request = _request(run, spec, action.term, environment, identity, held=action.held)
            self._runs[run] = action
            self._link.spawn(request, *fds)
        except (UnknownName, EnvironmentFileError, OSError, ValueError) as error:
            self._forget(run)
            failed = ev.SpawnFailed(run=run, detail=str(error), chance=random.random())  # noqa: S311 # jitter
            self._post(failed)
        finally:
            for fd in fds:
                os.close(fd)

    def _forget(self, run: RunId) -> None:
        """Nothing of a run is left."""
        self._runs.pop(run, None)
        self.probes.stop_run(run)
        self.notify.close(run)
        self.watches.close(run)

    # --- probes

    def _start_probe(self, action: ac.StartProbe) -> None:
        self._stop_probe(action.run, action.purpose)  # of another kind, perhaps
        match action.probe.kind:
            case ProbeKind.NOTIFY | ProbeKind.WATCHDOG:
                self.notify.start(action)
            case ProbeKind.LOG:
                self._logs.listen(action.process, action.run, partial(self.watches.feed, action.run))
                self.watches.start(action, self._logs.said(action.process, action.run))
            case _:
                self.probes.start(action)

    def _stop_probe(self, run: RunId, purpose: str) -> None:
        self.probes.stop(run, purpose)
        self.notify.stop(run, purpose)
        if purpose == READY:
            self.watches.stop(run)

    async def _run_probe(self, command: tuple[str, ...], run: RunId, timeout_seconds: float) -> ExecResult:
        """Run a command beside a run, as its user and in its directory, killed after the timeout or when cancelled."""
        action = self._runs.get(run)
        if action is None:
            return ExecResult(detail="the process has ended")
        return await self._run_aside(action.spec, command, action.variables, timeout_seconds, of=run, term=action.term)

    async def run_errand(
        self, spec: ProcessSpec, variables: tuple[tuple[str, str], ...], timeout_seconds: float
    ) -> ExecResult:
        """Run a command that belongs to no run and no term, killed after the timeout or when cancelled."""
        return await self._run_aside(spec, spec.command, variables, timeout_seconds, of=NO_RUN, term=None)

    async def _run_aside(
        self,
        spec: ProcessSpec,
        command: tuple[str, ...],
        variables: tuple[tuple[str, str], ...],
        timeout_seconds: float,
        *,
        of: RunId,
        term: Term | None,
    ) -> ExecResult:
        self._next_look -= 1  # negative: never a run of the core's
        number = RunId(self._next_look)
        look = self._looks[number] = _Look(of=of, term=term, done=asyncio.Event())
        collector = Collector()
        timed_out = False
        try:
            self._begin_look(number, command, spec, variables, term, collector)
            try:
                async with asyncio.timeout(timeout_seconds):
                    await look.done.wait()
            except TimeoutError:
                timed_out = True
                self._link.kill(number)
                await look.done.wait()
        except (UnknownName, EnvironmentFileError, OSError, ValueError) as error:
            look.detail = str(error)
            self._look_over(number, look)
        except asyncio.CancelledError:
            self._link.kill(number)
            raise
        finally:
            output = collector.finish()
        return ExecResult(code=look.code, signal=look.signal, timed_out=timed_out, output=output, detail=look.detail)

    def _begin_look(
        self,
        number: RunId,
        command: tuple[str, ...],
        spec: ProcessSpec,
        variables: tuple[tuple[str, str], ...],
        term: Term | None,
        collector: Collector,
    ) -> None:
        identity = resolve_user(spec.user) if spec.user else None
        environment = build_environment(spec, variables, self._base, identity)
        fd = collector.open(owner=identity.uid if identity else None)
        try:
            request = _request(number, spec, term, environment, identity, command=command)
            self._link.spawn(request, fd, fd)
        finally:
            os.close(fd)

    def _end_looks(self, run: RunId) -> None:
        """What looks at a run has nothing to see any more."""
        for number, look in self._looks.items():
            if look.of == run:
                self._link.kill(number)

    def _look_over(self, number: RunId, look: _Look) -> None:
        """Nothing of a probe's command is left."""
        look.done.set()
        self._looks.pop(number, None)
        if look.term is not None and look.term in self._disarming and not self._has_looks(look.term):
            self._disarming.pop(look.term).cancel()
            self._link.disarm(look.term)

    # --- terms

    def _disarm(self, term: Term) -> None:
        """When the probes' commands of the term, killed already, are gone: or else the guardian says who is alive."""
        if not self._has_looks(term):
            self._link.disarm(term)
            return
        for number, look in self._looks.items():
            if look.term == term:
                self._link.kill(number)
        loop = asyncio.get_running_loop()
        self._disarming[term] = loop.call_later(DISARM_PATIENCE_SECONDS, self._disarm_anyway, term)

    def _disarm_anyway(self, term: Term) -> None:
        self._disarming.pop(term, None)
        self._link.disarm(term)

    def _has_looks(self, term: Term) -> bool:
        return any(look.term == term for look in self._looks.values())


def _request(
    run: RunId,
    spec: ProcessSpec,
    term: Term | None,
    environment: Mapping[str, str],
    identity: Identity | None,
    *,
    command: tuple[str, ...] | None = None,
    held: bool = False,
) -> SpawnRequest:
    """A spec with everything looked up, so that the guardian has nothing to resolve and nothing to wait for."""
    other = None if identity is None or identity.is_ours else identity
    return SpawnRequest(
        run=run,
        scope=_scope(spec.id, run),
        term=term,
        argv=command or spec.command,
        environment=dict(environment),
        directory=spec.directory,
        uid=other.uid if other else None,
        gid=other.gid if other else None,
        groups=_groups(spec, other),
        umask=spec.umask,
        rlimits={rlimit_number(name): pair for name, pair in spec.limits.items()},
        stop_signal=signal_number(spec.stop.signal),
        stop_then=() if command else tuple((signal_number(name), seconds) for name, seconds in spec.stop.then),
        stop_to=spec.stop.to,
        stop_timeout_seconds=0.0 if command else spec.stop.timeout_seconds,
        last=spec.id.election == "" and spec.id.name == LOCAL_ETCD_NAME,
        held=held,
        extras=extras(spec, identity, of_probe=command is not None),
    )


def _groups(spec: ProcessSpec, identity: Identity | None) -> tuple[int, ...] | None:
    if spec.groups is not None:
        return resolve_groups(spec.groups)
    return identity.groups if identity else None


def _scope(process: ProcessId, run: RunId) -> str:
    return f"{str(process).replace('/', '.')}.{run}"
