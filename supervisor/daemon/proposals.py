"""Files that were read for a plan and may be adopted as they were read: what is shown is what is adopted.

Promises: reading changes nothing, not even what the file watch has seen; what was read is kept under a token until another
file is in force, or ``KEPT_SECONDS`` have passed, or ``MOST_KEPT`` others have been read since. A content that a caller
gives is read in the place of the file, in this process's environment, and can be planned but not adopted: what is in force
is always what is, or was, in the file. Does not: say what a change costs (``core.planning``).
"""

import asyncio
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from supervisor.config.apart import Reading
from supervisor.config.loaded import Loaded
from supervisor.config.problems import ConfigError, Problem
from supervisor.control.ports import ReloadOutcome
from supervisor.core import diff
from supervisor.core.spec import Spec
from supervisor.core.state import State
from supervisor.daemon.reload import Reloader
from supervisor.etcd.local import LocalEtcdMissing

KEPT_SECONDS = 300.0
MOST_KEPT = 4
OUTDATED = "what the plan was made of is not in force any more, or too old: look at a new plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One reading. A bad file has problems and no spec."""

    problems: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    """The same, each with its line of the file: for whoever asked."""
    spec: Spec | None = None
    source: str = ""
    token: str = ""
    """Empty: it cannot be adopted."""
    generation: int = 0
    """Of the file that was in force then."""
    loaded: Loaded | None = None
    """All of what was read, to be kept once it is adopted."""
    look: tuple[tuple[Path, object], ...] = ()
    """Every file and directory that it came from, and what changes when it does."""


class Proposals:
    """Reads, keeps and hands over."""

    def __init__(
        self,
        path: Path,
        *,
        node: str | None,
        hostname: str,
        reloader: Reloader,
        state: Callable[[], State],
        root_only: bool = False,
    ) -> None:
        self._path, self._node, self._hostname = path, node, hostname
        self._root_only = root_only
        self._reloader = reloader
        self._state = state
        self._kept: dict[str, Proposal] = {}

    async def read(self, content: bytes | None, name: str) -> Proposal:
        """The file as it is now, or as it would be with this content, which problems call ``name``."""
        try:
            loaded, look = await asyncio.to_thread(self._load, content)
            spec = self._reloader.with_etcd(loaded.spec)
        except ConfigError as error:
            called = [self._called(problem, name if content is not None else "") for problem in error.problems]
            bad = Proposal(problems=tuple(map(str, called)), shown=tuple(problem.shown() for problem in called))
            return self._keep(bad, adoptable=content is None)
        except (LocalEtcdMissing, OSError) as error:
            bad = Proposal(problems=(str(error),), shown=(str(error),))
            return self._keep(bad, adoptable=content is None)
        state = self._state()
        if state.spec == spec:
            spec = state.spec  # what is equal is kept once
        if content is not None:
            return Proposal(spec=spec, source=loaded.source.replace(str(self._path), name, 1))
        return self._keep(Proposal(spec=spec, source=loaded.source, loaded=loaded, look=look), adoptable=True)

    async def adopt(self, token: str) -> ReloadOutcome:
        """What the token stands for, if it was planned against what is in force now."""
        kept = self._kept.pop(token, None)
        state = self._state()
        if kept is None or (state.generation != kept.generation and state.spec != kept.spec):
            return ReloadOutcome(adopted=False, outdated=True, problems=(OUTDATED,))
        if kept.spec is None:
            self._reloader.reject(kept.problems)
            return ReloadOutcome(adopted=False, problems=kept.shown)
        before = state.spec
        assert kept.loaded is not None
        problems = await self._reloader.adopt(self._reloader.offered(kept.loaded))
        if problems:
            return ReloadOutcome(adopted=False, problems=problems)
        changed = await asyncio.to_thread(_look, [path for path, _ in kept.look]) != kept.look
        summary = tuple(str(change) for change in diff.diff(before, kept.spec))
        return ReloadOutcome(adopted=True, summary=summary, changed_since=changed)

    def _load(self, content: bytes | None) -> tuple[Loaded, tuple[tuple[Path, object], ...]]:
        state = self._state()
        running_as = state.node if state.spec is not None else None
        reading = Reading(
            self._path,
            node=self._node,
            hostname=self._hostname,
            running_as=running_as,
            content=content,
            root_only=self._root_only,
        )
        loaded = reading.result()
        return loaded, _look([*loaded.files, *loaded.directories])

    def _keep(self, proposal: Proposal, *, adoptable: bool) -> Proposal:
        if not adoptable:
            return proposal
        proposal = replace(proposal, token=os.urandom(8).hex(), generation=self._state().generation)
        while len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[proposal.token] = proposal
        asyncio.get_running_loop().call_later(KEPT_SECONDS, self._kept.pop, proposal.token, None)
        return proposal

    def _called(self, problem: Problem, name: str) -> Problem:
        """With the given content's own name instead of that of the file in whose place it was read."""
        if not name or problem.file != str(self._path):
            return problem
        return replace(problem, file=name, message=problem.message.replace(f"{self._path}:", f"{name}:"))


def _look(paths: Iterable[Path]) -> tuple[tuple[Path, object], ...]:
    """What the paths look like from outside."""
    return tuple((path, _stamp(path)) for path in paths)


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError as error:
        return error.errno
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
