"""What the guardian needs to start a child: from the order to the word that exec succeeded, one after another.

Run from a checkout: ``python bench/spawn.py [ROUNDS]``. The first line is a child that asks for nothing beyond a command;
the others ask for one thing more each. Printed are the median, the fastest tenth, the CPU time that one spawn costs the
guardian and the child together (on a busy machine the steadiest of them), and what the guardian holds at the end.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from supervisor.core import events
from tests.guardian.harness import Duty, on_duty

SOCKET = {
    "name": "http", "kind": "tcp", "host": "127.0.0.1", "port": 18998, "path": "", "backlog": 100, "mode": 0, "uid": -1,
    "gid": -1, "reuse_port": False,
}  # fmt: skip
CASES: dict[str, dict[str, object] | None] = {
    "nothing": None,
    "nice": {"nice": 5},
    "everything small": {
        "nice": 5,
        "ionice": [2, 5],
        "oom_score_adj": 10,
        "cpu_affinity": [0],
        "no_new_privileges": True,
    },
    "sockets": {"owner": "a", "sockets": [SOCKET]},
    "capabilities": {"capabilities": [10], "keep": True},
    "private_tmp": {"private_tmp": True},
}
OF_ROOT = ("capabilities", "private_tmp")


async def one(duty: Duty, extras: dict[str, object] | None) -> float:
    """Seconds to exec; the child is gone when this returns."""
    began = time.perf_counter()
    run = duty.begin("/bin/true", environment={}, extras=extras)
    await duty.expect(events.Spawned, run)
    took = time.perf_counter() - began
    await duty.expect(events.Emptied, run)
    duty.news.clear()
    return took


def cpu_seconds(pid: int) -> float:
    """Of the guardian and all children that it has waited for."""
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[11:15]
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


def resident_kib(pid: int) -> int:
    """Of the guardian."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1])


async def main() -> None:
    """Each case, measured and printed."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory(prefix="sv") as scratch:
        async with on_duty(Path(scratch)) as duty:
            for name, extras in CASES.items():
                if name in OF_ROOT and os.geteuid() != 0:
                    continue
                await one(duty, extras)
                before = cpu_seconds(duty.pid)
                took = sorted([await one(duty, extras) for _ in range(rounds)])
                cpu = (cpu_seconds(duty.pid) - before) / rounds
                median, fast, held = statistics.median(took), took[rounds // 10], resident_kib(duty.pid)
                print(
                    f"{name:17} {1000 * median:6.2f} ms  fastest tenth {1000 * fast:5.2f}  CPU {1000 * cpu:5.2f}  "
                    f"guardian {held / 1024:.1f} MiB"
                )


if __name__ == "__main__":
    asyncio.run(main())
