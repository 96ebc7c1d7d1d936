"""Probes end to end: real daemons, real children that tell, are asked, fail, hang and are killed with their probes."""

import sys
from pathlib import Path

from tests.etcd_server import EtcdServer
from tests.system.nodes import Make, Node, beats, runs, until

SAY = """
import os, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def say(*words): s.sendto("\\n".join(words).encode(), "\\0" + os.environ["NOTIFY_SOCKET"][1:])
"""
HTTP = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        good = self.headers["X-Probe"] == "s3cret"
        self.send_response(200 if good else 403)
        self.end_headers()
        self.wfile.write(open(sys.argv[2], "rb").read())
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
open(sys.argv[1] + ".new", "w").write(str(server.server_port))
__import__("os").rename(sys.argv[1] + ".new", sys.argv[1])
server.serve_forever()
"""


def script(path: Path, text: str) -> str:
    path.write_text(text)
    return f"{sys.executable}, {path}"


def process(node: Node, name: str) -> dict[str, object]:
    return next(p for p in node.status()["processes"] if p["name"] == name)


def test_a_process_that_notifies(node: Make, tmp_path: Path) -> None:
    """READY, STATUS, signs of life; it hangs, is restarted for it, and with it what needs it goes on."""
    hang = tmp_path / "hang"
    code = SAY + (
        "say('READY=1', 'STATUS=up')\n"
        "while True:\n"
        "    if os.path.exists(sys.argv[1]): os.remove(sys.argv[1]); time.sleep(1000)\n"
        "    say('WATCHDOG=1'); time.sleep(0.05)\n"
    )
    one = node(
        "one",
        "processes:\n"
        f"  work:\n    command: [{script(tmp_path / 'work.py', code)}, {hang}]\n"
        "    ready: {notify: on, within: 20s}\n"
        "    health: {watchdog: 1s, on_failure: restart}\n"
        "  after: {command: [sleep, infinity], needs: [work]}\n",
    )
    until(lambda: "after: started" in one.says(), "what needs it")
    until(lambda: process(one, "work")["status_text"] == "up", "its own words in status")
    assert "work: says: up" not in one.says(), "status is the place for it, not the log"
    until(lambda: process(one, "work")["health"] == "healthy", "its health")
    hang.touch()
    until(lambda: one.says().count("work: started") == 2, "the restart")
    assert "work: is unhealthy: no sign of life (WATCHDOG=1) for 1 s" in one.says()


def test_a_process_that_never_says_that_it_is_ready(node: Make, tmp_path: Path) -> None:
    one = node(
        "one",
        "processes:\n  work: {command: [sleep, infinity], ready: {notify: on, within: 300ms},"
        " restart: {limit: 1 per 1m, backoff: 100ms}}\n"
        "  other: {command: [sleep, infinity], ready: {log: never, within: 1h}}\n",
    )
    until(lambda: "; gave up: 1 restart in 1 m" in one.says(), "the end of its restarts")
    assert "work: was not ready in time: it did not say READY=1" in one.says()
    status = one.run("status").stdout
    assert "not ready yet: no line has matched" in status


def test_ready_by_a_line_and_healthy_by_http(node: Make, tmp_path: Path) -> None:
    """A body that changes, a header that is a secret; the log says each thing once."""
    port, body = tmp_path / "port", tmp_path / "body"
    body.write_text("state: good")
    server = script(tmp_path / "server.py", HTTP)
    announce = (
        f"echo starting; while [ ! -e {port} ]; do sleep 0.01; done; echo listening on $(cat {port}) >&2; sleep 1000"
    )
    text = (
        f"processes:\n  server: {{command: [{server}, {port}, {body}]}}\n"
        f"  work:\n    command: [sh, -c, '{announce}']\n"
        '    ready: {log: "^listening on [0-9]+$", within: 20s}\n'
        "    health:\n      http:\n        url: http://127.0.0.1:PORT/state?key=s3cret\n"
        "        headers: {X-Probe: '${TOKEN}'}\n        status: 200\n        body: '/state: (good|fair)/'\n"
        "      every: 50ms\n      timeout: 10s\n      failures: 1\n"
    )
    environment = {"TOKEN": "s3cret", "PATH": "/usr/bin:/bin"}
    one = node("one", text.replace("PORT", "1"), environment=environment)
    until(lambda: "work: unhealthy" in one.says(), "nobody is on port 1")
    assert "work: unhealthy: connection refused (127.0.0.1:1/state)" in one.says()
    one.file.write_text(text.replace("PORT", port.read_text()))
    until(lambda: one.says().count("work: healthy") == 2, "the reload, live")
    body.write_text("state: bad")
    bad = f"work: unhealthy: status 200, but the body does not match (127.0.0.1:{port.read_text()}/state)"
    until(lambda: bad in one.says(), "the body")
    body.write_text("state: fair")
    until(lambda: one.says().count("work: healthy") == 3, "the body again")
    assert one.says().count(bad) == 1
    assert one.says().count("work: started") == 1, "a probe is changed without touching the process"
    assert "s3cret" not in one.says() + one.run("status", "--json").stdout


def test_a_leaders_probe_command_is_dead_before_the_key_is_deleted(
    node: Make, etcd: EtcdServer, namespace: str, tmp_path: Path
) -> None:
    """It acts on the world, ignores SIGTERM, and must not when another leads."""
    deeds = tmp_path / "deeds"
    act = f"trap '' TERM; while true; do echo $SUPERVISOR_NODE $SUPERVISOR_FENCING_TOKEN >> {deeds}; sleep 0.01; done"
    text = (
        f"etcd: {{endpoints: ['{etcd.endpoint}'], namespace: {namespace}}}\n"
        "elections:\n  job:\n    ttl: 5s\n    leader:\n      processes:\n"
        "        work: {command: [sleep, infinity], health: {"
        f'exec: [sh, -c, "{act}"], timeout: 1h}}}}\n'
    )
    one = node("one", text)
    until(lambda: len(beats(deeds)) > 3, "the probe at work")
    two = node("two", text)
    until(lambda: "job: following" in two.says(), "the other in line")
    assert one.run("resign", "job").returncode == 0
    until(lambda: "two" in {name for name, _ in beats(deeds)}, "the other's probe")
    names = [name for name, _ in beats(deeds)]
    assert names == sorted(names), "one's commands, then two's: never again one's"
    assert sorted({token for _, token in beats(deeds)}) == list(dict.fromkeys(token for _, token in beats(deeds)))
    pid = two.pid_of("job/work")
    two.daemon.kill()  # no goodbye: the guardian alone ends the term, with what looks at it
    until(lambda: not runs(pid), "the process")
    until(lambda: beats(deeds)[-1][0] == "one", "the next leader's probe")
    names = [name for name, _ in beats(deeds)]
    last = len(names) - names[::-1].index("two")
    assert set(names[last:]) == {"one"}
