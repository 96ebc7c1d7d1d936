"""The environment file's grammar, one row per rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.processes.envfile import parse_environment_file


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("", {}),
        ("A=1\nB=2\n", {"A": "1", "B": "2"}),
        ("A=1", {"A": "1"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("\ufeffA=1\n", {"A": "1"}),
        ("A=\nB=''\nC=\"\"\n", {"A": "", "B": "", "C": ""}),
        ("# comment\n; comment\n  # comment\n\n \nA=1\n", {"A": "1"}),
        ("# it's \"odd\" \\\nA=1\n", {"A": "1"}),
        ("  A  =  padded value \t\n", {"A": "padded value"}),
        ("export A=1\nexport\tB=2\n", {"A": "1", "B": "2"}),
        ("exported=1\n", {"exported": "1"}),
        ("A=x # no comment here\n", {"A": "x # no comment here"}),
        ("A=b=c\n", {"A": "b=c"}),
        ("A=$HOME `id` ${X}\n", {"A": "$HOME `id` ${X}"}),
        ("A='$x \\n \"quoted\" '\n", {"A": '$x \\n "quoted" '}),
        ('A="a \\"b\\" \\\\ \\$ \\` \\n it\'s"\n', {"A": "a \"b\" \\ $ ` \\n it's"}),
        ("A='two\nlines'\nB=1\n", {"A": "two\nlines", "B": "1"}),
        ('A="joined \\\nline"\n', {"A": "joined line"}),
        ("A=joined \\\nline\nB=1\n", {"A": "joined line", "B": "1"}),
        ("A=a\\ b\\\\c\\nd\n", {"A": "a b\\cnd"}),
        ("A=kept\\ \n", {"A": "kept "}),
        ("A=dropped\\\\ \n", {"A": "dropped\\"}),
        ("A=end\\", {"A": "end\\"}),
        ("A='one' \"two\"three\n", {"A": "onetwothree"}),
        ('A=in"side"\n', {"A": 'in"side"'}),
        ("A=1\nA=2\n", {"A": "2"}),
        ("ä=1\nA=ä\n", {"A": "ä"}),
    ],
)  # fmt: skip
def test_grammar(text: str, variables: dict[str, str]) -> None:
    parsed = parse_environment_file(text)
    assert parsed.variables == variables
    assert [line for line, _ in parsed.problems] == ([1] if text.startswith("ä") else [])


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("A=1\n\nno equals sign\n", 3, "'no equal...' has no '='"),
        ("A='multi\nline'\nbad\n", 3, "'bad' has no '='"),
        ("1A=x\n", 1, "'1A' is not a variable name"),
        ("=x\n", 1, "'' is not a variable name"),
        ("A B=x\n", 1, "'A B' is not"),
        ("A=1\nB='open\nC=2\n", 2, "quote ' is never closed"),
        ('B="open\\"\n', 1, 'quote " is never closed'),
        ("A=x\0y\n", 1, "NUL"),
    ],
)
def test_problems(text: str, line: int, words: str) -> None:
    ((found, problem),) = parse_environment_file(text).problems
    assert found == line
    assert words in problem


def test_every_problem_is_found_and_secrets_are_not_shown() -> None:
    parsed = parse_environment_file("c2VjcmV0LXRva2VuLXZhbHVl\nA=1\nc2VjcmV0-XRva2VuLXZhbHVl==\n")
    assert [line for line, _ in parsed.problems] == [1, 3]
    assert not any("XZhbHVl" in problem for _, problem in parsed.problems)
    assert parsed.variables == {"A": "1"}


@given(st.text(alphabet="A1=' \"\\\n#;\r$ä\0"))
def test_any_text_is_read_to_its_end(text: str) -> None:
    parsed = parse_environment_file(text)
    assert all(1 <= line <= text.count("\n") + 1 for line, _ in parsed.problems)
    assert not any("\0" in value for value in parsed.variables.values())


@given(st.text(st.characters(exclude_characters="\0\r", codec="utf-8")))
def test_a_quoted_value_comes_back_as_it_was(value: str) -> None:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`")
    assert parse_environment_file(f'A="{quoted}"\n').variables == {"A": value}
