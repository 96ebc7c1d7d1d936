"""Whether etcd's HTTP gateway would serve the guardian, found out while there is still a daemon to say so."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.core.spec import TlsSpec
from supervisor.core.store_events import GatewaySeen
from supervisor.etcd import gateway
from supervisor.etcd.channel import Channels
from tests.etcd.support import Recorder, opened, spec
from tests.etcd_server import BRISK, Binaries, EtcdServer
from tests.pki import files


@pytest.fixture
def secured(binaries: Binaries, pki: Path, tmp_path: Path) -> Iterator[EtcdServer]:
    with EtcdServer(tmp_path / "etcd", binaries=binaries, tls=files(pki, "server"), arguments=BRISK) as server:
        yield server


def shown(pki: Path, name: str) -> TlsSpec:
    return TlsSpec(ca=str(pki / "ca.pem"), cert=str(pki / f"{name}.pem"), key=str(pki / f"{name}-key.pem"))


def switch_auth_on(etcd: EtcdServer) -> None:
    etcd.etcdctl("user", "add", "root:root-secret")
    etcd.etcdctl("role", "add", "root")
    etcd.etcdctl("user", "grant-role", "root", "root")
    etcd.etcdctl("auth", "enable")


async def test_a_common_name_is_refused_once_auth_is_on_and_that_is_told(
    secured: EtcdServer, pki: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "AGAIN_SECONDS", 0.05)
    seen = Recorder()
    async with opened(spec(secured.endpoint, tls=shown(pki, "node")), seen):
        watch = gateway.GatewayWatch(_channels(secured, pki, "node"), shown(pki, "node"), seen)
        assert await watch._ask() == ""
        switch_auth_on(secured)
        await seen.wait(GatewaySeen, lambda event: "CommonName" in event.refusal)
        start = len(seen.events)
        secured.etcdctl("--user", "root:root-secret", "auth", "disable")
        await seen.wait(GatewaySeen, lambda event: event.refusal == "", after=start)


async def test_a_certificate_without_one_is_served(secured: EtcdServer, pki: Path) -> None:
    switch_auth_on(secured)
    watch = gateway.GatewayWatch(_channels(secured, pki, "unnamed"), shown(pki, "unnamed"), Recorder())
    assert await watch._ask() == ""


async def test_a_gateway_that_is_switched_off_is_no_help_either(binaries: Binaries, pki: Path, tmp_path: Path) -> None:
    off = (*BRISK, "--enable-grpc-gateway=false")
    with EtcdServer(tmp_path / "etcd", binaries=binaries, tls=files(pki, "server"), arguments=off) as server:
        watch = gateway.GatewayWatch(_channels(server, pki, "node"), shown(pki, "node"), Recorder())
        assert await watch._ask() == "it is switched off (--enable-grpc-gateway=false)"


async def test_nobody_there_says_nothing(pki: Path) -> None:
    nowhere = Channels(spec("https://127.0.0.1:1", tls=shown(pki, "node")))
    assert await gateway.GatewayWatch(nowhere, shown(pki, "node"), Recorder())._ask() is None
    await nowhere.close()


def _channels(etcd: EtcdServer, pki: Path, name: str) -> Channels:
    return Channels(spec(etcd.endpoint, tls=shown(pki, name)))
