"""The way to etcd: its endpoints, the login, and the turn to another endpoint when one fails.

Promises: every call ends by its deadline, in a result or in an error of ``errors``; an endpoint that is not there is
passed over within the same call; one that does not answer in time is not asked again while another is well; a login
that lapsed is renewed within the call; certificate files that were replaced are read again when a connection fails.
A call that is *hedged* is put to the next endpoint as well when there is no answer for a moment (``hedge``).
Does not: ask whether a request may be repeated. A connection that breaks under one leaves open whether it was carried
out, and the next endpoint is asked the same: every request of ours is safe to repeat.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, TypeVar

import grpc
import grpc.aio

from supervisor.core.events import Event
from supervisor.core.spec import AuthSpec, EtcdSpec
from supervisor.etcd.address import Address
from supervisor.etcd.directory import Directory
from supervisor.etcd.endpoint import Endpoint, read_file
from supervisor.etcd.errors import (
    AuthFailed,
    PermissionDenied,
    Refused,
    Rejected,
    StoreError,
    TimedOut,
    Undecided,
    Unreachable,
    from_rpc,
)
from supervisor.etcd.hedge import Hedges, pause_seconds
from supervisor.etcd.members import Member, Members
from supervisor.pb.etcd import rpc_pb2

if TYPE_CHECKING:
    from supervisor.etcd.endpoint import Unary

Q = TypeVar("Q")
R = TypeVar("R")
Attempt = Callable[[Endpoint, grpc.aio.Metadata], Awaitable[R]]
"""One try of a call at one endpoint, with the metadata it must send; raises errors of ``errors``."""


class Channels:
    """Every endpoint of one etcd. Opens nothing before the first call."""

    def __init__(self, spec: EtcdSpec, on_event: Callable[[Event], None] = lambda _: None) -> None:
        """``on_event`` is told how the endpoints are. ``ValueError`` when the spec has none."""
        self.namespace = spec.namespace
        self.members = Members(spec.tls, on_event)
        self.directory = Directory(spec, self.members.be)
        self.members.start(self.directory.addresses)
        self.denied = asyncio.Event()
        """Set when something was refused for want of a permission."""
        self.names_user = spec.auth is not None
        self._login = Login(spec.auth)
        self._hedges = Hedges()
        self._closed = False

    async def known(self) -> list[Member]:
        """Every member that is known of. Raises ``Unreachable`` when none is."""
        await self.directory.known()
        for endpoint in self.members.leavers():
            await endpoint.close()
        if self._closed:
            raise Rejected("this connection to etcd was closed")
        return list(self.members)

    def home(self) -> Endpoint:
        """Where streams go now. Raises ``FileUnusable``."""
        return self.members.endpoint(self.members.home())

    def leave(self, endpoint: Endpoint, detail: str) -> None:
        """It failed: others are asked from now on, until it is seen to answer."""
        for member in self.members:
            if endpoint in member.connections():
                self._failed(member, detail)

    async def call(
        self,
        method: Callable[[Endpoint], "Unary[Q, R]"],
        request: Q,
        *,
        verb: str,
        timeout_seconds: float,
        hedged: bool = False,
    ) -> R:
        """One answered request. ``verb`` is for messages; ``hedged``: see ``first``. Raises any ``StoreError``."""
        attempt = self.attempt(method, request, verb, timeout_seconds)
        if hedged:
            return await self.first(attempt, verb=verb, timeout_seconds=timeout_seconds)
        return await self.try_each(attempt, verb=verb, timeout_seconds=timeout_seconds)

    async def ask(
        self,
        member: Member,
        method: Callable[[Endpoint], "Unary[Q, R]"],
        request: Q,
        *,
        verb: str,
        timeout_seconds: float,
    ) -> R:
        """One answered request of this member. Raises any ``StoreError``."""
        attempt = self.attempt(method, request, verb, timeout_seconds)
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        return await self._by(member, None, attempt, verb, timeout_seconds, deadline)

    async def warm_spares(self, member: Member, *, timeout_seconds: float) -> None:
        """Have the further connections of a member, if it is to have any, carry something."""
        request, verb = rpc_pb2.StatusRequest(), "status by a further connection"
        attempt = self.attempt(lambda endpoint: endpoint.status, request, verb, timeout_seconds)
        if not self._closed:
            spares = self.members.spares(member)
            await asyncio.gather(*(self._logged_in(spare, attempt) for spare in spares), return_exceptions=True)

    async def first(self, attempt: Attempt[R], *, verb: str, timeout_seconds: float, stream: bool = False) -> R:
        """As ``try_each``, but no attempt is waited for long before another is made beside it; the first answer counts.

        For what may be carried out twice, at once and late: attempts that nobody waits for any more go on until the time
        is over. Asked beside the first are members that surely are of its cluster, then those of one address by a
        second connection. Raises ``TimedOut`` when all are out of time.
        """
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        try:
            async with asyncio.timeout_at(deadline):
                await self.known()
        except TimeoutError:
            raise TimedOut(f"{verb}: no time left to ask") from None
        tried: set[Address] = set()
        spares: list[tuple[Member, Endpoint]] = []
        failed: list[Member] = []

        async def lane(member: Member, endpoint: Endpoint | None = None) -> R:
            try:
                return await self._by(member, endpoint, attempt, verb, timeout_seconds, deadline)
            except Unreachable:  # for now: a change of etcd's leader is over in a second or two
                failed.append(member)
                raise

        def begin(after_failure: bool) -> Coroutine[None, None, R] | None:
            if stream and not tried:
                member: Member | None = self.members.home()
            else:
                member = self.members.next(tried, surely=not after_failure)
            if member is not None:
                tried.add(member.address)
                spares.extend((member, spare) for spare in self.members.spares(member))
                return lane(member)
            if spares:
                return lane(*spares.pop(0))
            return lane(failed.pop(0)) if failed and not after_failure else None

        return await self._hedges.first_answer(begin, pause=pause_seconds(timeout_seconds))

    async def try_each(self, attempt: Attempt[R], *, verb: str, timeout_seconds: float, stream: bool = False) -> R:
        """Attempt at the endpoint to ask next and, while they are unreachable, at each other one, all within the time.

        ``stream``: begin where streams go. Raises ``Unreachable`` naming them all; ``TimedOut`` as soon as one does
        not answer; a refusal as it comes.
        """
        problems: list[str] = []
        tried: set[Address] = set()
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        try:
            async with asyncio.timeout_at(deadline):
                await self.known()
        except TimeoutError:
            raise TimedOut(f"{verb}: no time left to ask") from None
        while (asked := self.members.home() if stream and not tried else self.members.next(tried)) is not None:
            tried.add(asked.address)
            try:
                return await self._by(asked, None, attempt, verb, timeout_seconds, deadline)
            except Unreachable as error:
                problems.append(str(error))
            except TimedOut as error:
                raise TimedOut("; ".join([*problems, str(error)])) from None
        raise Unreachable("; ".join(problems))

    async def _by(
        self,
        member: Member,
        endpoint: Endpoint | None,
        attempt: Attempt[R],
        verb: str,
        timeout_seconds: float,
        deadline: float,
    ) -> R:
        """One attempt at one member until the deadline, by this connection or else by its first one."""
        if self._closed:
            raise Rejected(f"{member.address.label}: this connection to etcd was closed")
        endpoint = endpoint or self.members.endpoint(member)
        try:
            async with asyncio.timeout_at(deadline):
                return await self._noted(member, endpoint, attempt)
        except TimeoutError:
            error = TimedOut(f"{verb} at {member.address.label}: no answer within {timeout_seconds:.3g} s")
            if member.endpoint is endpoint:
                self._failed(member, str(error))
            raise error from None

    def attempt(
        self, method: Callable[[Endpoint], "Unary[Q, R]"], request: Q, verb: str, timeout_seconds: float
    ) -> Attempt[R]:
        """One try of a unary call, for ``try_each`` and ``first``; its time begins now."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds

        async def attempt(endpoint: Endpoint, metadata: grpc.aio.Metadata) -> R:
            # etcd is told the deadline too, so that it does not go on for someone who has left.
            left = max(deadline - loop.time(), 0.001)
            what = f"{verb} at {endpoint.url}"
            return await self.answer(lambda: method(endpoint)(request, timeout=left, metadata=metadata), what)

        return attempt

    async def _noted(self, member: Member, endpoint: Endpoint, attempt: Attempt[R]) -> R:
        """An attempt at one member, and what it says of the member."""
        member.under_way += 1
        try:
            result = await self._logged_in(endpoint, attempt)
        except Undecided as error:
            if member.endpoint is endpoint:
                self._failed(member, str(error))
            if isinstance(error, Unreachable):
                await self._renew(member, endpoint)
            raise
        except Refused as error:
            self.members.answered(member)
            if isinstance(error, PermissionDenied):
                self.denied.set()
            raise
        finally:
            member.under_way -= 1
        self.members.answered(member, endpoint)
        return result

    def _failed(self, member: Member, detail: str) -> None:
        if not self._closed:  # that calls fail then says nothing of their member
            self.members.failed(member, detail)
            self.directory.look_again()

    async def _renew(self, member: Member, endpoint: Endpoint) -> None:
        """Connect anew if the certificates were replaced."""
        if endpoint.is_stale() and endpoint in member.connections():
            member.forget(endpoint)
            await endpoint.close()

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
        await self._hedges.close()
        await self.directory.close()
        for member in self.members:
            for endpoint in member.connections():
                await endpoint.close()
        for endpoint in self.members.leavers():
            await endpoint.close()

    async def _logged_in(self, endpoint: Endpoint, attempt: Attempt[R]) -> R:
        token = await self._login.token(endpoint, self)
        try:
            return await attempt(endpoint, _metadata(token))
        except AuthFailed:
            # Expired, lost in a restart of the member, or older than a change of roles: all mended by a new login.
            if not self._login.forget(token):
                self.denied.set()
                raise
        except PermissionDenied as error:
            # So etcd calls who shows a certificate without a CommonName and no token: auth was switched on meanwhile.
            if token:
                raise
            if not self._login.forget(token):
                raise PermissionDenied(f"{error}; or set etcd.auth.user and etcd.auth.password_file") from None
        return await attempt(endpoint, _metadata(await self._login.token(endpoint, self)))


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
