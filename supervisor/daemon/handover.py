"""From the command line's process to the daemon's, which it becomes: same pid, nothing of the command line in memory.

Promises: what was given to ``supervisor run`` arrives as it was, and can be read in ``ps``. The first process of a container becomes
the one that the daemon needs above it (``first.py``). Does not: return.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from supervisor import interpreter

_FIRST = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What ``supervisor run`` was asked for, complete and absolute."""

    file: Path
    socket: Path
    state_dir: Path
    node: str | None
    wait_etcd_seconds: float | None
    last_good: bool = False
    """Start from the configuration adopted last when the file is broken or gone."""
    insecure_permissions: bool = False
    """Root takes a file that others could change."""
    errand: str = ""
    """What ``elect`` was asked for (``errand.Errand``); empty for ``run``."""

    def arguments(self) -> list[str]:
        """For the daemon's command line."""
        found = [str(self.file), f"--socket={self.socket}", f"--state-dir={self.state_dir}"]
        if self.node is not None:
            found.append(f"--node={self.node}")
        if self.wait_etcd_seconds is not None:
            found.append(f"--wait-etcd={self.wait_etcd_seconds!r}")
        found += [f"--{name}=yes" for name, on in self._switches().items() if on]
        if self.errand:
            found.append(f"--errand={self.errand}")
        return found

    def _switches(self) -> dict[str, bool]:
        return {"last-good": self.last_good, "insecure-permissions": self.insecure_permissions}

    @staticmethod
    def parse(arguments: list[str]) -> "Orders":
        """The inverse of ``arguments``."""
        file, *options = arguments
        given = dict(option.removeprefix("--").split("=", 1) for option in options)
        wait = given.get("wait-etcd")
        return Orders(
            file=Path(file),
            socket=Path(given["socket"]),
            state_dir=Path(given["state-dir"]),
            node=given.get("node"),
            wait_etcd_seconds=None if wait is None else float(wait),
            last_good="last-good" in given,
            insecure_permissions="insecure-permissions" in given,
            errand=given.get("errand", ""),
        )


def hand_over(orders: Orders) -> NoReturn:
    """Become the daemon."""
    here = Path(__file__)
    argv = [*interpreter.command(here.with_name("__main__.py")), *orders.arguments()]
    if os.getpid() == _FIRST:
        from supervisor.guardian.launch import LOCK  # noqa: PLC0415 # in a container only

        argv = [*interpreter.command(here.with_name("first.py")), str(orders.state_dir / LOCK), *argv]
    os.execv(argv[0], argv)  # noqa: S606 # the program is this one
