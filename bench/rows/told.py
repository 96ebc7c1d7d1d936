"""What children say, written down; and kill-by on a busy machine: the benches beside these rows, as rows."""

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from bench import kill_by as killing
from bench import logs as logging
from bench.harness.result import OURS, Metric
from bench.rows.row import Row, Setting, show

BUSY_LOOPS = 8


@contextlib.contextmanager
def without(name: str) -> Iterator[None]:
    """That variable is not in the environment meanwhile."""
    value = os.environ.pop(name, None)
    try:
        yield
    finally:
        if value is not None:
            os.environ[name] = value


def logs(setting: Setting) -> list[Metric]:
    """One child that says as much as it can; files of 50 MB, compared to the byte afterwards."""
    rates: dict[str, tuple[float, ...]] = {}
    cpu: dict[str, tuple[float, ...]] = {}
    found, missing = [], {}
    asked = argparse.Namespace(seconds=3.0 if setting.quick else 6.0, rate=10_000.0)
    for side in (OURS, *logging.RIVALS):
        if not setting.wants(side):
            continue
        directory = setting.scratch / side
        directory.mkdir()
        if side == OURS:
            figures = logging.ours(asked, directory, "ours")
        elif side in setting.rivals.programs:
            with without("PYTHONPATH"):  # PyPI's Supervisor must not find the package of ours that has its name
                figures = logging.rival(asked, directory, side, setting.rivals.programs[side].parent)
        else:
            missing[side] = setting.rivals.missing[side]
            continue
        subprocess.run(["rm", "-r", directory / "logs"], check=True)
        megabytes = figures.said["blocks"] * logging.BLOCK_BYTES / 1e6
        rates[side] = (megabytes / figures.said["took"],)
        cpu[side] = (1000 * figures.cpu_seconds / megabytes,)
        found.append(f"{side}: {figures.found}")
        show(f"logs {side} {rates[side][0]:.0f} MB/s; {figures.found}")
    note = "; ".join(found)
    return [
        Metric(
            row="logs", name="log throughput, one child that says as much as it can", unit="MB/s", samples=rates,
            missing=missing, higher_is_better=True, limit="the disk, and one copy through a pipe", note=note,
        ),
        Metric(row="logs", name="CPU of the supervisor for each MB", unit="ms", samples=cpu, missing=missing),
    ]  # fmt: skip


def kill_by(setting: Setting) -> list[Metric]:
    """How late the guardian's SIGKILL is under busy loops on every core; beside it, an ordinary process's sleep."""
    terms = setting.rounds(100, 400)
    busy = [subprocess.Popen([sys.executable, "-c", killing.BUSY]) for _ in range(BUSY_LOOPS)]
    try:
        with tempfile.TemporaryDirectory(dir=setting.scratch) as directory:
            said, seen = asyncio.run(killing.strike(terms, directory))
        ordinary = killing.sleeper(terms)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    return [
        Metric(
            row="kill_by", name="kill-by to SIGKILL under load, lateness", unit="ms",
            samples={
                OURS: tuple(1000 * s for s in said), "supervisor: until a busy daemon has seen the death": tuple(1000 * s for s in seen),
                "an ordinary Python process's timer": tuple(1000 * s for s in ordinary),
            },
            limit="the kernel's scheduler: the guardian asks for real time, and says in `status` when it was refused",
            note=f"{terms} terms, {BUSY_LOOPS} busy loops; the safety margin this must stay under is 500 ms; worst"
            f" {1000 * max(said):.1f} ms, an ordinary timer's {1000 * max(ordinary):.1f} ms",
        )
    ]  # fmt: skip


ROWS = (
    Row(name="logs", title="what a child says, written down: throughput and CPU", measure=logs),
    Row(name="kill_by", title="how late the guardian's SIGKILL is on a busy machine", measure=kill_by),
)
