"""Two nodes that share a program: one leads it, the other stands by; and what is done to it.

Promises: every wait is for something seen (the program answers, the log says so), with a deadline. Does not: know the programs.
"""

import os
import re
import signal
from abc import ABC, abstractmethod
from pathlib import Path

from tests.system.nodes import Make, Node, until

ELECTION = "app"
PATIENCE_SECONDS = 40.0


class Program(ABC):
    """A program on node ``one`` or ``two``: how it is started, and what shows that it serves."""

    def __init__(self, home: Path, endpoint: str, namespace: str) -> None:
        self.home, self.endpoint, self.namespace = home, endpoint, namespace
        home.chmod(0o755)  # a program that drops its privileges must reach its files

    @abstractmethod
    def election(self, node: str) -> str:
        """The YAML below ``elections: {app:``, indented by four. The leader's process is ``main``."""

    @abstractmethod
    def serves(self, node: str) -> bool:
        """Whether it does its work as the leader on this node."""

    def text(self, node: str) -> str:
        """The whole file."""
        head = f'etcd: {{endpoints: ["{self.endpoint}"], namespace: {self.namespace}}}\n'
        return f"{head}elections:\n  {ELECTION}:\n    ttl: 5s\n{self.election(node)}"

    def broken(self, node: str) -> Path:
        """While this file is there, the program cannot start on the node."""
        return self.home / f"{node}.broken"

    def guarded(self, node: str, command: str) -> str:
        """A command that fails while the node is broken, for a YAML list in single quotes."""
        return f"[sh, -c, '[ ! -e {self.broken(node)} ] && exec {command}']"


class Fleet:
    """Both nodes, and the story of a program on them."""

    def __init__(self, make: Make, program: Program) -> None:
        self.program = program
        self.one = make("one", program.text("one"))
        self.wait_serving(self.one)
        self.two = make("two", program.text("two"))
        self.wait_says(self.two, f"{ELECTION}: following")

    def wait_serving(self, node: Node) -> None:
        """Until the program does its work there."""
        until(lambda: self.program.serves(node.name), f"the program serving on {node.name}", PATIENCE_SECONDS)
        # Its probe may not have looked since: what is stopped before it was found ready has all of `within` to become so.
        until(lambda: self._found_ready(node), f"{node.name} to have found it ready", PATIENCE_SECONDS)

    def _found_ready(self, node: Node) -> bool:
        return any(p["name"] == f"{ELECTION}/main" and p["ready"] for p in node.status()["processes"])

    def wait_says(self, node: Node, text: str, times: int = 1) -> None:
        """Until the log holds a text so often."""
        until(lambda: node.says().count(text) >= times, f"{node.name}: {text} ({times})", PATIENCE_SECONDS)

    def starts(self, node: Node) -> int:
        """How often the leader's process was started there."""
        return node.says().count(f"{ELECTION}/main: started")

    def token(self, node: Node) -> int:
        """Of the last term that it led."""
        return int(re.findall(rf"{ELECTION}: became leader token=(\d+)", node.says())[-1])

    def signal_main(self, node: Node, number: signal.Signals) -> None:
        """To the main process of the program."""
        os.kill(node.pid_of(f"{ELECTION}/main"), number)

    def crash(self, node: Node) -> None:
        """SIGKILL to it; it is started again in its term."""
        starts, token = self.starts(node), self.token(node)
        self.signal_main(node, signal.SIGKILL)
        until(lambda: self.starts(node) > starts, "the restart", PATIENCE_SECONDS)
        self.wait_serving(node)
        assert self.token(node) == token, "a crash moved the leader"

    def fail_health(self, node: Node) -> None:
        """It hangs: its probe fails, and it is started again in its term."""
        starts, token = self.starts(node), self.token(node)
        self.signal_main(node, signal.SIGSTOP)
        until(lambda: self.starts(node) > starts, "the restart of what hung", PATIENCE_SECONDS)
        self.wait_serving(node)
        assert self.token(node) == token, "a hanging program moved the leader"

    def give_up(self, node: Node, other: Node) -> None:
        """It cannot be started any more: the other node leads, by a higher token."""
        token = self.token(node)
        self.program.broken(node.name).touch()
        self.signal_main(node, signal.SIGKILL)
        self.wait_says(node, f"{ELECTION}/main gave up")
        self.wait_serving(other)
        assert self.token(other) > token
        self.program.broken(node.name).unlink()

    def switch_over(self, node: Node, other: Node) -> None:
        """The leader resigns, and the other one, which waits behind it, takes over."""
        until(lambda: other.election(ELECTION)["phase"] == "following", f"{other.name} in the queue", PATIENCE_SECONDS)
        token = self.token(node)
        resigned = node.run("resign", ELECTION)
        assert resigned.returncode == 0, resigned.stdout + resigned.stderr
        self.wait_serving(other)
        assert self.token(other) > token

    def end(self) -> None:
        """Both nodes end in order, and leave nothing."""
        for node in (self.two, self.one):
            node.daemon.terminate()
        for node in (self.two, self.one):
            assert node.daemon.wait(30) == 0
            assert not self.program.serves(node.name)
