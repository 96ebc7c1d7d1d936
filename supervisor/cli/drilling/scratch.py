"""A scratch daemon of a drill: the product itself, with one election and one probe, in files of its own.

Promises: it dies with this process, whatever ends that (``leash``), and its guardian then ends the probe; its socket, state and
record are in a private directory that goes with ``end``. It is the same daemon as any other, so what is rehearsed is what runs.
Does not: touch another daemon, or the file that others run.
"""

import asyncio
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import supervisor
from supervisor import interpreter, paths
from supervisor.cli import exits
from supervisor.cli.made import etcd_section, literal, private_directory
from supervisor.control.client import Client, ControlError
from supervisor.core.drill import HERE, Beats, Term

if TYPE_CHECKING:
    from supervisor.core.spec import EtcdSpec

MARK: Final = ".drill"
"""Ends the name of every scratch node, so that records and queues tell them from real ones."""
FRESH_NANOSECONDS: Final = 200_000_000
"""A probe whose last beat is older is not said to live."""
_OWNER: Final = "owner"
_AGAIN_SECONDS: Final = 0.5
_STOP_SECONDS: Final = 20.0
_HERE: Final = Path(__file__).parent


def machine() -> str:
    """What names the clock of this machine: the boot, and the time namespace, which may shift it."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    with suppress(OSError):
        return f"{boot}/{Path('/proc/self/ns/time').readlink()}"
    return boot


def now() -> int:
    """CLOCK_BOOTTIME in nanoseconds, as the probes write it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a scratch daemon is to be."""

    node: str
    election: str
    ttl: str
    etcd: "EtcdSpec"
    group: int | None = None
    """Its group id, where its packets must be told from everybody else's."""


class ScratchNode:
    """One daemon, its guardian and its probe."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self._home = private_directory("drill")
        _sweep(self._home.parent)
        (self._home / _OWNER).write_text(str(os.getpid()), encoding="ascii")
        self.socket = self._home / paths.SOCKET_NAME
        self._beats = self._home / "beats"
        self._log = self._home / "log"
        self._file = self._home / "drill.yaml"
        self._file.write_text(json.dumps(self._content()), encoding="utf-8")
        self._file.chmod(0o600)
        self._read = 0
        self._record = Beats(HERE)
        self._lock = threading.Lock()
        self._gone: list[tuple[int, int]] = []
        self._watched: set[int] = set()
        self._daemon: subprocess.Popen[bytes] | None = None
        self._died_at: float | None = None

    def start(self) -> None:
        """Start the daemon."""
        main = Path(supervisor.__file__).with_name("__main__.py")
        group = "" if self.part.group is None else str(self.part.group)
        leash = [sys.executable, "-I", "-S", str(_HERE / "leash.py"), str(os.getpid()), group]
        argv = [*leash, *interpreter.command(main), "run", str(self._file), "--node", self.part.node]
        argv += ["--socket", str(self.socket), "--state-dir", str(self._home / "state"), "--insecure-permissions"]
        own = ("SUPERVISOR_", "NOTIFY_", "WATCHDOG_", "LISTEN_", "ETCDCTL_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        with self._log.open("ab") as log:
            self._daemon = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd="/"
            )
        self._died_at = None

    def tend(self) -> None:
        """Start it again when it has died, as its unit would."""
        if self._daemon is None or self._daemon.poll() is None:
            return
        self._died_at = self._died_at or time.monotonic()
        if time.monotonic() - self._died_at >= _AGAIN_SECONDS:
            self.start()

    @property
    def pid(self) -> int:
        """The daemon's."""
        assert self._daemon is not None, "it was started"
        return self._daemon.pid

    def signal(self, number: signal.Signals) -> None:
        """To the daemon alone."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def says(self) -> str:
        """The end of its log, for whoever must find out why."""
        with suppress(OSError):
            return "\n".join(self._log.read_text(errors="replace").splitlines()[-6:])
        return ""

    # --- the record

    def look(self) -> tuple[Term, ...]:
        """Every term of this node, as far as its probe has written. Raises BadBeatsError."""
        if self._beats.exists():
            with self._beats.open(encoding="utf-8") as file:
                file.seek(self._read)
                text = file.read()
                self._read = file.tell()
            self._record.feed(text)
        with self._lock:
            gone, self._gone = self._gone, []
        for pid, at in gone:
            self._record.gone(pid, at)
        living = self._record.living()
        if living is not None and living[0] not in self._watched:
            self._watched.add(living[0])
            threading.Thread(target=self._watch, args=(living[0],), daemon=True).start()
        return self._record.terms

    def leads(self) -> Term | None:
        """The term whose probe beats here now."""
        self.look()
        living = self._record.living()
        return living[1] if living is not None and now() - living[1].last < FRESH_NANOSECONDS else None

    def _watch(self, pid: int) -> None:
        """Note when a probe's process is seen to be gone: what comes after its last beat is then known, not guessed."""
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            pass
        else:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            poll.poll()
            os.close(fd)
        at = now()
        with self._lock:
            self._gone.append((pid, at))

    # --- its part

    async def resign(self) -> None:
        """Have it give up the lead: it is another's turn. What fails is asked again by who wants it."""

        def ask() -> None:
            with suppress(ControlError), Client(self.socket) as client:
                client.resign(self.part.election, 5.0)

        await asyncio.to_thread(ask)

    def end(self) -> None:
        """SIGTERM, and what does not heed it is killed; nothing of it is left."""
        if self._daemon is not None and self._daemon.poll() is None:
            self._daemon.send_signal(signal.SIGCONT)
            self._daemon.terminate()
            try:
                self._daemon.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._daemon.kill()
                self._daemon.wait()
        shutil.rmtree(self._home, ignore_errors=True)

    def _content(self) -> dict[str, object]:
        probe = [sys.executable, "-I", "-S", str(_HERE / "probe.py"), str(self._beats)]
        process = {"command": probe, "directory": "/", "stop": {"timeout": "1s"}, "log": {"to": []}}
        election = {"ttl": self.part.ttl, "history": 0, "leader": {"processes": {"probe": process}}}
        return literal({"etcd": etcd_section(self.part.etcd), "elections": {self.part.election: election}})


def _sweep(above: Path) -> None:
    """Remove what drills left that were killed: their daemons died with them."""
    for owner in above.glob(f"*/{_OWNER}"):
        with suppress(OSError, ValueError):
            if not Path(f"/proc/{int(owner.read_text(encoding='ascii'))}").exists():
                shutil.rmtree(owner.parent, ignore_errors=True)


def node_name(chosen: str) -> str:
    """The name of a scratch node."""
    from supervisor.config import values  # noqa: PLC0415 # not for --help
    from supervisor.config.problems import Refused  # noqa: PLC0415

    try:
        return values.name(chosen + MARK)
    except Refused as error:
        raise exits.Failure(str(error), exits.USAGE) from None
