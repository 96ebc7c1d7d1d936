"""What a lossy cable does to renewals: how long after it was due each is acknowledged, and how often that is too late.

Clients in a network namespace whose cable loses frames keep one lease each, and look for one key each, as the daemon does
(same intervals, same patience, by ``EtcdStore``). Time runs from the instant at which a renewal, or a look, is due; what is
not acknowledged by two thirds of the TTL after the one before was sent would have cost a term. Needs root.

    python bench/lossy.py                        # three members, 30 % of all frames lost each way
    python bench/lossy.py --members 1            # one endpoint: a second connection is all the hedging there is
    python bench/lossy.py --at-once 1            # without hedging
"""

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from supervisor.core import timing
from supervisor.core.events import Campaigned
from supervisor.core.names import ElectionName, Instant
from supervisor.core.spec import EtcdSpec
from supervisor.etcd import hedge
from supervisor.etcd.election import Candidacy
from supervisor.etcd.errors import StoreError
from supervisor.etcd.store import EtcdStore
from tests.drills.members import Cluster
from tests.drills.net import Network, leash, missing
from tests.etcd_server import installed

ROOT = Path(__file__).parent.parent

PAUSE_SECONDS = 0.1


def now() -> Instant:
    return Instant(time.clock_gettime(time.CLOCK_BOOTTIME))


def main() -> None:
    options = arguments()
    if options.client:
        asyncio.run(client(options))
        return
    if why := missing():
        sys.exit(f"lossy: {why}")
    binaries = next(b for b in installed() if b.version.startswith(options.etcd))
    names = [f"e{n + 1}" for n in range(options.members)]
    net = Network([*names, "n1"])
    with contextlib.closing(net):
        net.open()
        cluster = Cluster(net, names, binaries=binaries)
        try:
            cluster.start()
            argv = [
                *leash(), *net.inside("n1"), sys.executable, __file__, *sys.argv[1:], "--client", ",".join(cluster.endpoints)
            ]  # fmt: skip
            process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert process.stdout is not None
            assert process.stdin is not None
            process.stdout.readline()
            net.lose("n1", options.loss)
            process.stdin.write("\n")
            process.stdin.flush()
            said = json.loads(process.stdout.readline())
            net.lose_nothing("n1")
            process.wait(60)
        finally:
            cluster.close()
    print(f"etcd {binaries.version}, {options.members} members, TTL {options.ttl} s, {options.loss:.0%} loss each way,")
    print(
        f"at most {options.at_once} at once; {options.clients} clients for {options.seconds} s; from due to acknowledged:"
    )
    for what, late in said.items():
        late.sort()
        over = sum(seconds > 2 * options.ttl / 3 - timing.renewal_pause_seconds(options.ttl) for seconds in late)
        shares = ", ".join(f"{share:.1%} {late[int(share * (len(late) - 1))]:.2f}" for share in (0.5, 0.9, 0.99, 1.0))
        print(f"  {what:8} {len(late):6} times: {shares} s; too late {over}")


async def client(options: argparse.Namespace) -> None:
    """Settle, say so, wait for the word, measure, print."""
    hedge.MOST_AT_ONCE = options.at_once
    stores = [
        EtcdStore(
            EtcdSpec(endpoints=tuple(options.client.split(",")), namespace=f"/lossy{n}"),
            clock=now,
            on_event=lambda _: None,
        )
        for n in range(options.clients)
    ]
    late: dict[str, list[float]] = {"renewal": [], "sight": []}
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(store.run()) for store in stores]
        keeping = [group.create_task(keep(store, options, late)) for store in stores]
        await asyncio.sleep(2 * options.ttl)
        print("settled", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        for times in late.values():
            times.clear()
        await asyncio.sleep(options.seconds)
        print(json.dumps(late), flush=True)
        for task in (*tasks, *keeping):
            task.cancel()


async def keep(store: EtcdStore, options: argparse.Namespace, late: dict[str, list[float]]) -> None:
    """One lease and one key, for ever."""
    name = ElectionName("e")
    grant = await store.grant(3600, timeout_seconds=10)
    entered = (await store.campaign([Candidacy(election=name, lease=grant.lease, document=b"x")], timeout_seconds=10))[
        0
    ]
    assert isinstance(entered, Campaigned)
    held = [(name, entered.create_revision)]

    async def renew(seconds: float) -> Instant:
        return (await store.renew(grant.lease, timeout_seconds=seconds)).sent_at

    async def look(seconds: float) -> Instant:
        sent_at = now()
        assert await store.confirm(grant.lease, held, timeout_seconds=seconds) == ()
        return sent_at

    await asyncio.gather(
        again_and_again(renew, options.ttl, timing.renewal_patience_seconds(options.ttl), late["renewal"]),
        again_and_again(look, options.ttl, timing.sight_patience_seconds(options.ttl), late["sight"]),
    )


async def again_and_again(
    call: Callable[[float], Awaitable[Instant]], ttl: float, patience: float, late: list[float]
) -> None:
    """Each time anew a third of the TTL after the sending of what was acknowledged last."""
    sent_at = now()
    while True:
        due = sent_at + timing.renewal_pause_seconds(ttl)
        await asyncio.sleep(max(0.0, due - now()))
        failures = 0
        while True:
            try:
                sent_at = await call(patience)
                break
            except StoreError:
                failures += 1
                await asyncio.sleep(0 if failures == 1 else PAUSE_SECONDS)
        late.append(now() - due)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--ttl", type=float, default=10.0)
    parser.add_argument("--loss", type=float, default=0.3)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--at-once", type=int, default=hedge.MOST_AT_ONCE)
    parser.add_argument("--etcd", default="3.5")
    parser.add_argument("--client", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
