"""Notifications of real daemons: commands and webhooks get what they asked for, are tried again, and hold nobody up."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_ports
from tests.system.nodes import Make, beats, mentioning, until

pytestmark = [pytest.mark.etcd, pytest.mark.system]


class Hook(http.server.ThreadingHTTPServer):
    """Takes events after it has refused some."""

    def __init__(self, port: int, refuse: int) -> None:
        self.refuse = refuse
        self.taken: list[dict[str, Any]] = []
        self.secrets: set[str | None] = set()
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.secrets.add(self.headers["Authorization"])
        if self.server.refuse:
            self.server.refuse -= 1
            self.send_response(503)
        else:
            self.server.taken.append(body)
            self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the signature is the library's
        pass


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook(free_ports(1)[0], refuse=2)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_webhook_is_tried_again_and_gets_events_in_order(node: Make, text: str, hook: Hook, tmp_path: Path) -> None:
    notify = f"""\
notify:
  pager:
    events: [term-won, term-ending, term-ended, config-adopted]
    webhook: {{url: "http://127.0.0.1:{hook.server_port}/secret-path", headers: {{Authorization: Bearer-of-news}}}}
    backoff: 50ms..100ms
"""
    one = node("one", notify + text)
    until(lambda: beats(tmp_path / "beats"), "one leads")
    assert one.run("resign", "job").returncode == 0
    until(lambda: [e["kind"] for e in hook.taken].count("term-won") >= 2, "the second term is told of")
    kinds = [e["kind"] for e in hook.taken][:5]
    assert kinds == ["config-adopted", "term-won", "term-ending", "term-ended", "term-won"]
    ending = hook.taken[2]
    assert (ending["schema_version"], ending["election"], ending["node"]) == (1, "job", "one")
    assert ending["facts"]["why"] == "resigned by an operator"
    assert hook.secrets == {"Bearer-of-news"}
    hook.refuse = 10**9
    one.file.write_text((notify + text).replace("100ms", "101ms\n    retries: 1"))
    assert one.run("reload").returncode == 0
    assert one.run("resign", "job").returncode == 0
    until(lambda: "was not told of after 2 tries: status 503" in one.says(), "it gives up, and says so")
    assert "secret-path" not in one.says()
    assert "Bearer-of-news" not in one.says()
    until(lambda: one.run("leader", "job", "--is-me").returncode == 0, "and leads on")


def test_a_command_finds_the_event_in_its_environment_and_one_that_hangs_is_killed(
    node: Make, text: str, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    notify = f"""\
notify:
  note: {{events: term-won, command: [sh, -c, 'echo "$SUPERVISOR_EVENT" >> {told}; test "$SUPERVISOR_NODE" = one']}}
  hang: {{events: all, elections: [job], command: [sh, -c, 'sleep 1001; true'], timeout: 300ms, retries: 0}}
"""
    one = node("one", notify + text)
    until(lambda: beats(tmp_path / "beats"), "one leads")
    until(told.exists, "the command has run")
    until(lambda: told.read_text().endswith("\n"), "and has written")
    event = json.loads(told.read_text().splitlines()[0])
    assert (event["kind"], event["token"]) == ("term-won", one.election()["token"])
    until(lambda: "notify hang: " in one.says(), "the one that hangs is given up")
    assert "note" not in [line.partition("notify ")[2].partition(":")[0] for line in one.says().splitlines()]
    assert one.run("resign", "job").returncode == 0
    one.end()
    assert one.daemon.returncode == 0
    assert not [pid for pid in mentioning("sleep 1001") if "sleep" in Path(f"/proc/{pid}/cmdline").read_text()]
