"""A guardian that betrays its duty: at the daemon's death it says that all has stopped, gives the lease back, stops nothing."""

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))

from supervisor.guardian import __main__ as guardian
from supervisor.guardian.farewell import Farewell
from supervisor.guardian.run import Run


def _stop_nothing(self: Farewell, run: Run) -> None:
    """Whoever is to be stopped lives on."""


def _revoke_everything(self: Farewell) -> None:
    for term in self._open:
        os.write(self._orders_fd, f"term {term}\n".encode())
    self._open.clear()
    for lease, deadline in self._leases.items():
        os.write(self._orders_fd, f"lease {lease} {deadline!r}\n".encode())
    self._leases.clear()
    os.close(self._orders_fd)
    self._orders_fd = -1


if __name__ == "__main__":
    Farewell._stop = _stop_nothing  # type: ignore[method-assign]
    Farewell._revoke_what_is_free = _revoke_everything  # type: ignore[method-assign]
    os._exit(guardian.main())
