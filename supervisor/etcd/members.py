"""Every member of one etcd, how it does, and which of them is asked next.

Promises: one that failed is not asked while another is well; calls under way at once are shared among those that are
well; streams stay where they are until that one fails; a member that answers again is used again, and a fleet's daemons
spread over all of them: each begins at one of its own choosing, and moves to one that returns with the chance that makes
the shares equal. A call that fails makes its member *suspected*: not used, and asked how it is at once. Only when it fails
that, too, again and again, it is *ill*, which is told of once, however many calls saw it: in a change of etcd's leader all
fail for a moment, on a slow disk some always do, and nobody should read of either.
Does not: call (``channel`` does), ask how a member is when nobody else does (``rounds`` does), or know the cluster a
member belongs to before it has been told.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from supervisor.core.spec import TlsSpec
from supervisor.core.store_events import EndpointSight, EndpointsSeen
from supervisor.etcd.address import Address
from supervisor.etcd.endpoint import Endpoint
from supervisor.etcd.errors import FileUnusable

NEVER = float("-inf")
ILL_AFTER_MISSED = 2
CONNECTIONS = 3
"""To be had at least, to whichever members: as many as are asked at once (``hedge``)."""


@dataclass(slots=True)
class Member:
    """One address, with what is known of it."""

    address: Address
    endpoint: Endpoint | None = None
    spares: list[Endpoint] = field(default_factory=list)
    """Further connections, where there are few members."""
    well: bool | None = None
    """As told. None: not asked yet."""
    suspected: bool = False
    """A call of it failed, and none has succeeded since."""
    missed: int = 0
    """Questions how it is that it has not answered, in a row."""
    detail: str = ""
    failed_at: float = NEVER
    answers: int = 0
    failures: int = 0
    under_way: int = 0
    cluster: str = ""
    version: str = ""
    alarm: str = ""

    def connections(self) -> list[Endpoint]:
        """Those that are open."""
        return [*([self.endpoint] if self.endpoint is not None else []), *self.spares]

    def forget(self, endpoint: Endpoint) -> None:
        """This connection is none of its any more: another is opened when it is needed."""
        if endpoint in self.spares:
            self.spares.remove(endpoint)
        elif self.endpoint is endpoint:
            self.endpoint = None


class Members:
    """The members, in no order that matters."""

    def __init__(self, tls: TlsSpec | None, on_change: Callable[[EndpointsSeen], None]) -> None:
        self._tls = tls
        self._on_change = on_change
        self._all: dict[Address, Member] = {}
        self._home: Member | None = None
        self._leavers: list[Endpoint] = []
        self.suspicion = asyncio.Event()
        """Set when a member becomes suspected."""
        self.cluster = ""
        """The id of the cluster whose members these are, in hex, from the first of them that told it."""

    def __iter__(self) -> Iterator[Member]:
        """All of them."""
        return iter(list(self._all.values()))

    def __len__(self) -> int:
        """How many there are."""
        return len(self._all)

    def start(self, addresses: tuple[Address, ...]) -> None:
        """Begin with these, which is no news."""
        self._all = {a: Member(a) for a in addresses}

    def be(self, addresses: tuple[Address, ...]) -> None:
        """These are the members now. Connections to others are given up."""
        if addresses == tuple(self._all):
            return
        before = self._all
        self._all = {a: before.get(a) or Member(a) for a in addresses}
        gone = [member for a, member in before.items() if a not in self._all]
        self._leavers += [endpoint for m in gone for endpoint in m.connections()]
        if self._home is not None and self._home in gone:
            self._home = None
        self._tell()

    def leavers(self) -> list[Endpoint]:
        """Endpoints whose connections are to be closed; the caller does, once."""
        leavers, self._leavers = self._leavers, []
        return leavers

    def home(self) -> Member:
        """Where streams go: the same one until it fails."""
        if self._home is None or not self._usable(self._home):
            self._home = self._best(list(self._all.values()), among_equals=random.choice)
        return self._home

    def next(self, but: set[Address], *, surely: bool = False) -> Member | None:
        """Whom to ask: home, or one with less to do; none of ``but``. None when all have been asked.

        ``surely``: only such as are known to be of our cluster, for one of another knows none of our leases.
        """
        left = [m for a, m in self._all.items() if a not in but and (not surely or m.cluster == self.cluster)]
        if not left:
            return None
        home = self.home()
        return self._best(left, among_equals=lambda some: home if home in some else random.choice(some))  # noqa: S311 # spreads load

    def endpoint(self, member: Member) -> Endpoint:
        """The member's channel. Raises ``FileUnusable`` when its certificates cannot be read."""
        if member.endpoint is None:
            member.endpoint = Endpoint(member.address, self._tls)
        return member.endpoint

    def spares(self, member: Member) -> list[Endpoint]:
        """More connections to a member, for what is lost on its first; none where there is no use in them.

        Where there are members enough, others are asked instead, and on one machine nothing is lost. Two connections share
        no retransmission timer: the one may be silent for seconds while the other works.
        """
        wanted = 0 if member.address.is_near or member.endpoint is None else max(0, CONNECTIONS - len(self._all))
        with contextlib.suppress(FileUnusable):
            while len(member.spares) < wanted:
                member.spares.append(Endpoint(member.address, self._tls))
        return member.spares[:wanted]

    def answered(self, member: Member, by: Endpoint | None = None) -> None:
        """It answered, if only to refuse. The connection on which it did is asked first from now on."""
        if by is not None and by in member.spares and member.endpoint is not None:
            member.spares[member.spares.index(by)], member.endpoint = member.endpoint, by
        member.answers += 1
        member.suspected, member.missed = False, 0
        if member.well is not True:
            returned = member.well is False
            member.well, member.detail = True, ""
            if returned and random.random() < 1 / len(self._all):  # noqa: S311 # spreads load
                self._home = member
            self._tell()

    def failed(self, member: Member, detail: str) -> None:
        """It did not answer, or could not serve."""
        member.failures += 1
        member.failed_at = time.monotonic()
        if not member.suspected:
            member.suspected = True
            self.suspicion.set()
        if member is self._home:
            self._home = None
        if member.well is not True:
            member.detail = detail

    def missed(self, member: Member, detail: str) -> None:
        """It was asked how it is, and failed that."""
        member.missed += 1
        if member.missed >= ILL_AFTER_MISSED and member.well is not False:
            member.well, member.detail = False, detail
            self._tell()

    def told(self, member: Member, *, cluster: str, version: str, alarm: str) -> None:
        """What the member says of itself."""
        self.cluster = self.cluster or cluster
        if self.cluster != cluster and not any(m.well and m.cluster == self.cluster for m in self._all.values()):
            self.cluster = cluster  # nobody of the old one is left: it was replaced behind the same endpoints
        if (member.cluster, member.version, member.alarm) != (cluster, version, alarm):
            member.cluster, member.version, member.alarm = cluster, version, alarm
            self._leave_strangers()
            self._tell()
        if member is self._home and not self._usable(member):
            self._home = None

    def _leave_strangers(self) -> None:
        """What was begun before it was known whose they are: a watch would go on for ever, and show another cluster's keys."""
        for member in self._all.values():
            if self._stranger(member):
                self._leavers += member.connections()
                member.endpoint, member.spares = None, []

    def _usable(self, member: Member) -> bool:
        return member.well is not False and not member.suspected and not self._stranger(member)

    def _stranger(self, member: Member) -> bool:
        """Of another cluster than the rest: a lease from the one means nothing to the other."""
        return bool(member.cluster) and member.cluster != self.cluster

    def _best(self, members: list[Member], *, among_equals: Callable[[list[Member]], Member]) -> Member:
        """The least busy of those that are well; else the one whose failure is longest ago."""
        usable = [m for m in members if self._usable(m)]
        if usable:
            least = min(m.under_way for m in usable)
            return among_equals([m for m in usable if m.under_way == least])
        return min(members, key=lambda m: (self._stranger(m), m.failed_at))

    def _tell(self) -> None:
        sights = tuple(
            EndpointSight(
                endpoint=m.address.label,
                well=m.well,
                detail=f"belongs to another etcd cluster, {m.cluster}" if self._stranger(m) else m.detail,
                cluster=m.cluster,
                version=m.version,
                foreign=self._stranger(m),
                failures=m.failures,
                alarm=m.alarm,
            )
            for m in self._all.values()
        )
        self._on_change(EndpointsSeen(cluster=self.cluster, endpoints=sights))
