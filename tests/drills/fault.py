"""What a fault is, before there is any.

Promises: ``inject`` returns when the fault is in force; ``heal`` undoes it, also when ``inject`` failed half-way; a fault
says whether the leader must change (``MOVE``), must not (``STAY``), or may (``MAY``).
Does not: judge. ``drill.py`` does, and the checker.
"""

import os
import random
import signal
from contextlib import suppress
from enum import Enum
from typing import ClassVar

from tests.drills.fleet import Fleet
from tests.drills.nodes import Node


class Leads(Enum):
    """What may become of the leader."""

    MOVE = "move"
    STAY = "stay"
    MAY = "may"


class Fault:
    """One fault against the leader of one election. Used once."""

    name: ClassVar[str]
    leads: ClassVar[Leads] = Leads.MOVE
    promised: ClassVar[bool] = True
    """False where the product promises nothing but the fencing token."""
    stays_from_ttl: ClassVar[float] = 0.0
    """Seconds. With a shorter TTL, a fault that must move nobody may: what it costs is counted in seconds, not in TTLs."""
    hold_ttls: ClassVar[float] = 0.0
    """How long it lasts at least, in TTLs."""

    def __init__(self, fleet: Fleet, election: str, chance: random.Random) -> None:
        self.fleet, self.election, self.chance = fleet, election, chance
        self.node: Node = fleet.leader(election)
        """Who leads when it begins."""

    @classmethod
    def must_stay(cls, ttl_seconds: float) -> bool:
        """Whether a move is needless with leases of this length."""
        return cls.leads is Leads.STAY and ttl_seconds >= cls.stays_from_ttl

    def inject(self) -> None:
        """Break it."""
        raise NotImplementedError

    def heal(self) -> None:
        """Mend it; nothing to do where the fleet does by itself."""


def kill(pid: int, number: signal.Signals) -> None:
    """A signal to a process that may be gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
