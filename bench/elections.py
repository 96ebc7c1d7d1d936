"""Many elections on one node, and what happens when it dies while a second node waits in all of them.

Run from a checkout: ``python bench/elections.py [ELECTIONS] [--dies node|daemon|both] [--etcd PATH]``. Prints how long until all
lead, memory and idle CPU of daemon and guardian; and then how long after the end of each term, as a watch of etcd tells it, the
second node had *decided* that it won, and its process ran. ``node``: daemon and guardian are killed at once, and the lease runs
out; ``daemon``: its guardian stops the processes and gives the office up. Beside it, what the same processes take to be
started one after another by a bare Python: both nodes, etcd and this bench share the machine.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import grpc

from bench.footprint import children, cpu_seconds, resident_mib
from supervisor.pb.etcd import rpc_pb2
from tests.etcd_server import Binaries, EtcdServer, installed

PATIENCE_SECONDS = 120.0
SETTLE_SECONDS, IDLE_SECONDS = 5.0, 20.0
COMMAND = ["sleep", "infinity"]
FEW_PROCESSES = 200


def config(etcd: str, elections: int) -> str:
    """That many elections, with a trivial process each."""
    lines = [f"etcd: {{endpoints: ['{etcd}']}}", "elections:"]
    command = f"[{', '.join(COMMAND)}]"
    lines += [f"  e{n}: {{ttl: 10s, leader: {{processes: {{p: {{command: {command}}}}}}}}}" for n in range(elections)]
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

    @property
    def guardian(self) -> int:
        """Its pid."""
        return children(self.process.pid)[0]

    def until(self, text: bytes, times: int) -> float:
        """Wait until the log says it so often; returns the monotonic time."""
        what = f"{self.log.parent.name}: {text.decode()} {times} times"
        return until(lambda: self.log.read_bytes().count(text) >= times, what)

    def busy(self, seconds: float) -> list[float]:
        """Per cent of one CPU that daemon and guardian take."""
        pids = self.process.pid, self.guardian
        before = [cpu_seconds(pid) for pid in pids]
        time.sleep(seconds)
        return [100 * (cpu_seconds(pid) - was) / seconds for pid, was in zip(pids, before, strict=True)]

    def die(self, *, whole: bool) -> None:
        """The daemon, or all of the node but etcd: whatever its guardian would still do is not done then."""
        guardian = self.guardian
        if whole:
            self.process.send_signal(signal.SIGSTOP)  # so that it cannot do the guardian's work
            os.kill(guardian, signal.SIGKILL)
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Have it end in order."""
        self.process.terminate()
        self.process.wait()


def until(condition: Callable[[], bool], what: str) -> float:
    """Wait for it."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"not seen: {what}")
        time.sleep(0.05)
    return time.monotonic()


def stamps(log: Path, text: str) -> dict[str, float]:
    """Election -> when the log last said this of it, in seconds of the epoch."""
    found = {}
    for line in log.read_text(errors="replace").splitlines():
        if text in line:
            at = datetime.fromisoformat(line.split()[0]).timestamp()
            found[line.split()[2].partition(":")[0].partition("/")[0]] = at
    return found


class Ends:
    """When the first deletion of each election's key arrived: noted as bytes, and looked into afterwards."""

    def __init__(self, etcd: str) -> None:
        self._arrived: list[tuple[float, bytes]] = []
        self._channel = grpc.insecure_channel(etcd.removeprefix("http://"))
        watch = self._channel.stream_stream(
            "/etcdserverpb.Watch/Watch",
            request_serializer=rpc_pb2.WatchRequest.SerializeToString,
            response_deserializer=lambda data: (time.time(), data),
        )
        self._asked = threading.Event()
        self._over = threading.Event()
        create = rpc_pb2.WatchCreateRequest(key=b"/supervisor/", range_end=b"/supervisor0")

        def requests() -> Iterator[rpc_pb2.WatchRequest]:
            yield rpc_pb2.WatchRequest(create_request=create)
            self._over.wait()

        self._stream = watch(requests())
        self._arrived.append(next(iter(self._stream)))  # it stands
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        try:
            self._arrived.extend(self._stream)
        except grpc.RpcError:
            return  # cancelled

    def close(self) -> dict[str, float]:
        """Election -> when."""
        self._stream.cancel()  # type: ignore[no-untyped-call] # grpc's
        self._over.set()
        self._channel.close()
        found: dict[str, float] = {}
        for at, data in self._arrived:
            for event in rpc_pb2.WatchResponse.FromString(data).events:
                if event.type == event.DELETE:
                    found.setdefault(event.kv.key.decode().split("/")[2], at)
        return found


def bare_start_seconds(processes: int) -> float:
    """What as many processes take to be forked and executed, one after another, by a Python that does nothing else."""
    few = min(processes, FEW_PROCESSES)
    began = time.monotonic()
    started = [subprocess.Popen(COMMAND, stdin=subprocess.DEVNULL) for _ in range(few)]
    took = time.monotonic() - began
    for process in started:
        process.kill()
        process.wait()
    return took * processes / few


def lateness(late: list[float]) -> str:
    """Median, 99th in a hundred, and last."""
    late.sort()
    picked = late[len(late) // 2], late[len(late) * 99 // 100], late[-1]
    return "median {:.0f} ms, p99 {:.0f} ms, last {:.0f} ms".format(*(1000 * seconds for seconds in picked))


def takeover(one: Node, two: Node, etcd: str, elections: int, *, whole: bool) -> None:
    """Kill the first, watch the second, print."""
    watch = Ends(etcd)
    killed = time.time()
    one.die(whole=whole)
    two.until(b"became leader", elections)
    two.until(b"/p: started", elections)
    ends = watch.close()
    took = sorted(at - killed for at in ends.values())
    print(
        f"  SIGKILL to the end of a term, as a watch tells it: first {took[0]:.3f} s, last {took[-1]:.3f} s; from then on"
    )
    for name, text in (("decided", ": became leader"), ("started", "/p: started")):
        seen = stamps(two.log, text)
        late = [at - ends[election] for election, at in seen.items()]
        all_done = max(seen.values()) - min(ends.values())
        print(f"  {name}: {lateness(late)} from each end; all {1000 * all_done:.0f} ms after the first end")


def idle(role: str, node: Node) -> None:
    """What a node takes while nothing happens."""
    busy, rss = node.busy(IDLE_SECONDS), [resident_mib(pid) for pid in (node.process.pid, node.guardian)]
    print(
        f"  {role}: daemon {rss[0]:.1f} MiB {busy[0]:.2f} % CPU, guardian {rss[1]:.1f} MiB {busy[1]:.2f} %; "
        f"together {sum(rss):.1f} MiB {sum(busy):.2f} %"
    )


def measure(scratch: Path, binaries: Binaries, elections: int, *, whole: bool) -> None:
    """One etcd, two nodes, one death."""
    with EtcdServer(scratch / "etcd", binaries=binaries) as etcd:
        file = scratch / "file.yaml"
        file.write_text(config(etcd.endpoint, elections))
        one = Node(scratch / "one", file)
        led = one.until(b"became leader", elections) - one.began
        ran = one.until(b"/p: started", elections) - one.began
        load = os.getloadavg()[0]
        print(
            f"{elections} elections, etcd {binaries.version}, the {'node' if whole else 'daemon'} dies, load {load:.1f}"
        )
        print(f"  all lead after {led:.2f} s, all run after {ran:.2f} s")
        time.sleep(SETTLE_SECONDS)
        idle("leads in all", one)
        two = Node(scratch / "two", file)
        two.until(b": following", elections)
        time.sleep(SETTLE_SECONDS)
        idle("waits in all", two)
        takeover(one, two, etcd.endpoint, elections, whole=whole)
        two.stop()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("elections", type=int, nargs="?", default=1000)
    parser.add_argument("--dies", choices=("node", "daemon", "both"), default="both")
    parser.add_argument("--etcd", help="the program; otherwise the first that is installed")
    asked = parser.parse_args()
    binaries = [b for b in installed() if asked.etcd in (None, b.etcd)]
    if not binaries:
        raise SystemExit(f"no etcd {asked.etcd or 'is installed'}")
    for whole in (True, False):
        if asked.dies in ("both", "node" if whole else "daemon"):
            with tempfile.TemporaryDirectory(prefix="sv") as scratch:
                measure(Path(scratch), binaries[0], asked.elections, whole=whole)
    took = bare_start_seconds(asked.elections)
    print(f"{asked.elections} times {' '.join(COMMAND)}, started one after another by a bare Python: {took:.2f} s")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).parent.parent))
    main()
