"""Does etcd's Election service survive many Campaigns that end at once? And does a Watch see the same end?

Usage: campaign_hang.py [COUNT...]. For each etcd at hand: a lease holds COUNT elections; COUNT Campaigns wait behind it on one connection;
the lease is revoked. Printed: how many Campaigns returned within 10 s, whether the service then still answers a Campaign in an
election nobody is in, and how long one Watch took to show the end of all COUNT leaders.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import grpc.aio

from supervisor.pb.etcd import election_pb2, election_pb2_grpc, kv_pb2, rpc_pb2, rpc_pb2_grpc
from tests.etcd_server import EtcdServer, installed

PATIENCE_SECONDS = 10.0


async def measure(etcd: EtcdServer, count: int) -> str:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{etcd.client_port}") as channel:
        leases, kv = rpc_pb2_grpc.LeaseStub(channel), rpc_pb2_grpc.KVStub(channel)
        elections, watches = election_pb2_grpc.ElectionStub(channel), rpc_pb2_grpc.WatchStub(channel)
        held = (await leases.LeaseGrant(rpc_pb2.LeaseGrantRequest(TTL=600))).ID
        mine = (await leases.LeaseGrant(rpc_pb2.LeaseGrantRequest(TTL=600))).ID
        names = [f"/bench-{count}/e{n}".encode() for n in range(count)]
        for name in names:
            await kv.Put(rpc_pb2.PutRequest(key=name + f"/{held:x}".encode(), lease=held))
        watch = watches.Watch()
        prefix = f"/bench-{count}/".encode()
        create = rpc_pb2.WatchCreateRequest(key=prefix, range_end=prefix[:-1] + b"0")
        await watch.write(rpc_pb2.WatchRequest(create_request=create))
        await watch.read()
        waiting = [
            asyncio.ensure_future(elections.Campaign(election_pb2.CampaignRequest(name=name, lease=mine, value=b"v")))
            for name in names
        ]
        entered = 0
        while entered < count:  # each candidate's key is there
            entered += sum(event.type == kv_pb2.Event.PUT for event in (await watch.read()).events)
        began = time.monotonic()
        await leases.LeaseRevoke(rpc_pb2.LeaseRevokeRequest(ID=held))
        gone = 0
        while gone < count:
            gone += sum(event.type == kv_pb2.Event.DELETE for event in (await watch.read()).events)
        seen_ms = 1000 * (time.monotonic() - began)
        done, pending = await asyncio.wait(waiting, timeout=PATIENCE_SECONDS)
        probe = election_pb2.CampaignRequest(name=f"/probe-{count}".encode(), lease=mine, value=b"v")
        try:
            await elections.Campaign(probe, timeout=PATIENCE_SECONDS)
            answers = "answers"
        except grpc.aio.AioRpcError as error:
            answers = f"HANGS ({error.code().name})"
        for one in pending:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        watch.cancel()
        returned = sum(one in done and one.exception() is None for one in waiting)
    return f"{count:6} {returned:10} {answers:>28} {seen_ms:12.0f} ms"


def main() -> None:
    counts = [int(word) for word in sys.argv[1:]] or [20, 50, 100, 200, 1000]
    for binaries in installed():
        print(f"etcd {binaries.version}")
        print(f"{'count':>6} {'returned':>10} {'the service then':>28} {'watch saw all':>15}")
        for count in counts:
            with (
                tempfile.TemporaryDirectory() as home,
                EtcdServer(Path(home), binaries=binaries, arguments=("--unsafe-no-fsync",)) as etcd,
            ):
                print(asyncio.run(measure(etcd, count)))


if __name__ == "__main__":
    main()
