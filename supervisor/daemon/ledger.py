"""The ledger of this node's own terms, in a file of its state directory: for when etcd cannot be asked, or has lost it.

Lines of JSON, one for each turn of a term, added to and never changed; at ``MOST_BYTES`` the file becomes ``terms.1`` and the
one before that goes. Promises: whoever decides never waits for it: a thread writes; a disk that is full, hangs or is read only
costs lines of history and nothing else, and is told of once. Does not: fsync, or decide anything.
"""

import json
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from supervisor.core import ledger, records
from supervisor.core.history import Page
from supervisor.core.names import ElectionName, Token
from supervisor.core.state import Election, ElectionPhase, State
from supervisor.core.written import written
from supervisor.paths import own_file

FILE_NAME: Final = "terms"
MOST_BYTES: Final = 512 * 1024
MOST_WAITING: Final = 10_000
"""Lines that a disk which hangs may keep waiting; more are dropped."""


class LedgerFile:
    """The file, and the thread that writes it: there is none before the first term."""

    def __init__(self, state_dir: Path, on_warning: Callable[[str], None]) -> None:
        """``on_warning`` is called from the thread."""
        self._path = state_dir / FILE_NAME
        self._on_warning = on_warning
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._failed = False

    def note(self, before: State, after: State) -> None:
        """Write down what one step did to our terms. Returns at once."""
        if before.elections is after.elections:
            return
        for name in written(before.elections, after.elections):
            was, e = before.elections.get(name), after.elections.get(name)
            if was is None or was is e:
                continue
            for facts in turns(before, was, e, after):
                self._put({"election": name, **facts})

    def read(self, election: ElectionName) -> tuple[Page, ...]:
        """What the file says of an election's terms. Blocks for as long as the disk does; nothing where it cannot be read."""
        told: dict[Token, dict[str, object]] = {}
        for facts in self._read():
            token = facts.pop("token", None)
            if facts.pop("election", None) == election and isinstance(token, int):
                told.setdefault(Token(token), {}).update(facts)
        return tuple(Page(token=t, began=(text := json.dumps(f).encode()), record=text) for t, f in told.items())

    def close(self, timeout_seconds: float = 1.0) -> None:
        """Have what waits written, if the disk takes it soon."""
        if self._thread is not None:
            self._lines.put(None)
            self._thread.join(timeout_seconds)

    def _put(self, facts: Mapping[str, object]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
            self._thread.start()
        if self._lines.qsize() < MOST_WAITING:
            self._lines.put(json.dumps(facts).encode() + b"\n")

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                with open(self._path, "ab", buffering=0, opener=own_file) as file:  # Path.open knows no opener
                    file.write(line)
                    full = file.tell() > MOST_BYTES
                if full:
                    self._path.replace(self._path.with_name(f"{FILE_NAME}.1"))
                self._failed = False
            except OSError as error:
                if not self._failed:
                    self._failed = True
                    self._on_warning(f"the history of terms is not written: {self._path}: {error.strerror}")

    def _read(self) -> Iterator[dict[str, object]]:
        for path in (self._path.with_name(f"{FILE_NAME}.1"), self._path):
            try:
                lines = path.read_bytes().splitlines()
            except OSError:
                continue
            for line in lines:
                if facts := records.fields(line):
                    yield facts


def turns(before: State, was: Election, e: Election | None, after: State) -> Iterator[dict[str, object]]:
    """What became of a term of ours in one step."""
    token = was.create_revision if e is None or e.term is None else e.term.token
    over = was.lost_at is not None and (e is None or e.lost_at is None)
    if e is not None and ledger.goes_on(was, e):
        over = False
        yield {"token": token, "mark": "started", "lost": "", "cause": ""}
    elif e is not None and e.phase is ElectionPhase.LEADING and was.phase is not ElectionPhase.LEADING:
        assert e.won_at is not None
        yield {
            "token": token,
            "mark": "started",
            "node": after.node,
            "won": ledger.wall(after, e.won_at),
            "why": ledger.why_begun(e),
        }
    if e is not None and e.ready_at is not None and was.ready_at is None:
        gap = ledger.gap(after, e)
        known = {} if gap is None else {"gap": round(gap.seconds, 3), "gap_by": gap.by.value}
        yield {"token": token, "ready": ledger.wall(after, e.ready_at), **known}
    if e is not None and e.lost_at is not None and was.lost_at is None:
        yield {"token": token, "lost": ledger.wall(after, e.lost_at), "cause": e.cause[:200]}
    if over:
        since = after.started_at if e is None else e.since
        yield {"token": was.create_revision, "mark": "stopped", "ended": ledger.wall(before, since)}
