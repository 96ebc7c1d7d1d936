"""200 edits, 20 of them broken, five a second, against a running fleet of three nodes that all run the one file.

Edits that follow each other so fast overtake each other, all the more on a busy machine. A broken one stays until every node has
refused it, as it would with whoever broke it: so each of them is seen, whatever the machine.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.drills import net
from tests.drills.edits import SPARES, STEADY, Storm, save
from tests.drills.fleet import Fleet, boottime
from tests.drills.nodes import Node
from tests.etcd_server import installed

pytestmark = [pytest.mark.drill, pytest.mark.system, pytest.mark.etcd, pytest.mark.root, pytest.mark.timeout(240)]

SEED = int(os.environ.get("EDITS_SEED", "6"))
EDITS, BROKEN, EVERY_SECONDS = 200, 20, 0.2
CONVERGED_SECONDS = 90.0
REFUSED_SECONDS = 30.0
MOST_GROWTH_MIB = 16.0
"""Between the middle of the storm and its end, of one daemon: a leak of a Spec per edit would be more, noise is less."""


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    if why := net.missing() or ("" if installed() else "no etcd"):
        pytest.skip(f"no drills here: {why}")
    with Fleet() as one:
        yield one


def ask(node: Node, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "supervisor", verb, *arguments, "--socket", str(node.socket)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)


def status(node: Node) -> dict[str, Any]:
    try:
        found = json.loads(ask(node, "status", "--json").stdout)
    except ValueError:
        return {"condition": "unknown", "processes": [], "config": {}}
    assert isinstance(found, dict)
    return found


def running(node: Node) -> dict[str, int]:
    """The always processes of a node, and their pids."""
    return {p["name"]: p["pid"] for p in status(node)["processes"] if p["role"] == "always" and p["pid"] is not None}


def edit_of(pid: int) -> str:
    """The edit that a child was started by, as its own environment says."""
    words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return next(w.removeprefix(b"EDIT=").decode() for w in words if w.startswith(b"EDIT="))


def rss_mib(pid: int) -> float:
    words = Path(f"/proc/{pid}/smaps_rollup").read_text().split("\n")
    return next(int(w.split()[1]) for w in words if w.startswith("Rss:")) / 1024


def memory(fleet: Fleet) -> dict[str, tuple[float, float]]:
    """Of each daemon and its guardian, in MiB."""
    return {name: (rss_mib(node.pid), rss_mib(node.guardian)) for name, node in fleet.nodes.items()}


def missing(fleet: Fleet, text: str) -> str:
    """Why not every node has the last file in force, well and to the letter; empty when they have."""
    wanted = {name: p["environment"]["EDIT"] for name, p in json.loads(text)["processes"].items()}
    for name, node in fleet.nodes.items():
        found = status(node)
        if found["condition"] != "healthy":
            return f"{name} is {found['condition']}: {found.get('reasons')}"
        if (planned := ask(node, "reload", "--dry-run")).returncode != 0:
            return f"{name} has another file in force:\n{planned.stdout}{planned.stderr}"
        pids = {p["name"]: p["pid"] for p in found["processes"] if p["role"] == "always" and p["pid"] is not None}
        try:
            edits = {one: edit_of(pid) for one, pid in pids.items()}
        except OSError:
            return f"{name} has a process that is gone already"
        if edits != wanted:
            return f"{name} runs {edits}, and the file says {wanted}"
    fleet.look()  # asking took its time, and who beats is judged by what was read last
    return fleet.unsettled()


def converge(fleet: Fleet, text: str) -> None:
    """Until nothing is missing."""
    deadline = time.monotonic() + CONVERGED_SECONDS
    while why := missing(fleet, text):
        assert time.monotonic() < deadline, (
            f"no convergence within {CONVERGED_SECONDS:.0f} s: {why}\n{fleet.evidence()}"
        )
        fleet.look()


def test_a_storm_of_edits(fleet: Fleet) -> None:
    file, chance = fleet.home / "drill.yaml", random.Random(SEED)
    storm = Storm(yaml.safe_load(file.read_text()), seed=SEED, count=EDITS, broken=BROKEN)
    save(file, storm.text, chance)
    fleet.settle()
    converge(fleet, storm.text)
    steady = {name: running(node)[STEADY] for name, node in fleet.nodes.items()}
    sizes, began = [memory(fleet)], boottime()
    due = time.monotonic()
    for edit in storm:
        before = refusals(fleet)
        save(file, edit.text, chance)
        if not edit.good:
            fleet.wait(partial(all_refused, fleet, before), f"every node refusing edit {edit.number}", REFUSED_SECONDS)
            due = time.monotonic()
        due += EVERY_SECONDS
        fleet.wait(lambda at=due: time.monotonic() >= at, "the next edit's time", 60)  # type: ignore[misc]
        if edit.number == EDITS // 2:
            sizes.append(memory(fleet))
    converge(fleet, storm.text)
    sizes.append(memory(fleet))
    for name in fleet.nodes:
        words = ", ".join(f"{daemon:.1f}+{guardian:.1f}" for daemon, guardian in (s[name] for s in sizes))
        print(f"{name}: daemon+guardian MiB before, in the middle, after: {words}")
    print(f"seed {SEED}: terms { ({e: len(fleet.record.terms(e)) for e in fleet.elections}) }")
    judge(fleet, steady, began)
    for name in fleet.nodes:
        (middle, _), (end, _) = sizes[1][name], sizes[2][name]
        assert end - middle < MOST_GROWTH_MIB, f"{name} grew from {middle:.1f} to {end:.1f} MiB"
    assert set(SPARES) & set(json.loads(storm.text)["processes"]), "nothing was left to be looked at"


def refusals(fleet: Fleet) -> dict[str, int]:
    """How often each node has refused a file."""
    return {name: node.says().count("configuration refused") for name, node in fleet.nodes.items()}


def all_refused(fleet: Fleet, before: dict[str, int]) -> bool:
    """Whether every node has refused a file since."""
    return all(count > before[name] for name, count in refusals(fleet).items())


def judge(fleet: Fleet, steady: dict[str, int], began: int) -> None:
    """No overlap, and nothing restarted that no edit had touched."""
    assert not fleet.record.overlaps(), "\n".join(map(str, fleet.record.overlaps()))
    assert not fleet.record.disorder(began)
    assert {name: running(node)[STEADY] for name, node in fleet.nodes.items()} == steady, (
        "an unchanged process restarted"
    )
    by_token: dict[int, set[int]] = {}
    for one in fleet.record.intervals("job"):
        by_token.setdefault(one.token, set()).add(one.pid)
    assert all(len(pids) == 1 for pids in by_token.values()), f"work was restarted within a term: {by_token}"
    for node in fleet.nodes.values():
        assert not node.exits, f"{node.name} ended: {node.exits}\n{fleet.evidence()}"
        assert "job: the file changes" not in node.says()
        refused = refusals(fleet)[node.name]
        print(f"{node.name}: {refused} refusals, {node.says().count('configuration adopted')} adoptions")
        assert refused >= BROKEN
