"""The control socket under attack: whoever is let in, or is not, harms no term.

Each attack is made on a real daemon that leads by a real etcd, with a TTL of 5 s; afterwards it leads with the same token, its
lease was renewed all the time, and it answers. What costs memory is bounded by the door (``control.door``).
"""

import contextlib
import json
import os
import random
import resource
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from supervisor.control import client, door
from supervisor.control.client import Client
from supervisor.control.door import BURST_BYTES, STRANGERS, Door
from supervisor.core.access import ControlSpec
from supervisor.paths import key_path
from tests.control import states
from tests.control.serving import Serve, serving
from tests.security.support import term
from tests.system.nodes import Make, Node, beats, until

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"


def frame(kind: int, flags: int, stream: int, payload: bytes, length: int | None = None) -> bytes:
    """A frame of HTTP/2, with a length that may be a lie."""
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes([kind, flags]) + struct.pack(">I", stream) + payload


MALFORMED = {
    "nothing": b"",
    "text": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "half a preface": PREFACE[:10],
    "a preface and noise": PREFACE + random.Random(1).randbytes(4000),
    "noise": random.Random(2).randbytes(8000),
    "a frame of 16 MB announced": PREFACE + SETTINGS + frame(0, 0, 1, b"x" * 100, (1 << 24) - 1),
    "data for a stream that is not open": PREFACE + SETTINGS + frame(0, 1, 99, b"x" * 100),
    "headers that are no headers": PREFACE + SETTINGS + frame(1, 4, 1, b"\xff" * 200),
    "a settings frame of the wrong size": PREFACE + frame(4, 0, 0, b"\0" * 7),
    "a window that overflows": PREFACE + SETTINGS + frame(8, 0, 0, b"\x7f\xff\xff\xff") * 3,
    "continuations without end": PREFACE + SETTINGS + frame(1, 0, 1, b"\0") + frame(9, 0, 1, b"\0" * 1000) * 200,
    "pings": PREFACE + SETTINGS + frame(6, 0, 0, b"12345678") * 5000,
    "resets": PREFACE + SETTINGS + b"".join(frame(1, 5, n, b"\x82\x86\x84") + frame(3, 0, n, b"\0\0\0\x08") for n in range(1, 2000, 2)),
}  # fmt: skip


def connect(path: Path) -> socket.socket:
    """A caller."""
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(2)
    try:
        made.connect(str(path))
    except OSError:
        made.close()
        raise
    return made


def ask(path: Path) -> str:
    """The node's name, by a client that is well behaved."""
    with Client(path, answer_seconds=20) as connected:
        return connected.version().node


@contextlib.contextmanager
def undisturbed(node: Node, trace: Path) -> Iterator[None]:
    """What is done inside leaves the term as it was: same token, lease renewed all the time, processes running."""
    until(lambda: beats(trace), "it leads")
    before, left = term(node), [1e9]
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.3):
            said = node.run("status", "--json")
            if said.returncode in (0, 1):
                left.append(min(s["seconds_left"] or 0.0 for s in json.loads(said.stdout)["sessions"]))

    looking = threading.Thread(target=look)
    looking.start()
    count = len(beats(trace))
    try:
        yield
        until(lambda: len(beats(trace)) > count + 20, "its process goes on")
    finally:
        over.set()
        looking.join(60)
    assert node.daemon.poll() is None
    assert term(node) == before
    assert {token for _, token in beats(trace)} == {before[1]}
    assert min(left) > 1.0, "the lease came near its end"
    assert "Traceback" not in node.says()
    assert "lost" not in node.says()


@pytest.mark.etcd
@pytest.mark.system
def test_a_leader_goes_on_leading_whatever_comes_in(node: Make, text: str, tmp_path: Path) -> None:
    """Garbage, malformed HTTP/2, calls that never end, slow bytes, and all the connections there are, at once."""
    one = node("one", text, prefix=["prlimit", "--nofile=512:512"])
    until(lambda: beats(tmp_path / "beats"), "it leads")
    with undisturbed(one, tmp_path / "beats"), contextlib.ExitStack() as stack:
        for _ in range(3):
            for words in MALFORMED.values():
                caller = stack.enter_context(connect(one.socket))
                with contextlib.suppress(OSError):
                    caller.sendall(words)
        slow = [stack.enter_context(connect(one.socket)) for _ in range(10)]
        for n in range(1500):
            with contextlib.suppress(OSError):
                stack.enter_context(connect(one.socket))
            if n % 100 == 0:
                for each in slow:
                    with contextlib.suppress(OSError):
                        each.send(PREFACE[n // 100 : n // 100 + 1])
        until(lambda: len(os.listdir(f"/proc/{one.daemon.pid}/fd")) < 450, "it keeps descriptors for its duty")
    until(lambda: one.run("status").returncode == 0, "it answers when they have gone")
    assert one.run("restart", "work").returncode == 0, "it can still start processes"


@pytest.mark.etcd
@pytest.mark.system
def test_requests_that_are_far_too_large_are_answered_with_an_error(node: Make, text: str, tmp_path: Path) -> None:
    one = node("one", text)
    until(lambda: beats(tmp_path / "beats"), "it leads")
    with undisturbed(one, tmp_path / "beats"), Client(one.socket) as connected:
        for attempt in (
            lambda: connected.status("x" * 9_000_000),
            lambda: connected.status("x" * 20_000_000),
            lambda: connected.resign("y" * 5_000_000, 0.0),
            lambda: connected.restart("z" * 5_000_000, 0.0),
            lambda: next(connected.observe(*["job"] * 1_000_000)),
            lambda: connected.history("h" * 5_000_000),
            lambda: connected.history(""),
            lambda: connected.history("a\0b"),
            lambda: connected.history("\u00b2/../.."),
        ):
            with pytest.raises(client.ControlError):
                attempt()
    assert max(len(line) for line in one.says().splitlines()) < 2000, "nobody writes a novel into the log"


@pytest.mark.parametrize("words", MALFORMED.values(), ids=MALFORMED)
def test_whatever_is_said_others_are_answered(serve: Serve, words: bytes) -> None:
    daemon = serve(states.healthy())
    with connect(daemon.socket) as caller:
        with contextlib.suppress(OSError):
            caller.sendall(words)
        assert ask(daemon.socket) == "web-1"


def test_a_crowd_gets_what_can_be_spared_and_no_more(serve: Serve) -> None:
    daemon = serve(states.healthy())
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    most = Door(Path("/nowhere"))._most
    assert 3 * most < soft
    with contextlib.ExitStack() as stack:
        for _ in range(most):
            stack.enter_context(connect(daemon.socket))
        until(lambda: sum(daemon.door._by_user.values()) == most, "they are in")
        with connect(daemon.socket) as last:
            assert last.recv(1) == b"", "hung up on"
        assert daemon.door.refused
    until(lambda: not daemon.door._by_user, "nobody is counted who has gone")
    assert ask(daemon.socket) == "web-1"


def test_who_sends_without_end_is_hung_up_on(serve: Serve) -> None:
    """All but root and the daemon's own user have an allowance; here our own side is given one."""
    daemon = serve(states.healthy())

    def bound() -> None:
        for side in daemon.door._sides:
            side.allowance = door._Allowance()

    with connect(daemon.socket) as caller:
        caller.sendall(PREFACE + SETTINGS)
        until(lambda: len(daemon.door._by_user) == 1, "it is in")
        daemon.call(bound)
        with pytest.raises(OSError):  # noqa: PT011 # EPIPE or ECONNRESET, as the kernel has it
            caller.sendall(b"\0" * (8 * BURST_BYTES))
    assert ask(daemon.socket) == "web-1"


FLOOD = """
import os, socket, sys, time
group = int(sys.argv[2])
os.setgroups([group]); os.setresgid(group, group, group); os.setresuid(65534, 65534, 65534)
held = []
for _ in range(300):
    one = socket.socket(socket.AF_UNIX)
    one.connect(sys.argv[1])
    held.append(one)
print("in", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """Others may enter it."""
    with tempfile.TemporaryDirectory(prefix="sv") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_user_who_may_nothing_gets_a_few_connections_for_a_moment(place: Path) -> None:
    state = states.healthy()
    assert state.spec is not None
    state = replace(state, spec=replace(state.spec, control=ControlSpec(group="0", read_group="1")))
    with serving(place / "s", state) as daemon:
        daemon.admit(ControlSpec(group="0", read_group="1"))
        crowd = subprocess.Popen(
            [sys.executable, "-c", FLOOD, str(daemon.socket), "64299"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert crowd.stdin is not None
        assert crowd.stdout is not None
        try:
            assert crowd.stdout.readline() == b"in\n"
            assert daemon.door._by_user[65534] <= STRANGERS
            assert ask(daemon.socket) == "web-1"
            until(lambda: not daemon.door._by_user[65534], "they are seen off")
        finally:
            crowd.stdin.close()
            crowd.wait(20)
            crowd.stdout.close()


# --- paths -----------------------------------------------------------------------------------------------------------


def refuses(path: Path, *options: str) -> str:
    """What a daemon says that does not start there."""
    file = path.parent / "file.yaml"
    file.write_text("processes: {a: {command: [sleep, infinity]}}\n")
    argv = [sys.executable, "-m", "supervisor", "run", str(file), "--socket", str(path), *options]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (64, 77), done.stderr
    return done.stderr


def links(path: Path, target: Path) -> None:
    path.symlink_to(target)


def holds(path: Path, target: Path) -> None:
    path.write_text(str(target))


@pytest.mark.parametrize(
    ("name", "make"), [("s", links), ("s", holds), ("s.lock", links)], ids=["a link", "a file", "a link for the lock"]
)
def test_nothing_but_a_socket_is_replaced_and_no_link_is_followed(
    tmp_path: Path, name: str, make: Callable[[Path, Path], None]
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (tmp_path / "here").mkdir()
    make(tmp_path / "here" / name, precious)
    refuses(tmp_path / "here" / "s", "--state-dir", str(tmp_path / "state"))
    assert precious.read_text() == "precious"


def test_a_link_that_leads_to_another_socket_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "other"))
        links(tmp_path / "here" / "s", tmp_path / "other")
        assert "not a socket" in refuses(tmp_path / "here" / "s", "--state-dir", str(tmp_path / "state"))
        assert stat.S_ISSOCK((tmp_path / "other").stat().st_mode)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.parametrize("what", ["socket", "state"])
def test_a_directory_that_somebody_else_made_in_tmp_is_not_trusted(what: str) -> None:
    with tempfile.TemporaryDirectory(prefix="sv") as directory:
        top = Path(directory)
        top.chmod(0o1777)
        theirs, ours = top / "theirs", top / "ours"
        theirs.mkdir()
        os.chown(theirs, 65534, 65534)
        ours.mkdir(mode=0o700)
        at = {"socket": (theirs / "s", ours / "d"), "state": (ours / "s", theirs)}[what]
        (top / "ours" / "x").write_text("")
        assert "in a shared place" in refuses(at[0], "--state-dir", str(at[1]))
        assert [p.name for p in theirs.iterdir()] in ([], ["file.yaml"])


def test_the_socket_has_its_mode_before_anybody_can_connect(tmp_path: Path) -> None:
    """Looked at all the time while daemons come and go: it is never seen with another mode, nor its key."""
    path, seen, over = tmp_path / "s", set[tuple[str, int]](), threading.Event()

    def look() -> None:
        while not over.is_set():
            for name in ("s", "s.key", "s.d"):
                with contextlib.suppress(OSError):
                    seen.add((name, stat.S_IMODE((tmp_path / name).lstat().st_mode)))

    looking = threading.Thread(target=look)
    looking.start()
    umask = os.umask(0)
    try:
        for _ in range(20):
            with serving(path, states.healthy()):
                assert ask(path) == "web-1"
    finally:
        os.umask(umask)
        over.set()
        looking.join(10)
    assert seen == {("s", 0o660), ("s.key", 0o600), ("s.d", 0o700)}


# --- a socket that is not the daemon's --------------------------------------------------------------------------------


def test_a_key_that_is_a_link_is_not_read_and_not_sent(serve: Serve, tmp_path: Path) -> None:
    daemon = serve(states.healthy())
    secret = tmp_path / "secret"
    secret.write_text("a" * 64)
    key_path(daemon.socket).unlink()
    key_path(daemon.socket).symlink_to(secret)
    with Client(daemon.socket) as connected, pytest.raises(client.NotPermitted):
        connected.plan(b"processes: {}", "file.yaml")
    assert daemon.ports.read_for == []


@pytest.mark.parametrize("content", [b"", b"root:*:19000:0:99999:7:::\n" * 10, b"A" * 64, b"0" * 65])
def test_a_file_that_is_no_key_is_not_sent(serve: Serve, content: bytes) -> None:
    daemon = serve(states.healthy())
    key_path(daemon.socket).write_bytes(content)
    with Client(daemon.socket) as connected, pytest.raises(client.NotPermitted, match="it is not sent"):
        connected.plan(b"processes: {}", "file.yaml")
    assert daemon.ports.read_for == []


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_key_of_another_user_than_the_socket_s_is_not_sent(serve: Serve) -> None:
    daemon = serve(states.healthy())
    os.chown(key_path(daemon.socket), 65534, 65534)
    with Client(daemon.socket) as connected, pytest.raises(client.NotPermitted, match="it is not sent"):
        connected.plan(b"processes: {}", "file.yaml")
