"""The recorded session: its commands are still commands, its three forms say the same, and nothing of a machine is in it."""

import getpass
import json
import re
import shlex
import socket
import xml.etree.ElementTree as ET
from pathlib import Path

import click
import pytest
from rich.text import Text

from bench.casts import COLUMNS, Cast, Event
from supervisor.cli.main import supervisor

SESSION = Path(__file__).parents[2] / "docs" / "session"
TYPED = re.compile(r"^web-\d\$ (.*)$", re.MULTILINE)


def transcript() -> str:
    return (SESSION / "session.txt").read_text()


def commands() -> list[str]:
    return [command for command in TYPED.findall(transcript()) if command.startswith("supervisor ")]


def recorded() -> Cast:
    head, *lines = map(json.loads, (SESSION / "session.cast").read_text().splitlines())
    assert (head["version"], head["width"]) == (2, COLUMNS)
    assert {kind for _, kind, _ in lines} == {"o"}
    return Cast(Event(at, text) for at, _, text in lines)


@pytest.mark.parametrize("command", dict.fromkeys(commands()))
def test_each_command_is_one(command: str) -> None:
    verb, *arguments = shlex.split(command)[1:]
    found = supervisor.get_command(click.Context(supervisor), verb)
    assert found is not None
    found.make_context(verb, arguments, parent=click.Context(supervisor, info_name="supervisor"))


def test_it_shows_what_it_says() -> None:
    verbs = [shlex.split(command)[1] for command in commands()]
    order = ["leader", "switchover", "drain", "undrain", "pause", "resume", "history"]
    assert [verb for verb in dict.fromkeys(verbs) if verb in order and verb != "history"] == order[:-1]
    assert verbs.count("history") == 2
    assert "kill -9" in transcript()
    assert re.search(r"web-3 leads \(token \d+\)", transcript())
    assert "the daemon died" in transcript()


def test_its_three_forms_agree() -> None:
    cast = recorded()
    assert cast.transcript() == transcript()
    assert cast.svg() == (SESSION / "session.svg").read_text()
    assert all(a.at <= b.at for a, b in zip(cast.events, cast.events[1:], strict=False))
    assert 10 < cast.seconds < 180


def test_the_picture_is_whole_and_has_no_script() -> None:
    root = ET.fromstring((SESSION / "session.svg").read_text())
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert names <= {"svg", "style", "rect", "g", "text", "tspan"}
    said = " ".join("".join(element.itertext()) for element in root.iter() if element.tag.endswith("}text"))
    for word in ("supervisor", "switchover", "billing"):
        assert word in said


@pytest.mark.parametrize("name", ["session.txt", "session.cast", "session.svg"])
def test_nothing_of_a_machine_is_in_it(name: str) -> None:
    text = (SESSION / name).read_text()
    for word in (
        "/tmp",
        "/home",
        "/work",
        "/root",
        "python",
        "sv-session",
        socket.gethostname(),
        f"{getpass.getuser()} (",
    ):
        assert word not in text, word
    ports = {match for match in re.findall(r"127\.0\.0\.1:(\d+)", text) if match != "2379"}
    assert not ports


def test_a_cast_folds_and_escapes() -> None:
    cast = Cast([Event(0.0, "\x1b[1;31m<&>\x1b[0m " + "x" * COLUMNS + "\r\n")])
    assert cast.transcript().startswith("<&> x")
    svg = cast.svg()
    assert ET.fromstring(svg) is not None
    assert "&lt;&amp;&gt;" in svg
    assert svg.count("<text") == 2
    assert Text.from_ansi("\x1b[1mx").plain == "x"
