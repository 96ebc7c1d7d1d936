"""Limits of a run's cgroup: the controllers behind them, switched on where we may, and the files that hold them.

Promises: a limit is written before the child is born inside; what cannot be written is a SetupError that says what to do.
A cgroup that divides itself holds no process of its own (the kernel's rule), so for the first limit the daemon and the
guardian move into a leaf beside the containment; a cgroup that others live in is left alone.
Does not: get imported before a run asks for limits, or switch on a controller that nobody asked for: each makes every
cgroup below it dearer to make.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from supervisor.guardian import cgroup
from supervisor.guardian.census import look, read_file
from supervisor.guardian.setup import SetupError

_KEY: Final = "cgroup"
_ROUNDS: Final = 20
"""A daemon that forks just now may add one that we have not seen."""
_REMEDY: Final = "give the supervisor a cgroup v2 of its own (systemd: Delegate=yes), or set best_effort: on"


def limit(top: str | None, directory: str | None, wanted: Mapping[str, str], *, best_effort: bool, daemon: int) -> None:
    """Write ``wanted`` into the run's cgroup. Raises SetupError with every limit that cannot hold.

    ``daemon``: who started this process, alive or not.
    """
    if top is None or directory is None:
        if best_effort:
            return
        raise SetupError(_KEY, 0, f"no limits without a cgroup v2 of our own; {_REMEDY}")
    refused: dict[str, list[str]] = {}
    for file, value in wanted.items():
        try:
            _enable(file.partition(".")[0], top, os.path.dirname(directory), daemon)
            _put(f"{directory}/{file}", value)
        except OSError as error:
            reason = error.args[0] if isinstance(error, _RefusedError) else f"{error.strerror}"
            refused.setdefault(reason, []).append(file)
    if refused and not best_effort:
        text = "; ".join(f"{', '.join(files)} cannot be set: {reason}" for reason, files in refused.items())
        raise SetupError(_KEY, 0, f"{text}; {_REMEDY}")


class _RefusedError(OSError):
    """Why, in words."""


def _enable(controller: str, top: str, of_term: str, daemon: int) -> None:
    """Let the cgroups below ``of_term`` have this controller: each cgroup on the way hands it down."""
    above = os.path.dirname(top)
    for directory in (above, top, of_term):
        if controller in _words(f"{directory}/cgroup.subtree_control"):
            continue
        if controller not in _words(f"{directory}/cgroup.controllers"):
            raise _RefusedError(f"the {controller} controller is not given to {directory}")
        if directory == above and os.path.exists(f"{above}/cgroup.type"):  # the very root may hold processes
            # Before, whatever the kernel says: it takes cpu and pids from a cgroup with processes in it, and then lets
            # nobody into those below.
            make_room(above, f"{top}{cgroup.LEAF}", daemon)
        try:
            _put(f"{directory}/cgroup.subtree_control", f"+{controller}")
        except OSError as error:
            raise _RefusedError(f"{directory} does not hand it down: {error.strerror}") from None


def make_room(above: str, leaf: str, daemon: int) -> None:
    """Move the daemon, its other children and us out of a cgroup that is to be divided."""
    # Once the daemon is dead our parent is init, whose children are none of ours, and its pid may be anybody's.
    ours = {os.getpid(), daemon} if os.getppid() == daemon else {os.getpid()}
    for name in os.listdir(above):
        if name.startswith(cgroup.PREFIX) and name.endswith(cgroup.LEAF):
            with suppress(OSError):
                os.rmdir(f"{above}/{name}")  # an earlier daemon's
    os.makedirs(leaf, exist_ok=True)
    for _ in range(_ROUNDS):
        pids = [int(pid) for pid in _words(f"{above}/cgroup.procs")]
        if not pids:
            return
        for pid in pids:
            process = look(pid)
            if process is not None and pid not in ours and process.parent not in ours:
                raise _RefusedError(f"{above} also holds {process}, and a cgroup that is divided may hold none")
            with suppress(ProcessLookupError):
                _put(cgroup.procs_file(leaf), str(pid))
    raise _RefusedError(f"{above} does not become empty")


def _words(path: str) -> list[str]:
    return (read_file(path) or b"").decode().split()


def _put(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
