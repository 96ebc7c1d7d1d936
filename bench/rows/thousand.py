"""A node that leads a thousand elections dies, and a second waits in all of them: when it had decided, when it had started."""

import time
from collections import defaultdict

from bench import elections
from bench.elections import Ends, Node, stamps
from bench.harness.result import OURS, Metric, Target
from bench.rows.row import Row, Setting, show

ELECTIONS = 1000
BARE_START = "bare: as many forks by an idle Python"


def thousand(setting: Setting) -> list[Metric]:
    """Node and daemon die in turns. Rivals: see weight1000: none of them leads a thousand to begin with."""
    rounds = setting.rounds(1, 2)
    found: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds):
        for whole in (False, True):
            took = once(setting, number, whole=whole)
            for what, value in took.items():
                found[what].append(value)
            show(f"thousand {number + 1}/{rounds} " + ", ".join(f"{k} {v:.2f} s" for k, v in took.items()))
    bare = elections.bare_start_seconds(ELECTIONS)
    missing = {"naive": "never leads 1,000: see weight1000", "etcdctl lock": "its wrappers are 1,000 single failovers"}
    return [
        Metric(
            row="thousand", name=f"{ELECTIONS} elections, {what}", unit="s", missing=missing,
            samples={OURS: tuple(values)} | ({BARE_START: (bare,)} if "started" in what else {}),
            target=Target(kind="value", most=5.0) if what == "all lead after" else None,
            limit="etcd tells one watch of 1,000 deletions in 5 to 20 ms; 1,000 wins are 9 transactions; then fork and exec",
            note="both nodes and etcd on one machine: whoever starts is slowed down by whoever stops",
        )
        for what, values in found.items()
    ]  # fmt: skip


def once(setting: Setting, number: int, *, whole: bool) -> dict[str, float]:
    """Seconds: until all lead; from the first end of a term to the last decision, and to the last start."""
    home = setting.scratch / f"{number}-{whole}"
    home.mkdir()
    with setting.etcd() as etcd:
        file = home / "file.yaml"
        file.write_text(elections.config(etcd.endpoint, ELECTIONS))
        one = Node(home / "one", file)
        led = one.until(b"became leader", ELECTIONS) - one.began
        ran = one.until(b"/p: started", ELECTIONS) - one.began
        two = Node(home / "two", file)
        two.until(b": following", ELECTIONS)
        time.sleep(3.0)
        watch = Ends(etcd.endpoint)
        one.die(whole=whole)
        two.until(b"became leader", ELECTIONS)
        two.until(b"/p: started", ELECTIONS)
        ends = watch.close()
        first = min(ends.values())
        decided = max(stamps(two.log, ": became leader").values()) - first
        started_ = max(stamps(two.log, "/p: started").values()) - first
        two.stop()
    who = "the node dies" if whole else "the daemon dies"
    return {
        "all lead after": led, "all run after": ran, f"{who}: all decided after the first end of a term": decided,
        f"{who}: all started after the first end of a term": started_,
    }  # fmt: skip


ROWS = (Row(name="thousand", title="a node with 1,000 elections dies: decided, started", measure=thousand),)
