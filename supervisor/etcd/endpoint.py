"""One etcd member: its address, its gRPC channel, and the calls we make on it, with their types.

Promises: a member that returns is found within about a second; nothing of the environment (proxies) comes between.
Does not: set deadlines, log in or choose among members (``channel`` does).
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import grpc
import grpc.aio

from supervisor.core.spec import TlsSpec
from supervisor.etcd.address import Address
from supervisor.etcd.errors import FileUnusable
from supervisor.pb.etcd import election_pb2, election_pb2_grpc, rpc_pb2, rpc_pb2_grpc

if TYPE_CHECKING:  # older grpcio, which we allow, cannot subscript these at run time
    Q = TypeVar("Q")
    R = TypeVar("R")
    Unary = grpc.aio.UnaryUnaryMultiCallable[Q, R]
    Stream = grpc.aio.UnaryStreamMultiCallable[Q, R]
    Duplex = grpc.aio.StreamStreamMultiCallable[Q, R]

_OPTIONS: tuple[tuple[str, int | str], ...] = (
    # A member that returns is found again within about a second, not after gRPC's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2000),  # the time that one attempt to connect may take
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
    # etcd ends connections that ping more often than every 5 s, or at all while no call is open (GOAWAY
    # too_many_pings). Frozen members are noticed by our own deadlines; pings are for routers that forget connections.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.http2.max_pings_without_data", 0),
    # etcd's own clients dial directly, whatever http_proxy says: a proxy must not come between a node and its lease.
    ("grpc.enable_http_proxy", 0),
    # Connections are ours alone: another store of this process must not share their fate.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", -1),  # one watch response may tell of thousands of elections
)


class Endpoint:
    """One member. Its certificates are read once, when it is made; connecting begins with the first call."""

    def __init__(self, address: Address, tls: TlsSpec | None) -> None:
        """Raises ``FileUnusable``."""
        self.url = address.label
        self._tls = tls
        self._files = _signature(
            tls
        )  # before reading: a file replaced meanwhile is read once too often, not too rarely
        self._channel = channel = _open(address, tls)
        # The generated stubs carry no types; these lines are where they get them.
        kv = rpc_pb2_grpc.KVStub(channel)
        self.range: Unary[rpc_pb2.RangeRequest, rpc_pb2.RangeResponse] = kv.Range
        self.txn: Unary[rpc_pb2.TxnRequest, rpc_pb2.TxnResponse] = kv.Txn
        watch = rpc_pb2_grpc.WatchStub(channel)
        self.watch: Duplex[rpc_pb2.WatchRequest, rpc_pb2.WatchResponse] = watch.Watch
        lease = rpc_pb2_grpc.LeaseStub(channel)
        self.grant: Unary[rpc_pb2.LeaseGrantRequest, rpc_pb2.LeaseGrantResponse] = lease.LeaseGrant
        self.revoke: Unary[rpc_pb2.LeaseRevokeRequest, rpc_pb2.LeaseRevokeResponse] = lease.LeaseRevoke
        self.time_to_live: Unary[rpc_pb2.LeaseTimeToLiveRequest, rpc_pb2.LeaseTimeToLiveResponse] = (
            lease.LeaseTimeToLive
        )
        self.keep_alive: Duplex[rpc_pb2.LeaseKeepAliveRequest, rpc_pb2.LeaseKeepAliveResponse] = lease.LeaseKeepAlive
        auth = rpc_pb2_grpc.AuthStub(channel)
        self.authenticate: Unary[rpc_pb2.AuthenticateRequest, rpc_pb2.AuthenticateResponse] = auth.Authenticate
        maintenance = rpc_pb2_grpc.MaintenanceStub(channel)
        self.status: Unary[rpc_pb2.StatusRequest, rpc_pb2.StatusResponse] = maintenance.Status
        cluster = rpc_pb2_grpc.ClusterStub(channel)
        self.member_list: Unary[rpc_pb2.MemberListRequest, rpc_pb2.MemberListResponse] = cluster.MemberList
        election = election_pb2_grpc.ElectionStub(channel)
        self.campaign: Unary[election_pb2.CampaignRequest, election_pb2.CampaignResponse] = election.Campaign
        self.proclaim: Unary[election_pb2.ProclaimRequest, election_pb2.ProclaimResponse] = election.Proclaim
        self.leader: Unary[election_pb2.LeaderRequest, election_pb2.LeaderResponse] = election.Leader
        self.observe: Stream[election_pb2.LeaderRequest, election_pb2.LeaderResponse] = election.Observe
        self.resign: Unary[election_pb2.ResignRequest, election_pb2.ResignResponse] = election.Resign

    def is_stale(self) -> bool:
        """Whether a certificate file was replaced since the channel was made."""
        return _signature(self._tls) != self._files

    async def close(self) -> None:
        """End the connection and every call on it."""
        await self._channel.close(None)


def read_file(path: str, key: str) -> bytes:
    """A file that the connection needs; ``key`` is its name in the YAML. Raises ``FileUnusable``."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        remedy = f"make it readable for user id {os.geteuid()}" if isinstance(error, PermissionError) else "correct it"
        raise FileUnusable(f"{key}: cannot read {path}: {error.strerror} ({remedy})") from None


def _open(address: Address, tls: TlsSpec | None) -> grpc.aio.Channel:
    if not address.secure:
        options = (*_OPTIONS, ("grpc.default_authority", address.authority))
        return grpc.aio.insecure_channel(address.target, options=options)
    tls = tls or TlsSpec()
    credentials = grpc.ssl_channel_credentials(
        root_certificates=read_file(tls.ca, "etcd.tls.ca") if tls.ca else None,
        private_key=read_file(tls.key, "etcd.tls.key") if tls.key else None,
        certificate_chain=read_file(tls.cert, "etcd.tls.cert") if tls.cert else None,
    )
    name = tls.server_name or address.name or ("localhost" if address.is_socket else "")
    named = (("grpc.ssl_target_name_override", name),) if name else ()
    return grpc.aio.secure_channel(address.target, credentials, options=(*_OPTIONS, *named))


def _signature(tls: TlsSpec | None) -> tuple[tuple[int, int, int] | None, ...]:
    """What changes when a certificate file is replaced."""
    paths = (tls.ca, tls.cert, tls.key) if tls else ()
    return tuple(_stat(path) for path in paths if path)


def _stat(path: str) -> tuple[int, int, int] | None:
    try:
        s = Path(path).stat()
    except OSError:
        return None
    return s.st_ino, s.st_mtime_ns, s.st_size
