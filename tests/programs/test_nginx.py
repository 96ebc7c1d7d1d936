"""Nginx: a graceful stop lets what was asked be answered; a master that is killed leaves no worker on the port."""

import os
import shutil
import signal
import socket
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.etcd_server import EtcdServer
from tests.programs.fleet import Fleet, Program
from tests.system.nodes import Make, runs, until

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
pytestmark = [
    pytest.mark.system,
    pytest.mark.etcd,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed"),
]


class Nginx(Program):
    """Both nodes listen at the same port: on one machine a second leader could not even start."""

    def __init__(self, home: Path, endpoint: str, namespace: str, port: int) -> None:
        super().__init__(home, endpoint, namespace)
        self.port, self.behind = port, port + 1

    def election(self, node: str) -> str:
        run = self.home / f"nginx-{node}"
        (run / "temp").mkdir(parents=True, exist_ok=True)
        user = "user root;" if os.geteuid() == 0 else ""
        temporary = "".join(
            f"{kind}_temp_path {run}/temp; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (run / "nginx.conf").write_text(f"""\
daemon off; {user} pid {run}/pid; error_log stderr;
events {{ worker_connections 64; }}
http {{
  access_log off; {temporary}
  server {{
    listen 127.0.0.1:{self.port};
    location / {{ return 200 "{node}"; }}
    location /slow {{ proxy_pass http://127.0.0.1:{self.behind}; }}
  }}
}}
""")
        url = f"http://127.0.0.1:{self.port}/"
        return f"""\
    leader:
      processes:
        main:
          command: {self.guarded(node, f"{NGINX} -e stderr -c {run}/nginx.conf -p {run}")}
          ready: {{http: "{url}", every: 100ms, timeout: 1s, within: 10s}}
          health: {{http: "{url}", every: 300ms, timeout: 500ms, failures: 2, on_failure: restart}}
          restart: {{limit: 4 per 1m, backoff: 100ms}}
          stop: {{signal: SIGQUIT, timeout: 10s}}
"""

    def get(self, path: str = "/", seconds: float = 1.0) -> str:
        """What is answered; empty when nobody does."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=seconds) as answer:
                return str(answer.read().decode())
        except (OSError, urllib.error.URLError):
            return ""

    def serves(self, node: str) -> bool:
        return self.get() == node


def _workers(master: int) -> list[int]:
    text = Path(f"/proc/{master}/task/{master}/children").read_text()
    return [int(word) for word in text.split()]


def test_nginx_through_crash_hang_give_up_and_switchover(
    node: Make, etcd: EtcdServer, namespace: str, home: Path, port: int
) -> None:
    nginx = Nginx(home, etcd.endpoint, namespace, port)
    fleet = Fleet(node, nginx)
    workers = _workers(fleet.one.pid_of("app/main"))
    assert workers
    fleet.crash(fleet.one)
    assert not any(runs(pid) for pid in workers), "a worker of the killed master lives on"
    _hang_workers(fleet)
    fleet.give_up(fleet.one, fleet.two)
    fleet.switch_over(fleet.two, fleet.one)
    fleet.end()


def _hang_workers(fleet: Fleet) -> None:
    """The master does not serve: to make nginx hang, its workers must. They cannot stop gracefully either, and are killed."""
    starts, token = fleet.starts(fleet.one), fleet.token(fleet.one)
    for pid in _workers(fleet.one.pid_of("app/main")):
        os.kill(pid, signal.SIGSTOP)
    until(lambda: fleet.starts(fleet.one) > starts, "the restart of what hung", 40)
    fleet.wait_serving(fleet.one)
    assert fleet.token(fleet.one) == token


def test_a_graceful_stop_answers_what_was_asked_before_the_next_leader_starts(
    node: Make, etcd: EtcdServer, namespace: str, home: Path, port: int
) -> None:
    nginx = Nginx(home, etcd.endpoint, namespace, port)
    fleet = Fleet(node, nginx)
    answers: list[str] = []
    with socket.create_server(("127.0.0.1", nginx.behind)) as behind:
        asker = threading.Thread(target=lambda: answers.append(nginx.get("/slow", seconds=30)))
        asker.start()
        connection, _ = behind.accept()
        with connection:
            connection.recv(4096)
            resigning = threading.Thread(target=lambda: fleet.one.run("resign", "app"))
            resigning.start()
            fleet.wait_says(fleet.one, "app: stepping down")
            assert fleet.starts(fleet.two) == 0, "the next leader started while the old one still answered"
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nlate")
        asker.join(30)
        resigning.join(30)
    assert answers == ["late"]
    fleet.wait_serving(fleet.two)
    fleet.end()
