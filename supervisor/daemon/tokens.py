"""The tokens that this node has seen, in a file of its state directory.

One line of JSON for each token that was the highest when it was seen; the last words of a daemon that was killed may be half
a line. Promises: what was reported as remembered was given to the kernel (a killed daemon loses none of it; fsync would cost a
failover more than it is worth: after a power cut etcd, which does sync, is ahead of us); writing never blocks the loop, and
a disk that hangs delays a term by ``PATIENCE_SECONDS`` at most; the file is written anew, and atomically put in place, when
it is read. Does not: judge a token (``core.tokens`` does).
"""

import asyncio
import contextlib
import json
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from supervisor.core import actions as ac
from supervisor.core import store_events as sev
from supervisor.core import tokens
from supervisor.core.events import Event
from supervisor.core.names import LARGEST_TOKEN, SeenToken, Token
from supervisor.paths import own_file

FILE_NAME = "tokens"
PATIENCE_SECONDS = 0.5


class TokenFile:
    """The file, read once and then added to."""

    def __init__(self, state_dir: Path, post: Callable[[Event], None]) -> None:
        self._path = state_dir / FILE_NAME
        self._post = post
        self._waiting: list[ac.Remember] = []
        self._writing: asyncio.Task[None] | None = None
        self._writer: _Writer | None = None

    def read(self) -> dict[str, SeenToken]:
        """What daemons before us have seen; none when there is no file. Raises OSError when it cannot be read or written.

        Whoever cannot read it must not start: it would take for new what is old.
        """
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        seen = tokens.highest(_notes(text))
        beside = self._path.with_name(f"{FILE_NAME}.new")
        beside.unlink(missing_ok=True)
        with open(beside, "xb", opener=own_file) as file:  # Path.open knows no opener
            file.write(b"".join(_line(place, note) for place, note in seen.items()))
        beside.replace(self._path)
        return seen

    def perform(self, action: ac.Remember) -> None:
        """Note one; those of one turn of the loop together."""
        self._waiting.append(action)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write(), name="tokens")

    async def close(self) -> None:
        """Have what waits written."""
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)
        if self._writer is not None:
            self._writer.end()
            self._writer = None

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            problem = await self._append(b"".join(_line(a.place, a.seen) for a in batch))
            for action in batch:
                if action.election is not None:
                    told = sev.TokenRemembered(election=action.election, token=action.token, problem=problem)
                    self._post(told)

    async def _append(self, lines: bytes) -> str:
        """Why it could not be written; empty when it was."""
        if self._writer is None:
            self._writer = _Writer(self._path)
        done = self._writer.append(lines)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await done
        except TimeoutError:
            self._writer.end()  # when it can; the next line gets another
            self._writer = None
            return f"{self._path}: the disk did not take it within {PATIENCE_SECONDS:g} s"


class _Writer:
    """A thread that appends, kept between two terms: to start one is a part of a failover that can be had before."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wanted: queue.SimpleQueue[tuple[bytes, asyncio.Future[str]] | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="tokens", daemon=True).start()

    def append(self, lines: bytes) -> asyncio.Future[str]:
        """Done with why it could not be written; empty when it was."""
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._wanted.put((lines, done))
        return done

    def end(self) -> None:
        """When what was asked for is written."""
        self._wanted.put(None)

    def _run(self) -> None:
        while (wanted := self._wanted.get()) is not None:
            lines, done = wanted
            try:
                with open(self._path, "ab", buffering=0, opener=own_file) as file:
                    file.write(lines)
            except OSError as error:
                outcome = f"{self._path}: {error.strerror}"
            else:
                outcome = ""
            with contextlib.suppress(RuntimeError):  # the loop has ended
                done.get_loop().call_soon_threadsafe(_settle, done, outcome)


def _settle(done: asyncio.Future[str], outcome: str) -> None:
    if not done.done():
        done.set_result(outcome)


def _line(place: str, note: SeenToken) -> bytes:
    return json.dumps({"election": place, "token": note.token, "cluster": note.cluster}).encode() + b"\n"


def _notes(text: bytes) -> Iterator[tuple[str, SeenToken]]:
    """Every whole line; what is not one of ours is passed over."""
    for line in text.splitlines():
        try:
            found = json.loads(line)
            token = int(found["token"])
            if (
                0 < token <= LARGEST_TOKEN
            ):  # a larger one can be nobody's, and would keep this node from office for ever
                yield str(found["election"]), SeenToken(token=Token(token), cluster=str(found["cluster"]))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            continue
