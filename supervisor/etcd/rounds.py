"""How each member is, asked when nobody else does: so that one is known to be ill before it is needed, and to be back.

Promises: one cheap question (Maintenance.Status) to each member every few seconds, sooner to one that is ill; all
connections are warm when they are needed; cluster id and version of each member become known.
Does not: hold anything up: a member that hangs costs its own question only.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import NoReturn

from supervisor.core.events import Event
from supervisor.core.store_events import PermissionsSeen
from supervisor.etcd import keys
from supervisor.etcd.channel import Channels
from supervisor.etcd.errors import AuthFailed, Rejected, StoreError, TimedOut, Undecided
from supervisor.etcd.members import Member
from supervisor.etcd.permissions import missing
from supervisor.pb.etcd import rpc_pb2

ALARMS = ("NOSPACE", "CORRUPT")
WELL_EVERY_SECONDS = 5.0
ILL_EVERY_SECONDS = 1.0
TIMEOUT_SECONDS = 1.0
PERMISSIONS_TIMEOUT_SECONDS = 3.0


async def identify(channels: Channels, *, timeout_seconds: float) -> str:
    """The id, in hex, of the one cluster to which all endpoints that answer belong. Raises any ``StoreError``.

    A list is asked for as well: whoever may not read the namespace would be connected, and no use.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            members = await channels.known()
    except TimeoutError:
        raise TimedOut(f"no endpoint of etcd is known within {timeout_seconds:g} s") from None
    outcomes = await asyncio.gather(*(_cluster(channels, m, timeout_seconds) for m in members))
    found = {outcome for outcome in outcomes if isinstance(outcome, str)}
    if len(found) > 1:
        raise Rejected(f"its endpoints belong to different etcd clusters: {', '.join(sorted(found))}")
    if not found:
        raise next(outcome for outcome in outcomes if isinstance(outcome, StoreError))
    await channels.call(
        lambda endpoint: endpoint.range,
        rpc_pb2.RangeRequest(key=keys.namespace_prefix(channels.namespace), keys_only=True, limit=1),
        verb=f"look into {channels.namespace}",
        timeout_seconds=timeout_seconds,
    )
    return found.pop()


async def _cluster(channels: Channels, member: Member, timeout_seconds: float) -> str | StoreError:
    try:
        reply = await channels.ask(
            member,
            lambda endpoint: endpoint.status,
            rpc_pb2.StatusRequest(),
            verb="status",
            timeout_seconds=timeout_seconds,
        )
    except StoreError as error:
        return error
    return f"{reply.header.cluster_id:x}"


class Rounds:
    """The rounds of one etcd's members."""

    def __init__(self, channels: Channels, on_event: Callable[[Event], None]) -> None:
        self._channels = channels
        self._on_event = on_event

    async def watch_permissions(self) -> NoReturn:
        """Find out which ranges may not be used: at first, when something was denied, and as long as one is missing."""
        known: tuple[str, ...] | None = (
            None  # told at first in any case: another connection may have found another user
        )
        while True:
            self._channels.denied.clear()
            try:
                found = await missing(self._channels, timeout_seconds=PERMISSIONS_TIMEOUT_SECONDS)
            except StoreError as error:
                if self._channels.names_user or not isinstance(error, AuthFailed):
                    await asyncio.sleep(ILL_EVERY_SECONDS)
                    continue
                found = keys.ranges(self._channels.namespace)  # etcd asks for a user: who names none may use nothing
            if found != known:
                known = found
                self._on_event(PermissionsSeen(missing=found))
            await asyncio.sleep(ILL_EVERY_SECONDS)
            if not found:
                await self._channels.denied.wait()

    async def run(self) -> NoReturn:
        """Ask until cancelled."""
        loop = asyncio.get_running_loop()
        due: dict[int, float] = {}
        while True:
            try:
                members = await self._channels.known()
            except StoreError:
                members = []
            now = loop.time()
            # One that becomes suspected is asked at once: it is not used until it answers.
            asked = [m for m in members if due.get(id(m), 0.0) <= now or (m.suspected and not m.missed)]
            self._channels.members.suspicion.clear()
            await asyncio.gather(*map(self._ask, asked))
            now = loop.time()
            due = {id(m): due[id(m)] for m in members if id(m) in due}
            for m in asked:
                every = ILL_EVERY_SECONDS if m.suspected or not m.well else WELL_EVERY_SECONDS
                due[id(m)] = now + every * random.uniform(0.8, 1)  # noqa: S311 # so that a fleet does not ask as one
            pause = max(0.05, min(due.values(), default=now + ILL_EVERY_SECONDS) - now)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._channels.members.suspicion.wait()

    async def _ask(self, member: Member) -> None:
        warm = self._channels.warm_spares(member, timeout_seconds=TIMEOUT_SECONDS)
        await asyncio.gather(self._ask_how_it_is(member), warm)

    async def _ask_how_it_is(self, member: Member) -> None:
        try:
            reply = await self._channels.ask(
                member,
                lambda endpoint: endpoint.status,
                rpc_pb2.StatusRequest(),
                verb="status",
                timeout_seconds=TIMEOUT_SECONDS,
            )
        except Undecided as error:
            self._channels.members.missed(member, str(error))
        except StoreError:
            return  # it may not be told, but it answers
        else:
            alarms = sorted({word for error in reply.errors for word in ALARMS if word in error})
            cluster = f"{reply.header.cluster_id:x}"
            self._channels.members.told(member, cluster=cluster, version=reply.version, alarm=", ".join(alarms))
