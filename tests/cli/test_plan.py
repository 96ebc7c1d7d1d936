"""``plan`` and ``reload``: what they say of a file, to people and to programs, and that both say the same."""

import io
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from supervisor.cli import exits
from supervisor.cli import main as cli
from supervisor.cli.plansheet import sheet
from supervisor.cli.render import console_for, on_terminal, plain
from supervisor.control import client
from supervisor.control.client import Client
from supervisor.control.ports import PlanReading, ReloadOutcome
from supervisor.core.names import ElectionName, ProcessName
from supervisor.core.spec import LogSpec, Spec
from supervisor.core.state import ProcessPhase, State
from supervisor.paths import key_path
from tests.control import states
from tests.control.serving import Serve

Say = Callable[..., tuple[int, str, str]]
BILLING, SEARCH, EXPORTER = ElectionName("billing"), ElectionName("search"), ProcessName("exporter")
SECRETS = ("hunter2", "tok-1234", "s3cr3t")


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    def run(*args: object) -> tuple[int, str, str]:
        code = cli.run([str(a) for a in args])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def edited(state: State) -> Spec:
    """The file in force with something of everything changed."""
    spec = state.spec
    assert spec is not None
    billing, search = spec.elections[BILLING], spec.elections[SEARCH]
    api = billing.leader[ProcessName("api")]
    exporter = replace(
        spec.processes[EXPORTER],
        command=("/bin/exporter", "--api-key", SECRETS[0], f"--token={SECRETS[1]}", "http://u:s3cr3t@host/"),
        environment={"PASSWORD": SECRETS[2]},
    )
    standby = replace(search.follower[ProcessName("standby")], log=LogSpec(keep=3))
    new = states.process_spec("", "mailer", exporter.role)
    return replace(
        spec,
        elections={
            BILLING: replace(billing, ttl_seconds=20, leader={**billing.leader, api.id.name: api}),
            SEARCH: replace(search, follower={standby.id.name: standby}, leader={}),
        },
        processes={EXPORTER: exporter, new.id.name: new},
    )


def test_nothing_to_do_is_0_and_changes_are_2(say: Say, serve: Serve) -> None:
    daemon = serve()
    assert say("plan", "--socket", daemon.socket)[0] == 0
    daemon.ports.reading = PlanReading(spec=edited(states.healthy()), source="f.yaml (11112222)", token="t")
    code, out, err = say("plan", "--socket", daemon.socket)
    assert (code, err) == (exits.CHANGES, "")
    rows = [line.split()[:3] for line in out.split("\n\n")[1].splitlines()[1:]]
    assert rows == [
        ["re-campaign", "election", "billing"],
        ["restart", "exporter", "running"],
        ["start", "mailer", "-"],
        ["re-campaign", "billing/api", "running"],
        ["re-campaign", "billing/migrate", "completed"],
        ["stop", "search/index", "-"],
        ["live", "search/standby", "running"],
    ] or rows == [row for row in rows if row != ["re-campaign", "billing/migrate", "completed"]]
    assert "ttl: 10s -> 20s" in out
    assert "next in the queue: web-2 (healthy, priority 0)" in out
    assert "about the time its processes take to stop, at most 10s (billing/api)" in out
    assert not any(secret in out for secret in SECRETS)
    assert "environment.PASSWORD (added)" in out
    assert "--token=***" in out


def test_a_dry_run_is_a_plan(say: Say, serve: Serve) -> None:
    daemon = serve()
    for reading in (
        None,
        PlanReading(spec=edited(states.healthy()), source="f.yaml (11112222)", token="t"),
        PlanReading(problems=("f.yaml:1:2: bad", "f.yaml:2:2: worse"), token="t"),
    ):
        daemon.ports.reading = reading
        for options in ([], ["--json"]):
            planned = say("plan", *options, "--socket", daemon.socket)
            assert say("reload", "--dry-run", *options, "--socket", daemon.socket) == planned
    assert daemon.ports.tokens == [], "nothing was adopted"


def test_json_has_everything(say: Say, serve: Serve) -> None:
    daemon = serve()
    daemon.ports.reading = PlanReading(spec=edited(states.healthy()), source="f.yaml (11112222)", token="t")
    code, out, _ = say("plan", "--json", "--socket", daemon.socket)
    found = json.loads(out)
    assert (code, found["schema_version"], found["counts"]["restart"]) == (2, 1, 1)
    assert found["kept"]["elections"] == ["search"]
    billing = found["changes"][0]
    assert (billing["name"], billing["cost"], billing["here"], billing["ends"]) == (
        "billing",
        "re-campaign",
        "leads",
        True,
    )
    assert billing["keys"] == [{"key": "ttl", "how": "changed", "old": "10s", "new": "20s"}]
    assert (billing["successor"]["node"], billing["stop_seconds"], billing["seen_stop_seconds"]) == (
        "web-2",
        10.0,
        None,
    )
    assert not any(secret in out for secret in SECRETS)
    daemon.ports.reading = PlanReading(problems=("f.yaml:1:2: bad",), token="t")
    code, out, err = say("plan", "--json", "--socket", daemon.socket)
    assert (code, json.loads(out)["problems"]) == (78, ["f.yaml:1:2: bad"])
    assert "nothing would be adopted" in err


def test_another_file_is_read_by_who_asks_and_judged_by_the_daemon(
    say: Say, serve: Serve, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = serve()
    file = daemon.socket.parent / "new.yaml"
    file.write_bytes(b"processes: {}\n")
    file.chmod(0o600)
    assert say("plan", file, "--socket", daemon.socket)[0] == 0
    assert daemon.ports.read_for[-1] == (b"processes: {}\n", str(file))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"x: y\n")))
    assert say("plan", "-", "--socket", daemon.socket)[0] == 0
    assert daemon.ports.read_for[-1] == (b"x: y\n", "<stdin>")
    code, _, err = say("plan", file.with_name("none.yaml"), "--socket", daemon.socket)
    assert (code, "No such file" in err) == (78, True)


def test_only_the_daemons_user_may_have_another_file_judged(serve: Serve) -> None:
    daemon = serve()
    key = key_path(daemon.socket)
    assert key.stat().st_mode & 0o777 == 0o600
    with Client(daemon.socket) as connected:
        connected.plan(b"", "f")
        key.write_text("0" * 64)
        with pytest.raises(client.NotPermitted, match="only the daemon's own user"):
            connected.plan(b"", "f")
        key.write_text("wrong")
        with pytest.raises(client.NotPermitted, match="it is not sent"):
            connected.plan(b"", "f")
        key.unlink()
        with pytest.raises(client.NotPermitted, match="only the daemon's own user"):
            connected.plan(b"", "f")
        connected.plan()


def test_a_terminal_gets_its_width(serve: Serve) -> None:
    daemon = serve()
    daemon.ports.reading = PlanReading(spec=edited(states.healthy()), source="f.yaml (11112222)", token="t")
    with Client(daemon.socket) as connected:
        shown = sheet(connected.plan())
    stream = io.StringIO()
    console = console_for(stream)
    console.width = 80
    on_terminal(shown, console)
    assert all(len(line) <= 80 for line in stream.getvalue().splitlines())
    assert any(len(line) > 80 for line in plain(shown).splitlines()), "plain text is never folded"


def test_what_changed_and_is_not_well_is_told_with_75(say: Say, serve: Serve) -> None:
    state = states.healthy()
    spec = edited(state)
    daemon = serve(state)
    daemon.ports.reading = PlanReading(spec=spec, source="f.yaml (11112222)", token="t")
    daemon.ports.outcome = ReloadOutcome(adopted=True)
    exporter = next(p for p in state.processes if p.name == "exporter")
    gave_up = replace(state.processes[exporter], phase=ProcessPhase.GAVE_UP, run=None, pid=None, restarts=5)

    def adopt(_token: str = "") -> ReloadOutcome:
        new = replace(state, spec=spec, generation=4, processes={**state.processes, exporter: gave_up})
        daemon.ports.become(
            replace(new, elections={n: replace(e, spec=spec.elections[n]) for n, e in new.elections.items()})
        )
        return daemon.ports.outcome

    async def reload(token: str = "") -> ReloadOutcome:
        return adopt(token)

    daemon.ports.reload = reload  # type: ignore[method-assign]
    code, out, err = say("reload", "--timeout", "10s", "--socket", daemon.socket)
    assert code == 75
    assert "exporter: gave up after 5 restarts" in err
    assert "restart" in out


def test_another_file_in_between_is_planned_anew(say: Say, serve: Serve) -> None:
    daemon = serve()
    daemon.ports.outcome = ReloadOutcome(adopted=False, outdated=True, problems=("old",))
    code, out, err = say("reload", "--socket", daemon.socket)
    assert (code, len(daemon.ports.tokens), out.count("nothing changes")) == (75, 3, 3)
    assert "faster than it can be planned" in err


def test_a_file_that_changed_meanwhile_is_told(say: Say, serve: Serve) -> None:
    daemon = serve()
    daemon.ports.outcome = ReloadOutcome(adopted=True, changed_since=True)
    code, _, err = say("reload", "--socket", daemon.socket)
    assert code == 0
    assert "has changed again since it was read" in err
