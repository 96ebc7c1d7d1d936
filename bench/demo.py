"""Three nodes on this machine against one local etcd: one leads, its daemon is killed, another takes over.

What ``make demo`` runs. Ends with 0 only if the takeover was seen, and leaves no process behind.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from supervisor.core.spec import ProcessSpec
from supervisor.etcd.local import describe

FILE = """\
etcd: {{endpoints: ["{endpoint}"]}}
elections:
  demo:
    ttl: 5s
    leader:
      processes:
        work:
          command: [sh, -c, 'while true; do echo "$SUPERVISOR_NODE works, token $SUPERVISOR_FENCING_TOKEN"; sleep 0.5; done']
          stop: {{timeout: 2s}}
"""
NODES = ("one", "two", "three")


class Node:
    """A daemon of its own: node name, socket and state directory differ."""

    def __init__(self, home: Path, name: str, file: Path) -> None:
        self.name = name
        self.options = ["--socket", str(home / f"{name}.sock")]
        self.log = home / f"{name}.log"
        argv = [sys.executable, "-m", "supervisor", "run", str(file), "--node", name]
        with self.log.open("wb") as out:
            self.daemon = subprocess.Popen(
                [*argv, *self.options, "--state-dir", str(home / name)], stdout=out, stderr=subprocess.STDOUT
            )

    def says(self) -> str:
        """Everything it has written so far."""
        return self.log.read_text(errors="replace")

    def status(self) -> None:
        """Print what ``supervisor status`` prints."""
        print(f"\n$ supervisor status        # on node {self.name}", flush=True)
        subprocess.run([sys.executable, "-m", "supervisor", "status", *self.options], check=False)


def until(what: str, found: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something to be seen."""
    deadline = time.monotonic() + seconds
    while not found():
        if time.monotonic() > deadline:
            raise SystemExit(f"demo: {what} was not seen within {seconds:.0f} s")
        time.sleep(0.02)


def works(nodes: list[Node]) -> Node | None:
    """The node whose leader process runs."""
    return next((n for n in nodes if n.daemon.poll() is None and f"{n.name} works" in n.says()), None)


def start_etcd(process: ProcessSpec, home: Path) -> "subprocess.Popen[bytes]":
    """One store for all three."""
    environment = {**os.environ, **process.environment}
    with (home / "etcd.log").open("wb") as out:
        return subprocess.Popen(process.command, stdout=out, stderr=out, env=environment)


def show(home: Path) -> None:
    """The demo itself."""
    local = describe(home, os.environ)
    etcd = start_etcd(local.process, home)
    nodes: list[Node] = []
    try:
        file = home / "demo.yaml"
        file.write_text(FILE.format(endpoint=local.endpoint))
        print(f"three nodes, one etcd at {local.endpoint}, this file:\n\n{file.read_text()}")
        nodes += [Node(home, name, file) for name in NODES]
        until("a leader", lambda: works(nodes) is not None)
        first = works(nodes)
        assert first is not None
        rest = [n for n in nodes if n is not first]
        until("two followers", lambda: all("demo: following" in n.says() for n in rest))
        first.status()
        print(f"\n$ kill -9 {first.daemon.pid}          # the whole daemon of the leader, {first.name}", flush=True)
        first.daemon.send_signal(signal.SIGKILL)
        began = time.monotonic()
        until("the takeover", lambda: works(rest) is not None)
        second = works(rest)
        assert second is not None
        gap = time.monotonic() - began
        print(f"\n{second.name} took over after {gap * 1000:.0f} ms; it says:")
        lines = [line for line in second.says().splitlines() if "demo" in line]
        print("\n".join(f"    {line}" for line in lines))
        second.status()
    finally:
        for node in nodes:
            if node.daemon.poll() is None:
                node.daemon.terminate()
        try:
            for node in nodes:
                node.daemon.wait(20)
        finally:
            etcd.terminate()
            etcd.wait(20)
    print("\nall nodes and the etcd are stopped; nothing is left running")


def main() -> None:
    """In a directory that vanishes afterwards."""
    with tempfile.TemporaryDirectory(prefix="sv-demo-") as scratch:
        show(Path(scratch))


if __name__ == "__main__":
    main()
