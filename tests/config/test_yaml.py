"""What YAML does to people: traps, and bounds on what a small text can demand."""

from pathlib import Path

import pytest

from supervisor.config.parse import MAX_NODES, FastLoader, PythonLoader, parse
from supervisor.config.problems import Problems
from supervisor.core.names import ElectionName, ProcessName
from supervisor.core.spec import ProcessSpec
from tests.config.marked import check_marked, load_text, problems_of

PROCESS = "processes:\n  p:\n    command: [sleep, inf]\n"

NOT_YAML = {
    "tab": ("processes:\n¤\tp: {}", "indent with spaces: YAML does not allow tabs"),
    "colon in a value": ("node: a¤: b", "put quotes around a value that contains ': '"),
    "wrong indentation": ("processes:\n p: {}\n  ¤q: {}", "check the indentation"),
    "open quote": ("node: 'a¤", "the quote opened at line 1, column 7 is closed"),
    "open bracket": ("include: [a\nprocesses¤: {}", "the bracket opened at line 1, column 10 is closed"),
    "escape": ('node: "a¤\\d"', "use single quotes"),
    "special character": ("node: ¤@a", "put quotes around a value that starts with a special character"),
    "variable in brackets": ("include: [$¤{A}]", 'put a variable in quotes: "${NAME}"'),
    "unknown alias": ("node: ¤*a", "define each anchor (&) once"),
    "second document": ("node: a\n¤---\nnode: b", "keep one document in the file"),
    "control character": ("node: a¤\x07b", "the character U+0007 is not allowed in YAML; remove it"),
    "second byte order mark": ("node: ¤\ufeffa", "U+FEFF"),
    "nothing": ("¤", "the file is empty"),
    "comments only": ("¤# nothing\n", "the file is empty; declare at least one election or process"),
    "a list": ("¤- a", "the file is a list; write keys: elections, processes"),
    "a text": ("¤a", "the file is a single value"),
    "duplicate key": ("node: a\n¤node: b\n" + PROCESS, "'node' is given twice, first at line 1; keep one of the two"),
    "duplicate name": ("processes:\n  p: {command: x}\n  ¤p: {command: x}", "'p' is given twice, first at line 2"),
    "object": ("node: ¤!!python/name:os.system a\n" + PROCESS, "the tag '!!python/name:os.system' is not supported"),
    "own tag": ("node: ¤!secret a\n" + PROCESS, "the tag '!secret' is not supported; remove it"),
    "list as key": (PROCESS + "? ¤[a]\n: b", "a key is not a plain name"),
    "no key": (PROCESS + "¤~: b", "a key is missing; write a name before the ':'"),
    "merge of a text": (PROCESS + "    <<: ¤a", "'<<' can only merge mappings"),
    "NUL": ('node: ¤"a\\0b"\n' + PROCESS, "the text holds a character that no program can be given"),
    "cycle": (PROCESS + "    environment: ¤&e {A: *e}", "this part contains itself"),
}


@pytest.mark.parametrize(("text", "fragment"), NOT_YAML.values(), ids=NOT_YAML)
def test_what_yaml_refuses_is_a_problem_at_its_place(tmp_path: Path, text: str, fragment: str) -> None:
    clean = text.replace("¤", "")
    if "environment: &e" in clean:  # the hole that the cycle leaves is reported too
        assert any(fragment in str(p) for p in problems_of(tmp_path, clean))
        return
    check_marked(tmp_path, text, fragment)


@pytest.mark.parametrize(("text", "_fragment"), NOT_YAML.values(), ids=NOT_YAML)
def test_the_slower_loader_refuses_the_same_on_the_same_line(text: str, _fragment: str) -> None:
    clean = text.replace("¤", "")
    found = []
    for loader in (FastLoader, PythonLoader):
        problems = Problems()
        parse(clean, "f", problems, loader=loader)
        found.append([(p.line, p.remedy) for p in problems.by_place(["f"])])
    assert found[0] == found[1]


def process(directory: Path, text: str) -> ProcessSpec:
    return load_text(directory, text).spec.processes[ProcessName("p")]


@pytest.mark.parametrize(
    "word", ["no", "yes", "on", "08", "010", "1:30", "0x1F", "1_000", "1.10", "2020-01-01", "null_", "="]
)
def test_a_text_is_what_is_written(tmp_path: Path, word: str) -> None:
    text = PROCESS.replace("inf", word) + f"    environment: {{V: {word}}}\n"
    assert process(tmp_path, text).command == ("sleep", word)
    assert process(tmp_path, text).environment == {"V": word}


def test_a_name_is_what_is_written(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, "elections: {no: {}, 010: {}, 1.0: {}}")
    assert list(loaded.spec.elections) == ["no", "010", "1.0"]


@pytest.mark.parametrize("written", ["022", '"022"', "0o022", "22"])
def test_a_mask_is_octal_however_it_is_written(tmp_path: Path, written: str) -> None:
    assert process(tmp_path, PROCESS + f"    umask: {written}").umask == 0o022


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    text = "\ufeff" + PROCESS.replace("\n", "\r\n")
    assert process(tmp_path, text).command == ("sleep", "inf")
    check_marked(tmp_path, text + "    ¤usr: a\r\n", "unknown key 'usr'")
    (problem,) = problems_of(tmp_path, "\ufeffnoed: a\r\n" + PROCESS)
    assert (problem.line, problem.column) == (1, 1)


def test_anchors_aliases_and_merge_keys_work(tmp_path: Path) -> None:
    text = """\
processes:
  p: &p
    command: [x]
    user: a
    stop: &stop {signal: INT, timeout: 1s}
  q:
    <<: *p
    user: b
    stop: {<<: *stop, timeout: 2s}
  r: {<<: [{user: c}, *p]}
"""
    spec = load_text(tmp_path, text).spec
    p, q, r = spec.processes.values()
    assert (p.user, q.user, r.user) == ("a", "b", "c")
    assert q.command == r.command == ("x",)
    assert (q.stop.signal, q.stop.timeout_seconds) == ("SIGINT", 2.0)
    assert r.stop == p.stop


def test_a_merged_mistake_is_blamed_where_it_is_written(tmp_path: Path) -> None:
    check_marked(tmp_path, "processes:\n  p: &p {command: x, ¤usr: a}\n  q: {<<: *p}\n", "unknown key 'usr'")


def test_a_merge_key_given_twice_is_a_duplicate(tmp_path: Path) -> None:
    check_marked(
        tmp_path, "processes:\n  p:\n    <<: {command: x}\n    ¤<<: {user: a}\n", "'<<' is given twice, first above"
    )


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 10)}]\n" for i in range(9)
)
BOMBS = {
    "a billion laughs": (LAUGHS, "more than 200000 keys and values; split the file, or use fewer aliases"),
    "long text again and again": (
        f"a: &a {'x' * 100_000}\nb: [{','.join(['*a'] * 1000)}]",
        "more than 200000 keys and values",
    ),
    "merges of merges": (
        "a: &a {" + ",".join(f"k{i}: 1" for i in range(1000)) + f"}}\nb: {{<<: [{','.join(['*a'] * 1000)}]}}",
        "more than 200000 keys and values",
    ),
    "too many": ("a: [" + "b," * (MAX_NODES + 1) + "]", "more than 200000 keys and values"),
    "brackets": ("[" * 100_000, "nested more than 40 levels deep"),
    "braces": ("{a: " * 50_000, "nested more than 40 levels deep"),
    "a tower of aliases": (
        "a0: &a0 [x]\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}]\n" for i in range(2000)),
        "nested more than 40 levels deep; flatten it",
    ),
}


@pytest.mark.parametrize(("text", "fragment"), BOMBS.values(), ids=BOMBS)
def test_a_small_text_cannot_demand_much(tmp_path: Path, text: str, fragment: str) -> None:
    (problem,) = problems_of(tmp_path, text)
    assert fragment in str(problem)


def test_the_proclaimed_value_keeps_its_types(tmp_path: Path) -> None:
    value = "{n: -1, f: 1.5, t: true, f2: False, z: null, e: , s: '010', l: [1, {a: b}]}"
    loaded = load_text(tmp_path, f"elections: {{a: {{proclaim: {{value: {value}}}}}}}")
    assert loaded.spec.elections[ElectionName("a")].proclaim.value == {
        "n": -1, "f": 1.5, "t": True, "f2": False, "z": None, "e": None, "s": "010", "l": [1, {"a": "b"}],
    }  # fmt: skip
