"""The way to etcd: its endpoints, the login, and the turn to another endpoint when one fails.

Promises: every call ends by its deadline, in a result or in an error of ``errors``; an endpoint that is not there is
passed over within the same call; one that does not answer in time is not the first choice of the next call; a login
that lapsed is renewed within the call; certificate files that were replaced are read again when a connection fails.
Does not: ask whether a request may be repeated. A connection that breaks under one leaves open whether it was carried
out, and the next endpoint is asked the same: every request of ours is safe to repeat.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import grpc
import grpc.aio

from supervisor.core.spec import AuthSpec, EtcdSpec
from supervisor.etcd.endpoint import Endpoint, read_file
from supervisor.etcd.errors import AuthFailed, Rejected, StoreError, TimedOut, Unreachable, from_rpc
from supervisor.pb.etcd import rpc_pb2

if TYPE_CHECKING:
    from supervisor.etcd.endpoint import Unary

Q = TypeVar("Q")
R = TypeVar("R")
Attempt = Callable[[Endpoint, grpc.aio.Metadata], Awaitable[R]]
"""One try of a call at one endpoint, with the metadata it must send; raises errors of ``errors``."""


class Channels:
    """Every endpoint of one etcd. Opens nothing before the first call."""

    def __init__(self, spec: EtcdSpec) -> None:
        if not spec.endpoints:
            raise ValueError("no endpoints: the local etcd's is filled in before anything connects")
        self.namespace = spec.namespace
        self.urls = spec.endpoints
        self._tls = spec.tls
        self._open: dict[str, Endpoint] = {}
        self._preferred = 0
        self._login = Login(spec.auth)
        self._closed = False

    def preferred(self) -> Endpoint:
        """The endpoint to ask next. Raises ``FileUnusable`` when its certificates cannot be read."""
        url = self.urls[self._preferred]
        if self._closed:
            raise Rejected(f"{url}: this connection to etcd was closed")
        if url not in self._open:
            self._open[url] = Endpoint(url, self._tls)
        return self._open[url]

    def leave(self, endpoint: Endpoint) -> None:
        """It failed: the next in the list is preferred from now on, unless someone has turned away already."""
        if self.urls[self._preferred] == endpoint.url:
            self._preferred = (self._preferred + 1) % len(self.urls)

    async def call(
        self, method: Callable[[Endpoint], "Unary[Q, R]"], request: Q, *, verb: str, timeout_seconds: float
    ) -> R:
        """One answered request. ``verb`` is for messages. Raises any ``StoreError``."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds

        async def attempt(endpoint: Endpoint, metadata: grpc.aio.Metadata) -> R:
            # etcd is told the deadline too, so that it does not go on for someone who has left.
            left = max(deadline - loop.time(), 0.001)
            what = f"{verb} at {endpoint.url}"
            return await self.answer(lambda: method(endpoint)(request, timeout=left, metadata=metadata), what)

        return await self.try_each(attempt, verb=verb, timeout_seconds=timeout_seconds)

    async def try_each(self, attempt: Attempt[R], *, verb: str, timeout_seconds: float) -> R:
        """Attempt at the preferred endpoint and, while they are unreachable, at each other one, all within the time.

        Raises ``Unreachable`` naming them all; ``TimedOut`` as soon as one does not answer; a refusal as it comes.
        """
        problems: list[str] = []
        asked: Endpoint | None = None
        try:
            async with asyncio.timeout(timeout_seconds):
                for _ in self.urls:
                    asked = self.preferred()
                    try:
                        return await self._logged_in(asked, attempt)
                    except Unreachable as error:
                        problems.append(str(error))
                        await self._turn_away(asked)
                    except TimedOut:
                        self.leave(asked)
                        raise
        except TimeoutError:
            if asked is not None:
                self.leave(asked)
                problems.append(f"{verb} at {asked.url}: no answer within {timeout_seconds:.3g} s")
            raise TimedOut("; ".join(problems) or f"{verb}: no time left to ask") from None
        raise Unreachable("; ".join(problems))

    async def answer(self, call: Callable[[], Awaitable[R]], what: str) -> R:
        """Await something of gRPC's; its failures in our words."""
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error.code(), error.details(), what=what, namespace=self.namespace) from None
        except (grpc.aio.UsageError, asyncio.InvalidStateError) as error:  # the call, or its channel, has ended already
            raise Unreachable(f"{what}: {error}") from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # gRPC cancels the calls of a closed channel; nobody cancelled us.
            raise Unreachable(f"{what}: the connection was closed") from None

    async def close(self) -> None:
        """End every connection. Later calls are ``Rejected``."""
        self._closed = True
        while self._open:
            _url, endpoint = self._open.popitem()
            await endpoint.close()

    async def _logged_in(self, endpoint: Endpoint, attempt: Attempt[R]) -> R:
        token = await self._login.token(endpoint, self)
        try:
            return await attempt(endpoint, _metadata(token))
        except AuthFailed:
            # Expired, lost in a restart of the member, or older than a change of roles: all mended by a new login.
            if not self._login.forget(token):
                raise
        return await attempt(endpoint, _metadata(await self._login.token(endpoint, self)))

    async def _turn_away(self, endpoint: Endpoint) -> None:
        self.leave(endpoint)
        if endpoint.is_stale() and self._open.get(endpoint.url) is endpoint:
            del self._open[endpoint.url]
            await endpoint.close()


class Login:
    """The token of one user, shared by all endpoints (etcd agrees on tokens by raft), and had again when it lapses."""

    def __init__(self, auth: AuthSpec | None) -> None:
        self._auth = auth
        self._token: str | None = None
        self._lock = asyncio.Lock()

    async def token(self, endpoint: Endpoint, channels: Channels) -> str:
        """The token, asked for when there is none; empty where none is needed. Raises any ``StoreError``."""
        if self._auth is None:
            return ""
        async with self._lock:  # many calls find out at once that the token lapsed; one of them logs in
            if self._token is None:
                self._token = await self._authenticate(self._auth, endpoint, channels)
            return self._token

    def forget(self, token: str) -> bool:
        """This token was refused. False when no other can be had."""
        if self._auth is None:
            return False
        if self._token == token:
            self._token = None
        return True

    async def _authenticate(self, auth: AuthSpec, endpoint: Endpoint, channels: Channels) -> str:
        password = read_file(auth.password_file, "etcd.auth.password_file").decode(errors="replace").rstrip("\r\n")
        request = rpc_pb2.AuthenticateRequest(name=auth.user, password=password)
        what = f"login of {auth.user!r} at {endpoint.url}"
        try:
            reply = await channels.answer(lambda: endpoint.authenticate(request, metadata=_metadata("")), what)
        except StoreError as error:
            if "authentication is not enabled" in str(error):
                return ""  # as etcd's own client has it: the user may be configured before auth is switched on
            raise
        return reply.token


def _metadata(token: str) -> grpc.aio.Metadata:
    """``hasleader``: a member that sees no raft leader refuses at once, and ends open streams, instead of waiting."""
    pairs = [("hasleader", "true"), *([("token", token)] if token else [])]
    return grpc.aio.Metadata(*pairs)
