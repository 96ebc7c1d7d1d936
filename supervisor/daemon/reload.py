"""From the file to ConfigLoaded or ConfigRejected: at the start, on SIGHUP, on a control call, when the file changes.

Promises: a file is read as a whole, settled, one reading at a time; a bad one changes nothing and is reported once per
content. Does not: decide what a change costs (``core.diff``).
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from supervisor.config.load import Loaded, load
from supervisor.config.problems import ConfigError
from supervisor.core import diff
from supervisor.core.events import ConfigLoaded, ConfigRejected, Event
from supervisor.core.spec import Spec
from supervisor.core.state import State
from supervisor.etcd.local import LocalEtcd, LocalEtcdMissing, describe

SETTLE_MILLISECONDS = 200
"""Changes this close together are one change: editors write, rename and touch."""


class Reloader:
    """Reads the file, again and again."""

    def __init__(
        self,
        path: Path,
        *,
        node: str | None,
        state_dir: Path,
        post: Callable[[Event], None],
        state: Callable[[], State],
    ) -> None:
        self._path = path
        self._node = node
        self._hostname = socket.gethostname()  # of the start: a host that is renamed later is no change of the file
        self._state_dir = state_dir
        self._post = post
        self._state = state
        self._local: LocalEtcd | None = None
        self._reading = asyncio.Lock()
        self._watched: set[Path] = {path.absolute().parent}
        self._rewatch = asyncio.Event()

    def read(self) -> ConfigLoaded:
        """The file as it is now. Raises ConfigError or LocalEtcdMissing."""
        state = self._state()
        running_as = state.node if state.spec is not None else None
        loaded = load(self._path, environ=os.environ, node=self._node, hostname=self._hostname, running_as=running_as)
        self._watched = _directories(loaded)
        return ConfigLoaded(spec=self._with_etcd(loaded.spec), source=loaded.source)

    async def reload(self) -> tuple[bool, tuple[str, ...], tuple[str, ...]]:
        """Read again and post what came of it: adopted, problems, and what changes."""
        async with self._reading:
            before = self._state().spec
            watched = self._watched
            try:
                # A file of ten megabytes on a slow disk must not hold up a renewal.
                event = await asyncio.get_running_loop().run_in_executor(None, self.read)
            except ConfigError as error:
                problems = tuple(str(problem) for problem in error.problems)
            except (LocalEtcdMissing, OSError) as error:
                problems = (str(error),)
            else:
                if self._watched != watched:
                    self._rewatch.set()
                if event.spec != before or self._state().problems:
                    self._post(event)
                return True, (), tuple(str(change) for change in diff.diff(before, event.spec))
            if problems != self._state().problems:
                self._post(ConfigRejected(problems=problems))
            return False, problems, ()

    async def watch(self) -> None:
        """Reload whenever the file, one it includes, or a directory it looks in has changed."""
        import watchfiles  # noqa: PLC0415 # starts a thread; nothing needs it before the first file is adopted

        while True:
            self._rewatch.clear()
            stop = asyncio.Event()
            waiter = asyncio.create_task(_relay(self._rewatch, stop))
            try:
                directories = [d for d in self._watched if d.is_dir()]
                async for _ in watchfiles.awatch(
                    *directories, debounce=SETTLE_MILLISECONDS, step=50, stop_event=stop, recursive=False
                ):
                    await self.reload()
            except FileNotFoundError:
                await asyncio.sleep(1.0)  # the directory went away; what runs goes on, and we look again
            finally:
                waiter.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await waiter

    def _with_etcd(self, spec: Spec) -> Spec:
        """A file with elections and no endpoints gets the local etcd."""
        if spec.etcd.endpoints or not spec.elections:
            return spec
        if self._local is None:
            self._local = describe(self._state_dir, os.environ)
        etcd = replace(spec.etcd, endpoints=(self._local.endpoint,))
        return replace(spec, etcd=etcd, local_etcd=self._local.process)


async def _relay(source: asyncio.Event, target: asyncio.Event) -> None:
    await source.wait()
    target.set()


def _directories(loaded: Loaded) -> set[Path]:
    """Directories, not files: a rename-save replaces the file that a watch on it would still be looking at."""
    return {f.parent for f in loaded.files} | {f.resolve().parent for f in loaded.files} | set(loaded.directories)
