"""A foreign client, after the documentation of ``dotnet-etcd``: its names, its shape, its leader-election pattern.

Written from that page alone, over plain gRPC stubs, and using of etcd only what the page uses: Campaign, Proclaim, Leader,
Observe, Resign, and a lease. It shares nothing with ``supervisor.etcd``, and knows nothing of this product. What is C#
there is Python here: ``async Task<bool>`` is a coroutine, a ``CancellationToken`` is a task that is cancelled.

Two things of the page are not in etcd's API, and so not here: ``campaignResponse.Leader.Value`` (a LeaderKey has name,
key, rev and lease), and Resign or Proclaim with a KeyValue (they take a LeaderKey).
"""
# ruff: noqa: N802, N803, N806 # the names are the other library's

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import grpc
import grpc.aio

from supervisor.pb.etcd import election_pb2, election_pb2_grpc, kv_pb2, rpc_pb2, rpc_pb2_grpc


class EtcdClient:
    """``new EtcdClient("http://localhost:2379")``."""

    def __init__(self, connectionString: str) -> None:
        self._channel = grpc.aio.insecure_channel(connectionString.removeprefix("http://"))
        self._election = election_pb2_grpc.ElectionStub(self._channel)
        self._lease = rpc_pb2_grpc.LeaseStub(self._channel)

    async def LeaseGrantAsync(self, ttl: int) -> rpc_pb2.LeaseGrantResponse:
        response: rpc_pb2.LeaseGrantResponse = await self._lease.LeaseGrant(rpc_pb2.LeaseGrantRequest(TTL=ttl))
        return response

    async def LeaseKeepAliveAsync(self, leaseId: int) -> rpc_pb2.LeaseKeepAliveResponse:
        """One keep-alive."""

        async def requests() -> AsyncIterator[rpc_pb2.LeaseKeepAliveRequest]:
            yield rpc_pb2.LeaseKeepAliveRequest(ID=leaseId)

        async for response in self._lease.LeaseKeepAlive(requests()):
            assert isinstance(response, rpc_pb2.LeaseKeepAliveResponse)
            return response
        raise AssertionError("the stream ended without an answer")

    async def LeaseRevokeAsync(self, leaseId: int) -> None:
        await self._lease.LeaseRevoke(rpc_pb2.LeaseRevokeRequest(ID=leaseId))

    async def CampaignAsync(
        self, name: str, leaseId: int, value: str, deadline: float | None = None
    ) -> election_pb2.CampaignResponse:
        """Returns when elected; ``deadline`` in seconds from now."""
        request = election_pb2.CampaignRequest(name=name.encode(), lease=leaseId, value=value.encode())
        response: election_pb2.CampaignResponse = await self._election.Campaign(request, timeout=deadline)
        return response

    async def ProclaimAsync(self, leader: election_pb2.LeaderKey, value: str) -> None:
        await self._election.Proclaim(election_pb2.ProclaimRequest(leader=leader, value=value.encode()))

    async def LeaderAsync(self, name: str) -> election_pb2.LeaderResponse:
        response: election_pb2.LeaderResponse = await self._election.Leader(
            election_pb2.LeaderRequest(name=name.encode())
        )
        return response

    async def Observe(self, name: str) -> AsyncIterator[election_pb2.LeaderResponse]:
        """Every leader and every value, from now on."""
        async for response in self._election.Observe(election_pb2.LeaderRequest(name=name.encode())):
            yield response

    async def ResignAsync(self, leader: election_pb2.LeaderKey) -> None:
        await self._election.Resign(election_pb2.ResignRequest(leader=leader))

    async def Dispose(self) -> None:
        await self._channel.close(None)


class EtcdLeaderElection:
    """The page's "leader election pattern", line by line."""

    def __init__(self, client: EtcdClient, electionName: str, candidateValue: str, leaseTtl: int = 10) -> None:
        self._client = client
        self._electionName = electionName
        self._candidateValue = candidateValue
        self._leaseTtl = leaseTtl
        self._leaseId = 0
        self._leader: election_pb2.LeaderKey | None = None
        self._keepAliveCts: asyncio.Task[None] | None = None

    async def TryBecomeLeaderAsync(self, timeout: float) -> bool:
        try:
            leaseResponse = await self._client.LeaseGrantAsync(self._leaseTtl)
            self._leaseId = leaseResponse.ID
            self._keepAliveCts = asyncio.create_task(self._KeepLeaseAliveAsync())
            campaignResponse = await self._client.CampaignAsync(
                self._electionName, self._leaseId, self._candidateValue, deadline=timeout
            )
        except grpc.aio.AioRpcError as ex:
            # The page looks for the one code. The server's own deadline may be the faster one, and comes as one of the others.
            late = ex.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
            late = late or "deadline exceeded" in (ex.details() or "")
            if not late:
                raise
            await self._EndLease()
            return False
        self._leader = campaignResponse.leader
        return True

    async def ResignLeadershipAsync(self) -> None:
        if self._leader is not None:
            await self._client.ResignAsync(self._leader)
            self._leader = None
        await self._EndLease()

    async def ProclaimAsync(self, value: str) -> None:
        assert self._leader is not None
        await self._client.ProclaimAsync(self._leader, value)

    async def GetCurrentLeaderAsync(self) -> kv_pb2.KeyValue:
        observeResponse = await self._client.LeaderAsync(self._electionName)
        return observeResponse.kv

    async def Crash(self) -> None:
        """Not of the page: the process is gone, and with it the keep-alive."""
        if self._keepAliveCts is not None:
            self._keepAliveCts.cancel()
            with suppress(asyncio.CancelledError):
                await self._keepAliveCts
            self._keepAliveCts = None

    async def _EndLease(self) -> None:
        await self.Crash()
        if self._leaseId != 0:
            await self._client.LeaseRevokeAsync(self._leaseId)
            self._leaseId = 0

    async def _KeepLeaseAliveAsync(self) -> None:
        while True:
            try:
                await self._client.LeaseKeepAliveAsync(self._leaseId)
                await asyncio.sleep(self._leaseTtl / 3)
            except grpc.aio.AioRpcError:
                if self._leader is not None:
                    with suppress(grpc.aio.AioRpcError):
                        await self._client.ResignAsync(self._leader)
                    self._leader = None
                break
