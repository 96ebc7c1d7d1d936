"""Ends terms and gives leases back when the daemon cannot: etcd's HTTP gateway, in a process of its own.

Promises: never delays the guardian (connecting, TLS and a frozen member block, so they do it in a forked helper);
connects and logs in *before* the first lease may be revoked, so that a term's end is one round trip: the transaction that
writes *stopped* over its record and deletes its key, whereupon the next in line may start; the lease follows. Tries every
endpoint, a slow one beside the next; gives up on a lease at its deadline, when etcd ends it anyway. Where a record cannot be
written (no permission, no space) the lease is left to run out: who waits has seen that coming and starts at once then, but
would have to wait a whole TTL for a term whose key went early and of which nothing says that it stopped.
Does not: decide when a lease may go. It is told so, one line each, through a pipe.

Protocol: POST /v3/kv/txn, /v3/lease/revoke {"ID": "<decimal>"} and /v3/auth/authenticate, etcd's gRPC gateway since 3.4:
bytes in base64, int64 as decimal text; the token goes into the Authorization header (etcd, "gRPC gateway").
"""

import json
import os
import signal
import time
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from socket import AF_UNIX, SOCK_STREAM, socket
from threading import Condition, Thread
from typing import Final
from urllib.parse import urlsplit

from supervisor.guardian.linux import boottime
from supervisor.guardian.protocol import Arm, Store

_CALL_TIMEOUT_SECONDS: Final = 2.0
_STAGGER_SECONDS: Final = 0.15
"""How long the next endpoint waits for the one before it."""
_PAUSE_SECONDS: Final = 0.1
_NOT_FOUND: Final = 5
"""gRPC's code: the lease does not exist (any more), which is what we want."""
_TERMS_AT_ONCE: Final = 50
"""etcd's --max-txn-ops is 128 by default: two operations a term, and the one inside each."""


class RevokeError(Exception):
    """An endpoint did not do it."""


class Endpoint:
    """One endpoint with its connection, kept open between calls."""

    def __init__(self, url: str, store: Store) -> None:
        """``url``: ``http(s)://address:port``, for TLS with ``#name`` to verify; or ``unix(s)://path``."""
        self._url = urlsplit(url)
        self._store = store
        self._connection: HTTPConnection | None = None
        self._token: str | None = None

    def prepare(self, timeout_seconds: float) -> None:
        """Connect and log in ahead of need. Raises OSError, HTTPException or RevokeError."""
        self._connect(timeout_seconds).connect()
        if self._store.user is not None and self._token is None:
            self._log_in(timeout_seconds)

    def revoke(self, lease: int, timeout_seconds: float) -> None:
        """Return when the lease does not exist. Raises OSError, HTTPException or RevokeError."""
        if self._store.user is not None and self._token is None:
            self._log_in(timeout_seconds)
        status, reply = self._post("/v3/lease/revoke", {"ID": str(lease)}, timeout_seconds)
        if status == 200 or reply.get("code") == _NOT_FOUND:
            return
        self._token = None  # it may have run out; the next attempt logs in anew
        raise RevokeError(f"HTTP {status}: {reply}")

    def end(self, terms: Sequence[Arm], timeout_seconds: float) -> None:
        """Return when these terms' records are ended and their keys gone. Raises as ``revoke``."""
        if self._store.user is not None and self._token is None:
            self._log_in(timeout_seconds)
        operations = [operation for term in terms for operation in (_stopped(term), _deleted(term))]
        status, reply = self._post("/v3/kv/txn", {"success": operations}, timeout_seconds)
        if status != 200:
            self._token = None
            raise RevokeError(f"HTTP {status}: {reply}")

    def close(self) -> None:
        """Drop the connection; the next call makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _log_in(self, timeout_seconds: float) -> None:
        with open(self._store.password_file or os.devnull, encoding="utf-8") as file:
            password = file.read().rstrip("\r\n")
        body = {"name": self._store.user or "", "password": password}
        status, reply = self._post("/v3/auth/authenticate", body, timeout_seconds)
        token = reply.get("token")
        if status != 200 or not isinstance(token, str):
            raise RevokeError(f"cannot log in: HTTP {status}: {reply}")
        self._token = token

    def _post(self, path: str, body: Mapping[str, object], timeout_seconds: float) -> tuple[int, dict[str, object]]:
        connection = self._connect(timeout_seconds)
        headers = {"Content-Type": "application/json"}
        if self._token is not None:
            headers["Authorization"] = self._token
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        said = response.read()
        try:
            reply = json.loads(said)
        except ValueError:  # such as: the gateway takes no certificate with a CommonName where auth is on
            raise RevokeError(f"HTTP {response.status}: {said[:200].decode(errors='replace').strip()}") from None
        return response.status, reply if isinstance(reply, dict) else {}

    def _connect(self, timeout_seconds: float) -> HTTPConnection:
        if self._connection is None:
            host, port = self._url.hostname or "localhost", self._url.port
            path = self._url.path if self._url.scheme in ("unix", "unixs") else ""
            if self._url.scheme in ("https", "unixs"):
                self._connection = _tls_connection(host, port, path, self._url.fragment or host, self._store)
            else:
                self._connection = _Plain(host, port, path)
        self._connection.timeout = timeout_seconds
        if self._connection.sock is not None:
            self._connection.sock.settimeout(timeout_seconds)
        return self._connection


class _Plain(HTTPConnection):
    """Over TCP, or to a socket on this machine."""

    def __init__(self, host: str, port: int | None, path: str) -> None:
        super().__init__(host, port)
        self._path = path

    def connect(self) -> None:
        """As http.client has it, or to the path."""
        if not self._path:
            super().connect()
            return
        self.sock = socket(AF_UNIX, SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _tls_connection(host: str, port: int | None, path: str, name: str, store: Store) -> HTTPConnection:
    import ssl  # noqa: PLC0415 # megabytes, and not on every machine: only where TLS is spoken

    context = ssl.create_default_context(cafile=store.ca)
    if store.cert is not None:
        context.load_cert_chain(store.cert, store.key)

    class Named(_Plain):
        """Verifies against the name looked up, or the configured one."""

        def connect(self) -> None:
            super().connect()
            self.sock = context.wrap_socket(self.sock, server_hostname=store.server_name or name)

    return Named(host, port, path)


def _stopped(term: Arm) -> dict[str, object]:
    """Over the term's record, if there is one."""
    key = _base64(term.record_key)
    there = {"target": "CREATE", "result": "GREATER", "key": key, "create_revision": "0"}
    put = {"request_put": {"key": key, "value": _base64(term.stopped_record)}}
    return {"request_txn": {"compare": [there], "success": [put]}}


def _deleted(term: Arm) -> dict[str, object]:
    """The candidate's key, if it is the term's."""
    key = _base64(term.candidate_key)
    ours = {"target": "CREATE", "result": "EQUAL", "key": key, "create_revision": str(term.token)}
    return {"request_txn": {"compare": [ours], "success": [{"request_delete_range": {"key": key}}]}}


def _base64(text: str) -> str:
    return b2a_base64(text.encode(errors="replace"), newline=False).decode()


class Work:
    """What is left to do, shared by one thread per endpoint: terms to be ended, as soon as each is empty, then leases."""

    def __init__(self) -> None:
        self.condition = Condition()
        self.terms: dict[str, tuple[float, Arm]] = {}
        """Name -> when it was given, the term."""
        self.leases: dict[int, tuple[float, float]] = {}
        """Lease -> when it was given, its deadline."""
        self.failed = False

    def add_term(self, term: Arm) -> None:
        """Nothing of it is alive."""
        with self.condition:
            self.terms[term.term] = (boottime(), term)
            self.condition.notify_all()

    def add_lease(self, lease: int, deadline: float) -> None:
        """Nothing of any term under it is alive."""
        with self.condition:
            self.leases[lease] = (boottime(), deadline)
            self.condition.notify_all()

    def take(self, patience_seconds: float) -> tuple[list[Arm], int, float]:
        """What has waited this long for the endpoints before: terms, or else a lease, and the seconds left for it."""
        with self.condition:
            while True:
                now = boottime()
                self._give_up(now)
                terms = [term for given, term in self.terms.values() if now >= given + patience_seconds]
                if terms:
                    return terms[:_TERMS_AT_ONCE], 0, _CALL_TIMEOUT_SECONDS
                for lease, (given, deadline) in self.leases.items():
                    # The key of a term that is not ended yet would go with its lease, and nothing would say that it stopped.
                    busy = any(term.lease == lease for _, term in self.terms.values())
                    if now >= given + patience_seconds and not busy:
                        return [], lease, deadline - now
                self.condition.wait(patience_seconds or None)

    def done(self, terms: Sequence[Arm], lease: int) -> None:
        """An endpoint did it."""
        with self.condition:
            for term in terms:
                self.terms.pop(term.term, None)
            self.leases.pop(lease, None)
            self.condition.notify_all()

    def wait_until_done(self) -> None:
        """Return when nothing is left, or what is left has run out."""
        with self.condition:
            while self.leases:
                until = min(deadline for _, deadline in self.leases.values())
                self.condition.wait(max(0.01, until - boottime()))
                self._give_up(boottime())

    def _give_up(self, now: float) -> None:
        """Past its deadline a lease ends by itself, and its terms with it."""
        late = [lease for lease, (_, deadline) in self.leases.items() if deadline <= now]
        for lease in late:
            del self.leases[lease]
            self.terms = {name: held for name, held in self.terms.items() if held[1].lease != lease}
            self.failed = True
            self.condition.notify_all()


def _serve(endpoint: Endpoint, work: Work, patience_seconds: float) -> None:
    try:
        endpoint.prepare(_CALL_TIMEOUT_SECONDS)
    except (OSError, HTTPException, RevokeError, ValueError):
        endpoint.close()
    while True:
        terms, lease, left = work.take(patience_seconds)
        timeout = min(left, _CALL_TIMEOUT_SECONDS)
        try:
            if terms:
                endpoint.end(terms, timeout)
            else:
                endpoint.revoke(lease, timeout)
        except (OSError, HTTPException, RevokeError, ValueError):
            endpoint.close()
            time.sleep(_PAUSE_SECONDS)
        else:
            work.done(terms, lease)


def serve(store: Store, endings: Mapping[str, Arm], orders_fd: int) -> bool:
    """Do what comes as lines ``term NAME`` and ``lease ID DEADLINE``, up to the end of the pipe. True when all succeeded."""
    work = Work()
    for number, url in enumerate(store.endpoints):
        patience = number * _STAGGER_SECONDS
        Thread(target=_serve, args=(Endpoint(url, store), work, patience), daemon=True).start()
    with open(orders_fd, encoding="utf-8") as orders:
        for line in orders:
            kind, _, rest = line.rstrip("\n").partition(" ")
            if kind == "term":
                work.add_term(endings[rest])
            else:
                lease, deadline = rest.split()
                work.add_lease(int(lease), float(deadline))
    work.wait_until_done()
    return not work.failed


def run_helper(store: Store, endings: Mapping[str, Arm], orders_fd: int) -> None:
    """The whole life of the forked helper. Does not return."""
    signal.set_wakeup_fd(-1)
    succeeded = False
    try:
        succeeded = serve(store, endings, orders_fd)
    finally:
        os._exit(0 if succeeded else 1)
