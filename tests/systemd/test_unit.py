"""The unit under a real systemd: it is ready when it is, reloads, is watched, and whoever dies, never two leaders."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drills import checker
from tests.systemd.machine import CHECKOUT, Machine

pytestmark = [pytest.mark.system, pytest.mark.root, pytest.mark.xdist_group("systemd")]

UNITS = CHECKOUT / "systemd"
BEATS = "/var/lib/beats/record"
FILE = """
node: {node}
etcd: {{endpoints: ["http://127.0.0.1:2379"], namespace: /{namespace}}}
elections:
  job:
    ttl: {ttl}
    leader:
      processes:
        beat:
          command: [/opt/python/bin/python3.11, -I, -S, -E, /opt/checkout/tests/drills/beat.py, {beats}]
          stop: {{timeout: {stop}}}
"""


class Nodes:
    """Instances of supervisor@.service on one machine, in one fleet."""

    def __init__(self, machine: Machine, namespace: str) -> None:
        self.machine = machine
        self.namespace = namespace
        self.beats = f"{BEATS}-{namespace}"
        self.names: list[str] = []
        machine.must("mkdir", "-p", "/var/lib/beats")

    def unit(self, name: str) -> str:
        return f"supervisor@{name}"

    def configure(self, name: str, *, ttl: str = "5s", stop: str = "2s", more: str = "", command: str = "") -> None:
        text = FILE.format(node=name, namespace=self.namespace, beats=self.beats, ttl=ttl, stop=stop)
        if command:
            text = re.sub(r"command: .*", f"command: {command}", text)
        self.machine.write(f"/etc/supervisor/{name}.yaml", text + more)

    def start(self, *names: str) -> None:
        for name in names:
            self.names.append(name)
            self.machine.must("systemctl", "start", self.unit(name))

    def status(self, name: str) -> dict[str, object]:
        out = self.machine.run("supervisor", "status", "--json", "--socket", f"/run/supervisor/{name}/control.sock")
        found: dict[str, object] = json.loads(out.stdout) if out.stdout else {}
        return found

    def leader(self) -> str:
        """Who beats last."""
        latest = self.record().latest("job")
        return "" if latest is None else latest.node

    def record(self) -> checker.Record:
        text = self.machine.read(self.beats)
        return checker.read(text[: text.rfind("\n") + 1])

    def until_led_by(self, name: str, seconds: float = 20) -> None:
        def led() -> bool:
            return bool(self.machine.read(self.beats)) and self.leader() == name

        self.machine.until(led, seconds, f"{name} does not lead")

    def main_pid(self, name: str) -> int:
        return int(self.machine.show(self.unit(name), "MainPID"))

    def never_two(self) -> None:
        record = self.record()
        assert record.intervals("job")
        assert not record.overlaps()
        assert not record.disorder()

    def stop(self) -> None:
        for name in self.names:
            self.machine.run("systemctl", "stop", self.unit(name), timeout=120)
            self.machine.run("systemctl", "reset-failed", self.unit(name))


@pytest.fixture
def nodes(machine: Machine, request: pytest.FixtureRequest) -> Iterator[Nodes]:
    fleet = Nodes(machine, re.sub(r"\W+", "-", request.node.name))
    yield fleet
    fleet.stop()


def test_systemd_finds_nothing_wrong_with_the_units(machine: Machine) -> None:
    for unit in ("supervisor.service", "supervisor@x.service"):
        assert machine.run("systemd-analyze", "verify", "--man=no", unit).stderr == ""


def test_the_exposure_is_below_four() -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=39", str(UNITS / "supervisor.service")]
    if subprocess.run(["systemd-analyze", "--version"], capture_output=True, check=False).returncode:
        pytest.skip("no machine with systemd: no systemd-analyze (apt install systemd)")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-300:]


def test_the_instances_unit_is_the_same_but_for_its_places() -> None:
    def lines(name: str) -> list[str]:
        text = (UNITS / name).read_text()
        return [line for line in text.splitlines() if line and not line.startswith("#")]

    one, many = lines("supervisor.service"), lines("supervisor@.service")
    added = [line for line in many if line.startswith("Environment=SUPERVISOR_SOCKET")]
    same = [
        line.replace("/%i.yaml", "/supervisor.yaml").replace("/%i", "").replace(", %i", "").replace("-%i", "")
        for line in many
    ]
    assert [line for line in same if not line.startswith("Environment=SUPERVISOR_SOCKET")] == one
    assert len(added) == 1


def test_ready_comes_with_the_queue_and_status_is_one_honest_line(nodes: Nodes) -> None:
    machine = nodes.machine
    nodes.configure("a")
    nodes.start("a")  # returns when READY was said
    elections = nodes.status("a")["elections"]
    assert isinstance(elections, list)
    assert elections[0]["phase"] not in {"detached", "campaigning"}
    nodes.until_led_by("a")
    machine.until(lambda: machine.show(nodes.unit("a"), "StatusText") == "leads 1 of 1 elections", 10, "no status")
    assert machine.show(nodes.unit("a"), "ActiveState") == "active"


def test_without_etcd_it_is_starting_and_says_why(nodes: Nodes) -> None:
    machine = nodes.machine
    nodes.configure("a")
    text = machine.read("/etc/supervisor/a.yaml")
    machine.write("/etc/supervisor/a.yaml", text.replace(":2379", ":1"))
    machine.must("systemctl", "start", "--no-block", nodes.unit("a"))
    nodes.names.append("a")
    said = "leads 0 of 1 elections, 1 not in the queue yet; etcd is not reached"
    machine.until(lambda: machine.show(nodes.unit("a"), "StatusText") == said, 20, "no status")
    assert machine.show(nodes.unit("a"), "ActiveState") == "activating"


def test_a_reload_with_a_good_and_with_a_bad_file(nodes: Nodes) -> None:
    machine, unit = nodes.machine, nodes.unit("a")
    nodes.configure("a")
    nodes.start("a")
    nodes.until_led_by("a")
    before = nodes.main_pid("a")
    nodes.configure("a", more="processes:\n  beside: {command: sleep infinity}\n")
    machine.must("systemctl", "reload", unit)
    machine.until(lambda: "beside" in json.dumps(nodes.status("a")), 10, "the new process is not there")
    nodes.configure("a", more="processes:\n  beside: {comand: sleep infinity}\n")
    assert machine.run("systemctl", "reload", unit).returncode != 0
    assert "did you mean 'command'" in machine.journal(unit)
    machine.until(lambda: "was not adopted" in machine.show(unit, "StatusText"), 10, "the status says nothing")
    assert machine.show(unit, "ActiveState") == "active"
    assert nodes.main_pid("a") == before
    assert len(nodes.record().terms("job")) == 1


def test_a_file_that_is_bad_at_the_start_is_not_tried_again_and_again(nodes: Nodes) -> None:
    machine, unit = nodes.machine, nodes.unit("a")
    nodes.configure("a", more="nonsense: 1\n")
    nodes.names.append("a")
    assert machine.run("systemctl", "start", unit).returncode != 0
    assert machine.show(unit, "ActiveState") == "failed"
    assert machine.show(unit, "NRestarts") == "0"
    assert machine.show(unit, "ExecMainStatus") == "78"
    assert "unknown key 'nonsense'" in machine.journal(unit)


def test_a_stop_stops_in_order_and_gives_the_lead_away(nodes: Nodes) -> None:
    for name in ("a", "b"):
        nodes.configure(name, ttl="30s")
    nodes.start("a", "b")
    nodes.until_led_by("a")
    nodes.machine.must("systemctl", "stop", nodes.unit("a"))
    nodes.until_led_by("b", 10)  # well before the TTL
    assert nodes.machine.show(nodes.unit("a"), "Result") == "success"
    nodes.never_two()


def test_a_stop_that_the_file_lets_take_long_is_given_the_time(nodes: Nodes) -> None:
    machine, unit = nodes.machine, nodes.unit("a")
    stubborn = "[/bin/sh, -c, 'trap \"sleep 4; exit 0\" TERM; touch /var/lib/beats/up; while :; do sleep 0.05; done']"
    nodes.configure("a", stop="20s", command=stubborn)
    machine.must("rm", "-f", "/var/lib/beats/up")
    machine.write(f"/run/systemd/system/{unit}.service.d/short.conf", "[Service]\nTimeoutStopSec=2\n")
    machine.must("systemctl", "daemon-reload")
    nodes.start("a")
    machine.until(lambda: machine.run("test", "-e", "/var/lib/beats/up").returncode == 0, 20, "it does not run")
    machine.must("systemctl", "stop", unit)
    assert machine.show(unit, "Result") == "success"
    assert "ended with exit code 0" in machine.journal(unit)


def test_killed_daemon_the_guardian_ends_in_order_and_the_next_leads_before_the_ttl(nodes: Nodes) -> None:
    machine = nodes.machine
    for name in ("a", "b"):
        nodes.configure(name, ttl="30s")
    nodes.start("a", "b")
    nodes.until_led_by("a")
    pid = nodes.main_pid("a")
    machine.must("kill", "-KILL", str(pid))
    nodes.until_led_by("b", 10)
    machine.until(lambda: nodes.main_pid("a") not in {0, pid}, 20, "systemd does not start it again")
    nodes.never_two()


def test_killed_daemon_and_guardian_leave_nothing_running(nodes: Nodes) -> None:
    machine, unit = nodes.machine, nodes.unit("a")
    for name in ("a", "b"):
        nodes.configure(name)
    nodes.start("a", "b")
    nodes.until_led_by("a")
    pid = nodes.main_pid("a")
    machine.must("systemctl", "kill", "--kill-who=all", "--signal=KILL", unit)
    nodes.until_led_by("b", 20)
    machine.until(lambda: nodes.main_pid("a") not in {0, pid}, 20, "systemd does not start it again")
    nodes.never_two()


def test_a_stuck_daemon_is_ended_by_the_watchdog_and_the_lead_moves(nodes: Nodes) -> None:
    machine, unit = nodes.machine, nodes.unit("a")
    machine.write(f"/run/systemd/system/{unit}.service.d/quick.conf", "[Service]\nWatchdogSec=2\nTimeoutAbortSec=2\n")
    machine.must("systemctl", "daemon-reload")
    for name in ("a", "b"):
        nodes.configure(name)
    nodes.start("a", "b")
    nodes.until_led_by("a")
    pid = nodes.main_pid("a")
    machine.must("kill", "-STOP", str(pid))
    nodes.until_led_by("b", 30)
    machine.until(lambda: nodes.main_pid("a") not in {0, pid}, 30, "systemd does not start it again")
    assert "Watchdog timeout" in machine.journal(unit)
    nodes.never_two()


def test_a_machine_that_goes_down_stops_it_as_a_stop_does(nodes: Nodes) -> None:
    machine, unit = nodes.machine, nodes.unit("a")
    for name in ("a", "b"):
        nodes.configure(name, ttl="30s")
    nodes.start("a", "b")
    nodes.until_led_by("a")
    # As a shutdown does it: a target that conflicts with every service is started.
    machine.write("/run/systemd/system/down.target", f"[Unit]\nConflicts={unit}.service\n")
    machine.must("systemctl", "daemon-reload")
    machine.must("systemctl", "start", "down.target")
    nodes.until_led_by("b", 10)
    assert machine.show(unit, "Result") == "success"
    nodes.never_two()


def test_commands_are_contained_by_cgroup_and_keep_the_units_bounds(nodes: Nodes) -> None:
    machine, unit = nodes.machine, nodes.unit("a")
    nodes.configure("a", more="processes:\n  who: {command: sleep infinity, user: nobody}\n")
    nodes.start("a")
    nodes.until_led_by("a")
    assert "containment cgroup" in machine.journal(unit)
    found: list[str] = []

    def seen() -> bool:
        found[:] = machine.run("pgrep", "-u", "nobody", "sleep").stdout.split()
        return bool(found)

    machine.until(seen, 10, "the process as nobody does not run")
    status = machine.must("cat", f"/proc/{found[0]}/status")
    bound = int(re.search(r"CapBnd:\s*(\w+)", status)[1], 16)  # type: ignore[index] # it is there on every Linux
    assert not bound >> 21 & 1, "CAP_SYS_ADMIN"


def test_an_etcd_password_comes_as_a_credential(nodes: Nodes, tmp_path: Path) -> None:
    machine, unit = nodes.machine, nodes.unit("a")
    nodes.configure("a")
    text = machine.read("/etc/supervisor/a.yaml")
    auth = 'auth: {user: x, password_file: "${CREDENTIALS_DIRECTORY}/etcd-password"}, namespace:'
    machine.write("/etc/supervisor/a.yaml", text.replace("namespace:", auth))
    machine.write("/etc/supervisor/etcd-password", "secret\n", 0o600)
    loaded = "[Service]\nLoadCredential=etcd-password:/etc/supervisor/etcd-password\n"
    machine.write(f"/run/systemd/system/{unit}.service.d/credential.conf", loaded)
    machine.must("systemctl", "daemon-reload")
    nodes.start("a")
    nodes.until_led_by("a")
    assert "secret" not in machine.journal(unit)


def test_a_users_own_supervisor_under_the_users_own_systemd(machine: Machine) -> None:
    # logind would do these two things at a login; it is not there.
    machine.must("useradd", "--create-home", "--uid", "1500", "somebody")
    machine.must("install", "-d", "-o", "somebody", "-m", "700", "/run/user/1500")
    nothing = "[Service]\nExecStart=\nExecStart=true\nExecStop=\n"
    machine.write("/run/systemd/system/user-runtime-dir@1500.service.d/there.conf", nothing)
    machine.must("systemctl", "daemon-reload")
    machine.must("systemctl", "start", "user@1500")
    machine.must("install", "-d", "-o", "somebody", "/home/somebody/.config", "/home/somebody/.config/supervisor")
    machine.write("/home/somebody/.config/supervisor/supervisor.yaml", "processes:\n  p: {command: sleep infinity}\n")

    def as_user(*command: str) -> str:
        somebody = ["setpriv", "--reuid=1500", "--regid=1500", "--init-groups"]
        places = ["env", "HOME=/home/somebody", "XDG_RUNTIME_DIR=/run/user/1500"]
        return machine.must(*somebody, *places, *command)

    as_user("systemctl", "--user", "daemon-reload")
    as_user("systemctl", "--user", "start", "supervisor")
    assert json.loads(as_user("supervisor", "status", "--json"))["daemon"]["containment"] == "cgroup"
    as_user("systemctl", "--user", "reload", "supervisor")
    as_user("systemctl", "--user", "stop", "supervisor")
    assert "Result=success" in as_user("systemctl", "--user", "show", "supervisor")
    machine.must("systemctl", "stop", "user@1500")
