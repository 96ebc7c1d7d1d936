"""Many elections on one node, and what happens when it dies while a second node waits in all of them.

Run from a checkout: ``python bench/elections.py [ELECTIONS] [ETCD_BINARY]``. Prints how long until all lead, memory and idle CPU of
daemon and guardian, and, after the first daemon's SIGKILL, how long after the end of each term, as etcd's watch tells it, the
second had *decided* that it won, and its process ran.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
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


def stamps(log: Path, text: str) -> dict[str, float]:
    """Election -> when the log last said this of it, in seconds of the epoch."""
    found = {}
    for line in log.read_text(errors="replace").splitlines():
        if text in line:
            at = datetime.fromisoformat(line.split()[0]).timestamp()
            found[line.split()[2].partition(":")[0].partition("/")[0]] = at
    return found


def ends_of(watch: "subprocess.Popen[str]", elections: int) -> dict[str, float]:
    """Election -> when the watch told that its leader's key went: the first deletion of each."""
    found: dict[str, float] = {}
    assert watch.stdout is not None
    while len(found) < elections:
        line = watch.stdout.readline()
        at = time.time()
        for event in json.loads(line).get("Events", []):
            if event.get("type") == 1:
                name = base64.b64decode(event["kv"]["key"]).decode().split("/")[2]
                found.setdefault(name, at)
    watch.terminate()
    watch.communicate()
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
        watch = etcd.spawn_etcdctl("watch", "-w", "json", "--prefix", "/supervisor/")
        time.sleep(0.5)
        killed = time.time()
        one.process.send_signal(signal.SIGKILL)
        one.process.wait()
        ends = ends_of(watch, elections)
        two.until(b"became leader", elections)
        two.until(b"/p: started", elections)
        took = sorted(at - killed for at in ends.values())
        print(
            f"SIGKILL to the end of a term, as etcd's watch tells it: first {took[0]:.3f} s, last {took[-1]:.3f} s; from each end on"
        )
        for name, text in (("decided", ": became leader"), ("started", "/p: started")):
            late = sorted(at - ends[election] for election, at in stamps(two.log, text).items())
            middle, most = late[len(late) // 2], late[-1]
            print(f"  {name}: median {1000 * middle:.0f} ms, last {1000 * most:.0f} ms")
        two.process.terminate()
        two.process.wait()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).parent.parent))
    main()
