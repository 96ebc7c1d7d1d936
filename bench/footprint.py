"""What one idle daemon costs: resident memory and CPU of daemon and guardian, one election, a local etcd.

Run from a checkout: ``python bench/footprint.py [SECONDS]``. The local etcd is not ours and is printed apart.
"""

import compileall
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT_MB, LIMIT_CPU = 60.0, 1.0
"""Daemon and guardian together, megabytes of 10^6 bytes and per cent of one CPU."""
MB_PER_MIB = 1.048576

FILE = """\
elections:
  job: {leader: {processes: {work: {command: [sleep, infinity]}}}}
"""


def children(pid: int) -> list[int]:
    """Direct children of a process."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def resident_mib(pid: int) -> float:
    """Rss of /proc/PID/smaps_rollup, in MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Rss:")).split()[1]) / 1024


def cpu_seconds(pid: int) -> float:
    """User and system time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bare_mib() -> float:
    """The same Python with nothing to do, for comparison."""
    with subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=-1, stdout=-1) as idle:
        assert idle.stdout is not None
        assert idle.stdin is not None
        idle.stdout.readline()
        found = resident_mib(idle.pid)
        idle.stdin.write(b"\n")
    return found


def measure(daemon: int, seconds: float) -> None:
    """Let it settle, measure, print."""
    time.sleep(5)
    pids = {"daemon": daemon, "guardian": children(daemon)[0]}
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    time.sleep(seconds)
    used = {name: 100 * (cpu_seconds(pid) - before[name]) / seconds for name, pid in pids.items()}
    held = {name: resident_mib(pid) for name, pid in pids.items()}
    for name in pids:
        print(f"{name:10} {held[name]:6.1f} MiB  {used[name]:5.2f} % CPU")
    total, cpu = sum(held.values()), sum(used.values())
    met = "met" if total * MB_PER_MIB < LIMIT_MB and cpu < LIMIT_CPU else "NOT MET"
    print(f"{'together':10} {total:6.1f} MiB  {cpu:5.2f} % CPU")
    print(f"{'limit':10} {total * MB_PER_MIB:.1f} of {LIMIT_MB:g} MB, {cpu:.2f} of {LIMIT_CPU:g} % CPU: {met}")
    print(f"{'bare':10} {bare_mib():6.1f} MiB  for a Python that does nothing")


def main() -> None:
    """Start one, measure it, end it."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    # As pip does when it installs: a checkout that keeps no bytecode compiles at every start, and keeps what that takes.
    compileall.compile_dir(Path(__file__).parent.parent / "supervisor", quiet=1)
    with tempfile.TemporaryDirectory(prefix="sv") as scratch:
        file = Path(scratch) / "file.yaml"
        file.write_text(FILE)
        options = ["--socket", f"{scratch}/s", "--state-dir", f"{scratch}/state"]
        argv = [sys.executable, "-m", "supervisor", "run", str(file), *options]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as daemon:
            try:
                measure(daemon.pid, seconds)
            finally:
                daemon.terminate()


if __name__ == "__main__":
    main()
