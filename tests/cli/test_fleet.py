"""``status --fleet``: from etcd alone, whoever wrote there."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from supervisor.cli import main
from supervisor.core import requests
from supervisor.core.evolve import replace
from supervisor.core.names import ElectionName, LeaseId, NodeName, Token
from supervisor.core.requests import Stage, Switchover
from supervisor.core.spec import EtcdSpec
from supervisor.etcd import fleet, keys
from supervisor.etcd.channel import Channels
from supervisor.pb.etcd import rpc_pb2
from tests.etcd_server import EtcdServer

pytestmark = pytest.mark.etcd


class Store:
    """Writes as nodes would."""

    def __init__(self, etcd: EtcdServer, namespace: str) -> None:
        self.etcd, self.namespace = etcd, namespace

    async def lease(self, seconds: int = 60) -> LeaseId:
        return LeaseId((await self._ask("grant", rpc_pb2.LeaseGrantRequest(TTL=seconds))).ID)  # type: ignore[attr-defined]

    async def stand(self, election: str, lease: LeaseId, value: object, *, key: bytes | None = None) -> None:
        key = key or keys.candidate(self.namespace, ElectionName(election), lease)
        text = value if isinstance(value, str) else json.dumps(value)
        put = rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=key, value=text.encode(), lease=lease))
        await self._ask("txn", rpc_pb2.TxnRequest(success=[put]))

    async def _ask(self, method: str, request: object) -> object:
        channels = Channels(EtcdSpec(endpoints=(self.etcd.endpoint,), namespace=self.namespace))
        try:
            return await channels.call(lambda e: getattr(e, method), request, verb=method, timeout_seconds=20)
        finally:
            await channels.close()

    def show(self, *more: str) -> int:
        return main.run(["status", "--fleet", "--endpoints", self.etcd.endpoint, "--namespace", self.namespace, *more])


@pytest.fixture
def store(etcd: EtcdServer, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    for name in list(os.environ):
        if name.startswith("ETCDCTL"):
            monkeypatch.delenv(name)
    return Store(etcd, namespace)


def document(node: str, state: str = "candidate", health: str = "healthy", **more: object) -> dict[str, object]:
    return {"v": 1, "node": node, "state": state, "health": health, "since": "2026-01-02T03:04:05Z", **more}


async def filled(store: Store) -> tuple[LeaseId, LeaseId]:
    """Two nodes in *billing*, the second ill; a foreign candidate leads *mail*; *old* has only a past."""
    one, two = await store.lease(60), await store.lease(100)
    await store.stand("billing", one, document("web-1", "leading", priority=50, value={"address": "http://10.0.0.1"}))
    await store.stand("billing", two, document("web-2", health="unhealthy", priority=0))
    await store.stand("mail", two, "a stranger\x1b[2J")
    record = keys.record(store.namespace, ElectionName("old"), Token(7))
    await store.stand("old", LeaseId(0), "{}", key=record)
    return one, two


async def test_everything_is_there(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    one, _ = await filled(store)
    assert await asyncio.to_thread(store.show, "--json") == 1  # "old" is led by nobody
    found = json.loads(capsys.readouterr().out)
    assert (found["schema_version"], found["source"], found["namespace"]) == (1, "etcd", store.namespace)
    assert found["age_seconds"] >= 0
    billing, mail, old = found["elections"]
    assert [e["name"] for e in (billing, mail, old)] == ["billing", "mail", "old"]
    leader = billing["leader"]
    assert leader == billing["candidates"][0]
    assert (leader["node"], leader["state"], leader["health"], leader["priority"]) == (
        "web-1",
        "leading",
        "healthy",
        50,
    )
    assert leader["value"] == {"address": "http://10.0.0.1"}
    assert leader["lease"] == f"{one:x}"
    assert 0 < leader["lease_seconds_left"] <= leader["lease_granted_seconds"] == 60
    assert leader["since_seconds"] > 0
    assert leader["token"] < billing["candidates"][1]["token"]
    assert [c["position"] for c in billing["candidates"]] == [1, 2]
    assert mail["leader"]["foreign"]
    assert mail["leader"]["value"] == "a stranger\x1b[2J"
    assert (old["leader"], old["candidates"]) == (None, [])


async def test_for_people(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    await filled(store)
    assert await asyncio.to_thread(store.show) == 1
    out = capsys.readouterr().out
    assert "2 of 3 elections led" in out
    assert "web-2 (unhealthy)" in out
    assert "led by another program's candidate" in out
    assert "nobody stands; it has had terms" in out
    assert "\x1b" not in out
    assert await asyncio.to_thread(store.show, "billing") == 0
    out = capsys.readouterr().out
    assert "mail" not in out
    assert '{"address": "http://10.0.0.1"}' in out
    assert await asyncio.to_thread(store.show, "--color", "always", "billing") == 0
    assert "●" in capsys.readouterr().out
    assert await asyncio.to_thread(store.show, "nobody") == 64


async def test_pages_make_one_revision(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "PAGE_KEYS", 3)
    monkeypatch.setattr(fleet, "PAGE_NAMES", 2)
    lease = await store.lease()
    names = [f"e{n:02}" for n in range(10)]
    for name in names:
        await store.stand(name, lease, document("a", "leading"))
        await store.stand(name, lease, "{}", key=keys.record(store.namespace, ElectionName(name), Token(1)))
    spec = EtcdSpec(endpoints=(store.etcd.endpoint,), namespace=store.namespace)
    found = await fleet.read(spec, timeout_seconds=20)
    assert list(found.queues) == names
    assert all(len(queue) == 1 for queue in found.queues.values())
    assert found.problems == ()
    left = found.leases[lease]
    assert left is not None
    assert left.granted_seconds == 60


def test_no_etcd_is_69_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main.run(["status", "--fleet", "--endpoints", f"unix://{tmp_path}/nobody"])
    assert code == 69
    assert "etcd cannot be asked" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fleet", "--endpoints", "http://a"], "has no port"),
        (["--fleet", "--endpoints", "http://a:1", "--user", "u:secret"], "no password on a command line"),
        (["--fleet", "--endpoints", "http://a:1", "--user", "u"], "SUPERVISOR_ETCD_PASSWORD"),
        (["--fleet", "--endpoints", "http://a:1", "--cert", "c"], "belong together"),
        (["--fleet", "--endpoints", "http://a:1", "--password-file", "c"], "needs --user"),
        (["--fleet", "--endpoints", "http://a:1", "--namespace", "x y"], "cannot be a namespace"),
        (["--fleet", "--watch"], "leave --watch out"),
        (["--endpoints", "http://a:1"], "--fleet only"),
    ],
)
def test_usage(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SUPERVISOR_ETCD_PASSWORD", raising=False)
    assert main.run(["status", *arguments]) == 64
    assert words in capsys.readouterr().err


def test_the_file_says_where_etcd_is(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(
        f'etcd: {{endpoints: ["{store.etcd.endpoint}"], namespace: {store.namespace}}}\nprocesses: {{x: {{command: x}}}}\n'
    )
    assert main.run(["status", "--fleet", "--file", str(path)]) == 0
    assert "0 of 0 elections led" in capsys.readouterr().out
    path.write_text("elections: {a: {leader: {processes: {x: {command: x}}}}}\n")
    assert main.run(["status", "--fleet", "--file", str(path)]) == 64
    assert "names no etcd" in capsys.readouterr().err
    path.write_text("etcdd: {}\n")
    assert main.run(["status", "--fleet", "--file", str(path)]) == 78


def test_etcdctls_environment_is_heard(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETCDCTL_ENDPOINTS", store.etcd.endpoint)
    assert main.run(["status", "--fleet", "--namespace", store.namespace]) == 0
    assert main.run(["status", "--socket", "/nobody"]) == 3  # what etcdctl is told is no mistake of ours


async def test_what_is_asked_of_nodes_is_shown(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    one = await store.lease()
    await store.stand("billing", one, document("web-1", "leading"))
    prefix = keys.requests_prefix(store.namespace)
    wish = Switchover(id="1", to=NodeName("web-2"), at=2.0e9, until=2.1e9, by="web-1 (uid 0 pid 7)")
    await store.stand("", LeaseId(0), requests.written(wish).decode(), key=prefix + b"switchover/billing")
    old = replace(wish, stage=Stage.DONE)
    await store.stand("", LeaseId(0), requests.written(old).decode(), key=prefix + b"switchover/mail")
    assert await asyncio.to_thread(store.show) == 0, "a wish for later is no trouble"
    assert "switchover: to web-2 at 2033-05-18T03:33:20Z, asked for by web-1 (uid 0 pid 7)" in capsys.readouterr().out
    await store.stand("", LeaseId(0), requests.paused_now("me", 1.6e9).decode(), key=prefix + b"pause")
    drained = requests.drained_now("me", 1.6e9, followers_stop=False, force=False)
    await store.stand("", LeaseId(0), drained.decode(), key=prefix + b"drain/web-2")
    assert await asyncio.to_thread(store.show, "billing") == 1
    out = capsys.readouterr().out
    assert "PAUSED by me since 2020-09-13T12:26:40Z" in out
    assert "DRAINED by me" in out
    assert await asyncio.to_thread(store.show, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["pauses"] == [{"election": None, "by": "me", "since": "2020-09-13T12:26:40Z"}]
    assert [d["node"] for d in found["drains"]] == ["web-2"]
    assert [(s["election"], s["stage"], s["to"]) for s in found["switchovers"]] == [("billing", "asked", "web-2")]
