"""``supervisor elect``: a command that runs while it leads, and its exit code."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.etcd_server import EtcdServer
from tests.system.nodes import COMMAND, runs, until

pytestmark = [pytest.mark.system, pytest.mark.etcd]


class Elect:
    """Starts ``elect`` against one etcd, in a runtime directory of its own."""

    def __init__(self, etcd: EtcdServer, namespace: str, home: Path) -> None:
        self.etcd, self.namespace, self.home = etcd, namespace, home
        self.started: list[subprocess.Popen[str]] = []
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("ETCDCTL", "SUPERVISOR"))}

    def argv(self, *arguments: str, ttl: str = "5s") -> list[str]:
        where = ["--endpoints", self.etcd.endpoint, "--namespace", self.namespace]
        return [*COMMAND, "elect", "job", "--ttl", ttl, *where, *arguments]

    def start(self, *arguments: str, **more: object) -> "subprocess.Popen[str]":
        self.started.append(
            subprocess.Popen(  # type: ignore[call-overload]
                self.argv(*arguments),
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                **({"stdin": subprocess.DEVNULL} | more),
            )
        )
        return self.started[-1]

    def run(self, *arguments: str, said: str = "") -> tuple[int, str, str]:
        done = subprocess.run(
            self.argv(*arguments),
            input=said,
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def keys(self) -> list[str]:
        return self.etcd.etcdctl("get", "--prefix", "--keys-only", f"{self.namespace}/job/").split()


@pytest.fixture
def elect(etcd: EtcdServer, namespace: str, tmp_path: Path) -> Iterator[Elect]:
    one = Elect(etcd, namespace, tmp_path)
    yield one
    for process in one.started:
        if process.poll() is None:
            process.kill()
        process.wait(20)
        for stream in (process.stdout, process.stderr, process.stdin):
            if stream is not None:
                stream.close()


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert isinstance(line, str)
    return line.strip()


def test_the_command_leads_and_its_exit_code_is_ours(elect: Elect) -> None:
    script = 'echo "$SUPERVISOR_ELECTION $SUPERVISOR_FENCING_TOKEN $SUPERVISOR_ELECTION_KEY $MINE"; pwd; echo oops >&2; exit 7'
    elect.environment["MINE"] = "my own $HOME"
    code, out, err = elect.run("--", "sh", "-c", script)
    assert code == 7
    words = out.split()
    assert words[0] == "job"
    assert int(words[1]) > 0
    assert words[2].startswith(f"{elect.namespace}/job/")
    assert "my own $HOME" in out
    assert out.splitlines()[1] == os.getcwd()
    assert err == "oops\n"
    assert elect.keys() == []


def test_standard_input_goes_through(elect: Elect) -> None:
    assert elect.run("--", "cat", said="hello\nworld\n") == (0, "hello\nworld\n", "")


def test_arguments_arrive_as_they_are(elect: Elect) -> None:
    words = ["$HOME", "${HOME}", "$$", "*", "a b", "", "|", "--flag", "é"]
    code, out, _ = elect.run("--", sys.executable, "-c", "import sys; print(sys.argv[1:])", *words)
    assert (code, out) == (0, f"{words}\n")


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (["sh", "-c", "kill -9 $$"], 137, ""),
        (["no-such-command"], 127, "not found"),
        (["/no/such/command"], 127, "not found"),
        (["/etc/passwd"], 126, "not executable"),
        (["true"], 0, ""),
    ],
)
def test_exit_codes_are_a_shells(elect: Elect, command: list[str], code: int, words: str) -> None:
    found, _, err = elect.run("--", *command)
    assert found == code
    assert words in err
    assert elect.keys() == []


def test_signals_go_to_the_command(elect: Elect) -> None:
    script = "trap 'echo usr1' USR1; trap 'echo term; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    one = elect.start("--", "sh", "-c", script)
    assert first_line(one) == "ready"
    one.send_signal(signal.SIGUSR1)
    assert first_line(one) == "usr1"
    one.send_signal(signal.SIGTERM)
    assert first_line(one) == "term"
    assert one.wait(20) == 3
    two = elect.start("--", "sh", "-c", "echo ready; exec sleep 60")
    assert first_line(two) == "ready"
    two.send_signal(signal.SIGINT)
    assert two.wait(20) == 130


def test_one_leads_the_other_waits(elect: Elect) -> None:
    one = elect.start("--", "sh", "-c", "echo one; exec sleep 60")
    assert first_line(one) == "one"
    two = elect.start("--", "echo", "two")
    until(lambda: len(elect.keys()) == 2, "a second candidate")
    code, out, err = elect.run("--nonblock", "--", "echo", "three")
    assert (code, out) == (75, "")
    assert "led by another" in err
    code, out, err = elect.run("--wait", "500ms", "--", "echo", "three")
    assert (code, out) == (75, "")
    assert "not had in time" in err
    one.terminate()
    assert one.wait(20) == 143
    assert first_line(two) == "two"
    assert two.wait(20) == 0


def test_waiting_ends_by_a_signal(elect: Elect) -> None:
    one = elect.start("--", "sh", "-c", "echo one; exec sleep 60")
    assert first_line(one) == "one"
    two = elect.start("--", "echo", "two")
    until(lambda: len(elect.keys()) == 2, "a second candidate")
    two.terminate()
    assert two.wait(20) == 143
    until(lambda: len(elect.keys()) == 1, "the end of its candidacy")


def test_a_lost_office_ends_the_command(elect: Elect) -> None:
    one = elect.start("--", "sh", "-c", "echo $$; exec sleep 60")
    pid = int(first_line(one))
    elect.etcd.etcdctl("del", "--prefix", f"{elect.namespace}/job/")
    assert one.wait(20) == 75
    assert not runs(pid)
    assert one.stderr is not None
    assert "not ours any more" in one.stderr.read()


def test_killed_it_takes_the_command_along(elect: Elect) -> None:
    one = elect.start("--", "sh", "-c", "echo $$; setsid sleep 60 & exec sleep 60")
    pid = int(first_line(one))
    one.kill()
    one.wait(20)
    until(lambda: not runs(pid), "the end of the command")
    until(lambda: elect.keys() == [], "the end of its term")


def test_what_the_command_leaves_running_ends_with_it(elect: Elect, tmp_path: Path) -> None:
    mark = tmp_path / "left"
    code, _, _ = elect.run(
        "--", "sh", "-c", f"setsid sh -c 'echo $$ > {mark}; exec sleep 60' & until [ -s {mark} ]; do :; done"
    )
    assert code == 0
    assert not runs(int(mark.read_text()))


def test_a_terminal_goes_through(elect: Elect) -> None:
    ours, theirs = pty.openpty()
    script = "import sys,os; print([os.isatty(n) for n in (0,1,2)], flush=True); print('read', input(), flush=True)"
    process = subprocess.Popen(
        elect.argv("--", sys.executable, "-c", script),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=elect.environment,
    )
    os.close(theirs)
    try:
        said = b""
        deadline = time.monotonic() + 30
        while b"[True, True, True]" not in said:
            assert time.monotonic() < deadline
            said += os.read(ours, 4096)
        os.write(ours, b"typed\n")
        while b"read typed" not in said:
            said += os.read(ours, 4096)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_without_etcd(tmp_path: Path) -> None:
    argv = [*COMMAND, "elect", "job", "--endpoints", f"unix://{tmp_path}/nobody", "--wait", "1s", "--", "true"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 69
    assert "etcd" in done.stderr


def test_the_value_is_proclaimed_and_nothing_is_left(elect: Elect) -> None:
    one = elect.start("--value", '{"address": "http://a"}', "--node", "n1", "--", "sh", "-c", "echo x; exec sleep 60")
    first_line(one)
    shown: Callable[[], str] = lambda: elect.etcd.etcdctl("get", "--prefix", f"{elect.namespace}/job/")  # noqa: E731
    until(lambda: '"value":{"address":"http://a"}' in shown() and '"node":"n1"' in shown(), "the value")
    directories = [a.removeprefix("--state-dir=") for a in Path(f"/proc/{one.pid}/cmdline").read_text().split("\0")]
    state = next(Path(a) for a in directories if a.startswith("/") and Path(a).is_dir())
    one.terminate()
    assert one.wait(20) == 143
    assert not state.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--nonblock", "--wait", "1s", "--", "true"], "choose one"),
        (["--ttl", "soon", "--", "true"], "duration"),
        (["--node", "a b", "--", "true"], "cannot be a name"),
        ([], "COMMAND"),
    ],
)
def test_usage(elect: Elect, arguments: list[str], words: str) -> None:
    code, _, err = elect.run(*arguments)
    assert code == 64
    assert words in err
