"""One event, one line."""

import os
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.report.logline import Level, LogLine, Value, is_journal, render

NOW = datetime(2026, 11, 24, 5, 0, 0, 123_999, tzinfo=UTC)


def shown(message: str = "m", **fields: Value) -> str:
    return render(LogLine(level=Level.INFO, message=message, fields=fields), NOW, journal=True).removeprefix("<6>")


def test_for_people() -> None:
    line = LogLine(
        level=Level.INFO, message="billing: became leader", fields={"token": 1234, "lease": "694d81417acd4754"}
    )
    assert render(line, NOW, journal=False) == (
        "2026-11-24T05:00:00.123Z info  billing: became leader token=1234 lease=694d81417acd4754"
    )
    error = LogLine(level=Level.ERROR, message="etcd: unreachable")
    elsewhere = NOW.astimezone(timezone(timedelta(hours=2)))
    assert render(error, elsewhere, journal=False) == "2026-11-24T05:00:00.123Z error etcd: unreachable"


@pytest.mark.parametrize(("level", "priority"), [("debug", 7), ("info", 6), ("warn", 4), ("error", 3)])
def test_for_the_journal(level: str, priority: int) -> None:
    assert render(LogLine(level=Level(level), message="text"), NOW, journal=True) == f"<{priority}>text"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("billing/api", "billing/api"),
        ("größe", "größe"),
        ("", '""'),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("C:\\dir", '"C:\\\\dir"'),
        ("two\nlines\ttab", '"two\\nlines\\ttab"'),
        ("\x1b[2J", '"\\x1b[2J"'),
        ("a\u2028b\u202e", '"a\\u2028b\\u202e"'),
        ("\udcff", '"\\udcff"'),
        (7, "7"),
        (True, "true"),
        (False, "false"),
        (0.25, "0.25"),
        (1.23456789, "1.23457"),
        ("https://user:secret@etcd:2379/x", "https://user:***@etcd:2379/x"),
    ],
)
def test_values(value: Value, text: str) -> None:
    assert shown(key=value) == f"m key={text}"


def test_nothing_is_said_of_none() -> None:
    assert shown(a=None, b=1) == "m b=1"


def test_a_message_is_one_line_without_passwords() -> None:
    assert shown("boom\r\n at http://u:p@h/\x00") == "boom\\r\\n at http://u:***@h/\\x00"


@given(st.text(), st.text())
def test_always_one_line_that_can_be_written(message: str, value: str) -> None:
    line = render(LogLine(level=Level.WARN, message=message, fields={"k": value}), NOW, journal=False)
    line.encode()
    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in line)
    assert len(line.splitlines()) == 1


def test_is_journal() -> None:
    read_end, write_end = os.pipe()
    try:
        status = os.fstat(write_end)
        stream = f"{status.st_dev}:{status.st_ino}"
        assert is_journal({"JOURNAL_STREAM": stream}, write_end)
        assert not is_journal({"JOURNAL_STREAM": f"{stream}1"}, write_end)
        assert not is_journal({}, write_end)
    finally:
        os.close(read_end)
        os.close(write_end)
    assert not is_journal({"JOURNAL_STREAM": stream}, write_end)
