"""Real daemons, as a test drives them: started as a user would, each with its own files, ended whatever happens.

Promises: waits are for conditions, never for time; every daemon that was started has ended when its fixture has.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-m", "supervisor")
WORK = 'while true; do echo "$SUPERVISOR_NODE $SUPERVISOR_FENCING_TOKEN" >> {beats}; sleep 0.05; done'


class Node:
    """A daemon and its files."""

    def __init__(
        self,
        home: Path,
        name: str,
        text: str,
        *,
        named: bool = True,
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        self.name, self.home = name, home / name
        self.home.mkdir(parents=True)
        self.file = self.home / "file.yaml"
        self.file.write_text(text)
        self.socket = self.home / "s"
        self.log = self.home / "log"
        self.options = [*(("--node", name) if named else ()), *options]
        self.environment = environment
        self.prefix = prefix
        self.start()

    def start(self) -> None:
        argv = [*self.prefix, *COMMAND, "run", str(self.file)]
        with self.log.open("ab") as out:
            self.daemon = subprocess.Popen(
                [*argv, "--socket", str(self.socket), "--state-dir", str(self.home / "state"), *self.options],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=self.environment,
            )

    def says(self) -> str:
        return self.log.read_text(errors="replace")

    def run(self, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [*COMMAND, verb, *arguments, "--socket", str(self.socket)]
        return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)

    def begin(self, verb: str, *arguments: str) -> "subprocess.Popen[str]":
        """A verb that goes on beside the test."""
        argv = [*COMMAND, verb, *arguments, "--socket", str(self.socket)]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def status(self) -> dict[str, Any]:
        """``status --json``, as it answers now."""
        found = json.loads(self.run("status", "--json").stdout)
        assert isinstance(found, dict)
        return found

    def election(self, name: str = "job") -> dict[str, Any]:
        """One election of the status."""
        return next(e for e in self.status()["elections"] if e["name"] == name)

    def pid_of(self, process: str) -> int:
        """Of the last child started, as the log says: a moment after the child may have shown itself."""
        started = re.compile(rf"{re.escape(process)}: started pid=(\d+)")
        until(lambda: started.search(self.says()), "a start")
        return int(started.findall(self.says())[-1])

    def end(self) -> None:
        if self.daemon.poll() is None:
            self.daemon.terminate()
            try:
                self.daemon.wait(20)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()


Make = Callable[..., Node]


def until(found: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    """Wait for something to be seen."""
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, f"not seen within {seconds} s: {what}"
        time.sleep(0.02)


def beats(path: Path) -> list[tuple[str, int]]:
    """Every beat of a leader process: node and token."""
    if not path.exists():
        return []
    lines = (line.split() for line in path.read_text().splitlines())
    return [(words[0], int(words[1])) for words in lines if len(words) == 2]


def runs(pid: int) -> bool:
    """Whether a process is more than a zombie that nobody has waited for yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def mentioning(text: str) -> list[int]:
    """Processes whose command line, environment or working directory names something, ourselves left out."""
    found = []
    for directory in Path("/proc").iterdir():
        if not directory.name.isdigit() or int(directory.name) == os.getpid():
            continue
        try:
            said = (directory / "cmdline").read_bytes() + b"\0" + (directory / "environ").read_bytes()
        except OSError:
            continue
        if text.encode() in said and runs(int(directory.name)):
            found.append(int(directory.name))
    return found
