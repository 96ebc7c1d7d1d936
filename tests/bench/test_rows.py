"""The command: its rows have names, what is unknown is said, and the fleet's arithmetic is arithmetic."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.harness import figures
from bench.harness.machine import describe
from bench.rows.all import ROWS
from bench.rows.fleet import NODES, Paper
from tests.etcd_server import Binaries

ROOT = Path(__file__).resolve().parents[2]


def bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )  # fmt: skip


def test_every_row_has_a_name_of_its_own_and_a_block_in_the_page() -> None:
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names))
    page = (ROOT / "docs" / "performance.md").read_text()
    assert set(re.findall(r"<!-- row: (\w+) -->", page)) == {*names, "machine"}


def test_the_list_is_the_rows() -> None:
    done = bench("--list")
    assert [line.split()[0] for line in done.stdout.splitlines()] == [row.name for row in ROWS]


def test_an_unknown_row_is_named_and_nothing_is_measured() -> None:
    done = bench("switchover", "sideways")
    assert done.returncode
    assert "no row sideways" in done.stderr
    assert not done.stdout


def test_a_conch_that_is_not_there_is_said() -> None:
    done = bench("switchover", "--conch", "/nowhere/conch")
    assert "/nowhere/conch: no such program" in done.stderr


@pytest.mark.parametrize("ttl", [10, 30, 60])
def test_renewals_do_not_grow_with_elections_and_events_do_with_who_watches(ttl: float) -> None:
    one = Paper(namespaces=1, ttl_seconds=ttl, proclaim_every_seconds=10).figures()
    many = Paper(namespaces=100, ttl_seconds=ttl, proclaim_every_seconds=10).figures()
    assert one["renewals"] == many["renewals"] <= NODES
    assert one["events to watchers"] == pytest.approx(100 * many["events to watchers"])


def test_the_machine_is_described_without_its_name(tmp_path: Path) -> None:
    said = describe(Binaries(etcd="/x/etcd", etcdctl="/x/etcdctl", version="3.5.1"), tmp_path, ["b", "a"])
    assert said["rivals"] == "a, b"
    assert "3.5.1" in said["etcd"]
    assert os.uname().nodename not in said.values()


def test_figures_are_of_this_process_and_those_below() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            assert {os.getpid(), child.pid} <= set(figures.descendants(os.getpid()))
            rss, pss = figures.memory_mib([os.getpid()])
            assert rss >= pss > 1
            assert figures.cpu_seconds([os.getpid()]) > 0
        finally:
            child.kill()
    assert figures.memory_mib([child.pid]) == (0.0, 0.0)
