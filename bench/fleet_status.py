"""How long ``status --fleet`` takes for a large fleet: a real etcd, filled by transactions, asked by the whole command.

Run from a checkout: ``python bench/fleet_status.py [ELECTIONS CANDIDATES]``, 200 and 50 when left out. One lease per node, as
daemons have it; then, worse than any fleet of ours, one per candidate. The limit is 1 s for 200 elections of 50.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from supervisor.core.names import ElectionName, LeaseId
from supervisor.core.spec import EtcdSpec
from supervisor.etcd import keys
from supervisor.etcd.channel import Channels
from supervisor.pb.etcd import rpc_pb2
from tests.etcd_server import EtcdServer

LIMIT_SECONDS = 1.0
ROUNDS = 5
TIMEOUT_SECONDS = 30.0
OPERATIONS = 100
"""In one transaction: etcd takes 128."""


def document(node: int, first: bool) -> bytes:
    """As a node of ours proclaims it, with five processes and a value."""
    processes = {
        f"process-{n}": {"state": "running", "pid": 1000 + n, "restarts": 0, "health": "healthy"} for n in range(5)
    }
    return json.dumps(
        {
            "v": 1, "node": f"node-{node}", "state": "leading" if first else "candidate", "health": "healthy",
            "since": "2026-01-01T00:00:00Z", "token": 1, "processes": processes, "priority": node,
            "value": {"address": f"http://10.0.0.{node}:8080"},
        },
        separators=(",", ":"),
    ).encode()  # fmt: skip


async def fill(endpoint: str, namespace: str, elections: int, candidates: int, *, lease_each: bool) -> None:
    """The keys of a fleet."""
    channels = Channels(EtcdSpec(endpoints=(endpoint,), namespace=namespace))

    async def lease() -> LeaseId:
        request = rpc_pb2.LeaseGrantRequest(TTL=3600)
        reply = await channels.call(lambda e: e.grant, request, verb="grant", timeout_seconds=TIMEOUT_SECONDS)
        return LeaseId(reply.ID)

    shared = [await lease() for _ in range(candidates)]
    puts: list[rpc_pb2.RequestOp] = []
    for n in range(elections):
        for node in range(candidates):
            under = await lease() if lease_each else shared[node]
            key = keys.candidate(namespace, ElectionName(f"election-{n:03}"), under)
            put = rpc_pb2.PutRequest(key=key, value=document(node, node == 0), lease=under)
            puts.append(rpc_pb2.RequestOp(request_put=put))
    for at in range(0, len(puts), OPERATIONS):
        request = rpc_pb2.TxnRequest(success=puts[at : at + OPERATIONS])
        await channels.call(lambda e: e.txn, request, verb="fill", timeout_seconds=TIMEOUT_SECONDS)
    await channels.close()


def ask(endpoint: str, namespace: str, *more: str) -> tuple[float, str]:
    """One invocation of the command: seconds and output."""
    argv = [sys.executable, "-m", "supervisor", "status", "--fleet", "--endpoints", endpoint, "--namespace", namespace]
    began = time.monotonic()
    done = subprocess.run([*argv, *more], capture_output=True, text=True, check=False)
    return time.monotonic() - began, done.stdout


def main() -> None:
    """Fill, ask, print."""
    elections, candidates = (int(word) for word in sys.argv[1:3]) if len(sys.argv) > 2 else (200, 50)
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parent.parent)
    with tempfile.TemporaryDirectory(prefix="sv") as scratch, EtcdServer(Path(scratch)) as etcd:
        for lease_each in (False, True):
            namespace = "/each" if lease_each else "/fleet"
            asyncio.run(fill(etcd.endpoint, namespace, elections, candidates, lease_each=lease_each))
            leases = elections * candidates if lease_each else candidates
            for shown, more in (("text", ()), ("json", ("--json",))):
                found = sorted(ask(etcd.endpoint, namespace, *more) for _ in range(ROUNDS))
                seconds, output = found[ROUNDS // 2]
                met = "" if lease_each else ": met" if seconds < LIMIT_SECONDS else ": NOT MET"
                print(
                    f"{elections} elections x {candidates} candidates, {leases} leases, {shown}: median {seconds:.2f} s, "
                    f"worst {found[-1][0]:.2f} s, {len(output)} bytes (limit {LIMIT_SECONDS:g} s){met}"
                )


if __name__ == "__main__":
    main()
