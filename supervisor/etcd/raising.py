"""A store whose revisions went back, brought above what was seen: write after write, each of which is a revision.

Promises: the revision is above the one asked for when it returns; one small key is written, over and over, and deleted in
the end. Does not: belong on an etcd that others use: it is for the local one, after its data was lost.
"""

import asyncio

from supervisor.core.names import Token
from supervisor.etcd.channel import Channels
from supervisor.etcd.errors import TimedOut
from supervisor.pb.etcd import rpc_pb2

AT_ONCE = 100
CALL_TIMEOUT_SECONDS = 10.0


async def raise_revision(channels: Channels, above: Token, *, timeout_seconds: float) -> None:
    """Write until it is so. Raises any ``StoreError``."""
    key = f"{channels.namespace}.ctl/raise".encode()
    put = rpc_pb2.TxnRequest(success=[rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=key))])
    delete = rpc_pb2.DeleteRangeRequest(key=key)
    over = rpc_pb2.TxnRequest(success=[rpc_pb2.RequestOp(request_delete_range=delete)])

    async def write(request: rpc_pb2.TxnRequest) -> int:
        reply = await channels.call(
            lambda endpoint: endpoint.txn, request, verb="raise of the revision", timeout_seconds=CALL_TIMEOUT_SECONDS
        )
        return reply.header.revision

    try:
        async with asyncio.timeout(timeout_seconds):
            revision = await write(put)
            while revision <= above:
                wanted = min(AT_ONCE, above - revision + 1)
                revision = max(await asyncio.gather(*(write(put) for _ in range(wanted))))
            await write(over)
    except TimeoutError:
        raise TimedOut(f"raise of the revision above {above}: not done within {timeout_seconds:g} s") from None
