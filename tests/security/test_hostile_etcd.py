"""Anybody with write access to etcd: wrong values at every key there is, while a fleet of two leads and follows.

They can keep a fleet from leading: an older key, or the deletion of ours, is how etcd's elections work. They cannot crash a
daemon, be given to a shell, write on a screen, make two leaders, or end a term by what a value says.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.etcd_server import EtcdServer
from tests.ports import free_ports
from tests.security.support import ESCAPES, MARKUP, fully, harmless, on_terminal, put, readable, term
from tests.system.nodes import COMMAND, Make, beats, until
from tests.system.test_metrics import ask

pytestmark = [pytest.mark.etcd, pytest.mark.system]


def document(**more: object) -> bytes:
    said = {"v": 1, "node": ESCAPES + MARKUP, "state": ESCAPES, "health": MARKUP, "since": ESCAPES, **more}
    return json.dumps(said).encode()


VALUES = {
    "nothing": b"",
    "not-utf8": b"\xff\xfe\x00\xd8" * 50,
    "escapes": ESCAPES.encode(),
    "markup": MARKUP.encode(),
    "null": b"null",
    "list": b"[]",
    "wrong-types": document(node=ESCAPES, processes=[1], priority={"a": 1}, value=[None], token="x", lease=[]),
    "document": document(value={"$(touch owned)": ESCAPES}),
    "half": b'{"v":1,"node":"a\\ud800b"}',
    "nan": b'{"v":1,"node":"a","ttl":NaN,"margin":-Infinity,"priority":NaN,"gap":1e999,"won":"9999999-99-99"}',
    "huge-ints": b'{"v":' + b"9" * 4000 + b',"node":"a","ttl":' + b"9" * 300 + b',"priority":' + b"9" * 100 + b"}",
    "too-huge": b'{"node":"a","priority":' + b"9" * 5000 + b"}",
    "deep": b'{"node":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "large": b'{"node":"' + b"x" * 1_400_000 + b'"}',
    "times": b'{"v":1,"mark":"stopped","node":"a","won":"0000-00-00T99:99:99Z","lost":-1,"ended":"","since":1e308}',
}  # fmt: skip
PLACES = (
    "{ns}/other/{name}", "{ns}/job/zz-{name}", "{ns}/{name}", "{ns}//{name}", "{ns}/job/deep/er/{name}",
    "{ns}.log/job/{name}", "{ns}.log//job/{name}", "{ns}.log//job/7/{name}", "{ns}.log/other/1",
    "{ns}.ctl/{name}", "{ns}.ctl/job", "{ns}.ctl/job/{name}", "{ns}.ctl/nodes/one", "{ns}.ctl/pause/job", "{ns}.ctl/drain/one",
    "{ns}.ctl/switchover/job", "{ns}.ctl/pause", "{ns}.ctl/drain",
)  # fmt: skip
KEYS = (
    b"%s.log/job/\xc2\xb2", b"%s.log/job/" + b"9" * 5000, b"%s.log/job/9223372036854775807", b"%s.log/job/0", b"%s.log/job/-1",
    b"%s.log/job/9223372036854775808", b"%s.log//job/36893488147419103232/began", b"%s.log//job//began", b"%s.log//job/\xd9\xa3/ended",
    b"%s.log/job/1", b"%s.log//job/2/began", b"%s.log//job/2/ended", b"%s/job/\xff\xfe\x1b[2J", b"%s/\xff/x", b"%s/\x1b[2J/x",
    b"%s/" + b"n" * 3000 + b"/x", b"%s/job/\0", b"%s/<b>[red]/1",
)  # fmt: skip


def poison(etcd: EtcdServer, namespace: str) -> None:
    """Every value at every place."""
    for name, value in VALUES.items():
        for place in PLACES:
            if len(value) < 100_000 or "/other/" in place or "job/zz" in place or place == "{ns}.log/job/{name}":
                put(etcd.endpoint, place.format(ns=namespace, name=name).encode(), value)
    for n, key in enumerate(KEYS):
        put(etcd.endpoint, key.replace(b"%s", namespace.encode()), list(VALUES.values())[n % 12])
    record = {"v": 1, "mark": "started", "node": ESCAPES, "ttl": 5, "margin": 0, "cause": ESCAPES, "why": MARKUP}
    for token in (3, 4):
        put(etcd.endpoint, f"{namespace}.log/job/{token}".encode(), json.dumps(record | {"mark": "stopped"}).encode())
        put(etcd.endpoint, f"{namespace}.log//job/{token}/began".encode(), json.dumps(record).encode())


def clear(etcd: EtcdServer, namespace: str) -> None:
    etcd.etcdctl("del", "--prefix", namespace)


def test_a_fleet_goes_on_whatever_stands_in_etcd(
    node: Make, text: str, fresh_etcd: EtcdServer, etcd: EtcdServer, namespace: str, tmp_path: Path
) -> None:
    text = text.replace(etcd.endpoint, fresh_etcd.endpoint)
    (port,) = free_ports(1)
    one = node("one", f"metrics: {{address: 127.0.0.1:{port}}}\n" + text)
    until(lambda: beats(tmp_path / "beats"), "one leads")
    two = node("two", text)
    until(lambda: term(two)[0] == "follower", "two follows")
    before = term(one)
    poison(fresh_etcd, namespace)
    seen = len(beats(tmp_path / "beats"))
    until(lambda: len(beats(tmp_path / "beats")) > seen + 60, "the process of the term goes on")
    assert term(one) == before
    assert [n.daemon.poll() for n in (one, two)] == [None, None]
    for verb in (["status"], ["status", "--json"], ["status", "--why", "job"], ["leader", "job"], ["history", "job"],
                 ["history", "job", "--json"], ["events"], ["events", "--json"], ["history", "\u00b2"]):  # fmt: skip
        for each in (one, two):
            assert "Traceback" not in harmless(fully(each, *verb))
    assert ask(port, "/metrics")[0] == 200
    harmless(ask(port, "/metrics")[1])
    fleet = ("status", "--fleet", "--endpoints", fresh_etcd.endpoint, "--namespace", namespace)
    code, said = on_terminal(*fleet)
    assert code in (0, 1, 4), said
    assert "<b>[red]" in harmless(said, colours=True), "markup is shown, not obeyed"
    plain = subprocess.run([*COMMAND, *fleet, "--json"], capture_output=True, timeout=60, check=False)
    json.loads(harmless(plain.stdout))
    # Who may write there may pause a fleet, and what reads as a pause is one: nobody moves, and that is said.
    refused = one.run("resign", "job")
    assert refused.returncode == 75, refused
    assert "it is paused" in refused.stderr
    for place in ("drain/one", "switchover/job", "pause", "pause/job"):
        fresh_etcd.etcdctl("del", f"{namespace}.ctl/{place}")
    until(lambda: one.run("resign", "job").returncode == 0, "two leads, though every record is poisoned")
    until(lambda: term(two)[0] == "leader", "two leads")
    count = len(beats(tmp_path / "beats"))
    until(lambda: len(beats(tmp_path / "beats")) > count + 5, "and runs what a leader runs")
    tokens = [token for _, token in beats(tmp_path / "beats")]
    assert tokens == sorted(tokens), "never two at once"
    for each in (one, two):
        assert "Traceback" not in each.says()
        harmless(each.says())
    assert not (tmp_path / "owned").exists()
    assert not Path("owned").exists()


def test_a_hostile_leader_is_shown_as_what_it_is(
    node: Make, text: str, etcd: EtcdServer, namespace: str, tmp_path: Path
) -> None:
    """First in the queue: it leads, as etcd has it, and says whatever it likes to everybody who asks, and to processes."""
    follower = f"""\
    follower:
      processes:
        told: {{command: [sh, -c, 'printf %s "$SUPERVISOR_LEADER" > {tmp_path}/told; sleep 1000'], stop: {{timeout: 1s}}}}
"""
    put(etcd.endpoint, f"{namespace}/job/\x1b[2J<b>".encode(), document(value={"a": ESCAPES + MARKUP}))
    one = node("one", text + follower)
    until(lambda: b"[bold red]" in fully(one, "leader", "job"), "it is known")
    assert one.run("restart", "told").returncode == 0
    until(lambda: readable(tmp_path / "told"), "a process is told who leads")
    told = (tmp_path / "told").read_text()
    assert told.isprintable()
    assert len(told) <= 256
    for verb in (["status"], ["leader", "job"], ["leader", "job", "--json"], ["status", "--why", "job"], ["events"]):
        harmless(fully(one, *verb))
        code, said = on_terminal(*verb, "--socket", str(one.socket))
        assert code < 78, said
        harmless(said, colours=True)
    code, said = on_terminal("observe", "job", "--socket", str(one.socket), until="job")
    harmless(said.replace("^C", ""))
    code, said = on_terminal("status", "--watch", "--socket", str(one.socket), until="ELECTION")
    assert "\x1b]0;owned" not in said
    elect = ("elect", "job", "--nonblock", "--endpoints", etcd.endpoint, "--namespace", namespace)
    code, said = on_terminal(
        *elect, "--", "true", environment={"SUPERVISOR_SOCKET": "", "XDG_RUNTIME_DIR": str(tmp_path)}
    )
    assert code == 75, said
    harmless(said)
    assert "Traceback" not in one.says()
    harmless(one.says())
    assert one.daemon.poll() is None
    assert os.listdir(tmp_path / "one")
