"""What it costs to write down what a child says: throughput, CPU, lateness of the event loop, lost lines. Beside rivals.

Run from a checkout: ``python bench/logs.py [--seconds 30] [--rate 100] [quiet] [ours] [stamped] [json] [lines] [full]
[supervisord] [circus]``.

One child says ``--rate`` MB/s in blocks of 64 kB (``lines``: as fast as it can, one write for each line of 100 bytes) and notes
how long it was held up. Its supervisor writes files of 50 MB; afterwards they are read back and compared byte by byte.
``full`` writes to a tmpfs of 64 MB (root). The loop is asked for its version every 20 ms over the control API: how long an
answer takes is how late a renewal would have been (``quiet``: the same without a flood, for comparison). Rivals come from PyPI into a virtual environment that goes afterwards.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from supervisor.control.client import Client

LINE = b"%098d|\n"
LINES = 640
FILLER = b"".join(b"x" * 98 + b"|\n" for _ in range(LINES - 1))
BLOCK_BYTES = 100 * LINES
FILE_BYTES = 50_000_000
RIVALS = ("supervisord", "circus")

CHILD = f"""
import json, os, sys, time
rate, seconds, per_line, report = float(sys.argv[1]), float(sys.argv[2]), sys.argv[3] == "lines", sys.argv[4]
filler = b"".join(b"x" * 98 + b"|\\n" for _ in range({LINES} - 1))
pieces = [filler[at : at + 100] for at in range(0, len(filler), 100)]
begin, n, longest = time.monotonic(), 0, 0.0
while (now := time.monotonic()) - begin < seconds:
    ahead = n * {BLOCK_BYTES} / (rate * 1e6) - (now - begin)
    if ahead > 0.001:
        time.sleep(ahead)
    block = [b"%098d|\\n" % n, *pieces] if per_line else [b"%098d|\\n" % n + filler]
    before = time.monotonic()
    for piece in block:
        view = memoryview(piece)
        while view:
            view = view[os.write(1, view):]
    longest = max(longest, time.monotonic() - before)
    n += 1
took = time.monotonic() - begin
with open(report + ".part", "w") as file:
    json.dump({{"blocks": n, "took": took, "longest": longest}}, file)
os.rename(report + ".part", report)
time.sleep(3600)
"""


@dataclass
class Figures:
    """What one run showed."""

    name: str
    said: dict[str, float] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    resident_mib: float = 0.0
    lates: list[float] = field(default_factory=list)
    found: str = ""

    def show(self) -> None:
        """One line."""
        said, lates = self.said, sorted(self.lates)
        rate = said["blocks"] * BLOCK_BYTES / said["took"] / 1e6
        late = f"{1000 * lates[len(lates) // 2]:.1f} / {1000 * lates[-1]:.0f} ms" if lates else "-"
        print(
            f"{self.name:12} {rate:7.1f} MB/s  child held up at most {1000 * said['longest']:6.0f} ms  "
            f"CPU {100 * self.cpu_seconds / said['took']:5.1f} %  RSS {self.resident_mib:5.1f} MiB  "
            f"loop late (median / worst) {late:16}  {self.found}",
            flush=True,
        )


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """Resident memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) / 1024


def compare(directory: Path, blocks: int) -> str:
    """Whether the files together are what was said, to the byte; if not, how many lines there are."""
    files = sorted(directory.glob("log.*"), key=lambda path: -int(path.suffix[1:]))
    files += [directory / "log"]
    largest = max(file.stat().st_size for file in files)
    same = number = lines = 0
    rest = b""
    for file in files:
        rest += file.read_bytes()
        lines += rest.count(b"\n")
        whole = len(rest) // BLOCK_BYTES * BLOCK_BYTES
        for at in range(0, whole, BLOCK_BYTES):
            same += rest[at : at + BLOCK_BYTES] == LINE % number + FILLER
            number += 1
        lines -= rest[whole:].count(b"\n")
        rest = rest[whole:]
    lines += rest.count(b"\n")
    lost = blocks * LINES - lines
    exact = "to the byte" if same == blocks and not rest else f"{same} of {blocks} blocks as they were"
    return f"lost {lost} of {blocks * LINES} lines, {exact}, {len(files)} files, the largest {largest / 1e6:.1f} MB"


class Late(threading.Thread):
    """Asks the daemon something small again and again."""

    def __init__(self, socket: Path, lates: list[float]) -> None:
        super().__init__(daemon=True)
        self._socket = socket
        self._lates = lates
        self.over = threading.Event()

    def run(self) -> None:
        """Until it is over."""
        with Client(self._socket) as client:
            while not self.over.wait(0.02):
                began = time.monotonic()
                client.version()
                self._lates.append(time.monotonic() - began)


def wait_for(found: Callable[[], object], what: str, seconds: float) -> None:
    """Until something is there."""
    deadline = time.monotonic() + seconds
    while not found():
        if time.monotonic() > deadline:
            raise SystemExit(f"not seen within {seconds} s: {what}")
        time.sleep(0.05)


def measure(
    figures: Figures, supervisor: "subprocess.Popen[bytes]", report: Path, seconds: float, late: Late | None
) -> None:
    """While the child speaks."""
    before = cpu_seconds(supervisor.pid)
    if late is not None:
        late.start()
    wait_for(report.exists, "the child's report", seconds + 120)
    figures.said = json.loads(report.read_text())
    if late is not None:
        late.over.set()
        late.join()
    figures.resident_mib = resident_mib(supervisor.pid)
    time.sleep(0.5)  # what is in the pipe and the queue
    figures.cpu_seconds = cpu_seconds(supervisor.pid) - before


@contextlib.contextmanager
def running(argv: list[str], directory: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A supervisor, ended afterwards."""
    with (directory / "out").open("wb") as out, subprocess.Popen(argv, stdout=out, stderr=out) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def words(arguments: argparse.Namespace, directory: Path, mode: str) -> list[str]:
    """The child's command line."""
    rate = {"lines": 1e6, "quiet": 0.1}.get(mode, arguments.rate)
    script = directory / "child.py"
    script.write_text(CHILD)
    return [sys.executable, "-S", "-E", str(script), str(rate), str(arguments.seconds), mode, str(directory / "report")]


def ours(arguments: argparse.Namespace, directory: Path, name: str) -> Figures:
    """This checkout."""
    logs = directory / "logs"
    logs.mkdir()
    if name == "full":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(logs)], check=True)
    log: dict[str, object] = {"file": str(logs / "log"), "max_size": "50MB", "keep": 1000}
    if name == "stamped":
        log |= {"timestamps": "on"}
    if name == "json":
        log |= {"format": "json"}
    file = directory / "file.yaml"
    file.write_text(json.dumps({"processes": {"child": {"command": words(arguments, directory, name), "log": log}}}))
    argv = [sys.executable, "-m", "supervisor", "run", str(file), "--socket", str(directory / "s")]
    figures = Figures(name)
    try:
        with running([*argv, "--state-dir", str(directory / "state")], directory) as daemon:
            wait_for((directory / "s").exists, "the control socket", 20)
            measure(figures, daemon, directory / "report", arguments.seconds, Late(directory / "s", figures.lates))
            if name == "full":
                with Client(directory / "s") as client:
                    p = client.status().processes[0]
                figures.found = (
                    f"status: {p.log_lines_lost} of {int(figures.said['blocks']) * LINES} lines lost, {p.log_trouble}"
                )
    finally:
        if name == "full":
            kept = sum(path.read_bytes().count(b"\n") for path in logs.iterdir())
            subprocess.run(["umount", str(logs)], check=True)
            figures.found += f"; {kept} lines are in the files"
    if name in ("quiet", "ours", "lines"):
        figures.found = compare(logs, int(figures.said["blocks"]))
    return figures


def rival(arguments: argparse.Namespace, directory: Path, name: str, bin_directory: Path) -> Figures:
    """Supervisord or circus, with the same child and the same size of files."""
    logs = directory / "logs"
    logs.mkdir()
    command = " ".join(words(arguments, directory, "ours"))
    file = directory / "rival.ini"
    if name == "supervisord":
        file.write_text(
            f"[supervisord]\nnodaemon=true\nlogfile={directory}/own.log\npidfile={directory}/pid\nuser=root\n"
            f"[program:child]\ncommand={command}\nstdout_logfile={logs}/log\n"
            f"stdout_logfile_maxbytes={FILE_BYTES}\nstdout_logfile_backups=1000\n"
        )
        argv = [str(bin_directory / "supervisord"), "-c", str(file)]
    else:
        file.write_text(
            f"[circus]\nendpoint=ipc://{directory}/e\npubsub_endpoint=ipc://{directory}/p\n"
            f"[watcher:child]\ncmd={command}\nstdout_stream.class=FileStream\nstdout_stream.filename={logs}/log\n"
            f"stdout_stream.max_bytes={FILE_BYTES}\nstdout_stream.backup_count=1000\n"
        )
        argv = [str(bin_directory / "circusd"), str(file)]
    figures = Figures(name)
    with running(argv, directory) as daemon:
        measure(figures, daemon, directory / "report", arguments.seconds, None)
    figures.found = compare(logs, int(figures.said["blocks"]))
    return figures


def main() -> None:
    """Each in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", default=["quiet", "ours", "stamped", "lines", *RIVALS])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=100.0, help="MB/s")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sv") as scratch:
        environment = Path(scratch) / "venv"
        if any(name in RIVALS for name in arguments.what):
            subprocess.run([sys.executable, "-m", "venv", environment], check=True)
            subprocess.run(
                [environment / "bin/pip", "install", "-q", "supervisor", "circus", "setuptools<81"], check=True
            )
        for name in arguments.what:
            directory = Path(scratch) / name
            directory.mkdir()
            if name in RIVALS:
                rival(arguments, directory, name, environment / "bin").show()
            else:
                ours(arguments, directory, name).show()
            subprocess.run(["rm", "-r", directory / "logs"], check=True)


if __name__ == "__main__":
    main()
