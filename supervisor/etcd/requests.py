"""Requests to nodes: the keys below ``<namespace>.ctl/``, watched and written.

Promises: told of as a whole, at first and at every change; a list that is not permitted is told of once, anything else that
goes wrong is tried again without a word, for the watch of the queues says how etcd is. Writing over a request takes the
revision of what is there: of two who ask at once, one is told so. Does not: know what a request means (``core.requests`` does).
"""

from collections.abc import Callable, Iterable

from supervisor.core.events import Event
from supervisor.core.request_events import Entry, RequestsSeen, RequestsUnseen
from supervisor.etcd import keys
from supervisor.etcd.channel import Channels
from supervisor.etcd.endpoint import Endpoint
from supervisor.etcd.errors import AuthFailed, PermissionDenied, StoreError
from supervisor.etcd.watch import QueueWatch
from supervisor.pb.etcd import kv_pb2, rpc_pb2

QUIET_SECONDS = 20.0
"""A request that comes late is no harm; a question every two seconds beside that of the queues' watch would be work for nothing."""


class Requests:
    """What the last list and the events since have shown."""

    def __init__(self, prefix: bytes, wall: Callable[[], float]) -> None:
        self._prefix = prefix
        self._wall = wall
        self._entries: dict[str, Entry] = {}

    def replace(self, found: Iterable[kv_pb2.KeyValue], _revision: int) -> list[RequestsSeen]:
        """A list of them all."""
        self._entries = {}
        for kv in found:
            self._put(kv)
        return [self._seen()]

    def apply(self, events: Iterable[kv_pb2.Event]) -> list[RequestsSeen]:
        """Watch events, in order."""
        some = False
        for event in events:
            some = True
            if event.type == kv_pb2.Event.DELETE:
                self._entries.pop(self._path(event.kv.key), None)
            else:
                self._put(event.kv)
        return [self._seen()] if some else []

    def _put(self, kv: kv_pb2.KeyValue) -> None:
        path = self._path(kv.key)
        self._entries[path] = Entry(path=path, value=kv.value, revision=kv.mod_revision)

    def _path(self, key: bytes) -> str:
        return key.removeprefix(self._prefix).decode(errors="replace")

    def _seen(self) -> RequestsSeen:
        return RequestsSeen(entries=tuple(self._entries.values()), wall_seconds=self._wall())


class RequestWatch(QueueWatch):
    """Follows the requests of a namespace."""

    def __init__(self, channels: Channels, on_event: Callable[[Event], None], wall: Callable[[], float]) -> None:
        prefix = keys.requests_prefix(channels.namespace)
        super().__init__(channels, on_event, quiet_seconds=QUIET_SECONDS, view=Requests(prefix, wall), prefix=prefix)
        self._refused = False

    def _reached(self, _endpoint: Endpoint) -> None:
        self._refused = False

    def _confirm(self) -> None:
        pass

    def _failed(self, error: StoreError) -> None:
        if isinstance(error, PermissionDenied | AuthFailed) and not self._refused:
            self._refused = True
            self._on_event(RequestsUnseen(detail=str(error)))


async def write(
    channels: Channels, path: str, value: bytes | None, revision: int | None, *, timeout_seconds: float
) -> bool:
    """Put a request, or take it back (None), if what is there is of this revision (0: nothing; None: whatever it is).

    Whether it was. Raises any ``StoreError``.
    """
    key = keys.requests_prefix(channels.namespace) + path.encode()
    if value is None:
        change = rpc_pb2.RequestOp(request_delete_range=rpc_pb2.DeleteRangeRequest(key=key))
    else:
        change = rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=key, value=value))
    meant = rpc_pb2.Compare(
        result=rpc_pb2.Compare.EQUAL, target=rpc_pb2.Compare.MOD, key=key, mod_revision=revision or 0
    )
    request = rpc_pb2.TxnRequest(compare=[] if revision is None else [meant], success=[change])
    reply = await channels.call(
        lambda endpoint: endpoint.txn, request, verb=f"request {path}", timeout_seconds=timeout_seconds
    )
    return reply.succeeded
