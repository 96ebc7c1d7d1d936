"""``load`` in a process of its own: the daemon's way to read its file.

Promises: the same Spec or the same problems as ``load.load`` with the daemon's environment; whatever the file makes of
the reader (a crash, a hang, a hunger for memory) is one more problem of the file, and the caller goes on. So is a reader
of another version, which an upgrade of the installed program makes of it: it is refused before anything of it is taken over. PyYAML and
pydantic, 9 MB, are never in the caller's memory.
Does not: import ``load``, or wait before ``result`` is called. Nothing runs between fork and exec (a vfork, in fact), so
it may be started beside gRPC's threads.
"""

import enum
import io
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

from supervisor import __version__, interpreter

if TYPE_CHECKING:
    from supervisor.config.loaded import Loaded
    from supervisor.config.problems import ConfigError, Problem

    Answer = Loaded | tuple[tuple[Problem, ...], tuple[Path, ...]]
    """What the reader sends: what it loaded, or the problems with the files it met."""

TIMEOUT_SECONDS: Final = 60.0
_OURS: Final = ("supervisor.core.", "supervisor.config.")
_AGAIN: Final = "see what is said on standard error, and try again: the machine may be short of memory or time"


class Reading:
    """One reading of a file, begun."""

    def __init__(
        self,
        path: Path,
        *,
        node: str | None,
        hostname: str,
        running_as: str | None = None,
        root_only: bool = False,
        last_good: Path | None = None,
        content: bytes | None = None,
    ) -> None:
        """Begin. As ``load.load``, whose ``environ`` is this process's. ``last_good``: where the file was kept; read that."""
        self._path = path
        self._content = content
        self._process: subprocess.Popen[bytes] | None = None
        self._refused = ""
        argv = interpreter.command(Path(__file__).with_name("__main__.py"))
        argv += [str(path), hostname]
        given = {
            "node": node,
            "running_as": running_as,
            "last_good": last_good,
            "root_only": "yes" if root_only else None,
            "content": "stdin" if content is not None else None,
        }
        argv += [f"{key}={value}" for key, value in given.items() if value is not None]
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL if content is None else subprocess.PIPE,
                stdout=subprocess.PIPE,  # stderr is ours: last words of a reader that fails belong in our log
                start_new_session=True,
            )
        except OSError as error:
            self._refused = f"no process can be started to read it: {error.strerror}"

    def result(self) -> "Loaded":
        """Wait for it. Raises ConfigError, and nothing else. Call it once."""
        if self._process is None:
            raise self._failed(self._refused)
        try:
            output, _ = self._process.communicate(self._content, timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.abandon()
            self._process.communicate()
            raise self._failed(f"reading it took longer than {TIMEOUT_SECONDS:g} s") from None
        if code := self._process.returncode:
            how = f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
            raise self._failed(f"the process that reads it {how}")
        try:
            answer = _unpack(output)
        except OtherVersionError as error:
            remedy = "`systemctl restart supervisor` on this node; until then it runs what it has adopted (docs/upgrading.md)"
            raise self._failed(str(error), remedy) from None
        except Exception as error:  # noqa: BLE001 # pickle raises whatever a class does; the file is not adopted, that is all
            raise self._failed(f"the process that reads it sent what cannot be read: {error}") from None
        from supervisor.config import (  # noqa: PLC0415 # not before the reader is started: it reads meanwhile
            loaded,
            problems,
        )

        if isinstance(answer, loaded.Loaded):
            return answer
        raise problems.ConfigError(*answer)

    def abandon(self) -> None:
        """Nobody wants it any more."""
        if self._process is not None:
            self._process.kill()

    def _failed(self, message: str, remedy: str = _AGAIN) -> "ConfigError":
        from supervisor.config import problems  # noqa: PLC0415 # as above

        problem = problems.Problem(file=str(self._path), line=1, column=1, message=message, remedy=remedy)
        return problems.ConfigError([problem], [self._path.absolute()])


class OtherVersionError(Exception):
    """The reader is of another version than this process: somebody has upgraded what is installed, and not restarted us."""


def pack(answer: "Answer") -> bytes:
    """For the pipe. Pickle: a Spec is ours, whole and typed, and so are both ends of the pipe, which the first line proves."""
    return f"{_made_by()}\n".encode() + pickle.dumps(answer, protocol=5)


def _unpack(data: bytes) -> "Answer":
    head, _, body = data.partition(b"\n")
    if head != (ours := _made_by()).encode():
        theirs = head.decode(errors="replace").partition(" ")[0]
        mine = ours.partition(" ")[0]
        between = f"it is {theirs[:40]}, and this daemon {mine}" if theirs != mine else "its specification differs"
        raise OtherVersionError(
            f"the supervisor that is installed is another than the one that runs ({between}); restart this daemon first"
        )
    answer: Answer = _Unpickler(io.BytesIO(body)).load()
    return answer


@cache
def _made_by() -> str:
    """Version and shape of what is sent: pickle takes fields by their place, and would take another version's for ours."""
    from supervisor.config import loaded  # noqa: PLC0415 # as above
    from supervisor.core import spec  # noqa: PLC0415

    homes = {c.__module__ for c in (*_classes(spec), *_classes(loaded))}
    found = {c for home in homes if home.startswith(_OURS) for c in _classes(sys.modules[home])}
    shapes = sorted(f"{c.__name__}({','.join(_parts(c))})" for c in found)
    return f"{__version__} {';'.join(shapes)}"


def _classes(module: ModuleType) -> list[type]:
    return [value for value in vars(module).values() if isinstance(value, type)]


def _parts(one: type) -> Iterable[str]:
    if issubclass(one, Enum):
        return one.__members__
    return (f.name for f in fields(one)) if is_dataclass(one) else ()


class _Unpickler(pickle.Unpickler):
    """Makes our own data and paths, so that what reads a stranger's bytes can send nothing else."""

    def find_class(self, module: str, name: str) -> object:
        """Classes of ours; pickle's way to ask."""
        if (module, name) == ("builtins", "getattr"):
            return _member
        if not module.startswith(_OURS) and (module, name) != ("pathlib", "PosixPath"):
            raise pickle.UnpicklingError(f"{module}.{name} is no part of a Spec")
        return super().find_class(module, name)


def _member(kind: object, name: str) -> enum.Enum:
    """A member of an enumeration, which Python 3.11.2 (Debian 12's) packs as an attribute of its class; and nothing else."""
    if not isinstance(kind, enum.EnumMeta):
        raise pickle.UnpicklingError(f"an attribute of {kind!r} is no part of a Spec")
    member: enum.Enum = kind[name]
    return member


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
