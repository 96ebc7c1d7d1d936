"""Two or more candidates of one kind for one election, each under its own supervisor: ours, and every rival.

Promises: every kind runs the same probe and is asked the same things: hand over, be killed, be cut off. Whatever it leaves
behind (rivals leave their command running) ends with ``close``. Does not: judge; that is the record's.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.harness.beats import Beats
from bench.harness.figures import descendants
from bench.harness.result import OURS
from bench.harness.wait import until
from supervisor.control.client import Client
from tests.drills.checker import Interval
from tests.etcd_server import Binaries

ELECT = Path(__file__).with_name("elect.sh")
ROOT = Path(__file__).resolve().parent.parent.parent
STOP_SECONDS = 20.0
CONCH_TEMPLATE = "--endpoints {endpoints} --ttl {ttl}s {election} --"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where candidates run: an etcd, and a host for each."""

    endpoints: tuple[str, ...]
    binaries: Binaries
    queue: Callable[[str], int]
    """How many keys there are below a prefix."""
    inside: Sequence[Sequence[str]] = ((), ())
    """Begins the command line of each candidate: its host's network."""
    ttl_seconds: int = 10


@dataclass(slots=True)
class Seat:
    """One candidate."""

    name: str
    inside: Sequence[str]
    home: Path
    process: "subprocess.Popen[bytes] | None" = field(default=None)


class Contender(ABC):
    """All candidates of one kind."""

    name: str
    prefix: str
    """Of its keys in etcd."""
    ttl_is_ours = True
    """Whether it can be told the TTL."""
    stop_seconds = STOP_SECONDS
    """How long it may take to end in order."""

    def __init__(self, place: Place, home: Path) -> None:
        self.place = place
        self.home = home / self.name.replace(" ", "-")
        self.home.mkdir(parents=True)
        self.beats = Beats(self.home / "beats")
        self.seats = [Seat(f"n{n}", inside, self.home / f"n{n}") for n, inside in enumerate(place.inside, start=1)]

    @abstractmethod
    def command(self, seat: Seat) -> list[str]:
        """What runs this candidate."""

    def hand_over(self, old: Interval) -> None:
        """Have the leader give the office up in order: SIGTERM to its supervisor, unless it has a better word."""
        os.kill(self.supervisor(old), signal.SIGTERM)

    # --- life

    def start(self) -> None:
        """Every candidate that does not run."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("ETCD", "SUPERVISOR_"))}
        environment |= {"ETCDCTL_API": "3", "PYTHONPATH": str(ROOT)}
        for seat in self.seats:
            if seat.process is None or seat.process.poll() is not None:
                seat.home.mkdir(exist_ok=True)
                with (seat.home / "log").open("ab") as log:
                    seat.process = subprocess.Popen(
                        [*seat.inside, *self.command(seat)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                        env=environment, start_new_session=True,
                    )  # fmt: skip

    def settle(self) -> Interval:
        """Until one leads and every other waits; returns who leads."""

        def settled() -> bool:
            self.start()
            self._put_orphans_down()
            return len(self.beats.alive()) == 1 and self.place.queue(self.prefix) == len(self.seats)

        until(f"{self.name}: one leads, the others wait", settled, pause=0.02)
        return self.beats.alive()[0]

    def _put_orphans_down(self) -> None:
        """What rivals left running, and nobody supervises any more, would stand in the way of the next round."""
        alive = self.beats.alive()
        if len(alive) > 1:
            kept = {pid for seat in self.seats if seat.process is not None for pid in descendants(seat.process.pid)}
            for one in alive:
                if one.pid not in kept:
                    self._kill(one.pid)

    def supervisor(self, leader: Interval) -> int:
        """The pid of the process that supervises the leader's."""
        seat = next(seat for seat in self.seats if seat.name == leader.node)
        assert seat.process is not None, f"{seat.name} was never started"
        return seat.process.pid

    def kill_supervisor(self, leader: Interval) -> None:
        """SIGKILL to it and to what it runs for itself; the probe is left to whoever cares."""
        for pid in self._own(self.supervisor(leader)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _own(self, supervisor: int) -> list[int]:
        return [pid for pid in descendants(supervisor) if not self._is_probe(pid)]

    def own(self) -> list[int]:
        """Every process of every candidate but the probes."""
        return [pid for seat in self.seats if seat.process is not None for pid in self._own(seat.process.pid)]

    def close(self) -> None:
        """Nothing of it is left."""
        for seat in self.seats:
            if seat.process is not None and seat.process.poll() is None:
                seat.process.send_signal(signal.SIGCONT)
                seat.process.terminate()
        for seat in self.seats:
            if seat.process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    seat.process.wait(self.stop_seconds)
                for pid in descendants(seat.process.pid) if seat.process.poll() is None else ():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                seat.process.wait()
        self.beats.read()
        probes = [one.pid for one in self.beats.record.intervals("job")]
        for pid in probes:
            self._kill(pid)
        until(f"{self.name}: no probe is left", lambda: not any(self._is_probe(pid) for pid in probes))

    def _is_probe(self, pid: int) -> bool:
        try:
            return str(self.beats.file).encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[5:6]
        except OSError:
            return False

    def _kill(self, pid: int) -> None:
        if self._is_probe(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class Supervisor(Contender):
    """This checkout."""

    name = OURS
    prefix = "/supervisor/job/"

    def command(self, seat: Seat) -> list[str]:
        """The daemon of one node. A crash is taken for that of a process that had run long: its restart is at once."""
        words = ", ".join(self.beats.command("nobody"))
        endpoints = ", ".join(f'"{e}"' for e in self.place.endpoints)
        file = self.home / "file.yaml"
        restart = "{limit: 1000 per 1m, reset_after: 100ms}"
        file.write_text(
            f"etcd: {{endpoints: [{endpoints}]}}\nelections:\n  job:\n    ttl: {self.place.ttl_seconds}s\n"
            f"    leader: {{processes: {{work: {{command: [{words}], restart: {restart}}}}}}}\n"
        )
        argv = [sys.executable, "-m", "supervisor", "run", str(file), "--node", seat.name]
        return [*argv, "--socket", str(seat.home / "s"), "--state-dir", str(seat.home / "state")]

    def hand_over(self, old: Interval) -> None:
        """What ``supervisor resign`` asks, over the same socket, without the command's own start and end."""
        with Client(self.home / old.node / "s") as connected:
            connected.resign("job", STOP_SECONDS)

    def kill_supervisor(self, leader: Interval) -> None:
        """The daemon; its guardian is what it is there for."""
        os.kill(self.supervisor(leader), signal.SIGKILL)


class Lock(Contender):
    """``etcdctl lock``."""

    name = "etcdctl lock"
    prefix = "bench-lock/"
    stop_seconds = 0.1  # it waits for its command, and tells it nothing

    def command(self, seat: Seat) -> list[str]:
        """One that waits for the lock and runs the probe under it."""
        argv = [self.place.binaries.etcdctl, "--endpoints", ",".join(self.place.endpoints)]
        return [*argv, "lock", "--ttl", str(self.place.ttl_seconds), "--", "bench-lock", *self.beats.command(seat.name)]

    def hand_over(self, old: Interval) -> None:
        """SIGTERM to its command: etcdctl itself, struck by SIGTERM, dies and leaves the command running."""
        os.kill(old.pid, signal.SIGTERM)


class Elect(Contender):
    """``etcdctl elect`` in a script: its lease is etcdctl's 60 s, which no option changes."""

    name = "etcdctl elect"
    prefix = "bench-elect/"
    ttl_is_ours = False

    def command(self, seat: Seat) -> list[str]:
        """The script beside this file."""
        argv = [str(ELECT), self.place.binaries.etcdctl, ",".join(self.place.endpoints), "bench-elect", seat.name]
        return [*argv, *self.beats.command(seat.name)]


class Naive(Contender):
    """The pattern that people copy."""

    name = "naive"
    prefix = "bench-naive/"

    def command(self, seat: Seat) -> list[str]:
        """See ``naive``."""
        argv = [sys.executable, "-m", "bench.rivals.naive", "--endpoints", ",".join(self.place.endpoints)]
        return [
            *argv,
            "--ttl",
            str(self.place.ttl_seconds),
            "bench-naive",
            seat.name,
            "--",
            *self.beats.command(seat.name),
        ]


class Conch(Contender):
    """conch, by the path of its binary; its options by a template, since they are its own."""

    name = "conch"
    prefix = "bench-conch/"
    binary = ""
    template = CONCH_TEMPLATE

    def command(self, seat: Seat) -> list[str]:
        """Its path, the template filled in, and the probe."""
        filled = self.template.format(
            endpoints=",".join(self.place.endpoints), ttl=self.place.ttl_seconds, election="bench-conch"
        )
        return [self.binary, *filled.split(), *self.beats.command(seat.name)]


KINDS: dict[str, type[Contender]] = {kind.name: kind for kind in (Supervisor, Lock, Elect, Naive)}


def kinds(conch: str = "", template: str = CONCH_TEMPLATE) -> list[type[Contender]]:
    """All, conch where its binary is given."""
    found = list(KINDS.values())
    if conch:
        path = shutil.which(conch)
        if path is None:
            raise SystemExit(f"bench: --conch {conch}: no such program")
        Conch.binary, Conch.template = path, template
        found.append(Conch)
    return found
