"""How soon after ``kill -9`` of the leader's daemon does the next node's leader process run? TTL 10 s; root.

    python -m bench.failover [RUNS]

Three etcd members and three nodes, each in a network namespace of its own (tests/drills). The leader process is a
Python script that stops at once on SIGTERM; its start, about 15 ms, is part of every figure. The time runs from just
before the kill to the first line that the next term's process writes, both by CLOCK_BOOTTIME. Ends with 1 when a
process of the old term outlived it, or two terms overlapped.
"""

import os
import signal
import statistics
import sys
from pathlib import Path

from tests.drills.fleet import Fleet, boottime
from tests.drills.net import missing

TTL_SECONDS = 10
RUNS = 20
MILLISECOND = 1_000_000
TARGET_MS = 150


def once(fleet: Fleet) -> tuple[float, float, list[int]]:
    """Milliseconds from the kill to the old term's last beat and to the new one's first; pids that are left."""
    fleet.settle()
    token, node, old = fleet.token("job"), fleet.leader("job"), fleet.workers("job")
    killed_at = boottime()
    os.kill(node.pid, signal.SIGKILL)
    fleet.wait(lambda: fleet.token("job") > token, "the next leader", 2.0 * TTL_SECONDS)
    orphans = [pid for pid in old if Path(f"/proc/{pid}").exists()]
    before, after = fleet.record.terms("job")[-2:]
    return (before.last - killed_at) / MILLISECOND, (after.first - killed_at) / MILLISECOND, orphans


def main() -> int:
    """Print a row per run, and the median."""
    if why := missing():
        print(f"failover: {why}", file=sys.stderr)
        return 2
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    taken: list[float] = []
    orphans = 0
    with Fleet(ttl_seconds=TTL_SECONDS, elections=["job"]) as fleet:
        print(f"daemon SIGKILLed, etcd {fleet.binaries.version} x 3, 3 nodes, TTL {TTL_SECONDS} s, {runs} runs")
        for number in range(1, runs + 1):
            last, first, left = once(fleet)
            taken.append(first)
            orphans += len(left)
            print(f"{number:4}  old term's last beat {last:6.1f} ms  next term's first {first:7.1f} ms", flush=True)
        overlaps = fleet.record.overlaps()
    taken.sort()
    median = statistics.median(taken)
    print(f"kill to the next leader process: median {median:.1f} ms (target {TARGET_MS} ms), ", end="")
    print(f"best {taken[0]:.1f}, p90 {taken[int(0.9 * (len(taken) - 1))]:.1f}, worst {taken[-1]:.1f}")
    print(f"orphans {orphans}, overlaps {len(overlaps)}")
    return 1 if orphans or overlaps else 0


if __name__ == "__main__":
    sys.exit(main())
