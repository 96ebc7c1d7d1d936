"""A file with ten mistakes yields ten errors, each pointing at its place; and how a place is pointed at."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from supervisor.config.excerpt import WIDTH, excerpt, lines_of
from tests.config.marked import problems_of
from tests.system.nodes import COMMAND

GOLDEN = Path(__file__).with_name("golden")


def test_ten_mistakes_are_ten_errors_each_at_its_place() -> None:
    """``check``, as a user sees it: golden/ten-mistakes.txt."""
    environment = {**os.environ, "NAMESPACE": "/hidden-from-view"}
    checked = subprocess.run(
        [*COMMAND, "check", "ten-mistakes.yaml"],
        cwd=GOLDEN,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 78
    assert checked.stderr == (GOLDEN / "ten-mistakes.txt").read_text()
    assert len(re.findall(r"^ten-mistakes\.yaml:\d+:\d+: ", checked.stderr, re.MULTILINE)) == 10
    assert "supervisor: 10 problems in ten-mistakes.yaml" in checked.stderr
    shown = [line for line in checked.stderr.splitlines() if re.match(r" +\d+ \| ", line)]
    assert len(shown) == 10, "the line of each"
    assert not any("/hidden-from-view" in line for line in shown), "the file's own text"


def pointed(line: str, column: int) -> tuple[str, str]:
    """The line as it is shown, and what stands above the caret."""
    first, second = excerpt(line, 7, column).split("\n")
    assert first.startswith("    7 | ")
    return first[8:], second[8:]


def under(line: str, column: int, columns_before: int) -> str:
    shown, caret = pointed(line, column)
    assert caret == " " * columns_before + "^"
    return shown


def test_the_caret_is_under_the_column() -> None:
    assert under("  ttl: 5", 8, 7) == "  ttl: 5"
    assert under("a", 1, 0) == "a"
    assert under("a:", 3, 2) == "a:"


def test_tabs_and_wide_letters_and_marks_align() -> None:
    assert under("\ta: b", 5, 7) == "    a: b"
    assert under("漢字: b", 5, 6) == "漢字: b"
    assert under("e\u0301: b", 5, 3) == "e\u0301: b"


def test_nothing_that_a_terminal_would_obey_is_shown() -> None:
    shown, _ = pointed("a: \x1b[31m \u202e b", 4)
    assert shown == "a: ?[31m ? b"


@pytest.mark.parametrize("column", [1, 50, 300, 777, 1000])
@pytest.mark.parametrize("character", ["x", "漢", "\t"])
def test_a_long_line_is_cut_around_the_column(column: int, character: str) -> None:
    line = character * (column - 1) + "!" + character * (1000 - column)
    shown, caret = pointed(line, column)
    wide = 2 if character == "漢" else 1
    assert (len(shown) - 6) * wide <= WIDTH + wide
    at = len(caret) - 1
    assert shown.replace("漢", "漢_")[at] == "!"
    assert shown.startswith("...") or column < 300
    assert shown.endswith("...") or column > 700


SECRETS = {
    "a URL's user": ("url: http://me:pw@host/", "url: http://*****@host/"),
    "a variable": ("environment: {DB_PASSWORD: hunter2, A: b}", "environment: {DB_PASSWORD: *******, A: b}"),
    "a header": ('headers: {Authorization: "Bearer abc"}', 'headers: {Authorization: "**********"}'),
    "one by reference": ("  API_TOKEN: ${TOKEN}", "  API_TOKEN: ${TOKEN}"),
    "a file's name": ("password_file: /run/pw", "password_file: /run/pw"),
    "a block": ("    secret: a b c", "    secret: *****"),
}


@pytest.mark.parametrize(("line", "covered"), SECRETS.values(), ids=SECRETS)
def test_what_looks_like_a_secret_is_covered(line: str, covered: str) -> None:
    assert pointed(line, 1)[0] == covered


def test_lines_are_counted_as_yaml_counts_them() -> None:
    assert lines_of("a\r\nb\rc\x85d\u2028e\nf\x0bg") == ["a", "b", "c", "d", "e", "f\x0bg"]


BREAKS = ["\n", "\r\n", "\r", "\x85", "\u2028"]


@pytest.mark.parametrize("line_break", BREAKS, ids=map(ascii, BREAKS))
def test_the_line_shown_is_the_one_that_is_wrong(tmp_path: Path, line_break: str) -> None:
    text = line_break.join(["processes:", "  p:", "    command: x", "    user_: a", ""])
    (problem,) = problems_of(tmp_path, text)
    assert problem.line == 4
    assert problem.excerpt == "    4 |     user_: a\n      |     ^"
    assert problem.shown() == f"{problem}\n{problem.excerpt}"


def test_a_value_from_a_variable_is_shown_as_it_is_written(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, "processes: {p: {command: x, nice: '${NICE}'}}", environ={"NICE": "very"})
    assert problem.excerpt.splitlines()[0].endswith("{p: {command: x, nice: '${NICE}'}}")


def test_a_mistake_in_an_included_file_shows_that_files_line(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("processes:\n  q: {command: x, usr: a}\n")
    (problem,) = problems_of(tmp_path, "include: [more.yaml]\n")
    assert problem.file.endswith("more.yaml")
    assert "2 |   q: {command: x, usr: a}" in problem.excerpt


def test_a_value_that_an_alias_brought_is_blamed_with_its_user(tmp_path: Path) -> None:
    text = "processes:\n  p:\n    command: &c [x]\n  q:\n    command: x\n    nice: *c\n"
    (problem,) = problems_of(tmp_path, text)
    assert (problem.line, problem.column) == (3, 14)
    assert "(used at " in problem.message
    assert problem.message.endswith("supervisor.yaml:6:5)")


def test_a_value_that_a_merge_brought_is_blamed_with_its_user(tmp_path: Path) -> None:
    text = (
        "processes:\n  p:\n    command: x\n    environment: &e {A: b}\n  q:\n    command: x\n    stop:\n      <<: *e\n"
    )
    (problem,) = problems_of(tmp_path, text)
    assert (problem.line, problem.column) == (4, 22)
    assert "unknown key 'A' (used at " in problem.message


def test_a_mistake_that_is_one_where_it_is_written_is_told_once(tmp_path: Path) -> None:
    text = "processes:\n  p: &p {command: x, usr: a}\n  q: *p\n  r: {<<: *p}\n"
    (problem,) = problems_of(tmp_path, text)
    assert "used at" not in problem.message


def test_a_file_that_is_not_utf_8_shows_its_line(tmp_path: Path) -> None:
    path = tmp_path / "supervisor.yaml"
    path.write_bytes(b"node: a\nprocesses: {p\xff: {}}\n")
    checked = subprocess.run([*COMMAND, "check", str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 78
    assert "    2 | processes: {p\ufffd: {}}" in checked.stderr
