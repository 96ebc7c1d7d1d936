"""The naive baseline: the "leader election pattern" of dotnet-etcd's documentation, ported line by line to Python.

    python -m bench.rivals.naive --endpoints URL[,URL] [--ttl SECONDS] ELECTION[,ELECTION...] CANDIDATE -- COMMAND ...

Promises: what that page's class promises, and no more: ``TryBecomeLeader`` grants a lease, keeps it alive in the background
and calls etcd's Campaign with a timeout; ``ResignLeadership`` resigns and revokes; the keepalive loop resigns on an exception
and stops. The leader's "work" is COMMAND; a follower reads the leader and tries again, as its usage suggests.
Does not, since the page does not: verify a win, read the TTL in a keepalive's answer, stop the work when leadership is lost, or
survive its own end. Not for use: for comparison.
"""

import argparse
import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence

import grpc
import grpc.aio

from supervisor.pb.etcd import election_pb2, election_pb2_grpc, rpc_pb2, rpc_pb2_grpc

CAMPAIGN_TIMEOUT_SECONDS = 5.0
"""As in the page's usage."""


class EtcdLeaderElection:
    """The page's class of this name; its methods in snake case."""

    def __init__(
        self, channel: grpc.aio.Channel, election_name: str, candidate_value: str, lease_ttl: int = 10
    ) -> None:
        self._lease = rpc_pb2_grpc.LeaseStub(channel)
        self._election = election_pb2_grpc.ElectionStub(channel)
        self._election_name = election_name.encode()
        self._candidate_value = candidate_value.encode()
        self._lease_ttl = lease_ttl
        self._lease_id = 0
        self.leader: election_pb2.LeaderKey | None = None
        self._keep_alive: asyncio.Task[None] | None = None

    async def try_become_leader(self, timeout_seconds: float) -> bool:
        """Lease, keepalive, Campaign; False when that was not answered in time."""
        try:
            granted = await self._lease.LeaseGrant(rpc_pb2.LeaseGrantRequest(TTL=self._lease_ttl))
            self._lease_id = granted.ID
            self._keep_alive = asyncio.create_task(self._keep_lease_alive())
            request = election_pb2.CampaignRequest(
                name=self._election_name, lease=self._lease_id, value=self._candidate_value
            )
            self.leader = (await self._election.Campaign(request, timeout=timeout_seconds)).leader
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.DEADLINE_EXCEEDED:
                raise
            await self._let_go()
            return False
        return True

    async def resign_leadership(self) -> None:
        """Resign, end the keepalive, revoke."""
        if self.leader is not None:
            await self._election.Resign(election_pb2.ResignRequest(leader=self.leader))
            self.leader = None
        await self._let_go()

    async def _let_go(self) -> None:
        if self._keep_alive is not None:
            self._keep_alive.cancel()
            self._keep_alive = None
        if self._lease_id:
            await self._lease.LeaseRevoke(rpc_pb2.LeaseRevokeRequest(ID=self._lease_id))
            self._lease_id = 0

    async def get_current_leader(self) -> bytes:
        """What the leader proclaimed."""
        answer = await self._election.Leader(election_pb2.LeaderRequest(name=self._election_name))
        return bytes(answer.kv.value)

    async def _keep_lease_alive(self) -> None:
        while True:
            try:
                stream = self._lease.LeaseKeepAlive(iter([rpc_pb2.LeaseKeepAliveRequest(ID=self._lease_id)]))
                await stream.read()
                await asyncio.sleep(self._lease_ttl // 3)
            except Exception:  # noqa: BLE001 # as on the page
                with contextlib.suppress(Exception):
                    if self.leader is not None:
                        await self._election.Resign(election_pb2.ResignRequest(leader=self.leader))
                        self.leader = None
                break


async def take_part(election: EtcdLeaderElection, command: Sequence[str], over: asyncio.Event) -> None:
    """The page's usage, again and again until it is over."""
    while not over.is_set():
        if not await election.try_become_leader(CAMPAIGN_TIMEOUT_SECONDS):
            with contextlib.suppress(grpc.aio.AioRpcError):
                await election.get_current_leader()  # "election: no leader" is an error
            continue
        try:
            revision = election.leader.rev if election.leader is not None else 0
            await work(command, revision, over)
        finally:
            await election.resign_leadership()


async def work(command: Sequence[str], revision: int, over: asyncio.Event) -> None:
    """The leader-specific tasks: until they end, or this program is told to."""
    child = await asyncio.create_subprocess_exec(*command, env={**os.environ, "NAIVE_TOKEN": str(revision)})
    ended, told = asyncio.create_task(child.wait()), asyncio.create_task(over.wait())
    await asyncio.wait((ended, told), return_when=asyncio.FIRST_COMPLETED)
    if not ended.done():
        child.terminate()
    await ended
    told.cancel()


async def run(options: argparse.Namespace) -> None:
    """One candidate in each election."""
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    targets = ",".join(url.partition("://")[2] for url in options.endpoints.split(","))
    async with grpc.aio.insecure_channel(f"ipv4:{targets}") as channel, asyncio.TaskGroup() as group:
        tasks = []
        for name in options.elections.split(","):
            election = EtcdLeaderElection(channel, name, options.candidate, options.ttl)
            tasks.append(group.create_task(take_part(election, options.command, over)))
        await over.wait()
        for task in tasks:
            if task.get_coro() is not None and not task.done():
                await asyncio.wait((task,), timeout=CAMPAIGN_TIMEOUT_SECONDS)
            task.cancel()


def main() -> None:
    """Take part until SIGTERM."""
    parser = argparse.ArgumentParser(description="the naive baseline")
    parser.add_argument("--endpoints", required=True)
    parser.add_argument("--ttl", type=int, default=10)
    parser.add_argument("elections")
    parser.add_argument("candidate")
    parser.add_argument("command", nargs="+")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
