"""What processes hold and take, from /proc."""

import os
import time
from collections.abc import Iterable
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """A process and everything below it that is there now."""
    found, queue = [], [pid]
    while queue:
        one = queue.pop()
        found.append(one)
        try:
            for task in Path(f"/proc/{one}/task").iterdir():
                queue.extend(int(word) for word in (task / "children").read_text().split())
        except OSError:
            continue
    return found


def memory_mib(pids: Iterable[int]) -> tuple[float, float]:
    """RSS and PSS together: the second counts a page that n processes share as one nth for each."""
    rss = pss = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue  # it ended meanwhile
        fields = {line.split()[0]: int(line.split()[1]) for line in text.splitlines()[1:]}
        rss += fields["Rss:"]
        pss += fields["Pss:"]
    return rss / 1024, pss / 1024


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time so far, together."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def cpu_percent(pids: Iterable[int], seconds: float) -> float:
    """Of one CPU, over that time from now on."""
    kept = list(pids)
    before, began = cpu_seconds(kept), time.monotonic()
    time.sleep(seconds)
    return 100 * (cpu_seconds(kept) - before) / (time.monotonic() - began)
