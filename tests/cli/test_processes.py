"""``start``, ``stop`` and the past of one process: what is printed, and the exit code."""

import json
from dataclasses import replace

import pytest

from supervisor.cli import main
from supervisor.core.events import Event
from supervisor.core.names import ElectionName, Instant, ProcessId, ProcessName, RunId
from supervisor.core.operator_events import StartRequested, StopRequested
from supervisor.core.state import LastExit, Process, ProcessPhase, State
from tests.control import states
from tests.control.fakes import Answer
from tests.control.serving import Serve

API = ProcessId(ElectionName("billing"), ProcessName("api"))
INDEX = ProcessId(ElectionName("search"), ProcessName("index"))
DIED = LastExit(
    at=states.ago(4), code=None, signal=9, core_dumped=True, oom_killed=True, ran_seconds=3.2,
    decision="restart in 400 ms (2 of 5 in 1 m)", next_at=Instant(states.NOW + 0.2), lines=("loading", "\x1b[31mno memory"),
)  # fmt: skip
ASKED = LastExit(
    at=states.ago(90), code=0, signal=None, core_dumped=False, ran_seconds=60.0, cause="resigned by an operator",
    decision="asked to stop",
)  # fmt: skip


def changed(state: State, which: ProcessId = API, /, **changes: object) -> State:
    before = state.processes.get(which)
    if before is None:
        before = Process(id=which, spec=state.elections[which.election].spec.leader[which.name])
    p = replace(before, **changes)  # type: ignore[arg-type] # a process's own fields
    return replace(state, processes={**state.processes, which: p})


def answering(**changes: object) -> Answer:
    def answer(state: State, event: Event) -> State:
        assert isinstance(event, StartRequested | StopRequested)
        return changed(state, event.process, **changes)

    return answer


GONE: dict[str, object] = {"phase": ProcessPhase.STOPPED, "run": None, "pid": None, "ready": False, "halted": True}
HALTED = changed(states.healthy(), API, **GONE)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> "Said":
    return Said(capsys)


class Said:
    """Runs the command in this process, at a daemon that answers."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *args: object) -> tuple[int, str]:
        code = main.run([str(a) for a in args])
        out, err = self._capsys.readouterr()
        return code, out + err


def test_stop_says_how_it_ended_and_what_starts_it(say: Said, serve: Serve) -> None:
    socket = serve(states.healthy(), answering(**GONE, last_exit=ASKED)).socket
    code, text = say("stop", "api", "--socket", socket)
    assert (code, text) == (0, "billing/api: stopped (exit 0 after 1m); `supervisor start billing/api` starts it\n")


def test_stop_of_a_stopped_one_is_fine(say: Said, serve: Serve) -> None:
    daemon = serve(HALTED)
    assert say("stop", "api", "--socket", daemon.socket) == (0, "billing/api: stopped already\n")
    assert daemon.ports.posted == []


def test_stop_that_takes_longer_names_who_is_left(say: Said, serve: Serve) -> None:
    lives = answering(phase=ProcessPhase.STOPPING, halted=True, kill_at=Instant(states.NOW + 4), blockers=("77 (tar)",))
    code, text = say("stop", "api", "--timeout", "50ms", "--socket", serve(states.healthy(), lives).socket)
    assert code == 75
    assert (
        text == "supervisor: billing/api: not stopped within 0.05s, stopping, SIGKILL in 4.0s; still alive: 77 (tar)\n"
    )


def test_start_of_a_stopped_one_waits_until_it_is_ready(say: Said, serve: Serve) -> None:
    runs = answering(phase=ProcessPhase.RUNNING, run=RunId(50), pid=5000, ready=True, halted=False)
    code, text = say("start", "api", "--socket", serve(HALTED, runs).socket)
    assert (code, text) == (0, "billing/api: started (pid 5000)\n")


def test_start_of_what_runs_is_fine(say: Said, serve: Serve) -> None:
    code, text = say("start", "api", "--socket", serve(states.healthy()).socket)
    assert (code, text) == (0, "billing/api: nothing to do (pid 4711)\n")


def test_start_of_another_role_lifts_the_stop_and_is_75(say: Said, serve: Serve) -> None:
    halted = changed(states.healthy(), INDEX, halted=True)
    code, text = say("start", "search/index", "--socket", serve(halted, answering(halted=False)).socket)
    assert code == 75
    assert "not started, but free to; it is a leader process, and this node does not have that role now" in text


def test_start_that_fails_is_75(say: Said, serve: Serve) -> None:
    ended = answering(phase=ProcessPhase.BACKOFF, run=None, since=states.NOW, halted=False, last_exit=DIED)
    code, text = say("start", "api", "--socket", serve(HALTED, ended).socket)
    assert code == 75
    assert "started, but ended again: SIGKILL after 3.2s, core dumped, out of memory (backoff)" in text


def test_status_of_a_process_shows_its_past_and_its_last_lines(say: Said, serve: Serve) -> None:
    state = changed(states.healthy(), last_exit=DIED, exits=(ASKED, DIED))
    code, text = say("status", "billing/api", "--socket", serve(state).socket)
    assert code == 0
    rows = [line.split("  ") for line in text.splitlines() if line.startswith("billing/api")]
    assert len(rows) == 3, "itself, and two exits"
    first, second = ([cell.strip() for cell in row if cell] for row in rows[1:])
    assert first == [
        "billing/api", "4.0s ago", "SIGKILL after 3.2s, core dumped, out of memory", "-",
        "restart in 400 ms (2 of 5 in 1 m), in 0.2s",
    ]  # fmt: skip
    assert second[2:] == ["exit 0 after 1m", "resigned by an operator", "asked to stop"]
    assert text.splitlines()[-3:] == [
        "the last lines of billing/api before its last exit:",
        "  loading",
        "  \\x1b[31mno memory",
    ]
    assert "search" not in text


def test_the_past_is_in_the_json_and_not_in_the_plain_overview(say: Said, serve: Serve) -> None:
    socket = serve(changed(states.healthy(), last_exit=DIED, exits=(ASKED, DIED))).socket
    found = json.loads(say("status", "--json", "--socket", socket)[1])
    api = next(p for p in found["processes"] if p["name"] == "billing/api")
    assert [e["decision"] for e in api["exits"]] == [DIED.decision, ASKED.decision]
    newest = api["exits"][0]
    assert (newest["signal"], newest["code"], newest["oom_killed"], newest["next_seconds"]) == (
        "SIGKILL",
        None,
        True,
        0.2,
    )
    assert "asked to stop" not in say("status", "--socket", socket)[1]


def test_a_held_process_is_degraded_and_says_what_starts_it(say: Said, serve: Serve) -> None:
    code, text = say("status", "--socket", serve(HALTED).socket)
    assert code == 1
    assert "stopped by operator" in text
    assert "! billing/api: stopped by an operator; `supervisor start billing/api` starts it" in text


def test_a_name_that_is_nothing_is_told(say: Said, serve: Serve) -> None:
    code, text = say("status", "bilings", "--socket", serve(states.healthy()).socket)
    assert code == 64
    assert 'no election is named "bilings"; did you mean "billing"?' in text
