"""The configuration in force, kept in the state directory for a start on a day on which the file is broken or gone.

Promises: written only after it was adopted, with every file it was made of, as text; the one before it stays until the new
one is on the disk (written beside it, synced, renamed); mode 0600; a disk that is full or hangs stops nothing: it is told of
in the log and in ``status``, and tried again. Does not: read it (``config.lastgood`` does, in the reader's process).
"""

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from supervisor.config.loaded import LastGood, Loaded
from supervisor.core.spec import Spec

FILE_NAME = "last-good.json"
TRY_AGAIN_SECONDS = 30.0
PATIENCE_SECONDS = 2.0
"""For a disk, at the end."""
LATE_SECONDS = 10.0
"""After which a disk that says nothing is told of."""


class Keeper:
    """What was read and may be adopted, what is in force, and whether that is kept."""

    def __init__(self, state_dir: Path, *, tell: Callable[[str], None]) -> None:
        """``tell``: people, of what keeps it from being kept."""
        self.path = state_dir / FILE_NAME
        self.hash = ""
        """Of the configuration in force."""
        self.running_last_good = ""
        """When the configuration in force was adopted, if it was taken from here; else empty."""
        self.trouble = ""
        """Why the configuration in force is not kept; empty when it is."""
        self._tell = tell
        self._file = Path()
        self._offered: tuple[Spec, Loaded] | None = None
        self._unwritten: LastGood | None = None
        self._writing: asyncio.Future[str] | None = None
        self._again: asyncio.TimerHandle | None = None

    def offer(self, file: Path, spec: Spec, loaded: Loaded) -> None:
        """Read, and not yet adopted. ``spec`` is what the core is given."""
        self._file, self._offered = file, (spec, loaded)

    def adopted(self, spec: Spec | None) -> None:
        """This is in force now: keep it, if it is what was offered last and was not taken from here."""
        if self._offered is None or self._offered[0] is not spec:
            return
        loaded, self._offered = self._offered[1], None
        self.hash, self.running_last_good = loaded.hash, loaded.adopted_at
        if not loaded.adopted_at:
            at = datetime.now(UTC).isoformat(timespec="seconds")
            self._unwritten = LastGood(path=self._file, hash=loaded.hash, adopted_at=at, kept=loaded.kept)
            self._write()

    async def close(self) -> None:
        """Wait a moment for what is being written."""
        if self._again is not None:
            self._again.cancel()
        if self._writing is not None:
            await asyncio.wait([self._writing], timeout=PATIENCE_SECONDS)

    def _write(self) -> None:
        """In a thread of its own, that nobody waits for: a disk may take its time, or hang."""
        if self._again is not None:
            self._again.cancel()
        if self._unwritten is None or self._writing is not None:
            return  # what is being written is followed by what is not
        last, self._unwritten = self._unwritten, None
        loop = asyncio.get_running_loop()
        writing: asyncio.Future[str] = loop.create_future()
        self._writing = writing
        late = loop.call_later(LATE_SECONDS, self._is_late)

        def written(done: asyncio.Future[str]) -> None:
            late.cancel()
            self._written(last, done.result())

        writing.add_done_callback(written)

        def work() -> None:
            outcome = _put(self.path, last.packed())
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(writing.set_result, outcome)

        threading.Thread(target=work, name="keeper", daemon=True).start()

    def _is_late(self) -> None:
        self._say(f"{self.path}: the disk has not taken it for {LATE_SECONDS:g} s")

    def _say(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            self._tell(f"the configuration in force cannot be kept for --last-good: {trouble}; it is tried again")
        elif self.trouble and not trouble:
            self._tell("the configuration in force is kept again")
        self.trouble = trouble

    def _written(self, last: LastGood, trouble: str) -> None:
        self._writing = None
        self._say(trouble)
        if self._unwritten is not None:
            self._write()
        elif trouble:
            self._unwritten = last
            self._again = asyncio.get_running_loop().call_later(TRY_AGAIN_SECONDS, self._write)


def _put(path: Path, data: bytes) -> str:
    """Put it in place atomically; why that failed, else nothing."""
    beside = path.with_name(f"{path.name}.new")
    try:
        beside.unlink(missing_ok=True)
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
        beside.replace(path)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        return f"{path}: {error.strerror}"
    return ""
