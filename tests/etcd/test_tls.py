"""TLS with a certificate authority made for the test."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from supervisor.core.spec import TlsSpec
from supervisor.etcd.errors import FileUnusable, StoreError, Unreachable
from tests.etcd.support import CALL_SECONDS, Recorder, enter, eventually, grant, opened, spec
from tests.etcd_server import BRISK, Binaries, EtcdServer
from tests.pki import files

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is needed to make certificates")


@pytest.fixture
def secured(binaries: Binaries, pki: Path, tmp_path: Path) -> Iterator[EtcdServer]:
    with EtcdServer(tmp_path / "etcd", binaries=binaries, tls=files(pki, "server"), arguments=BRISK) as server:
        yield server


@pytest.fixture
def tls(pki: Path) -> TlsSpec:
    return TlsSpec(ca=str(pki / "ca.pem"), cert=str(pki / "node.pem"), key=str(pki / "node-key.pem"))


async def test_the_whole_way_over_tls(secured: EtcdServer, tls: TlsSpec) -> None:
    seen = Recorder()
    async with opened(spec(secured.endpoint, tls=tls), seen) as store:
        held = await grant(store)
        await enter(store, "e", held, b"doc")
        await seen.queue("e", [b"doc"])
        await store.renew(held.lease, timeout_seconds=CALL_SECONDS)


@pytest.mark.parametrize("missing", ["ca", "cert"])
async def test_what_does_not_fit_is_unreachable_and_says_so(
    secured: EtcdServer, tls: TlsSpec, pki: Path, missing: str
) -> None:
    wrong = replace(tls, ca=str(pki / "stranger.pem")) if missing == "ca" else replace(tls, cert=None, key=None)
    async with opened(spec(secured.endpoint, tls=wrong)) as store:
        with pytest.raises(Unreachable) as caught:
            await grant(store)
    assert secured.endpoint in str(caught.value)


async def test_a_certificate_for_another_name_is_accepted_by_server_name(
    binaries: Binaries, pki: Path, tls: TlsSpec, tmp_path: Path
) -> None:
    server = EtcdServer(tmp_path / "etcd", binaries=binaries, tls=files(pki, "named"))
    server.launch()  # its own readiness check would refuse the name too
    try:
        named = replace(tls, server_name="etcd.internal")
        async with opened(spec(server.endpoint, tls=named)) as store:
            await eventually(lambda: grant(store))
        async with opened(spec(server.endpoint, tls=tls)) as store:
            with pytest.raises(Unreachable):
                await grant(store)
    finally:
        server.kill()


async def test_replaced_certificates_are_read_again(
    secured: EtcdServer, tls: TlsSpec, pki: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "rotating-ca.pem"
    shutil.copy(pki / "stranger.pem", mine)
    async with opened(spec(secured.endpoint, tls=replace(tls, ca=str(mine)))) as store:
        with pytest.raises(Unreachable):
            await grant(store)
        shutil.copy(pki / "ca.pem", mine)
        await eventually(lambda: grant(store))


async def test_an_unreadable_file_is_named(tls: TlsSpec) -> None:
    lost = replace(tls, key="/nonexistent/key.pem")
    async with opened(spec("https://127.0.0.1:1", tls=lost)) as store:
        with pytest.raises(FileUnusable, match=r"etcd\.tls\.key: cannot read /nonexistent/key\.pem"):
            await grant(store)


async def test_a_file_that_is_no_certificate_is_a_store_error(tls: TlsSpec, tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("not a certificate")
    async with opened(spec("https://127.0.0.1:1", tls=replace(tls, ca=str(junk)))) as store:
        with pytest.raises(StoreError):
            await grant(store)


async def test_plain_text_to_a_tls_port_is_unreachable(secured: EtcdServer) -> None:
    async with opened(spec(secured.endpoint.replace("https", "http"))) as store:
        with pytest.raises(StoreError):
            await grant(store)
