"""``run``: lock, guardian, daemon, in that order. What ``supervisor run`` becomes.

Promises: the guardian is started before gRPC is imported (this module imports neither), and only once the lock says
that no other daemon has this socket or state directory. The file is read meanwhile, by a process of its own.
"""

import socket as socket_module
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor.config.apart import Reading
from supervisor.control import lock
from supervisor.guardian.link import GuardianStartError, launch

if TYPE_CHECKING:
    from supervisor.daemon.errand import Errand

USAGE, INTERNAL, NOT_PERMITTED, BAD_CONFIGURATION = 64, 70, 77, 78


def run(
    file: Path,
    *,
    node: str | None,
    wait_etcd_seconds: float | None,
    socket: Path,
    state_dir: Path,
    errand: "Errand | None" = None,
) -> int:
    """Be the daemon, for one command only if there is an errand; returns the exit code."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        held = [lock.acquire(socket), lock.acquire(state_dir / "daemon")]
    except (lock.AlreadyRunning, lock.LockRefused) as error:
        print(f"supervisor: {error}", file=sys.stderr)
        return NOT_PERMITTED if isinstance(error.__cause__, PermissionError) else USAGE
    except OSError as error:
        print(f"supervisor: {error.filename}: {error.strerror}", file=sys.stderr)
        return NOT_PERMITTED if isinstance(error, PermissionError) else INTERNAL
    reading = Reading(file, node=node, hostname=socket_module.gethostname())
    try:
        launched = launch(state_dir=state_dir, node=node or "")
    except GuardianStartError as error:
        reading.abandon()
        print(f"supervisor: {error}", file=sys.stderr)
        return INTERNAL
    # Only now: gRPC's threads must not exist when the guardian is started.
    from supervisor.daemon.assemble import run_daemon  # noqa: PLC0415

    code = run_daemon(
        launched=launched,
        file=file,
        reading=reading,
        node=node,
        socket_path=socket,
        state_dir=state_dir,
        wait_etcd_seconds=wait_etcd_seconds,
        on_error=_refuse if errand is None else _refuse_errand,
        errand=errand,
    )
    for one in held:
        one.release()
    if errand is not None:
        errand.clear_away(state_dir)
    return code


def _refuse_errand(error: Exception) -> int:
    """The file was made of a command line: what is wrong with it has no place in a file."""
    from supervisor.config.problems import ConfigError  # noqa: PLC0415 # loaded by now

    if not isinstance(error, ConfigError):
        return _refuse(error)
    for problem in error.problems:
        print(f"supervisor: {problem.message}; {problem.remedy}", file=sys.stderr)
    return USAGE


def _refuse(error: Exception) -> int:
    """What keeps the daemon from starting, in words: a file that cannot be adopted, a place that cannot be used."""
    from supervisor.config.problems import ConfigError  # noqa: PLC0415 # loaded by now
    from supervisor.control.server import ServeError  # noqa: PLC0415
    from supervisor.etcd.local import LocalEtcdMissing  # noqa: PLC0415

    if isinstance(error, ConfigError):
        for problem in error.problems:
            print(problem.shown(), file=sys.stderr)
        return BAD_CONFIGURATION
    if isinstance(error, LocalEtcdMissing):
        print(f"supervisor: {error}", file=sys.stderr)
        return BAD_CONFIGURATION
    if isinstance(error, ServeError):
        print(f"supervisor: {error}", file=sys.stderr)
        return NOT_PERMITTED if isinstance(error.__cause__, PermissionError) else USAGE
    if isinstance(error, OSError):
        remedy = "mend it, or choose another place with --state-dir"
        print(f"supervisor: {error.filename or 'at start'}: {error.strerror or error}; {remedy}", file=sys.stderr)
        return NOT_PERMITTED if isinstance(error, PermissionError) else INTERNAL
    raise error
