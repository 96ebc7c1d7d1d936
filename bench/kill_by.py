"""How late kill-by strikes on a busy machine: many terms, each with a process of its own, under busy loops on every core.

Run from a checkout: ``python bench/kill_by.py [TERMS] [BUSY_LOOPS]``. Printed beside it, in the same run: how late an
ordinary Python process wakes from a sleep on the same machine, which is what a supervisor without a guardian has.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from supervisor.core import events
from supervisor.core.actions import Arm
from supervisor.core.names import ElectionName, Instant, LeaseId, RunId, Term, Token
from supervisor.guardian.link import GuardianLink, SpawnRequest, launch

BUSY = "import os\nos.nice(0)\nwhile True: pass"
MARGIN_SECONDS = 0.5


def now() -> float:
    """CLOCK_BOOTTIME."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


async def strike(terms: int, directory: str) -> tuple[list[float], list[float]]:
    """Seconds of lateness, as the guardian says, and until each death was seen here."""
    deaths: dict[RunId, float] = {}
    late: dict[str, float] = {}
    done = asyncio.Event()

    def hear(event: events.Event) -> None:
        if isinstance(event, events.KillByStruck):
            late[str(event.term)] = event.late_seconds
        if isinstance(event, events.Emptied):
            deaths[event.run] = now()
            if len(deaths) == terms:
                done.set()

    link = GuardianLink(launch(state_dir=Path(directory)), on_event=hear, chance=lambda: 0.5)
    task = asyncio.create_task(link.run())
    due: dict[RunId, float] = {}
    begin = now() + 2.0 + terms * 0.01
    for number in range(1, terms + 1):
        term, run = Term(ElectionName("bench"), Token(number)), RunId(number)
        due[run] = begin + number * 0.05
        link.arm(
            Arm(
                term=term, lease=LeaseId(number), lease_deadline=Instant(due[run] + MARGIN_SECONDS),
                margin_seconds=MARGIN_SECONDS, candidate_key="k", record_key="r", stopped_record=b"",
            )
        )  # fmt: skip
        request = SpawnRequest(
            run=run, scope="b", term=term, argv=("sleep", "1000"), environment=dict(os.environ), stop_timeout_seconds=60
        )
        link.spawn(request, 2, 2)
    async with asyncio.timeout(60 + terms * 0.1):
        await done.wait()
    await link.close()
    await task
    return list(late.values()), [deaths[run] - due[run] for run in due]


def sleeper(times: int) -> list[float]:
    """How late an ordinary process wakes."""
    found = []
    for _ in range(times):
        due = now() + 0.05
        time.sleep(0.05)
        found.append(now() - due)
    return found


def row(name: str, seconds: list[float]) -> str:
    """Median, p99 and worst, in milliseconds."""
    ms = sorted(1000 * s for s in seconds)
    p99 = ms[min(len(ms) - 1, round(0.99 * (len(ms) - 1)))]
    return f"{name:48} {statistics.median(ms):8.2f} {p99:8.2f} {ms[-1]:8.2f}"


def main() -> None:
    """Measure and print."""
    terms, loops = (int(word) for word in (sys.argv[1:] + ["200", "8"][len(sys.argv) - 1 :]))
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(loops)]
    try:
        with tempfile.TemporaryDirectory() as directory:
            said, seen = asyncio.run(strike(terms, directory))
        ordinary = sleeper(terms)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    print(f"{terms} terms, {loops} busy loops, {os.cpu_count()} cores; ms: {'median':>22} {'p99':>8} {'worst':>8}")
    print(row("kill-by to SIGKILL, as the guardian says", said))
    print(row("kill-by to the death seen by a busy daemon", seen))
    print(row("an ordinary process's sleep", ordinary))


if __name__ == "__main__":
    main()
