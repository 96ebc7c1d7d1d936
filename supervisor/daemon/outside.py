"""Where this daemon answers HTTP, as the file says: opened, moved and closed when the file changes.

Promises: the new address answers before the old one stops; an address that cannot be had is told of once and tried again, and
harms nothing else; without one nothing of it, prometheus-client included, is in memory. Does not: know what is answered.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from supervisor.core import events as ev
from supervisor.core.happenings import Happening
from supervisor.core.names import EPOCH, Instant
from supervisor.core.outside import MetricsSpec
from supervisor.core.state import State

if TYPE_CHECKING:
    from supervisor.report.http import HttpServer
    from supervisor.report.metrics import Metrics, Moment

AGAIN_SECONDS = 2.0
FRESH_SECONDS = 0.5


class Outside:
    """The endpoint, or none."""

    def __init__(self, moment: "Callable[[], Moment]", say: Callable[[str], None], warn: Callable[[str], None]) -> None:
        """Nothing is opened before ``run``."""
        self._moment = moment
        self._say = say
        self._warn = warn
        self._wanted: MetricsSpec | None = None
        self._changed = asyncio.Event()
        self._metrics: Metrics | None = None
        self._scraping = asyncio.Lock()
        self._text, self._text_at = b"", EPOCH

    def note(self, before: State, event: ev.Event, after: State, found: Iterable[Happening], now: Instant) -> None:
        """Count one step, and see whether the file has changed."""
        if self._metrics is not None:
            self._metrics.note(before, event, after, found, now)
        if after.spec is not before.spec and after.spec is not None and after.spec.metrics != self._wanted:
            self._wanted = after.spec.metrics
            if before.spec is None and self._wanted is not None:
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
        server: HttpServer | None = None
        at: MetricsSpec | None = None
        refused = False
        try:
            while True:
                if self._wanted == at:
                    await self._changed.wait()
                self._changed.clear()
                wanted, old = self._wanted, server
                if wanted is not None and self._metrics is None:
                    await asyncio.to_thread(self._load)
                if wanted is None:
                    server, at = None, None
                elif (opened := await self._open(wanted, told=refused)) is not None:
                    server, at, refused = opened, wanted, False
                else:
                    refused = True
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(AGAIN_SECONDS):
                            await self._changed.wait()
                            refused = False
                    continue
                if old is not None:
                    await old.stop()
        finally:
            if server is not None:
                await server.stop()

    async def _open(self, wanted: MetricsSpec, *, told: bool) -> "HttpServer | None":
        from supervisor.report import health  # noqa: PLC0415 # as above
        from supervisor.report.http import Answer, HttpServer  # noqa: PLC0415
        from supervisor.report.metrics import CONTENT_TYPE  # noqa: PLC0415

        async def answer(path: str, query: str) -> Answer:
            if path == "/metrics":
                return Answer(status=200, body=await self._scraped(), content_type=CONTENT_TYPE)
            m = self._moment()
            return health.answer(path, query, state=m.state, now=m.now, loop_lag_seconds=m.loop_lag_seconds)

        server = HttpServer(answer)
        where = f"{wanted.host}:{wanted.port}"
        try:
            await server.start(wanted.host, wanted.port)
        except OSError as error:
            if not told:
                self._warn(f"metrics: {where} cannot be used, trying on: {error.strerror or error}")
            return None
        self._say(f"health and metrics are at http://{where}")
        return server
