"""What processes go through, on the real thing: tasks, needs, stop sequences, an operator's word, give-ups, sick standbys."""

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.etcd_server import EtcdServer
from tests.system.nodes import Make, Node, runs, until

pytestmark = [pytest.mark.system, pytest.mark.etcd]

WORKER = """\
import os, signal, sys, time
def note(what):
    with open(sys.argv[1], "a") as file: file.write(what + "\\n")
signal.signal(signal.SIGINT, lambda *_: note("INT"))
def term(*_):
    note("TERM"); sys.exit(0)
signal.signal(signal.SIGTERM, term)
note("began"); print("working", flush=True)
while True: time.sleep(0.05)
"""
ORDERED = """\
etcd: {{endpoints: ["{endpoint}"], namespace: {namespace}}}
elections:
  job:
    ttl: 5s
    leader:
      processes:
        migrate:
          kind: task
          timeout: 20s
          command: [sh, -c, 'echo "migrated in $SUPERVISOR_TERM" >> {notes}']
        work:
          needs: {{migrate: completed}}
          command: ["{python}", "{worker}", "{notes}"]
          stop:
            before: [sh, -c, 'echo "before $SUPERVISOR_PROCESS $SUPERVISOR_MAIN_PID" >> {notes}']
            signals: [INT 300ms, TERM 5s]
"""


@pytest.fixture
def ordered(etcd: EtcdServer, namespace: str, tmp_path: Path) -> str:
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER)
    return ORDERED.format(
        endpoint=etcd.endpoint, namespace=namespace, notes=tmp_path / "notes", python=sys.executable, worker=worker
    )


def notes(tmp_path: Path) -> list[str]:
    path = tmp_path / "notes"
    return path.read_text().splitlines() if path.exists() else []


def process(node: Node, name: str) -> dict[str, object]:
    found = next(p for p in node.status()["processes"] if p["name"] == name)
    assert isinstance(found, dict)
    return found


def test_a_task_runs_first_and_once_and_the_stop_goes_through_its_steps(
    node: Make, ordered: str, tmp_path: Path
) -> None:
    one = node("one", ordered)
    until(lambda: "began" in notes(tmp_path), "the worker")
    first, *_ = notes(tmp_path)
    assert first.startswith("migrated in job#"), "the task came first"
    assert process(one, "job/migrate")["phase"] == "completed"
    assert one.run("status").returncode == 0, "a completed task is well"
    pid = one.pid_of("job/work")
    assert one.run("resign", "job").returncode == 0
    until(lambda: notes(tmp_path).count("began") == 2, "the next term's worker")
    told = notes(tmp_path)
    middle = told[told.index("began") + 1 :]
    assert middle[:3] == [f"before work {pid}", "INT", "TERM"]
    assert middle[3].startswith("migrated in job#"), "once more in the new term"
    assert middle[3] != first


def test_an_operators_stop_holds_through_crash_reload_and_term_and_start_ends_it(
    node: Make, ordered: str, tmp_path: Path
) -> None:
    one = node("one", ordered)
    until(lambda: "began" in notes(tmp_path), "the worker")
    pid = one.pid_of("job/work")
    stopped = one.run("stop", "work")
    assert (stopped.returncode, stopped.stderr) == (0, "")
    assert stopped.stdout.startswith("job/work: stopped (exit 0 after ")
    assert not runs(pid)
    assert one.run("stop", "work").stdout == "job/work: stopped already\n"
    status = one.run("status")
    assert status.returncode == 1, "degraded"
    assert "stopped by operator" in status.stdout
    one.file.write_text(ordered.replace("INT 300ms", "INT 200ms"))
    assert one.run("reload").returncode == 0
    token = one.election()["token"]
    assert token is not None, "the term stays"
    assert one.run("resign", "job").returncode == 0
    until(lambda: one.election()["token"] not in (None, token), "another term")
    until(lambda: process(one, "job/migrate")["phase"] == "completed", "its task")
    assert process(one, "job/work")["halted"] is True
    assert notes(tmp_path).count("began") == 1
    started = one.run("start", "job/work")
    assert (started.returncode, started.stderr) == (0, "")
    assert started.stdout == f"job/work: started (pid {one.pid_of('job/work')})\n"
    assert one.run("start", "job/work").stdout.startswith("job/work: nothing to do")
    until(lambda: notes(tmp_path).count("began") == 2, "the worker again")
    assert one.run("status").returncode == 0


def test_the_past_of_a_process_is_shown_with_what_was_decided(node: Make, ordered: str, tmp_path: Path) -> None:
    one = node("one", ordered)
    until(lambda: "began" in notes(tmp_path), "the worker")
    os.kill(one.pid_of("job/work"), signal.SIGKILL)
    until(lambda: notes(tmp_path).count("began") == 2, "the restart")
    assert one.run("restart", "work").returncode == 0
    exits = process(one, "job/work")["exits"]
    assert isinstance(exits, list)
    newest, oldest = exits
    assert (oldest["signal"], oldest["code"], oldest["cause"]) == ("SIGKILL", None, "")
    assert oldest["decision"] == "restart at once (1 of 5 in 1 m)"
    assert (newest["lines"], oldest["lines"]) == (["working"], []), "the last words of the newest only"
    assert (newest["code"], newest["cause"]) == (0, "restarted by an operator")
    shown = one.run("status", "job/work").stdout
    assert "restart at once (1 of 5 in 1 m)" in shown
    assert "job/work: killed by signal 9" in one.says()


GIVES_UP = """\
etcd: {{endpoints: ["{endpoint}"], namespace: {namespace}}}
elections:
  job:
    ttl: 5s
    cooldown: 30s..2m
    leader:
      processes:
        work:
          command: [sh, -c, 'test "$SUPERVISOR_NODE" = well && exec sleep 1000; echo "the disk is gone"; exit 3']
          restart: {{backoff: 10ms, limit: 2 per 1m}}
    follower:
      processes: {{standby: {{command: [sleep, infinity]}}}}
"""


def test_a_sick_node_gives_up_and_does_not_win_again_at_once(node: Make, etcd: EtcdServer, namespace: str) -> None:
    text = GIVES_UP.format(endpoint=etcd.endpoint, namespace=namespace)
    sick = node("sick", text)
    until(lambda: "job: not a candidate: job/work gave up" in sick.says(), "the give-up")
    election = sick.election()
    assert election["phase"] == "detached"
    assert 0 < election["cooldown_seconds"] <= 30
    assert election["cooldown_until"].endswith("Z")
    assert sick.run("status").returncode == 1
    assert "gave up: 2 restarts in 1 m" in sick.says()
    until(lambda: process(sick, "job/standby")["phase"] == "running", "its follower role")
    well = node("well", text)
    until(lambda: "job/work: started" in well.says(), "the other node's term")
    assert "job: following" not in sick.says(), "it does not even queue"
    assert sick.run("start", "job/work").returncode == 75, "another leads; but the cool-down is over"
    until(lambda: sick.election()["phase"] == "following", "its place in the queue")


GATED = """\
etcd: {{endpoints: ["{endpoint}"], namespace: {namespace}}}
elections:
  job:
    ttl: 3s
    campaign_when: healthy
    cooldown: 2s..1m
    leader:
      processes: {{work: {{command: [sleep, infinity]}}}}
    follower:
      processes:
        standby:
          command: [sleep, infinity]
          health: {{exec: [test, -e, "{well}"], every: 100ms, timeout: 1s, failures: 2}}
"""


def test_a_node_with_a_sick_standby_leaves_the_queue_and_comes_back(
    node: Make, etcd: EtcdServer, namespace: str, tmp_path: Path
) -> None:
    marks = {name: tmp_path / f"{name}.well" for name in ("one", "two")}
    one, two = (
        node(name, GATED.format(endpoint=etcd.endpoint, namespace=namespace, well=mark)) for name, mark in marks.items()
    )
    until(lambda: "job: does not stand: job/standby is unhealthy" in two.says(), "the reason")
    assert two.election()["unfit"] == "job/standby is unhealthy"
    assert etcd.etcdctl("get", "--prefix", f"{namespace}/job/") == "", "nobody stands"
    marks["one"].touch()
    until(lambda: "job/work: started" in one.says(), "the one that is well")
    marks["two"].touch()
    until(lambda: "job: following" in two.says(), "the other in the queue")
    marks["two"].unlink()
    until(
        lambda: "job: not a candidate: withdrawn: job/standby is unhealthy cooldown=2" in two.says(), "its withdrawal"
    )
    marks["one"].unlink()
    marks["two"].touch()
    until(lambda: two.says().count("job: following") == 2, "its return")
    assert one.election()["phase"] == "leading", "whoever leads is not judged by a standby"
