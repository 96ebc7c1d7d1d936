"""From the file to ConfigLoaded or ConfigRejected: at the start, on SIGHUP, on a control call, when the file changes.

Promises: a file is read as a whole, settled, one reading at a time, in a process of its own (``config.apart``); a bad
one changes nothing and is reported once per content. Does not: decide what a change costs (``core.diff``).
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path

from supervisor.config.apart import Reading
from supervisor.config.loaded import Loaded
from supervisor.config.problems import ConfigError
from supervisor.core import diff
from supervisor.core.events import ConfigLoaded, ConfigRejected, Event
from supervisor.core.spec import Spec
from supervisor.core.state import State
from supervisor.daemon.inotify import Inotify
from supervisor.daemon.keeper import Keeper
from supervisor.etcd.local import LocalEtcd, LocalEtcdMissing, describe

SETTLE_SECONDS, MOST_SETTLES = 0.05, 4
"""Changes this close together are one change: editors truncate, write, rename and touch. Waited for so often at most."""

LOOK_AGAIN_SECONDS = 5.0
"""For what inotify does not tell: a network file system, a directory that was away, a symbolic link above the file."""

DECIDE_SECONDS = 15.0
"""For the core to adopt a file or refuse it; it has asked etcd long before."""

Wait = Callable[[Callable[[State], bool], float], Awaitable[State | None]]

Outcome = tuple[bool, tuple[str, ...], tuple[str, ...]]
"""Adopted, problems, and what changes."""

Stamps = dict[Path, object]
"""By path, what changes when the file or the directory's list of names does."""


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
        wait: Wait | None = None,
        begun: Reading | None = None,
        root_only: bool = False,
        keeper: Keeper | None = None,
    ) -> None:
        """``wait``: for a state, as ``Loop.wait``. ``begun``: the first reading, when it is under way already."""
        self._path = path
        self._root_only = root_only
        self._keeper = keeper
        self._queued: asyncio.Task[Outcome] | None = None
        self._node = node
        self._hostname = socket.gethostname()  # of the start: a host that is renamed later is no change of the file
        self._state_dir = state_dir
        self._post = post
        self._state = state
        self._wait = wait
        self._local: LocalEtcd | None = None
        self._one_at_a_time = asyncio.Lock()
        self._reading = begun
        self._files: tuple[Path, ...] = (path.absolute(),)
        self._directories: tuple[Path, ...] = ()
        self._seen = self._stamps()

    def read(self) -> ConfigLoaded:
        """The file as it is now. Raises ConfigError, LocalEtcdMissing, or OSError from the state directory."""
        before = self._stamps()
        state = self._state()
        running_as = state.node if state.spec is not None else None
        reading = self._reading or Reading(
            self._path, node=self._node, hostname=self._hostname, running_as=running_as, root_only=self._root_only
        )
        self._reading = reading
        try:
            loaded = reading.result()
        except ConfigError as error:
            # The correction may be made in any of these, and in any that was good before.
            self._files = tuple(dict.fromkeys((*self._files, *error.files)))
            raise
        else:
            self._files, self._directories = loaded.files, loaded.directories
        finally:
            self._reading = None
            # What changed while it was read is seen as it was before: the next look finds the difference.
            self._seen = self._stamps() | {path: at for path, at in before.items() if path in self._watched()}
        return self._offered(loaded)

    def read_last_good(self) -> ConfigLoaded:
        """What was kept when it was last adopted; the file itself goes on being watched. Raises as ``read``."""
        assert self._keeper is not None
        reading = Reading(
            self._path, node=self._node, hostname=self._hostname, root_only=self._root_only, last_good=self._keeper.path
        )
        loaded = reading.result()
        self._files = tuple(dict.fromkeys((*self._files, *loaded.files)))
        self._directories = tuple(dict.fromkeys((*self._directories, *loaded.directories)))
        # Of what the broken file did not lead to nothing is known: the first look reads everything again.
        return self._offered(loaded)

    def _offered(self, loaded: Loaded) -> ConfigLoaded:
        event = ConfigLoaded(spec=self._with_etcd(loaded.spec), source=loaded.source)
        if self._keeper is not None:
            self._keeper.offer(self._path, event.spec, loaded)
        return event

    async def reload(self) -> Outcome:
        """Read again and post what came of it: adopted, problems (each with the line of the file), and what changes.

        Those who ask while another reading is under way share the next one, however many they are.
        """
        if self._queued is None:
            self._queued = asyncio.create_task(self._reload(), name="reload")
        return await asyncio.shield(self._queued)

    async def _reload(self) -> Outcome:
        async with self._one_at_a_time:
            self._queued = None  # whoever asks from now on may have seen a change that this reading does not
            before = self._state().spec
            try:
                # Whatever takes its time, the file or its disk, must not hold up a renewal.
                event = await asyncio.to_thread(self.read)
            except ConfigError as error:
                problems = tuple(str(problem) for problem in error.problems)
                shown = tuple(problem.shown() for problem in error.problems)
            except (LocalEtcdMissing, OSError) as error:
                problems = shown = (str(error),)
            else:
                if (event.spec != before or self._state().problems) and (refused := await self._adopt(event)):
                    return False, refused, ()
                return True, (), tuple(str(change) for change in diff.diff(before, event.spec))
            if problems != self._state().problems:
                self._post(ConfigRejected(problems=problems))
            return False, shown, ()

    async def _adopt(self, event: ConfigLoaded) -> tuple[str, ...]:
        """Give it to the core, which may have to ask etcd first; why it was refused, if it was."""
        generation, rejected_at = self._state().generation, self._state().rejected_at
        self._post(event)
        if self._wait is None:
            return ()

        def decided(state: State) -> bool:
            changed = (state.generation, state.rejected_at) != (generation, rejected_at)
            return (changed and state.pending is None) or bool(state.stopping)

        state = await self._wait(decided, DECIDE_SECONDS)
        return state.problems if state is not None else ()

    def close(self) -> None:
        """End a reading under way: nobody will adopt it."""
        if self._reading is not None:
            self._reading.abandon()

    async def watch(self) -> None:
        """Reload whenever the file, one it includes, or a directory it looks in has changed."""
        loop = asyncio.get_running_loop()
        stirred = asyncio.Event()
        inotify: Inotify | None = None
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):  # none to be had: looking now and then must do
                inotify = stack.enter_context(contextlib.closing(Inotify()))
                loop.add_reader(inotify.fileno(), _stir, inotify, stirred)
                stack.callback(loop.remove_reader, inotify.fileno())
            while True:
                stirred.clear()
                if await self._changed(inotify):
                    await self.reload()  # and look again: it may ask for other directories now
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                        await stirred.wait()

    async def _changed(self, inotify: Inotify | None) -> bool:
        """Whether anything is not as it was last read, once it stays as it is."""
        found = await asyncio.to_thread(self._look, inotify)
        for _ in range(MOST_SETTLES):
            if found == self._seen:
                return False
            before = found
            await asyncio.sleep(SETTLE_SECONDS)
            found = await asyncio.to_thread(self._look, inotify)
            if found == before:
                break
        return found != self._seen

    def _look(self, inotify: Inotify | None) -> Stamps:
        if inotify is not None:
            inotify.cover(_parents(self._files) | set(self._directories))
        return self._stamps()

    def _watched(self) -> set[Path]:
        return {*self._files, *self._directories}

    def _stamps(self) -> Stamps:
        return {path: _stamp(path) for path in self._watched()}

    def _with_etcd(self, spec: Spec) -> Spec:
        """A file with elections and no endpoints gets the local etcd."""
        if spec.etcd.endpoints or spec.etcd.discovery_srv is not None or not spec.elections:
            return spec
        if self._local is None:
            self._local = describe(self._state_dir, os.environ)
        etcd = replace(spec.etcd, endpoints=(self._local.endpoint,))
        return replace(spec, etcd=etcd, local_etcd=self._local.process)


def _parents(files: Iterable[Path]) -> set[Path]:
    """Of a symbolic link both its own directory and that of what it leads to."""
    return {file.parent for file in files} | {file.resolve().parent for file in files}


def _stamp(path: Path) -> object:
    try:
        if path.is_dir():
            return tuple(sorted(entry.name for entry in path.iterdir()))
        found = path.stat()
    except OSError as error:
        return error.errno
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _stir(inotify: Inotify, stirred: asyncio.Event) -> None:
    inotify.drain()
    stirred.set()
