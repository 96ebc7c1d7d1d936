"""One look by gRPC: does the server say of its health that it serves (grpc.health.v1).

Promises: as ``looks``: never raises, says why in a few words, leaves no connection behind, ends when it is cancelled.
Every look connects anew, so that a server that accepts no more is seen. Does not: time itself.

Imported by the first such probe: gRPC itself is in the daemon for etcd, the messages of this service are not.
"""

import asyncio
import re
from pathlib import Path
from typing import Final

import grpc
import grpc.aio

from supervisor.core.spec import ProbeSpec, ProbeTls
from supervisor.pb import health_pb2

CHECK: Final = "/grpc.health.v1.Health/Check"
_OPTIONS: Final = (
    ("grpc.enable_http_proxy", 0),
    # Another probe's connection must not answer for this one, nor its pause after a failure count.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
    ("grpc.max_receive_message_length", 64 * 1024),
)
_PREFIXES: Final = re.compile(
    r"(?:[A-Z_]+: )?(?:(?:ipv4|ipv6|unix):\S+: )?(?:Failed to connect to remote host: )?(?:connect: )?"
)
_NOT_RESOLVED: Final = re.compile(r"lookup (?:failed for|error:).*?: ([^:\]]+)\]?\Z", re.DOTALL)
_OF_TLS: Final = re.compile(r"OPENSSL_internal:([A-Z_]+)")
_LONGEST: Final = 200


async def look_grpc(probe: ProbeSpec) -> str | None:
    """One Check. None for SERVING, else why not."""
    try:
        channel = await _open(probe.address, probe.tls)
    except OSError as error:
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    try:
        check = channel.unary_unary(
            CHECK,
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        # gRPC is told a time, too, so that it does not go on for someone who has left.
        answer = await check(health_pb2.HealthCheckRequest(service=probe.service), timeout=2 * probe.timeout_seconds)
    except grpc.aio.AioRpcError as error:
        return _in_words(error, probe.service)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return "the connection was closed"
    finally:
        await channel.close(None)
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        return None
    try:
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    except ValueError:
        return f"health status {answer.status}"


async def _open(address: str, tls: ProbeTls | None) -> grpc.aio.Channel:
    """Raises OSError for a file that cannot be read."""
    target = address if address.startswith("unix:") else f"dns:///{address}"
    if tls is None:
        return grpc.aio.insecure_channel(target, options=_OPTIONS)
    files = await asyncio.to_thread(lambda: [p and Path(p).read_bytes() for p in (tls.ca, tls.key, tls.cert)])
    authority, key, certificate = (data or None for data in files)
    credentials = grpc.ssl_channel_credentials(authority, key, certificate)
    name = tls.server_name or ("localhost" if address.startswith("unix:") else "")
    named = (("grpc.ssl_target_name_override", name),) if name else ()
    return grpc.aio.secure_channel(target, credentials, options=(*_OPTIONS, *named))


def _in_words(error: grpc.aio.AioRpcError, service: str) -> str:
    code, text = error.code(), error.details() or ""
    match code:
        case grpc.StatusCode.NOT_FOUND:
            return f"the server does not know the service {service!r}" if service else "the server knows no health"
        case grpc.StatusCode.UNIMPLEMENTED:
            return "the server does not implement grpc.health.v1"
        case grpc.StatusCode.UNAVAILABLE:
            return _why_not_connected(text)
        case _:
            return f"{code.name}: {text}"[:_LONGEST]


def _why_not_connected(text: str) -> str:
    """C-core's words, which name every layer, as the others say it."""
    reason = text.rpartition("last error: ")[2]  # before it C-core only says that it tried
    if (found := _NOT_RESOLVED.search(reason)) is not None:
        return f"host not found: {found[1]}"
    if (found := _OF_TLS.search(reason)) is not None:
        what = found[1].replace("_", " ").lower()
        return f"certificate refused: {what}" if "certificate" in what else f"TLS failed: {what}"
    words = re.sub(r" \(\d+\)\Z", "", reason[_PREFIXES.match(reason).end() :])  # type: ignore[union-attr] # all optional
    words = words.rpartition(" error: ")[2] if words.startswith("connect failed: ") else words
    shown = words[:_LONGEST] or "unavailable"
    return shown if shown[1:2].isupper() else shown[:1].lower() + shown[1:]
