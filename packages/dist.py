"""``make dist``: wheel and sdist, with the man pages and the completions in them.

Promises: what is built is what git knows of this directory, edits included; the directory itself is left as it is. The same commit
gives the same two files, bit by bit, wherever the same build tools are used: times are the commit's ($SOURCE_DATE_EPOCH, if it is
set), owners and modes are fixed. Works from an unpacked sdist, too. Does not: publish anything.
"""

import argparse
import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
PRETEND: Final = "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_ELECTION_SUPERVISOR"
COMPLETIONS: Final = {
    "bash": "bash-completion/completions/supervisor",
    "zsh": "zsh/site-functions/_supervisor",
    "fish": "fish/vendor_completions.d/supervisor.fish",
}


def main() -> int:
    """Build both, and print where they are."""
    parser = argparse.ArgumentParser(description="Build wheel and sdist.")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="where to [default: dist]")
    parser.add_argument("--version", help="instead of the one that git tells")
    arguments = parser.parse_args()
    version = arguments.version or told()
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch()), PRETEND: version, "PYTHONHASHSEED": "0"}
    arguments.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dist-") as directory:
        tree, made = Path(directory, "tree"), Path(directory, "made")
        copy(tree)
        write_share(tree, environment)
        run("-m", "build", "--outdir", str(made), cwd=tree, environment=environment)
        for path in sorted(made.iterdir()):
            if path.name.endswith(".tar.gz"):
                level(path, epoch())
            print(shutil.copy(path, arguments.output / path.name))
    return 0


def told() -> str:
    """The version of this directory."""
    done = subprocess.run(
        [sys.executable, "-m", "setuptools_scm"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.strip()


def epoch() -> int:
    """The instant that everything in the packages is from."""
    if chosen := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(chosen)
    if (ROOT / ".git").exists():
        return int(subprocess.check_output(["git", "log", "-1", "--format=%ct"], cwd=ROOT, text=True))
    return int((ROOT / "PKG-INFO").stat().st_mtime)  # an sdist: its files are from the commit


def copy(tree: Path) -> None:
    """What belongs to the project: as git knows it, or, in an sdist, all there is."""
    if not (ROOT / ".git").exists():
        own = (
            ".venv*",
            "dist",
            "build",
            "*.egg-info",
            "PKG-INFO",
            "setup.cfg",
            "__pycache__",
            ".*_cache",
            ".hypothesis",
        )
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*own))
        return
    listed = subprocess.check_output(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True
    )
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)


def write_share(tree: Path, environment: dict[str, str]) -> None:
    """What the command says of itself, for man and the shells."""
    run("-m", "setuptools_scm", "--force-write-version-files", cwd=tree, environment=environment)
    ours = {**environment, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    share = tree / "share"
    run("-m", "supervisor.cli.manual", str(share / "man/man1"), cwd=tree, environment=ours)
    for shell, place in COMPLETIONS.items():
        path = share / place
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as out:
            run("-m", "supervisor", "completion", shell, cwd=tree, environment=ours, stdout=out.fileno())


def level(path: Path, instant: int) -> None:
    """Write an sdist again, without what depends on who built it and when."""
    packed = io.BytesIO()
    with tarfile.open(path) as given, tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as made:
        for member in sorted(given.getmembers(), key=lambda m: m.name):
            member.uid = member.gid = 0
            member.uname = member.gname = "root"
            member.mtime, member.pax_headers = instant, {}
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            made.addfile(member, given.extractfile(member) if member.isfile() else None)
    with path.open("wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=instant) as out:
        out.write(packed.getvalue())


def run(*command: str, cwd: Path, environment: dict[str, str], stdout: int | None = None) -> None:
    """One more Python like this one; what it says of its progress goes to our stderr."""
    subprocess.run(
        [sys.executable, *command], cwd=cwd, env=environment, stdout=stdout or sys.stderr.fileno(), check=True
    )


if __name__ == "__main__":
    sys.exit(main())
