"""Give leases back through etcd's HTTP/JSON gateway, when the daemon that held them is dead. Standard library only.

Runs in a process of its own, forked by the guardian, so that no slow etcd ever delays a kill. Promises: tries every
endpoint in turn until each lease is gone or its deadline has passed; reads the password when it needs it and keeps it
nowhere. (``/v3/lease/revoke`` and ``/v3/auth/authenticate``: etcd's grpc-gateway, since 3.4.)
"""

import contextlib
import http.client
import json
import time
from pathlib import Path
from urllib.parse import urlsplit

from supervisor.guardian.protocol import Store

CALL_TIMEOUT_SECONDS = 1.0
_LEASE_NOT_FOUND = 5  # gRPC's NOT_FOUND, as the gateway reports it


def revoke(store: Store, leases: dict[int, float]) -> None:
    """Revoke each lease (id -> deadline on CLOCK_BOOTTIME), as long as there is any sense in it."""
    left = dict(leases)
    while left:
        for endpoint in store.endpoints:
            for lease in list(left):
                if _revoke_one(store, endpoint, lease):
                    del left[lease]
        left = {lease: until for lease, until in left.items() if until > time.clock_gettime(time.CLOCK_BOOTTIME)}
        if left:
            time.sleep(0.1)


def _revoke_one(store: Store, endpoint: str, lease: int) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        connection = _connect(store, endpoint)
        try:
            headers = _login(store, connection)
            # The gateway reads 64-bit numbers from decimal strings (proto3's JSON mapping).
            status, reply = _post(connection, "/v3/lease/revoke", {"ID": str(lease)}, headers)
            return status == http.client.OK or reply.get("code") == _LEASE_NOT_FOUND
        finally:
            connection.close()
    return False


def _connect(store: Store, endpoint: str) -> http.client.HTTPConnection:
    parts = urlsplit(endpoint)
    host, port = parts.hostname or "127.0.0.1", parts.port or 2379
    if parts.scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=CALL_TIMEOUT_SECONDS)
    import ssl  # noqa: PLC0415 # only where it is needed: it would cost every guardian megabytes

    context = ssl.create_default_context(cafile=store.ca)
    if store.cert is not None:
        context.load_cert_chain(store.cert, store.key)
    return http.client.HTTPSConnection(host, port, timeout=CALL_TIMEOUT_SECONDS, context=context)


def _login(store: Store, connection: http.client.HTTPConnection) -> dict[str, str]:
    if store.user is None or store.password_file is None:
        return {}
    password = Path(store.password_file).read_text().rstrip("\n")
    _, reply = _post(connection, "/v3/auth/authenticate", {"name": store.user, "password": password}, {})
    token = reply.get("token")
    return {"Authorization": token} if isinstance(token, str) else {}


def _post(
    connection: http.client.HTTPConnection, path: str, body: dict[str, str], headers: dict[str, str]
) -> tuple[int, dict[str, object]]:
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **headers})
    response = connection.getresponse()
    reply = json.loads(response.read(65536) or b"{}")
    return response.status, reply if isinstance(reply, dict) else {}
