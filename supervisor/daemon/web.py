"""The read-only page for browsers: which path is answered by whom.

``/`` is the page, ``/changes`` its stream, ``/history?election=NAME`` the terms of an election, ``/log?process=NAME`` the stream of
what a process says, where the file asks for that. Loaded only where the file has ``web``.

Promises: changes nothing, whoever asks for what; asks etcd for a history only when the one that it has may be outdated, and for
``AT_ONCE`` of them at a time. Does not: listen (``outside`` does).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from supervisor.control import page_parts
from supervisor.control.feed import Feed, Queues, elections
from supervisor.control.ports import Ledger, Ports
from supervisor.core.names import ElectionName
from supervisor.core.outside import WebSpec
from supervisor.report import page
from supervisor.report.http import Answer, Request

AT_ONCE: Final = 4
KEPT: Final = 64
"""Histories; each is some ten kilobytes."""
FRESH_SECONDS: Final = 2.0
SETTLED_SECONDS: Final = 30.0
"""After which a history is read again though the same term goes on: it may have been written later than it was read."""
NO_LOGS: Final = b"logs are not shown here: `web: {logs: on}` in the file shows them\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """A history as it was read."""

    token: int | None
    """Who led then."""
    at: float
    settled: bool
    """Its newest term says when it was ready."""
    said: bytes


class Web:
    """The page of one file's ``web``."""

    def __init__(self, spec: WebSpec, ports: Ports, queues: Callable[[], Queues | None]) -> None:
        """Nothing is looked at before somebody asks."""
        self.spec = spec
        self._ports = ports
        self._queues = queues
        self._names = frozenset({*spec.names, spec.host.lower()})
        self._feed = Feed(ports, queues, own_words=spec.logs)
        self._asking = asyncio.Semaphore(AT_ONCE)
        self._kept: dict[ElectionName, _Kept] = {}

    async def close(self) -> None:
        """Tell nobody any more."""
        await self._feed.close()

    async def answer(self, request: Request) -> Answer | None:
        """What is said; None when the path is none of the page's."""
        answers = {"/": self._page, "/changes": self._changes, "/history": self._history, "/log": self._log}
        found = answers.get(request.path)
        if found is None:
            return None
        return page.refusal(request, self._names) or await found(request)

    async def _page(self, _request: Request) -> Answer:
        return page.html()

    async def _changes(self, _request: Request) -> Answer:
        return Answer(status=200, content_type=page.EVENTS, headers=page.HEADERS, stream=self._feed.changes())

    async def _log(self, request: Request) -> Answer:
        if not self.spec.logs:
            return Answer(status=403, body=NO_LOGS, headers=page.HEADERS)
        name = _asked(request, "process")
        found = next((pid for pid in self._ports.state().processes if str(pid) == name and not pid.is_hook), None)
        if found is None:
            return Answer(status=404, body=b"no process has that name\n", headers=page.HEADERS)
        return Answer(status=200, content_type=page.EVENTS, headers=page.HEADERS, stream=self._feed.log(found))

    async def _history(self, request: Request) -> Answer:
        name = ElectionName(_asked(request, "election"))
        if name not in elections(self._ports.state(), self._queues()):
            return Answer(status=404, body=b"no election has that name\n", headers=page.HEADERS)
        async with self._asking:
            said = await self._past(name)
        return Answer(status=200, body=said, content_type=page.JSON, headers=page.HEADERS)

    async def _past(self, name: ElectionName) -> bytes:
        now, token = self._ports.now(), self._leader(name)
        kept = self._kept.get(name)
        if kept is not None and kept.token == token:
            age = now - kept.at
            if age < (SETTLED_SECONDS if kept.settled else FRESH_SECONDS):
                return kept.said
        ledger = await self._ports.history(name)
        said = await asyncio.to_thread(page_parts.history, name, ledger)
        self._kept.pop(name, None)
        self._kept[name] = _Kept(token=token, at=now, settled=_is_settled(ledger), said=said)
        while len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        return said

    def _leader(self, name: ElectionName) -> int | None:
        e, queues = self._ports.state().elections.get(name), self._queues()
        queue = e.queue if e is not None else queues.of(name) if queues is not None else ()
        return queue[0].create_revision if queue else None


def _is_settled(ledger: Ledger) -> bool:
    return not ledger.detail and bool(ledger.pages) and bool(ledger.pages[0].began)


def _asked(request: Request, key: str) -> str:
    """One value of the query; empty where there is none."""
    pairs = (part.partition("=") for part in request.query.split("&"))
    return next((unquote(value.replace("+", " ")) for name, _, value in pairs if name == key), "")
