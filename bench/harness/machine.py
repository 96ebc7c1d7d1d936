"""What the figures were taken on, in words."""

import os
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import supervisor
from tests.etcd_server import Binaries


def describe(binaries: Binaries, scratch: Path, rivals: Iterable[str]) -> dict[str, str]:
    """Nothing that names the machine or its owner."""
    cpu = next((v.strip() for k, _, v in _pairs("/proc/cpuinfo") if k.strip() == "model name"), platform.machine())
    memory = next((int(v.split()[0]) for k, _, v in _pairs("/proc/meminfo") if k == "MemTotal"), 0)
    return {
        "cpu": f"{os.cpu_count()} x {cpu}",
        "memory": f"{memory / 1024**2:.1f} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "supervisor": supervisor.__version__,
        "grpcio": metadata.version("grpcio"),
        "etcd": f"{binaries.version}, data on {_file_system(scratch)}, everything on this one machine",
        "rivals": ", ".join(sorted(rivals)) or "none",
        "load": f"{os.getloadavg()[0]:.1f} when it began",
    }


def _pairs(file: str) -> list[tuple[str, str, str]]:
    return [line.partition(":") for line in Path(file).read_text().splitlines()]


def _file_system(path: Path) -> str:
    """The type of the one that a path is on."""
    best, kind = "", "an unknown file system"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, at, type_, *_ = line.split()
        if path.resolve().is_relative_to(at) and len(at) >= len(best):
            best, kind = at, type_
    return kind
