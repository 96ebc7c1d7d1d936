"""Renewals and proclaims in a second: through our adapter, through bare gRPC in the same Python, and by etcd's own benchmark."""

import asyncio
import re
import subprocess
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable

import grpc.aio

from bench.harness.result import BARE, OURS, Metric
from bench.rows.row import Row, Setting, show
from supervisor.core.events import Campaigned
from supervisor.core.names import ElectionName, Instant, LeaseId
from supervisor.core.spec import EtcdSpec
from supervisor.etcd.election import Candidacy, Word
from supervisor.etcd.store import EtcdStore
from supervisor.pb.etcd import rpc_pb2, rpc_pb2_grpc
from tests.etcd_server import EtcdServer

AT_ONCE = 64
BATCH = 100
SECONDS = 4.0
TIMEOUT_SECONDS = 10.0
DOCUMENT = b"x" * 400
"""About what a node with three processes proclaims."""
RAW = f"{BARE}: gRPC from the same Python"
CHECK = f"{BARE}: etcdctl check perf, 1,000 clients in Go"


async def rate(work: Callable[[int], Awaitable[int]]) -> float:
    """How many a second, ``AT_ONCE`` workers each doing one after another; ``work`` says how many it did."""
    done, until = 0, time.monotonic() + SECONDS

    async def worker(number: int) -> None:
        nonlocal done
        while time.monotonic() < until:
            done += await work(number)

    began = time.monotonic()
    await asyncio.gather(*(worker(number) for number in range(AT_ONCE)))
    return done / (time.monotonic() - began)


def clock() -> Instant:
    """CLOCK_BOOTTIME."""
    return Instant(time.clock_gettime(time.CLOCK_BOOTTIME))


async def ours(endpoint: str) -> dict[str, float]:
    """By the store that the daemon uses, over one connection."""
    store = EtcdStore(EtcdSpec(endpoints=(endpoint,), namespace="/ceiling"), clock=clock, on_event=lambda _: None)
    try:
        leases = [(await store.grant(60, timeout_seconds=TIMEOUT_SECONDS)).lease for _ in range(AT_ONCE)]
        wanted = [Candidacy(election=ElectionName(f"e{n}"), lease=leases[0], document=DOCUMENT) for n in range(BATCH)]
        entered = await store.campaign(wanted, timeout_seconds=TIMEOUT_SECONDS)
        words = [
            Word(
                election=c.election, lease=c.lease, create_revision=e.create_revision, document=DOCUMENT
            )
            for c, e in zip(wanted, entered, strict=True)
            if isinstance(e, Campaigned)
        ]  # fmt: skip

        async def renew(number: int) -> int:
            await store.renew(leases[number], timeout_seconds=TIMEOUT_SECONDS)
            return 1

        async def proclaim(number: int) -> int:
            assert await store.proclaim([words[number]], timeout_seconds=TIMEOUT_SECONDS) == [None]
            return 1

        async def together(_: int) -> int:
            assert not any(await store.proclaim(words, timeout_seconds=TIMEOUT_SECONDS))
            return len(words)

        return {"renewals": await rate(renew), "proclaims": await rate(proclaim), "batched": await rate(together)}
    finally:
        await store.close()


async def raw(endpoint: str) -> dict[str, float]:
    """By bare stubs: a put, and a keepalive on a stream for each worker."""
    async with grpc.aio.insecure_channel(endpoint.removeprefix("http://")) as channel:
        kv = rpc_pb2_grpc.KVStub(channel)
        lease = rpc_pb2_grpc.LeaseStub(channel)
        leases = [LeaseId((await lease.LeaseGrant(rpc_pb2.LeaseGrantRequest(TTL=60))).ID) for _ in range(AT_ONCE)]
        streams = [lease.LeaseKeepAlive() for _ in range(AT_ONCE)]

        async def renew(number: int) -> int:
            await streams[number].write(rpc_pb2.LeaseKeepAliveRequest(ID=leases[number]))
            assert (await streams[number].read()).TTL > 0
            return 1

        async def put(number: int) -> int:
            await kv.Put(rpc_pb2.PutRequest(key=b"raw-%d" % number, value=DOCUMENT, lease=leases[number]))
            return 1

        return {"renewals": await rate(renew), "proclaims": await rate(put)}


def checked(etcd: EtcdServer) -> float:
    """What ``etcdctl check perf`` reaches in its minute, in writes a second."""
    argv = etcd.etcdctl_command("check", "perf", "--load", "xl", "--prefix", "/check/")
    done = subprocess.run(
        argv, env=etcd.etcdctl_environment(), capture_output=True, text=True, timeout=150, check=False
    )  # fmt: skip
    found = re.search(r"(\d+) writes/s", done.stdout.replace("\r", "\n"))
    if found is None:
        raise RuntimeError(f"etcdctl check perf said nothing of writes/s: {done.stdout[-300:]}{done.stderr[-300:]}")
    return float(found.group(1))


def ceiling(setting: Setting) -> list[Metric]:
    """In turns, on one etcd."""
    rounds = setting.rounds(1, 3)
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with setting.etcd() as etcd:
        for number in range(rounds):
            for side, load in ((OURS, ours), (RAW, raw)):
                for what, value in asyncio.run(load(etcd.endpoint)).items():
                    found[what][side].append(value)
                    show(f"ceiling {number + 1}/{rounds} {side} {what} {value:.0f}/s")
    if not setting.quick:
        with setting.etcd() as etcd:
            found["proclaims"][CHECK].append(checked(etcd))
    found["batched"][RAW] = found["proclaims"][RAW]
    names = {
        "renewals": ("renewals", "a daemon of any size sends one for each TTL it uses, every third of it"),
        "proclaims": ("proclaims, each in a transaction of its own", "one raft entry, and its fsync, for each"),
        "batched": (
            f"proclaims, {BATCH} in a transaction, as the daemon sends those that are due together",
            "beside single puts",
        ),
    }
    return [
        Metric(
            row="ceiling", name=f"{names[what][0]} in a second, {AT_ONCE} at once", unit="/s", higher_is_better=True,
            samples={side: tuple(v) for side, v in sides.items()}, limit=names[what][1],
            note="client and etcd share the machine's cores" if what == "renewals" else "",
        )
        for what, sides in found.items()
    ]  # fmt: skip


ROWS = (Row(name="ceiling", title="renewals and proclaims a second, against what etcd takes", measure=ceiling),)
