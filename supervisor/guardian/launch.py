"""Starts the guardian, before anything that starts threads.

Promises: ``launch``, and ``Launching.wait``, return only when the guardian is on duty, and an earlier daemon's leftovers are dead; one daemon
per state directory, by a lock that lives as long as either of the two; raises GuardianStartError saying what to do.
Does not: import asyncio or gRPC. Begin before gRPC is imported: this is the daemon's only fork (a vfork, in fact).
"""

import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from supervisor.guardian import protocol as say
from supervisor.guardian.census import look, read_file, send
from supervisor.guardian.wire import Wire, WireClosedError

LOCK: Final = "guardian.lock"
_RECORD: Final = "guardian.json"
_PATIENCE_SECONDS: Final = 10.0
"""For the guardian of a daemon that died to end its processes in order, before it is asked to kill them ..."""
_LAST_PATIENCE_SECONDS: Final = 10.0
"""... and after."""


class GuardianStartError(Exception):
    """There is no guardian, so nothing can be started. The message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """A guardian on duty. Give it to GuardianLink, which closes all of it."""

    process: subprocess.Popen[bytes]
    wire: Wire
    pidfd: int
    lock_fd: int
    ready: say.Ready

    @property
    def mark(self) -> str:
        """Names the state directory, in the root it is in: what earlier guardians of it left is dead."""
        return self.ready.marker.partition("-")[0]


class Launching:
    """A guardian that is on its way to its duty, while we do something else."""

    def __init__(self, process: subprocess.Popen[bytes], wire: Wire, lock_fd: int) -> None:
        self._process = process
        self._wire = wire
        self._lock_fd = lock_fd

    def wait(self, timeout_seconds: float = 30.0) -> Launched:
        """Until it is ready. Raises GuardianStartError. Call it once."""
        process, wire = self._process, self._wire
        try:
            ready = _wait_ready(wire, process, timeout_seconds)
            pidfd = os.pidfd_open(process.pid)
        except BaseException:
            wire.close()
            process.kill()
            process.wait()
            os.close(self._lock_fd)
            raise
        return Launched(process=process, wire=wire, pidfd=pidfd, lock_fd=self._lock_fd, ready=ready)


def launch(
    *,
    state_dir: Path,
    node: str = "",
    timeout_seconds: float = 30.0,
    patience_seconds: float = _PATIENCE_SECONDS,
) -> Launched:
    """Start the guardian of this daemon and wait until it is ready. Raises GuardianStartError."""
    return begin(state_dir=state_dir, node=node, patience_seconds=patience_seconds).wait(timeout_seconds)


def begin(*, state_dir: Path, node: str = "", patience_seconds: float = _PATIENCE_SECONDS) -> Launching:
    """Start the guardian of this daemon. Raises GuardianStartError."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        lock_fd = os.open(state_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise GuardianStartError(
            f"cannot use the state directory {state_dir}: {error.strerror}; "
            "make it writable, or choose another with SUPERVISOR_STATE_DIR"
        ) from None
    try:
        _lock(lock_fd, state_dir, patience_seconds)
        return _start(state_dir, node, lock_fd)
    except BaseException:
        os.close(lock_fd)
        raise


def _start(state_dir: Path, node: str, lock_fd: int) -> Launching:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    wire = Wire(ours, max_bytes=say.MAX_PACKET_BYTES)
    script = Path(__file__).with_name("__main__.py")
    # The same UTF-8 mode as ours: argv and environments must come back as the bytes they were.
    utf8 = f"utf8={sys.flags.utf8_mode}"
    # Bytecode is kept as we keep ours: a guardian that compiles itself at every start holds a megabyte more.
    bytecode = ["-B"] if sys.dont_write_bytecode else []
    command = [sys.executable, "-I", "-S", *bytecode, "-X", utf8, str(script), str(theirs.fileno())]
    try:
        process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # stderr is the daemon's: last words of a guardian that fails belong in its log
            start_new_session=True,  # a terminal's ^C, or a kill of our process group, is for us
        )
    except OSError as error:
        ours.close()
        raise GuardianStartError(
            f"cannot start the guardian with {sys.executable}: {error.strerror}; is this Python still installed?"
        ) from None
    finally:
        theirs.close()
    try:
        hello = say.Hello(node=node, root=node, state_dir=str(state_dir.resolve()))
        wire.send(say.encode(hello), [os.dup(lock_fd)])
        return Launching(process, wire, lock_fd)
    except BaseException:
        wire.close()
        process.kill()
        process.wait()
        raise


def _wait_ready(wire: Wire, process: subprocess.Popen[bytes], timeout_seconds: float) -> say.Ready:
    poll = select.poll()
    poll.register(wire.fileno(), select.POLLIN)
    if not poll.poll(timeout_seconds * 1000):
        raise GuardianStartError(
            f"the guardian (pid {process.pid}) was not ready within {timeout_seconds:g} s; "
            "the machine may be overloaded: try again"
        )
    try:
        received = wire.receive()
        news = None if received is None else say.decode(received[0])
    except WireClosedError:
        raise GuardianStartError(
            f"the guardian ended before it was ready, exit code {process.wait()}; its own words are on standard error"
        ) from None
    except say.ProtocolError as error:
        raise GuardianStartError(f"the guardian is not of this version: {error}; install supervisor anew") from None
    match news:
        case say.Ready():
            return news
        case say.Failed(reason=reason):
            raise GuardianStartError(f"the guardian cannot take up its duty: {reason}")
        case _:
            raise GuardianStartError(f"the guardian began with {type(news).__name__} instead of Ready; install anew")


def _lock(lock_fd: int, state_dir: Path, patience_seconds: float) -> None:
    """Take the lock, waiting for the guardian of a daemon that died. Raises GuardianStartError.

    That guardian may be stopped (SIGSTOP, a debugger, a freezer): then nobody ends its processes while their lease runs
    out. It is woken first, and its own deadlines do the rest.
    """
    if not _try_lock(lock_fd, 0.0):
        owner = _owner(state_dir)
        if owner:
            raise GuardianStartError(
                f"another supervisor (pid {owner}) uses the state directory {state_dir}; stop it, "
                "or give this one its own with SUPERVISOR_STATE_DIR"
            )
        _tell_guardian(state_dir, signal.SIGCONT)
        if not _try_lock(lock_fd, patience_seconds):
            guardian = _tell_guardian(state_dir, signal.SIGUSR1)  # to kill instead of waiting
            if not _try_lock(lock_fd, _LAST_PATIENCE_SECONDS):
                raise GuardianStartError(
                    f"the guardian (pid {guardian or 'unknown'}) of an earlier supervisor still holds {state_dir}: "
                    "a process of it does not die; see what hangs with ps, end it (or reboot), then start again"
                )
    me = look(os.getpid())
    text = json.dumps({"v": 1, "pid": os.getpid(), "start": me.start if me else 0}).encode()
    os.ftruncate(lock_fd, 0)
    os.pwrite(lock_fd, text, 0)


def _try_lock(lock_fd: int, seconds: float) -> bool:
    give_up = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= give_up:
                return False
            time.sleep(0.02)
        else:
            return True


def _owner(state_dir: Path) -> int:
    """The pid of the living daemon that wrote the lock; 0 when it is dead."""
    with suppress(ValueError, KeyError, TypeError):
        written = json.loads(read_file(f"{state_dir}/{LOCK}") or b"")
        process = look(int(written["pid"]))
        if process is not None and process.start == written["start"] and not process.zombie:
            return process.pid
    return 0


def _tell_guardian(state_dir: Path, signo: signal.Signals) -> int:
    """A signal to the orphaned guardian; returns its pid, or 0."""
    with suppress(ValueError, KeyError, TypeError):
        process = look(int(json.loads(read_file(f"{state_dir}/{_RECORD}") or b"")["pid"]))
        if process is not None and process.name == "sv-guardian":
            send(process, signo)
            return process.pid
    return 0
