"""Many elections on one node, and what happens when it dies while a second node waits in all of them.

Run from a checkout: ``python bench/elections.py [ELECTIONS] [ETCD_BINARY]``. Prints how long until all lead, memory and idle CPU of
daemon and guardian, and, after the first daemon's SIGKILL, when the second had *decided* its wins and when all its processes ran,
both counted from the end of the first one's lease as etcd's watch tells it.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.footprint import children, cpu_seconds, resident_mib
from tests.etcd_server import EtcdServer, installed

PATIENCE_SECONDS = 120.0


def config(etcd: str, elections: int) -> str:
    """That many elections, with a trivial process each."""
    lines = [f"etcd: {{endpoints: ['{etcd}']}}", "elections:"]
    lines += [
        f"  e{n}: {{ttl: 10s, leader: {{processes: {{p: {{command: [sleep, infinity]}}}}}}}}" for n in range(elections)
    ]
    return "\n".join(lines) + "\n"


class Node:
    """One daemon; its log is what is measured."""

    def __init__(self, home: Path, file: Path) -> None:
        self.log = home / "log"
        home.mkdir()
        argv = [sys.executable, "-m", "supervisor", "run", str(file), "--node", home.name]
        argv += ["--socket", str(home / "s"), "--state-dir", str(home / "state")]
        self.began = time.monotonic()
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT)

    def count(self, text: bytes) -> int:
        """How often the log says this."""
        return self.log.read_bytes().count(text)

    def until(self, text: bytes, times: int) -> float:
        """Wait until the log says it so often; returns the monotonic time."""
        return until(lambda: self.count(text) >= times, f"{self.log.parent.name}: {text.decode()} {times} times")


def until(condition: Callable[[], bool], what: str) -> float:
    """Wait for it."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"not seen: {what}")
        time.sleep(0.01)
    return time.monotonic()


def stamps(log: Path, text: str) -> list[float]:
    """Wall-clock seconds of the day at which the log said this."""
    found = []
    for line in log.read_text(errors="replace").splitlines():
        if text in line:
            hours, minutes, seconds = line.split("T")[1].split("Z")[0].split(":")
            found.append(int(hours) * 3600 + int(minutes) * 60 + float(seconds))
    return found


def main() -> None:
    """Measure and print."""
    elections = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    binaries = installed()
    if len(sys.argv) > 2:
        binaries = [b for b in binaries if b.etcd == sys.argv[2]]
    with (
        tempfile.TemporaryDirectory(prefix="sv") as scratch,
        EtcdServer(Path(scratch) / "etcd", binaries=binaries[0]) as etcd,
    ):
        file = Path(scratch) / "file.yaml"
        file.write_text(config(etcd.endpoint, elections))
        one = Node(Path(scratch) / "one", file)
        led = one.until(b"became leader", elections) - one.began
        running = one.until(b"/p: started", elections) - one.began
        print(
            f"{elections} elections, etcd {binaries[0].version}: all lead after {led:.2f} s, all run after {running:.2f} s"
        )
        guardian = next(pid for pid in children(one.process.pid))
        time.sleep(5)
        before = cpu_seconds(one.process.pid), cpu_seconds(guardian)
        time.sleep(10)
        after = cpu_seconds(one.process.pid), cpu_seconds(guardian)
        rss = resident_mib(one.process.pid), resident_mib(guardian)
        busy = [100 * (b - a) / 10 for a, b in zip(before, after, strict=True)]
        print(
            f"daemon {rss[0]:.1f} MiB {busy[0]:.2f} %, guardian {rss[1]:.1f} MiB {busy[1]:.2f} %, together {sum(rss):.1f} MiB"
        )
        two = Node(Path(scratch) / "two", file)
        two.until(b": following", elections)
        time.sleep(3)
        watch = etcd.spawn_etcdctl("watch", "-w", "json", "--prefix", "/supervisor/e0/")
        time.sleep(0.5)
        killed = time.time()
        one.process.send_signal(signal.SIGKILL)
        one.process.wait()
        assert watch.stdout is not None
        while b'"type":1' not in (line := watch.stdout.readline().encode()):
            json.loads(line)
        ended = time.time()
        watch.terminate()
        watch.communicate()
        two.until(b"became leader", elections)
        two.until(b"/p: started", elections)
        day = ended % 86400
        decided, started = stamps(two.log, "became leader"), stamps(two.log, "/p: started")
        print(f"SIGKILL to the end of the lease: {1000 * (ended - killed):.0f} ms; from then on")
        for name, at in (("decided", decided), ("started", started)):
            print(f"  {name}: first {1000 * (min(at) - day):.0f} ms, last {1000 * (max(at) - day):.0f} ms")
        two.process.terminate()
        two.process.wait()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).parent.parent))
    main()
