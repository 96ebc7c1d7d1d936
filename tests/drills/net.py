"""A network of its own for every host of a drill: namespaces, veth pairs and one bridge, none of it in the machine's.

Promises: names are unique to this run and tell whose they are; ``close`` ends every process inside and removes all;
``sweep`` does the same for runs whose owner is dead. What is cut is dropped, never refused.
Does not: touch the network of the machine. The bridge lives in a namespace as well.

``tc netem`` is not in every kernel, so ``degrade`` runs the host's cable through ``cable.py`` instead.
"""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.drills.scratch import start_of

_PREFIX = "drill"
_HUB = "hub"
_SUBNET = "10.213.0"
_BRIDGE = "br0"
_TABLE = "drill"
_CABLE = Path(__file__).with_name("cable.py")
_PATIENCE_SECONDS = 10.0
_numbers = itertools.count(1)


def missing() -> str:
    """What this machine lacks for network namespaces; empty when nothing."""
    if os.geteuid():
        return "not root"
    if tools := [t for t in ("ip", "nft", "nsenter", "setpriv", "ss") if shutil.which(t) is None]:
        return f"no {', '.join(tools)} on PATH"
    return "" if Path("/dev/net/tun").exists() else "no /dev/net/tun"


def leash() -> list[str]:
    """Begins a command line whose process the kernel ends when the one that started it is gone."""
    return ["setpriv", "--pdeathsig", "KILL", "--"]


def run(*argv: str, timeout_seconds: float = 20) -> str:
    """A command that must succeed."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout_seconds, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Network:
    """``with Network(["n1", "n2"]) as net: net.inside("n1")``."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self._run = f"{_PREFIX}-{os.getpid()}-{start_of(os.getpid())}-{next(_numbers)}"
        self._addresses = {host: f"{_SUBNET}.{number}" for number, host in enumerate([_HUB, *hosts], start=1)}
        self._cables: dict[str, subprocess.Popen[str]] = {}

    def open(self) -> None:
        """Make all of it; on failure none of it is left."""
        sweep()
        try:
            for host in self._addresses:
                run("ip", "netns", "add", self._name(host))
                self._ip(host, "link set lo up")
            self._ip(_HUB, f"link add {_BRIDGE} type bridge")
            self._ip(_HUB, f"addr add {self._addresses[_HUB]}/24 dev {_BRIDGE}")
            self._ip(_HUB, f"link set {_BRIDGE} up")
            for host in self.hosts:
                self._connect(host)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Nothing of it is left: no process, no namespace."""
        for cable in self._cables.values():
            cable.kill()
            cable.wait()
        self._cables.clear()
        for host in self._addresses:
            _remove(self._name(host))

    @property
    def hosts(self) -> list[str]:
        """Those that were asked for."""
        return [host for host in self._addresses if host != _HUB]

    def address(self, host: str) -> str:
        """Its IPv4 address."""
        return self._addresses[host]

    def inside(self, host: str = _HUB) -> list[str]:
        """Begins a command line that runs in the host's network, and in nothing else of it."""
        return ["nsenter", f"--net=/run/netns/{self._name(host)}", "--"]

    # --- faults ------------------------------------------------------------------------------------------------------

    def cut(self, host: str, *, inbound: bool = True, outbound: bool = True) -> None:
        """Drop what the host receives, or sends, or both. Loopback stays."""
        rules = [f"add table inet {_TABLE}"]
        for hook, way, wanted in (("input", "iifname", inbound), ("output", "oifname", outbound)):
            if wanted:
                rules.append(f"add chain inet {_TABLE} {hook} {{ type filter hook {hook} priority 0; }}")
                rules.append(f'add rule inet {_TABLE} {hook} {way} != "lo" drop')
        run(*self.inside(host), "nft", "; ".join(rules))

    def cut_between(self, host: str, others: Sequence[str]) -> None:
        """Drop everything between a host and some others, both ways."""
        them = ", ".join(self._addresses[other] for other in others)
        rules = [f"add table inet {_TABLE}"]
        for hook, field in (("input", "saddr"), ("output", "daddr")):
            rules.append(f"add chain inet {_TABLE} {hook} {{ type filter hook {hook} priority 0; }}")
            rules.append(f"add rule inet {_TABLE} {hook} ip {field} {{ {them} }} drop")
        run(*self.inside(host), "nft", "; ".join(rules))

    def mend(self, host: str) -> None:
        """Undo ``cut`` and ``cut_between``."""
        run(*self.inside(host), "nft", f"add table inet {_TABLE}; delete table inet {_TABLE}")

    def lose(self, host: str, share: float) -> None:
        """Drop that share of the frames on the host's cable, each way, by the kernel's chance; connections stay as they are."""
        rules = [f"add table bridge {_TABLE}-{host}"]
        rules.append(f"add chain bridge {_TABLE}-{host} forward {{ type filter hook forward priority 0; }}")
        for way in ("iifname", "oifname"):
            chance = f"numgen random mod 1000 < {round(1000 * share)}"
            rules.append(f'add rule bridge {_TABLE}-{host} forward {way} "p-{host}" {chance} drop')
        run(*self.inside(), "nft", "; ".join(rules))

    def lose_nothing(self, host: str) -> None:
        """Undo ``lose``."""
        run(*self.inside(), "nft", f"add table bridge {_TABLE}-{host}; delete table bridge {_TABLE}-{host}")

    def unplug(self, host: str) -> None:
        """The cable is out: the bridge's side has no carrier, and the host's neither."""
        self._ip(_HUB, f"link set p-{host} down")

    def plug(self, host: str) -> None:
        """The cable is in again."""
        self._ip(_HUB, f"link set p-{host} up")

    def degrade(self, host: str, *, delay_seconds: float, loss: float, seed: int) -> None:
        """Run the host's cable through a process that delays every frame and loses some."""
        tap, far = f"t-{host}", f"u-{host}"
        argv = [sys.executable, "-I", "-S", str(_CABLE), tap, far, str(delay_seconds), str(loss), str(seed)]
        cable = subprocess.Popen([*leash(), *self.inside(), *argv], stdout=subprocess.PIPE, text=True)
        self._cables[host] = cable
        assert cable.stdout is not None
        if cable.stdout.readline() != "ready\n":
            raise RuntimeError(f"the slow cable of {host} does not work")
        mac = run("ip", "netns", "exec", self._name(host), "cat", "/sys/class/net/eth0/address").strip()
        self._ip(_HUB, f"link set {tap} master {_BRIDGE} up")
        self._ip(_HUB, f"link set {far} netns {self._name(host)}")
        self._ip(host, f"link set {far} address {mac}")
        self._ip(host, f"addr add {self._addresses[host]}/24 dev {far}")
        self._ip(host, "link set eth0 down")
        self._ip(host, f"link set {far} up")

    def restore(self, host: str) -> None:
        """Undo ``degrade``: connections live on over the good cable."""
        cable = self._cables.pop(host)
        cable.kill()
        cable.wait()
        assert cable.stdout is not None
        cable.stdout.close()
        self._ip(host, "link set eth0 up")

    # --- parts -------------------------------------------------------------------------------------------------------

    def _connect(self, host: str) -> None:
        self._ip(_HUB, f"link add p-{host} type veth peer name eth0 netns {self._name(host)}")
        self._ip(_HUB, f"link set p-{host} master {_BRIDGE} up")
        self._ip(host, f"addr add {self._addresses[host]}/24 dev eth0")
        self._ip(host, "link set eth0 up")

    def _name(self, host: str) -> str:
        return f"{self._run}-{host}"

    def _ip(self, host: str, words: str) -> None:
        run("ip", "-n", self._name(host), *words.split())


def sweep() -> None:
    """Remove what earlier runs left whose owner is dead, processes first."""
    for line in run("ip", "netns", "list").splitlines():
        name = line.split()[0]
        words = name.split("-")
        if words[0] == _PREFIX and len(words) == 5 and start_of(int(words[1])) != int(words[2]):
            _remove(name)


def _remove(name: str) -> None:
    if not Path(f"/run/netns/{name}").exists():
        return
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while pids := run("ip", "netns", "pids", name).split():
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        if time.monotonic() > deadline:
            raise RuntimeError(f"does not end: pids {', '.join(pids)} in network namespace {name}")
        time.sleep(0.02)
    run("ip", "netns", "del", name)
