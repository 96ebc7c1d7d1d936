"""``make lock``: write packages/lock.txt, the releases of the libraries that go into the Debian package, with their hashes.

Promises: what pip takes for the wheel today, for Python 3.11 on the two architectures that have wheels of everything; nothing but
wheels. Does not: install any of it. Run it when a dependency was added, or is to be newer, and run the tests with what it wrote.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Final

from packages.deb import LOCK, normal

PLATFORMS: Final = ("x86_64", "aarch64")
GLIBC: Final = ("manylinux2014", "manylinux_2_17", "manylinux_2_28")


def main() -> int:
    """Write it."""
    parser = argparse.ArgumentParser(description="Write packages/lock.txt for a wheel.")
    parser.add_argument("wheel", type=Path)
    wheel = parser.parse_args().wheel.absolute()
    pins = resolved(wheel)
    hashes: dict[str, set[str]] = defaultdict(set)
    for machine in PLATFORMS:
        with tempfile.TemporaryDirectory() as directory:
            for path in downloaded(pins, machine, Path(directory)):
                hashes[normal(path.name.split("-")[0])].add(hashlib.sha256(path.read_bytes()).hexdigest())
    entries = (
        " \\\n    ".join([f"{name}=={version}", *(f"--hash=sha256:{one}" for one in sorted(hashes[name]))])
        for name, version in sorted(pins.items())
    )
    LOCK.write_text("\n".join(entries) + "\n")
    return 0


def resolved(wheel: Path) -> dict[str, str]:
    """Every library, by its name, with the release that pip chooses."""
    command = ["install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-", str(wheel)]
    told = subprocess.run([sys.executable, "-m", "pip", *command], check=True, stdout=subprocess.PIPE, text=True)
    found = [one["metadata"] for one in json.loads(told.stdout)["install"]]
    return {normal(m["name"]): m["version"] for m in found if normal(m["name"]) != "election-supervisor"}


def downloaded(pins: dict[str, str], machine: str, directory: Path) -> list[Path]:
    """Their wheels for one architecture."""
    platforms = [word for glibc in GLIBC for word in ("--platform", f"{glibc}_{machine}")]
    wanted = [f"{name}=={version}" for name, version in pins.items()]
    flags = ["--quiet", "--no-deps", "--only-binary=:all:", "--python-version=3.11", "--implementation=cp"]
    command = ["download", *flags, *platforms, "--dest", str(directory), *wanted]
    subprocess.run([sys.executable, "-m", "pip", *command], check=True)
    return sorted(directory.glob("*.whl"))


if __name__ == "__main__":
    sys.exit(main())
