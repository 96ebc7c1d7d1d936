"""Which of the three ranges this user may not use: etcd itself says only "permission denied".

Promises: asks without changing anything: a transaction whose condition cannot hold, and whose write is never carried out,
is refused all the same where the write would be. Does not: nest, since etcd without the fix of GHSA-rfx7-8w68-q57q looks at no
permission inside a nested transaction.
"""

from supervisor.etcd import keys
from supervisor.etcd.channel import Channels
from supervisor.etcd.errors import PermissionDenied
from supervisor.pb.etcd import rpc_pb2


async def missing(channels: Channels, *, timeout_seconds: float) -> tuple[str, ...]:
    """The prefixes that may not be read and written. Raises any ``StoreError`` but ``PermissionDenied``."""
    found = []
    for prefix in keys.ranges(channels.namespace):
        key, end = prefix.encode(), keys.range_end(prefix.encode())
        read = rpc_pb2.RequestOp(request_range=rpc_pb2.RangeRequest(key=key, range_end=end, limit=1, keys_only=True))
        write = rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=key))
        delete = rpc_pb2.RequestOp(request_delete_range=rpc_pb2.DeleteRangeRequest(key=key + b"x"))
        never = rpc_pb2.Compare(result=rpc_pb2.Compare.LESS, target=rpc_pb2.Compare.CREATE, key=key, create_revision=0)
        request = rpc_pb2.TxnRequest(compare=[never], success=[read, write, delete])
        try:
            await channels.call(
                lambda endpoint: endpoint.txn, request, verb=f"look at {prefix}", timeout_seconds=timeout_seconds
            )
        except PermissionDenied:
            found.append(prefix)
    return tuple(found)
