"""What one idle daemon costs: resident memory and CPU of daemon and guardian, one election, a local etcd.

Run from a checkout: ``python bench/footprint.py [SECONDS]``. The local etcd is not ours and is printed apart.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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


def main() -> None:
    """Start one, let it settle, measure."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    with tempfile.TemporaryDirectory(prefix="sv") as scratch:
        file = Path(scratch) / "file.yaml"
        file.write_text(FILE)
        options = ["--socket", f"{scratch}/s", "--state-dir", f"{scratch}/state"]
        argv = [sys.executable, "-m", "supervisor", "run", str(file), *options]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as daemon:
            time.sleep(5)
            guardian = children(daemon.pid)[0]
            before = [cpu_seconds(pid) for pid in (daemon.pid, guardian)]
            time.sleep(seconds)
            after = [cpu_seconds(pid) for pid in (daemon.pid, guardian)]
            total = 0.0
            for name, pid, a, b in zip(("daemon", "guardian"), (daemon.pid, guardian), before, after, strict=True):
                total += resident_mib(pid)
                print(f"{name:10} {resident_mib(pid):6.1f} MiB  {100 * (b - a) / seconds:5.2f} % CPU")
            print(f"{'together':10} {total:6.1f} MiB")
            daemon.terminate()


if __name__ == "__main__":
    main()
