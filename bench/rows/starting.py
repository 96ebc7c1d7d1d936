"""From exec to the first heartbeat of a leader process that nobody contests."""

import os
import subprocess
from collections import defaultdict
from dataclasses import replace

from bench.harness.beats import boottime
from bench.harness.result import Metric, Target
from bench.harness.wait import turns, until
from bench.rivals.contenders import Contender
from bench.rows.handover import OWN_START, own_start
from bench.rows.row import Row, Setting, on_loopback, show


def startup(setting: Setting) -> list[Metric]:
    """A fresh candidate each time, alone in its election."""
    rounds = setting.rounds(5, 25)
    samples: dict[str, list[float]] = defaultdict(list)
    with setting.etcd() as etcd:
        place = on_loopback(etcd, candidates=1)
        for number, kind in turns(setting.wanted(), rounds + 1):
            side = kind(place, setting.scratch / f"round-{number}")
            try:
                took = once(side)
            finally:
                side.close()
            # What a rival leaves until its lease ends would be the next candidate's predecessor.
            etcd.etcdctl("del", "--prefix", kind.prefix)
            if number:  # the first warms up
                samples[kind.name].append(took)
                show(f"startup {number}/{rounds} {kind.name} {took:.1f} ms")
        alone = setting.wanted()[0](replace(place, inside=()), setting.scratch / "alone")
        samples[OWN_START] = [own_start(alone) for _ in range(rounds)]
    return [
        Metric(
            row="startup", name="exec to the first heartbeat of the leader process", unit="ms",
            samples={s: tuple(v) for s, v in samples.items()}, target=Target(kind="ratio", most=2.5, against=("naive",)),
            limit="one start of Python with grpc (most of the naive pattern's figure), a handful of round trips to etcd, the"
            " process's own start", note=f"bytecode compiled before, as pip does; {os.cpu_count()} cores",
        )
    ]  # fmt: skip


def once(side: Contender) -> float:
    """Milliseconds."""
    began = boottime()
    side.start()
    until(f"{side.name}: a first beat", lambda: side.beats.after(began, 0), pause=0.001)
    first = side.beats.after(began, 0)
    assert first is not None
    seat = side.seats[0]
    assert isinstance(seat.process, subprocess.Popen)
    return (first.first - began) / 1e6


ROWS = (Row(name="startup", title="exec to the first heartbeat, uncontested", measure=startup),)
