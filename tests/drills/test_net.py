"""The faults of the network do what they say, and no more; a network is gone when it is closed, or its owner dead."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.drills import net, scratch
from tests.drills.net import Network

pytestmark = [pytest.mark.drill, pytest.mark.root]

PORT = 4000
LISTEN = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 4000)); print("ready", flush=True)
while True: print(s.recv(100).decode(), time.clock_gettime_ns(time.CLOCK_BOOTTIME), flush=True)
"""
SAY = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(int(sys.argv[2])):
    s.sendto(b"%d" % time.clock_gettime_ns(time.CLOCK_BOOTTIME), (sys.argv[1], 4000)); time.sleep(0.002)
"""
QUIET_SECONDS = 0.5


@pytest.fixture
def network() -> Iterator[Network]:
    if why := net.missing():
        pytest.skip(f"no network namespaces here: {why}")
    one = Network(["a", "b", "c"])
    one.open()
    yield one
    one.close()


class Ear:
    """Hears datagrams on a host."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._read()

    def delays(self, count: int, patience_seconds: float = QUIET_SECONDS) -> list[float]:
        """Seconds that each datagram took; fewer than ``count`` if nothing comes for a while."""
        found: list[float] = []
        while len(found) < count and (line := self._read(patience_seconds)):
            sent, heard = map(int, line.split())
            found.append((heard - sent) / 1e9)
        return found

    def _read(self, patience_seconds: float = 10.0) -> bytes:
        assert self._process.stdout is not None
        fd, line, deadline = self._process.stdout.fileno(), b"", time.monotonic() + patience_seconds
        while not line.endswith(b"\n"):
            if not select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return b""
            line += os.read(fd, 1)
        return line


@contextmanager
def ear(network: Network, host: str) -> Iterator[Ear]:
    argv = [*net.leash(), *network.inside(host), sys.executable, "-I", "-S", "-c", LISTEN]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        try:
            yield Ear(process)
        finally:
            process.kill()


def say(network: Network, host: str, to: str, count: int = 1) -> None:
    argv = [*network.inside(host), sys.executable, "-I", "-S", "-c", SAY, network.address(to), str(count)]
    subprocess.run(argv, check=False, timeout=30)  # a host that is cut may not even resolve


@pytest.mark.parametrize(
    ("inbound", "outbound", "hears", "is_heard"),
    [(True, True, 0, 0), (True, False, 0, 1), (False, True, 1, 0)],
)
def test_a_cut_is_one_way_or_both_and_mends(
    network: Network, inbound: bool, outbound: bool, hears: int, is_heard: int
) -> None:
    with ear(network, "a") as a, ear(network, "b") as b:
        say(network, "a", "b")
        assert len(b.delays(1, 10)) == 1
        network.cut("b", inbound=inbound, outbound=outbound)
        say(network, "a", "b")
        say(network, "b", "a")
        assert len(b.delays(1)) == hears
        assert len(a.delays(1)) == is_heard
        network.mend("b")
        say(network, "a", "b")
        assert len(b.delays(1, 10)) == 1


def test_a_cut_between_two_leaves_the_third(network: Network) -> None:
    with ear(network, "b") as b:
        network.cut_between("a", ["b"])
        say(network, "a", "b")
        assert b.delays(1) == []
        say(network, "c", "b")
        assert len(b.delays(1, 10)) == 1


def test_a_pulled_cable(network: Network) -> None:
    with ear(network, "b") as b:
        network.unplug("a")
        say(network, "a", "b")
        assert b.delays(1) == []
        network.plug("a")
        say(network, "a", "b")
        assert len(b.delays(1, 10)) == 1


def test_a_bad_cable_delays_and_loses_and_is_replaced(network: Network) -> None:
    with ear(network, "b") as b:
        network.degrade("a", delay_seconds=0.2, loss=0.2, seed=1)
        say(network, "a", "b", 5)  # the address is resolved late, too
        b.delays(5, 3)
        say(network, "a", "b", 300)
        delays = b.delays(300, 2)
        assert 150 < len(delays) < 290
        assert min(delays) >= 0.2
        network.restore("a")
        say(network, "a", "b", 50)
        assert len(b.delays(50, 5)) == 50


def test_a_cable_that_loses_loses_that_share_and_no_other_does(network: Network) -> None:
    with ear(network, "b") as b:
        say(network, "a", "b")  # so that the address is known
        say(network, "c", "b")
        b.delays(2, 10)
        network.lose("a", 0.3)
        say(network, "a", "b", 300)
        assert 150 < len(b.delays(300, 2)) < 270
        say(network, "c", "b", 50)
        assert len(b.delays(50, 5)) == 50
        network.lose_nothing("a")
        say(network, "a", "b", 50)
        assert len(b.delays(50, 5)) == 50


def test_what_a_dead_run_left_is_swept_and_the_living_stay(network: Network, tmp_path: Path) -> None:
    script = (
        "import os, subprocess; from tests.drills import net, scratch\n"
        "one = net.Network(['x']); one.open()\n"
        "print(one.inside('x')[1].rpartition('/')[2], scratch.make(), flush=True)\n"
        "subprocess.Popen([*one.inside('x'), 'sleep', '1000'], stdout=subprocess.DEVNULL); os._exit(9)"
    )
    left = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, timeout=30, check=False)
    name, directory = left.stdout.split()
    assert Path(f"/run/netns/{name}").exists()
    assert net.run("ip", "netns", "pids", name).split(), "a process is left in it"
    mine = scratch.make()
    net.sweep()
    scratch.sweep()
    assert not Path(f"/run/netns/{name}").exists()
    assert not Path(directory).exists()
    assert mine.exists()
    scratch.remove(mine)
    say(network, "a", "b")
    assert network.inside("a")[1].startswith("--net=")
    assert Path(network.inside("a")[1].removeprefix("--net=")).exists()
