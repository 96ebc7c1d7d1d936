"""Redis: the standby replicates from the leader, and has its data when it leads."""

import shutil
import socket
from pathlib import Path

import pytest

from tests.etcd_server import EtcdServer
from tests.programs.fleet import Fleet, Program
from tests.system.nodes import Make, until

SERVER = shutil.which("redis-server")
pytestmark = [
    pytest.mark.system,
    pytest.mark.etcd,
    pytest.mark.skipif(SERVER is None, reason="redis-server is not installed"),
]


class Redis(Program):
    """Each node has a port and a directory of its own."""

    def __init__(self, home: Path, endpoint: str, namespace: str, port: int) -> None:
        super().__init__(home, endpoint, namespace)
        self.ports = {"one": port, "two": port + 1}

    def election(self, node: str) -> str:
        other = self.ports["two" if node == "one" else "one"]
        data = self.home / f"redis-{node}"
        data.mkdir(exist_ok=True)
        port = self.ports[node]
        server = f'{SERVER} --bind 127.0.0.1 --port {port} --dir {data} --save "3600 1" --daemonize no'
        ping = f"[redis-cli, -p, '{port}', ping]"
        return f"""\
    leader:
      processes:
        main:
          command: {self.guarded(node, server)}
          ready: {{exec: {ping}, every: 100ms, timeout: 1s, within: 10s}}
          health: {{exec: {ping}, every: 300ms, timeout: 500ms, failures: 2, on_failure: restart}}
          restart: {{limit: 4 per 1m, backoff: 100ms}}
          stop: {{signal: SIGTERM, timeout: 5s}}
    follower:
      processes:
        replica:
          command: [sh, -c, 'exec {server} --replicaof 127.0.0.1 {other}']
          stop: {{timeout: 5s}}
"""

    def ask(self, node: str, *words: str) -> str:
        """One command, and the first line of its answer; empty when nobody answers."""
        request = f"*{len(words)}\r\n" + "".join(f"${len(w)}\r\n{w}\r\n" for w in words)
        try:
            with socket.create_connection(("127.0.0.1", self.ports[node]), timeout=1) as sock:
                sock.sendall(request.encode())
                answer = sock.recv(4096).decode(errors="replace")
        except OSError:
            return ""
        return answer.split("\r\n")[1] if answer.startswith("$") and "\r\n" in answer else answer.split("\r\n")[0]

    def serves(self, node: str) -> bool:
        return self.ask(node, "SET", "served", node) == "+OK"


def test_redis_through_crash_hang_give_up_and_switchover(
    node: Make, etcd: EtcdServer, namespace: str, home: Path, port: int
) -> None:
    redis = Redis(home, etcd.endpoint, namespace, port)
    fleet = Fleet(node, redis)
    fleet.crash(fleet.one)
    fleet.fail_health(fleet.one)
    assert redis.ask("one", "SET", "kept", "yes") == "+OK"
    until(lambda: redis.ask("two", "GET", "kept") == "yes", "the replica to have it")
    assert redis.ask("two", "SET", "kept", "no").startswith("-READONLY"), "the standby took a write"
    fleet.give_up(fleet.one, fleet.two)
    assert redis.ask("two", "GET", "kept") == "yes"
    until(lambda: redis.ask("one", "GET", "kept") == "yes", "the old leader as a replica")
    fleet.switch_over(fleet.two, fleet.one)
    assert redis.ask("one", "GET", "kept") == "yes"
    fleet.end()
