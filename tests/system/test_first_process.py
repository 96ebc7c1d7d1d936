"""As the first process of a container: it waits for orphans, hands signals on, and lets the guardian finish."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.nodes import Make, Node, beats, until

pytestmark = [pytest.mark.system, pytest.mark.root]

CONTAINER = ("unshare", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc", "--")


@pytest.fixture
def contained(node: Make, text: str) -> Callable[[str], Node]:
    if os.geteuid() != 0:
        pytest.skip("not root")
    return lambda name: node(name, text.replace("ttl: 5s", "ttl: 30s"), prefix=CONTAINER)


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def first(node: Node) -> int:
    """Its pid outside."""
    until(lambda: children(node.daemon.pid), "the first process")
    return children(node.daemon.pid)[0]


def leads(node: Node, tmp_path: Path) -> None:
    def last() -> bool:
        found = beats(tmp_path / "beats")
        return bool(found) and found[-1][0] == node.name

    until(last, f"{node.name} leads", 10)  # the TTL is 30 s
    assert [token for _, token in beats(tmp_path / "beats")] == sorted(t for _, t in beats(tmp_path / "beats"))


def test_orphans_are_waited_for(contained: Callable[[str], Node], tmp_path: Path) -> None:
    node = contained("a")
    init = first(node)
    leads(node, tmp_path)
    before = children(init)
    assert len(before) == 1, "the daemon"
    enter = ["nsenter", "--target", str(init), "--pid", "--mount", "--", "sh", "-c", "sleep 1000 >/dev/null 2>&1 &"]
    subprocess.run(enter, check=True)
    until(lambda: set(children(init)) - set(before), "an orphan")
    (orphan,) = set(children(init)) - set(before)
    os.kill(orphan, signal.SIGKILL)
    until(lambda: children(init) == before, "the orphan is waited for, and not left as a zombie")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_daemon_in_order_and_its_exit_code_is_ours(
    contained: Callable[[str], Node], tmp_path: Path, sent: signal.Signals
) -> None:
    a = contained("a")
    leads(a, tmp_path)
    b = contained("b")
    os.kill(first(a), sent)
    assert a.daemon.wait(20) == 0
    leads(b, tmp_path)


def test_a_reload_is_handed_on(contained: Callable[[str], Node], tmp_path: Path) -> None:
    node = contained("a")
    leads(node, tmp_path)
    node.file.write_text(node.file.read_text() + "nonsense: 1\n")
    os.kill(first(node), signal.SIGHUP)
    until(lambda: "unknown key 'nonsense'" in node.says(), "a reload")


def test_a_killed_daemon_the_guardian_gives_the_lease_back_before_the_container_ends(
    contained: Callable[[str], Node], tmp_path: Path
) -> None:
    a = contained("a")
    leads(a, tmp_path)
    b = contained("b")
    until(
        lambda: b.socket.exists() and b.election()["phase"] not in {"detached", "campaigning"}, "b waits in the queue"
    )
    (daemon,) = children(first(a))
    os.kill(daemon, signal.SIGKILL)
    assert a.daemon.wait(20) == 128 + signal.SIGKILL
    leads(b, tmp_path)
