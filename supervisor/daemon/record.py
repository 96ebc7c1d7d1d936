"""What is told of the daemon's transitions beside its log: history, events, metrics and notifications, in one place.

Promises: a transition is looked at once (``core.happenings``) and shown to each of the four; nothing here is waited for, and a
bug in any of them is a line of the log and ends no term. Does not: decide.
"""

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor.control import past, views
from supervisor.control.ports import Ledger
from supervisor.core import events as ev
from supervisor.core import happenings
from supervisor.core.history import Page
from supervisor.core.names import ElectionName
from supervisor.core.outside import NotifySpec, WebSpec
from supervisor.core.spec import ProcessSpec
from supervisor.core.state import State
from supervisor.daemon import clock
from supervisor.daemon.ledger import LedgerFile
from supervisor.daemon.notices import Notices, as_command, as_variables, in_words
from supervisor.daemon.outside import Outside
from supervisor.daemon.ring import Ring
from supervisor.etcd.errors import StoreError
from supervisor.processes.probes import ExecResult
from supervisor.processes.webhook import post
from supervisor.report.logline import Level

if TYPE_CHECKING:
    from supervisor.daemon.web import Web
    from supervisor.report.metrics import Moment

RunErrand = Callable[[ProcessSpec, tuple[tuple[str, str], ...], float], Awaitable[ExecResult]]


class Record:
    """Everything that is told."""

    def __init__(
        self,
        state_dir: Path,
        *,
        state: Callable[[], State],
        moment: "Callable[[], Moment]",
        page: "Callable[[WebSpec], Web]",
        say: Callable[[Level, str], None],
        errand: RunErrand,
        history: Callable[[ElectionName], Awaitable[tuple[Page, ...]]],
    ) -> None:
        """``errand`` runs a command by the guardian; ``history`` asks etcd, and raises any ``StoreError``."""
        self._state = state
        self._say = say
        self._errand = errand
        self._history = history
        self._running = asyncio.get_running_loop()
        self._file = LedgerFile(state_dir, self._warn_from_thread)
        self.ring = Ring()
        self.outside = Outside(
            moment, page, say=lambda text: say(Level.INFO, text), warn=lambda text: say(Level.WARN, text)
        )
        self._notices = Notices(
            run=self._run, post=post, describe=self._describe, warn=lambda text: say(Level.WARN, text)
        )

    def note(self, before: State, event: ev.Event, after: State) -> None:
        """Tell of one step. Never raises."""
        try:
            self._file.note(before, after)
            now = clock.now()
            found = happenings.of_step(before, event, after, now=now)
            self.ring.add(found)
            self.outside.note(before, event, after, found, now)
            self._notices.note(before, after, found)
        except Exception as error:  # noqa: BLE001 # a bug in what is told is worth no term
            self._say(Level.ERROR, f"not on record, by a bug of ours: {type(event).__name__}: {error!r}")

    async def ledger(self, election: ElectionName) -> Ledger:
        """An election's terms from etcd; when that cannot be asked, this node's own notes."""
        try:
            return Ledger(pages=await self._history(election))
        except StoreError as error:
            pages = await asyncio.to_thread(self._file.read, election)
            return Ledger(pages=pages, detail=str(error))

    async def end(self) -> None:
        """Give notifications that wait a moment, while there is a guardian that runs their commands."""
        await self._notices.close()

    def close(self) -> None:
        """Have what waits written."""
        self._file.close()

    def _warn_from_thread(self, text: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._running.call_soon_threadsafe(self._say, Level.WARN, text)

    def _describe(self, happened: happenings.Happening) -> tuple[bytes, Mapping[str, str]]:
        """One event as a webhook's body and as a command's variables: the JSON that ``events`` prints, without a number."""
        told = dataclasses.asdict(past.happening(self._state(), 0, happened))
        told = {"schema_version": views.SCHEMA_VERSION, **told, "facts": dict(happened.facts)}
        del told["number"], told["missed"]
        body = json.dumps(told, ensure_ascii=False).encode(errors="replace")
        return body, as_variables(told, body)

    async def _run(self, spec: NotifySpec, variables: Mapping[str, str]) -> str:
        told = (("SUPERVISOR_NODE", str(self._state().node)), *variables.items())
        return in_words(await self._errand(as_command(spec), told, spec.timeout_seconds))
