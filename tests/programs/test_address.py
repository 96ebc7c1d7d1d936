"""A Python HTTP service behind an address that the hooks bring up and take down."""

import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.etcd_server import EtcdServer
from tests.programs.fleet import Fleet, Program
from tests.system.nodes import Make

pytestmark = [
    pytest.mark.system,
    pytest.mark.etcd,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ip") is None, reason="needs root and iproute2"),
]
SERVICE = """\
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ["SUPERVISOR_NODE"].encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
"""


class Service(Program):
    """It can only listen while the address is there, and the address is there only between the hooks."""

    def __init__(self, home: Path, endpoint: str, namespace: str, port: int) -> None:
        super().__init__(home, endpoint, namespace)
        self.port = port
        self.address = f"192.0.2.{os.getpid() % 250 + 2}"
        (home / "service.py").write_text(SERVICE)

    def election(self, node: str) -> str:
        url = f"http://{self.address}:{self.port}/"
        service = f"{sys.executable} {self.home}/service.py {self.address} {self.port}"
        return f"""\
    leader:
      hooks:
        elected: [ip, address, add, {self.address}/32, dev, lo]
        demoted: [ip, address, delete, {self.address}/32, dev, lo]
      processes:
        main:
          command: {self.guarded(node, service)}
          ready: {{http: "{url}", every: 100ms, timeout: 1s, within: 10s}}
          health: {{http: "{url}", every: 300ms, timeout: 500ms, failures: 2, on_failure: restart}}
          restart: {{limit: 4 per 1m, backoff: 100ms}}
          stop: {{timeout: 5s}}
"""

    def there(self) -> bool:
        """Whether the address is."""
        shown = subprocess.run(["ip", "-o", "address", "show", "dev", "lo"], capture_output=True, text=True, check=True)
        return f"{self.address}/32" in shown.stdout

    def serves(self, node: str) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.address}:{self.port}/", timeout=1) as answer:
                return bool(answer.read().decode() == node)
        except (OSError, urllib.error.URLError):
            return False


def test_an_address_follows_the_leader_through_crash_hang_give_up_and_switchover(
    node: Make, etcd: EtcdServer, namespace: str, home: Path, port: int
) -> None:
    """``ip address add`` fails when the address is there: each term found it gone, which the old one had to see to."""
    service = Service(home, etcd.endpoint, namespace, port)
    fleet = Fleet(node, service)
    fleet.crash(fleet.one)
    fleet.fail_health(fleet.one)
    fleet.give_up(fleet.one, fleet.two)
    fleet.switch_over(fleet.two, fleet.one)
    fleet.one.daemon.kill()
    fleet.one.daemon.wait()
    fleet.wait_serving(fleet.two)
    fleet.two.daemon.terminate()
    assert fleet.two.daemon.wait(30) == 0
    assert not service.there()
