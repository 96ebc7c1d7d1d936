"""The target of a switchover is killed at a random moment in the middle of it, again and again: a drill by seed.

    python -m tests.system.struck [--rounds 40] [--seed 1]

Three nodes. In each round whoever leads is asked to hand over to one of the others, which is killed some time after the asking:
its daemon alone (its guardian ends what it ran, and gives the lease back), or daemon and guardian at once, as when a machine
dies (its lease runs out). Promises of each round, judged by the beats of the leader processes: no two beat at once; nobody beats for
no longer than the TTL; what was aborted goes on under the same token; the node that was not asked for leads only when
the target was handed the office and lost it. The same seed gives the same rounds, as far as processes and clocks allow.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from supervisor.control import views
from supervisor.control.client import Client, ControlError
from tests.etcd_server import EtcdServer
from tests.system.nodes import Node, until

NAMES: Final = ("one", "two", "three")
TTL_SECONDS: Final = 5
EXPIRY_SECONDS: Final = 1.0
"""etcd looks for leases that have run out every half second, and counts in whole ones."""
MOMENTS_SECONDS: Final = 0.35
PATIENCE_SECONDS: Final = 40.0
BEAT: Final = Path(__file__).parent.parent / "drills" / "beat.py"
SLOW: Final = 'trap "sleep 0.15; exit" TERM; while true; do sleep 0.05; done'
"""Takes a while to stop, so that there is a middle to be killed in."""
FILE: Final = """\
etcd: {{endpoints: ["{endpoint}"], namespace: {namespace}}}
elections:
  job:
    ttl: {ttl}s
    leader:
      processes:
        work: {{command: [{python}, -I, -S, -E, {beat}, {beats}]}}
        slow: {{command: [sh, -c, '{slow}']}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From the first to the last beat of one process."""

    node: str
    token: int
    first: float
    last: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What came of one."""

    struck: str
    """``daemon`` or ``machine``."""
    after_seconds: float
    outcome: str
    text: str
    leaderless_seconds: float
    led_by: str


class Drill:
    """Three nodes, and who beats."""

    def __init__(self, etcd: EtcdServer, namespace: str, home: Path) -> None:
        self._etcd, self._namespace = etcd, namespace
        self._beats = home / "beats"
        text = FILE.format(
            endpoint=etcd.endpoint, namespace=namespace, ttl=TTL_SECONDS, python=sys.executable, beat=BEAT,
            beats=self._beats, slow=SLOW,
        )  # fmt: skip
        self.nodes = {name: Node(home, name, text) for name in NAMES}

    def close(self) -> None:
        """All end."""
        for node in self.nodes.values():
            node.end()

    def spans(self) -> list[Span]:
        """Who beat, from when to when, in the order of their beginnings."""
        found: dict[str, Span] = {}
        for line in self._beats.read_text().splitlines() if self._beats.exists() else ():
            words = line.split()
            if len(words) == 6:
                _, node, token, at, pid, _ = words
                seconds = int(at) / 1e9
                first = found[pid].first if pid in found else seconds
                found[pid] = Span(node=node, token=int(token), first=first, last=seconds)
        return sorted(found.values(), key=lambda span: span.first)

    def leader(self) -> Span | None:
        """Who beats now."""
        spans = self.spans()
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        return spans[-1] if spans and now - spans[-1].last < 0.25 else None

    def whole(self) -> bool:
        """Three nodes stand, and one of them leads and beats."""
        values = self._etcd.etcdctl("get", "--prefix", "--print-value-only", f"{self._namespace}/job/").splitlines()
        documents = [json.loads(value) for value in values if value]
        well = {d["node"] for d in documents if d["health"] == "healthy"} == set(NAMES)
        return well and any(d["state"] == "leading" for d in documents) and self.leader() is not None

    def round(self, chance: random.Random) -> Round:
        """Ask, strike, and see what becomes of it."""
        until(self.whole, "three nodes, one of them at work", PATIENCE_SECONDS)
        old = self.leader()
        assert old is not None
        target = chance.choice([name for name in NAMES if name != old.node])
        how, delay = chance.choice(("daemon", "machine")), chance.uniform(0.0, MOMENTS_SECONDS)
        victims = self._pids(target, how)
        told: list[views.Progress] = []
        asking = threading.Thread(target=self._ask, args=(old.node, target, told))
        began = time.clock_gettime(time.CLOCK_BOOTTIME)
        asking.start()
        time.sleep(delay)
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        self.nodes[target].daemon.wait()
        asking.join(PATIENCE_SECONDS)
        assert not asking.is_alive(), "the verb has a last word"
        until(lambda: (now := self.leader()) is not None and now.node != target, "somebody leads", PATIENCE_SECONDS)
        now = self.leader()
        assert now is not None
        ended = time.clock_gettime(time.CLOCK_BOOTTIME)
        self.nodes[target].start()
        last = told[-1]
        return Round(
            struck=how,
            after_seconds=delay,
            outcome=last.outcome,
            text=last.text,
            leaderless_seconds=self._leaderless(began, ended),
            led_by="the old leader" if now.token == old.token else f"{now.node} anew",
        )

    def judge(self, rounds: list[Round]) -> None:
        """Every promise, of everything so far."""
        spans = self.spans()
        ends = 0.0
        tokens: dict[int, str] = {}
        for span in spans:
            assert span.first > ends, f"two beat at once: {span}"
            assert tokens.setdefault(span.token, span.node) == span.node, f"one token, two nodes: {span}"
            ends = max(ends, span.last)
        for one in rounds:
            assert one.leaderless_seconds <= TTL_SECONDS + EXPIRY_SECONDS, one
            if one.outcome == "refused" or (one.outcome == "aborted" and "leads on" in one.text):
                assert one.led_by == "the old leader", one

    def _leaderless(self, since: float, until_: float) -> float:
        """The longest time in which nobody beat."""
        alive = [(max(since, s.first), min(until_, s.last)) for s in self.spans() if s.last >= since - 0.25]
        longest, ends = 0.0, since
        for first, last in sorted(alive):
            longest, ends = max(longest, first - ends), max(ends, last)
        return longest

    def _pids(self, name: str, how: str) -> list[int]:
        node = self.nodes[name]
        with Client(node.socket) as client:
            guardian = client.status().daemon.guardian_pid
        assert guardian is not None
        return [guardian, node.daemon.pid] if how == "machine" else [node.daemon.pid]

    def _ask(self, name: str, target: str, told: list[views.Progress]) -> None:
        try:
            with Client(self.nodes[name].socket) as client:
                told.extend(client.switchover("job", to=target, wait_seconds=PATIENCE_SECONDS / 2))
        except ControlError as error:
            told.append(views.Progress(text=str(error), outcome="unknown"))


def main() -> int:
    """Rounds by seed, a line each, and what they come to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory(prefix="sv") as scratch, EtcdServer(Path(scratch) / "etcd") as etcd:
        drill = Drill(etcd, "/struck", Path(scratch))
        try:
            for number in range(1, asked.rounds + 1):
                rounds.append(one := drill.round(chance))
                print(
                    f"{number:3}  {one.struck:7} after {one.after_seconds * 1000:3.0f} ms: {one.outcome:9} leaderless "
                    f"{one.leaderless_seconds:.3f} s, then {one.led_by}: {one.text}",
                    flush=True,
                )
                drill.judge(rounds)
        finally:
            drill.close()
    spans = sorted(one.leaderless_seconds for one in rounds)
    outcomes = {one.outcome: sum(o.outcome == one.outcome for o in rounds) for one in rounds}
    print(
        f"seed {asked.seed}: {len(rounds)} rounds {outcomes}, overlaps 0, leaderless median {spans[len(spans) // 2]:.3f} s"
    )
    print(f"longest {spans[-1]:.3f} s of a TTL of {TTL_SECONDS} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
