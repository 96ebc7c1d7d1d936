"""``check`` of a file for a fleet: whose problem it is, once, with the nodes that have it."""

import socket
from pathlib import Path

import pytest

from supervisor.core import timing
from supervisor.core.names import ElectionName
from supervisor.core.spec import ElectionSpec
from tests.cli.conftest import Said

FLEET = """\
elections:
  job: {leader: {processes: {work: {command: work}}}}
processes: {exporter: {command: exporter}}
nodes:
  web-1: {elections: {job: {ttl: 20s}}}
  web-2: {elections: {job: ~}, processes: {backup: {command: /only/there}}}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(socket, "gethostname", lambda: "web-1")
    path = tmp_path / "f.yaml"
    path.write_text(FLEET)
    return path


def test_it_says_for_which_node_it_checked(say: Said, file: Path) -> None:
    code, out, _ = say("check", file)
    assert code == 0
    assert out.splitlines()[0].endswith(": good, as node web-1, one of 2 that it lists (--all-nodes checks them all)")
    assert "of ttl 20s" in out
    code, out, _ = say("check", file, "--node", "web-2")  # another machine, whose programs are not here
    assert code == 0
    assert "as node web-2" in out
    assert "not needed: no elections" in out
    assert "which it does not list" in say("check", file, "--node", "web-3")[1]
    assert say("check", file, "--node", "web-1", "--all-nodes")[0] == 64


def test_all_nodes_and_one_that_is_not_listed(say: Said, file: Path) -> None:
    code, out, err = say("check", file, "--all-nodes")
    assert (code, err) == (0, "")
    assert [line.partition(": good, ")[2] for line in out.splitlines()] == [
        "as node web-1: elections job; processes beside them exporter",
        "as node web-2: elections none; processes beside them backup, exporter",
        "as node any-other-node: elections job; processes beside them exporter",
    ]
    file.write_text(FLEET + "unlisted_nodes: refuse\n")
    assert len(say("check", file, "--all-nodes")[1].splitlines()) == 2


def test_a_problem_is_printed_once_with_the_nodes_that_have_it(say: Said, file: Path) -> None:
    text = FLEET.replace("command: exporter", "comand: exporter").replace("ttl: 20s", "ttl: soon")
    file.write_text(text.replace("{work: {command: work}}", "{work: {command: /not/here}}"))
    code, _, err = say("check", file, "--all-nodes")
    lines = err.splitlines()
    assert code == 78
    assert [line.rpartition(" [")[2] for line in lines[:-1]] == ["web-1]", "every node]", "every node]", "web-1]"]
    assert lines[-1] == f"supervisor: 4 problems in {file}, on 3 of 3 nodes"


def test_a_base_that_is_none_without_its_overlays(say: Said, file: Path) -> None:
    file.write_text("processes: {p: {}}\nnodes: {web-1: {processes: {p: {command: x}}}}\n")
    code, _, err = say("check", file, "--all-nodes")
    assert code == 78
    assert "[any-other-node]" in err
    assert "'unlisted_nodes: refuse' says that there is none" in err


def test_a_stop_that_a_lost_lease_leaves_no_time_for_is_warned_of_at_its_place(say: Said, file: Path) -> None:
    stop = "{work: {command: work, instances: 3, stop: {timeout: 8s}}}"
    file.write_text(FLEET.replace("{work: {command: work}}", stop))
    code, _, err = say("check", file)
    assert code == 0
    (line,) = err.splitlines()
    assert line.startswith(f"warning: {file}:2:")
    assert "stop.timeout is 8s, and a lost lease leaves 5.667s" in line
    code, _, err = say("check", file, "--all-nodes")
    assert [line.rpartition(" [")[2] for line in err.splitlines()] == ["web-1]", "any-other-node]"]
    file.write_text(FLEET.replace("{work: {command: work}}", stop.replace("8s", "5s")))
    assert say("check", file)[2] == ""


def test_the_ttl_that_the_warning_names_leaves_the_time() -> None:
    for wanted in (1.0, 5.0, 10.0, 60.0):
        asked = ElectionSpec(name=ElectionName("job"), lost_grace_seconds=wanted)
        ttl = timing.least_ttl_seconds(asked)
        spent = timing.budget(ElectionSpec(name=ElectionName("job"), ttl_seconds=ttl, lost_grace_seconds=wanted))
        assert spent.problem is None
        assert spent.left_seconds >= wanted - timing.ROUNDING_SECONDS
        less = timing.budget(ElectionSpec(name=ElectionName("job"), ttl_seconds=ttl - 1, lost_grace_seconds=wanted))
        assert less.problem is not None
