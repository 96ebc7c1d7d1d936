"""Who may do what with a real daemon, as its file says, and as the file says after a change."""

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.control.callers import as_group
from tests.system.nodes import Node, until

pytestmark = [
    pytest.mark.system,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else"),
]
OPS, WATCHERS, OTHERS = 64_201, 64_202, 64_203


def file(control: str) -> str:
    return f"{control}\nprocesses: {{work: {{command: [sleep, infinity]}}}}\n"


@pytest.fixture
def place() -> Iterator[Path]:
    """Others may enter it."""
    with tempfile.TemporaryDirectory(prefix="sv") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def test_groups_and_the_log(place: Path) -> None:
    node = Node(place, "a", file(f'control: {{group: "{OPS}", read_group: "{WATCHERS}"}}'))
    try:
        until(lambda: node.run("status").returncode == 0, "a running process")
        node.home.chmod(0o755)
        assert stat.S_IMODE(node.socket.stat().st_mode) == 0o666
        assert node.socket.stat().st_gid == OPS
        assert as_group(node.socket, WATCHERS, "status")[0] == 0
        code, _, err = as_group(node.socket, WATCHERS, "restart", "work")
        assert code == 77
        assert "may look but not restart" in err
        assert as_group(node.socket, OPS, "restart", "work")[0] == 0
        assert as_group(node.socket, OTHERS, "status")[0] == 77
        said = [line for line in node.says().splitlines() if "control: Restart process=work" in line]
        assert len(said) == 2
        assert said[0].endswith("refused")
        assert all("uid 65534" in line and "pid " in line for line in said)
        node.file.write_text(file(f'control: {{group: "{OPS}"}}'))
        assert node.run("reload").returncode == 0
        until(lambda: stat.S_IMODE(node.socket.stat().st_mode) == 0o660, "the new mode")
        code, _, err = as_group(node.socket, WATCHERS, "status")
        assert code == 77
        assert "no permission to use" in err
    finally:
        node.end()


def test_a_group_that_does_not_exist_is_a_reason_not_to_start(place: Path) -> None:
    node = Node(place, "a", file("control: {group: no-such-group}"))
    try:
        assert node.daemon.wait(20) != 0
        assert "control.group: there is no group no-such-group" in node.says()
    finally:
        node.end()


def test_a_mode_that_keeps_the_readers_out_is_refused(place: Path) -> None:
    node = Node(place, "a", file('control: {read_group: daemon, mode: "0660"}'))
    try:
        assert node.daemon.wait(20) == 78
        assert "mode 0660 keeps read_group out" in node.says()
    finally:
        node.end()
