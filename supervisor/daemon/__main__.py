"""The daemon's process: what ``supervisor run`` becomes, by exec and with the same pid, once the command line is read.

Promises: nothing of the command line's (click), of the file's (PyYAML, pydantic) and of TLS (libcrypto) is in this
process's memory; gRPC has its own. Exit codes are those of ``supervisor run``. Does not: check its arguments, which are
``hand_over``'s.
"""

import ctypes
import io
import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if __package__ in {None, ""}:
    # Neither the working directory nor ours is in the path (-P). The package is found once; from then on it knows itself.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    import supervisor  # noqa: F401 # for the next imports, wherever it is installed

    sys.path.pop(0)

from supervisor.daemon.handover import Orders
from supervisor.daemon.main import INTERNAL, run

if TYPE_CHECKING:
    from supervisor.daemon.errand import Errand

_INTERRUPTED = 130
_M_ARENA_MAX = -8


def main() -> int:
    """Be the daemon; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with suppress(OSError):
        Path("/proc/self/comm").write_text("supervisor", encoding="ascii")  # the name in ps, as before the exec
    # One heap for all threads: gRPC's would each get one of their own, and Python's lock keeps them apart anyway.
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
    try:
        orders = Orders.parse(sys.argv[1:])
        return run(orders, errand=_errand(orders.errand))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception:  # noqa: BLE001 # a bug of ours must not look like another verb's answer, which Python's 1 would
        traceback.print_exc()
        sys.stderr.flush()
        # At once: a thread that does not end would keep us here, and the guardian waiting for our death.
        os._exit(INTERNAL)


def _errand(text: str) -> "Errand | None":
    """What ``elect`` was asked for; the daemon of a file holds nothing of it in memory."""
    if not text:
        return None
    from supervisor.daemon.errand import Errand  # noqa: PLC0415

    return Errand.parse(text)


if __name__ == "__main__":
    status = main()
    with suppress(OSError, ValueError):  # nobody reads what we said last
        sys.stdout.flush()
        sys.stderr.flush()
    # Everything is closed and written. To take the interpreter and gRPC apart would only make whoever waits for us wait longer.
    os._exit(status)
