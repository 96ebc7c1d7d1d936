"""What children say by sd_notify: READY=1, WATCHDOG=1, STATUS=, EXTEND_TIMEOUT_USEC=.

Promises: each run that is to speak has a socket of its own, from before its start until nothing of it is left; only who is
proven to be inside the run's containment is heard, others are counted and mentioned once; whatever a datagram holds (too
much, nonsense, descriptors by the hundred), it costs no more than its reading; whoever floods waits, not we.
Does not: judge. A readiness or a sign of life is a probe's success, its absence in time a failure, and the core decides.
MAINPID=, RELOADING=1, STOPPING=1, descriptors to store and the like are of no consequence here and change nothing.

The socket is abstract: any user of the child's reaches it, nothing is to be cleaned up, and no private /tmp or
directory's mode is in the way. See decision 17 for what that costs.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

from supervisor.core.actions import StartProbe
from supervisor.core.events import Event, Notified, ProbeFailed, ProbeSucceeded
from supervisor.core.names import ProcessId, RunId
from supervisor.core.spec import ProbeKind, ProcessSpec
from supervisor.processes.lines import neutralise

DATAGRAM_BYTES: Final = 4096
"""As much as systemd reads; more is refused whole."""
STATUS_CHARACTERS: Final = 200
STATUS_PAUSE_SECONDS: Final = 1.0
"""Between two statuses that are passed on; the last one always is."""
READS_AT_ONCE: Final = 32
FLOOD_PAUSE_SECONDS: Final = 0.01
LONGEST_EXTENSION_SECONDS: Final = 86400.0

_CREDENTIALS: Final = struct.Struct("3i")
_ROOM: Final = socket.CMSG_SPACE(_CREDENTIALS.size) + socket.CMSG_SPACE(4 * struct.calcsize("i"))
"""Descriptors beyond these the kernel closes itself."""


class Notes(NamedTuple):
    """What one datagram says, as far as it matters."""

    ready: bool = False
    alive: bool = False
    """WATCHDOG=1."""
    trouble: bool = False
    """WATCHDOG=trigger."""
    status: str | None = None
    extend_seconds: float | None = None


def parse(datagram: bytes) -> Notes | None:
    """The assignments of a datagram, one a line; None when it is none. Never raises."""
    if len(datagram) > DATAGRAM_BYTES or b"\0" in datagram:
        return None
    notes = Notes()
    for line in datagram.split(b"\n"):
        key, sign, value = line.partition(b"=")
        if not sign:
            continue
        match key, value:
            case b"READY", b"1":
                notes = notes._replace(ready=True)
            case b"WATCHDOG", b"1":
                notes = notes._replace(alive=True)
            case b"WATCHDOG", b"trigger":
                notes = notes._replace(trouble=True)
            case b"STATUS", _:
                notes = notes._replace(status=neutralise(value.strip()).decode()[:STATUS_CHARACTERS])
            case b"EXTEND_TIMEOUT_USEC", _ if value.isdigit() and len(value) < 20:
                seconds = min(int(value) / 1_000_000, LONGEST_EXTENSION_SECONDS)
                notes = notes._replace(extend_seconds=seconds)
            case _:
                pass
    return notes


class _Ear:
    """One run's socket, and what was heard through it."""

    def __init__(self, owner: "NotifySockets", process: ProcessId, run: RunId) -> None:
        self._owner = owner
        self._process = process
        self._run = run
        self._loop = asyncio.get_running_loop()
        self.name = f"supervisor.notify.{os.urandom(8).hex()}.{run}"
        self._ready = False
        self._early: Notes | None = None
        """The last word to a watchdog that was not there yet: a child may speak before its start is known here."""
        self._status = ""
        self._status_at = -STATUS_PAUSE_SECONDS
        self._status_later: asyncio.TimerHandle | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._probes: dict[str, StartProbe] = {}
        self._watchdog: _Watchdog | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            self._socket.bind(f"\0{self.name}")
        except OSError:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket, self.read)

    def start(self, action: StartProbe) -> None:
        self.stop(action.purpose)
        self._probes[action.purpose] = action
        if action.probe.kind is ProbeKind.WATCHDOG:
            self._watchdog = _Watchdog(self, action)
            early, self._early = self._early, None
            if early is not None:
                self._hear_of_life(early)
        elif self._ready:
            self._owner.on_event(ProbeSucceeded(run=self._run, purpose=action.purpose))

    def stop(self, purpose: str) -> None:
        self._probes.pop(purpose, None)
        if self._watchdog is not None and self._watchdog.purpose == purpose:
            self._watchdog.stop()
            self._watchdog = None

    def close(self) -> None:
        for purpose in tuple(self._probes):
            self.stop(purpose)
        for timer in (self._status_later, self._pause):
            if timer is not None:
                timer.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def read(self) -> None:
        """What has come, as far as a turn allows."""
        for _ in range(READS_AT_ONCE):
            if not self._read_one():
                return
        if self._pause is None:
            self._loop.remove_reader(self._socket)
            self._pause = self._loop.call_later(FLOOD_PAUSE_SECONDS, self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self._loop.add_reader(self._socket, self.read)

    def _read_one(self) -> bool:
        try:
            datagram, ancillary, flags, _ = self._socket.recvmsg(DATAGRAM_BYTES, _ROOM, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return False
        except OSError:
            return False  # no memory just now: it is still there at the next turn
        sender = 0
        descriptors: list[int] = []
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                descriptors += struct.unpack(f"{len(data) // 4}i", data[: len(data) // 4 * 4])
            elif (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS) and len(data) >= _CREDENTIALS.size:
                sender = _CREDENTIALS.unpack_from(data)[0]
        try:
            self._judge(datagram, sender, whole=not flags & socket.MSG_TRUNC)
        finally:
            # BARRIER=1 waits for just this: that all said before it was heard. Others have no business with us.
            for descriptor in descriptors:
                with suppress(OSError):
                    os.close(descriptor)
        return True

    def _judge(self, datagram: bytes, sender: int, *, whole: bool) -> None:
        if not self._owner.holds(self._run, sender):
            self._owner.refuse(self._process, self._run, "comes from outside the process, or from one that has ended")
            return
        notes = parse(datagram) if whole else None
        if notes is None:
            self._owner.refuse(self._process, self._run, "is no message of sd_notify")
            return
        self._hear(notes)

    def _hear(self, notes: Notes) -> None:
        if notes.extend_seconds is not None:
            self._owner.on_event(Notified(run=self._run, extend_seconds=notes.extend_seconds))
        if notes.status is not None:
            self._hear_status(notes.status)
        if notes.ready and not self._ready:
            self._ready = True
            for action in self._probes.values():
                if action.probe.kind is ProbeKind.NOTIFY:
                    self._owner.on_event(ProbeSucceeded(run=self._run, purpose=action.purpose))
        if notes.alive or notes.trouble:
            self._hear_of_life(notes)

    def _hear_of_life(self, notes: Notes) -> None:
        if self._watchdog is None:
            self._early = notes
            return
        if notes.alive:
            self._watchdog.alive()
        if notes.trouble:
            self._watchdog.failed("the process reports its own failure (WATCHDOG=trigger)")

    def _hear_status(self, status: str) -> None:
        self._status = status
        if self._status_later is not None:
            return
        left = self._status_at + STATUS_PAUSE_SECONDS - self._loop.time()
        if left <= 0:
            self._pass_status_on()
        else:
            self._status_later = self._loop.call_later(left, self._pass_status_on)

    def _pass_status_on(self) -> None:
        self._status_later = None
        self._status_at = self._loop.time()
        self._owner.on_event(Notified(run=self._run, status=self._status))

    def report(self, event: Event) -> None:
        """Of the watchdog."""
        self._owner.on_event(event)


class _Watchdog:
    """Signs of life that are due."""

    def __init__(self, ear: _Ear, action: StartProbe) -> None:
        self.purpose = action.purpose
        self._ear = ear
        self._run = action.run
        self._period = action.probe.every_seconds
        self._loop = asyncio.get_running_loop()
        self._told_at: float | None = None
        self._heard_at = self._loop.time()
        self._timer = self._loop.call_later(self._period, self._due)

    def stop(self) -> None:
        self._timer.cancel()

    def alive(self) -> None:
        """WATCHDOG=1. Told at once after a failure, else four times a period at most: more says no more."""
        now = self._heard_at = self._loop.time()
        if self._told_at is None or now >= self._told_at + self._period / 4:
            self._told_at = now
            self._ear.report(ProbeSucceeded(run=self._run, purpose=self.purpose))

    def failed(self, detail: str) -> None:
        """It says so itself, or does not speak."""
        self._told_at = None
        self._ear.report(ProbeFailed(run=self._run, purpose=self.purpose, detail=detail))

    def _due(self) -> None:
        if self._loop.time() >= self._heard_at + self._period:
            self._ear.read()  # it may have spoken while we did not run
        if self._timer.cancelled():
            return
        now = self._loop.time()
        if now >= self._heard_at + self._period:
            self._heard_at = now  # the next one is due a period from now
            self.failed(f"no sign of life (WATCHDOG=1) for {self._period:g} s")
        if not self._timer.cancelled():
            self._timer = self._loop.call_at(self._heard_at + self._period, self._due)


class NotifySockets:
    """The sockets of all runs. All of it belongs to one event loop."""

    def __init__(
        self,
        *,
        on_event: Callable[[Event], None],
        holds: Callable[[RunId, int], bool],
        on_warning: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``holds``: whether a pid is inside a run's containment."""
        self.on_event = on_event
        self.holds = holds
        self.refused = 0
        """Datagrams that were not heard."""
        self._on_warning = on_warning
        self._ears: dict[RunId, _Ear] = {}
        self._mentioned: set[tuple[RunId, str]] = set()

    def open(self, spec: ProcessSpec, run: RunId) -> dict[str, str]:
        """What the environment of a run says; nothing for a process that is not to notify. Raises OSError."""
        if not spec.notifies:
            return {}
        ear = self._ears[run] = _Ear(self, spec.id, run)
        # Without WATCHDOG_PID: that the main process speaks for all is the containment's to prove, not the pid's.
        variables = {"NOTIFY_SOCKET": f"@{ear.name}"}
        if spec.watchdog_seconds is not None:
            variables["WATCHDOG_USEC"] = str(round(spec.watchdog_seconds * 1_000_000))
        return variables

    def start(self, action: StartProbe) -> None:
        """Tell of readiness, or of signs of life, from now on; of a readiness that was told before, at once."""
        if (ear := self._ears.get(action.run)) is not None:
            ear.start(action)

    def stop(self, run: RunId, purpose: str) -> None:
        """Tell no more of one."""
        if (ear := self._ears.get(run)) is not None:
            ear.stop(purpose)

    def close(self, run: RunId) -> None:
        """Nothing of the run is left."""
        if (ear := self._ears.pop(run, None)) is not None:
            ear.close()
        self._mentioned = {(of, why) for of, why in self._mentioned if of != run}

    def refuse(self, process: ProcessId, run: RunId, why: str) -> None:
        """Count a datagram that is not heard; the first of a kind is worth a line."""
        self.refused += 1
        if (run, why) not in self._mentioned:
            self._mentioned.add((run, why))
            self._on_warning(f"{process}: a notification was refused, and others like it will be: it {why}")
