"""A fleet for drills: three etcd members and some supervisor nodes, each on a host of its own, all on this machine.

Promises: every node runs the same file with two elections, ``job`` (a process that stops when told) and ``hard``
(processes that ignore SIGTERM, that leave double-forked daemons behind, and both); all of them write to one record.
Half of the nodes contain their processes by cgroup, half by session and marker. Everything ends with the test run.
Does not: sleep and hope. ``wait`` polls a condition up to a deadline, tending dead daemons and reading beats meanwhile.
"""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.drills import scratch
from tests.drills.checker import NANOSECONDS, Interval, Record
from tests.drills.members import Cluster
from tests.drills.net import Network
from tests.drills.nodes import Node
from tests.etcd_server import Binaries, installed

NAMESPACE = "/drill"
ELECTIONS = ("job", "hard")
LIVE_SECONDS = 0.3
"""Whoever has not beaten for so long does not count as beating now; beats come every 0.02 s."""
_POLL_SECONDS = 0.02
_SETTLE_PAUSE_SECONDS = 0.2
_BEAT = Path(__file__).with_name("beat.py")

_FILE = """\
etcd: {{endpoints: [{endpoints}], namespace: {namespace}}}
elections:
"""
_ELECTION = {
    "job": """\
  job:
    ttl: {ttl}s
    leader:
      processes:
        work: {{command: [{beat}], stop: {{timeout: 1s}}, restart: {restart}}}
""",
    "hard": """\
  hard:
    ttl: {ttl}s
    leader:
      processes:
        stubborn: {{command: [{beat}, --ignore-term], stop: {{timeout: 500ms}}, restart: {restart}}}
        forker: {{command: [{beat}, --fork], stop: {{timeout: 500ms}}, restart: {restart}}}
        both: {{command: [{beat}, --ignore-term, --fork], stop: {{timeout: 500ms}}, restart: {restart}}}
""",
}
_RESTART = "{backoff: 50ms..1s, limit: 1000 per 1m}"


class DrillError(AssertionError):
    """What was waited for did not happen. The message holds the evidence."""


def boottime() -> int:
    """CLOCK_BOOTTIME in nanoseconds, as beats have it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Fleet:
    """``with Fleet(nodes=3, ttl_seconds=5) as fleet: fleet.settle()``."""

    def __init__(
        self,
        *,
        nodes: int = 3,
        members: int = 3,
        ttl_seconds: int = 5,
        elections: Sequence[str] = ELECTIONS,
        binaries: Binaries | None = None,
        etcd_arguments: Sequence[str] = (),
        program: Sequence[str] = ("-m", "supervisor"),
    ) -> None:
        """``program`` is what Python runs as the daemon."""
        self.ttl_seconds, self.elections = ttl_seconds, tuple(elections)
        scratch.sweep()
        self.home = scratch.make()
        self.binaries = binaries or next((b for b in installed() if b.version == "3.5.1"), installed()[0])
        names, members_names = [f"n{i + 1}" for i in range(nodes)], [f"e{i + 1}" for i in range(members)]
        self.net = Network([*members_names, *names])
        self.etcd = Cluster(self.net, members_names, binaries=self.binaries, arguments=etcd_arguments)
        self._beats = self.home / "beats"
        self._offset = 0
        self.record = Record()
        file = self.home / "drill.yaml"
        beat = ", ".join([sys.executable, "-I", "-S", "-E", str(_BEAT), str(self._beats)])
        file.write_text(
            "".join([_FILE, *(_ELECTION[e] for e in elections)]).format(
                endpoints=", ".join(f'"{e}"' for e in self.etcd.endpoints), namespace=NAMESPACE,
                ttl=ttl_seconds, beat=beat, restart=_RESTART,
            )
        )  # fmt: skip
        self.nodes = {
            name: Node(self.net, name, self.home, file, program=program, containment="session" if i % 2 else "")
            for i, name in enumerate(names)
        }

    # --- life --------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        try:
            self.net.open()
            self.etcd.start()
            for node in self.nodes.values():
                node.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self, *, keep: bool = False) -> None:
        """End everything; nothing is left but, if asked for, the files."""
        for node in self.nodes.values():
            with suppress(Exception):  # the network's end kills what this could not
                node.close()
        self.etcd.close(self.home if keep else None)
        self.net.close()
        if keep:
            scratch.keep(self.home)
        else:
            scratch.remove(self.home)

    # --- seeing ------------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Read what was written since the last look, and start again the daemons that died."""
        for node in self.nodes.values():
            node.tend()
        if self._beats.exists():
            with self._beats.open(encoding="ascii") as file:
                file.seek(self._offset)
                text = file.read()
                self._offset = file.tell()
            self.record.feed(text)

    def wait(self, found: Callable[[], object], what: str, seconds: float) -> None:
        """Until it is found. DrillError with the evidence when it is not."""
        deadline = time.monotonic() + seconds
        while True:
            self.look()
            if found():
                return
            if time.monotonic() > deadline:
                raise DrillError(f"not seen within {seconds:.0f} s: {what}\n{self.evidence()}")
            time.sleep(_POLL_SECONDS)

    def hold(self, seconds: float) -> None:
        """Let a fault last: its length is what the drill is about."""
        until = boottime() + seconds * NANOSECONDS
        self.wait(lambda: boottime() >= until, "the end of the fault", seconds + 60)

    def leader(self, election: str) -> Node:
        """The node that beats for an election, or did last."""
        latest = self.record.latest(election)
        assert latest is not None, f"nobody ever led {election}"
        return self.nodes[latest.node]

    def token(self, election: str) -> int:
        """The highest token that anybody beat with; 0 before the first."""
        latest = self.record.latest(election)
        return latest.token if latest else 0

    def beats(self, election: str) -> bool:
        """Whether the latest term beats now."""
        latest = self.token(election)
        return any(i.token == latest for i in self._beating(election))

    def workers(self, election: str) -> list[int]:
        """The pids that beat for an election now."""
        return [i.pid for i in self._beating(election)]

    def _beating(self, election: str) -> list[Interval]:
        return self.record.alive(election, boottime() - int(LIVE_SECONDS * NANOSECONDS))

    # --- convergence -------------------------------------------------------------------------------------------------

    def converged(self) -> bool:
        """One leader each, the rightful one, and every other node in its queue."""
        return not self.unsettled()

    def unsettled(self) -> str:
        """Why it has not converged; empty when it has."""
        if dead := [n.name for n in self.nodes.values() if not n.runs]:
            return f"not running: {', '.join(dead)}"
        if silent := [e for e in self.elections if not self.beats(e)]:
            return f"nobody beats for {', '.join(silent)}"
        for election in self.elections:
            if words := self._queue_problem(election):
                return f"{election}: {words}"
        return ""

    def _queue_problem(self, election: str) -> str:
        queue = self.etcd.queue(f"{NAMESPACE}/{election}/")
        if queue is None:
            return "etcd does not answer"
        if len(queue) != len(self.nodes):
            return f"{len(queue)} keys for {len(self.nodes)} nodes"
        if queue[0].token != self.token(election):
            return f"token {queue[0].token} is first in the queue, {self.token(election)} beats"
        return ""

    def settle(self, seconds: float = 60.0) -> None:
        """Until converged."""
        deadline = time.monotonic() + seconds
        while why := self.unsettled():
            if time.monotonic() > deadline:
                raise DrillError(f"no convergence within {seconds:.0f} s: {why}\n{self.evidence()}")
            pause = time.monotonic() + _SETTLE_PAUSE_SECONDS
            self.wait(lambda at=pause: time.monotonic() >= at, "a moment", 10)  # type: ignore[misc]

    def evidence(self) -> str:
        """Logs, statuses and terms, for whoever must find out why."""
        parts = []
        for node in self.nodes.values():
            log = "\n".join(node.says().splitlines()[-25:])
            parts.append(f"--- {node.name} (exits {node.exits})\n{node.status()}\n{log}")
        for election in self.elections:
            terms = "\n".join(map(str, self.record.terms(election)[-5:]))
            parts += [f"--- the last terms of {election}", terms]
        return "\n".join(parts) + f"\n(files: {self.home})"
