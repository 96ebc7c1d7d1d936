"""``run``: lock, guardian, daemon, in that order. What ``supervisor run`` becomes.

Promises: the guardian is started before gRPC is imported (this module imports neither), and only once the lock says
that no other daemon has this socket or state directory. The file is read by a process of its own. Both are on their way
before anything else of ours is imported, which takes longer than either.
"""

import os
import resource
import socket as socket_module
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor.config.apart import Reading
from supervisor.control import lock
from supervisor.daemon.handover import Orders
from supervisor.guardian.launch import GuardianStartError, begin

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisor.daemon.errand import Errand

_SPANS = (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))
USAGE, INTERNAL, NOT_PERMITTED, BAD_CONFIGURATION = 64, 70, 77, 78


def run(orders: Orders, *, errand: "Errand | None" = None) -> int:
    """Be the daemon, for one command only if there is an errand; returns the exit code."""
    file, node, socket, state_dir = orders.file, orders.node, orders.socket, orders.state_dir
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = [lock.acquire(socket), lock.acquire(state_dir / "daemon")]
    except (lock.AlreadyRunning, lock.LockRefused) as error:
        print(f"supervisor: {error}", file=sys.stderr)
        return NOT_PERMITTED if isinstance(error.__cause__, PermissionError) else USAGE
    except OSError as error:
        print(f"supervisor: {error.filename}: {error.strerror}", file=sys.stderr)
        return NOT_PERMITTED if isinstance(error, PermissionError) else INTERNAL
    root_only = os.geteuid() == 0 and not orders.insecure_permissions
    reading = Reading(file, node=node, hostname=socket_module.gethostname(), root_only=root_only)
    try:
        launching = begin(state_dir=state_dir, node=node or "")
        # Only now: gRPC's threads must not exist when the guardian is started. It and the reader get ready meanwhile.
        run_daemon = assembly()
        launched = launching.wait()
    except GuardianStartError as error:
        reading.abandon()
        print(f"supervisor: {error}", file=sys.stderr)
        return INTERNAL
    _leave_no_core()
    code = run_daemon(
        launched=launched,
        file=file,
        reading=reading,
        node=node,
        socket_path=socket,
        state_dir=state_dir,
        wait_etcd_seconds=orders.wait_etcd_seconds,
        root_only=root_only,
        last_good=orders.last_good,
        on_error=lambda error: (_refuse if errand is None else _refuse_errand)(error, orders),
        errand=errand,
    )
    for one in held:
        one.release()
    if errand is not None:
        errand.clear_away(state_dir)
    return code


def _leave_no_core() -> None:
    """Passwords of etcd are in this memory. Ours alone: the guardian, and with it every child, has the limit that was there."""
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def assembly() -> "Callable[..., int]":
    """``assemble.run_daemon``: all the rest of the daemon, imported now.

    Without ssl, which asyncio imports if it is there, and which loads libcrypto: 4.5 MB that gRPC and ``processes.tls`` do without.
    None in sys.modules is the import system's own word for "not there"; it is taken back at once, so that ssl can be imported.
    """
    sys.modules["ssl"] = None  # type: ignore[assignment]
    import asyncio  # noqa: F401, PLC0415 # not before guardian and reader are started

    del sys.modules["ssl"]
    from supervisor.daemon.assemble import run_daemon  # noqa: PLC0415 # likewise

    return run_daemon


def _refuse_errand(error: Exception, orders: Orders) -> int:
    """The file was made of a command line: what is wrong with it has no place in a file."""
    from supervisor.config.problems import ConfigError  # noqa: PLC0415 # loaded by now

    if not isinstance(error, ConfigError):
        return _refuse(error, orders)
    for problem in error.problems:
        print(f"supervisor: {problem.message}; {problem.remedy}", file=sys.stderr)
    return USAGE


def _refuse(error: Exception, orders: Orders) -> int:
    """What keeps the daemon from starting, in words: a file that cannot be adopted, a place that cannot be used."""
    from supervisor.config.problems import ConfigError  # noqa: PLC0415 # loaded by now
    from supervisor.control.server import ServeError  # noqa: PLC0415
    from supervisor.etcd.local import LocalEtcdMissing  # noqa: PLC0415

    if isinstance(error, ConfigError):
        for problem in error.problems:
            print(problem.shown(), file=sys.stderr)
        if not orders.last_good and (hint := _hint(orders.state_dir)):
            print(hint, file=sys.stderr)
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


def _hint(state_dir: Path) -> str:
    """What could be started from instead; empty when there is nothing."""
    from supervisor.daemon.keeper import FILE_NAME  # noqa: PLC0415 # loaded by now

    try:
        age = time.time() - (state_dir / FILE_NAME).stat().st_mtime
    except OSError:
        return ""
    ago = next((f"{age / size:.0f} {name}" for name, size in _SPANS if age >= 2 * size), "a moment")
    return f"supervisor: the configuration adopted {ago} ago is kept: `supervisor run --last-good` starts from it"
