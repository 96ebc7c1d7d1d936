"""Each verb: what it prints, and its exit code."""

import importlib
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from supervisor import __version__
from supervisor.cli import exits
from supervisor.control.ports import PlanReading, ReloadOutcome
from supervisor.core.events import Event, Ticked
from supervisor.core.names import ElectionName, ProcessId, ProcessName, RunId
from supervisor.core.state import ElectionPhase, LastExit, ProcessPhase, State
from supervisor.daemon import handover
from tests.cli.conftest import Said
from tests.control import states
from tests.control.serving import Serve

BILLING = ElectionName("billing")
API = ProcessId(BILLING, ProcessName("api"))


def python(*args: object, **more: object) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    command = [sys.executable, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, **more)  # type: ignore[call-overload,no-any-return]


# --- the command itself --------------------------------------------------------------------------------------------


def test_help_lists_every_verb_and_each_has_its_own(say: Said) -> None:
    code, out, _ = say("--help")
    assert code == 0
    verbs = ["run", "check", "schema", "status", "top", "elect", "leader", "observe", "plan", "reload", "resign"]
    verbs += ["switchover", "pause", "resume", "drain", "undrain"]
    verbs += [
        "start",
        "stop",
        "restart",
        "logs",
        "events",
        "assert",
        "history",
        "completion",
        "version",
        "doctor",
        "drill",
        "init",
    ]
    assert [line.split()[0] for line in out.split("Commands:")[1].splitlines()[1:] if line.strip()][
        : len(verbs)
    ] == verbs
    for verb in verbs:
        code, out, _ = say(verb, "--help")
        assert code == 0
        assert out.startswith(f"Usage: supervisor {verb}")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "Usage:"),
        (["statsu"], 'No such command "statsu"; did you mean "status"?'),
        (["\x1b[2J"], 'No such command "\\x1b[2J"'),
        (["status", "--jsn"], "--json"),
        (["resign"], "ELECTION"),
        (["resign", "x", "--timeout", "10"], "write 10s for seconds"),
        (["run", "--wait-etcd", "soon"], "is not a duration"),
        (["run", "a", "b"], "unexpected extra argument"),
        (["--nonsense"], "No such option"),
    ],
)
def test_usage_errors_are_64_and_say_what_to_do(say: Said, args: list[str], words: str) -> None:
    code, _, err = say(*args)
    assert code == 64
    assert words in err
    assert "\x1b" not in err


@pytest.mark.parametrize("args", [["run", "--help"], ["--help"], ["--version"], ["run", "--wait-etcd", "x"]])
def test_run_loads_nothing_heavy(args: list[str]) -> None:
    code = (
        "import sys\nfrom supervisor.cli.main import run\nrun(sys.argv[1:])\n"
        "print(sorted({'grpc', 'rich', 'pydantic', 'google.protobuf', 'yaml', 'asyncio'} & set(sys.modules)))"
    )
    assert python("-c", code, *args).stdout.splitlines()[-1] == "[]"


def test_the_module_is_the_command(tmp_path: Path) -> None:
    done = python("-m", "supervisor", "--version")
    assert (done.returncode, done.stdout) == (0, f"supervisor {__version__}\n")
    done = python("-m", "supervisor", "statsu")
    assert (done.returncode, done.stdout) == (64, "")
    done = python("-m", "supervisor", "status", "--socket", tmp_path / "s")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("supervisor: no supervisor is running here")
    assert len(done.stderr.splitlines()) == 1


def test_a_bug_is_70_and_shows_where(say: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_more: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("supervisor.cli.all_nodes.load", fail)
    code, _, err = say("check", tmp_path / "f.yaml")
    assert code == 70
    assert "RuntimeError: a bug" in err


# --- the daemon cannot be asked ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "verb", [["status"], ["leader", "x"], ["observe"], ["plan"], ["reload"], ["resign", "x"], ["restart", "x"]]
)
def test_not_running_is_3(say: Said, tmp_path: Path, verb: list[str]) -> None:
    code, out, err = say(*verb, "--socket", tmp_path / "s")
    assert (code, out) == (3, "")
    assert "supervisor run" in err


def test_the_socket_comes_from_the_environment_too(
    say: Said, serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SUPERVISOR_SOCKET", str(serve().socket))
    assert say("leader", "billing")[0] == 0
    assert say("--socket", tmp_path / "none", "leader", "billing")[0] == 3
    assert say("--socket", tmp_path / "none", "leader", "billing", "--socket", tmp_path / "s")[0] == 0


@pytest.mark.parametrize(
    "verb", [["status", "biling"], ["leader", "biling"], ["observe", "biling"], ["resign", "biling"]]
)
def test_a_mistyped_election_is_64(say: Said, serve: Serve, verb: list[str]) -> None:
    code, _, err = say(*verb, "--socket", serve().socket)
    assert code == 64
    assert 'did you mean "billing"?' in err


def test_a_socket_that_cannot_be_is_64(say: Said) -> None:
    assert say("status", "--socket", "/" + "x" * 200)[0] == 64


def test_not_permitted_is_77(serve: Serve, say: Said) -> None:
    socket = serve().socket
    socket.chmod(0)
    importlib.import_module("supervisor.cli.status")  # while we still may read it
    user = os.geteuid()
    if user == 0:  # root may always
        os.seteuid(65534)
    try:
        code, _, err = say("status", "--socket", socket)
    finally:
        os.seteuid(user)
    assert code == 77
    assert "no permission to use" in err


# --- verbs ---------------------------------------------------------------------------------------------------------


def test_version(say: Said, serve: Serve, tmp_path: Path) -> None:
    code, out, _ = say("version", "--socket", tmp_path / "none")
    assert code == 0
    assert out.splitlines()[1] == "daemon     not running"
    assert say("version", "--socket", serve().socket)[1].splitlines()[1] == "daemon     0.1.0 (pid 4321, node web-1)"


def test_leader(say: Said, serve: Serve) -> None:
    daemon = serve()
    code, out, _ = say("leader", "search", "--socket", daemon.socket)
    assert code == 0
    assert out.splitlines()[:2] == ["web-2", "  token     1201"]
    assert say("leader", "billing", "--socket", daemon.socket)[1].startswith("web-1 (this node)\n")
    code, out, _ = say("leader", "search", "--json", "--socket", daemon.socket)
    found = json.loads(out)
    assert (code, found["election"], found["leader"]["document"]["node"]) == (0, "search", "web-2")
    daemon.become(states.troubled())
    code, out, _ = say("leader", "search", "--socket", daemon.socket)
    assert (code, out) == (4, "unknown (never seen)\n")
    code, out, _ = say("leader", "a-rather-long-election-name", "--socket", daemon.socket)
    assert code == 0
    assert out.splitlines()[0].endswith("(not a supervisor)")
    assert "  value     other\\x1b[2J" in out.splitlines()
    search = replace(states.following("search"), queue=())
    daemon.become(states.state(search))
    assert say("leader", "search", "--socket", daemon.socket)[:2] == (75, "none\n")


def stepping_down(state: State, _event: Event) -> State:
    e = replace(state.elections[BILLING], phase=ElectionPhase.STEPPING_DOWN)
    return replace(state, elections={**state.elections, BILLING: e})


def gone(state: State, _event: Event) -> State:
    e = state.elections[BILLING]
    e = replace(
        e, phase=ElectionPhase.DETACHED, create_revision=None, term=None, queue=e.queue[1:], queue_at=states.NOW
    )
    return replace(state, elections={**state.elections, BILLING: e})


def test_resign(say: Said, serve: Serve) -> None:
    code, out, _ = say("resign", "billing", "--socket", serve(states.healthy(), gone).socket)
    assert (code, out) == (0, "billing: resigned (token 1234); now web-2 leads (token 1240)\n")


def test_resign_without_the_lead_is_75(say: Said, serve: Serve) -> None:
    code, _, err = say("resign", "search", "--socket", serve().socket)
    assert (code, err) == (75, "supervisor: search: this node does not lead it; web-2 leads (token 1201)\n")


def test_resign_in_time_or_75(say: Said, serve: Serve) -> None:
    socket = serve(states.healthy(), stepping_down).socket
    code, _, err = say("resign", "billing", "--timeout", "50ms", "--socket", socket)
    assert code == 75
    assert err == (
        "supervisor: billing: not resigned within 0.05s, still at it, waiting for its processes to end: billing/api\n"
    )


def restarted(state: State, _event: Event) -> State:
    p = replace(state.processes[API], run=RunId(50), pid=5000)
    return replace(state, processes={**state.processes, API: p})


def failed(state: State, _event: Event) -> State:
    last = LastExit(at=states.NOW, code=1, signal=None, core_dumped=False, ran_seconds=0.1)
    p = replace(state.processes[API], run=None, phase=ProcessPhase.BACKOFF, last_exit=last)
    return replace(state, processes={**state.processes, API: p})


def unready(state: State, _event: Event) -> State:
    p = replace(state.processes[API], run=RunId(50), ready=False, probe_detail="connection refused")
    return replace(state, processes={**state.processes, API: p})


def test_restart(say: Said, serve: Serve) -> None:
    code, out, _ = say("restart", "api", "--socket", serve(states.healthy(), restarted).socket)
    assert (code, out) == (0, "billing/api: restarted (pid 5000)\n")


def test_restart_of_another_role_is_75(say: Said, serve: Serve) -> None:
    code, _, err = say("restart", "search/index", "--socket", serve().socket)
    assert code == 75
    assert "it is a leader process, and this node does not have that role now" in err


def test_restart_that_fails_is_75(say: Said, serve: Serve) -> None:
    code, _, err = say("restart", "api", "--socket", serve(states.healthy(), failed).socket)
    assert (code, err) == (75, "supervisor: billing/api: started, but ended again: exit 1 after 0.1s (backoff)\n")


def test_restart_that_is_not_ready_in_time_is_75(say: Said, serve: Serve) -> None:
    socket = serve(states.healthy(), unready).socket
    code, _, err = say("restart", "api", "--timeout", "50ms", "--socket", socket)
    assert (code, err) == (75, "supervisor: billing/api: not ready within 0.05s, running: connection refused\n")


def test_reload(say: Said, serve: Serve) -> None:
    daemon = serve()
    code, out, _ = say("reload", "--socket", daemon.socket)
    assert (code, out.splitlines()[2]) == (0, "plan      nothing changes; 7 keep")
    assert daemon.ports.tokens == ["t"], "what was planned is what is adopted"
    daemon.ports.reading = PlanReading(problems=("f.yaml:1:2: bad\x1b",), token="u")
    daemon.ports.outcome = ReloadOutcome(
        adopted=False, problems=("f.yaml:1:2: bad\x1b\n    1 | a: b", "f.yaml:2:2: worse")
    )
    code, _, err = say("reload", "--socket", daemon.socket)
    assert code == 78
    assert err.splitlines()[:3] == ["f.yaml:1:2: bad\\x1b", "    1 | a: b", "f.yaml:2:2: worse"]


def test_reload_that_does_not_settle_is_75_unless_nobody_waits(say: Said, serve: Serve) -> None:
    socket = serve(stepping_down(states.healthy(), Ticked())).socket
    code, _, err = say("reload", "--timeout", "50ms", "--socket", socket)
    assert code == 75
    assert "billing: stepping-down" in err
    assert say("reload", "--no-wait", "--socket", socket)[0] == 0


# --- observe -------------------------------------------------------------------------------------------------------


def test_observe_prints_lines_and_ends_quietly(serve: Serve) -> None:
    daemon = serve()
    command = [sys.executable, "-m", "supervisor", "observe", "--socket", str(daemon.socket)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as observer:
        assert observer.stdout is not None
        lines = [json.loads(observer.stdout.readline()) for _ in range(2)]
        assert [(line["election"], line["leader"]["token"]) for line in lines] == [("billing", 1234), ("search", 1201)]
        daemon.become(gone(daemon.ports.state(), Ticked()))
        line = json.loads(observer.stdout.readline())
        assert (line["election"], line["leader"]["document"]["node"]) == ("billing", "web-2")
        observer.send_signal(signal.SIGINT)
        out, err = observer.communicate(timeout=10)
    assert (observer.returncode, out, err) == (0, "", "")


def test_a_reader_who_leaves_is_no_error(serve: Serve) -> None:
    socket = serve().socket
    command = f"{sys.executable} -m supervisor observe --socket {socket} | head -n 1"
    with subprocess.Popen(["bash", "-c", "set -o pipefail; " + command], stdout=subprocess.PIPE) as pipeline:
        assert pipeline.stdout is not None
        assert b"billing" in pipeline.stdout.readline()
        pipeline.terminate()


# --- check ---------------------------------------------------------------------------------------------------------

GOOD = """
node: web-1
etcd: {endpoints: ["10.0.0.1:2379"]}
elections:
  billing:
    ttl: 10s
    leader: {processes: {api: {command: "billing --port 80"}}}
    follower: {processes: {standby: {command: "billing --standby"}}}
processes: {exporter: {command: exporter}}
"""


def test_check_of_a_good_file(say: Said, tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(GOOD)
    code, out, err = say("check", tmp_path / "f.yaml")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert re.fullmatch(rf"{re.escape(str(tmp_path))}/f\.yaml \([0-9a-f]{{8}}\): good, as node web-1", lines[0])
    assert lines[1:] == [
        "  node      web-1",
        "  etcd      http://10.0.0.1:2379; namespace /supervisor",
        "  always    exporter",
        "",
        "  election  billing",
        "    leader    api",
        "    follower  standby",
        "          0s  a renewal of the lease is sent, and acknowledged",
        "      2.067s  the next is sent; and again until one is acknowledged",
        "      6.667s  none acknowledged: leadership is lost, leader processes get their stop signal",
        "        9.5s  what is still alive is killed; lost_grace is 2.833s",
        "         10s  etcd ends the lease; another node may lead",
        "    budget    2 x renew_every 3.333s + lost_grace 2.833s + safety_margin 0.5s = 10s of ttl 10s",
        "    in words  a node that dies or is cut off is replaced after 10s; one that gives up the lead, at once",
        "              to end, processes have up to 10s when the lead is given up, 2.833s when it is lost",
    ]


def test_check_warns_of_many_campaign_calls(say: Said, tmp_path: Path) -> None:
    elections = "".join(f"  e{i}: {{}}\n" for i in range(21))
    text = f'etcd: {{endpoints: ["10.0.0.1:2379"], campaign: rpc}}\nelections:\n{elections}'
    (tmp_path / "f.yaml").write_text(text)
    code, out, _ = say("check", tmp_path / "f.yaml", "--node", "n")
    assert code == 0
    assert "; candidates enter by Campaign calls" in out
    assert [line for line in out.splitlines() if "warning" in line and "with 21 elections" in line]
    (tmp_path / "f.yaml").write_text(text.replace("  e20: {}\n", ""))
    assert "warning" not in say("check", tmp_path / "f.yaml", "--node", "n")[1]


def test_check_of_a_file_that_needs_no_etcd(say: Said, tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("processes: {a: {command: a}}\n")
    code, out, _ = say("check", tmp_path / "f.yaml", "--node", "n")
    assert code == 0
    assert "  etcd      not needed: no elections" in out.splitlines()


def test_check_prints_every_problem(say: Said, tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(GOOD.replace("ttl: 10s", "ttl: soon").replace("node: web-1", "nod: web-1"))
    code, out, err = say("check", tmp_path / "f.yaml")
    assert (code, out) == (78, "")
    lines = err.splitlines()
    assert lines[0].startswith(f"{tmp_path}/f.yaml:2:1: ")
    assert lines[1:3] == ["    2 | nod: web-1", "      | ^"]
    assert lines[3].startswith(f"{tmp_path}/f.yaml:6:10: ")
    assert lines[5].endswith("|          ^")
    assert lines[6:] == [f"supervisor: 2 problems in {tmp_path}/f.yaml"]
    assert say("check", tmp_path / "none.yaml")[0] == 78
    assert say("check")[0] == 64


# --- run -----------------------------------------------------------------------------------------------------------


def test_run_becomes_the_daemon(say: Said, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[list[str]] = []

    def execv(program: str, argv: list[str]) -> None:
        assert program == argv[0] == sys.executable
        calls.append(argv)
        raise exits.Failure("became the daemon", 69)

    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUPERVISOR_STATE_DIR", "/state")
    arguments = ["--node", "n=--x", "--wait-etcd", "1500ms", "--state-dir", "s"]
    assert say("run", "f.yaml", *arguments, "--socket", "c")[0] == 69
    assert say("--socket", "/x/c", "run", "--node", "")[0] == 69
    assert say("run", "--socket", "/x/c")[0] == 69
    main = str(Path(handover.__file__).with_name("__main__.py"))
    assert all(main in argv for argv in calls)
    asked = [handover.Orders.parse(argv[argv.index(main) + 1 :]) for argv in calls]
    default, socket, state = Path("/etc/supervisor/supervisor.yaml"), Path("/x/c"), Path("/state")
    assert asked == [
        handover.Orders(
            file=tmp_path / "f.yaml",
            node="n=--x",
            wait_etcd_seconds=1.5,
            socket=tmp_path / "c",
            state_dir=tmp_path / "s",
        ),
        handover.Orders(file=default, node="", wait_etcd_seconds=None, socket=socket, state_dir=state),
        handover.Orders(file=default, node=None, wait_etcd_seconds=None, socket=socket, state_dir=state),
    ]
