"""Cuts a scratch daemon off, and nothing else: packets of its group id are dropped, both ways, by nftables.

Promises: the rules are in a table of their own and match the drill's group id alone, which no other process has; what cuts is
an element with a timeout, so that the kernel itself ends the cut though this process be killed and the machine's administrator
asleep; a table that a dead drill left is removed by the next. Does not: work without root and nft, and says so before
anything is struck.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final, Self

from supervisor.cli import exits

_PREFIX: Final = "supervisor_drill_"
_GROUPS: Final = 0x6472_0000
"""Where the group ids of drills begin: far above those that people and systemd give out."""
_COUNTED: Final = re.compile(r"counter packets (\d+)")
_NFT_SECONDS: Final = 10.0


def own_group() -> int:
    """A group id for what this process is to cut off."""
    return _GROUPS + os.getpid() % 0x10000


def refusal() -> str:
    """Why nothing can be cut off here; empty when it can."""
    if os.geteuid() != 0:
        return "partition needs root: it drops packets by nftables; or rehearse kill and freeze, which do not"
    if shutil.which("nft") is None:
        return "partition needs the command nft (the package nftables)"
    return ""


class Cut:
    """The table of one drill; a context manager."""

    def __init__(self, group: int) -> None:
        self._group = group
        self._table = f"inet {_PREFIX}{os.getpid()}"

    def __enter__(self) -> Self:
        _sweep()
        table = self._table
        rules = [f"add table {table}", f"add set {table} cut {{ type gid; flags timeout; }}"]
        for hook in ("input", "output"):
            rules.append(f"add chain {table} {hook} {{ type filter hook {hook} priority 0; }}")
            rules.append(f"add rule {table} {hook} meta skgid @cut counter drop")
        _nft("; ".join(rules))
        return self

    def __exit__(self, *_: object) -> None:
        _nft(f"add table {self._table}; delete table {self._table}")

    def begin(self, seconds: float) -> None:
        """Drop everything, for so long at most."""
        _nft(f"add element {self._table} cut {{ {self._group} timeout {max(1, round(seconds))}s }}")

    def end(self) -> None:
        """Drop nothing any more."""
        _nft(f"flush set {self._table} cut")

    def dropped(self) -> int:
        """How many packets were dropped so far: a cut that dropped none was none."""
        return sum(int(count) for count in _COUNTED.findall(_nft(f"list table {self._table}")))


def _sweep() -> None:
    """Remove the tables of drills that are dead. Their elements have timed out, or soon will."""
    for line in _nft("list tables inet").splitlines():
        name = line.rpartition(" ")[2]
        pid = name.removeprefix(_PREFIX)
        if name.startswith(_PREFIX) and pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            _nft(f"delete table inet {name}")


def _nft(words: str) -> str:
    try:
        done = subprocess.run(["nft", words], capture_output=True, text=True, timeout=_NFT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise exits.Failure(f"nft: {error}", exits.NOT_PERMITTED) from None
    if done.returncode:
        raise exits.Failure(f"nft {words[:60]}: {done.stderr.strip()[:300]}", exits.NOT_PERMITTED)
    return done.stdout
