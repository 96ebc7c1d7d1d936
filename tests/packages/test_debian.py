"""The Debian package on real systemds: installed, it leads; upgraded, the lead moves once per node; purged, nothing is left.

Two machines that share a loopback, an etcd and a record of heartbeats. Their roots are overlays of this machine's; with
$SUPERVISOR_TEST_ROOT, of that directory: a clean Debian 12, as `make systemd-test` makes one.
"""

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drills import checker
from tests.etcd_server import installed
from tests.packages.conftest import CHECKOUT, NEW, OLD, Built, debian
from tests.systemd.machine import Machine, missing

pytestmark = [pytest.mark.system, pytest.mark.root, pytest.mark.xdist_group("packages"), pytest.mark.timeout(480)]

ROOT = Path(os.environ.get("SUPERVISOR_TEST_ROOT", "/"))
CONFFILE = "/etc/supervisor/supervisor.yaml"
FILE = """# mine
node: {node}
etcd: {{endpoints: ["http://127.0.0.1:2379"]}}
elections:
  job:
    ttl: 30s
    leader:
      processes:
        beat: {{command: [/usr/bin/python3.11, -I, -S, -E, /packages/beat.py, /shared/record]}}
"""
OWN = re.compile(r"supervisor")
ADMINISTRATORS = "/etc/supervisor/another.yaml"


class Node:
    """One machine with the package."""

    def __init__(self, machine: Machine, name: str, shared: Path) -> None:
        self.machine, self.name, self._shared = machine, name, shared

    def install(self, package: Path) -> str:
        """What dpkg and the package's scripts say."""
        done = self.machine.run("dpkg", "--install", f"/packages/{package.name}", timeout=200)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def active(self) -> str:
        return self.machine.show("supervisor", "ActiveState")

    def pid(self) -> str:
        return self.machine.show("supervisor", "MainPID")

    def record(self) -> checker.Record:
        text = (self._shared / "record").read_text() if (self._shared / "record").exists() else ""
        return checker.read(text[: text.rfind("\n") + 1])

    def leads(self) -> None:
        def last() -> bool:
            if not (self._shared / "record").exists():
                return False
            latest = self.record().latest("job")
            return latest is not None and latest.node == self.name

        self.machine.until(last, 30, f"{self.name} does not lead")


@pytest.fixture(scope="module")
def nodes(old_debian: Path, new_debian: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, Node]]:
    """Neither has the package. One etcd runs, on the first."""
    if lacking := missing():
        pytest.skip(f"no machine with systemd: {lacking}")
    packages, shared = tmp_path_factory.mktemp("packages"), tmp_path_factory.mktemp("shared")
    for path in (old_debian, new_debian, CHECKOUT / "tests/drills/beat.py"):
        shutil.copy(path, packages)
    shutil.copy(installed()[0].etcd, packages / "etcd")
    shown = (f"{packages}:/packages", f"{shared}/:/shared")
    first = Machine(f"d{os.getpid()}a", root=ROOT, shown=shown)
    second = Machine(f"d{os.getpid()}b", root=ROOT, shown=shown, beside=first)
    try:
        for machine in (first, second):
            machine.boot(bare=True)
            # Not here: the index of all man pages, anew after each installation.
            machine.must("rm", "-f", "/var/lib/man-db/auto-update")
        first.must("systemd-run", "--unit=test-etcd", "/packages/etcd", "--data-dir=/tmp/etcd")
        first.until(lambda: first.run("bash", "-c", ": > /dev/tcp/127.0.0.1/2379").returncode == 0, 20, "no etcd")
        yield Node(first, "a", shared), Node(second, "b", shared)
    finally:
        second.close()
        first.close()


def test_two_builds_are_bit_by_bit_the_same(old: Built, old_debian: Path, tmp_path: Path) -> None:
    again = debian(tmp_path, old)
    assert again.name == f"election-supervisor_0.0.1~dev7_{again.stem.rpartition('_')[2]}.deb"
    assert again.read_bytes() == old_debian.read_bytes()


def test_every_file_is_where_debian_has_such_files_and_tells_nothing_of_who_built_it(
    old_debian: Path, tmp_path: Path
) -> None:
    subprocess.run(["dpkg-deb", "--raw-extract", old_debian, tmp_path / "x"], check=True)
    tree = tmp_path / "x"
    places = (
        "opt/election-supervisor/",
        "usr/bin/supervisor",
        "usr/share/",
        "usr/lib/s",
        "usr/lib/t",
        "etc/supervisor/",
        "DEBIAN",
    )
    for path in tree.rglob("*"):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            assert str(path.relative_to(tree)).startswith(places)
            assert not mode & 0o022
            content = path.read_bytes()
            assert not any(str(place).encode() in content for place in (old_debian.parent, CHECKOUT)), path
    assert (tree / "usr/share/man/man1/supervisor.1.gz").exists()
    control = (tree / "DEBIAN/control").read_text()
    assert "Conflicts: supervisor\n" in control


@pytest.mark.parametrize("script", ["postinst", "prerm", "postrm"])
def test_the_scripts_refuse_what_dpkg_never_says(script: str) -> None:
    done = subprocess.run(
        ["sh", CHECKOUT / "packages/debian" / script, "nonsense"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "nonsense" in done.stderr


def test_installed_it_waits_to_be_enabled_leads_moves_once_per_upgrade_and_goes_without_a_trace(
    nodes: tuple[Node, Node], old_debian: Path, new_debian: Path
) -> None:
    before = {node.name: (node.machine.left(), accounts(node)) for node in nodes}
    for node in nodes:
        node.install(old_debian)
        assert node.machine.run("systemctl", "is-enabled", "supervisor").stdout.strip() == "disabled"
        assert node.active() == "inactive"
    leads_with_the_file_that_comes_with_it(nodes[0])
    fleet(nodes)
    upgrades(nodes, new_debian)
    keeps_what_would_not_come_back(nodes[1], new_debian)
    removal_given_up(nodes[1])
    removal_forbidden(nodes[1])
    removed_and_back(nodes[1], new_debian)
    for node in nodes:
        purged(node, *before[node.name])
    record = nodes[0].record()
    assert not record.overlaps()
    assert not record.disorder()


def accounts(node: Node) -> tuple[str, ...]:
    return tuple(node.machine.must("getent", kind) for kind in ("passwd", "group"))


def leads_with_the_file_that_comes_with_it(node: Node) -> None:
    """A private etcd of the machine, as the file has it."""
    machine = node.machine
    machine.must("install", "/packages/etcd", "/usr/local/bin/etcd")
    machine.must("systemctl", "enable", "--now", "supervisor")
    machine.until(lambda: machine.run("supervisor", "leader", "example", "--is-me").returncode == 0, 30, "no leader")
    assert f"supervisor {OLD} " in machine.must("supervisor", "version")
    machine.must("systemctl", "stop", "supervisor")
    machine.must("rm", "/usr/local/bin/etcd")


def fleet(nodes: tuple[Node, Node]) -> None:
    """The first leads, the second waits."""
    for node in nodes:
        node.machine.write(CONFFILE, FILE.format(node=node.name))
        node.machine.must("systemctl", "enable", "--now", "supervisor")
        nodes[0].leads()


def upgrades(nodes: tuple[Node, Node], package: Path) -> None:
    """Of the one that waits: nothing moves. Of the one that leads: once. Then of the other: once."""
    first, second = nodes
    for node, terms, leader in ((second, ["a"], first), (first, ["a", "b"], second), (second, ["a", "b", "a"], first)):
        before = node.pid()
        said = node.install(package)
        leader.leads()
        assert [t.node for t in node.record().terms("job")] == terms, said
        assert node.pid() not in {"0", before}, said
        assert node.active() == "active"
        assert node.machine.read(CONFFILE) == FILE.format(node=node.name)
        assert f"daemon     {NEW} " in node.machine.must("supervisor", "version")
        assert node.machine.show("supervisor", "NRestarts") == "0"


def keeps_what_would_not_come_back(node: Node, package: Path) -> None:
    """A file that the version does not know: the daemon that runs is left running."""
    before = node.pid()
    node.machine.write(CONFFILE, FILE.format(node=node.name) + "nonsense: 1\n")
    said = node.install(package)
    assert "is refused by this version" in said
    assert "unknown key 'nonsense'" in said
    assert (node.pid(), node.active()) == (before, "active")
    node.machine.write(CONFFILE, FILE.format(node=node.name))
    node.machine.must("systemctl", "reload", "supervisor")


def removal_given_up(node: Node) -> None:
    """As dpkg calls the scripts when a removal fails later on: what was stopped runs again. Twice is as once."""
    scripts = "/var/lib/dpkg/info/election-supervisor"
    for _ in range(2):
        node.machine.must(f"{scripts}.prerm", "remove")
        assert node.active() == "inactive"
        node.machine.must(f"{scripts}.postinst", "abort-remove")
        node.machine.must(f"{scripts}.postinst", "abort-remove")
        node.machine.until(lambda: node.active() == "active", 30, "it was not started again")


def removal_forbidden(node: Node) -> None:
    """By the administrator's policy nothing may be stopped: what runs keeps its files, and runs on."""
    before = node.pid()
    node.machine.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
    done = node.machine.run("dpkg", "--remove", "election-supervisor")
    node.machine.must("rm", "/usr/sbin/policy-rc.d")
    assert done.returncode != 0
    assert "supervisor.service still runs, and so its files stay" in done.stderr
    assert (node.pid(), node.active()) == (before, "active")
    assert "install ok installed" in node.machine.must("dpkg", "--status", "election-supervisor")


def removed_and_back(node: Node, package: Path) -> None:
    """The configuration outlives a removal, and so does what was enabled."""
    node.machine.must("dpkg", "--remove", "election-supervisor")
    assert node.machine.read(CONFFILE) == FILE.format(node=node.name)
    assert node.machine.run("supervisor", "version").returncode != 0
    node.install(package)
    assert node.machine.read(CONFFILE) == FILE.format(node=node.name)
    assert node.machine.run("systemctl", "is-enabled", "supervisor").stdout.strip() == "enabled"
    node.machine.must("systemctl", "start", "supervisor")


def purged(node: Node, before: set[str], accounts_before: tuple[str, ...]) -> None:
    """Files, accounts, units and processes are as they were, but for a file that the package never had."""
    machine = node.machine
    machine.write(ADMINISTRATORS, "processes:\n  sleeper: {command: sleep infinity}\n")
    machine.must("systemctl", "enable", "--now", "supervisor@another")
    machine.must("dpkg", "--purge", "election-supervisor", timeout=120)
    # The brackets: so that it does not find itself.
    assert machine.run("sh", "-c", "grep -l 'election-[s]upervisor' /proc/[0-9]*/cmdline").stdout == ""
    assert machine.must("systemctl", "list-units", "--all", "--plain", "--no-legend", "supervisor*") == ""
    assert "supervisor" not in machine.must("systemctl", "list-unit-files", "--no-legend")
    assert accounts(node) == accounts_before
    assert machine.run("dpkg", "--status", "election-supervisor").returncode != 0
    of_the_system = ("/var/lib/dpkg/", "/var/log/", "/var/cache/", "/var/lib/systemd/", "/etc/machine-id")
    left = {path for path in machine.left() - before if not path.startswith(of_the_system)}
    kept = {ADMINISTRATORS, str(Path(ADMINISTRATORS).parent)}
    backups = {"/etc/group-", "/etc/gshadow-", "/etc/passwd-", "/etc/shadow-", "/etc/subuid-", "/etc/subgid-"}
    known = {"/etc/group", "/etc/gshadow", "/etc/.pwd.lock", *backups}
    assert left - known == kept
    assert {path for path in machine.left() if OWN.search(path) and not path.startswith("/var/log/journal")} == kept
