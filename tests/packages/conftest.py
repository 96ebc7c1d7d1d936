"""Wheel, sdist and Debian package of this checkout, built once for all tests that look at them."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
OLD, NEW = "0.0.1.dev7", "0.0.1"
"""As a development's version is older than its release, by PyPI's order and by dpkg's."""
Once = Callable[[str, Callable[[Path], object]], Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """One version."""

    version: str
    wheel: Path
    sdist: Path


def build(directory: Path, version: str, *, source: Path = CHECKOUT) -> Built:
    """As ``make dist`` does."""
    command = [sys.executable, "-m", "packages.dist", "--output", str(directory), "--version", version]
    python(*command, cwd=source)
    return found(directory, version)


def found(directory: Path, version: str) -> Built:
    """What was built there."""
    wheel, sdist = next(directory.glob("*.whl")), next(directory.glob("*.tar.gz"))
    return Built(version=version, wheel=wheel, sdist=sdist)


def debian(directory: Path, built: Built) -> Path:
    """As ``make deb`` does, less the time that compression takes."""
    command = [sys.executable, "-m", "packages.deb", "--output", str(directory), "--compress", "none", str(built.wheel)]
    python(*command, cwd=CHECKOUT)
    return next(directory.glob("*.deb"))


def python(*command: str, cwd: Path) -> str:
    """What it prints."""
    done = subprocess.run(command, cwd=cwd, env=plain(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def plain(**more: str) -> dict[str, str]:
    """The environment, without what would let an installation see this checkout."""
    hidden = ("VIRTUAL_ENV", "PYTHONPATH", "SUPERVISOR_SOCKET")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return {**kept, "SOURCE_DATE_EPOCH": "1750000000", **more}


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Calls the builder that it is given, unless a worker of this run already did; the directory with what it built."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base

    def called(name: str, builder: Callable[[Path], object]) -> Path:
        directory = shared / f"packages-{name}"
        with (shared / f"packages-{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not directory.exists():
                unfinished = shared / f"packages-{name}.unfinished"
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir()
                builder(unfinished)
                unfinished.rename(directory)
        return directory

    return called


@pytest.fixture(scope="session")
def old(once: Once) -> Built:
    return found(once("old", lambda directory: build(directory, OLD)), OLD)


@pytest.fixture(scope="session")
def new(once: Once) -> Built:
    return found(once("new", lambda directory: build(directory, NEW)), NEW)


@pytest.fixture(scope="session")
def old_debian(once: Once, old: Built) -> Path:
    _need_debian()
    return next(once("old-debian", lambda directory: debian(directory, old)).glob("*.deb"))


@pytest.fixture(scope="session")
def new_debian(once: Once, new: Built) -> Path:
    _need_debian()
    return next(once("new-debian", lambda directory: debian(directory, new)).glob("*.deb"))


def _need_debian() -> None:
    for program in ("/usr/bin/dpkg-deb", "/usr/bin/python3.11"):
        if not os.access(program, os.X_OK):
            pytest.skip(f"no Debian 12: no {program}")
