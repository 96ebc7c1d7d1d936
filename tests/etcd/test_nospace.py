"""An etcd that has reached its quota: it refuses every transaction, and nobody's term may end for that."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.core.events import TermRecord
from supervisor.core.names import ElectionName, Token
from supervisor.etcd import nospace
from supervisor.etcd.errors import OutOfSpace
from tests.etcd.support import CALL_SECONDS, channels, enter, grant, opened, proclaim, prove, spec
from tests.etcd_server import BRISK, Binaries, EtcdServer

E = ElectionName("e")


@pytest.fixture
def small(binaries: Binaries, tmp_path: Path) -> Iterator[EtcdServer]:
    """An etcd whose quota is soon reached."""
    with EtcdServer(
        tmp_path / "etcd", binaries=binaries, arguments=(*BRISK, "--quota-backend-bytes", "4000000")
    ) as server:
        yield server


def put_for_ever(etcd: EtcdServer) -> None:
    for _ in range(200):
        etcd.etcdctl("put", "big", "x" * 100_000)


def fill(etcd: EtcdServer) -> None:
    """Until it refuses what would make it larger."""
    with pytest.raises(subprocess.CalledProcessError) as refused:
        put_for_ever(etcd)
    assert "database space exceeded" in refused.value.stderr
    assert "NOSPACE" in etcd.etcdctl("alarm", "list")


async def test_reads_go_on_and_nobody_s_term_ends(small: EtcdServer) -> None:
    async with opened(spec(small.endpoint)) as store:
        held = await grant(store)
        mine = [await enter(store, name, held, b"") for name in ("e", "f")]
        other = await enter(store, "e", await grant(store), b"other")
        await prove(store, mine[0], b"started")
        fill(small)
        await store.renew(held.lease, timeout_seconds=CALL_SECONDS)
        with pytest.raises(OutOfSpace, match="alarm disarm"):
            await proclaim(store, mine[0], b"louder")
        keys = [(m.election, m.create_revision) for m in mine]
        assert await store.confirm(held.lease, keys, timeout_seconds=CALL_SECONDS) == ()
        wrong = [*keys, (ElectionName("g"), Token(1)), (E, Token(other.create_revision))]
        assert await store.confirm(held.lease, wrong, timeout_seconds=CALL_SECONDS) == ("g", "e")
        told = await prove(store, mine[0], b"started")
        assert told.first == mine[0].first
        assert told.records == (TermRecord(token=mine[0].create_revision, value=b"started"),)
        assert (await prove(store, mine[1], b"perhaps unwritten")).first == mine[1].first


async def test_the_same_answers_by_plain_reads(etcd: EtcdServer, namespace: str) -> None:
    async with (
        opened(spec(etcd.endpoint, namespace=namespace)) as store,
        channels(spec(etcd.endpoint, namespace=namespace)) as connection,
    ):
        held = await grant(store)
        mine = [await enter(store, name, held, b"") for name in ("e", "f")]
        await prove(store, mine[0], b"started")
        keys = [(m.election, m.create_revision) for m in mine]
        wrong = [*keys, (ElectionName("g"), Token(1)), (E, Token(7))]
        assert await nospace.missing(connection, held.lease, keys, timeout_seconds=CALL_SECONDS) == ()
        assert await nospace.missing(connection, held.lease, wrong, timeout_seconds=CALL_SECONDS) == ("g", "e")
        asked = [(E, mine[0].create_revision)]
        told = await nospace.first_reads(connection, asked, most_records=5, timeout_seconds=CALL_SECONDS)
        assert told == [await prove(store, mine[0], b"started")]
