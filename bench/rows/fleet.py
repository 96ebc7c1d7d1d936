"""What a fleet of 10,000 nodes with 100 elections each would ask of etcd: measured on two nodes, on paper, and in the simulator.

Promises: the two nodes' requests are counted by etcd itself (its own metrics); the simulator's are counted at its store. The fleet is
arithmetic on these, printed with its assumptions. Does not: start 10,000 nodes.
"""

import http.client
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from bench import elections
from bench.harness.result import BARE, OURS, Metric
from bench.harness.wait import until
from bench.rows.row import Row, Setting, end, ours, show
from supervisor.core import timing
from supervisor.core.names import NodeName
from supervisor.etcd import election
from tests.core.world import election as an_election
from tests.core.world import spec
from tests.etcd_server import EtcdServer
from tests.simulation.faults import Plan
from tests.simulation.run import Run

NODES, EACH, CANDIDATES = 10_000, 100, 3
SETTLE_SECONDS, SECONDS = 12.0, 40.0
SIMULATED_NODES = (2, 4, 8)
SIMULATED_SECONDS = 60.0
METHODS = ("renew", "look", "missing", "proclaim", "campaign", "prove")
T = TypeVar("T")


def counted(etcd: EtcdServer) -> Counter[str]:
    """Messages that etcd has received, and watch messages it has sent, by method."""
    connection = http.client.HTTPConnection("127.0.0.1", etcd.client_port, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    found: Counter[str] = Counter()
    for kind, labels, value in re.findall(
        r"^grpc_server_msg_(received|sent)_total\{(.*?)\} (\S+)$", text, re.MULTILINE
    ):
        method = dict(re.findall(r'(\w+)="(.*?)"', labels))["grpc_method"]
        if kind == "received" or method == "Watch":
            found[method if kind == "received" else "events to watchers"] += int(float(value))
    return found


def per_second(etcd: EtcdServer, seconds: float) -> dict[str, float]:
    """What comes in a second, from now on."""
    before = counted(etcd)
    time.sleep(seconds)
    after = counted(etcd)
    return {method: (after[method] - before[method]) / seconds for method in after if after[method] != before[method]}


def node(etcd: EtcdServer, home: Path) -> "subprocess.Popen[bytes]":
    """One daemon with ``EACH`` elections."""
    home.mkdir()
    (home / "file.yaml").write_text(elections.config(etcd.endpoint, EACH))
    argv = [
        *ours("run", f"{home}/file.yaml"),
        "--node",
        home.name,
        "--socket",
        f"{home}/s",
        "--state-dir",
        f"{home}/state",
    ]
    with (home / "log").open("wb") as log:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def on_two_nodes(setting: Setting) -> tuple[dict[str, float], dict[str, float]]:
    """Requests a second of a node that leads all its elections, and of one that waits in all of them."""
    seconds = SECONDS / 2 if setting.quick else SECONDS
    processes = []
    with setting.etcd() as etcd:
        try:
            processes.append(node(etcd, setting.scratch / "one"))
            _said(setting.scratch / "one", b"/p: started")
            time.sleep(SETTLE_SECONDS)
            leads = per_second(etcd, seconds)
            processes.append(node(etcd, setting.scratch / "two"))
            _said(setting.scratch / "two", b": following")
            time.sleep(SETTLE_SECONDS)
            both = per_second(etcd, seconds)
        finally:
            for process in processes:
                end(process, 60)
    waits = {method: max(0.0, rate - leads.get(method, 0.0)) for method, rate in both.items()}
    return leads, waits


def _said(home: Path, text: bytes) -> None:
    until(f"{home.name}: {text.decode()}", lambda: (home / "log").read_bytes().count(text) >= EACH, pause=0.05)


def simulated(nodes: int) -> dict[str, float]:
    """Calls a second and node at the simulator's store, of nodes that all take part in ``EACH`` elections, at rest."""
    wanted = spec(*(an_election(f"e{n}") for n in range(EACH)))
    run = Run(Plan(seed=1, nodes=nodes, spec=replace(wanted, node=NodeName("n")), ends=SIMULATED_SECONDS, faults=()))
    calls: Counter[str] = Counter()

    def counting(name: str, real: Callable[..., T]) -> Callable[..., T]:
        def call(*arguments: object, **more: object) -> T:
            calls[name] += 1
            return real(*arguments, **more)

        return call

    for link in run.links:
        link.noise = False
    for name in METHODS:
        setattr(run.etcd, name, counting(name, getattr(run.etcd, name)))
    run.kernel.run(SIMULATED_SECONDS / 2)
    calls.clear()
    run.kernel.run(SIMULATED_SECONDS)
    return {name: count / (SIMULATED_SECONDS / 2) / nodes for name, count in calls.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """The fleet's arithmetic."""

    namespaces: int
    """The fleet cut in so many, each watched by its own nodes only."""
    ttl_seconds: float
    proclaim_every_seconds: float

    def figures(self) -> dict[str, float]:
        """Messages a second, of the whole fleet."""
        proclaims = NODES * EACH / self.proclaim_every_seconds
        leaders_followed = min(EACH, NODES / self.namespaces - 1) * (CANDIDATES - 1) / CANDIDATES
        """At worst each election that a node waits in is led by another node, with a lease of its own."""
        pause, every = timing.renewal_pause_seconds(self.ttl_seconds), timing.renew_every_seconds(self.ttl_seconds)
        return {
            "renewals": NODES / pause,
            "sights of our own keys": NODES / pause,
            "looks at leaders' leases": NODES * leaders_followed / every,
            "proclaims, one write of each candidate": proclaims,
            "their transactions, at best": proclaims / min(EACH, election.MAX_OPERATIONS),
            "events to watchers": proclaims * NODES / self.namespaces,
        }


PAPER = {
    "one namespace, defaults": Paper(namespaces=1, ttl_seconds=10, proclaim_every_seconds=10),
    "one namespace, ttl 60 s, proclaim.every 10 m": Paper(namespaces=1, ttl_seconds=60, proclaim_every_seconds=600),
    "1,000 namespaces of 10 nodes, defaults": Paper(namespaces=1000, ttl_seconds=10, proclaim_every_seconds=10),
    "1,000 namespaces, ttl 30 s, proclaim.every 10 m": Paper(
        namespaces=1000, ttl_seconds=30, proclaim_every_seconds=600
    ),
}


def fleet(setting: Setting) -> list[Metric]:
    """Measured, simulated, and multiplied."""
    leads, waits = on_two_nodes(setting)
    metrics = [
        Metric(
            row="fleet", name=f"requests a second of one node that {what} {EACH} elections, as etcd counts them", unit="/s",
            samples={OURS if method == "all" else f"{BARE}: {method}": (rate,) for method, rate in with_sum(rates).items()},
            note="TTL 10 s, defaults; `events to watchers` are messages, not events: etcd joins what happens together",
        )
        for what, rates in (("leads", leads), ("waits in", waits))
    ]  # fmt: skip
    for nodes in SIMULATED_NODES[: 2 if setting.quick else None]:
        found = simulated(nodes)
        show(f"fleet simulated {nodes} nodes: " + ", ".join(f"{k} {v:.2f}" for k, v in found.items()))
        metrics.append(
            Metric(
                row="fleet", name=f"calls a second and node in the simulator, {nodes} nodes x {EACH} elections", unit="/s",
                samples={f"{BARE}: {name}": (rate,) for name, rate in found.items()},
                note="its store counts each word of a proclaim, not each transaction",
            )
        )  # fmt: skip
    for what, paper in PAPER.items():
        metrics.append(
            Metric(
                row="fleet", name=f"on paper, {NODES:,} nodes x {EACH} elections of {CANDIDATES} candidates: {what}", unit="/s",
                samples={f"{BARE}: {name}": (rate,) for name, rate in paper.figures().items()},
            )
        )  # fmt: skip
    return metrics


def with_sum(rates: dict[str, float]) -> dict[str, float]:
    """And all requests together: events are none."""
    return {"all": sum(rate for method, rate in rates.items() if method != "events to watchers"), **rates}


ROWS = (Row(name="fleet", title="10,000 nodes x 100 elections: requests a second", measure=fleet),)
