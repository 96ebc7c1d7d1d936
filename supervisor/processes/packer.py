"""The thread that packs old log files with gzip, out of everybody's way.

Promises: neither the event loop nor a writer waits for it; it works at the lowest priority, one file at a time; a file
that cannot be packed stays as it is, is told of once, and is tried again when the next one is rotated.
"""

import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from supervisor.processes.rotation import Series

LOWEST_PRIORITY: Final = 19


@dataclass(frozen=True, slots=True)
class _Job:
    series: Series
    path: str
    warn: Callable[[str], None]


class Packer:
    """Packs series of files when asked to. The thread ends when there is nothing left to do."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[Series, _Job] = {}
        self._thread: threading.Thread | None = None
        self._troubled: set[Series] = set()

    def ask(self, series: Series, path: str, warn: Callable[[str], None]) -> None:
        """Have a series packed, after those asked for before. From any thread; returns at once."""
        with self._lock:
            self._jobs[series] = _Job(series, path, warn)
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="log packer", daemon=True)
                with contextlib.suppress(RuntimeError):  # no thread to be had now: the next rotation asks again
                    thread.start()
                    self._thread = thread

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)  # Linux: of this thread only
        while (job := self._next()) is not None:
            try:
                job.series.pack()
            except OSError as error:
                self._tell(job, error.strerror or str(error))
            else:
                self._troubled.discard(job.series)

    def _next(self) -> _Job | None:
        with self._lock:
            if not self._jobs:
                self._thread = None
                return None
            return self._jobs.pop(next(iter(self._jobs)))

    def _tell(self, job: _Job, why: str) -> None:
        if job.series not in self._troubled:
            job.warn(f"old files of {job.path} cannot be packed: {why}; they stay as they are until the next rotation")
        self._troubled.add(job.series)
