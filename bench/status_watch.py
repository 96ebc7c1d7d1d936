"""What ``status --watch`` costs the daemon: CPU without watchers, and with one and several, for few and for many elections.

Run from a checkout: ``python bench/status_watch.py [SECONDS]``. The limit is 1 % of a CPU for a watcher.
"""

import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.footprint import cpu_seconds

COMMAND = (sys.executable, "-m", "supervisor")
LIMIT_CPU = 1.0


def file(elections: int) -> str:
    """So many elections, each with a process and a probe that keeps changing nothing."""
    process = "{command: [sleep, infinity], health: {exec: 'true', every: 2s}}"
    one = f"{{ttl: 10s, leader: {{processes: {{work: {process}}}}}}}"
    return "elections:\n" + "".join(f"  job-{n}: {one}\n" for n in range(elections))


def used(pid: int, seconds: float) -> float:
    """Per cent of a CPU over that time."""
    before = cpu_seconds(pid)
    time.sleep(seconds)
    return 100 * (cpu_seconds(pid) - before) / seconds


def wait_healthy(socket: str) -> None:
    """Until all is well."""
    deadline = time.monotonic() + 30
    while (
        time.monotonic() < deadline
        and subprocess.run([*COMMAND, "status", "--socket", socket], capture_output=True, check=False).returncode
    ):
        time.sleep(0.2)


def measure(elections: int, seconds: float) -> None:
    """One daemon, with more and more watchers."""
    with tempfile.TemporaryDirectory(prefix="sv") as scratch, ExitStack() as stack:
        path = Path(scratch) / "file.yaml"
        path.write_text(file(elections))
        socket = f"{scratch}/s"
        argv = [*COMMAND, "run", str(path), "--socket", socket, "--state-dir", f"{scratch}/state"]
        daemon = stack.enter_context(subprocess.Popen(argv, stdout=subprocess.DEVNULL))
        stack.callback(daemon.terminate)
        wait_healthy(socket)
        time.sleep(3)
        idle = used(daemon.pid, seconds)
        print(f"{elections:4} elections  no watcher   {idle:5.2f} % CPU")
        watchers = 0
        for goal in (1, 4):
            while watchers < goal:
                watch = [*COMMAND, "status", "--watch", "--json", "--socket", socket]
                watcher = stack.enter_context(subprocess.Popen(watch, stdout=subprocess.DEVNULL))
                stack.callback(watcher.terminate)
                watchers += 1
            time.sleep(3)
            with_them = used(daemon.pid, seconds)
            each = (with_them - idle) / watchers
            met = "met" if each < LIMIT_CPU else "NOT MET"
            more = f"{each:+.2f} % each, limit {LIMIT_CPU:g}: {met}"
            print(f"{elections:4} elections  {watchers} watching   {with_them:5.2f} % CPU, {more}")


if __name__ == "__main__":
    for count in (1, 100):
        measure(count, float(sys.argv[1]) if len(sys.argv) > 1 else 10.0)
