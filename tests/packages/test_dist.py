"""Wheel and sdist: all that is needed is in them, and a fresh environment can be made of them; the version is git's."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from supervisor.cli.manual import pages
from tests.packages.conftest import CHECKOUT, OLD, Built, build, plain, python

pytestmark = pytest.mark.xdist_group("packages")


def git_knows(*folders: str) -> set[str]:
    listed = subprocess.check_output(["git", "ls-files", "--", *folders], cwd=CHECKOUT, text=True)
    return set(listed.splitlines())


def inside(wheel: Path) -> list[tuple[object, ...]]:
    """What differs, when two differ."""
    with zipfile.ZipFile(wheel) as archive:
        return [(i.filename, i.CRC, i.date_time, i.external_attr, i.compress_size) for i in archive.infolist()]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, old: Built) -> Path:
    """An environment that has the wheel, and of this checkout nothing."""
    directory = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(directory, with_pip=False)
    install = [sys.executable, "-m", "pip", "--python", str(directory / "bin/python"), "install", "-q", str(old.wheel)]
    python(*install, cwd=directory)
    return directory


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *arguments], env=plain(), cwd="/", capture_output=True, text=True, check=False)


def test_the_wheel_has_the_generated_code_and_all_that_a_system_wants_beside_it(old: Built) -> None:
    names = set(zipfile.ZipFile(old.wheel).namelist())
    assert names >= {name for name in git_knows("supervisor") if "/." not in name}
    assert "supervisor/pb/control_pb2.py" in names
    share = {name.partition(".data/data/share/")[2] for name in names} - {""}
    assert {f"man/man1/{page}" for page in pages()} <= share
    units = git_knows("systemd")
    assert {f"election-supervisor/{name}" for name in units} <= share
    examples = {Path(name).name for name in git_knows("config/examples")}
    assert {f"election-supervisor/examples/{name}" for name in examples} <= share
    assert {
        "bash-completion/completions/supervisor",
        "zsh/site-functions/_supervisor",
        "fish/vendor_completions.d/supervisor.fish",
    } <= share


def test_the_sdist_is_the_checkout(old: Built) -> None:
    with tarfile.open(old.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert git_knows() - names <= {name for name in git_knows() if name.startswith(".ci/")}
    assert "share/man/man1/supervisor.1" in names


def test_the_same_is_built_of_the_sdist_where_there_is_no_git(old: Built, tmp_path: Path) -> None:
    with tarfile.open(old.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    tree = next(tmp_path.iterdir())
    told = subprocess.run(
        [sys.executable, "-m", "setuptools_scm"], cwd=tree, env=plain(), capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == OLD
    again = build(tmp_path / "again", OLD, source=tree)
    assert inside(again.wheel) == inside(old.wheel)
    for mine, theirs in ((again.wheel, old.wheel), (again.sdist, old.sdist)):
        assert hashlib.sha256(mine.read_bytes()).hexdigest() == hashlib.sha256(theirs.read_bytes()).hexdigest()


def test_a_fresh_environment_runs_it(installed: Path) -> None:
    supervisor = installed / "bin/supervisor"
    assert run(supervisor, "version").stdout.startswith(f"supervisor {OLD} (Python 3.11.")
    assert run(supervisor, "--version").stdout == f"supervisor {OLD}\n"
    examples = installed / "share/election-supervisor/examples"
    checked = run(supervisor, "check", "--insecure-permissions", str(examples / "quickstart.yaml"))
    assert checked.returncode == 0, checked.stderr
    where = run(installed / "bin/python", "-c", "import supervisor; print(supervisor.__file__)").stdout
    assert Path(where.strip()).is_relative_to(installed)


def test_tools_that_install_programs_install_it(old: Built, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    venv.create(tools, with_pip=True)
    python(str(tools / "bin/python"), "-m", "pip", "install", "-q", "pipx", "uv", cwd=tmp_path)
    index = subprocess.run(
        [tools / "bin/pip", "config", "get", "global.index-url"], capture_output=True, text=True, check=False
    )
    where = {
        "HOME": str(tmp_path),
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(tmp_path / "pipx-bin"),
        "PIPX_MAN_DIR": str(tmp_path / "pipx-man"),
        "PIPX_DEFAULT_PYTHON": sys.executable,
        "UV_TOOL_DIR": str(tmp_path / "uv"),
        "UV_TOOL_BIN_DIR": str(tmp_path / "uv-bin"),
        "UV_CACHE_DIR": str(tmp_path / "uv-cache"),
    }
    if index.stdout.strip():  # uv does not read what pip is told
        where.setdefault("UV_DEFAULT_INDEX", index.stdout.strip())
    for tool, verb, bin_dir in (
        ("pipx", ["install"], "pipx-bin"),
        ("uv", ["tool", "install", "--python", sys.executable], "uv-bin"),
    ):
        command = [str(tools / "bin" / tool), *verb, str(old.wheel)]
        done = subprocess.run(command, env=plain(**where), cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert run(tmp_path / bin_dir / "supervisor", "--version").stdout == f"supervisor {OLD}\n"
    assert (tmp_path / "pipx-man/man1/supervisor.1").exists()


def test_the_version_is_gits(tmp_path: Path) -> None:
    for name in ("pyproject.toml", ".git_archival.txt", ".gitattributes"):
        shutil.copy(CHECKOUT / name, tmp_path)
    who = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    for role in ("AUTHOR", "COMMITTER"):
        who |= {f"GIT_{role}_NAME": "t", f"GIT_{role}_EMAIL": "t@localhost"}

    def git(*arguments: str) -> str:
        return subprocess.check_output(["git", *arguments], cwd=tmp_path, env=plain(**who), text=True).strip()

    def told(directory: Path = tmp_path) -> str:
        command = [sys.executable, "-m", "setuptools_scm"]
        return subprocess.check_output(command, cwd=directory, env=plain(), text=True).strip()

    git("init", "-q")
    git("add", "-A")
    git("commit", "-q", "-m", "one")
    assert told() == f"0.1.0.dev1+g{git('rev-parse', '--short=9', 'HEAD')}", "before there is a tag"
    git("tag", "-a", "v3.1.4", "-m", "release")
    assert told() == "3.1.4"
    git("commit", "-q", "--allow-empty", "-m", "two")
    after = f"3.1.5.dev1+g{git('rev-parse', '--short=9', 'HEAD')}"
    assert told() == after
    git("archive", "--format=tar", "--prefix=archive/", "-o", "archive.tar", "HEAD")
    with tarfile.open(tmp_path / "archive.tar") as archive:
        archive.extractall(tmp_path / "elsewhere", filter="data")
    assert told(tmp_path / "elsewhere/archive") == after
