"""What a child is born with, through the whole program: file, daemon, guardian, child."""

import http.client
import json
import os
import signal
import socket
import subprocess
import threading
from functools import partial
from pathlib import Path

import pytest

from tests.etcd_server import EtcdServer
from tests.guardian.test_setup import PYTHON
from tests.ports import free_port
from tests.system.nodes import COMMAND, Make, until

pytestmark = pytest.mark.system

SERVER = """
import os, signal, socket, sys
listening = socket.socket(fileno=3)
assert os.environ["LISTEN_PID"] == str(os.getpid()) and os.environ["LISTEN_FDS"] == "1"
ending = []
signal.signal(signal.SIGTERM, lambda *_: ending.append(1))
listening.settimeout(0.05)
open(sys.argv[1], "a").write(f"{os.getpid()}\\n")
while not ending:
    try:
        connection, _ = listening.accept()
    except TimeoutError:
        continue
    connection.settimeout(5)
    connection.recv(100)
    connection.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n" + str(os.getpid()).encode())
    connection.close()
"""


def newer(pids: Path, count: int) -> bool:
    """Whether more than so many have said their pid."""
    return len(pids.read_text().split()) > count


def test_twenty_restarts_lose_no_connection(tmp_path: Path, node: Make) -> None:
    port, pids = free_port(), tmp_path / "pids"
    program = tmp_path / "server.py"
    program.write_text(SERVER)
    daemon = node(
        "a",
        f"""
processes:
  web:
    command: [{PYTHON}, -S, {program}, {pids}]
    sockets: {{http: "tcp://127.0.0.1:{port}"}}
    restart: {{backoff: 10ms..10ms, limit: 1000 per 1m}}
""",
    )
    until(lambda: pids.exists() and pids.read_text(), "the server runs")
    answered: set[str] = set()
    failed: list[str] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                with socket.create_connection(("127.0.0.1", port), 20) as connection:
                    connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    answer = b""
                    while part := connection.recv(1000):
                        answer += part
                answered.add(answer.decode().rpartition("\n")[2])
            except OSError as error:
                failed.append(str(error))

    clients = [threading.Thread(target=ask) for _ in range(3)]
    for client in clients:
        client.start()
    try:
        for round_ in range(20):
            before = pids.read_text().split()
            os.kill(int(before[-1]), signal.SIGTERM)  # it ends by itself: a restart by policy
            until(partial(newer, pids, len(before)), f"restart {round_ + 1}")
            newest = pids.read_text().split()[-1]
            until(partial(answered.__contains__, newest), f"{newest} answers")
    finally:
        over.set()
        for client in clients:
            client.join()
    assert not failed
    assert len(answered) >= 20
    daemon.end()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)


def test_a_leaders_socket_is_open_in_its_term_only(
    tmp_path: Path, node: Make, etcd: EtcdServer, namespace: str
) -> None:
    port, pids = free_port(), tmp_path / "pids"
    program = tmp_path / "server.py"
    program.write_text(SERVER)
    text = f"""
etcd: {{endpoints: ["{etcd.endpoint}"], namespace: {namespace}}}
elections:
  job:
    ttl: 5s
    leader:
      processes:
        web: {{command: [{PYTHON}, -S, {program}, {pids}], sockets: {{http: "tcp://127.0.0.1:{port}"}}}}
"""
    first = node("a", text)
    until(lambda: pids.exists(), "the leader serves")
    second = node("b", text)
    until(lambda: "following" in second.run("status", "--json").stdout, "the second waits")
    assert answer(port) == pids.read_text().split()[-1]
    first.end()  # the same address on the same machine: open there, the successor could not have it
    until(lambda: len(pids.read_text().split()) == 2, "the second serves")
    assert answer(port) == pids.read_text().split()[-1]
    assert "Address already in use" not in second.says()


def answer(port: int) -> str:
    """The pid that answers there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/")
    said = connection.getresponse().read().decode()
    connection.close()
    return said


def test_what_the_file_asks_for_is_what_the_child_has(tmp_path: Path, node: Make) -> None:
    out = tmp_path / "out"
    code = (
        "import json,os,sys;"
        "print('tty' if sys.stdout.isatty() and sys.stderr.isatty() and not sys.stdin.isatty() else 'no tty');"
        "s=dict(map(str.strip,l.split(':',1)) for l in open('/proc/self/status'));"
        f"json.dump(dict(nice=os.getpriority(0,0),nnp=s['NoNewPrivs'],passed=os.environ.get('PASSED'),kept=os.environ.get('KEPT'),"
        f"groups=os.getgroups()),open('{out}.new','w'));os.rename('{out}.new','{out}');import time;time.sleep(1000)"
    )
    groups = "groups: [daemon, 12]" if os.geteuid() == 0 else ""
    daemon = node(
        "a",
        f"""
processes:
  one:
    command: [{PYTHON}, -S, -c, "{code}"]
    nice: 3
    no_new_privileges: on
    pass_environment: [PASSED, NOT_SET]
    pty: on
    {groups}
""",
        environment={**os.environ, "PASSED": "along", "KEPT": "back"},
    )
    until(out.exists, "the child has said it")
    found = json.loads(out.read_text())
    assert (found["nice"], found["nnp"], found["passed"], found["kept"]) == (3, "1", "along", None)
    if groups:
        assert found["groups"] == [1, 12]
    until(lambda: "one | tty\n" in daemon.says(), "a line, though the program goes on: it is a terminal's")


def test_instances_are_scaled_by_a_reload_that_touches_the_difference(tmp_path: Path, node: Make) -> None:
    text = """
processes:
  api:
    command: [sh, -c, "echo $$ >> {beats}.{{instance}}; exec sleep 1000"]
    instances: {count}
"""
    beats = tmp_path / "pids"
    daemon = node("a", text.format(beats=beats, count=2))
    until(lambda: len(list(tmp_path.glob("pids.*"))) == 2, "two run")
    daemon.file.write_text(text.format(beats=beats, count=3))
    assert daemon.run("reload").returncode == 0
    until(lambda: len(list(tmp_path.glob("pids.*"))) == 3, "a third runs")
    daemon.file.write_text(text.format(beats=beats, count=1))
    assert daemon.run("reload").returncode == 0
    until(lambda: len(daemon.status()["processes"]) == 1, "one is left")
    assert [p["name"] for p in daemon.status()["processes"]] == ["api-1"]
    assert all(len(path.read_text().split()) == 1 for path in tmp_path.glob("pids.*")), "none was started twice"


def test_what_cannot_be_is_told_with_process_and_key(tmp_path: Path, node: Make) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        daemon = node(
            "a",
            f"""
processes:
  taken: {{command: [sleep, infinity], sockets: {{http: "tcp://127.0.0.1:{taken}"}}}}
  nobody: {{command: [sleep, infinity], groups: [no-such-group]}}
  cpu: {{command: [sleep, infinity], cpu_affinity: "4000"}}
""",
        )
        names = ("taken", "nobody", "cpu")
        until(lambda: all(f"{name}: could not be started" in daemon.says() for name in names), "three fail")
    says = daemon.says()
    assert (
        f"taken: could not be started: sockets: http: cannot listen on tcp://127.0.0.1:{taken}: Address already" in says
    )
    assert "nobody: could not be started: groups: no group 'no-such-group' on this machine" in says
    assert "cpu: could not be started: cpu_affinity: " in says


def test_check_warns_of_what_this_user_and_this_machine_cannot_give(tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text("processes: {one: {command: sleep 1, user: no-such-user, cpu_affinity: '4000'}}\n")
    done = subprocess.run([*COMMAND, "check", str(file)], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0
    first, second = done.stderr.splitlines()
    assert first.startswith("warning: one: user 'no-such-user': no user 'no-such-user' on this machine")
    assert second.startswith("warning: one: cpu_affinity: there is no CPU 4000 here, only 0-")
