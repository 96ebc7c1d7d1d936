"""How long does nobody work in a switchover to a named node, beside a bare resignation? Three nodes, TTL 10 s, one etcd on loopback.

    python -m bench.moves [RUNS] [LOADED]

In turns: ``switchover --to`` the node that is last in the queue, so that the one before it steps aside, and ``resign``, both asked
for over the socket of the node that leads. LOADED (default 1) processes take what they get of the cores meanwhile; 0 is quiet. The
gap runs from the last line of the old leader process to the first of the new one; both write CLOCK_BOOTTIME every millisecond.

Ends with 1 when two leader processes overlapped, or a switchover landed elsewhere than asked.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.switchover import FILE, PATIENCE_SECONDS, TTL_SECONDS, Beats, overlaps, queue, row, until
from supervisor.control.client import Client
from tests.etcd_server import EtcdServer

RUNS = 100
TARGET_RATIO = 1.5
NAMES = ("one", "two", "three")


class Fleet:
    """Three nodes."""

    def __init__(self, etcd: EtcdServer, home: Path) -> None:
        self._etcd, self._home = etcd, home
        self.beats = Beats(home, "fleet")
        file = home / "file.yaml"
        command = ", ".join(self.beats.command)
        file.write_text(FILE.format(endpoint=etcd.endpoint, ttl=TTL_SECONDS, command=command))
        self._daemons = [self._start(home / name, file) for name in NAMES]
        self.elsewhere = 0

    @staticmethod
    def _start(home: Path, file: Path) -> "subprocess.Popen[bytes]":
        home.mkdir()
        argv = [sys.executable, "-m", "supervisor", "run", str(file), "--node", home.name]
        argv += ["--socket", str(home / "s"), "--state-dir", str(home / "state")]
        with (home / "log").open("wb") as log:
            return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def node_of(self, pid: int) -> str:
        """Whose process it is."""
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        return next(name for name in NAMES if f"SUPERVISOR_NODE={name}".encode() in environment)

    def ready(self) -> None:
        """All three queue, and say that they are well."""
        until("three nodes in the queue", lambda: queue(self._etcd, "/supervisor/job/") == 3)
        until("a leader at work", lambda: self.beats.now() != 0)

    def switchover(self) -> float:
        """To the last of the queue."""
        self.ready()
        keys = self._etcd.etcdctl("get", "--prefix", "--sort-by=CREATE", "--print-value-only", "/supervisor/job/")
        last = keys.splitlines()[-1]
        to = next(name for name in NAMES if f'"node":"{name}"' in last)

        def ask(pid: int) -> None:
            with Client(self._home / self.node_of(pid) / "s") as connected:
                told = list(connected.switchover("job", to=to, wait_seconds=PATIENCE_SECONDS))
            if told[-1].outcome != "done":
                raise SystemExit(f"moves: {told[-1].text}")

        gap = self.beats.handover(ask)
        self.elsewhere += self.node_of(self.beats.now()) != to
        return gap

    def resign(self) -> float:
        """To whoever is next."""
        self.ready()

        def ask(pid: int) -> None:
            with Client(self._home / self.node_of(pid) / "s") as connected:
                connected.resign("job", PATIENCE_SECONDS)

        return self.beats.handover(ask)

    def close(self) -> None:
        """All end, and their processes with them."""
        for daemon in self._daemons:
            daemon.terminate()
        for daemon in self._daemons:
            daemon.wait(PATIENCE_SECONDS)


def main() -> int:
    """Measure in turns, and print."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    loaded = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    moved: list[float] = []
    resigned: list[float] = []
    with tempfile.TemporaryDirectory(prefix="sv") as scratch, EtcdServer(Path(scratch) / "etcd") as etcd:
        print(
            f"three nodes, etcd {etcd.binaries.version}, TTL {TTL_SECONDS} s, {runs} runs in turns, {loaded} busy processes"
        )
        load = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loaded)]
        fleet = Fleet(etcd, Path(scratch))
        try:
            for _ in range(runs):
                moved.append(fleet.switchover())
                resigned.append(fleet.resign())
                print(f"{len(moved):4}  switchover {moved[-1]:6.1f} ms   resign {resigned[-1]:6.1f} ms", flush=True)
        finally:
            fleet.close()
            for one in load:
                one.kill()
                one.wait()
        doubled = overlaps(fleet.beats)
    ratio = row("switchover to a name", moved) / row("resign", resigned)
    print(
        f"ratio of the medians {ratio:.2f} (target {TARGET_RATIO}), overlaps {doubled}, landed elsewhere {fleet.elsewhere}"
    )
    return 1 if doubled or fleet.elsewhere else 0


if __name__ == "__main__":
    sys.exit(main())
