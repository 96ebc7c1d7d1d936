"""Which candidate keys there are in a namespace, read linearizably and without a transaction."""

from supervisor.etcd import keys
from supervisor.etcd.channel import Channels
from supervisor.pb.etcd import rpc_pb2

PAGE_KEYS = 1000


async def read_key(channels: Channels, key: bytes, *, verb: str, timeout_seconds: float) -> int:
    """The create revision of one key; 0 when it is not there. Raises any ``StoreError``."""
    reply = await channels.call(
        lambda endpoint: endpoint.range,
        rpc_pb2.RangeRequest(key=key, keys_only=True),
        verb=verb,
        timeout_seconds=timeout_seconds,
    )
    return reply.kvs[0].create_revision if reply.kvs else 0


async def list_keys(channels: Channels, *, verb: str, timeout_seconds: float) -> dict[bytes, int]:
    """Create revisions by key, all as of one revision. Raises any ``StoreError``."""
    prefix = keys.namespace_prefix(channels.namespace)
    found: dict[bytes, int] = {}
    start, revision = prefix, 0
    while True:
        page = await channels.call(
            lambda endpoint: endpoint.range,
            rpc_pb2.RangeRequest(
                key=start, range_end=keys.range_end(prefix), limit=PAGE_KEYS, revision=revision, keys_only=True
            ),
            verb=verb,
            timeout_seconds=timeout_seconds,
        )
        revision = revision or page.header.revision
        found.update((kv.key, kv.create_revision) for kv in page.kvs)
        if not page.more:
            return found
        start = page.kvs[-1].key + b"\0"
