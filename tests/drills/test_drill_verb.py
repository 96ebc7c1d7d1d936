"""``supervisor drill`` on three nodes, each on a host of its own, beside real daemons that must not notice."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.drills import net
from tests.drills.fleet import NAMESPACE, Fleet
from tests.drills.net import leash
from tests.etcd_server import installed

pytestmark = [
    pytest.mark.drill,
    pytest.mark.system,
    pytest.mark.etcd,
    pytest.mark.root,
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("drill verb"),
]
_SCRATCH = ("/scratch/", ".log/scratch/", ".log//scratch/", ".ctl/drill/")


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    if why := net.missing() or ("" if installed() else "no etcd"):
        pytest.skip(f"no drills here: {why}")
    with Fleet(elections=("job",)) as one:
        one.settle()
        yield one


class Drills:
    """Invocations of the verb on hosts of the fleet, ended whatever happens."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet, self.started = fleet, list[subprocess.Popen[str]]()

    def start(self, host: str, *words: str, prefix: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
        where = ["--endpoints", ",".join(self.fleet.etcd.endpoints), "--namespace", NAMESPACE]
        argv = [*leash(), *self.fleet.net.inside(host), *prefix, sys.executable, "-m", "supervisor", "drill"]
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("ETCDCTL", "SUPERVISOR"))}
        self.started.append(
            subprocess.Popen(
                [*argv, *words, "--node", host, *where],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
            )
        )
        return self.started[-1]

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.terminate()
            try:
                process.communicate(timeout=40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


@pytest.fixture
def drills(fleet: Fleet) -> Iterator[Drills]:
    one = Drills(fleet)
    yield one
    one.close()


def left(fleet: Fleet) -> list[str]:
    """What of any drill is in etcd."""
    return [
        key
        for prefix in _SCRATCH
        for key in fleet.etcd.etcdctl("get", "--prefix", "--keys-only", f"{NAMESPACE}{prefix}").split()
    ]


def tables(fleet: Fleet, host: str) -> str:
    return net.run(*fleet.net.inside(host), "nft", "list", "ruleset")


def until(found: Callable[[], object], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, f"not seen: {what}"
        time.sleep(0.05)


def finished(process: "subprocess.Popen[str]", seconds: float = 150) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


def scratch_daemons() -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if re.search(rb"/supervisor/drill/[^/\0]+/drill\.yaml", line):
                found.append(int(entry.name))
    return found


def test_kill_freeze_and_partition_on_three_nodes(fleet: Fleet, drills: Drills) -> None:
    token = fleet.token("job")
    others = [drills.start(host, "join") for host in ("n2", "n3")]
    drill = drills.start("n1", "kill", "freeze", "partition", "--nodes", "3", "--json")
    code, out, err = finished(drill)
    assert code == 0, f"{out}\n{err}\n{fleet.evidence()}"
    told: dict[str, Any] = json.loads(out)
    assert [r["struck"] for r in told["rounds"]] == ["kill", "freeze", "partition"]
    assert told["verdict"] == "passed"
    for one in told["rounds"]:
        assert one["verdict"] == "passed"
        assert one["overlap_seconds"] == [0, 0]
        assert one["node"] == "n1.drill"
        assert one["next_node"] in ("n2.drill", "n3.drill")
        least, most = one["gap_seconds"]
        assert 0 < least <= most
        assert one["next_token"] > one["token"]
        assert {t["token"] for t in one["terms"]} >= {one["token"], one["next_token"]}
    assert "overlap 0" in told["sentence"]
    for other in others:
        assert finished(other, 60)[0] == 0
    assert fleet.token("job") == token, "a real election moved"
    assert left(fleet) == []
    assert tables(fleet, "n1") == ""
    until(lambda: scratch_daemons() == [], "the end of everything that was started")


def test_a_drill_that_is_killed_leaves_nobody_cut_off(fleet: Fleet, drills: Drills) -> None:
    token = fleet.token("job")
    other = drills.start("n2", "join")
    drill = drills.start("n1", "partition", "--ttl", "2s")
    until(lambda: "elements" in tables(fleet, "n1"), "the cut")
    drill.kill()
    drill.wait(10)
    # The daemon and its table's element end by the kernel; the others' scratch daemons when the conductor's lease has.
    until(lambda: "elements" not in tables(fleet, "n1"), "the end of the cut", 60)
    assert finished(other, 90)[0] == 0
    until(lambda: scratch_daemons() == [], "the end of the scratch daemons", 60)
    assert fleet.token("job") == token, "a real election moved"
    # The next drill removes what this one left.
    code, out, err = finished(drills.start("n1", "partition", "--ttl", "2s", "--local", "2"))
    assert code == 0, f"{out}\n{err}"
    assert tables(fleet, "n1") == ""
    assert left(fleet) == []
    assert list(Path("/run/supervisor/drill").iterdir()) == []


def test_two_clocks_are_compared(fleet: Fleet, drills: Drills) -> None:
    """A node whose CLOCK_BOOTTIME is ahead by hours, as any other machine's is."""
    ahead = ("unshare", "--time", "--boottime", "12345", "--fork", "--kill-child")
    other = drills.start("n2", "join", prefix=ahead)
    code, out, err = finished(drills.start("n1", "kill", "--json"))
    told = json.loads(out)
    assert code == 0, f"{told}\n{err}"
    least, most = told["rounds"][0]["clock_ahead_seconds"]
    assert least <= 12345 <= most
    assert most - least < 1
    heir = told["rounds"][0]["terms"][-1]
    assert heir["machine"]
    assert told["rounds"][0]["overlap_seconds"] == [0, 0]
    assert finished(other, 60)[0] == 0


def test_sigterm_mends_and_takes_away_everything(fleet: Fleet, drills: Drills) -> None:
    drill = drills.start("n1", "freeze", "--local", "2", "--ttl", "30s")
    told = drill.stderr
    assert told is not None
    until(lambda: "freeze:" in told.readline(), "the strike")
    drill.terminate()
    code, out, _err = finished(drill)
    assert (code, out) == (143, "")
    assert left(fleet) == []
    until(lambda: scratch_daemons() == [], "the end of everything that was started")


def test_a_real_election_is_never_touched(fleet: Fleet, drills: Drills) -> None:
    token, before = fleet.token("job"), fleet.etcd.etcdctl("get", "--prefix", "--keys-only", NAMESPACE).split()
    drill = drills.start("n1", "kill", "--election", "job", "--local", "2")
    code, _out, err = finished(drill)
    assert code == 64
    assert "never touches a real election" in err
    after = fleet.etcd.etcdctl("get", "--prefix", "--keys-only", NAMESPACE).split()
    assert set(before) <= set(after)
    assert fleet.token("job") == token
    # Named in the file, it is refused before etcd is asked.
    code, _out, err = finished(
        drills.start("n1", "kill", "--election", "job", "--file", str(fleet.home / "drill.yaml"))
    )
    assert code == 64
    assert "is an election of" in err


def test_an_election_that_has_only_a_past_is_somebodys_too(fleet: Fleet, drills: Drills) -> None:
    key = f"{NAMESPACE}.log/payroll/7"
    fleet.etcd.etcdctl("put", key, json.dumps({"v": 1, "mark": "stopped", "node": "web-1"}))
    code, _out, err = finished(drills.start("n1", "kill", "--election", "payroll", "--local", "2"))
    assert code == 64
    assert "web-1 led in it" in err
    assert fleet.etcd.etcdctl("get", "--keys-only", key).split() == [key]


def test_nodes_that_do_not_come_are_named_and_missed(fleet: Fleet, drills: Drills) -> None:
    code, out, err = finished(drills.start("n1", "kill", "--wait", "5s"))
    assert (code, out) == (75, "")
    assert "supervisor drill join" in err
    assert left(fleet) == []
    until(lambda: scratch_daemons() == [], "the end of everything that was started")
