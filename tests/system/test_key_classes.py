"""What a change of each key costs, shown on a running daemon with a real etcd: live, restart, re-campaign or refused.

The table of two values for every key is ``tests/config/keys.py``, kept complete by ``tests/config/test_described.py``. Here
a key that costs something changes alone, and whatever is not its own process or election must be as it was: pid, restarts,
token. Those that cost nothing change together: nothing at all may be touched.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from supervisor.config.described import sections
from supervisor.control import views
from supervisor.control.client import Client
from supervisor.etcd.keys import grants
from supervisor.etcd.srv import NAMESERVERS_VARIABLE
from tests.config import keys
from tests.etcd.test_endpoints import name_server
from tests.etcd_server import BRISK, EtcdServer
from tests.pki import files
from tests.ports import free_ports
from tests.system.nodes import Node, until

# One daemon serves them all.
pytestmark = [pytest.mark.etcd, pytest.mark.system, pytest.mark.xdist_group("key-classes")]

CLASSES = {key.id: key.cost for section in sections() for key in section.keys}
TABLE, PATIENCE_SECONDS = "table", 30.0
OUTSIDE = "outside"
"""An always process: no change of an election may touch it."""


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What runs: pid and restarts of each process, token of each election, and how often a file was adopted."""

    children: dict[str, tuple[int | None, int]]
    tokens: dict[str, int | None]
    generation: int

    def without(self, *names: str) -> "Sight":
        """All but these elections with their processes, and these processes."""
        gone = tuple(f"{name}/" for name in names)
        return Sight(
            children={k: v for k, v in self.children.items() if k not in names and not k.startswith(gone)},
            tokens={k: v for k, v in self.tokens.items() if k not in names},
            generation=0,
        )


class Watched:
    """A daemon whose file is a tree, read again and looked at."""

    def __init__(self, home: Path, tree: keys.Tree, environment: dict[str, str] | None = None) -> None:
        self.tree = tree
        self.node = Node(home, "one", self.text(), named=False, environment=environment)
        try:
            until(self.node.socket.exists, "the control socket", PATIENCE_SECONDS)
            self.client = Client(self.node.socket)
            self.reload()
        except BaseException:
            self.node.end()
            raise

    def text(self) -> str:
        """The file as it is to be now."""
        return json.dumps(self.tree)

    def reload(self) -> None:
        """Adopt the file, and wait until nothing is on its way any more."""
        self.node.file.write_text(self.text())
        done = self.client.reload(None)
        assert done.adopted, done.problems
        try:
            until(lambda: not self._on_its_way(), "that all is settled", PATIENCE_SECONDS)
        except AssertionError:
            raise AssertionError(f"does not settle: {self._on_its_way()}; {self.client.status().reasons}") from None

    def _on_its_way(self) -> list[str]:
        """As ``reload`` waits for it, but for tasks: here they are to run, not to complete."""
        status = self.client.status()
        waiting = [r.subject for r in status.reasons if r.kind != views.UNHEALTHY and r.text != "not completed yet"]
        # One that failed before is unhealthy, not on its way, by ``status``; here it is waited for all the same.
        return waiting + [p.name for p in status.processes if p.phase in PASSING]

    def sight(self) -> Sight:
        """What runs now."""
        status = self.client.status()
        return Sight(
            children={p.name: (p.pid, p.restarts) for p in status.processes},
            tokens={e.name: e.token for e in status.elections},
            generation=status.config.generation,
        )

    def end(self) -> None:
        """And everything with it."""
        self.client.close()
        self.node.end()


PASSING = {"starting", "stopping", "clearing"}
"""Phases that end by themselves."""


class Table(Watched):
    """Its file holds a process or an election for each key."""

    def __init__(self, home: Path, etcd: EtcdServer, *, namespace: str, root: bool) -> None:
        self.home, self.etcd = home, etcd
        (self.port,) = free_ports(1)
        keys.furnish(home)
        (home / "more.yaml").write_text("processes: {included: {command: [sleep, infinity]}}")
        processes = {k: keys.process(k, new=False) for k, case in keys.OF_A_PROCESS.items() if case.root == root}
        elections = {} if root else {k: keys.election(k, new=False) for k in keys.OF_AN_ELECTION}
        leader = {"processes": {"needed": {"command": keys.IDLE}, **processes}}
        tree = {
            "node": "one",
            "etcd": {"endpoints": [etcd.endpoint], "namespace": namespace},
            "elections": {TABLE: {"ttl": "5s", "on_giveup": "stay", "leader": leader}, **elections},
            "processes": {OUTSIDE: {"command": keys.IDLE}},
        }
        super().__init__(home, tree)

    def text(self) -> str:
        """With this test's own places."""
        return json.dumps(keys.placed(self.tree, self.home, self.etcd.endpoint.partition("//")[2], self.port))


@pytest.fixture(scope="module")
def table(etcd: EtcdServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    made = Table(tmp_path_factory.mktemp("k"), etcd, namespace="/test-key-classes", root=False)
    yield made
    made.end()


@pytest.fixture(scope="module")
def roots_table(etcd: EtcdServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    made = Table(tmp_path_factory.mktemp("r"), etcd, namespace="/test-key-classes-root", root=True)
    yield made
    made.end()


def differences(one: Sight, other: Sight) -> dict[str, object]:
    """What is not the same in both."""
    a, b = ({**sight.children, **{f"token of {k}": v for k, v in sight.tokens.items()}} for sight in (one, other))
    return {name: (a.get(name), b.get(name)) for name in {*a, *b} if a.get(name) != b.get(name)}


def set_new(table: Table, key: str) -> None:
    """Write the key's other value into the tree."""
    if key in keys.OF_A_PROCESS:
        table.tree["elections"][TABLE]["leader"]["processes"][key] = keys.process(key, new=True)
    else:
        table.tree["elections"][key] = keys.election(key, new=True)


def changed(table: Table, *changing: str) -> tuple[Sight, Sight]:
    """Before and after these keys have their other values."""
    before = table.sight()
    for key in changing:
        set_new(table, key)
    table.reload()
    after = table.sight()
    assert after.generation > before.generation
    return before, after


LIVE = [k for k in (*keys.OF_A_PROCESS, *keys.OF_AN_ELECTION) if CLASSES[k] == "live"]
THAT_ADD = {
    "Process.instances": f"{TABLE}/Process.instances-3",
    "Leader.processes": "Leader.processes/more",
    "Follower.processes": "Follower.processes/standby",
}
"""Of the live ones, those that start something, and what."""


@pytest.fixture(scope="module")
def live_changed(table: Table) -> tuple[Sight, Sight]:
    """All live keys at once, each of a process or an election of its own: whatever is touched by any of them is seen."""
    return changed(table, *LIVE)


def test_changes_of_live_keys_touch_nothing_that_runs(live_changed: tuple[Sight, Sight]) -> None:
    assert differences(*(sight.without(*THAT_ADD.values()) for sight in live_changed)) == {}


@pytest.mark.parametrize("key", LIVE)
def test_a_live_key(live_changed: tuple[Sight, Sight], key: str) -> None:
    before, after = live_changed
    if key in THAT_ADD:
        assert THAT_ADD[key] not in before.children, "the difference is started"
        assert after.children[THAT_ADD[key]][0] or key == "Follower.processes"
        return
    election, process = (TABLE, f"{TABLE}/{key}") if key in keys.OF_A_PROCESS else (key, f"{key}/idle")
    assert before.children[process][0], "it runs before the change"
    assert after.children[process] == before.children[process], "pid and restarts"
    assert before.tokens[election]
    assert after.tokens[election] == before.tokens[election]


def restarts_its_process_alone(table: Table, key: str) -> None:
    own = f"{TABLE}/{key}"
    assert CLASSES[key] == "restart"
    before, after = changed(table, key)
    assert differences(before.without(own), after.without(own)) == {}, "the token is among what has not changed"
    assert before.children[own][0], "it runs before the change"
    assert after.children[own][0] != before.children[own][0]
    # Where there is no cgroup v2, a process that insists on a limit is not started again.
    assert after.children[own][0] or key == "Cgroup.best_effort"


RESTART = [k for k in keys.OF_A_PROCESS if CLASSES[k] == "restart"]


@pytest.mark.parametrize("key", [k for k in RESTART if not keys.OF_A_PROCESS[k].root])
def test_a_restart_key(table: Table, key: str) -> None:
    restarts_its_process_alone(table, key)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give these away")
@pytest.mark.parametrize("key", [k for k in RESTART if keys.OF_A_PROCESS[k].root])
def test_a_restart_key_that_needs_root(roots_table: Table, key: str) -> None:
    restarts_its_process_alone(roots_table, key)


@pytest.mark.parametrize("key", [k for k in keys.OF_AN_ELECTION if CLASSES[k] == "re-campaign"])
def test_a_re_campaign_key(table: Table, key: str) -> None:
    before, after = changed(table, key)
    assert differences(before.without(key), after.without(key)) == {}
    assert before.tokens[key], "it leads before the change"
    assert (after.tokens[key] or 0) > (before.tokens[key] or 0)
    assert after.children[f"{key}/idle"][0] not in (None, before.children[f"{key}/idle"][0])


# --- the file as a whole ---


def test_node_is_refused_while_it_runs(table: Table) -> None:
    before = table.sight()
    table.node.file.write_text(table.text().replace('"node": "one"', '"node": "two"'))
    done = table.client.reload(PATIENCE_SECONDS)
    assert CLASSES["File.node"] == "refused"
    assert not done.adopted
    assert "node cannot change while running" in done.problems[0]
    table.reload()
    after = table.sight()
    assert (after.children, after.tokens) == (before.children, before.tokens)


@pytest.mark.parametrize(
    ("key", "change", "name"),
    [
        ("File.elections", {"elections": {"more": {"ttl": "5s"}}}, "more"),
        ("File.processes", {"processes": {"more": {"command": keys.IDLE}}}, "more"),
        ("File.include", {"include": ["@/more.yaml"]}, "included"),
        ("File.nodes", {"nodes": {"one": {"processes": {"more": {"command": keys.IDLE}}}}}, "more"),
        ("Overlay.elections", {"nodes": {"one": {"elections": {"more": {"ttl": "5s"}}}}}, "more"),
        ("Overlay.processes", {"nodes": {"one": {"processes": {"more": {"command": keys.IDLE}}}, "two": {}}}, "more"),
    ],
)
def test_what_is_added_and_removed_touches_nothing_else(table: Table, key: str, change: Any, name: str) -> None:
    assert CLASSES[key] == "live"
    before, old = table.sight(), table.tree
    assert name not in {**before.children, **before.tokens}
    for section, added in change.items():
        table.tree = {**old, section: {**old[section], **added} if section in old else added}
    table.reload()
    with_it = table.sight()
    assert name in {**with_it.children, **with_it.tokens}
    assert with_it.without(name) == before.without(name)
    table.tree = old
    table.reload()
    assert table.sight().without() == before.without()


def test_who_may_run_the_file_touches_nothing_that_runs(table: Table) -> None:
    assert CLASSES["File.unlisted_nodes"] == "live"
    before, old = table.sight(), table.tree
    table.tree = {**old, "nodes": {"one": {}}, "unlisted_nodes": "refuse"}
    table.reload()
    assert table.sight().without() == before.without()
    table.tree = old
    table.reload()


# --- etcd ---


def small(etcd: keys.Tree) -> keys.Tree:
    """A file with one election, for what every election hangs on."""
    return {
        "node": "one",
        "etcd": etcd,
        "elections": {"job": {"ttl": "5s", "leader": {"processes": {"work": {"command": keys.IDLE}}}}},
        "processes": {OUTSIDE: {"command": keys.IDLE}},
    }


def etcd_changes(one: Watched, key: str, etcd: keys.Tree) -> None:
    """Adopt the other way to etcd; see that it costs what the key's class says."""
    before = one.sight()
    one.tree = small(etcd)
    one.reload()
    after = one.sight()
    assert before.tokens["job"]
    assert after.generation > before.generation
    assert after.children[OUTSIDE] == before.children[OUTSIDE]
    if CLASSES[key] == "live":
        assert (after.tokens, after.children) == (before.tokens, before.children)
    else:
        assert CLASSES[key] == "re-campaign"
        assert after.tokens["job"] not in (None, before.tokens["job"])
        assert after.children["job/work"][0] not in (None, before.children["job/work"][0])


def test_keys_of_etcd(etcd: EtcdServer, namespace: str, tmp_path: Path) -> None:
    records = {
        f"_etcd-client{suffix}._tcp.example.org": [f"0 0 {etcd.client_port} localhost."] for suffix in ("", "-blue")
    }
    with name_server(records) as where:
        first = {"endpoints": [etcd.endpoint], "namespace": namespace}
        one = Watched(tmp_path, small(first), {**os.environ, NAMESERVERS_VARIABLE: where})
        try:
            by_name = {**first, "endpoints": [etcd.endpoint.replace("127.0.0.1", "localhost")]}
            etcd_changes(one, "Etcd.endpoints", by_name)
            discovered = {"namespace": namespace, "discovery_srv": "example.org"}
            etcd_changes(one, "Etcd.discovery_srv", discovered)
            etcd_changes(one, "Etcd.discovery_srv_name", {**discovered, "discovery_srv_name": "blue"})
            etcd_changes(one, "Etcd.campaign", {**first, "campaign": "rpc"})
            etcd_changes(one, "Etcd.namespace", {**first, "campaign": "rpc", "namespace": f"{namespace}-2"})
        finally:
            one.end()


def test_keys_of_a_secured_etcd(pki: Path, tmp_path: Path) -> None:
    for name in ("ca", "unnamed", "unnamed-key"):
        (tmp_path / f"{name}.pem").write_bytes((pki / f"{name}.pem").read_bytes())
        (tmp_path / f"{name}-2.pem").write_bytes((pki / f"{name}.pem").read_bytes())
    for name in ("password", "password-2"):
        (tmp_path / name).write_text("secret\n")
    with EtcdServer(tmp_path / "etcd", tls=files(pki, "server"), arguments=BRISK) as etcd:
        for line in ("user add root:secret", "role add root", "user grant-role root root", "role add node"):
            etcd.etcdctl(*line.split())
        for line in grants("/supervisor", role="node"):
            etcd.etcdctl(*line.split()[1:])
        for user in ("node", "node-2"):
            etcd.etcdctl("user", "add", f"{user}:secret")
            etcd.etcdctl("user", "grant-role", user, "node")
        etcd.etcdctl("auth", "enable")
        tls = {k: f"{tmp_path}/{name}.pem" for k, name in (("ca", "ca"), ("cert", "unnamed"), ("key", "unnamed-key"))}
        auth = {"user": "node", "password_file": f"{tmp_path}/password"}
        whole: keys.Tree = {"endpoints": [etcd.endpoint], "tls": tls, "auth": auth}
        one = Watched(tmp_path, small(whole))
        try:
            for section, key, value in (
                ("tls", "ca", f"{tmp_path}/ca-2.pem"),
                ("tls", "cert", f"{tmp_path}/unnamed-2.pem"),
                ("tls", "key", f"{tmp_path}/unnamed-key-2.pem"),
                ("tls", "server_name", "etcd.internal"),
                ("auth", "password_file", f"{tmp_path}/password-2"),
                ("auth", "user", "node-2"),
            ):
                whole = {**whole, section: {**whole[section], key: value}}
                etcd_changes(one, f"{section.capitalize()}.{key}", whole)
        finally:
            one.end()
