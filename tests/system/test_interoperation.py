"""A whole daemon in one queue with a client of another make (``tests.interop``), for both ways to enter it."""

import asyncio
import json
from pathlib import Path

import pytest

from supervisor.core.spec import CampaignWay
from tests.etcd_server import EtcdServer
from tests.interop.dotnet_etcd import EtcdClient, EtcdLeaderElection
from tests.system.nodes import Make, beats, until

pytestmark = [pytest.mark.etcd, pytest.mark.system]


@pytest.mark.parametrize("way", [*CampaignWay])
async def test_office_goes_to_them_and_back(
    node: Make, text: str, tmp_path: Path, etcd: EtcdServer, namespace: str, way: CampaignWay
) -> None:
    one = node("one", text.replace("etcd: {", f"etcd: {{campaign: {way}, "))
    await asyncio.to_thread(until, lambda: beats(tmp_path / "beats"), "the first beat")
    client = EtcdClient(etcd.endpoint)
    other = EtcdLeaderElection(client, f"{namespace}/job", "http://elsewhere")
    # The first word of a term follows its win, and goes behind what the win itself needs.
    async with asyncio.timeout(20):
        while (ours := json.loads((await other.GetCurrentLeaderAsync()).value))["state"] != "leading":
            await asyncio.sleep(0.02)
    assert ours["node"] == "one"

    trying = asyncio.create_task(other.TryBecomeLeaderAsync(30))
    listed = ("get", "--prefix", "--keys-only", f"{namespace}/job/")
    await asyncio.to_thread(until, lambda: len(etcd.etcdctl(*listed).split()) == 2, "they queue")
    assert not trying.done()
    assert (await asyncio.to_thread(one.run, "resign", "job")).returncode == 0
    assert await trying
    await other.ProclaimAsync("http://elsewhere/v2")
    await asyncio.to_thread(
        until, lambda: "http://elsewhere/v2" in one.run("leader", "job").stdout, "we read their words"
    )
    assert one.election()["leader"]["foreign"] is True
    assert len({token for _, token in beats(tmp_path / "beats")}) == 1

    await other.ResignLeadershipAsync()
    await asyncio.to_thread(until, lambda: len({token for _, token in beats(tmp_path / "beats")}) == 2, "our turn")
    await client.Dispose()
