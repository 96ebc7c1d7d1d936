"""What ``status`` shows: on a terminal, piped, and as JSON."""

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from supervisor.cli import answers, main, render, sheet
from supervisor.cli.text import as_json, safe
from supervisor.control import describe
from supervisor.core.state import State
from tests.control import states
from tests.control.serving import Serve

SNAPSHOTS = Path(__file__).parent / "snapshots"
SITUATIONS = {"healthy": states.healthy, "troubled": states.troubled, "cut-off": states.cut_off}


def shown(make: Callable[[], State]) -> sheet.Sheet:
    return sheet.sheet(describe.status(make(), states.FACTS, states.NOW))


def compare(name: str, text: str) -> None:
    """With a file under snapshots/, which ``REWRITE=1 pytest tests/cli`` writes anew, to be read in review."""
    path = SNAPSHOTS / name
    if os.environ.get("REWRITE"):
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("name", SITUATIONS)
def test_plain(name: str) -> None:
    compare(f"{name}.txt", render.plain(shown(SITUATIONS[name])) + "\n")


@pytest.mark.parametrize("width", [60, 80, 120, 160, 200])
@pytest.mark.parametrize("name", SITUATIONS)
def test_terminal(name: str, width: int) -> None:
    stream = io.StringIO()
    render.on_terminal(shown(SITUATIONS[name]), Console(file=stream, width=width, highlight=False))
    lines = [line.rstrip() for line in stream.getvalue().splitlines()]
    assert max(map(len, lines)) <= width
    compare(f"{name}-{width}.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize("name", SITUATIONS)
def test_json(name: str) -> None:
    status = describe.status(SITUATIONS[name](), states.FACTS, states.NOW)
    text = as_json(answers.status(status), indent=2)
    found = json.loads(text)
    assert found["schema_version"] == 1
    compare(f"{name}.json", text + "\n")


def terminal(monkeypatch: pytest.MonkeyPatch, color: str = "auto", tty: bool = True) -> str:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: tty)
    console = render.console_for(stream, color)
    render.on_terminal(shown(states.troubled), console)
    return stream.getvalue()


def test_colour_on_a_terminal_unless_unwanted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[32m● running" in terminal(monkeypatch)
    assert "\x1b" not in terminal(monkeypatch, "never")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[32m" not in terminal(monkeypatch)
    assert "\x1b[32m● running" in terminal(monkeypatch, "always", tty=False)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in terminal(monkeypatch)
    assert "\x1b[32m● running" in terminal(monkeypatch, "always")


def test_a_terminal_without_unicode_gets_no_signs() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1", errors="backslashreplace")
    render.on_terminal(shown(states.healthy), Console(file=stream, width=80, highlight=False))
    stream.flush()
    assert b"\\u" not in stream.buffer.getvalue()


def test_what_strangers_write_stays_text() -> None:
    assert "\x1b" not in render.plain(shown(states.troubled))
    assert safe("a\x1b[2J\n\r\t\x7f\x9b\u202e\ud800é") == "a\\x1b[2J\\n\\r\\t\\x7f\\x9b\\u202e\\ud800é"
    line = as_json({"a\x1b": "\x9b\u202e\n\x7f", "é": 1})
    assert line == '{"a\\u001b": "\\u009b\\u202e\\n\\u007f", "é": 1}'
    assert json.loads(line) == {"a\x1b": "\x9b\u202e\n\x7f", "é": 1}


def test_wide_letters_are_aligned() -> None:
    table = sheet.Table(
        columns=(sheet.Column("A"), sheet.Column("B", right=True)),
        rows=((sheet.Cell("東京"), sheet.Cell("1")), (sheet.Cell("x"), sheet.Cell("22"))),
    )
    text = render.plain(sheet.Sheet(facts=(("f", sheet.Cell("v")),), tables=(table,), remarks=()))
    assert text.splitlines()[2:] == ["A      B", "東京   1", "x     22"]


@pytest.mark.parametrize(
    ("make", "code"),
    [(states.healthy, 0), (states.troubled, 1), (states.cut_off, 1), (states.unknown, 4)],
)
def test_the_exit_code_says_how_it_is(
    serve: Serve, capsys: pytest.CaptureFixture[str], make: Callable[[], State], code: int
) -> None:
    socket = str(serve(make()).socket)
    assert main.run(["--socket", socket, "status"]) == code
    assert capsys.readouterr().out == render.plain(shown(make)) + "\n"
    assert main.run(["status", "--json", "--socket", socket]) == code
    assert json.loads(capsys.readouterr().out)["daemon"]["node"] == "web-1"


def test_one_election(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    socket = str(serve(states.troubled()).socket)
    assert main.run(["status", "mail", "--json", "--socket", socket]) == 1
    assert [e["name"] for e in json.loads(capsys.readouterr().out)["elections"]] == ["mail"]
