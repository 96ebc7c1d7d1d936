"""Where this daemon answers HTTP, as the file says: opened, moved and closed when the file changes.

Health and metrics have an address, and so has the page; they may share one. Promises: the new address answers before the old one
stops, and one that stays is not closed in between; an address that cannot be had is told of once and tried again, and harms
nothing else; without one nothing of it, prometheus-client included, is in memory. Does not: know what is answered.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from supervisor.core import events as ev
from supervisor.core.happenings import Happening
from supervisor.core.names import EPOCH, Instant
from supervisor.core.outside import WebSpec
from supervisor.core.spec import Spec
from supervisor.core.state import State

if TYPE_CHECKING:
    from supervisor.daemon.web import Web
    from supervisor.report.http import Answer, HttpServer, Request
    from supervisor.report.metrics import Metrics, Moment

AGAIN_SECONDS = 2.0
FRESH_SECONDS = 0.5

Address: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What is answered at one address."""

    metrics: bool = False
    web: WebSpec | None = None


@dataclass(slots=True, kw_only=True)
class _Open:
    """An address that answers."""

    server: "HttpServer"
    place: Place = field(default_factory=Place)
    web: "Web | None" = None


class Outside:
    """The addresses, or none."""

    def __init__(
        self,
        moment: "Callable[[], Moment]",
        page: "Callable[[WebSpec], Web]",
        say: Callable[[str], None],
        warn: Callable[[str], None],
    ) -> None:
        """Nothing is opened before ``run``. ``page`` makes what answers for a browser."""
        self._moment = moment
        self._page = page
        self._say = say
        self._warn = warn
        self._wanted: Mapping[Address, Place] = {}
        self._open: dict[Address, _Open] = {}
        self._changed = asyncio.Event()
        self._metrics: Metrics | None = None
        self._scraping = asyncio.Lock()
        self._text, self._text_at = b"", EPOCH

    def note(self, before: State, event: ev.Event, after: State, found: Iterable[Happening], now: Instant) -> None:
        """Count one step, and see whether the file has changed."""
        if self._metrics is not None:
            self._metrics.note(before, event, after, found, now)
        if after.spec is not before.spec and after.spec is not None and (wanted := places(after.spec)) != self._wanted:
            self._wanted = wanted
            if before.spec is None and after.spec.metrics is not None:
                self._load()  # before the first term, which is to be counted; nothing waits for us yet
            self._changed.set()

    def _load(self) -> None:
        from supervisor.report.metrics import Metrics  # noqa: PLC0415 # 5 MB, only where it is asked for

        self._metrics = self._metrics or Metrics()

    async def _scraped(self) -> bytes:
        """In a thread, one at a time, and the same for those who ask within a moment: scrapes must not be what makes us late."""
        assert self._metrics is not None
        async with self._scraping:
            moment = self._moment()
            if not self._text or moment.now >= self._text_at + FRESH_SECONDS:
                self._text, self._text_at = await asyncio.to_thread(self._metrics.text, moment), moment.now
            return self._text

    async def run(self) -> None:
        """Answer where the file says, until cancelled."""
        refused: set[Address] = set()
        try:
            while True:
                if self._wanted == {address: one.place for address, one in self._open.items()}:
                    await self._changed.wait()
                self._changed.clear()
                wanted = self._wanted
                if self._metrics is None and any(place.metrics for place in wanted.values()):
                    await asyncio.to_thread(self._load)
                missing = {a for a, place in wanted.items() if not await self._answer_at(a, place, told=a in refused)}
                refused = missing
                if missing:  # what answers elsewhere goes on until then
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(AGAIN_SECONDS):
                            await self._changed.wait()
                            refused = set()
                    continue
                for address in self._open.keys() - wanted.keys():
                    await self._close(self._open.pop(address))
        finally:
            for one in self._open.values():
                await self._close(one)

    async def _close(self, one: _Open) -> None:
        await one.server.stop()
        if one.web is not None:
            await one.web.close()

    async def _answer_at(self, address: Address, place: Place, *, told: bool) -> bool:
        """Answer this at that address from now on; False when it cannot be had."""
        from supervisor.report.http import HttpServer  # noqa: PLC0415 # only where it is asked for

        one = self._open.get(address)
        before = one.place if one is not None else Place()
        where = f"{address[0]}:{address[1]}"
        if one is None:
            one = _Open(server=HttpServer(lambda request: self._answered(address, request)))
            try:
                await one.server.start(*address)
            except OSError as error:
                if not told:
                    what = "metrics" if place.metrics else "web"
                    self._warn(f"{what}: {where} cannot be used, trying on: {error.strerror or error}")
                return False
            self._open[address] = one
        one.place = place
        if place.web != before.web:
            old, one.web = one.web, self._page(place.web) if place.web is not None else None
            if old is not None:
                await old.close()
        if place.metrics and not before.metrics:
            self._say(f"health and metrics are at http://{where}")
        if place.web is not None and place.web != before.web:
            self._say(f"the page is at http://{where}" + (", and shows logs" if place.web.logs else ""))
        return True

    async def _answered(self, address: Address, request: "Request") -> "Answer":
        from supervisor.report.http import Answer  # noqa: PLC0415 # as above

        one = self._open.get(address)
        if one is not None and one.web is not None and (said := await one.web.answer(request)) is not None:
            return said
        if one is None or not one.place.metrics:
            return Answer(status=404, body=b"there is / for a browser\n")
        from supervisor.report import health  # noqa: PLC0415
        from supervisor.report.metrics import CONTENT_TYPE  # noqa: PLC0415

        if request.path == "/metrics":
            return Answer(status=200, body=await self._scraped(), content_type=CONTENT_TYPE)
        m = self._moment()
        return health.answer(request.path, request.query, state=m.state, now=m.now, loop_lag_seconds=m.loop_lag_seconds)


def places(spec: Spec) -> dict[Address, Place]:
    """What the file wants where."""
    found: dict[Address, Place] = {}
    if spec.metrics is not None:
        found[spec.metrics.host, spec.metrics.port] = Place(metrics=True)
    if spec.web is not None:
        address = spec.web.host, spec.web.port
        found[address] = Place(metrics=address in found, web=spec.web)
    return found
