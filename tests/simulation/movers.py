"""What some runs have beside everything else: people who ask for switchovers, pauses and drains, and nodes that are preferred.

Drawn apart from everything else, so that a seed means what it meant before. Promises: everything is taken back when the faults end.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from supervisor.core import requests
from supervisor.core.names import ElectionName, NodeName
from supervisor.core.spec import Spec
from tests.simulation.network import WALL

if TYPE_CHECKING:
    from tests.simulation.run import Run

SHARE = 0.5
"""Of the runs."""


def _of_seed(seed: int) -> Random | None:
    rng = Random(f"moves {seed}")
    return rng if rng.random() < SHARE else None


def ranked(seed: int, number: int, desired: Spec) -> Spec:
    """The file of one node, with the priorities it has in this run."""
    rng = _of_seed(seed)
    if rng is None or rng.random() < 0.4:
        return desired
    cooldown = rng.choice((2.0, 5.0, 10.0))
    mine = [rng.choice((0, 0, 10, 50)) for _ in range(4)][number]
    elections = {
        name: replace(e, priority=mine, priority_cooldown_seconds=cooldown) for name, e in desired.elections.items()
    }
    return replace(desired, elections=elections)


def ask(run: Run) -> None:
    """People ask, all through the run."""
    if _of_seed(run.plan.seed) is None:
        return
    rng = Random(f"asked {run.plan.seed}")
    ends = run.plan.ends
    names = sorted(run.plan.spec.elections)
    for n in range(rng.randint(2, 12)):
        at, length, name, node = (
            rng.uniform(2.0, ends),
            rng.uniform(0.2, 10.0),
            rng.choice(names),
            rng.randrange(run.plan.nodes),
        )
        kind = rng.choices(("switchover", "anybody", "dated", "pause", "pause all", "drain"), (8, 2, 2, 2, 1, 3))[0]
        if kind in ("switchover", "anybody", "dated"):
            to = "" if kind == "anybody" else f"node-{node}"
            date = WALL + at + length if kind == "dated" else None
            run.kernel.at(at, _switchover, run, name, f"{n}", to, date)
        else:
            path = {"pause": requests.pause_path(name), "pause all": "pause"}.get(kind) or requests.drain_path(
                NodeName(f"node-{node}")
            )
            stop, force = rng.random() < 0.3, rng.random() < 0.3
            value = requests.paused_now("sim", WALL)
            if kind == "drain":
                value = requests.drained_now("sim", WALL, followers_stop=stop, force=force)
            run.kernel.at(at, _write, run, path, value)
            run.kernel.at(min(ends, at + length), _write, run, path, None)


def _switchover(run: Run, name: ElectionName, id_: str, to: str, date: float | None) -> None:
    asked = requests.Switchover(id=id_, to=NodeName(to), at=date, until=WALL + run.plan.ends + 1000, by="sim")
    run.judge.seen["switchovers asked for"] += 1
    _write(run, requests.switchover_path(name), requests.written(asked))


def _write(run: Run, path: str, value: bytes | None) -> None:
    if run.etcd.up:
        run.etcd.write_request(path, value, None)
    else:
        run.etcd.deferred.append(lambda: run.etcd.write_request(path, value, None))


def take_back(run: Run) -> None:
    """Nothing is asked any more, once what waited for etcd is done."""
    run.kernel.at(run.kernel.now + 0.5, _take_back, run)


def _take_back(run: Run) -> None:
    for path in list(run.etcd.requests):
        _write(run, path, None)
