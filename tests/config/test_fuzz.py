"""Whatever the bytes: ``load`` returns, or raises ConfigError with problems that name a place and a remedy."""

import contextlib
import io
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor.cli.main import run
from supervisor.config.excerpt import WIDTH
from supervisor.config.load import load
from supervisor.config.problems import ConfigError, Problem
from tests.config import keys

EXAMPLES = [p.read_text() for p in sorted((Path(__file__).parents[2] / "config" / "examples").glob("*.yaml"))]
WORDS = st.sampled_from(
    [
        "node",
        "etcd",
        "endpoints",
        "namespace",
        "tls",
        "ca",
        "auth",
        "user",
        "password_file",
        "elections",
        "a",
        "b",
        "ttl",
        "lost_grace",
        "safety_margin",
        "proclaim",
        "every",
        "value",
        "on_giveup",
        "takeover_guard",
        "reload",
        "history",
        "leader",
        "follower",
        "processes",
        "p",
        "q",
        "command",
        "directory",
        "environment",
        "environment_files",
        "umask",
        "limits",
        "nofile",
        "needs",
        "ready",
        "health",
        "exec",
        "http",
        "tcp",
        "timeout",
        "failures",
        "within",
        "on_failure",
        "restart",
        "policy",
        "expected",
        "backoff",
        "limit",
        "stop",
        "signal",
        "log",
        "file",
        "max_size",
        "keep",
        "include",
        "hooks",
        "priority",
        "<<",
        "~",
        "no",
        "yes",
        "1",
        "08",
        "-1",
        "1.5",
        "10s",
        "5s",
        "100ms..30s",
        "SIGTERM",
        "50MB",
        "a:1",
        "http://a:1/",
        "https://a:1",
        "/bin/sh",
        "~/x",
        "${A}",
        "${B:-c}",
        "$$",
        "x",
        "2020-01-01",
        ".inf",
        "''",
    ]
)
TEXTS = WORDS | st.text(max_size=20)
TREES = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=6),
    max_leaves=40,
)
PIECES = st.sampled_from(
    ["\t", "\n", " ", "  ", ":", ": ", "- ", "&a ", "*a", "<<: *a", "{", "}", "[", "]", "'", '"', "|", ">", "#", "!!x ", "?",
     "---\n", "%", "@", "\0", "\r\n", "\ufeff", "é", "\u2028", "${", "${A}", "~", "..", "0", "999999999999999999999999", "é" * 200]
)  # fmt: skip


@pytest.fixture(scope="module")
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory) / "supervisor.yaml"


def load_or_refuse(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with contextlib.suppress(ConfigError):
        load(path, environ={"A": "a"}, hostname="h")
        return
    with pytest.raises(ConfigError) as caught:
        load(path, environ={"A": "a"}, hostname="h")
    assert caught.value.problems
    for problem in caught.value.problems:
        assert problem.message
        assert problem.remedy
        assert problem.line >= 1
        assert problem.column >= 1
        str(problem).encode()
        assert "\n" not in str(problem)
        check_excerpt(problem)


def check_excerpt(problem: Problem) -> None:
    """Two lines that a terminal can show, neither longer than it should be."""
    if not problem.excerpt:
        return
    line, caret = problem.excerpt.split("\n")
    assert caret.endswith("^")
    assert len(caret) <= 2 * WIDTH
    assert len(line) <= 4 * WIDTH  # marks take no column
    assert not set(line) & {"\t", "\x1b", "\r"}
    problem.shown().encode()


fuzz = settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])


@fuzz
@given(st.binary(max_size=200))
def test_any_bytes(path: Path, data: bytes) -> None:
    load_or_refuse(path, data)


@fuzz
@given(st.text(max_size=200))
def test_any_text(path: Path, text: str) -> None:
    load_or_refuse(path, text.encode("utf-8", "surrogatepass"))


@fuzz
@given(st.lists(PIECES | WORDS, max_size=40).map("".join))
def test_any_pieces_of_yaml(path: Path, text: str) -> None:
    load_or_refuse(path, text.encode())


@fuzz
@given(TREES)
def test_any_tree(path: Path, tree: object) -> None:
    load_or_refuse(path, yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "replace"))


@fuzz
@given(st.sampled_from(["leader", "follower"]), st.dictionaries(WORDS, TREES, max_size=6), TREES)
def test_any_tree_in_the_right_place(path: Path, role: str, process: dict[str, object], other: object) -> None:
    tree = {
        "elections": {"a": {role: {"processes": {"p": {"command": "x", **process}, "q": other}}, "proclaim": other}},
        "etcd": other,
    }
    load_or_refuse(path, yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "replace"))


@fuzz
@given(st.sampled_from(EXAMPLES), st.data())
def test_any_mutation_of_an_example(path: Path, text: str, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 20)))
        text = text[:start] + data.draw(PIECES | TEXTS) + text[end:]
    load_or_refuse(path, text.encode("utf-8", "surrogatepass"))


@fuzz
@given(st.sampled_from(EXAMPLES), st.data())
def test_any_example_with_lines_moved(path: Path, text: str, data: st.DataObject) -> None:
    lines = text.splitlines(keepends=True)
    moved = lines.pop(data.draw(st.integers(0, len(lines) - 1)))
    lines.insert(data.draw(st.integers(0, len(lines))), data.draw(st.sampled_from(["", "  ", "\t"])) + moved)
    load_or_refuse(path, "".join(lines).encode())


@fuzz
@given(st.sampled_from(EXAMPLES), st.data())
def test_any_mutation_of_an_examples_bytes(path: Path, text: str, data: st.DataObject) -> None:
    """Bytes changed, dropped, doubled, swapped: as a disk, an editor or a transfer would."""
    raw = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw) - 1))
        match data.draw(st.integers(0, 4)):
            case 0:
                raw[at] = data.draw(st.integers(0, 255))
            case 1:
                del raw[at : at + data.draw(st.integers(1, 30))]
            case 2:
                raw[at:at] = raw[at : at + data.draw(st.integers(1, 30))]
            case 3:
                raw[at:at] = data.draw(st.binary(max_size=6))
            case _:
                del raw[at:]
        if not raw:
            break
    load_or_refuse(path, bytes(raw))


KNOWN = [(key, table) for table in (keys.OF_A_PROCESS, keys.OF_AN_ELECTION) for key in table]


@fuzz
@given(st.sampled_from(KNOWN), TREES)
def test_any_tree_as_the_value_of_any_key(
    path: Path, known: tuple[str, Mapping[str, keys.Case]], value: object
) -> None:
    key, table = known
    of_a_process = table is keys.OF_A_PROCESS
    base = {"command": ["x"]} if of_a_process else {}
    tree = keys.declared(key, keys.Case(old=value, new=value), base, new=False)
    whole = {"processes" if of_a_process else "elections": {"one": tree}}
    load_or_refuse(path, yaml.safe_dump(whole, allow_unicode=True).encode("utf-8", "replace"))


@settings(parent=fuzz, max_examples=60)
@given(
    st.binary(max_size=200)
    | st.sampled_from(EXAMPLES).flatmap(lambda t: st.integers(0, len(t)).map(lambda i: t[:i].encode()))
)
def test_no_user_of_check_ever_sees_a_traceback(path: Path, data: bytes) -> None:
    """Through the command itself, which would print one and exit with 70."""
    path.write_bytes(data)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        code = run(["check", str(path)])
    assert code in (0, 78), said.getvalue()
    assert "Traceback" not in said.getvalue()
