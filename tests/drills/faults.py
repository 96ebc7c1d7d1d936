"""Every fault by its name, and which of them go where.

Not here: a jump of the wall clock. This machine is shared, Linux has no namespace for CLOCK_REALTIME, and a library that
fakes it for a process fakes the clock that gRPC's timers read as well; what can be said is said by
``test_no_wall_clock.py``: nothing that decides reads it.
"""

from tests.drills import node_faults
from tests.drills.etcd_faults import (
    EtcdEndpointFrozen,
    EtcdEndpointKilled,
    EtcdLeaderFrozen,
    EtcdLeaderKilled,
    EtcdLeaderMoved,
    EtcdMemberFrozen,
    EtcdMemberKilled,
    EtcdRollingRestart,
    OfEtcd,
)
from tests.drills.fault import Fault, Leads


def together(first: type[Fault], second: type[Fault]) -> type[Fault]:
    """Two faults at once: the second comes while the first lasts. Nothing is said of who leads, only that none doubles."""

    class Together(Fault):
        name = f"{first.name}+{second.name}"
        leads = Leads.MAY
        promised = first.promised and second.promised
        hold_ttls = max(first.hold_ttls, second.hold_ttls, 0.5)

        def inject(self) -> None:
            self._begun: list[Fault] = []
            for fault in (first, second):
                one = fault(self.fleet, self.election, self.chance)
                self._begun.append(one)
                one.inject()

        def heal(self) -> None:
            for one in reversed(self._begun):
                one.heal()

    return Together


def _all(base: type[Fault]) -> list[type[Fault]]:
    found = [base] if hasattr(base, "name") else []
    return found + [one for child in base.__subclasses__() for one in _all(child)]


FAULTS: dict[str, type[Fault]] = {fault.name: fault for fault in _all(Fault)}
"""Every fault by its name."""

PROMISED: tuple[str, ...] = tuple(name for name, fault in FAULTS.items() if fault.promised)
"""Those under which overlap must be 0."""

OF_NODES: tuple[str, ...] = tuple(n for n, f in FAULTS.items() if f.promised and not issubclass(f, OfEtcd))
OF_ETCD: tuple[str, ...] = tuple(n for n, f in FAULTS.items() if f.promised and issubclass(f, OfEtcd))
"""What may come together: one of each, the node's first, for it may need an etcd that answers."""

NEEDLESS: tuple[str, ...] = (
    EtcdMemberKilled.name, EtcdMemberFrozen.name, EtcdEndpointKilled.name, EtcdEndpointFrozen.name,
    EtcdLeaderKilled.name, EtcdLeaderFrozen.name, EtcdLeaderMoved.name,
    EtcdRollingRestart.name, node_faults.NodeLossy.name,
)  # fmt: skip
"""Those under which nobody may move, in the words of the promise; some from a TTL on (``must_stay``)."""
