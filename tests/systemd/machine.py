"""A small machine with a real systemd as its first process, and the supervisor installed as the unit wants it.

Promises: what it does, it does in namespaces and a cgroup of its own, on an overlay in memory: nothing of the machine that lends its
root changes; ``close`` ends every process in it. The interpreter is shown at /opt/python, the checkout at /opt/checkout,
since the unit hides home directories. Does not: give it a network beside its own loopback.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

CHECKOUT = Path(__file__).parents[2]
BOOT = Path(__file__).with_name("boot.sh")
SYSTEMD = Path("/lib/systemd/systemd")
COMMAND = """#!/opt/supervisor/bin/python
import sys
from supervisor.cli.main import main
sys.exit(main())
"""


class MachineError(Exception):
    """It does not come up. The message says what is missing."""


class Machine:
    """One machine. ``with Machine(directory) as machine: machine.run("systemctl", "status")``."""

    checkout = CHECKOUT

    def __init__(
        self, name: str, *, root: Path = Path("/"), shown: tuple[str, ...] = (), beside: "Machine | None" = None
    ) -> None:
        """``root``: what it is an overlay of. ``shown``: SOURCE:TARGET of boot.sh. ``beside``: whose loopback it shares."""
        self._name = name
        self._lower, self._shown, self._beside = root, shown, beside
        self._directory = Path("/run/supervisor-tests") / name
        self._cgroup = _cgroups() / f"supervisor-tests-{name}"
        self._outer: subprocess.Popen[bytes] | None = None
        self._pid = 0

    def boot(self, *, bare: bool = False) -> None:
        """Until systemd says that it is running; ``bare``: without a supervisor. Raises MachineError."""
        self._directory.mkdir(parents=True)
        _must("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(self._directory))
        self._cgroup.mkdir()
        own = [f"{sys.base_prefix}:/opt/python", f"{CHECKOUT}:/opt/checkout"]
        shown = [*([] if bare else own), *self._shown]
        command = ["unshare", "--pid", "--fork", "--kill-child=SIGKILL", "--mount", "--uts", "--ipc", "--cgroup"]
        if self._beside is None:
            command.append("--net")
        else:
            command = ["nsenter", "--net", "--target", str(self._beside._pid), *command]
        command += ["--propagation", "private", "bash", str(BOOT), str(self._directory), self._name, *shown]
        # It enters its cgroup before it makes the namespace that has this cgroup for its root.
        enter = f'echo $$ > "{self._cgroup}/cgroup.procs"; exec "$@"'
        log = (self._directory / "boot.log").open("wb")
        with log:
            self._outer = subprocess.Popen(
                ["bash", "-c", enter, "enter", *command],
                env={**os.environ, "LOWER": str(self._lower)},
                stderr=log,
                stdout=log,
            )
        self._pid = self._wait(self._init, 20, "systemd did not start")
        self._wait(self._running, 60, "systemd did not come up")
        if not bare:
            self._install()

    def run(self, *command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """A command inside, as root; its output."""
        inside = ["nsenter", "-t", str(self._pid), "-a", "--", *command]
        return subprocess.run(inside, capture_output=True, text=True, timeout=timeout, cwd="/", check=False)

    def must(self, *command: str, timeout: float = 60) -> str:
        """Likewise; it has to succeed."""
        done = self.run(*command, timeout=timeout)
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file inside."""
        place = self._root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = place.with_name(f".{place.name}.new")
        fresh.write_text(text)
        fresh.chmod(mode)
        fresh.replace(place)

    def read(self, path: str) -> str:
        """A file inside; empty when there is none."""
        try:
            return (self._root / path.lstrip("/")).read_text()
        except FileNotFoundError:
            return ""

    def left(self) -> set[str]:
        """What is in its file system, and is not in the root that was lent, as it is there; less the empty places it has anew."""
        upper = self._directory / "upper"
        found = (path.relative_to(upper) for path in upper.rglob("*"))
        return {f"/{path}" for path in found if not ((upper / path).is_dir() and (self._lower / path).is_dir())}

    def show(self, unit: str, what: str) -> str:
        """One property of a unit."""
        return self.must("systemctl", "show", "-P", what, unit).strip()

    def journal(self, unit: str) -> str:
        """What the journal has of a unit."""
        return self.must("journalctl", "--no-pager", "-o", "cat", "-u", unit)

    def until(self, what: Callable[[], object], seconds: float, why: str) -> None:
        """Wait for something to be true of it."""
        self._wait(what, seconds, why)

    def close(self) -> None:
        """End it, and every process in it."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)  # the kernel ends all others of its namespace with it
        if self._outer is not None:
            self._outer.kill()
            self._outer.wait()
        subprocess.run(["umount", "-l", str(self._directory)], check=False)
        for directory, _, _ in os.walk(self._cgroup, topdown=False):
            self._wait(partial(_removed, Path(directory)), 10, f"{directory} is not empty")
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def _root(self) -> Path:
        return Path(f"/proc/{self._pid}/root")

    def _install(self) -> None:
        """As a package would, out of the checkout."""
        self.must("/opt/python/bin/python3.11", "-m", "venv", "--without-pip", "/opt/supervisor")
        site = "lib/python3.11/site-packages"
        packages = Path(sys.prefix).relative_to(CHECKOUT) / site
        # The libraries are those of the tests; the supervisor is the checkout's.
        self.write(f"/opt/supervisor/{site}/checkout.pth", f"/opt/checkout\n/opt/checkout/{packages}\n")
        self.write("/usr/bin/supervisor", COMMAND, 0o755)
        for unit in (CHECKOUT / "systemd").glob("*.service"):
            self.write(f"/usr/lib/systemd/system/{unit.name}", unit.read_text())
        for unit in (CHECKOUT / "systemd/user").glob("*.service"):
            self.write(f"/usr/lib/systemd/user/{unit.name}", unit.read_text())
        self.must("systemctl", "daemon-reload")

    def _init(self) -> int:
        """The pid of its systemd, outside."""
        assert self._outer is not None
        if self._outer.poll() is not None:
            raise MachineError((self._directory / "boot.log").read_text())
        for pid in (self._cgroup / "cgroup.procs").read_text().split():
            with suppress(OSError):  # gone by now
                if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                    return int(pid)
        # systemd moves itself into a scope as soon as it is up.
        scope = self._cgroup / "init.scope" / "cgroup.procs"
        return next((int(pid) for pid in scope.read_text().split()), 0) if scope.exists() else 0

    def _running(self) -> bool:
        return self.run("systemctl", "is-system-running").stdout.strip() in {"running", "degraded"}

    @staticmethod
    def _wait(look: Callable[[], T], seconds: float, why: str) -> T:
        ends = time.monotonic() + seconds
        while not (found := look()):
            if time.monotonic() > ends:
                raise MachineError(why)
            time.sleep(0.02)
        return found


def missing() -> str:
    """What this machine lacks to lend its root to another; empty when nothing."""
    if os.geteuid() != 0:
        return "not root"
    if not SYSTEMD.exists():
        return "no systemd to boot (apt install systemd)"
    if not any(line.split()[2] == "cgroup2" for line in Path("/proc/mounts").read_text().splitlines()):
        return "no writable cgroup v2"
    return ""


def _cgroups() -> Path:
    for line in Path("/proc/mounts").read_text().splitlines():
        _, point, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(point)
    raise MachineError("no writable cgroup v2")


def _removed(directory: Path) -> bool:
    try:
        directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _must(*command: str) -> None:
    subprocess.run(command, check=True)
