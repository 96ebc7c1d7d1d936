"""What the control API needs from the daemon, and all that it may ask.

Promises: everything is called on the daemon's own event loop. Does not: hold any implementation; the daemon has one, and
``tests/control/fakes.py`` is the other.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from supervisor.core.events import Event
from supervisor.core.happenings import Happening
from supervisor.core.history import Page
from supervisor.core.names import ElectionName, Instant, ProcessId
from supervisor.core.spec import Spec
from supervisor.core.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of the daemon beside its state."""

    pid: int
    version: str
    guardian_pid: int | None
    """None before the guardian was started."""
    containment: str
    """How children are held together, for people: ``cgroup v2``, ``sessions``."""
    local_etcd: bool
    """Whether the daemon began with an etcd of its own. A file in force knows better (``Spec.local_etcd``)."""
    endpoints: tuple[str, ...]
    """Of the etcd it began with; ``State.store`` knows better once it is connected."""
    config_hash: str = ""
    """SHA-256 of the configuration in force, all its files together."""
    last_good: str = ""
    """When the configuration in force was adopted, if it is the last good one and not the file's; else empty."""
    unkept: str = ""
    """Why the configuration in force is not kept for ``--last-good``; empty when it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadOutcome:
    """What became of the file when it was read again."""

    adopted: bool
    """The state that ``Ports.state`` now gives has it in force; also when nothing in it changed."""
    problems: tuple[str, ...] = ()
    """Why not, one ``file:line:column: message`` each; empty when adopted."""
    summary: tuple[str, ...] = ()
    """What changes, one line each, for people; empty when nothing does."""
    outdated: bool = False
    """The token is of a plan for what is not in force any more, or is too old."""
    changed_since: bool = False
    """The file has changed since what was adopted was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReading:
    """What was read for a plan."""

    problems: tuple[str, ...] = ()
    spec: Spec | None = None
    """None: it is bad, and has problems."""
    source: str = ""
    token: str = ""
    """For ``reload``, which adopts it, or has it on record that the file is bad; empty for a content that was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Lines that one stream of a process said."""

    process: ProcessId
    stream: str
    """``stdout`` or ``stderr``."""
    at: str
    """Wall clock when they were read, RFC 3339, UTC."""
    text: bytes
    missed: int = 0
    """So many lines before these were too many for the reader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTrouble:
    """What a process's log targets did not take."""

    lines: int
    """Dropped since the daemon began."""
    trouble: str
    """Why they take nothing now; empty when they do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What is on record of an election's terms."""

    pages: tuple[Page, ...]
    detail: str = ""
    """Why etcd could not be asked, and these are this node's own notes; empty when it could."""


class Ports(Protocol):
    """The daemon as control sees it."""

    @property
    def facts(self) -> Facts:
        """What does not change."""
        ...

    def loop_lag_seconds(self) -> float:
        """How late the event loop lately was, at worst, in seconds."""
        ...

    def state(self) -> State:
        """The state after the last step."""
        ...

    def now(self) -> Instant:
        """CLOCK_BOOTTIME."""
        ...

    def post(self, event: Event) -> None:
        """Queue an event for the next step. Never blocks; after the end it is dropped."""
        ...

    def wall(self) -> float:
        """The date, in seconds since 1970."""
        ...

    async def write_request(self, path: str, value: bytes | None, revision: int | None) -> str:
        """Put a request into etcd, or take it back (None), if what stands there is of this revision (0: nothing; None: anything).

        Why it was not written; empty when it was. That it is in force, the state says.
        """
        ...

    async def wait(self, predicate: Callable[[State], bool], timeout_seconds: float) -> State | None:
        """The first state, the present one included, for which the predicate holds; None when the time is up first.

        Events posted before the call are in the states seen *after* it, so ask for what only they can bring about.
        """
        ...

    def subscribe(self) -> AsyncGenerator[State, None]:
        """The present state at once, then every later one; a slow reader skips those in between, never the last.

        Ends when the daemon does. To be closed by the reader (``contextlib.aclosing``).
        """
        ...

    def tell(self, text: str) -> None:
        """Say a line in the daemon's own log."""
        ...

    def log_troubles(self) -> Mapping[ProcessId, LogTrouble]:
        """Of every process that lost lines or whose log is in trouble."""
        ...

    def logs(
        self, processes: Sequence[ProcessId], *, lines: int | None, since_seconds: float | None, follow: bool
    ) -> AsyncGenerator[Heard, None]:
        """The last of what processes said, oldest first; and with ``follow`` what they say from then on.

        To be closed by the reader (``contextlib.aclosing``), as ``subscribe``.
        """
        ...

    def happened(self) -> Sequence[tuple[int, Happening]]:
        """What is kept of what happened, numbered, oldest first."""
        ...

    def happenings(self, *, after: int) -> AsyncGenerator[tuple[int, Happening, int], None]:
        """What happened after this number, and happens: with its number, and how many before it this reader has missed.

        To be closed by the reader (``contextlib.aclosing``), as ``subscribe``.
        """
        ...

    async def history(self, election: ElectionName) -> Ledger:
        """What is on record of an election's terms, in etcd or else here."""
        ...

    async def read(self, content: bytes | None, name: str) -> PlanReading:
        """Read the file, or take this content for it, which problems then call ``name``. Changes nothing."""
        ...

    async def reload(self, token: str = "") -> ReloadOutcome:
        """Read the file again and adopt it if it is valid, or adopt what was read; returns after the step that did."""
        ...
