"""What many elections on one node weigh while nothing happens, and how soon all of them run."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.elections import config
from bench.harness.figures import cpu_percent, descendants, memory_mib
from bench.harness.result import OURS, Metric, Target
from bench.harness.wait import NotSeenError, until
from bench.rivals.contenders import ROOT
from bench.rows.row import Row, Setting, ours, show
from tests.etcd_server import EtcdServer

SETTLE_SECONDS = 5.0
IDLE_SECONDS = 20.0
GIVE_UP_SECONDS = 60.0
STOP_SECONDS = 20.0
NEEDED_GIB = 8
"""Free, before a thousand wrappers of five MiB of their own each are started."""
WORK = "86398.5"
"""Seconds that nobody else sleeps."""
Start = Callable[[EtcdServer, Path, int], list["subprocess.Popen[bytes]"]]


def _one(argv: list[str], home: Path) -> "list[subprocess.Popen[bytes]]":
    with (home / "log").open("ab") as log:
        environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "ETCDCTL_API": "3"}
        return [subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)]


def supervisors(etcd: EtcdServer, home: Path, count: int) -> "list[subprocess.Popen[bytes]]":
    """One daemon."""
    (home / "file.yaml").write_text(config(etcd.endpoint, count).replace("sleep, infinity", f"sleep, '{WORK}'"))
    return _one([*ours("run", str(home / "file.yaml")), "--socket", f"{home}/s", "--state-dir", f"{home}/state"], home)


def locks(etcd: EtcdServer, home: Path, count: int) -> "list[subprocess.Popen[bytes]]":
    """A wrapper each, all started at once."""
    started = []
    for number in range(count):
        argv = etcd.etcdctl_command("lock", "--ttl", "10", "--", f"weight-{number}", "sleep", WORK)
        started += _one(argv, home)
    return started


def naive(etcd: EtcdServer, home: Path, count: int) -> "list[subprocess.Popen[bytes]]":
    """The pattern for each election, in one process."""
    names = ",".join(f"naive-{number}" for number in range(count))
    argv = [sys.executable, "-m", "bench.rivals.naive", "--endpoints", etcd.endpoint, names, "one", "--", "sleep", WORK]
    return _one(argv, home)


def working(processes: "list[subprocess.Popen[bytes]]") -> list[int]:
    """The leader processes below them."""
    return [pid for one in processes for pid in descendants(one.pid) if is_work(pid)]


def is_work(pid: int) -> bool:
    """Whether it is a leader process."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:2] == [b"sleep", WORK.encode()]
    return False


@contextlib.contextmanager
def started(start: Start, etcd: EtcdServer, home: Path, count: int) -> "Iterator[list[subprocess.Popen[bytes]]]":
    """None is left."""
    home.mkdir(parents=True)
    processes = start(etcd, home, count)
    try:
        yield processes
    finally:
        left = working(processes)
        for process in processes:
            process.terminate()
        with contextlib.suppress(NotSeenError):  # etcdctl waits for its command, and tells it nothing
            until(
                "the end",
                lambda: all(p.poll() is not None for p in processes),
                seconds=STOP_SECONDS if len(processes) == 1 else 0.5,
            )
        for pid in [*left, *(process.pid for process in processes if process.poll() is None)]:
            if is_work(pid) or pid not in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for process in processes:
            process.wait()


SIDES: dict[str, Start] = {OURS: supervisors, "etcdctl lock": locks, "naive": naive}


class Table:
    """Samples of several metrics, by count and side."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, int], dict[str, tuple[float, ...]]] = {}
        self.missing: dict[tuple[str, int], dict[str, str]] = {}

    def put(self, what: str, count: int, side: str, value: float) -> None:
        """One more sample."""
        column = self.found.setdefault((what, count), {})
        column[side] = (*column.get(side, ()), value)

    def without(self, what: str, count: int, side: str, why: str) -> None:
        """A side that has none."""
        self.found.setdefault((what, count), {})
        self.missing.setdefault((what, count), {})[side] = why


def free_gib() -> float:
    """Memory that could be had."""
    text = Path("/proc/meminfo").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("MemAvailable")).split()[1]) / 1024**2


def one(table: Table, etcd: EtcdServer, home: Path, side: str, count: int) -> None:
    """Start, wait until all run, let it settle, weigh."""
    began = time.monotonic()
    with started(SIDES[side], etcd, home, count) as processes:
        try:
            all_run = until(
                f"{count} run", lambda: len(working(processes)) >= count, seconds=GIVE_UP_SECONDS, pause=0.05
            )
            table.put("seconds until all run", count, side, all_run - began)
        except NotSeenError:
            runs = len(working(processes))
            why = f"never: {runs} of {count} ran after {GIVE_UP_SECONDS:.0f} s"
            table.without("seconds until all run", count, side, why)
        time.sleep(SETTLE_SECONDS)
        own = [pid for process in processes for pid in descendants(process.pid) if not is_work(pid)]
        busy = cpu_percent(own, IDLE_SECONDS)
        rss, pss = memory_mib(own)
        lost = count - len(working(processes))
        for what, value in (
            ("MiB RSS", rss),
            ("MiB PSS", pss),
            ("% CPU", busy),
            ("not running after that", float(lost)),
        ):
            table.put(what, count, side, value)
        show(f"weight {count} {side}: RSS {rss:.0f} MiB, PSS {pss:.0f} MiB, CPU {busy:.2f} %, {lost} do not run")


TARGETS = {
    ("MiB RSS", 100): Target(kind="ratio", most=1 / 20, against=("etcdctl lock",)),
    ("MiB PSS", 100): Target(kind="ratio", most=1 / 5, against=("etcdctl lock",)),
    ("% CPU", 100): Target(kind="value", most=1.0),
    ("MiB RSS", 1000): Target(kind="value", most=150.0),
    ("% CPU", 1000): Target(kind="value", most=3.0),
    ("seconds until all run", 1000): Target(kind="value", most=5.0),
    ("not running after that", 1000): Target(kind="value", most=0.0),
}
UNITS = {
    "MiB RSS": "MiB", "MiB PSS": "MiB", "% CPU": "%", "seconds until all run": "s", "not running after that": "processes",
}  # fmt: skip
LIMITS = {
    "MiB RSS": "a Python with asyncio, grpc and protobuf is 29 MiB, the guardian's bare one 9",
    "% CPU": "one renewal and one look each third of the TTL",
    "seconds until all run": "fork and exec, 0.6 ms each from a bare Python, twice that with what contains it",
}


def weight(setting: Setting, count: int, row: str) -> list[Metric]:
    """Each side alone, on an etcd of its own, one after another."""
    table = Table()
    for side in (name for name in SIDES if setting.wants(name)):
        if count >= 1000 and side == "etcdctl lock" and (setting.quick or free_gib() < NEEDED_GIB):
            why = "a thousand wrappers: not in quick mode, nor with less than 8 GiB free"
            table.without("MiB RSS", count, side, why)
            continue
        with setting.etcd() as etcd:
            one(table, etcd, setting.scratch / f"{count}-{side.replace(' ', '-')}", side, count)
    return [
        Metric(
            row=row, name=f"{count} elections led: {what}", unit=UNITS[what],
            samples=samples, missing=table.missing.get((what, count), {}), target=TARGETS.get((what, count)),
            limit=LIMITS.get(what, ""), note="TTL 10 s, `sleep` as the leader process; weighed idle" if what == "MiB RSS" else "",
        )
        for (what, _), samples in table.found.items()
    ]  # fmt: skip


ROWS = (
    Row(name="weight1", title="one election led: memory, CPU", measure=lambda s: weight(s, 1, "weight1")),
    Row(name="weight100", title="100 elections led: memory, CPU", measure=lambda s: weight(s, 100, "weight100")),
    Row(
        name="weight1000", title="1,000 elections led: memory, CPU, until all run",
        measure=lambda s: weight(s, 1000, "weight1000"),
    ),
)  # fmt: skip
