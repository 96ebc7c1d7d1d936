"""Dates on the command line, and what the verbs that move leaders say at once."""

import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from supervisor.cli.moving import date
from supervisor.control.client import Client
from supervisor.core import requests
from supervisor.core.evolve import replace
from supervisor.core.names import ElectionName, NodeName
from supervisor.core.requests import Pause, Requests, Switchover
from supervisor.core.state import State
from tests.control import states
from tests.control.serving import serving

NOW = datetime(2026, 3, 1, 21, 30, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("+10m", NOW + timedelta(minutes=10)),
        ("22:00", NOW.replace(hour=22, minute=0)),
        ("21:30", NOW.replace(hour=21, minute=30) + timedelta(days=1)),
        ("21:30:05", NOW.replace(second=5)),
        ("2026-03-01T20:00:00Z", datetime(2026, 3, 1, 20, tzinfo=UTC)),
    ],
)
def test_a_date_is_what_people_mean(text: str, then: datetime) -> None:
    assert date(text, NOW) == then.timestamp()


@pytest.mark.parametrize("text", ["soon", "25:00", "+soon", "2020-01-01T00:00:00Z", ""])
def test_what_is_no_date_or_past_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"no time|past|duration|write"):
        date(text, NOW)


def known(**more: object) -> State:
    return replace(states.healthy(), requests=Requests(known=True, **more))  # type: ignore[arg-type] # as they are


def last(socket: Path, state: State, to: str = "", at: float | None = None) -> tuple[str, str, list[str]]:
    """Outcome, text and the log's lines of a switchover of the first election."""
    name = sorted(state.elections)[0]
    with serving(socket, state) as daemon, Client(socket) as client:
        told = list(client.switchover(name, to=to, at=at, wait_seconds=0.2))
        return told[-1].outcome, told[-1].text, list(daemon.ports.said)


def test_who_asks_is_known_by_the_kernel_and_logged(tmp_path: Path) -> None:
    name = sorted(known().elections)[0]
    _, _, said = last(tmp_path / "s", known(), to="nobody-here")
    [line] = [line for line in said if line.startswith(f"control: Switchover election={name} to=nobody-here, by ")]
    assert f"(uid {os.getuid()}), pid {os.getpid()}" in line


def test_who_asked_is_in_the_request(tmp_path: Path) -> None:
    name = sorted(known().elections)[0]
    with serving(tmp_path / "s", known()) as daemon, Client(tmp_path / "s") as client:
        list(client.switchover(name, at=1.8e9, wait_seconds=0.2))
        [(path, value, _)] = daemon.ports.written
    assert path == f"switchover/{name}"
    assert f"uid {os.getuid()} pid {os.getpid()}" in (value or b"").decode()


def test_what_cannot_be_is_refused_at_once(tmp_path: Path) -> None:
    state = known()
    name = sorted(state.elections)[0]
    assert last(tmp_path / "a", state, to="nobody-here")[0] == "refused"
    paused = known(pauses={requests.FLEET: Pause(by="me", since="now")})
    assert "nobody moves" in last(tmp_path / "b", paused)[1]
    asked = Switchover(id="1", to=NodeName("x"), at=1.8e9, until=1.9e9, by="me")
    outcome, text, _ = last(tmp_path / "c", known(switchovers={ElectionName(name): asked}))
    assert (outcome, "--cancel takes it back" in text) == ("refused", True)
    unseen = replace(states.healthy(), requests=Requests(known=True, problem="permission denied"))
    assert "permission denied" in last(tmp_path / "d", unseen)[1]


def test_a_wish_that_nobody_answers_is_taken_back(tmp_path: Path) -> None:
    outcome, text, _ = last(tmp_path / "s", known())
    assert outcome == "timed-out"
    assert "the request was taken back" in text


def test_a_wish_for_later_is_written_down(tmp_path: Path) -> None:
    assert last(tmp_path / "s", known(), at=1.8e9)[0] == "scheduled"
