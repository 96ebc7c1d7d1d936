"""The server and the client, over a real socket."""

import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from supervisor.control import client, describe, views
from supervisor.control.client import Client, OtherVersion
from supervisor.control.ports import ReloadOutcome
from supervisor.control.server import ControlServer, ServeError
from supervisor.core.events import Event
from supervisor.core.names import ElectionName, ProcessId, ProcessName, RunId, Token
from supervisor.core.operator_events import ResignRequested, RestartRequested
from supervisor.core.state import ElectionPhase, LastExit, Process, ProcessPhase, State
from supervisor.paths import key_path
from tests.control import states
from tests.control.fakes import FakePorts
from tests.control.serving import Serve, serving

BILLING = ElectionName("billing")
API = ProcessId(BILLING, ProcessName("api"))


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def until(holds: Callable[[], bool]) -> None:
    """Wait for something that another thread brings about."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# --- asking --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [states.healthy, states.troubled, states.cut_off])
def test_the_status_arrives_as_it_was_described(serve: Serve, make: Callable[[], State]) -> None:
    daemon = serve(make())
    with Client(daemon.socket) as connected:
        assert connected.status() == describe.status(make(), states.FACTS, states.NOW)
        only = ElectionName("search")
        assert connected.status("search") == describe.status(make(), states.FACTS, states.NOW, only=only)


def test_version_and_leader(serve: Serve) -> None:
    with Client(serve().socket) as connected:
        assert connected.version() == views.Version(version="0.1.0", pid=4321, node="web-1", schema_version=1)
        assert connected.leader("search").leader.node == "web-2"


def test_a_name_that_does_not_exist_is_answered_with_the_nearest(serve: Serve) -> None:
    with Client(serve().socket) as connected:
        with pytest.raises(client.UnknownName, match=r'no election is named "biling"; did you mean "billing"\?'):
            connected.status("biling")
        with pytest.raises(client.UnknownName, match="there are: billing, search"):
            connected.leader("x")
        with pytest.raises(client.UnknownName, match='did you mean "search"'):
            connected.resign("serch", 1)
        with pytest.raises(client.UnknownName, match='did you mean "billing/api"'):
            connected.restart("billing/apo", 1)
        with pytest.raises(client.UnknownName, match='did you mean "search"'):
            next(connected.observe("billing", "searc"))


def test_thousands_of_elections_fit_in_an_answer(serve: Serve) -> None:
    names = [f"election-{n:05}" for n in range(3000)]
    daemon = serve(states.state(*(states.following(name, leader=()) for name in names)))
    with Client(daemon.socket, answer_seconds=60) as connected:
        assert len(connected.status().elections) == 3000


# --- resign --------------------------------------------------------------------------------------------------------


def resigning(state: State, event: Event) -> State:
    """Step down as the core does; the rest is told by the test."""
    assert event == ResignRequested(election=BILLING)
    e = replace(state.elections[BILLING], phase=ElectionPhase.STEPPING_DOWN)
    return replace(state, elections={**state.elections, BILLING: e})


def resigned(state: State, *, leader: bool) -> State:
    e = state.elections[BILLING]
    queue = e.queue[1:] if leader else e.queue
    e = replace(
        e, phase=ElectionPhase.CAMPAIGNING, create_revision=None, term=None, queue=queue, queue_at=states.ago(0)
    )
    return replace(state, elections={**state.elections, BILLING: e})


def test_resign_waits_for_the_key_to_go_and_for_the_next_leader(serve: Serve, pool: ThreadPoolExecutor) -> None:
    daemon = serve(states.healthy(), resigning)
    with Client(daemon.socket) as connected:
        call = pool.submit(connected.resign, "billing", 30)
        until(lambda: daemon.ports.state().elections[BILLING].phase is ElectionPhase.STEPPING_DOWN)
        state = daemon.ports.state()
        daemon.become(with_phase(state, ElectionPhase.RESIGNING))
        assert not call.done()
        daemon.become(resigned(state, leader=False))
        daemon.become(resigned(state, leader=True))
        answer = call.result(10)
    assert (answer.outcome, answer.token, answer.leader.words) == ("resigned", 1234, "web-2")


def with_phase(state: State, phase: ElectionPhase) -> State:
    e = replace(state.elections[BILLING], phase=phase)
    return replace(state, elections={**state.elections, BILLING: e})


def test_resign_that_takes_too_long_says_what_it_waits_for(serve: Serve) -> None:
    daemon = serve(states.healthy(), resigning)
    with Client(daemon.socket) as connected:
        answer = connected.resign("billing", 0.05)
    assert (answer.outcome, answer.leader.ours) == ("timed-out", True)
    assert answer.waiting_for == "its processes to end: billing/api"


def test_resign_joins_one_that_is_under_way(serve: Serve, pool: ThreadPoolExecutor) -> None:
    daemon = serve(with_phase(states.healthy(), ElectionPhase.STEPPING_DOWN))
    with Client(daemon.socket) as connected:
        call = pool.submit(connected.resign, "billing", 30)
        until(lambda: daemon.ports.waiting == 1)
        daemon.become(resigned(daemon.ports.state(), leader=True))
        assert call.result(10).outcome == "resigned"
    assert daemon.ports.posted == []


def test_a_follower_has_nothing_to_resign(serve: Serve) -> None:
    daemon = serve()
    with Client(daemon.socket) as connected:
        answer = connected.resign("search", 30)
    assert (answer.outcome, answer.leader.words) == ("not-held", "web-2")
    assert daemon.ports.posted == []


# --- restart -------------------------------------------------------------------------------------------------------


def becoming(**changes: object) -> Callable[[State, Event], State]:
    """The next child of the process is as told."""

    def answer(state: State, event: Event) -> State:
        assert event == RestartRequested(process=API)
        process: Process = replace(state.processes[API], since=states.NOW, **changes)  # type: ignore[arg-type]
        return replace(state, processes={**state.processes, API: process}, next_run=60)

    return answer


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"run": RunId(50), "pid": 5000}, "restarted"),
        ({"run": RunId(50), "pid": 5000, "ready": False}, "timed-out"),
        ({"run": RunId(50), "phase": ProcessPhase.STARTING}, "timed-out"),
        ({"run": RunId(7), "phase": ProcessPhase.STOPPING}, "timed-out"),
        ({"run": None, "phase": ProcessPhase.COMPLETED}, "restarted"),
        ({"run": None, "phase": ProcessPhase.BACKOFF}, "failed"),
        ({"run": None, "phase": ProcessPhase.GAVE_UP}, "failed"),
    ],
)
@pytest.mark.parametrize("name", ["billing/api", "api"])
def test_restart_tells_what_became_of_the_next_child(
    serve: Serve, changes: dict[str, object], outcome: str, name: str
) -> None:
    daemon = serve(states.healthy(), becoming(**changes))
    with Client(daemon.socket) as connected:
        answer = connected.restart(name, 0.05 if outcome == "timed-out" else 10)
    assert (answer.outcome, answer.process.name) == (outcome, "billing/api")


def test_a_restart_that_lost_its_term_is_not_wanted_any_more(serve: Serve) -> None:
    def answer(state: State, event: Event) -> State:
        stopped = replace(state.processes[API], phase=ProcessPhase.STOPPED, run=None, since=states.NOW)
        return replace(with_phase(state, ElectionPhase.STEPPING_DOWN), processes={**state.processes, API: stopped})

    with Client(serve(states.healthy(), answer).socket) as connected:
        assert connected.restart("api", 10).outcome == "not-wanted"


def test_a_process_of_another_role_is_not_restarted(serve: Serve) -> None:
    daemon = serve()
    with Client(daemon.socket) as connected:
        assert connected.restart("search/index", 10).outcome == "not-wanted"
    assert daemon.ports.posted == []


def test_a_name_that_two_processes_have_must_be_whole(serve: Serve) -> None:
    daemon = serve(states.state(states.leading("billing"), states.leading("mail")))
    with Client(daemon.socket) as connected, pytest.raises(client.UnknownName, match="billing/api, mail/api"):
        connected.restart("api", 10)


# --- reload --------------------------------------------------------------------------------------------------------


def test_reload_waits_until_it_has_settled(serve: Serve, pool: ThreadPoolExecutor) -> None:
    daemon = serve(with_phase(states.healthy(), ElectionPhase.CAMPAIGNING))
    daemon.ports.outcome = ReloadOutcome(adopted=True, summary=("billing: campaigns anew",))
    with Client(daemon.socket) as connected:
        late = connected.reload(0.05)
        assert (late.settled, [r.subject for r in late.reasons][:1]) == (False, ["billing"])
        call = pool.submit(connected.reload, 30)
        until(lambda: daemon.ports.waiting == 1)
        daemon.become(states.healthy())
        answer = call.result(10)
        assert (answer.adopted, answer.settled, answer.reasons) == (True, True, ())
        assert answer.summary == ("billing: campaigns anew",)
        assert connected.reload(None).settled is None


def test_a_refused_file_is_not_waited_for(serve: Serve) -> None:
    daemon = serve(with_phase(states.healthy(), ElectionPhase.CAMPAIGNING))
    daemon.ports.outcome = ReloadOutcome(adopted=False, problems=("f:1:1: bad",))
    with Client(daemon.socket) as connected:
        answer = connected.reload(30)
    assert (answer.adopted, answer.problems, answer.settled) == (False, ("f:1:1: bad",), None)


# --- observe -------------------------------------------------------------------------------------------------------


def led_by(state: State, node: str, token: int) -> State:
    name = ElectionName("search")
    first = states.candidate("search", token=token, node=node)
    e = replace(state.elections[name], queue=(first,), queue_at=states.NOW)
    return replace(state, elections={**state.elections, name: e})


def test_observe_tells_now_and_every_change_but_no_age(serve: Serve) -> None:
    daemon = serve()
    with Client(daemon.socket) as connected:
        seen = connected.observe()
        assert [next(seen).election, next(seen).election] == ["billing", "search"]
        state = daemon.ports.state()
        older = replace(state.elections[BILLING], queue_at=states.ago(1))
        daemon.become(replace(state, elections={**state.elections, BILLING: older}))
        daemon.become(replace(daemon.ports.state(), generation=9))
        daemon.become(led_by(daemon.ports.state(), "web-3", 1300))
        assert (next(seen).leader.node, daemon.ports.observers) == ("web-3", 1)
        confirmed = replace(daemon.ports.state().store, confirmed_at=states.ago(0.1))
        daemon.become(replace(daemon.ports.state(), store=confirmed))
        silent = replace(state.store, confirmed_at=states.ago(60))
        daemon.become(replace(state, store=silent))
        assert (next(seen).leader.state, daemon.ports.observers) == (views.UNKNOWN, 1)
        seen.close()
    until(lambda: daemon.ports.observers == 0)


def test_observe_one_election_through_its_absence(serve: Serve) -> None:
    daemon = serve()
    with Client(daemon.socket) as connected:
        seen = connected.observe("search")
        assert next(seen).leader.node == "web-2"
        before = daemon.ports.state()
        daemon.become(replace(before, elections={BILLING: before.elections[BILLING]}))
        daemon.become(led_by(before, "web-4", 1400))
        assert next(seen).leader.token == Token(1400)
        seen.close()


def test_observe_ends_with_the_daemon(tmp_path: Path) -> None:
    with serving(tmp_path / "s", states.healthy()) as daemon:
        connected = Client(daemon.socket)
        seen = connected.observe("billing")
        next(seen)
    with pytest.raises(client.NotRunning):
        next(seen)
    connected.close()


def test_a_waiting_call_ends_with_the_daemon(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    with serving(tmp_path / "s", states.healthy(), resigning) as daemon:
        connected = Client(daemon.socket)
        call = pool.submit(connected.resign, "billing", 30)
        until(lambda: daemon.ports.waiting == 1)
    with pytest.raises(client.NotRunning):
        call.result(10)
    connected.close()


async def test_a_slow_reader_skips_states_but_never_the_last() -> None:
    ports = FakePorts(states.healthy())
    seen = ports.subscribe()
    await anext(seen)
    for generation in range(100):
        ports.become(replace(ports.state(), generation=generation))
    assert (await anext(seen)).generation == 99
    await seen.aclose()
    assert ports.observers == 0


# --- the socket ----------------------------------------------------------------------------------------------------


async def test_the_socket_appears_with_its_mode_and_goes(tmp_path: Path) -> None:
    path = tmp_path / "with space %41 ü"
    server = ControlServer(FakePorts(states.healthy()), path)
    await server.start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert sorted(os.listdir(tmp_path)) == sorted([path.name, f"{path.name}.d", key_path(path).name])
    await server.stop()
    assert os.listdir(tmp_path) == []
    await server.stop()


async def test_a_socket_that_is_not_ours_any_more_stays(tmp_path: Path) -> None:
    path = tmp_path / "s"
    server = ControlServer(FakePorts(states.healthy()), path)
    await server.start()
    path.unlink()
    path.write_text("somebody else's")
    await server.stop()
    assert path.exists()
    again = ControlServer(FakePorts(states.healthy()), tmp_path / "t")
    await again.start()
    (tmp_path / "t").unlink()
    await again.stop()


@pytest.mark.parametrize("name", ["x" * 108, "missing/s"])
async def test_a_socket_that_cannot_be_is_an_error_for_people(tmp_path: Path, name: str) -> None:
    with pytest.raises(ServeError, match="--socket"):
        await ControlServer(FakePorts(states.healthy()), tmp_path / name).start()
    assert os.listdir(tmp_path) == []


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(client.NotRunning, match="does not exist; start one with"):
        Client(tmp_path / "s")
    with pytest.raises(client.NotRunning):
        Client(tmp_path / "s" / "s")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "s"))
    with pytest.raises(client.NotRunning, match="nobody serves"):
        Client(tmp_path / "s")
    with pytest.raises(client.BadSocket, match="cannot be a control socket"):
        Client(tmp_path / ("x" * 200))


def test_somebody_who_does_not_answer(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "s"))
        mute.listen(8)
        with (
            Client(tmp_path / "s", answer_seconds=0.3) as connected,
            pytest.raises(client.NotAnswering, match=rf"pid {os.getpid()}.*no answer in time"),
        ):
            connected.status()


def test_a_full_queue_of_connections_is_no_answer(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as mute, socket.socket(socket.AF_UNIX) as first:
        mute.bind(str(tmp_path / "s"))
        mute.listen(0)
        first.connect(str(tmp_path / "s"))
        with pytest.raises(client.NotAnswering, match="accepts no connection"):
            Client(tmp_path / "s", answer_seconds=0.1)


def test_somebody_who_speaks_something_else(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as odd:
        odd.bind(str(tmp_path / "s"))
        odd.listen(8)

        def talk() -> None:
            for _ in range(2):
                peer, _ = odd.accept()
                with peer, suppress(OSError):
                    peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=talk)
        thread.start()
        with Client(tmp_path / "s", answer_seconds=5) as connected, pytest.raises(client.ControlError):
            connected.status()
        thread.join(10)


def test_a_daemon_of_another_version_that_lacks_a_call(tmp_path: Path) -> None:
    socket = tmp_path / "s"
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    try:
        with Client(socket) as client, pytest.raises(OtherVersion, match="of another version and does not know this"):
            client.history("job")
    finally:
        server.stop(None).wait()


def test_a_process_that_ended_is_described_after_it_is_gone(serve: Serve) -> None:
    def gone(state: State, _event: Event) -> State:
        return replace(state, processes={pid: p for pid, p in state.processes.items() if pid != API})

    with Client(serve(states.healthy(), gone).socket) as connected:
        answer = connected.restart("api", 10)
    assert (answer.outcome, answer.process.name) == ("not-wanted", "billing/api")


def test_a_failed_restart_tells_how_it_ended(serve: Serve) -> None:
    last = LastExit(at=states.NOW, code=1, signal=None, core_dumped=False, ran_seconds=0.1)
    daemon = serve(states.healthy(), becoming(run=None, phase=ProcessPhase.BACKOFF, last_exit=last))
    with Client(daemon.socket) as connected:
        assert connected.restart("api", 10).process.last_exit == "exit 1 after 0.1s"
