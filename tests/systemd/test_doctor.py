"""``doctor`` beside a real systemd: it knows the unit that runs a file, and what is wrong with it."""

import json

import pytest

from tests.systemd.machine import Machine

pytestmark = [pytest.mark.system, pytest.mark.root, pytest.mark.xdist_group("systemd")]

FILE = """
node: examined
etcd: {endpoints: ["http://127.0.0.1:2379"], namespace: /examined}
elections:
  job: {ttl: 5s, leader: {processes: {w: {command: [sleep, inf]}}}}
"""
PLANTED = """[Service]
KillMode=mixed
Delegate=no
WatchdogSec=0
LimitMEMLOCK=65536
"""
UNIT = "supervisor@examined"


def look(machine: Machine) -> tuple[int, dict[str, tuple[str, str, str]]]:
    """Its exit code, and the grade, what was seen and the remedy of each check."""
    places = ["--socket", "/run/supervisor/examined/control.sock", "--state-dir", "/var/lib/supervisor/examined"]
    done = machine.run("supervisor", "doctor", "/etc/supervisor/examined.yaml", "--json", *places)
    assert done.returncode in (0, 1, 2), done.stderr
    found = json.loads(done.stdout)["findings"]
    return done.returncode, {one["check"]: (one["grade"], one["seen"], one["remedy"]) for one in found}


def test_a_unit_is_examined_before_and_while_it_runs(machine: Machine) -> None:
    machine.write("/etc/supervisor/examined.yaml", FILE)
    code, found = look(machine)
    assert {found[check][0] for check in ("unit.killmode", "unit.delegate", "unit.watchdog", "guardian.memory")} == {
        "ok"
    }
    machine.must("systemctl", "start", UNIT)
    try:
        code, found = look(machine)
        assert code < 2, found
        assert found["unit.killmode"][0] == "ok"
        assert found["processes.cgroup"][:2] == ("ok", "a cgroup v2 for each term")
        assert found["guardian.memory"][:2] == ("ok", "locked in memory")
    finally:
        machine.must("systemctl", "stop", UNIT)


def test_a_unit_that_others_have_changed(machine: Machine) -> None:
    machine.write("/etc/supervisor/examined.yaml", FILE)
    machine.write(f"/etc/systemd/system/{UNIT}.service.d/planted.conf", PLANTED)
    machine.must("systemctl", "daemon-reload")
    try:
        code, found = look(machine)
    finally:
        machine.must("rm", f"/etc/systemd/system/{UNIT}.service.d/planted.conf")
        machine.must("systemctl", "daemon-reload")
    assert code == 2
    assert found["unit.killmode"][:2] == ("problem", "KillMode=mixed")
    assert found["unit.killmode"][2].startswith("KillMode=process")
    assert found["unit.delegate"][:2] == ("warning", "Delegate=no")
    assert found["unit.watchdog"][:2] == ("warning", "no WatchdogSec")
    assert found["guardian.memory"][0] == "warning"
    assert "LimitMEMLOCK=infinity" in found["guardian.memory"][2]
