"""The daemon's end of the guardian: starts it, gives it orders, hears its news, ends everything when it dies.

Promises: no call waits for the guardian (a frozen one fills a queue here, not the daemon's loop); its death is seen at
once, every containment is then killed from here and proven empty before GuardianLost is told; orders given after that
are answered as failed, never lost. Does not: import gRPC. ``launch`` must run before anything does.
"""

import asyncio
import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from supervisor.core import events as ev
from supervisor.core.names import Instant, LeaseId, RunId, Term
from supervisor.core.spec import EtcdSpec
from supervisor.guardian import protocol as p
from supervisor.guardian.containment import MARKER, Cgroup, Found, kill_found, marker_of
from supervisor.guardian.containment import everyone as every_process

START_TIMEOUT_SECONDS = 15.0
SOCKET_BUFFER_BYTES = 1 << 20


class GuardianStartError(Exception):
    """The guardian did not come up; nothing was started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnRequest:
    """A child with everything resolved: numbers instead of names, a complete environment."""

    run: RunId
    scope: str
    """Names its containment; letters, digits, dots and dashes."""
    term: Term | None
    argv: tuple[str, ...]
    environment: dict[str, str]
    directory: str | None = None
    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] | None = None
    umask: int | None = None
    rlimits: dict[int, int] | None = None
    """rlimit number -> value; -1 is unlimited."""
    stop_signal: int = signal.SIGTERM
    stop_timeout_seconds: float = 10.0
    last: bool = False


@dataclass(frozen=True, slots=True)
class Launched:
    """A guardian that said Ready."""

    process: "subprocess.Popen[bytes]"
    socket: socket.socket
    mark: str
    ready: p.Ready


def mark_of(state_dir: Path) -> str:
    """Names what belongs to the daemons of one state directory: short, stable, and the same after a restart."""
    return hashlib.sha256(str(state_dir.resolve()).encode()).hexdigest()[:12]


def launch(*, state_dir: Path) -> Launched:
    """Start the guardian and wait until it has ended leftovers and said Ready. Raises GuardianStartError."""
    state_dir.mkdir(parents=True, exist_ok=True)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
    mark = mark_of(state_dir)
    script = Path(__file__).with_name("__main__.py")
    argv = [sys.executable, "-I", "-S", str(script), str(theirs.fileno()), str(state_dir.resolve()), mark]
    # Its own session: neither ^C nor a signal to the daemon's group is meant for it.
    process = subprocess.Popen(argv, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True)
    theirs.close()
    ours.settimeout(START_TIMEOUT_SECONDS)
    try:
        ready = p.decode(ours.recv(p.MAX_PACKET_BYTES))
    except (OSError, p.ProtocolError) as error:
        process.kill()
        process.wait()
        ours.close()
        raise GuardianStartError(
            f"the guardian ({' '.join(argv[:4])}) did not start: {error!s}; its own words, if any, are above"
        ) from None
    assert isinstance(ready, p.Ready)
    ours.settimeout(0.0)
    return Launched(process, ours, mark, ready)


class GuardianLink:
    """Orders out, news in."""

    def __init__(
        self, launched: Launched, *, on_event: Callable[[ev.Event], None], chance: Callable[[], float]
    ) -> None:
        self._guardian = launched
        self._socket = launched.socket
        self._on_event = on_event
        self._chance = chance
        self._terms: dict[str, Term] = {}
        self._live: dict[RunId, str] = {}
        """Runs not yet emptied, and their scopes."""
        self._exited: set[RunId] = set()
        self._outgoing: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._gone: asyncio.Future[None] | None = None
        self._lost = False
        self._closing = False

    @property
    def ready(self) -> p.Ready:
        """What the guardian said of itself at the start."""
        return self._guardian.ready

    @property
    def backlog(self) -> int:
        """Orders that the guardian has not taken yet."""
        return len(self._outgoing)

    # --- orders

    def arm(self, term: Term, lease: LeaseId, lease_deadline: Instant, margin_seconds: float) -> None:
        """-> Armed."""
        self._terms[str(term)] = term
        self._send(p.Arm(term=str(term), lease=lease, lease_deadline=lease_deadline, margin_seconds=margin_seconds))

    def extend(self, lease: LeaseId, lease_deadline: Instant) -> None:
        """No answer."""
        self._send(p.Extend(lease=lease, lease_deadline=lease_deadline))

    def disarm(self, term: Term) -> None:
        """-> Disarmed | DisarmRefused."""
        self._terms[str(term)] = term
        self._send(p.Disarm(term=str(term)))

    def spawn(self, request: SpawnRequest, stdout: int, stderr: int) -> None:
        """-> Spawned | SpawnFailed. The descriptors stay the caller's to close."""
        mark = f"{self._guardian.mark}:{request.scope}"
        order = p.Spawn(
            run=request.run,
            scope=request.scope,
            term=str(request.term) if request.term is not None else None,
            argv=request.argv,
            environment=tuple({**request.environment, MARKER: mark}.items()),
            directory=request.directory,
            uid=request.uid,
            gid=request.gid,
            groups=request.groups,
            umask=request.umask,
            rlimits=tuple((number, value, value) for number, value in (request.rlimits or {}).items()),
            stop_signal=request.stop_signal,
            stop_timeout_seconds=request.stop_timeout_seconds,
            last=request.last,
        )
        if self._lost:
            self._fail(request.run, "the guardian is dead")
            return
        try:
            p.encode(order)
        except p.ProtocolError as error:
            self._fail(request.run, str(error))
            return
        self._live[request.run] = request.scope
        self._send(order, (os.dup(stdout), os.dup(stderr)))

    def signal(self, run: RunId, number: int) -> None:
        """No answer."""
        self._send(p.Signal(run=run, signo=number))

    def kill(self, run: RunId) -> None:
        """No answer but Exited and Emptied."""
        self._send(p.Kill(run=run))

    def store(self, etcd: EtcdSpec) -> None:
        """How to revoke leases when we are gone."""
        tls, auth = etcd.tls, etcd.auth
        self._send(
            p.Store(
                endpoints=etcd.endpoints,
                ca=tls.ca if tls else None,
                cert=tls.cert if tls else None,
                key=tls.key if tls else None,
                server_name=tls.server_name if tls else None,
                user=auth.user if auth else None,
                password_file=auth.password_file if auth else None,
            )
        )

    # --- life

    async def run(self) -> None:
        """Hear news until closed or until the guardian dies; then end everything and say so."""
        loop = asyncio.get_running_loop()
        gone = self._gone = loop.create_future()

        def readable() -> None:
            if not self._read() and not gone.done():
                gone.set_result(None)

        loop.add_reader(self._socket.fileno(), readable)
        try:
            await gone
        finally:
            self._unwatch()
        if not self._closing:
            await self._bereaved()

    async def close(self) -> None:
        """End the guardian in order; what still runs is killed by it."""
        self._closing = True
        self._send(p.Quit())
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(5.0):
                await loop.run_in_executor(None, self._guardian.process.wait)
        except TimeoutError:
            self._guardian.process.kill()
            self._guardian.process.wait()
        self._unwatch()
        self._socket.close()
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    def _unwatch(self) -> None:
        if self._socket.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            asyncio.get_running_loop().remove_writer(self._socket.fileno())

    def _send(self, message: p.Message, fds: tuple[int, ...] = ()) -> None:
        if self._lost:
            _close_all(fds)
            return
        self._outgoing.append((p.encode(message), fds))
        if len(self._outgoing) == 1:
            self._flush()

    def _flush(self) -> None:
        while self._outgoing:
            packet, fds = self._outgoing[0]
            try:
                socket.send_fds(self._socket, [packet], list(fds))
            except BlockingIOError:
                asyncio.get_running_loop().add_writer(self._socket.fileno(), self._flush)
                return
            except OSError:
                pass  # it died: the reader sees the end of file and does what is to be done
            self._outgoing.popleft()
            _close_all(fds)
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop().remove_writer(self._socket.fileno())

    def _read(self) -> bool:
        """Take every packet that waits; False at the end of file."""
        while True:
            try:
                packet = self._socket.recv(p.MAX_PACKET_BYTES)
            except BlockingIOError:
                return True
            except OSError:
                packet = b""
            if not packet:
                return False
            self._hear(p.decode(packet))

    def _hear(self, news: p.Message) -> None:
        match news:
            case p.Armed(term=term):
                self._on_event(ev.Armed(term=self._terms[term]))
            case p.Disarmed(term=term):
                self._on_event(ev.Disarmed(term=self._terms.pop(term)))
            case p.DisarmRefused(term=term, blockers=blockers):
                self._on_event(ev.DisarmRefused(term=self._terms[term], blockers=tuple(blockers)))
            case p.Struck(term=term, late_seconds=late):
                self._on_event(ev.KillByStruck(term=self._terms[term], late_seconds=late))
            case p.Spawned(run=run, pid=pid):
                self._on_event(ev.Spawned(run=RunId(run), pid=pid))
            case p.SpawnFailed(run=run, message=message):
                self._fail(RunId(run), message)
            case p.Exited(run=run, code=code, signal=number, core=core):
                self._exited.add(RunId(run))
                self._on_event(ev.Exited(run=RunId(run), code=code, signal=number, core_dumped=core))
            case p.Emptied(run=run):
                self._live.pop(RunId(run), None)
                self._exited.discard(RunId(run))
                self._on_event(ev.Emptied(run=RunId(run), chance=self._chance()))
            case _:
                raise p.ProtocolError(f"not news: {type(news).__name__}")

    def _fail(self, run: RunId, detail: str) -> None:
        self._live.pop(run, None)
        self._on_event(ev.SpawnFailed(run=run, detail=detail, chance=self._chance()))

    # --- the guardian's death

    async def _bereaved(self) -> None:
        """PDEATHSIG has struck its children; everything else in the containments is killed here, and seen dead."""
        self._lost = True
        for _, fds in self._outgoing:
            _close_all(fds)
        self._outgoing.clear()
        code = await asyncio.get_running_loop().run_in_executor(None, self._guardian.process.wait)
        while left := self._left():
            for process in left:
                kill_found(process)
            await asyncio.sleep(0.02)
        for run in list(self._live):
            if run not in self._exited:
                self._on_event(ev.Exited(run=run, code=None, signal=int(signal.SIGKILL)))
            self._on_event(ev.Emptied(run=run, chance=self._chance()))
        self._live.clear()
        self._on_event(ev.GuardianLost(detail=f"signal {-code}" if code < 0 else f"exit code {code}"))

    def _left(self) -> list[Found]:
        root = self._guardian.ready.path
        if root:
            group = Cgroup(Path(root))
            group.kill()
            if not group.empty():
                return group.members()
        prefix = self._guardian.mark + ":"
        return [found for found in every_process() if marker_of(found.pid).startswith(prefix)]


def _close_all(fds: tuple[int, ...]) -> None:
    for fd in fds:
        os.close(fd)
