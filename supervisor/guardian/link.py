"""The daemon's end of the guardian.

Promises: no method blocks, and a frozen guardian blocks nothing (its orders wait in memory; one that does not answer for
``silence_seconds`` is killed, and sooner when a kill or a kill-by waits for it: ``pulse``); every order to spawn is
answered, whatever becomes of the guardian; when the guardian
dies, this side kills every containment, sees each empty, says Exited and Emptied for what lived, and then GuardianLost.
Does not: fork, decide, or wait for answers: news are events of the core, given to ``on_event`` one at a time.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from supervisor.core import events
from supervisor.core.actions import Arm
from supervisor.core.names import Instant, LeaseId, RunId, Term
from supervisor.core.spec import EtcdSpec
from supervisor.guardian import cgroup
from supervisor.guardian import protocol as say
from supervisor.guardian.census import look, readable
from supervisor.guardian.containment import RUN_VARIABLE, run_directory
from supervisor.guardian.kin import is_inside
from supervisor.guardian.launch import GuardianStartError, Launched, launch
from supervisor.guardian.leftovers import Remains
from supervisor.guardian.pulse import PING_SECONDS, Pulse
from supervisor.guardian.request import SpawnRequest, order_of
from supervisor.guardian.wire import WireClosedError

__all__ = ["GuardianLink", "GuardianStartError", "Launched", "SpawnRequest", "launch"]

_ROUND_SECONDS: Final = 0.02
_MOMENT_SECONDS: Final = 0.002


@dataclass(slots=True)
class _Live:
    """A run that was asked for and is not proven empty."""

    pid: int = 0
    start: int = 0
    pidfd: int = -1
    inside: str = ""
    """Its cgroup, if there is one, below the guardian's."""
    exited: bool = False


class GuardianLink:
    """Orders to the guardian, and its news."""

    def __init__(
        self,
        launched: Launched,
        *,
        on_event: Callable[[events.Event], None],
        chance: Callable[[], float],
        silence_seconds: float = 2.0,
    ) -> None:
        """``chance``: uniform in [0, 1), for events that carry it."""
        self._guardian = launched
        self._wire = launched.wire
        self._on_event = on_event
        self._chance = chance
        self._pulse = Pulse(silence_seconds=silence_seconds, ask=self._send, read=self._read, put_down=self._put_down)
        self._terms: dict[str, Term] = {}
        self._live: dict[RunId, _Live] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Future[None] | None = None
        self._undelivered: list[events.Event] = []
        self._left: asyncio.Future[None] | None = None
        self._closing = self._lost = False

    @property
    def ready(self) -> say.Ready:
        """What the guardian said when it took up its duty: its pid, its containment, its notes."""
        return self._guardian.ready

    @property
    def answers(self) -> bool:
        """Whether the guardian is known to live: it answered within the last second and a half, as it is asked to."""
        return self._pulse.answers and not self._lost

    # --- orders ------------------------------------------------------------------------------------------------------

    def arm(self, order: Arm) -> None:
        """-> Armed, or KillByStruck when kill-by has passed already."""
        self._terms[str(order.term)] = order.term
        arm = say.Arm(
            term=str(order.term),
            lease=order.lease,
            lease_deadline=order.lease_deadline,
            margin_seconds=order.margin_seconds,
            candidate_key=order.candidate_key,
            token=order.term.token,
            record_key=order.record_key,
            stopped_record=order.stopped_record.decode(errors="replace"),
        )
        self._send(arm)
        self._pulse.armed(arm)

    def undo(self, request: SpawnRequest, *, timeout_seconds: float, reserve_seconds: float) -> None:
        """What the guardian runs in the request's term when we are dead and nothing else of it is left. No answer.

        Raises TooLargeError when it does not fit into a packet.
        """
        spawn = say.encode(order_of(request)).decode("ascii")
        order = say.Undo(
            term=str(request.term), spawn=spawn, timeout_seconds=timeout_seconds, reserve_seconds=reserve_seconds
        )
        packet = say.encode(order)
        if not (self._lost or self._closing):
            self._wire.send(packet)
            self._watch_writable()

    def extend(self, lease: LeaseId, lease_deadline: Instant) -> None:
        """No answer."""
        self._send(say.Extend(lease=lease, lease_deadline=lease_deadline))
        self._pulse.extended(lease, lease_deadline)

    def disarm(self, term: Term) -> None:
        """-> Disarmed | DisarmRefused."""
        self._terms[str(term)] = term
        self._send(say.Disarm(term=str(term)))

    def vacate(self, term: Term) -> None:
        """-> Disarmed, as soon as nothing of the term is left."""
        self._terms[str(term)] = term
        self._send(say.Vacate(term=str(term)))

    def spawn(self, request: SpawnRequest, stdout_fd: int, stderr_fd: int, stdin_fd: int | None = None) -> None:
        """-> Spawned | SpawnFailed; Exited; Emptied. Without stdin it reads from /dev/null. The descriptors stay yours: close them when this returns.

        Raises OSError when no descriptor is left to duplicate them.
        """
        if self._lost or self._closing:
            self._later(self._failed(request.run, "the guardian is gone"))
            return
        try:
            packet = say.encode(order_of(request))
        except say.TooLargeError as error:
            text = f"command line and environment are too large ({error}); shorten them, or use a file"
            self._later(self._failed(request.run, text))
            return
        descriptors: list[int] = []
        try:
            for fd in (stdout_fd, stderr_fd, *(() if stdin_fd is None else (stdin_fd,))):
                descriptors.append(os.dup(fd))  # noqa: PERF401 # those that were made are closed when one cannot be
        except OSError:
            for fd in descriptors:
                os.close(fd)
            raise
        term = None if request.term is None else str(request.term)
        inside = run_directory(term, request.run, request.scope) if self.ready.path else ""
        self._live[request.run] = _Live(inside=inside)
        self._wire.send(packet, descriptors)
        self._watch_writable()

    def release(self, run: RunId) -> None:
        """Let a held run execute its command. -> Spawned | SpawnFailed; an ended run is nobody."""
        self._send(say.Release(run=run))

    def signal(self, run: RunId, signo: int, to: str = "group") -> None:
        """No answer; an ended run is nobody."""
        self._send(say.Signal(run=run, signo=signo, to=to))

    def kill(self, run: RunId) -> None:
        """No answer but Exited and Emptied.

        One blow falls from here, at once: a guardian that is frozen just now must not be what a kill-by waits for. To
        repeat it, and to see that nothing is left, is the guardian's.
        """
        self._send(say.Kill(run=run))
        self._pulse.kill_sent()
        live = self._live.get(run)
        if live is None or self._lost:
            return
        with suppress(OSError):  # ended, or never there: the guardian finds out
            if live.inside:
                cgroup.kill(self._directory(live))
            if live.pidfd >= 0:
                signal.pidfd_send_signal(live.pidfd, signal.SIGKILL)

    def holds(self, run: RunId, pid: int) -> bool:
        """Whether a process is inside this run's containment."""
        live = self._live.get(run, _Live())
        main = 0 if live.exited else live.pid
        return is_inside(pid, run=run, main=main, directory=self._directory(live), ready=self.ready)

    def _directory(self, live: _Live) -> str:
        return f"{self.ready.path}/{live.inside}" if live.inside else ""

    def close_sockets(self, owner: str) -> None:
        """No answer; an owner of none is nobody."""
        self._send(say.CloseSockets(owner=owner))

    def store(self, etcd: EtcdSpec, endpoints: tuple[str, ...]) -> None:
        """How the guardian revokes leases when we are dead. Replaces what was said before. No answer.

        ``endpoints``: addresses, every name looked up (``etcd.address.Address.dialled``).
        """
        tls, auth = etcd.tls, etcd.auth
        self._send(
            say.Store(
                endpoints=endpoints,
                ca=tls.ca if tls else None,
                cert=tls.cert if tls else None,
                key=tls.key if tls else None,
                server_name=tls.server_name if tls else None,
                user=auth.user if auth else None,
                password_file=auth.password_file if auth else None,
            )
        )

    def _send(self, order: say.Order) -> None:
        if not (self._lost or self._closing):
            self._wire.send(say.encode(order))
            self._watch_writable()

    # --- the task ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Give news to ``on_event`` until ``close``, or until GuardianLost was told.

        Raises what ``on_event`` raises, and ProtocolError for news of another version.
        """
        loop = asyncio.get_running_loop()
        if self._closing:
            return
        self._left = left = loop.create_future()
        try:
            await self._serve(loop)
            if not self._closing:
                await self._bury()
        finally:
            left.set_result(None)

    async def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ended = ended = loop.create_future()
        loop.add_reader(self._wire.fileno(), self._read)
        loop.add_reader(self._guardian.pidfd, self._guardian_died)
        self._pulse.begin(loop)
        try:
            self._deliver()
            self._watch_writable()
            while not ended.done():
                await asyncio.wait([ended], timeout=PING_SECONDS)
                self._pulse.turn()
            ended.result()
        finally:
            self._pulse.end()
            loop.remove_writer(self._wire.fileno())
            loop.remove_reader(self._wire.fileno())
            loop.remove_reader(self._guardian.pidfd)
            self._loop = None

    async def close(self, *, timeout_seconds: float = 10.0) -> None:
        """The clean end: the guardian kills what is left and exits; no lease is revoked. Does it itself if need be."""
        if self._closing:
            return
        self._send(say.Quit())
        self._closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                while self._guardian.process.poll() is None:
                    self._wire.flush()
                    await self._a_round()
        if self._guardian.process.poll() != 0 and not self._lost:
            await self._kill_everything()
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
        if self._left is not None:
            await self._left  # its descriptors must leave the event loop before they are closed
        for live in self._live.values():
            _close(live)
        self._wire.close()
        os.close(self._guardian.pidfd)
        os.close(self._guardian.lock_fd)

    async def _a_round(self) -> None:
        """A moment, or less: until the guardian is seen to have closed its end, after which it is gone at once."""
        if self._ended is None or self._ended.done():
            await asyncio.sleep(_MOMENT_SECONDS)
        else:
            await asyncio.wait([self._ended], timeout=_ROUND_SECONDS)

    # --- news --------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        assert self._ended is not None
        try:
            while (received := self._wire.receive()) is not None:
                packet, descriptors = received
                self._pulse.heard()
                self._hear(say.decode(packet), descriptors)
        except WireClosedError:
            if not self._ended.done():
                self._ended.set_result(None)
        except Exception as error:  # noqa: BLE001 # not the event loop's to swallow: it ends ``run``
            if not self._ended.done():
                self._ended.set_exception(error)

    def _guardian_died(self) -> None:
        self._read()  # what it still said; the end of the socket comes after it
        assert self._ended is not None
        if not self._ended.done():
            self._ended.set_result(None)

    def _hear(self, news: say.Message, descriptors: list[int]) -> None:
        if not isinstance(news, say.Spawned):
            for descriptor in descriptors:
                os.close(descriptor)
        match news:
            case say.Spawned(run=run, pid=pid):
                self._spawned(RunId(run), pid, descriptors)
            case say.SpawnFailed(run=run, message=message):
                self._live.pop(RunId(run), None)
                self._on_event(self._failed(RunId(run), message))
            case say.Exited(run=run, code=code, signal=signo, core=core, empty=empty, oom_killed=oom):
                if (live := self._live.get(RunId(run))) is not None:
                    live.exited = True
                self._on_event(
                    events.Exited(
                        run=RunId(run), code=code, signal=signo, core_dumped=core, empty=empty, oom_killed=oom
                    )
                )
            case say.Lingering(run=run, blockers=blockers):
                self._on_event(events.Lingering(run=RunId(run), blockers=blockers))
            case say.Emptied(run=run):
                _close(self._live.pop(RunId(run), _Live()))
                self._on_event(events.Emptied(run=RunId(run), chance=self._chance()))
            case say.Pong(number=number):
                self._pulse.answered(number)
            case say.Dropped(reason=reason):
                raise say.ProtocolError(f"the guardian did not understand us: {reason}")
            case _:
                self._hear_of_term(news)

    def _hear_of_term(self, news: say.Message) -> None:
        match news:
            case say.Armed(term=name) if name in self._terms:
                self._on_event(events.Armed(term=self._terms[name]))
            case say.Disarmed(term=name) if name in self._terms:
                self._pulse.disarmed(name)
                self._on_event(events.Disarmed(term=self._terms.pop(name)))
            case say.DisarmRefused(term=name, blockers=blockers) if name in self._terms:
                self._on_event(events.DisarmRefused(term=self._terms[name], blockers=blockers))
            case say.Struck(term=name, late_seconds=late) if name in self._terms:
                self._on_event(events.KillByStruck(term=self._terms[name], late_seconds=late))
            case say.Armed() | say.Disarmed() | say.DisarmRefused() | say.Struck():
                pass  # disarmed twice: the second answer is about a term that is forgotten
            case _:
                raise say.ProtocolError(f"the guardian said {type(news).__name__}, which is not for the daemon")

    def _spawned(self, run: RunId, pid: int, descriptors: list[int]) -> None:
        live = self._live.setdefault(run, _Live())
        if descriptors:
            live.pid, live.pidfd = pid, descriptors[0]
            process = look(pid)
            # Not readable: still alive after the look, so the start time is its own.
            if process is not None and not readable(live.pidfd):
                live.start = process.start
        self._on_event(events.Spawned(run=run, pid=pid))

    def _failed(self, run: RunId, detail: str) -> events.SpawnFailed:
        return events.SpawnFailed(run=run, detail=detail, chance=self._chance())

    def _later(self, event: events.Event) -> None:
        """Not from within the caller's own call."""
        self._undelivered.append(event)
        if self._loop is not None:
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        while self._undelivered:
            self._on_event(self._undelivered.pop(0))

    def _watch_writable(self) -> None:
        if self._loop is not None and self._wire.pending:
            self._loop.add_writer(self._wire.fileno(), self._writable)

    def _writable(self) -> None:
        if self._wire.flush() and self._loop is not None:
            self._loop.remove_writer(self._wire.fileno())

    def _put_down(self) -> None:
        """Frozen: it can neither strike nor stop; we can."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._guardian.pidfd, signal.SIGKILL)

    # --- the guardian's death ----------------------------------------------------------------------------------------

    async def _bury(self) -> None:
        await self._kill_everything()
        self._lost = True
        self._deliver()
        for run, live in list(self._live.items()):
            if not live.pid and not live.exited:
                self._on_event(self._failed(run, "the guardian died before it was started"))
                continue
            if not live.exited:
                self._on_event(events.Exited(run=run, code=None, signal=int(signal.SIGKILL)))
            self._on_event(events.Emptied(run=run, chance=self._chance()))
            _close(live)
        self._live.clear()
        code = self._guardian.process.poll()
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        self._on_event(events.GuardianLost(detail=f"the guardian (pid {self.ready.pid}) died: {how}"))

    async def _kill_everything(self) -> None:
        """Until nobody is found. Unproven emptiness does not end this: the lease must not be given up over a living one."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._guardian.pidfd, signal.SIGKILL)
        for live in self._live.values():
            if live.pidfd >= 0:
                with suppress(OSError):
                    signal.pidfd_send_signal(live.pidfd, signal.SIGKILL)
        remains = Remains(
            cgroups=[self.ready.path] if self.ready.path else [],
            variable=RUN_VARIABLE,
            value=self.ready.marker,
            whole=False,
            mains={live.pid: live.start for live in self._live.values() if live.start},
        )
        while remains.strike() or self._guardian.process.poll() is None:  # noqa: ASYNC110 # /proc tells nobody
            await asyncio.sleep(_ROUND_SECONDS)
        remains.remove()


def _close(live: _Live) -> None:
    if live.pidfd >= 0:
        os.close(live.pidfd)
        live.pidfd = -1
