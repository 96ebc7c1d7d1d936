"""What people ask of a daemon with many elections: to adopt a file with one change, and to say how it is."""

import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import elections
from bench.harness.result import BARE, OURS, Metric
from bench.harness.wait import until
from bench.rows.row import Row, Setting, end, ours, show
from supervisor.control.client import Client
from tests.etcd_server import EtcdServer

STATUS_AT = (1, 100, 1000)


@contextmanager
def daemon(etcd: EtcdServer, home: Path, count: int) -> Iterator[Path]:
    """Leads all; yields its directory."""
    home.mkdir()
    (home / "file.yaml").write_text(elections.config(etcd.endpoint, count))
    argv = [*ours("run", f"{home}/file.yaml"), "--socket", f"{home}/s", "--state-dir", f"{home}/state"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        until(f"{count} led", lambda: (home / "log").read_bytes().count(b"/p: started") >= count, pause=0.05)
        time.sleep(2.0)
        yield home
    finally:
        end(process, 60)


def timed(argv: list[str]) -> float:
    """Milliseconds; it must succeed."""
    began = time.monotonic()
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
    return 1000 * (time.monotonic() - began)


def reload(setting: Setting) -> list[Metric]:
    """A file of 1,000 elections, one of them changed: the whole command, and what the daemon needs for it."""
    rounds = setting.rounds(3, 9)
    found: dict[str, list[float]] = defaultdict(list)
    with setting.etcd() as etcd, daemon(etcd, setting.scratch / "thousand", 1000) as home, Client(home / "s") as client:
        text = (home / "file.yaml").read_text()
        for number in range(rounds):
            edit = "[sleep, infinity]}}}}\n"
            changed = text.replace(f"  e{number}: {{ttl: 10s, leader: {{processes: {{p: {{command: {edit}",
                                   f"  e{number}: {{ttl: 10s, leader: {{processes: {{p: {{command: [sleep, '1e9']}}}}}}}}\n")  # fmt: skip
            assert changed != text
            (home / "file.yaml").write_text(text := changed)
            found["supervisor reload"].append(timed([*ours("reload", "--socket", f"{home}/s")]))
            found["supervisor check"].append(timed([*ours("check", f"{home}/file.yaml")]))
            began = time.monotonic()
            client.reload(30.0)
            found["unchanged"].append(1000 * (time.monotonic() - began))
            show(f"reload {number + 1}/{rounds} {found['supervisor reload'][-1]:.0f} ms")
    started = [timed([sys.executable, "-m", "supervisor", "--version"]) for _ in range(rounds)]
    return [
        Metric(
            row="reload", name="1,000 elections, one process changed: `supervisor reload`, until adopted", unit="ms",
            samples={
                OURS: tuple(found["supervisor reload"]), f"{BARE}: the same file unchanged, over a held connection": tuple(found["unchanged"]),
                f"{BARE}: `supervisor check` of the file": tuple(found["supervisor check"]),
                f"{BARE}: start of the command": tuple(started),
            },
            limit="reading a YAML file of 1,000 elections, in Python", note="no rival has one file for its elections; `commands` has"
            " reload beside the local supervisors",
        )
    ]  # fmt: skip


def status(setting: Setting) -> list[Metric]:
    """The whole command, and the answer alone; beside it what etcd's own command takes to say who leads one election."""
    rounds = setting.rounds(3, 15)
    metrics = []
    for count in STATUS_AT:
        found: dict[str, list[float]] = defaultdict(list)
        home = setting.scratch / f"status-{count}"
        with setting.etcd() as etcd, daemon(etcd, home, count), Client(home / "s") as client:
            for _ in range(rounds):
                found[OURS].append(timed([*ours("status", "--socket", f"{home}/s")]))
                began = time.monotonic()
                client.status()
                found[f"{BARE}: the answer over a held connection"].append(1000 * (time.monotonic() - began))
                if count == 1:
                    found["etcdctl get"].append(timed(etcd.etcdctl_command("get", "--prefix", "/supervisor/")))
        show(f"status {count}: {statistics.median(found[OURS]):.0f} ms")
        metrics.append(
            Metric(
                row="status", name=f"`supervisor status` with {count} elections", unit="ms",
                samples={side: tuple(v) for side, v in found.items()}, limit="one start of Python with grpc",
            )
        )  # fmt: skip
    return metrics


ROWS = (
    Row(name="reload", title="a file of 1,000 elections with one change", measure=reload),
    Row(name="status", title="how long `status` takes", measure=status),
)
