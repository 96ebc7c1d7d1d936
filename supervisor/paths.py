"""Where things are when nobody says: the file, the control socket, the state directory.

Promises: standard library only, so that it may run before the guardian is started; reads nothing but the arguments and,
for the last resort under /tmp, who owns that directory. Does not: create anything.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

DEFAULT_FILE: Final = Path("/etc/supervisor/supervisor.yaml")
SOCKET_NAME: Final = "control.sock"
_ROOT: Final = 0


class NoPlaceError(Exception):
    """There is no default place that can be trusted. The message says why and what to do."""


def control_socket(environ: Mapping[str, str], uid: int) -> Path:
    """The control socket of this user's daemon.

    $SUPERVISOR_SOCKET; else /run/supervisor/control.sock for root; else $XDG_RUNTIME_DIR/supervisor/control.sock; else
    under /tmp, in a directory that only this user may enter. Raises NoPlaceError when that one is not so.
    """
    if chosen := environ.get("SUPERVISOR_SOCKET"):
        return Path(chosen).absolute()
    if uid == _ROOT:
        return Path("/run/supervisor") / SOCKET_NAME
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):  # the XDG specification: a relative path is to be ignored
        return Path(runtime) / "supervisor" / SOCKET_NAME
    directory = Path(f"/tmp/supervisor-{uid}")  # noqa: S108 # checked here, and again when it is made
    if os.path.lexists(directory) and (problem := problem_of_shared_place(directory, uid)):
        raise NoPlaceError(problem)
    return directory / SOCKET_NAME


def key_path(socket: Path) -> Path:
    """The file beside a control socket that only the daemon's own user and root can read."""
    return socket.with_name(socket.name + ".key")


def state_directory(environ: Mapping[str, str], uid: int) -> Path:
    """Where the local etcd and the last adopted file are kept.

    $SUPERVISOR_STATE_DIR; else /var/lib/supervisor for root; else $XDG_STATE_HOME/supervisor; else ~/.local/state/supervisor.
    Raises NoPlaceError when there is no home either.
    """
    if chosen := environ.get("SUPERVISOR_STATE_DIR"):
        return Path(chosen).absolute()
    if uid == _ROOT:
        return Path("/var/lib/supervisor")
    home = environ.get("XDG_STATE_HOME", "")
    if home.startswith("/"):
        return Path(home) / "supervisor"
    own = environ.get("HOME", "")
    if not own.startswith("/"):
        raise NoPlaceError(
            "no home directory to keep state in; choose a place with --state-dir or $SUPERVISOR_STATE_DIR"
        )
    return Path(own) / ".local/state/supervisor"


def own_file(path: str | Path, flags: int) -> int:
    """An ``opener`` for files of the state directory: ours alone, and never through a link that somebody else has put there."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def problem_of_shared_place(directory: Path, uid: int) -> str:
    """Why an existing directory cannot be trusted with our socket; empty when it can.

    Only asks where anybody may make directories (the parent is sticky, as /tmp is): there it must be a real directory,
    ours or root's, that nobody else may write to. Elsewhere whoever could make it could do worse.
    """
    try:
        shared = directory.parent.stat().st_mode & stat.S_ISVTX
        status = directory.lstat()
    except OSError as error:
        return f"{directory}: {error.strerror}; choose another place with --socket or $SUPERVISOR_SOCKET"
    if not shared or directory.parent == directory:
        return ""
    fit = stat.S_ISDIR(status.st_mode) and status.st_uid in (_ROOT, uid) and not status.st_mode & 0o022
    if fit:
        return ""
    return (
        f"{directory} is in a shared place and not this user's alone; remove it, or choose another place with"
        " --socket or $SUPERVISOR_SOCKET"
    )
