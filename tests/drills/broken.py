"""The supervisor, broken on purpose, to see whether the drills notice: ``broken.py MUTANT run FILE ...``.

``late-kill-by``: trust in a lease, and so kill-by, lasts far beyond the lease.
``resign-before-empty``: a stopped process is believed to be gone, and a term disarmed, without anybody looking.
``idle-guardian``: when the daemon dies, the guardian says that all has stopped, gives the lease back, and stops nothing.
"""

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from supervisor.cli.main import run
from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core import timing
from supervisor.core.names import Instant
from supervisor.daemon import handover, main
from supervisor.daemon.children import Children
from supervisor.daemon.handover import Orders

_TOO_MANY_TTLS = 20.0


def late_kill_by() -> None:
    """Every instant that is counted from the lease deadline moves."""

    def lease_deadline(sent_at: Instant, granted_seconds: float) -> Instant:
        return Instant(sent_at + _TOO_MANY_TTLS * granted_seconds)

    timing.lease_deadline = lease_deadline


def resign_before_empty() -> None:
    """What the core asks to be stopped and disarmed is answered at once, and not done."""
    perform = Children.perform

    def pretend(self: Children, action: ac.Action) -> bool:
        match action:
            case ac.SignalRun(run=number) | ac.KillRun(run=number):
                self._post(ev.Exited(run=number, code=0, signal=None))
                self._post(ev.Emptied(run=number, chance=random.random()))
            case ac.Disarm(term=term):
                self._post(ev.Disarmed(term=term))
            case _:
                return perform(self, action)
        return True

    Children.perform = pretend  # type: ignore[method-assign]


def idle_guardian() -> None:
    """Another program is started in the guardian's place."""
    real = subprocess.Popen
    script = str(Path(__file__).with_name("broken_guardian.py"))

    def popen(command: list[str], **options: Any) -> "subprocess.Popen[bytes]":
        return real([script if word.endswith("guardian/__main__.py") else word for word in command], **options)

    subprocess.Popen = popen  # type: ignore[misc,assignment] # it starts the reader of the file as well


MUTANTS: dict[str, Callable[[], None]] = {
    "late-kill-by": late_kill_by,
    "resign-before-empty": resign_before_empty,
    "idle-guardian": idle_guardian,
}


def stay_here(orders: Orders) -> NoReturn:
    """Be the daemon in this process, which is broken; the one that it would become is not."""
    code = main.run(orders)
    sys.exit(code)


if __name__ == "__main__":
    MUTANTS[sys.argv.pop(1)]()
    handover.hand_over = stay_here
    sys.exit(run(sys.argv[1:]))
