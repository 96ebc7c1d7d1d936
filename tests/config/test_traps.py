"""The traps of YAML, one test each: what people write, what YAML makes of it, and what this program does.

``test_yaml`` has more of each kind; here they are by the names under which people know them.
"""

import os
from pathlib import Path

import pytest

from supervisor.config.load import load
from supervisor.config.problems import ConfigError, Problem
from supervisor.config.reading import MAX_FILE_BYTES
from tests.config.marked import check_marked, load_text, problems_of

P = "processes:\n  p:\n    command: [sleep, inf]\n"

WORDS = ["no", "yes", "on", "off", "n", "y", "True", "null_", "1e3", "1E3", "08", "017", "0o17", "0x1F", "0b1", "1:30", "1_000",
         "+1", "-0", ".5", "1.", "1.10", ".nan", ".inf", "2020-01-01", "2001-12-14t21:59:43.10-05:00", "=", "<<x"]  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_a_text_is_what_is_written_whatever_yaml_takes_it_for(tmp_path: Path, word: str) -> None:
    spec = load_text(tmp_path, f"processes:\n  p: {{command: [echo, {word}], environment: {{V: {word}}}}}\n").spec
    (process,) = spec.processes.values()
    assert process.command == ("echo", word)
    assert process.environment == {"V": word}


@pytest.mark.parametrize("word", ["~", "null", ""])
def test_nothing_is_not_a_text(tmp_path: Path, word: str) -> None:
    check_marked(tmp_path, P + f"    environment: {{V: ¤{word}}}\n", "V: nothing is written here")


NUMBERS = {
    "exponent": ("nice: ¤1e1", "'1e1' is not a whole number"),
    "leading zero": ("nice: ¤08", "'08' is not a whole number"),
    "octal of YAML 1.1": ("nice: ¤017", "'017' is not a whole number"),
    "octal of YAML 1.2": ("nice: ¤0o17", "'0o17' is not a whole number"),
    "hexadecimal": ("nice: ¤0x1F", "'0x1F' is not a whole number"),
    "underscore": ("oom_score_adj: ¤1_0", "'1_0' is not a whole number"),
    "fraction": ("instances: ¤2.0", "'2.0' is not a whole number"),
    "sexagesimal time": ("stop: {timeout: ¤1:30}", "'1:30' is not a duration; write a number and a unit"),
    "a number for a time": ("stop: {timeout: ¤90}", "90 says no unit; write 90s for seconds"),
    "a number for a size": ("log: {file: a, max_size: ¤1000000}", "1000000 says no unit; write 1000000MB"),
    "exponent for a size": ("log: {file: a, max_size: ¤1e6}", "'1e6' is not a size"),
    "infinity": ("stop: {timeout: ¤.inf}", "'.inf' is not a duration"),
    "a word for a switch": ("pty: ¤maybe", "'maybe' is neither on nor off"),
    "a number for a switch": ("pty: ¤1", "'1' is neither on nor off"),
}


@pytest.mark.parametrize(("line", "message"), NUMBERS.values(), ids=NUMBERS)
def test_a_number_is_decimal_and_a_unit_is_never_guessed(tmp_path: Path, line: str, message: str) -> None:
    check_marked(tmp_path, f"{P}    {line}\n", message)


@pytest.mark.parametrize("written", ["022", "0o022", "22", '"022"', "'0022'"])
def test_a_mask_is_octal_however_it_is_written(tmp_path: Path, written: str) -> None:
    (process,) = load_text(tmp_path, f"{P}    umask: {written}\n").spec.processes.values()
    assert process.umask == 0o022


@pytest.mark.parametrize("word", ["on", "yes", "true", "ON", "Yes", "TRUE"])
@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_a_switch_is_on_by_each_of_yamls_words(tmp_path: Path, word: str, quote: str) -> None:
    (process,) = load_text(tmp_path, f"{P}    pty: {quote}{word}{quote}\n").spec.processes.values()
    assert process.pty


KEYS = {
    "no": "no",
    "a number": "12",
    "a float": "1.5",
    "a date": "2020-01-01",
    "octal": "010",
}


@pytest.mark.parametrize("written", KEYS.values(), ids=KEYS)
def test_a_name_that_yaml_takes_for_something_else(tmp_path: Path, written: str) -> None:
    assert list(load_text(tmp_path, f"processes: {{{written}: {{command: x}}}}").spec.processes) == [written]


NOT_KEYS = {
    "a list": ("? ¤[a]\n: b\n", "a key is not a plain name"),
    "a mapping": ("? ¤{a: b}\n: c\n", "a key is not a plain name"),
    "nothing": ("?¤ \n: b\n", "a key is missing"),
    "a switch for a key": ("¤on: b\n", "unknown key 'on'"),
    "a number for a key": ("¤1: b\n", "unknown key '1'"),
}


@pytest.mark.parametrize(("text", "message"), NOT_KEYS.values(), ids=NOT_KEYS)
def test_a_key_that_is_no_name(tmp_path: Path, text: str, message: str) -> None:
    check_marked(tmp_path, P + text, message)


def test_a_tab_is_an_error_at_its_place_with_its_remedy(tmp_path: Path) -> None:
    check_marked(tmp_path, "processes:\n¤\tp: {command: x}\n", "indent with spaces: YAML does not allow tabs")


def test_a_tab_between_a_key_and_its_value_is_fine(tmp_path: Path) -> None:
    assert load_text(tmp_path, "processes: {p: {command:\tx}}\n").spec.processes


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, "\ufeffnodes_: x\n" + P)
    assert (problem.line, problem.column) == (1, 1)
    assert "unknown key 'nodes_'" in problem.message
    assert problem.excerpt == "    1 | nodes_: x\n      | ^"


@pytest.mark.parametrize("line_break", ["\r\n", "\r"])
def test_lines_of_other_systems(tmp_path: Path, line_break: str) -> None:
    text = (P + "    environment: {A: |}\n").replace("|", "b")
    (process,) = load_text(tmp_path, text.replace("\n", line_break)).spec.processes.values()
    assert process.environment == {"A": "b"}


def test_a_duplicate_key_is_an_error_wherever_it_stands(tmp_path: Path) -> None:
    check_marked(tmp_path, P + "    nice: 1\n    ¤nice: 1\n", "'nice' is given twice, first at line 4")
    check_marked(tmp_path, P + "    environment: {A: b, ¤'A': b}\n", "'A' is given twice")


def test_a_merge_key_never_overrides_and_its_mistakes_are_its_sources(tmp_path: Path) -> None:
    text = "processes:\n  p: &p {command: x, nice: 1}\n  q: {<<: *p, nice: 2}\n  r: {<<: [*p, {nice: 3, user: '1'}]}\n"
    p, q, r = load_text(tmp_path, text).spec.processes.values()
    assert (p.nice, q.nice, r.nice, r.user) == (1, 2, 1, "1")
    check_marked(tmp_path, text.replace("nice: 1", "nice: ¤one"), "'one' is not a whole number")


def test_an_anchor_does_not_reach_into_another_file(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("processes: {q: *p}\n")
    (problem,) = problems_of(tmp_path, "include: [more.yaml]\nprocesses: {p: &p {command: x}}\n")
    assert problem.file.endswith("more.yaml")
    assert "alias" in problem.message
    assert "define each anchor (&) once, above its use" in problem.remedy


def test_an_anchor_of_two_values_is_the_latest_one(tmp_path: Path) -> None:
    """As YAML has it; a text that means two things is not ours to forbid, but it must not crash or mix them."""
    found = problems_of(tmp_path, "processes:\n  p: &a {command: x}\n  q: &a {comand: x}\n  r: *a\n")
    assert {p.line for p in found} == {3}


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "--- \n...\n", "~\n", "\ufeff"])
def test_an_empty_file_says_so(tmp_path: Path, text: str) -> None:
    (problem,) = problems_of(tmp_path, text)
    assert "empty" in problem.message or "a single value" in problem.message


def test_several_documents_are_refused(tmp_path: Path) -> None:
    check_marked(tmp_path, P + "¤---\n" + P, "keep one document in the file")
    assert load_text(tmp_path, "---\n" + P + "...\n").spec.processes, "one that is marked as such is fine"


def test_a_billion_laughs(tmp_path: Path) -> None:
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"] + [
        f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    (problem,) = problems_of(tmp_path, "\n".join(lines))
    assert "use fewer aliases" in problem.remedy


def test_ten_megabytes_are_read_and_one_byte_more_is_not(tmp_path: Path) -> None:
    text = P.encode()
    path = tmp_path / "supervisor.yaml"
    path.write_bytes(text + b"#" * (MAX_FILE_BYTES - len(text)))
    assert load(path, environ={}, hostname="h").spec.processes
    path.write_bytes(path.read_bytes() + b"#")
    assert [p.message for p in refused(path)] == ["this file is larger than 10 MB"]


def test_ten_megabytes_on_one_line_show_a_short_one(tmp_path: Path) -> None:
    path = tmp_path / "supervisor.yaml"
    path.write_text("processes: {p: {command: x, usr: '" + "y" * (MAX_FILE_BYTES - 100) + "'}}")
    (problem,) = refused(path)
    assert len(problem.shown()) < 1000


def test_a_symbolic_link_that_leads_to_itself(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("b.yaml")
    (tmp_path / "b.yaml").symlink_to("a.yaml")
    found = problems_of(tmp_path, "include: [a.yaml]\n" + P)
    assert len(found) == 1
    assert "a.yaml" in str(found[0])


def test_a_link_back_to_the_including_file_is_a_loop(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "again.yaml").symlink_to(tmp_path / "supervisor.yaml")
    check_marked(tmp_path, "include: [¤conf.d/*.yaml]\n" + P, "the include leads back to itself")


def test_a_directory_that_links_to_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "down").symlink_to(tmp_path / "conf.d")
    (tmp_path / "conf.d" / "q.yaml").write_text("processes: {q: {command: x}}")
    loaded = load_text(tmp_path, "include: ['conf.d/**/*.yaml']\n" + P)
    assert list(loaded.spec.processes) == ["p", "q"]


def test_a_fifo_does_not_keep_anybody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (problem,) = problems_of(tmp_path, "include: [pipe.yaml]\n" + P)
    assert problem.message == "this is not a regular file"


def refused(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        load(path, environ={}, hostname="h")
    return caught.value.problems
