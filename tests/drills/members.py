"""The three etcd members of a drill, each on a host of its own, with etcd's default timeouts unless told otherwise.

Promises: every member ends with the test run; ``etcdctl`` runs on the hub, where no fault of a host reaches it, and
against members that run only.
"""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.drills import scratch
from tests.drills.net import Network, leash
from tests.etcd_server import Binaries

_START_SECONDS = 40.0
_RESENT = re.compile(r"timer:\(on,[^,]*,(\d+)\)")
"""``ss -o``: the retransmission timer, and how often it has run out."""


class Member:
    """One etcd."""

    def __init__(self, net: Network, name: str, home: Path, binaries: Binaries, arguments: Sequence[str]) -> None:
        self.name, self._net, self._home = name, net, home
        address = net.address(name)
        self.endpoint = f"http://{address}:2379"
        self.peer = f"http://{address}:2380"
        self._binaries, self._arguments = binaries, arguments
        self._process: subprocess.Popen[bytes] | None = None
        self.frozen = False

    def start(self, cluster: str) -> None:
        """Without waiting: a majority must run before any answers."""
        argv = [
            *leash(), *self._net.inside(self.name), self._binaries.etcd, "--name", self.name,
            "--data-dir", str(self._home / "data"), "--initial-cluster", cluster,
            "--listen-client-urls", self.endpoint, "--advertise-client-urls", self.endpoint,
            "--listen-peer-urls", self.peer, "--initial-advertise-peer-urls", self.peer,
            "--logger", "zap", *self._arguments,
        ]  # fmt: skip
        self._home.mkdir(parents=True, exist_ok=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ETCD")}
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)

    @property
    def runs(self) -> bool:
        """Whether it could answer."""
        return self._process is not None and not self.frozen

    def kill(self) -> None:
        """SIGKILL, and gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process, self.frozen = None, False

    def stop(self) -> None:
        """SIGTERM, and gone: a leader hands over first."""
        assert self._process is not None, f"{self.name} does not run"
        self._process.terminate()
        self._process.wait(_START_SECONDS)
        self._process = None

    def freeze(self) -> None:
        """SIGSTOP: its connections stay open."""
        self._signal(signal.SIGSTOP)
        self.frozen = True

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)
        self.frozen = False

    def says(self) -> str:
        """Its log."""
        return (self._home / "log").read_text(errors="replace")

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, f"{self.name} does not run"
        self._process.send_signal(number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A candidate in the queue."""

    name: str
    token: int
    lease: int


class Cluster:
    """All members, and what is asked of them."""

    def __init__(
        self, net: Network, names: Sequence[str], *, binaries: Binaries, arguments: Sequence[str] = ()
    ) -> None:
        self._home = scratch.make(in_memory=True)
        self._net, self.binaries = net, binaries
        self.members = [Member(net, name, self._home / name, binaries, arguments) for name in names]
        self._initial = ",".join(f"{m.name}={m.peer}" for m in self.members)

    @property
    def endpoints(self) -> list[str]:
        """Of every member."""
        return [m.endpoint for m in self.members]

    def start(self) -> None:
        """Start every member that does not run, and return when all answer."""
        for member in self.members:
            if member.frozen:
                member.thaw()
            if not member.runs:
                member.start(self._initial)
        self.wait_ready()

    def wait_ready(self) -> None:
        """Until every member that runs answers a linearizable read."""
        running = [m for m in self.members if m.runs]
        deadline = time.monotonic() + _START_SECONDS
        while not all(self._answers(m) for m in running):
            if time.monotonic() > deadline:
                raise RuntimeError("etcd does not answer:\n" + "\n".join(m.says()[-2000:] for m in running))
            time.sleep(0.05)

    def close(self, logs: Path | None = None) -> None:
        """SIGKILL all, and their data is gone; their logs go to a directory, if one is given."""
        for member in self.members:
            member.kill()
            if logs is not None and (self._home / member.name / "log").exists():
                shutil.copy(self._home / member.name / "log", logs / f"{member.name}.log")
        scratch.remove(self._home)

    def leader(self) -> Member | None:
        """The member that leads, as the majority of those that run sees it; None when there is none just now."""
        statuses = {m.name: s for m in self.members if m.runs and (s := self._status(m))}
        for name, status in statuses.items():
            told = sum(1 for s in statuses.values() if s.get("leader") == status["header"]["member_id"])
            if 2 * told > len(self.members):
                return next(m for m in self.members if m.name == name)
        return None

    def wait_leader(self, unlike: Member | None = None, tend: Callable[[], None] = lambda: None) -> Member:
        """Until there is a leader, and another one than the one given."""
        deadline = time.monotonic() + _START_SECONDS
        while (leader := self.leader()) is None or leader is unlike:
            if time.monotonic() > deadline:
                raise RuntimeError("etcd elects no (other) leader")
            tend()
            time.sleep(0.05)
        return leader

    def whole(self) -> bool:
        """Whether the members have one leader and really hear each other again.

        A mended cut is not the end of it: TCP waits for its next retransmission, seconds later, and until then two members
        may be apart. Whoever breaks a third meanwhile has broken two.
        """
        told = {s.get("leader") for m in self.members if (s := self._status(m))}
        return len(told) == 1 and told != {None} and not any(self._resends(m) for m in self.members)

    def _resends(self, member: Member) -> bool:
        """Whether a connection of this member to another waits for an answer to something that it sent repeatedly."""
        argv = [*self._net.inside(member.name), "ss", "-Htno", "( sport = :2380 or dport = :2380 )"]
        said = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=True).stdout
        return any(int(times) > 0 for times in _RESENT.findall(said))

    def move_leader(self) -> None:
        """Have another member lead."""
        leader = self.wait_leader()
        heir = next(m for m in self.members if m is not leader and m.runs)
        status = self._status(heir)
        assert status is not None, f"{heir.name} does not answer"
        self.etcdctl("move-leader", format(status["header"]["member_id"], "x"), member=leader)
        self.wait_leader(unlike=leader)

    def queue(self, prefix: str) -> list[Key] | None:
        """The keys below a prefix, the oldest first; None when etcd does not answer."""
        try:
            said = json.loads(self.etcdctl("get", "--prefix", prefix, "--write-out", "json", timeout_seconds=3))
        except (RuntimeError, subprocess.TimeoutExpired):
            return None
        keys = [
            Key(name=base64.b64decode(kv["key"]).decode(), token=kv["create_revision"], lease=kv.get("lease", 0))
            for kv in said.get("kvs", [])
        ]
        return sorted(keys, key=lambda key: key.token)

    def etcdctl(self, *arguments: str, member: Member | None = None, timeout_seconds: float = 10) -> str:
        """Run etcdctl against one member, or all that run. RuntimeError when it fails."""
        endpoints = ",".join([member.endpoint] if member else [m.endpoint for m in self.members if m.runs])
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ETCDCTL")} | {"ETCDCTL_API": "3"}
        argv = [
            *self._net.inside(), self.binaries.etcdctl, "--endpoints", endpoints,
            "--command-timeout", f"{timeout_seconds}s", "--dial-timeout", "2s", *arguments,
        ]  # fmt: skip
        done = subprocess.run(
            argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=timeout_seconds + 5,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"etcdctl {' '.join(arguments)[:200]}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def _answers(self, member: Member) -> bool:
        try:
            self.etcdctl("get", "nothing", member=member, timeout_seconds=2)
        except (RuntimeError, subprocess.TimeoutExpired):
            return False
        return True

    def _status(self, member: Member) -> dict[str, Any] | None:
        try:
            said = self.etcdctl("endpoint", "status", "--write-out", "json", member=member, timeout_seconds=1)
            status: dict[str, Any] = json.loads(said)[0]["Status"]
        except (RuntimeError, subprocess.TimeoutExpired, IndexError, ValueError):
            return None
        return status
