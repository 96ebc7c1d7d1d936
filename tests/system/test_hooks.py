"""Hooks on real daemons: in order, awaited, with their environment; and the one that the guardian runs for a dead daemon."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.etcd_server import EtcdServer
from tests.system.nodes import Make, until

pytestmark = [pytest.mark.system, pytest.mark.etcd]

NOTE = """\
#!/bin/sh
# Notes what it was called for, in one write; fails or hangs when a file says so.
echo "$SUPERVISOR_NODE $SUPERVISOR_HOOK $SUPERVISOR_FENCING_TOKEN $SUPERVISOR_LOST $SUPERVISOR_LATE" >> {trace}
[ -n "$SUPERVISOR_LEADER_VALUE" ] && echo "$SUPERVISOR_LEADER $SUPERVISOR_LEADER_VALUE" >> {told}
[ -e {hang} ] && sleep 60
[ ! -e {fail} ]
"""


class Scene:
    """What the hooks of several nodes have noted."""

    def __init__(self, home: Path, etcd: EtcdServer, namespace: str) -> None:
        self.trace, self.told = home / "trace", home / "told"
        self.fail, self.hang = home / "fail", home / "hang"
        self.script = home / "note"
        self.script.write_text(NOTE.format(trace=self.trace, told=self.told, fail=self.fail, hang=self.hang))
        self.script.chmod(0o755)
        work = f'echo "$SUPERVISOR_NODE work $SUPERVISOR_FENCING_TOKEN" >> {self.trace}; exec sleep infinity'
        self.text = f"""\
etcd: {{endpoints: ["{etcd.endpoint}"], namespace: {namespace}}}
elections:
  job:
    ttl: 5s
    proclaim: {{value: {{address: "http://10.0.0.7"}}}}
    leader:
      hooks:
        elected: [{self.script}]
        demoted: {{command: [{self.script}], timeout: 2s}}
      processes:
        work: {{command: [sh, -c, '{work}'], stop: {{timeout: 2s}}}}
    follower:
      hooks: {{leader_changed: {self.script}}}
"""

    def lines(self, node: str = "") -> list[list[str]]:
        if not self.trace.exists():
            return []
        found = [line.split() for line in self.trace.read_text().splitlines()]
        return [words for words in found if words[0] == node or not node]

    def said(self, node: str) -> list[str]:
        return [words[1] for words in self.lines(node)]


@pytest.fixture
def scene(tmp_path: Path, etcd: EtcdServer, namespace: str) -> Scene:
    return Scene(tmp_path, etcd, namespace)


def test_a_switch_of_leaders_runs_all_of_them_in_order(node: Make, scene: Scene) -> None:
    one = node("one", scene.text)
    until(lambda: scene.said("one") == ["elected", "work"], "the first leader at work")
    two = node("two", scene.text)
    until(lambda: scene.said("two") == ["leader_changed"], "the follower told who leads")
    until(lambda: scene.told.exists() and scene.told.read_text(), "what the leader says of itself")
    assert scene.told.read_text().splitlines() == ['one {"address":"http://10.0.0.7"}']
    assert one.run("resign", "job").returncode == 0
    until(lambda: scene.said("two")[1:] == ["elected", "work"], "the second leader at work")
    until(lambda: scene.said("one")[-1] == "leader_changed", "the first one told who leads now")
    order = [(words[0], words[1]) for words in scene.lines() if words[1] in ("elected", "work", "demoted")]
    assert order == [
        ("one", "elected"), ("one", "work"), ("one", "demoted"), ("two", "elected"), ("two", "work"),
    ]  # fmt: skip
    assert "job: hook demoted succeeded" in one.says()
    shown = {p["name"]: p for p in json.loads(two.run("status", "--json").stdout)["processes"]}
    assert shown["job/@elected"]["phase"] == "completed"
    assert two.run("status").returncode == 0


def test_a_failing_elected_lets_another_node_lead(node: Make, scene: Scene) -> None:
    scene.fail.touch()
    one = node("one", scene.text)
    until(lambda: "the hook elected failed: it exited with code 1" in one.says(), "the give-up")
    until(lambda: scene.said("one")[:2] == ["elected", "demoted"], "the hook demoted")
    assert "work" not in scene.said("one")
    scene.fail.unlink()
    two = node("two", scene.text)
    until(lambda: "work" in scene.said("two"), "another node that leads")
    assert two.run("status").returncode == 0


def test_a_hook_that_hangs_is_killed_with_all_it_started(node: Make, scene: Scene) -> None:
    scene.hang.touch()
    one = node(
        "one", scene.text.replace(f"elected: [{scene.script}]", f"elected: {{command: {scene.script}, timeout: 1s}}")
    )
    until(lambda: "hook elected failed: killed by signal 9" in one.says(), "the kill")
    until(lambda: "not a candidate: the hook elected failed" in one.says(), "the give-up")
    assert "hook demoted failed: killed by signal 9" in one.says(), "it hangs as well, and holds nobody back for ever"


def test_the_guardian_runs_demoted_for_a_dead_daemon_before_another_leads(node: Make, scene: Scene) -> None:
    one = node("one", scene.text)
    until(lambda: "work" in scene.said("one"), "the first leader at work")
    node("two", scene.text)
    until(lambda: scene.said("two") == ["leader_changed"], "the follower")
    token = scene.lines("one")[0][2]
    os.kill(one.daemon.pid, signal.SIGKILL)
    one.daemon.wait()
    until(lambda: "work" in scene.said("two"), "the takeover", 4.5)
    order = [(words[0], words[1]) for words in scene.lines() if words[1] != "leader_changed"]
    assert order[2:] == [("one", "demoted"), ("two", "elected"), ("two", "work")]
    assert [words for words in scene.lines() if words[1] == "demoted"] == [["one", "demoted", token, "1", "0"]]


def test_demoted_runs_when_the_daemon_is_told_to_end(node: Make, scene: Scene) -> None:
    one = node("one", scene.text)
    until(lambda: "work" in scene.said("one"), "the leader at work")
    one.daemon.terminate()
    assert one.daemon.wait(15) == 0
    assert scene.said("one") == ["elected", "work", "demoted"]
