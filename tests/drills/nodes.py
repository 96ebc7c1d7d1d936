"""One supervisor daemon of a drill: on a host of its own, started again when it dies, as systemd would.

Promises: a daemon that ended is started again ``RESTART_SECONDS`` later by ``tend``, unless it is held down; its log is
kept over restarts; ``close`` leaves no process of it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from supervisor.guardian.leftovers import kill_leftovers
from tests.drills.net import Network, leash

RESTART_SECONDS = 0.5
_STOP_SECONDS = 15.0


class Node:
    """A daemon with its guardian and its files."""

    def __init__(
        self, net: Network, name: str, home: Path, file: Path, *, program: Sequence[str], containment: str
    ) -> None:
        """``program`` is what Python runs; ``containment`` is ``session``, or empty for the guardian's own choice."""
        self._program = program
        self.name, self._net = name, net
        self._file, self._home = file, home / name
        self._home.mkdir(parents=True)
        self._containment = containment
        self.socket = self._home / "s"
        self.log = self._home / "log"
        self._state = self._home / "state"
        self._daemon: subprocess.Popen[bytes] | None = None
        self._ended_at: float | None = None
        self.exits: list[int] = []

    def start(self) -> None:
        """Start the daemon, as its unit would."""
        argv = [sys.executable, *self._program, "run", str(self._file), "--node", self.name]
        argv += ["--socket", str(self.socket), "--state-dir", str(self._state)]
        environment = dict(os.environ)
        if self._containment:
            environment["SUPERVISOR_CONTAINMENT"] = self._containment
        with self.log.open("ab") as out:
            self._daemon = subprocess.Popen(
                [*leash(), *self._net.inside(self.name), *argv],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment,
            )  # fmt: skip
        self._ended_at = None

    def tend(self) -> None:
        """Start it again if it ended long enough ago."""
        if self._daemon is None or self._daemon.poll() is None:
            return
        now = time.monotonic()
        if self._ended_at is None:
            self._ended_at = now
            self.exits.append(self._daemon.returncode)
        if now - self._ended_at >= RESTART_SECONDS:
            self.start()

    @property
    def runs(self) -> bool:
        """Whether the daemon does."""
        return self._daemon is not None and self._daemon.poll() is None

    @property
    def pid(self) -> int:
        """The daemon's."""
        assert self._daemon is not None, f"{self.name} was never started"
        return self._daemon.pid

    @property
    def guardian(self) -> int:
        """Its guardian's pid, from /proc: it must be told when nothing answers."""
        for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            with suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().strip() == "sv-guardian":
                    return int(pid)
        raise RuntimeError(f"{self.name} has no guardian")

    def says(self) -> str:
        """Its log, every life of it."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def status(self) -> str:
        """What ``supervisor status`` prints, or why it prints nothing: evidence for people."""
        argv = [sys.executable, "-m", "supervisor", "status", "--socket", str(self.socket)]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=5, check=False)
        except subprocess.TimeoutExpired:
            return "status: no answer within 5 s"
        return done.stdout + done.stderr

    def endpoint(self) -> str:
        """The etcd member it talks to, as it says itself; empty when it does not answer."""
        argv = [sys.executable, "-m", "supervisor", "status", "--json", "--socket", str(self.socket)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
        with suppress(ValueError, KeyError):
            return str(json.loads(done.stdout)["store"]["detail"])
        return ""

    def close(self) -> None:
        """SIGTERM, and SIGKILL for whatever does not heed it."""
        if self._daemon is None:
            return
        guardian = 0
        with suppress(RuntimeError, OSError):
            guardian = self.guardian
        for pid in filter(None, (guardian, self.pid if self.runs else 0)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        if self.runs:
            self._daemon.terminate()
            try:
                self._daemon.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._daemon.kill()
                self._daemon.wait()
        if guardian:
            self._await_end(guardian)
        if self._state.is_dir():
            kill_leftovers(str(self._state), timeout_seconds=10)

    @staticmethod
    def _await_end(guardian: int) -> None:
        """The guardian outlives its daemon by the stopping of its processes; not for ever."""
        deadline = time.monotonic() + _STOP_SECONDS
        while Path(f"/proc/{guardian}").exists():
            if time.monotonic() > deadline:
                with suppress(ProcessLookupError):
                    os.kill(guardian, signal.SIGKILL)
                return
            time.sleep(0.02)
