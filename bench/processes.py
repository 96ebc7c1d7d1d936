"""Many local processes: how long until all run, how long until all are gone, and what the supervisor holds for them.

    python bench/processes.py [PROCESSES] [RUNS]       beside supervisord and circus (from PyPI, in an environment of their own)
    python bench/processes.py --crashes [CRASHES]      a process that ends at once, started again and again: descriptors,
                                                       zombies and memory of daemon and guardian, at ten points

Each process is ``sleep``. *start* runs from the launch of the supervisor until every process runs; *stop* from SIGTERM to the supervisor
until it has ended and none is left. Memory is the resident set of the supervisor's own processes. In turns; medians. No election, no etcd.
"""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.footprint import children, resident_mib

MARK = "86399.25"
"""Seconds that nobody else sleeps."""
PATIENCE_SECONDS = 60.0
RIVALS = ("supervisor==4.*", "circus")
Setup = Callable[[Path, int], list[str]]


def sleeping() -> set[int]:
    """The processes that were asked for."""
    found = set()
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            try:
                words = (directory / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[:2] == [b"sleep", MARK.encode()]:
                found.add(int(directory.name))
    return found


def until(met: Callable[[], bool], what: str) -> float:
    """Wait for it; returns the monotonic time."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not met():
        if time.monotonic() > end:
            raise SystemExit(f"processes: not seen within {PATIENCE_SECONDS:.0f} s: {what}")
        time.sleep(0.002)
    return time.monotonic()


def ours(home: Path, count: int) -> list[str]:
    """This checkout."""
    lines = [f"  p{n}: {{command: [sleep, '{MARK}'], stop: {{timeout: 10s}}}}" for n in range(count)]
    (home / "file.yaml").write_text("\n".join(["processes:", *lines]) + "\n")
    argv = [sys.executable, "-m", "supervisor", "run", str(home / "file.yaml")]
    return [*argv, "--socket", str(home / "s"), "--state-dir", str(home / "state")]


def supervisord(home: Path, count: int) -> list[str]:
    """PyPI's Supervisor. ``startsecs=0`` takes a process for running as soon as it was started, as ours does."""
    head = f"[supervisord]\nnodaemon=true\nlogfile={home}/log\npidfile={home}/pid\nchildlogdir={home}\nuser=root\nminfds=4096\n"
    program = "[program:p{n}]\ncommand=sleep {mark}\nstartsecs=0\n"
    (home / "conf").write_text(head + "".join(program.format(n=n, mark=MARK) for n in range(count)))
    return [str(home.parent / "rivals" / "bin" / "supervisord"), "-c", str(home / "conf")]


def circus(home: Path, count: int) -> list[str]:
    """A watcher for each process, as its users write it."""
    head = f"[circus]\nendpoint=ipc://{home}/e\npubsub_endpoint=ipc://{home}/p\nstatsd=false\n"
    watcher = "[watcher:p{n}]\ncmd=sleep {mark}\nwarmup_delay=0\n"
    (home / "conf").write_text(head + "".join(watcher.format(n=n, mark=MARK) for n in range(count)))
    return [str(home.parent / "rivals" / "bin" / "circusd"), str(home / "conf")]


def memory_mib(pid: int) -> float:
    """Of the supervisor and what it runs for itself."""
    return resident_mib(pid) + sum(resident_mib(child) for child in children(pid) if child not in sleeping())


def once(setup: Setup, home: Path, count: int) -> tuple[float, float, float]:
    """Seconds to start, seconds to stop, MiB."""
    home.mkdir()
    argv = setup(home, count)
    began = time.monotonic()
    with (home / "out").open("wb") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT, cwd=home)
    try:
        started = until(lambda: len(sleeping()) >= count, f"{argv[0]}: {count} processes") - began
        time.sleep(1.0)  # for what it still has to note
        held = memory_mib(process.pid)
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)
        stopped = until(lambda: not sleeping(), f"{argv[0]}: the end") - asked
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        for pid in sleeping():
            os.kill(pid, signal.SIGKILL)
    return started, stopped, held


def compare(count: int, runs: int) -> None:
    """The table."""
    with tempfile.TemporaryDirectory(prefix="sv") as scratch:
        rivals = Path(scratch) / "rivals"
        venv.create(rivals, with_pip=True)
        wanted = [*RIVALS, "setuptools<80"]  # Supervisor still asks for pkg_resources
        subprocess.run([str(rivals / "bin" / "pip"), "install", "-q", *wanted], check=True)
        sides: dict[str, Setup] = {"ours": ours, "supervisord": supervisord, "circus": circus}
        found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in sides}
        alone: dict[str, list[float]] = {name: [] for name in sides}
        for run in range(runs):
            for name, setup in sides.items():
                alone[name].append(once(setup, Path(scratch) / f"{name}-1-{run}", 1)[2])
                found[name].append(once(setup, Path(scratch) / f"{name}-{run}", count))
    print(f"{count} processes, medians of {runs} runs{'':12} start      stop      RSS   RSS with one   each further")
    for name, results in found.items():
        start, stop, held = (statistics.median(column) for column in zip(*results, strict=True))
        one = statistics.median(alone[name])
        each = 1024 * (held - one) / max(1, count - 1)
        print(f"  {name:40} {start:6.2f} s  {stop:6.2f} s  {held:5.1f} MiB    {one:5.1f} MiB   {each:6.1f} KiB")


def crashes(wanted: int) -> None:
    """Ten processes that end at once, until they have done so often enough."""
    with tempfile.TemporaryDirectory(prefix="sv") as scratch:
        home = Path(scratch)
        restart = "restart: {policy: always, backoff: 1ms..1ms, limit: 1000000 per 1s}"
        lines = [f"  p{n}: {{command: ['true'], log: {{file: {home}/log{n}}}, {restart}}}" for n in range(10)]
        (home / "file.yaml").write_text("\n".join(["processes:", *lines]) + "\n")
        argv = [sys.executable, "-m", "supervisor", "run", str(home / "file.yaml")]
        log = home / "out"
        with log.open("wb") as out:
            options = ["--socket", str(home / "s"), "--state-dir", str(home / "state")]
            process = subprocess.Popen([*argv, *options], stdout=out, stderr=subprocess.STDOUT)
        try:
            report(process, log, wanted)
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def report(process: "subprocess.Popen[bytes]", log: Path, wanted: int) -> None:
    """What daemon and guardian hold after each tenth: what levels is no leak."""
    guardian = 0
    print(f"{'crashes':>8}  {'fds':>9}  {'zombies':>7}  {'RSS of daemon and guardian':>28}")
    began = time.monotonic()
    for mark in sorted({max(1, wanted * tenth // 10) for tenth in range(1, 11)}):
        while (done := log.read_bytes().count(b": started")) < mark:
            if process.poll() is not None:
                raise SystemExit("processes: the supervisor ended")
            time.sleep(0.5)
        guardian = guardian or children(process.pid)[0]
        fds = [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in (process.pid, guardian)]
        zombies = sum("State:\tZ" in _status(pid) for pid in children(guardian))
        held = [resident_mib(pid) for pid in (process.pid, guardian)]
        print(f"{done:8}  {fds[0]:4}+{fds[1]:<4}  {zombies:7}  {held[0]:13.2f}+{held[1]:.2f} MiB", flush=True)
    print(f"{wanted / (time.monotonic() - began):.0f} a second")


def _status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return ""


def main() -> None:
    """As asked."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["--crashes"]:
        crashes(int(arguments[1]) if arguments[1:] else 10_000)
    else:
        compare(int(arguments[0]) if arguments else 200, int(arguments[1]) if arguments[1:] else 5)


if __name__ == "__main__":
    main()
