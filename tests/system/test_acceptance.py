"""The main job's promises, line by line, on real daemons and a real etcd."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.etcd_server import Binaries, EtcdServer, installed
from tests.system.nodes import COMMAND, Make, Node, beats, mentioning, runs, until

pytestmark = [pytest.mark.system, pytest.mark.etcd]

FILE = """\
etcd: {{endpoints: ["{endpoint}"], namespace: {namespace}}}
elections:
  job: {{ttl: 5s, {more}leader: {{processes: {{work: {{command: [sleep, infinity]{process}}}}}}}}}
"""
FOLLOWER = "follower: {processes: {standby: {command: [sleep, infinity]}}}, "


def file(etcd: EtcdServer, namespace: str, *, more: str = "", process: str = "") -> str:
    return FILE.format(endpoint=etcd.endpoint, namespace=namespace, more=more, process=process)


@contextmanager
def foreign(etcd: EtcdServer, election: str, value: str = "other") -> Iterator["subprocess.Popen[str]"]:
    """``etcdctl elect``; it has entered the queue when this returns, and has left it afterwards."""
    candidate = etcd.spawn_etcdctl("elect", election, value)
    try:
        until(lambda: value in etcd.etcdctl("get", "--prefix", election + "/").splitlines(), "the foreign candidate")
        yield candidate
    finally:
        candidate.send_signal(signal.SIGINT)  # it resigns
        candidate.communicate(timeout=20)


# --- what people and etcdctl are shown -------------------------------------------------------------------------------


def test_status_shows_every_column(node: Make, etcd: EtcdServer, namespace: str) -> None:
    one = node("one", file(etcd, namespace))
    until(lambda: "job/work: started" in one.says(), "the process")
    status = one.run("status")
    assert status.returncode == 0, status.stdout
    shown = [re.split(r"  +", line.strip()) for line in status.stdout.splitlines() if line]
    assert shown[0] == ["one", "healthy"]
    tables = [dict(zip(row, shown[i + 1], strict=True)) for i, row in enumerate(shown) if row[-1].isupper()]
    elections, processes = tables
    known = one.election()
    assert (elections["ELECTION"], elections["ROLE"], elections["LEADER"]) == ("job", "leader", "one")
    assert elections["TOKEN"] == str(known["token"])
    assert re.fullmatch(r"[1-5](\.\d)?s", elections["LEASE"])
    assert (processes["PROCESS"], processes["PID"]) == ("job/work", str(one.pid_of("job/work")))
    assert re.fullmatch(r"\d+(\.\d)?m?s", processes["UPTIME"])
    assert processes["HEALTH"] == "healthy"


@pytest.mark.parametrize("binaries", installed(), ids=lambda b: b.version)
def test_etcdctl_sees_the_leader_and_the_document(node: Make, tmp_path: Path, binaries: Binaries) -> None:
    with EtcdServer(tmp_path / "etcd", binaries=binaries) as etcd:
        one = node("one", file(etcd, "/supervisor", more="proclaim: {value: {address: here}}, "))
        until(lambda: "job/work: started" in one.says(), "the process")
        until(lambda: one.election()["leader"]["proclaimed_health"] == "healthy", "the healthy document")
        leader = json.loads(one.run("leader", "job", "--json").stdout)["leader"]
        listening = etcd.spawn_etcdctl("elect", "-l", "/supervisor/job")
        try:
            assert listening.stdout is not None
            key, value = (listening.stdout.readline().strip() for _ in range(2))
        finally:
            listening.terminate()
            listening.communicate(timeout=20)
        assert key == leader["key"]
        assert etcd.etcdctl("get", "--prefix", "/supervisor/").splitlines() == [key, value]
        document = json.loads(value)
        assert document == leader["document"]
        assert (document["v"], document["node"], document["state"], document["health"]) == (
            1,
            "one",
            "leading",
            "healthy",
        )
        assert document["value"] == {"address": "here"}
        assert document["processes"]["work"]["pid"] == one.pid_of("job/work")
        one.end()  # before its etcd
        assert etcd.etcdctl("get", "--prefix", "/supervisor/") == ""


def test_we_queue_behind_a_foreign_candidate_and_win_when_it_goes(node: Make, etcd: EtcdServer, namespace: str) -> None:
    with foreign(etcd, f"{namespace}/job"):
        one = node("one", file(etcd, namespace, more=FOLLOWER))
        until(lambda: "job/standby: started" in one.says(), "the follower process")
        known = one.election()
        assert (known["role"], known["queue_position"], known["leader"]["foreign"]) == ("follower", 2, True)
        assert one.run("leader", "job").stdout.splitlines()[0].endswith("(not a supervisor)")
        assert "job/work: started" not in one.says()
    until(lambda: "job/work: started" in one.says(), "our term")
    assert not runs(one.pid_of("job/standby"))


def test_the_age_of_a_stable_leader_stays_young(node: Make, etcd: EtcdServer, namespace: str) -> None:
    with foreign(etcd, f"{namespace}/job"):
        one = node("one", file(etcd, namespace))
        until(lambda: "job: following" in one.says(), "our candidacy")
        first = one.election()["queue_age_seconds"]
        until(lambda: one.election()["queue_age_seconds"] < first, "a confirmation that makes it younger")
        assert one.election()["leader"]["source"] == "watch"


# --- health ----------------------------------------------------------------------------------------------------------


class Observer:
    """``supervisor observe`` and the lines it has printed, each with the instant at which it came."""

    def __init__(self, node: Node, *words: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "observe", *words, "--socket", str(node.socket)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def next(self) -> dict[str, object]:
        """The leader of the next line."""
        assert self.process.stdout is not None
        found = json.loads(self.process.stdout.readline())["leader"]
        assert isinstance(found, dict)
        return found

    def until_health(self, health: str) -> None:
        """Read on until the leader's document says so."""
        while self.next()["proclaimed_health"] != health:
            pass

    def end(self) -> tuple[int, str]:
        """Exit code and complaints, when it has ended."""
        _, complaints = self.process.communicate(timeout=20)
        return self.process.returncode, complaints


def test_a_failing_probe_is_proclaimed_and_observed(
    node: Make, etcd: EtcdServer, namespace: str, tmp_path: Path
) -> None:
    good = tmp_path / "good"
    good.touch()
    probe = f", health: {{exec: [test, -e, {good}], every: 50ms, timeout: 5s, failures: 1}}"
    one = node("one", file(etcd, namespace, process=probe))
    until(lambda: "job/work: started" in one.says(), "the process")
    two = node("two", file(etcd, namespace))
    until(lambda: "job: following" in two.says(), "the follower")
    observer = Observer(two, "job")  # from another node: what is seen there has gone through etcd
    try:
        observer.until_health("healthy")
        for health, change in (("unhealthy", good.unlink), ("healthy", good.touch)):
            began = time.monotonic()
            change()
            observer.until_health(health)
            print(f"{health} on one, observed on two after {(time.monotonic() - began) * 1000:.0f} ms")  # noqa: T201 # shown by -s
        assert one.says().index("job/work: unhealthy") < one.says().rindex("job/work: healthy")
        assert one.says().count("job/work: started") == 1, "reported, not restarted"
    finally:
        observer.process.kill()
        observer.end()


def test_observe_ends_quietly_at_ctrl_c_without_a_reader_and_with_the_daemon(
    node: Make, etcd: EtcdServer, namespace: str
) -> None:
    one = node("one", file(etcd, namespace))
    until(lambda: "job: became leader" in one.says(), "the term")
    interrupted, left = Observer(one), Observer(one)
    outlived = Observer(one, "--no-reconnect")
    for observer in (interrupted, left, outlived):
        assert observer.next()["ours"] is True
    interrupted.process.send_signal(signal.SIGINT)
    assert interrupted.end() == (0, "")
    assert left.process.stdout is not None
    left.process.stdout.close()
    left.process.stdout = None
    assert left.end() == (0, ""), "nothing has changed, and still it ends"
    one.daemon.terminate()
    code, complaints = outlived.end()
    assert (code, complaints.count("\n")) == (3, 1)


# --- reload ----------------------------------------------------------------------------------------------------------


def test_a_reload_costs_what_section_six_says(node: Make, etcd: EtcdServer, namespace: str) -> None:
    other = "  other: {ttl: 5s, leader: {processes: {idle: {command: [sleep, infinity]}}}}\n"
    one = node("one", file(etcd, namespace) + other)
    until(lambda: "job/work: started" in one.says() and "other/idle: started" in one.says(), "both processes")
    idle, token = one.pid_of("other/idle"), one.election()["token"]

    one.file.write_text(file(etcd, namespace, process=", environment: {NEW: value}") + other)
    until(lambda: one.says().count("job/work: started") == 2, "the restart, by the change of the file alone")
    assert one.election()["token"] == token, "restarted in place"

    one.file.write_text(
        file(etcd, namespace, more="lost_grace: 500ms, ", process=", environment: {NEW: value}") + other
    )
    until(lambda: one.says().count("job/work: started") == 3, "the new term")
    assert one.election()["token"] > token, "campaigned anew"

    live = ", environment: {NEW: value}, restart: {limit: 9 per 1m}"
    one.file.write_text(file(etcd, namespace, more="lost_grace: 500ms, ", process=live) + other)
    reloaded = one.run("reload")
    assert reloaded.returncode == 0, reloaded.stdout + reloaded.stderr
    assert one.says().count("job/work: started") == 3, "taken over live"
    assert one.pid_of("other/idle") == idle
    assert runs(idle)


def test_a_broken_file_changes_nothing_and_status_says_why(node: Make, etcd: EtcdServer, namespace: str) -> None:
    good = file(etcd, namespace)
    one = node("one", good)
    until(lambda: "job/work: started" in one.says(), "the process")
    before = one.election()["token"]
    one.file.write_text(good.replace("command:", "comand:"))
    reloaded = one.run("reload")
    assert reloaded.returncode == 78
    place = f"{one.file}:3:46: "
    assert place in reloaded.stdout + reloaded.stderr
    status = one.run("status")
    assert status.returncode == 1
    assert place in status.stdout
    assert (one.election()["token"], one.says().count("job/work: started")) == (before, 1)
    one.file.write_text(good)
    assert one.run("reload").returncode == 0
    assert one.run("status").returncode == 0


def test_the_name_of_a_running_node_cannot_be_changed(node: Make, etcd: EtcdServer, namespace: str) -> None:
    one = node("one", "node: web-1\n" + file(etcd, namespace), named=False)
    until(lambda: "job/work: started" in one.says(), "the process")
    one.file.write_text("node: web-2\n" + file(etcd, namespace))
    reloaded = one.run("reload")
    assert reloaded.returncode == 78
    said = reloaded.stdout + reloaded.stderr
    assert (
        f"{one.file}:1:7: node cannot change while running: it is web-1, and would be web-2; restart the daemon" in said
    )
    assert one.status()["daemon"]["node"] == "web-1"
    assert runs(one.pid_of("job/work"))


# --- kills -----------------------------------------------------------------------------------------------------------


def test_a_killed_leader_process_is_started_again_in_the_same_term(
    node: Make, etcd: EtcdServer, namespace: str
) -> None:
    one = node("one", file(etcd, namespace))
    until(lambda: "job/work: started" in one.says(), "the process")
    token, pid = one.election()["token"], one.pid_of("job/work")
    os.kill(pid, signal.SIGKILL)
    until(lambda: one.says().count("job/work: started") == 2, "the restart")
    assert one.pid_of("job/work") != pid
    assert one.election()["token"] == token


def test_a_killed_daemon_leaves_nothing_and_another_node_leads(
    node: Make, text: str, tmp_path: Path, etcd: EtcdServer, namespace: str
) -> None:
    one = node("one", text)
    until(lambda: beats(tmp_path / "beats"), "the first beat")
    two = node("two", text)
    until(lambda: "job: following" in two.says(), "the follower")
    until(lambda: "job/work: started" in one.says(), "the line that names its pid")
    work = one.pid_of("job/work")
    began = time.monotonic()
    one.daemon.send_signal(signal.SIGKILL)
    until(lambda: not runs(work), "the end of the leader process", 4)
    gone = time.monotonic()
    until(lambda: "job: became leader" in two.says(), "the takeover")
    print(f"process gone after {(gone - began) * 1000:.0f} ms, led after {(time.monotonic() - began) * 1000:.0f} ms")  # noqa: T201
    one.daemon.wait()
    until(lambda: not mentioning(str(one.home)), "the end of the guardian, too")
    assert len(etcd.etcdctl("get", "--prefix", "--keys-only", namespace + "/").split()) == 1


def test_ctrl_c_in_the_terminal_of_the_daemon_stops_in_order(etcd: EtcdServer, namespace: str, tmp_path: Path) -> None:
    """A terminal signals the whole foreground group, the guardian included."""
    (tmp_path / "file.yaml").write_text(file(etcd, namespace))
    options = ["--socket", str(tmp_path / "s"), "--state-dir", str(tmp_path / "state"), "--node", "one"]
    daemon = subprocess.Popen(
        [*COMMAND, "run", str(tmp_path / "file.yaml"), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )
    assert daemon.stdout is not None
    said = ""
    while "job/work: started" not in said:
        said += daemon.stdout.readline()
    os.killpg(daemon.pid, signal.SIGINT)
    said, _ = daemon.communicate(timeout=20)
    assert daemon.returncode == 0, said
    assert said.index("stepping down") < said.index("job/work: stopped") < said.index("resigning")
    assert etcd.etcdctl("get", "--prefix", namespace + "/") == ""
    assert mentioning(str(tmp_path)) == []


# --- campaigns, and etcd that is not there (yet) ---------------------------------------------------------------------


def test_a_campaign_timeout_renews_the_campaign_and_the_follower_goes_on(
    node: Make, etcd: EtcdServer, namespace: str
) -> None:
    renewed = "job: resigning: the campaign timed out and is renewed"
    with foreign(etcd, f"{namespace}/job"):
        one = node("one", file(etcd, namespace, more="campaign_timeout: 300ms, " + FOLLOWER))
        until(lambda: one.says().count(renewed) >= 3, "three renewals")
        assert one.says().count("job/standby: started") == 1
        assert runs(one.pid_of("job/standby"))
        assert len(etcd.etcdctl("get", "--prefix", "--keys-only", f"{namespace}/job/").split()) <= 2
    until(lambda: "job/work: started" in one.says(), "our term")


def test_an_etcd_that_comes_late_is_waited_for_and_said_once(node: Make, tmp_path: Path) -> None:
    with EtcdServer(tmp_path / "etcd") as etcd:
        etcd.stop()
        one = node("one", file(etcd, "/supervisor"))
        until(lambda: "etcd unreachable" in one.says(), "the complaint")
        status = one.run("status")
        assert status.returncode in (1, 4)
        assert etcd.endpoint in status.stdout
        assert one.status()["store"]["reachable"] == "no"
        etcd.start()
        until(lambda: "job/work: started" in one.says(), "our term")
        assert one.says().count("etcd unreachable") == 1
        until(lambda: one.run("status").returncode == 0, "the watch's own return, and a good status")
        one.end()


def test_wait_etcd_does_not_end_what_has_reached_it(node: Make, etcd: EtcdServer, namespace: str) -> None:
    one = node("one", file(etcd, namespace), options=("--wait-etcd", "30s"))
    until(lambda: "job/work: started" in one.says(), "our term")
    assert one.daemon.poll() is None
