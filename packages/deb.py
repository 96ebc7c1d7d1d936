"""``make deb``: a Debian package, made of the wheel and of packages/debian.

Promises: a virtual environment of its own under /opt/election-supervisor, for Debian's python3.11, with the libraries that
packages/lock.txt names (and no others: their hashes are checked); the same wheel and lock give the same package, bit by bit. Needs
dpkg-deb and Debian's python3.11, and PyPI for the libraries; not root, not debhelper (docs/decisions/0034).
"""

import argparse
import email.message
import email.parser
import gzip
import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from packages.dist import ROOT, epoch

NAME: Final = "election-supervisor"
HOME: Final = f"opt/{NAME}"
SITE: Final = f"{HOME}/lib/python3.11/site-packages"
DOC: Final = f"usr/share/doc/{NAME}"
PYTHON: Final = "/usr/bin/python3.11"
SOURCE: Final = ROOT / "packages/debian"
LOCK: Final = ROOT / "packages/lock.txt"

# -I: neither the caller's directory nor a PYTHON... of the environment has a say. -B: nothing is written beside the files.
COMMAND: Final = f"""#!/{HOME}/bin/python -IB
import sys
from supervisor.cli.main import main
sys.exit(main())
"""
CONFIG: Final = "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11\n"
UNUSED: Final = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
"""Of a dist-info: pip's own notes, with paths of the machine that builds."""

CONTROL: Final = """\
Package: {name}
Version: {version}
Architecture: {architecture}
Maintainer: election-supervisor maintainers <maintainers@election-supervisor.invalid>
Installed-Size: {size}
Depends: python3.11, libc6 (>= 2.28), libstdc++6, libgcc-s1, systemd | systemd-sysusers, init-system-helpers (>= 1.54~)
Suggests: etcd-server, etcd-client
Conflicts: supervisor
Section: admin
Priority: optional
Description: declarative, election-driven process supervisor over etcd
 A YAML file says which elections a node takes part in, and which commands each
 role runs. The supervisor campaigns, starts the leader's processes on winning,
 and on demotion stops them, proves that none is left, and only then gives the
 office up: never two leaders at once, and failover as fast as etcd allows.
 .
 Nothing is enabled or started by the installation: edit
 /etc/supervisor/supervisor.yaml, then systemctl enable --now supervisor.
 .
 It is another program than Debian's package "supervisor", and has the same
 name of unit and of configuration directory: one of the two can be installed.
"""
LICENCES: Final = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: election-supervisor
Comment: Each library's own licence text is in its directory *.dist-info below /{site}.

Files: *
Copyright: the election-supervisor maintainers
License: Apache-2.0

License: Apache-2.0
 On Debian systems: /usr/share/common-licenses/Apache-2.0.
"""


def main() -> int:
    """Build it, and print where it is."""
    parser = argparse.ArgumentParser(description="Build the Debian package of a wheel.")
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="directory [default: dist]")
    parser.add_argument("--compress", default="xz", choices=("xz", "zstd", "none"), help="[default: xz]")
    arguments = parser.parse_args()
    os.umask(0o022)
    arguments.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="deb-") as directory:
        stage = Path(directory, "stage")
        environment(stage, arguments.wheel.absolute(), Path(directory))
        shared(stage)
        documents(stage, debian_version(arguments.wheel))
        print(pack(stage, debian_version(arguments.wheel), arguments.output, arguments.compress))
    return 0


def debian_version(wheel: Path) -> str:
    """As dpkg sorts it: a tilde is before everything, and so 0.1~dev5 before 0.1."""
    public, plus, local = wheel.name.split("-")[1].partition("+")
    return re.sub(r"\.?(dev|a|b|rc)(\d)", r"~\1\2", public) + plus + local


def environment(stage: Path, wheel: Path, scratch: Path) -> None:
    """The virtual environment, and the command that runs in it."""
    site = stage / SITE
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    wanted = scratch / "wanted.txt"
    wanted.write_text(f"{LOCK.read_text()}\n{wheel} --hash=sha256:{digest}\n")
    pip("install", "--no-deps", "--require-hashes", "--only-binary=:all:", "--no-compile", "-r", wanted, target=site)
    complete(site)
    shutil.rmtree(site / "bin")
    (site / "share").rename(stage / HOME / "share")
    for info in site.glob("*.dist-info"):
        for name in UNUSED:
            (info / name).unlink(missing_ok=True)
    for cache in site.rglob("__pycache__"):
        shutil.rmtree(cache)
    # Found by its hash, not its time: nothing is compiled, or written, on the machine that runs it.
    subprocess.run(
        [PYTHON, "-m", "compileall", "-qf", "--invalidation-mode=unchecked-hash", "-s", stage, "-p", "/", site],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        check=True,
    )
    write(stage / HOME / "pyvenv.cfg", CONFIG)
    (stage / HOME / "bin").mkdir()
    (stage / HOME / "bin/python").symlink_to(PYTHON)
    write(stage / "usr/bin/supervisor", COMMAND)
    (stage / "usr/bin/supervisor").chmod(0o755)


def pip(*arguments: str | Path, target: Path) -> None:
    """Install there, whatever is installed where we run."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments, "--quiet", "--target", target]
    subprocess.run(command, check=True, stdout=sys.stderr)


def complete(site: Path) -> None:
    """Whether the lock has all that the wheel needs. Ends the program if not."""
    there = list(importlib.metadata.distributions(path=[str(site)]))
    have = {normal(one.name) for one in there}
    asked = (Requirement(text) for one in there for text in one.requires or ())
    needs = {normal(one.name) for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})}
    if lacking := needs - have:
        raise SystemExit(f"{LOCK.name} lacks {', '.join(sorted(lacking))}: run `make lock`")


def normal(name: str) -> str:
    """The name of a distribution, as all spellings of it are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def shared(stage: Path) -> None:
    """What the wheel has in share/, where Debian has such things; and the configuration."""
    share, usr = stage / HOME / "share", stage / "usr"
    places = {
        "man": "share/man",
        "bash-completion": "share/bash-completion",
        "zsh/site-functions": "share/zsh/vendor-completions",
        "fish": "share/fish",
        f"{NAME}/systemd/supervisor.service": "lib/systemd/system/supervisor.service",
        f"{NAME}/systemd/supervisor@.service": "lib/systemd/system/supervisor@.service",
        f"{NAME}/systemd/user": "lib/systemd/user",
        f"{NAME}/systemd/supervisor.sysusers": f"lib/sysusers.d/{NAME}.conf",
        f"{NAME}/systemd/supervisor.tmpfiles": f"lib/tmpfiles.d/{NAME}.conf",
        f"{NAME}/systemd/drop-ins": f"share/{NAME}/drop-ins",
        f"{NAME}/examples": f"share/{NAME}/examples",
        f"{NAME}/prometheus": f"share/{NAME}/prometheus",
        f"{NAME}/grafana": f"share/{NAME}/grafana",
    }
    for given, place in places.items():
        (usr / place).parent.mkdir(parents=True, exist_ok=True)
        (share / given).rename(usr / place)
    left = [path for path in share.rglob("*") if path.is_file()]
    if left:
        raise SystemExit(f"nobody said where {left[0].relative_to(share)} goes: packages/deb.py")
    shutil.rmtree(share)
    for page in (usr / "share/man").rglob("*.1"):
        zipped(page.with_name(f"{page.name}.gz"), page.read_text())
        page.unlink()
    write(stage / "etc/supervisor/supervisor.yaml", (SOURCE / "supervisor.yaml").read_text())


def documents(stage: Path, version: str) -> None:
    """What is told about it."""
    for path in [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs/reference").glob("*.md")]:
        write(stage / DOC / path.relative_to(ROOT / "docs"), path.read_text())
    zipped(stage / DOC / "changelog.gz", (ROOT / "CHANGELOG.md").read_text())
    date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(epoch()))
    maintainer = CONTROL.split("Maintainer: ")[1].split("\n")[0]
    entry = f"{NAME} ({version}) stable; urgency=medium\n\n  * See changelog.gz.\n\n -- {maintainer}  {date}\n"
    zipped(stage / DOC / "changelog.Debian.gz", entry)
    write(stage / DOC / "copyright", LICENCES.format(site=SITE) + "".join(licences(stage / SITE)))
    write(stage / f"usr/share/lintian/overrides/{NAME}", (SOURCE / "lintian-overrides").read_text())


def licences(site: Path) -> Iterator[str]:
    """A paragraph for each library, of what it says itself."""
    for info in sorted(site.glob("*.dist-info")):
        told = email.parser.Parser().parsestr((info / "METADATA").read_text())
        if told["Name"] == NAME:
            continue
        files = sorted(f"{SITE}/{path.name}" for path in owned(info, site))
        yield f"\nFiles: {' '.join(f'{name}*' for name in files)}\n"
        yield f"Copyright: {told['Author'] or told['Author-email'] or 'the authors of ' + told['Name']}\n"
        licence = licence_of(told)
        yield f"License: {licence}\n See /{SITE}/{info.name}.\n"


def owned(info: Path, site: Path) -> set[Path]:
    """The dist-info, and the packages of the same name."""
    name = info.name.split("-")[0].lower()
    return {info, *(path for path in site.iterdir() if path.name.lower().strip("_") in {name, name.removeprefix("py")})}


def licence_of(told: email.message.Message) -> str:
    """In one word, as a distribution's metadata have it."""
    classified = [c.rpartition(" :: ")[2] for c in told.get_all("Classifier", []) if c.startswith("License ::")]
    said = told["License-Expression"] or (classified or [told["License"] or "see-its-directory"])[0]
    return re.sub(r"\s+", "-", str(said).strip())


def pack(stage: Path, version: str, output: Path, compress: str) -> Path:
    """The package of the stage."""
    architecture = subprocess.check_output(["dpkg", "--print-architecture"], text=True).strip()
    files = sorted(path for path in stage.rglob("*") if path.is_file() and not path.is_symlink())
    size = sum(-(-path.lstat().st_size // 1024) for path in files)
    debian = stage / "DEBIAN"
    sums = (f"{hashlib.md5(p.read_bytes()).hexdigest()}  {p.relative_to(stage)}\n" for p in files)  # noqa: S324 # dpkg's
    write(debian / "md5sums", "".join(sums))
    write(debian / "control", CONTROL.format(name=NAME, version=version, architecture=architecture, size=size))
    write(debian / "conffiles", "/etc/supervisor/supervisor.yaml\n")
    for script in ("postinst", "prerm", "postrm"):
        write(debian / script, (SOURCE / script).read_text())
    instant = epoch()
    for path in sorted(stage.rglob("*"), reverse=True):
        if not path.is_symlink():
            executable = path.is_dir() or path.parent.name == "bin" or path.name in {"postinst", "prerm", "postrm"}
            path.chmod(0o755 if executable else 0o644)
        os.utime(path, (instant, instant), follow_symlinks=False)
    made = output / f"{NAME}_{version}_{architecture}.deb"
    flags = ["--root-owner-group", f"-Z{compress}", "--threads-max=1"]
    subprocess.run(
        ["dpkg-deb", *flags, "--build", stage, made],
        env={**os.environ, "SOURCE_DATE_EPOCH": str(instant)},
        check=True,
        stdout=sys.stderr,
    )
    return made


def write(path: Path, text: str) -> None:
    """A file, with its directories."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def zipped(path: Path, text: str) -> None:
    """A gzip of it without name and time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    sys.exit(main())
