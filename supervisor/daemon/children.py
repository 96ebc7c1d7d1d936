"""The core's process actions, through the guardian, the log capture and the probes.

Promises: everything that can fail before exec (an unknown user, a missing environment file, no descriptors left) is a
SpawnFailed that says so; the write ends of the log pipes are closed on our side whatever happens; a command of a probe
runs in a containment of its own and is killed at its timeout.
Does not: fork. The guardian does.
"""

import asyncio
import contextlib
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core.names import ProcessId, RunId, Term
from supervisor.core.spec import ProcessSpec
from supervisor.core.story import KEPT_LINES
from supervisor.guardian.link import GuardianLink, SpawnRequest
from supervisor.guardian.protocol import TooLargeError
from supervisor.processes.environment import EnvironmentFileError, build_environment
from supervisor.processes.identity import Identity, UnknownName, resolve_user, rlimit_number, signal_number
from supervisor.processes.logs import LogCapture
from supervisor.processes.pipes import Collector
from supervisor.processes.probes import ExecResult, ProbeRunner

LOCAL_ETCD_NAME = "local-etcd"


@dataclass(slots=True)
class _Look:
    """A command run for a probe."""

    done: asyncio.Event
    code: int | None = None
    signal: int | None = None
    detail: str = ""


class Children:
    """Starts, signals and ends children; hears of them from the guardian."""

    def __init__(
        self, link: GuardianLink, logs: LogCapture, post: Callable[[ev.Event], None], *, base: Mapping[str, str]
    ) -> None:
        self._link = link
        self._logs = logs
        self._post = post
        self._base = base
        self._specs: dict[RunId, ProcessSpec] = {}
        self._looks: dict[RunId, _Look] = {}
        self._next_look = 0
        self.probes = ProbeRunner(on_event=post, run_exec=self._run_probe)

    def on_event(self, event: ev.Event) -> None:
        """Guardian's news: of a probe's command for us, everything else for the core."""
        run = getattr(event, "run", None)
        look = self._looks.get(run) if run is not None else None
        if look is None:
            if isinstance(event, ev.Emptied | ev.SpawnFailed):
                spec = self._specs.pop(event.run, None)
                self.probes.stop_run(event.run)
                if isinstance(event, ev.Emptied) and spec is not None:
                    event = replace(event, lines=self._logs.last_words(spec.id, event.run, lines=KEPT_LINES))
            self._post(event)
            return
        match event:
            case ev.Exited(code=code, signal=signal):
                look.code, look.signal = code, signal
                self._link.kill(event.run)  # what the command left behind
            case ev.SpawnFailed(detail=detail):
                look.detail = detail
                look.done.set()
            case ev.Emptied():
                look.done.set()
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
                self._link.disarm(term)
            case ac.Spawn():
                self._spawn(action)
            case ac.SignalRun(run=run, signal=signal, to=to):
                self._link.signal(run, signal_number(signal), to)
            case ac.KillRun(run=run):
                self._link.kill(run)
            case ac.StartProbe():
                self.probes.start(action)
            case ac.StopProbe(run=run, purpose=purpose):
                self.probes.stop(run, purpose)
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
        try:
            identity = resolve_user(action.spec.user) if action.spec.user else None
            environment = build_environment(action.spec, action.variables, self._base, identity)
            fds = self._logs.open(action.spec.id, action.run, owner=identity.uid if identity else None)
            request = _request(action.run, action.spec, action.term, environment, identity)
            self._specs[action.run] = action.spec
            self._link.spawn(request, fds[0], fds[1])
        except (UnknownName, EnvironmentFileError, OSError, ValueError) as error:
            failed = ev.SpawnFailed(run=action.run, detail=str(error), chance=random.random())  # noqa: S311 # jitter
            self._post(failed)
        finally:
            for fd in fds:
                os.close(fd)

    async def _run_probe(self, command: tuple[str, ...], run: RunId, timeout_seconds: float) -> ExecResult:
        """Run a command beside a run, as its user and in its directory, killed after the timeout or when cancelled."""
        spec = self._specs.get(run)
        if spec is None:
            return ExecResult(detail="the process has ended")
        self._next_look -= 1  # negative: never a run of the core's
        number = RunId(self._next_look)
        look = self._looks[number] = _Look(done=asyncio.Event())
        collector = Collector()
        timed_out = False
        try:
            self._begin_look(number, command, spec, collector)
            try:
                async with asyncio.timeout(timeout_seconds):
                    await look.done.wait()
            except TimeoutError:
                timed_out = True
                self._link.kill(number)
                await look.done.wait()
        except (UnknownName, EnvironmentFileError, OSError, ValueError) as error:
            look.detail = str(error)
        except asyncio.CancelledError:
            self._link.kill(number)
            raise
        finally:
            del self._looks[number]
            output = collector.finish()
        return ExecResult(code=look.code, signal=look.signal, timed_out=timed_out, output=output, detail=look.detail)

    def _begin_look(self, number: RunId, command: tuple[str, ...], spec: ProcessSpec, collector: Collector) -> None:
        identity = resolve_user(spec.user) if spec.user else None
        environment = build_environment(spec, (("SUPERVISOR_PROCESS", str(spec.id.name)),), self._base, identity)
        fd = collector.open(owner=identity.uid if identity else None)
        try:
            request = _request(number, spec, None, environment, identity, command=command)
            self._link.spawn(request, fd, fd)
        finally:
            os.close(fd)


def _request(
    run: RunId,
    spec: ProcessSpec,
    term: object,
    environment: Mapping[str, str],
    identity: Identity | None,
    *,
    command: tuple[str, ...] | None = None,
) -> SpawnRequest:
    """A spec with everything looked up, so that the guardian has nothing to resolve and nothing to wait for."""
    return SpawnRequest(
        run=run,
        scope=_scope(spec.id, run),
        term=term,  # type: ignore[arg-type] # Term | None; object keeps this signature short
        argv=command or spec.command,
        environment=dict(environment),
        directory=spec.directory,
        uid=identity.uid if identity else None,
        gid=identity.gid if identity else None,
        groups=identity.groups if identity else None,
        umask=spec.umask,
        rlimits={rlimit_number(name): value for name, value in spec.limits.items()},
        stop_signal=signal_number(spec.stop.signal),
        stop_then=tuple((signal_number(name), seconds) for name, seconds in spec.stop.then),
        stop_to=spec.stop.to,
        stop_timeout_seconds=spec.stop.timeout_seconds,
        last=spec.id.election == "" and spec.id.name == LOCAL_ETCD_NAME,
    )


def _scope(process: ProcessId, run: RunId) -> str:
    return f"{str(process).replace('/', '.')}.{run}"
