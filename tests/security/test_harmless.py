"""The one function that says what may be sent to a screen, and that everybody uses it."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.core import harmless
from tests.security.support import ESCAPES, MARKUP
from tests.security.support import harmless as checked

PACKAGE = Path(harmless.__file__).parents[1]


@given(st.text(alphabet=st.characters()) | st.text(alphabet=ESCAPES + "a\\"))
def test_nothing_harmful_comes_out_and_a_second_time_changes_nothing(text: str) -> None:
    for shown in (harmless.line(text), harmless.html(text)):
        checked(shown)
        assert "\n" not in shown
        assert "\t" not in shown
        shown.encode()
    assert harmless.line(harmless.line(text)) == harmless.line(text)
    checked(harmless.lines(text))
    assert harmless.lines(text).count("\n") == text.count("\n")


@given(st.binary() | st.text().map(str.encode))
def test_bytes_of_a_process_likewise(raw: bytes) -> None:
    checked(harmless.block(raw).decode())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u061ca\u2028b", "\\u061ca\\u2028b"),
        ("\ud800", "\\ud800"),
        ("Grüße, שלום, 你好 \U0001f600 a\u200db", "Grüße, שלום, 你好 \U0001f600 a\u200db"),
    ],
)
def test_it_is_written_out_and_all_scripts_stay(text: str, shown: str) -> None:
    assert harmless.line(text) == shown


def test_no_markup_on_a_page() -> None:
    shown = harmless.html(MARKUP)
    assert not set("<>\"'") & set(shown)
    assert "&amp;" in shown


def test_there_is_one_such_table() -> None:
    """Whoever writes another one forgets a character that this one has."""
    marks = re.compile(r"x7f-|u202a|x00-.?x1f|202e", re.IGNORECASE)
    found = {p.name for p in PACKAGE.rglob("*.py") if "pb" not in p.parts and marks.search(p.read_text())}
    assert found == {"harmless.py"} | ({"parse.py"} & found), "YAML's own table of characters is the only other one"
