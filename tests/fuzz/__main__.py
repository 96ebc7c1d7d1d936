"""``python -m tests.fuzz [TARGET]... --seconds N --jobs N``: every parser for so long, each in a process of its own; ``make fuzz``.

Promises: executions, seconds, coverage and memory of each target are printed; a finding, a hang (20 s for one input), or memory
that goes on growing in the second half of a run (``MOST_GROWTH_MB``) ends it with code 1, and the input is kept. What was
learned (the corpus) stays in ``.fuzz/`` for the next run, and is no part of the repository. Does not: judge: ``targets`` does.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.one import HANG_SECONDS
from tests.fuzz.targets import MOST_BYTES, TARGETS

HERE = Path(__file__).parent
WORK = HERE.parents[1] / ".fuzz"
MOST_GROWTH_MB = 96
"""From the middle of a run to its end. The corpus itself is in memory, and grows by a few."""
MOST_RSS_MB = 1024
SAMPLE_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Of one target."""

    target: str
    executions: int
    seconds: float
    coverage: int
    middle_mb: float
    end_mb: float
    trouble: str

    def line(self) -> str:
        """For people."""
        verdict = self.trouble or "nothing found"
        return (
            f"{self.target:<13} {self.executions:>10} executions {self.seconds:>6.0f} s  coverage {self.coverage:>5}  "
            f"RSS {self.middle_mb:.0f} -> {self.end_mb:.0f} MB  {verdict}"
        )


def fuzz(target: str, seconds: int) -> Outcome:
    """One target for so long."""
    corpus, found, seeds = WORK / "corpus" / target, WORK / "found" / target, HERE / "seeds" / target
    for directory in (corpus, found):
        directory.mkdir(parents=True, exist_ok=True)
    known = set(found.iterdir())
    argv = [sys.executable, "-m", "tests.fuzz.one", target, str(corpus), str(seeds)]
    argv += [
        f"-max_total_time={seconds}",
        f"-timeout={HANG_SECONDS}",
        f"-rss_limit_mb={MOST_RSS_MB}",
        f"-max_len={MOST_BYTES}",
    ]
    argv += [f"-artifact_prefix={found}/", "-print_final_stats=1", "-reload=0"]
    began, samples = time.monotonic(), list[float]()
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=log)
        while child.poll() is None:
            samples.append(rss_mb(child.pid))
            time.sleep(SAMPLE_SECONDS)
        lasted = time.monotonic() - began
        log.seek(0)
        said = log.read().decode(errors="replace")
    samples = [s for s in samples if s] or [0.0]
    middle, end = samples[len(samples) // 2], samples[-1]
    executed = re.findall(r"number_of_executed_units:\s*(\d+)", said)
    trouble = ""
    if child.returncode or set(found.iterdir()) - known:
        new = ", ".join(str(p) for p in sorted(set(found.iterdir()) - known))
        trouble = f"FOUND {new}\n{said[-6000:]}"
    elif end - middle > MOST_GROWTH_MB:
        trouble = f"MEMORY GROWS by {end - middle:.0f} MB in the second half"
    covered = re.findall(r"cov: (\d+)", said)
    return Outcome(
        target=target,
        executions=int(executed[-1]) if executed else 0,
        seconds=lasted,
        coverage=int(covered[-1]) if covered else 0,
        middle_mb=middle,
        end_mb=end,
        trouble=trouble,
    )


def rss_mb(pid: int) -> float:
    """Resident memory of a process; 0 when it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> int:
    """All of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], help="Which; all when none is named.")
    parser.add_argument("--seconds", type=int, default=60, help="For each target.")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="Targets at the same time.")
    chosen = parser.parse_args()
    os.nice(10)
    bad = 0
    with ThreadPoolExecutor(chosen.jobs) as pool:
        for outcome in pool.map(lambda t: fuzz(t, chosen.seconds), chosen.targets or list(TARGETS)):
            print(outcome.line(), flush=True)
            bad += bool(outcome.trouble)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
