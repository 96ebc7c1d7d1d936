"""How long does nobody work when the leader hands over? Ours, beside ``etcdctl lock``; TTL 10 s, one etcd on loopback.

    python -m bench.switchover [RUNS]

The gap runs from the last line of the old leader process to the first of the new; both write CLOCK_BOOTTIME every
millisecond. In turns, so that what else the machine does strikes both alike:

- supervisor: two nodes; the one that leads is asked what ``supervisor resign`` asks, over the same socket, by this process:
  the command's own end would take a core for as long as the gap lasts, and the other side has no such command. The gap
  contains SIGTERM by the guardian, the proof that nothing of the term is left, the deletion of the key, the watch of the
  other node, the transaction that proves its win and puts the term on record, beside it the guardian's arming and the
  fork of the process, its release, and the process's own start.
- ``etcdctl lock NAME COMMAND``: two of them; SIGTERM to the command of the one that holds the lock, since etcdctl itself,
  struck by SIGTERM, dies and leaves its command running. The gap contains the end of the command, the deletion of the
  key, the watch of the other, its read, the fork, and the process's own start.
- the process's own start: the same script, started by nobody in particular. In both of the gaps.

Ends with 1 when two leader processes of ours overlapped.
"""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from supervisor.control.client import Client
from tests.etcd_server import EtcdServer

RUNS = 15
TTL_SECONDS = 10
TARGET_RATIO = 1.3
PATIENCE_SECONDS = 30.0
LIVE_SECONDS = 0.05
"""A beat this old is not of now."""
NANOSECONDS = 1_000_000_000
BEAT = """\
import os, sys, time
out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
while True:
    os.write(out, b"%d %d\\n" % (time.clock_gettime_ns(time.CLOCK_BOOTTIME), os.getpid()))
    time.sleep(0.001)
"""
FILE = """\
etcd: {{endpoints: ["{endpoint}"]}}
elections:
  job:
    ttl: {ttl}s
    leader: {{processes: {{work: {{command: [{command}]}}}}}}
"""


def until(what: str, found: Callable[[], bool]) -> None:
    """Wait for something to be seen."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not found():
        if time.monotonic() > deadline:
            raise SystemExit(f"switchover: not seen within {PATIENCE_SECONDS:.0f} s: {what}")
        time.sleep(0.005)


class Beats:
    """What one side's processes wrote."""

    def __init__(self, home: Path, name: str) -> None:
        self.file = home / f"{name}.beats"
        self.file.touch()
        script = home / "beat.py"
        script.write_text(BEAT)
        self.command = [sys.executable, "-I", "-S", "-E", str(script), str(self.file)]
        self._offset = 0
        self.spans: dict[int, tuple[int, int]] = {}
        """First and last beat by pid, the oldest process first."""

    def read(self) -> None:
        """What was written since; whole lines only."""
        with self.file.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            at, pid = map(int, line.split())
            self.spans[pid] = (self.spans.get(pid, (at, at))[0], at)

    def now(self) -> int:
        """The pid that beats; 0 when none does."""
        self.read()
        if not self.spans:
            return 0
        pid, (_, last) = list(self.spans.items())[-1]
        return pid if time.clock_gettime_ns(time.CLOCK_BOOTTIME) - last < LIVE_SECONDS * NANOSECONDS else 0

    def handover(self, hand_over: Callable[[int], object]) -> float:
        """Milliseconds from the last beat of the one that beats to the first of another."""
        until("somebody that beats", lambda: self.now() != 0)
        old = self.now()
        hand_over(old)
        until("another that beats", lambda: self.now() not in {0, old})
        return (self.spans[self.now()][0] - self.spans[old][1]) / 1e6


class Supervisors:
    """Two nodes."""

    def __init__(self, etcd: EtcdServer, home: Path) -> None:
        self._etcd = etcd
        self.beats = Beats(home, "supervisor")
        file = home / "file.yaml"
        command = ", ".join(self.beats.command)
        file.write_text(FILE.format(endpoint=etcd.endpoint, ttl=TTL_SECONDS, command=command))
        self._homes = [home / "one", home / "two"]
        self._daemons = [self._start(one, file) for one in self._homes]

    @staticmethod
    def _start(home: Path, file: Path) -> "subprocess.Popen[bytes]":
        home.mkdir()
        argv = [sys.executable, "-m", "supervisor", "run", str(file), "--node", home.name]
        argv += ["--socket", str(home / "s"), "--state-dir", str(home / "state")]
        with (home / "log").open("wb") as log:
            return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def once(self) -> float:
        """One gap, in milliseconds."""
        until("two nodes in the queue", lambda: queue(self._etcd, "/supervisor/job/") == 2)
        return self.beats.handover(self._resign)

    def _resign(self, pid: int) -> None:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        node = next(home for home in self._homes if f"SUPERVISOR_NODE={home.name}".encode() in environment)
        with Client(node / "s") as connected:
            connected.resign("job", PATIENCE_SECONDS)

    def close(self) -> None:
        """Both end, and their processes with them."""
        for daemon in self._daemons:
            daemon.terminate()
        for daemon in self._daemons:
            daemon.wait(PATIENCE_SECONDS)


class Locks:
    """Two ``etcdctl lock``; whoever released comes back."""

    def __init__(self, etcd: EtcdServer, home: Path) -> None:
        self._etcd = etcd
        self.beats = Beats(home, "lock")
        self._all = [self._start(), self._start()]

    def _start(self) -> "subprocess.Popen[bytes]":
        argv = self._etcd.etcdctl_command("lock", "--ttl", str(TTL_SECONDS), "--", "bench-lock", *self.beats.command)
        return subprocess.Popen(
            argv, env=self._etcd.etcdctl_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def once(self) -> float:
        """One gap, in milliseconds."""
        until("two in the lock's queue", lambda: queue(self._etcd, "bench-lock/") == 2)
        gap = self.beats.handover(lambda pid: os.kill(pid, signal.SIGTERM))
        until("the end of the one that held it", lambda: any(one.poll() is not None for one in self._all))
        self._all = [one if one.poll() is None else self._start() for one in self._all]
        return gap

    def close(self) -> None:
        """Each in its session, with its command."""
        for one in self._all:
            if one.poll() is None:
                os.killpg(one.pid, signal.SIGKILL)
            one.wait()


def queue(etcd: EtcdServer, prefix: str) -> int:
    """How many wait there, the leader among them."""
    return len(etcdctl_keys(etcd, prefix))


def etcdctl_keys(etcd: EtcdServer, prefix: str) -> Sequence[str]:
    """The keys below a prefix."""
    return etcd.etcdctl("get", "--prefix", "--keys-only", prefix).split()


def own_start(beats: Beats) -> float:
    """Milliseconds from just before the fork to the script's first line."""
    began = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    process = subprocess.Popen(beats.command, stdin=subprocess.DEVNULL)
    try:
        until("a first beat", lambda: beats.now() == process.pid)
        return (beats.spans[process.pid][0] - began) / 1e6
    finally:
        process.kill()
        process.wait()


def row(name: str, taken: list[float]) -> float:
    """Print it; returns the median."""
    taken = sorted(taken)
    median = statistics.median(taken)
    p90 = taken[round(0.9 * (len(taken) - 1))]
    print(f"{name:24} median {median:6.1f} ms   best {taken[0]:6.1f}   p90 {p90:6.1f}   worst {taken[-1]:6.1f}")
    return median


def overlaps(beats: Beats) -> int:
    """Processes that began before the one before them had ended."""
    spans = sorted(beats.spans.values())
    return sum(after[0] <= before[1] for before, after in pairwise(spans))


def main() -> int:
    """Measure in turns, and print."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    ours: list[float] = []
    theirs: list[float] = []
    starts: list[float] = []
    with tempfile.TemporaryDirectory(prefix="sv") as scratch, EtcdServer(Path(scratch) / "etcd") as etcd:
        home = Path(scratch)
        print(
            f"one election handed over, etcd {etcd.binaries.version}, TTL {TTL_SECONDS} s, {runs} runs in turns,"
            f" {sum(1 for _ in Path('/proc').glob('[0-9]*'))} processes on the machine"
        )
        alone, locks, supervisors = Beats(home, "alone"), Locks(etcd, home), Supervisors(etcd, home)
        try:
            for number in range(1, runs + 1):
                ours.append(supervisors.once())
                theirs.append(locks.once())
                starts.append(own_start(alone))
                print(f"{number:4}  supervisor {ours[-1]:6.1f} ms   etcdctl lock {theirs[-1]:6.1f} ms", flush=True)
        finally:
            supervisors.close()
            locks.close()
        doubled = overlaps(supervisors.beats)
    ratio = row("supervisor resign", ours) / row("etcdctl lock", theirs)
    row("the process's own start", starts)
    print(f"ratio of the medians {ratio:.2f} (target {TARGET_RATIO}), overlaps of ours {doubled}")
    return 1 if doubled else 0


if __name__ == "__main__":
    sys.exit(main())
