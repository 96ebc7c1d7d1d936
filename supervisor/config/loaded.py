"""What reading a file gave, as plain data that may travel between processes. Does not: read anything."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from supervisor.config.problems import Problem
from supervisor.core.spec import Spec

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """One file as it was written: variables are not expanded, since what they hold may be secret."""

    text: str
    includes: tuple[tuple[str, ...], ...] = ()
    """The files that each pattern of its ``include`` brought, in the order of the patterns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A file and everything it includes, so that all of it can be loaded again in the same way, wherever it went."""

    files: Mapping[str, KeptFile]
    """By path, as named when it was read: relative paths in a file are relative to where it was."""


class NotKeptError(Exception):
    """Bytes that are no configuration that was kept. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastGood:
    """A configuration that was in force once."""

    path: Path
    hash: str
    adopted_at: str
    """By the wall clock, ISO 8601: for people."""
    kept: Kept

    def packed(self) -> bytes:
        """For the state directory."""
        files = {path: {"text": one.text, "includes": one.includes} for path, one in self.kept.files.items()}
        found = {
            "v": _VERSION,
            "path": str(self.path),
            "hash": self.hash,
            "adopted_at": self.adopted_at,
            "files": files,
        }
        return json.dumps(found, indent=1).encode() + b"\n"

    @staticmethod
    def unpacked(data: bytes) -> "LastGood":
        """The inverse of ``packed``. Raises NotKeptError."""
        try:
            found = json.loads(data)
            if found["v"] != _VERSION:
                raise NotKeptError(f"it is of version {found['v']}, and this supervisor knows {_VERSION}")
            files = {
                str(path): KeptFile(text=str(one["text"]), includes=tuple(tuple(map(str, m)) for m in one["includes"]))
                for path, one in found["files"].items()
            }
            path, hash_, at = Path(found["path"]), str(found["hash"]), str(found["adopted_at"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
            raise NotKeptError(f"it is damaged: {type(e).__name__}") from None
        return LastGood(path=path, hash=hash_, adopted_at=at, kept=Kept(files=files))


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Whom a file is for."""

    names: tuple[str, ...]
    """The nodes under ``nodes``."""
    runs_unlisted: bool
    own: str
    """The node that runs it here when nobody names one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A file that may be adopted."""

    spec: Spec
    source: str
    """The path as given and eight hexadecimal digits of the SHA-256 of everything read: for people."""
    hash: str
    """All of that SHA-256."""
    files: tuple[Path, ...]
    """Absolute paths of every file read: a change of any may change the Spec."""
    directories: tuple[Path, ...]
    """Absolute paths of the directories that includes look in: a new file there may change it too."""
    nodes: tuple[str, ...] = ()
    """The nodes that the file lists."""
    warnings: tuple[Problem, ...] = ()
    """What does not keep it from being adopted, and is hardly what was meant."""
    kept: Kept = field(default_factory=lambda: Kept(files={}), repr=False)
    adopted_at: str = ""
    """When it was in force before; empty unless it was loaded from what was kept."""
