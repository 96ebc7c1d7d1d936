"""How long ``supervisor run`` takes to its first processes: one of role always, and the first leader.

Run from a checkout: ``python bench/startup.py [ROUNDS]``. A fresh election each time, on a real etcd of its own; the
clock starts before the interpreter does. Median and range are printed.
"""

import compileall
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.etcd_server import EtcdServer

FILE = """\
etcd: {{endpoints: ["{endpoint}"]}}
elections:
  job{number}: {{leader: {{processes: {{work: {{command: [sh, -c, "date +%s.%N > {here}/leader; exec sleep 60"]}}}}}}}}
processes:
  beside: {{command: [sh, -c, "date +%s.%N > {here}/always; exec sleep 60"]}}
"""


def one(endpoint: str, number: int) -> dict[str, float]:
    """Seconds from the start of the command to each process's own first word."""
    with tempfile.TemporaryDirectory(prefix="sv") as scratch:
        here = Path(scratch)
        (here / "file.yaml").write_text(FILE.format(endpoint=endpoint, number=number, here=here))
        options = ["--socket", f"{here}/s", "--state-dir", f"{here}/state"]
        began = time.time()
        argv = [sys.executable, "-m", "supervisor", "run", f"{here}/file.yaml", *options]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as daemon:
            try:
                return watched(here, began)
            finally:
                daemon.terminate()


def watched(here: Path, began: float) -> dict[str, float]:
    """When each process said its first word; they wrote it down themselves."""
    took: dict[str, float] = {}
    while len(took) < 2:
        for role in ("always", "leader"):
            file = here / role
            if file.exists() and (text := file.read_text()).endswith("\n"):
                took[role] = float(text) - began
        if time.time() > began + 30:
            sys.exit("not started within 30 s")
        time.sleep(0.005)
    return took


def main() -> None:
    """Start, measure, print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    compileall.compile_dir(Path(__file__).parent.parent / "supervisor", quiet=1)  # as pip does when it installs
    with tempfile.TemporaryDirectory(prefix="sv") as scratch, EtcdServer(Path(scratch)) as etcd:
        all_rounds = [one(etcd.endpoint, number) for number in range(rounds + 1)][1:]  # the first warms up
    for role in ("always", "leader"):
        took = sorted(1000 * one_round[role] for one_round in all_rounds)
        print(
            f"first {role:7} {statistics.median(took):6.0f} ms  ({took[0]:.0f} to {took[-1]:.0f}, {len(took)} rounds)"
        )


if __name__ == "__main__":
    main()
