"""A recorded session of a three-node fleet: failover, switchover, drain, pause, history. ``make session`` writes docs/session.

Promises: every line that is shown was printed by the command above it, on a terminal of its own, by three real daemons over a real
etcd; a step that did not do what the session says ends the recording, and nothing is written. Only the machine is left out: its
paths, ports and users stand for themselves under other names (``Disguise``). Leaves no process behind.
"""

import argparse
import getpass
import os
import pty
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
from fcntl import ioctl
from pathlib import Path
from typing import Final

from bench.casts import COLUMNS, LINES, Cast, Event
from bench.demo import start_etcd, until
from supervisor.control import views
from supervisor.control.client import Client, ControlError
from supervisor.etcd.local import describe

FILE: Final = """\
etcd: {{endpoints: ["{endpoint}"]}}
elections:
  billing:
    ttl: 5s
    leader:
      processes:
        api:
          command: [sh, -c, 'echo "$SUPERVISOR_NODE serves, token $SUPERVISOR_FENCING_TOKEN"; exec sleep infinity']
          stop: {{timeout: 2s}}
"""
NODES: Final = ("web-1", "web-2", "web-3")
ELECTION: Final = "billing"
COMMAND_SECONDS: Final = 90.0
KEY_SECONDS: Final = 0.04
READ_SECONDS: Final = 1.5
"""Between an answer and the next command."""


class Disguise:
    """What belongs to this machine, under names that belong to nobody."""

    def __init__(self, home: Path, endpoint: str) -> None:
        self._names = [
            (str(home / "fleet.yaml"), "/etc/supervisor/supervisor.yaml"),
            (str(home), "/run/supervisor"),
            (endpoint.removeprefix("http://"), "127.0.0.1:2379"),
            (socket.gethostname(), "host"),
        ]
        self._user = re.compile(rf"(?:\b{re.escape(getpass.getuser())} \()?\buid \d+")

    def __call__(self, text: str) -> str:
        """The text as it is shown."""
        for ours, shown in self._names:
            text = text.replace(ours, shown)
        return self._user.sub(
            lambda found: found.group().rpartition(" ")[0].replace(getpass.getuser(), "ann") + " 1000", text
        )


class Node:
    """A daemon of its own."""

    def __init__(self, home: Path, name: str) -> None:
        self.name, self._home = name, home
        self.socket = home / f"{name}.sock"
        self.start()

    def start(self) -> None:
        """As an init system would."""
        argv = [sys.executable, "-m", "supervisor", "run", str(self._home / "fleet.yaml"), "--node", self.name]
        with (self._home / f"{self.name}.log").open("ab") as out:
            self.daemon = subprocess.Popen(
                [*argv, "--socket", str(self.socket), "--state-dir", str(self._home / self.name)],
                stdout=out,
                stderr=out,
            )

    def election(self) -> views.Election | None:
        """As the node sees it; None while it cannot be asked."""
        try:
            with Client(self.socket) as connected:
                return connected.status().elections[0]
        except (ControlError, IndexError):
            return None


class Session:
    """A fleet, and what is typed at it."""

    def __init__(self, home: Path, disguise: Disguise) -> None:
        self.nodes = {name: Node(home, name) for name in NODES[:1]}
        self._home, self._disguise = home, disguise
        self.cast = Cast()

    def join(self, name: str) -> None:
        """One more node, behind those that are there: whoever came first leads, and is next."""
        before = self.queued()
        self.nodes[name] = Node(self._home, name)
        until(f"{name} in the queue", lambda: self.queued() == before + 1)

    def queued(self) -> int:
        """How many stand, as the first node that answers sees it."""
        seen = (node.election() for node in self.nodes.values())
        return next((e.queue_length or 0 for e in seen if e is not None), 0)

    def leads(self, name: str) -> bool:
        """Whether that node does, and its processes serve."""
        e = self.nodes[name].election()
        return e is not None and e.role == "leader" and e.leader.leading and e.health == "healthy"

    def leader(self) -> str:
        """Who leads; empty: nobody."""
        return next((name for name, node in self.nodes.items() if node.daemon.poll() is None and self.leads(name)), "")

    def proclaimed(self, seen_from: str) -> bool:
        """Whether whoever leads has said that it is well."""
        e = self.nodes[seen_from].election()
        return e is not None and e.leader.proclaimed_health == "healthy"

    def recorded(self) -> bool:
        """Whether somebody leads, everybody stands, and the term is on record with its gap."""
        leader = self.leader()
        if not leader or self.queued() < len(NODES):
            return False
        with Client(self.nodes[leader].socket) as connected:
            newest = connected.history(ELECTION).terms[0]
        return newest.node == leader and bool(newest.won and newest.ready)

    # --- what is seen ----------------------------------------------------------------------------------------------

    def note(self, text: str) -> None:
        """A remark of whoever types."""
        self.cast.add("\r\n\x1b[2m# " + text + "\x1b[0m\r\n", pause_seconds=READ_SECONDS)

    def type(self, node: str, command: str, *, code: int = 0) -> str:
        """Type a command on a node, and show what it prints. Gives that back; ends the recording when it ends otherwise."""
        self.cast.add(f"\x1b[1;32m{node}\x1b[0m$ ", pause_seconds=READ_SECONDS)
        for letter in command:
            self.cast.add(letter, pause_seconds=KEY_SECONDS)
        self.cast.add("\r\n", pause_seconds=KEY_SECONDS)
        print(f"{node}$ {command}", flush=True)
        said, ended = self._run(node, command)
        if ended != code:
            raise SystemExit(f"session: {command}: exit code {ended} instead of {code}:\n{said}")
        return said

    def _run(self, node: str, command: str) -> tuple[str, int]:
        environment = {
            "PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8",
            "SUPERVISOR_SOCKET": str(self.nodes[node].socket),
        }  # fmt: skip
        words = shlex.split(command)
        if "--fleet" in words:  # what a file at the usual place would say
            words += ["--file", str(self._home / "fleet.yaml")]
        argv = [sys.executable, "-m", "supervisor", *words[1:]] if words[0] == "supervisor" else words
        ours, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        running = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True)
        os.close(theirs)
        said = ""
        with os.fdopen(ours, "rb", buffering=0) as terminal:
            # By whole lines, so that a name is disguised though it was read in two pieces.
            rest, before = b"", time.monotonic()
            while piece := _read(terminal.fileno()):
                whole, newline, rest = (rest + piece).rpartition(b"\n")
                if newline:
                    text = self._disguise((whole + newline).decode(errors="replace"))
                    now = time.monotonic()
                    self.cast.add(text, pause_seconds=now - before)
                    said, before = said + text, now
        ended = running.wait(COMMAND_SECONDS)
        if ended and words[0] == "supervisor":
            self.cast.add(f"\x1b[2m(exit code {ended})\x1b[0m\r\n", pause_seconds=KEY_SECONDS)
        return said, ended


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # how a terminal says that nobody writes any more
        return b""


def play(s: Session) -> None:
    """The session itself."""
    until("a leader", lambda: s.leads("web-1"))
    s.join("web-2")
    s.join("web-3")
    s.note("three nodes, one file, one election; web-1 came first")
    until("the record", lambda: s.recorded() and s.proclaimed("web-1"))
    s.type("web-1", "supervisor status --fleet")
    s.note("failover: the daemon of the leader dies, as hard as it can")
    victim = s.nodes["web-1"].daemon
    s.type("web-1", f"kill -9 {victim.pid}")
    victim.wait(20)
    until("the takeover", lambda: s.leads("web-2"))
    s.type("web-2", "supervisor leader billing")
    s.nodes["web-1"].start()
    until("web-1 in the queue again", s.recorded)
    s.type("web-2", "supervisor history billing")
    s.note("switchover: to a node of our choice, asked for on any node; web-1 is back, behind the others")
    s.type("web-1", "supervisor switchover billing --to web-3")
    until("web-3", lambda: s.leads("web-3") and s.recorded())
    s.note("drain: web-3 needs a new kernel")
    s.type("web-3", "supervisor drain")
    until("another leader, seen from web-3", lambda: s.proclaimed("web-3"))
    s.type("web-3", "supervisor status --fleet", code=1)
    s.type("web-3", "supervisor undrain")
    until("everybody again", s.recorded)
    leader = s.leader()
    s.note("pause: nobody moves while etcd is being upgraded; whoever leads, leads on")
    s.type(leader, "supervisor pause billing")
    s.type(leader, "supervisor resign billing", code=75)
    s.type(leader, "supervisor resume billing")
    s.note("history: who led, why each term began and ended, and for how long nobody did")
    s.type(leader, "supervisor history billing")
    s.type(leader, "supervisor status --why billing")


def record(home: Path) -> tuple[Event, ...]:
    """A fleet in a directory, and the session with it."""
    local = describe(home, os.environ)
    etcd = start_etcd(local.process, home)
    session: Session | None = None
    try:
        (home / "fleet.yaml").write_text(FILE.format(endpoint=local.endpoint))
        session = Session(home, Disguise(home, local.endpoint))
        play(session)
        return session.cast.events
    finally:
        daemons = [node.daemon for node in session.nodes.values()] if session is not None else []
        _end([*daemons, etcd])


def _end(processes: "list[subprocess.Popen[bytes]]") -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def main() -> None:
    """Record, and write when all went well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, nargs="?", default=Path(__file__).parent.parent / "docs" / "session")
    directory: Path = parser.parse_args().directory
    with tempfile.TemporaryDirectory(prefix="sv-session-") as scratch:
        cast = Cast(record(Path(scratch)))
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "session.cast").write_text(cast.asciinema(), encoding="utf-8")
    (directory / "session.txt").write_text(cast.transcript(), encoding="utf-8")
    (directory / "session.svg").write_text(cast.svg(), encoding="utf-8")
    print(f"{cast.seconds:.0f} s, written to {directory}")


if __name__ == "__main__":
    main()
