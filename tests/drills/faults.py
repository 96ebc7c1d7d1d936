"""Everything that a drill breaks, one class each: how it is done, how it is undone, and what may follow.

Promises: ``inject`` returns when the fault is in force; ``heal`` undoes it, also when ``inject`` failed half-way; a fault
says whether the leader must change (``MOVE``), must not (``STAY``), or may (``MAY``).
Does not: judge. ``drill.py`` does, and the checker.

Not here: a jump of the wall clock. This machine is shared, Linux has no namespace for CLOCK_REALTIME, and a library that
fakes it for a process fakes the clock that gRPC's timers read as well; what can be said is said by
``test_no_wall_clock.py``: nothing that decides reads it.
"""

import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import ClassVar, Final

from tests.drills.fleet import NAMESPACE, Fleet
from tests.drills.members import Member
from tests.drills.net import leash
from tests.drills.nodes import Node

_FILLER_BYTES: Final = 1_000_000
QUOTA_BYTES: Final = 24 * 1024 * 1024
"""``--quota-backend-bytes`` of a drill's members, so that their disk can be full in a second."""
_BUSY_LOOPS: Final = 8


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
    hold_ttls: ClassVar[float] = 0.0
    """How long it lasts at least, in TTLs."""

    def __init__(self, fleet: Fleet, election: str, chance: random.Random) -> None:
        self.fleet, self.election, self.chance = fleet, election, chance
        self.node: Node = fleet.leader(election)
        """Who leads when it begins."""

    def inject(self) -> None:
        """Break it."""
        raise NotImplementedError

    def heal(self) -> None:
        """Mend it; nothing to do where the fleet does by itself."""


def kill(pid: int, number: signal.Signals) -> None:
    """A signal to a process that may be gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


# --- processes -------------------------------------------------------------------------------------------------------


class DaemonKilled(Fault):
    """SIGKILL: the guardian stops the processes and revokes the lease."""

    name = "daemon-killed"

    def inject(self) -> None:
        kill(self.node.pid, signal.SIGKILL)


class GuardianKilled(Fault):
    """SIGKILL: the daemon kills the processes, resigns and ends with 70."""

    name = "guardian-killed"

    def inject(self) -> None:
        kill(self.node.guardian, signal.SIGKILL)


class BothKilled(Fault):
    """Nobody is left to stop anything but the kernel and the next start."""

    name = "both-killed"

    def inject(self) -> None:
        guardian = self.node.guardian
        kill(guardian, signal.SIGSTOP)  # or it would see its daemon die first
        kill(self.node.pid, signal.SIGKILL)
        kill(guardian, signal.SIGKILL)


class DaemonKilledGuardianFrozen(Fault):
    """The one that should clean up cannot, and holds the lock of the state directory."""

    name = "daemon-killed-guardian-frozen"

    def inject(self) -> None:
        self._guardian = self.node.guardian
        kill(self._guardian, signal.SIGSTOP)
        kill(self.node.pid, signal.SIGKILL)

    def heal(self) -> None:
        kill(self._guardian, signal.SIGCONT)


class _Frozen(Fault):
    """SIGSTOP for longer than the lease lives, then SIGCONT."""

    hold_ttls = 1.3

    def victims(self) -> list[int]:
        raise NotImplementedError

    def inject(self) -> None:
        self._frozen = self.victims()
        for pid in self._frozen:
            kill(pid, signal.SIGSTOP)

    def heal(self) -> None:
        for pid in reversed(self._frozen):
            kill(pid, signal.SIGCONT)


class DaemonFrozen(_Frozen):
    """Kill-by strikes while the daemon sleeps; when it wakes it must not act on old belief."""

    name = "daemon-frozen"

    def victims(self) -> list[int]:
        return [self.node.pid]


class GuardianFrozen(_Frozen):
    """The daemon notices and must not go on without its guardian."""

    name = "guardian-frozen"
    leads = Leads.MAY

    def victims(self) -> list[int]:
        return [self.node.guardian]


class BothFrozenBriefly(_Frozen):
    """Shorter than the lease has left: nothing may come of it but silence of the daemon."""

    name = "both-frozen-briefly"
    leads = Leads.MAY
    hold_ttls = 0.4

    def victims(self) -> list[int]:
        return [self.node.guardian, self.node.pid]


class BothFrozen(_Frozen):
    """Not promised: nobody is awake to strike. The overlap is what fencing tokens are for."""

    name = "both-frozen"
    promised = False

    def victims(self) -> list[int]:
        return [self.node.guardian, self.node.pid]


class ProcessKilled(Fault):
    """Leader processes die and are started again within the term."""

    name = "process-killed"
    leads = Leads.STAY

    def inject(self) -> None:
        for pid in self.fleet.workers(self.election):
            kill(pid, signal.SIGKILL)


class ProcessFrozenNodeCut(_Frozen):
    """Leader processes that hear no SIGTERM because they are stopped, on a node that loses its lease."""

    name = "process-frozen-node-cut"

    def victims(self) -> list[int]:
        return self.fleet.workers(self.election)

    def inject(self) -> None:
        super().inject()
        self.fleet.net.cut(self.node.name)

    def heal(self) -> None:
        self.fleet.net.mend(self.node.name)
        super().heal()


class FollowerKilled(Fault):
    """A node that leads nothing dies: nobody else may notice."""

    name = "follower-killed"
    leads = Leads.STAY

    def inject(self) -> None:
        idle = [n for n in self.fleet.nodes.values() if n is not self.node]
        kill(self.chance.choice(idle).pid, signal.SIGKILL)


class CpuStarved(Fault):
    """Busy loops beside everything, four per processor or more."""

    name = "cpu-starved"
    leads = Leads.MAY
    hold_ttls = 1.5

    def inject(self) -> None:
        argv = [*leash(), sys.executable, "-I", "-S", "-c", "while True: pass"]
        self._loops = [subprocess.Popen(argv) for _ in range(_BUSY_LOOPS)]

    def heal(self) -> None:
        for loop in self._loops:
            loop.kill()
            loop.wait()


# --- network ---------------------------------------------------------------------------------------------------------


class NodeCut(Fault):
    """A black hole both ways: every packet of the leader's node is dropped, none refused."""

    name = "node-cut"
    hold_ttls = 1.2
    inbound, outbound = True, True

    def inject(self) -> None:
        self.fleet.net.cut(self.node.name, inbound=self.inbound, outbound=self.outbound)

    def heal(self) -> None:
        self.fleet.net.mend(self.node.name)


class NodeCutOutbound(NodeCut):
    """It hears, and is not heard."""

    name = "node-cut-outbound"
    inbound = False


class NodeCutInbound(NodeCut):
    """It is heard, and does not hear: its renewals may arrive unacknowledged."""

    name = "node-cut-inbound"
    outbound = False
    leads = Leads.MAY


class NodeUnplugged(Fault):
    """The cable is pulled: no carrier."""

    name = "node-unplugged"
    hold_ttls = 1.2

    def inject(self) -> None:
        self.fleet.net.unplug(self.node.name)

    def heal(self) -> None:
        self.fleet.net.plug(self.node.name)


class NodeSlow(Fault):
    """200 ms each way and 20 % loss on the leader's cable."""

    name = "node-slow"
    leads = Leads.MAY
    hold_ttls = 3.0

    def inject(self) -> None:
        self.fleet.net.degrade(self.node.name, delay_seconds=0.2, loss=0.2, seed=self.chance.randrange(2**31))

    def heal(self) -> None:
        self.fleet.net.restore(self.node.name)


class NodeCutFromEtcdLeader(Fault):
    """The leader's node reaches the other members only."""

    name = "node-cut-from-etcd-leader"
    leads = Leads.STAY
    hold_ttls = 1.5

    def inject(self) -> None:
        self.fleet.net.cut_between(self.node.name, [self.fleet.etcd.wait_leader(tend=self.fleet.look).name])

    def heal(self) -> None:
        self.fleet.net.mend(self.node.name)


# --- etcd ------------------------------------------------------------------------------------------------------------


class _OfEtcd(Fault):
    """A fault of etcd itself: by the promise, no reason to move."""

    leads = Leads.STAY

    def etcd_leader(self) -> Member:
        return self.fleet.etcd.wait_leader(tend=self.fleet.look)

    def etcd_follower(self) -> Member:
        leader = self.etcd_leader()
        return self.chance.choice([m for m in self.fleet.etcd.members if m is not leader])

    def heal(self) -> None:
        self.fleet.etcd.start()


class EtcdMemberKilled(_OfEtcd):
    """One that does not lead."""

    name = "etcd-member-killed"
    hold_ttls = 1.2

    def inject(self) -> None:
        self.etcd_follower().kill()


class EtcdMemberFrozen(_OfEtcd):
    """One that does not lead: connections stay open and nothing answers."""

    name = "etcd-member-frozen"
    hold_ttls = 1.2

    def inject(self) -> None:
        self.etcd_follower().freeze()


class EtcdEndpointKilled(_OfEtcd):
    """The member that the leader's own daemon talks to."""

    name = "etcd-endpoint-killed"
    hold_ttls = 1.2

    def inject(self) -> None:
        self.endpoint().kill()

    def endpoint(self) -> Member:
        """That member; any other if the daemon does not say."""
        said = self.node.endpoint()
        return next((m for m in self.fleet.etcd.members if m.endpoint == said), self.fleet.etcd.members[0])


class EtcdEndpointFrozen(EtcdEndpointKilled):
    """The same, and its connections stay open."""

    name = "etcd-endpoint-frozen"

    def inject(self) -> None:
        self.endpoint().freeze()


class EtcdLeaderCut(_OfEtcd):
    """etcd's leader alone behind a black hole, for clients and members alike."""

    name = "etcd-leader-cut"
    hold_ttls = 1.5

    def inject(self) -> None:
        self._cut = self.etcd_leader().name
        self.fleet.net.cut(self._cut)

    def heal(self) -> None:
        self.fleet.net.mend(self._cut)


class EtcdLeaderKilled(_OfEtcd):
    """The others elect another and extend every lease."""

    name = "etcd-leader-killed"
    hold_ttls = 1.2

    def inject(self) -> None:
        leader = self.etcd_leader()
        leader.kill()
        self.fleet.etcd.wait_leader(unlike=leader, tend=self.fleet.look)


class EtcdLeaderFrozen(_OfEtcd):
    """Frozen until the others have another leader, and woken soon."""

    name = "etcd-leader-frozen"

    def inject(self) -> None:
        leader = self.etcd_leader()
        leader.freeze()
        self.fleet.etcd.wait_leader(unlike=leader, tend=self.fleet.look)


class EtcdLeaderFrozenPastTtl(_OfEtcd):
    """Woken when, by its own clock, every lease has run out: it may revoke leases that are being kept alive."""

    name = "etcd-leader-frozen-past-ttl"
    leads = Leads.MAY
    hold_ttls = 1.6

    def inject(self) -> None:
        self.etcd_leader().freeze()


class EtcdLeaderMoved(_OfEtcd):
    """``etcdctl move-leader``."""

    name = "etcd-leader-moved"

    def inject(self) -> None:
        self.fleet.etcd.move_leader()


class EtcdQuorumLost(_OfEtcd):
    """Two of three are gone for longer than the lease lives: nobody may lead, and then somebody does."""

    name = "etcd-quorum-lost"
    leads = Leads.MAY
    hold_ttls = 1.3

    def inject(self) -> None:
        for member in self.chance.sample(self.fleet.etcd.members, 2):
            if self.chance.random() < 0.5:
                member.kill()
            else:
                member.freeze()


class EtcdRestarted(_OfEtcd):
    """All three die at once and come back on their data."""

    name = "etcd-restarted"
    leads = Leads.MAY

    def inject(self) -> None:
        for member in self.fleet.etcd.members:
            member.kill()
        self.fleet.etcd.start()


class EtcdFull(_OfEtcd):
    """NOSPACE: etcd takes no key and grants no lease until somebody makes room."""

    name = "etcd-full"
    hold_ttls = 1.2

    def inject(self) -> None:
        filler = "x" * _FILLER_BYTES
        endpoint = self.fleet.etcd.etcdctl
        for number in range(2 * QUOTA_BYTES // _FILLER_BYTES):
            try:
                _put(self.fleet, f"{NAMESPACE}-filler/{number}", filler)
            except RuntimeError:
                break
        if "NOSPACE" not in endpoint("alarm", "list"):
            raise RuntimeError("etcd is not full")

    def heal(self) -> None:
        etcd = self.fleet.etcd
        etcd.start()
        etcd.etcdctl("del", "--prefix", f"{NAMESPACE}-filler/")
        revision = int(etcd.etcdctl("get", "x", "--write-out", "fields").split('"Revision" : ')[1].split()[0])
        etcd.etcdctl("compact", str(revision))
        for member in etcd.members:
            etcd.etcdctl("defrag", member=member, timeout_seconds=20)
        etcd.etcdctl("alarm", "disarm")


class EtcdFullDaemonKilled(EtcdFull):
    """The leader dies while etcd takes no writes: the next may have to wait, but never doubles."""

    name = "etcd-full-daemon-killed"
    leads = Leads.MAY

    def inject(self) -> None:
        super().inject()
        kill(self.node.pid, signal.SIGKILL)


# --- by hand ---------------------------------------------------------------------------------------------------------


class KeyDeleted(Fault):
    """Somebody deletes the leader's key, while its lease lives."""

    name = "key-deleted"

    def inject(self) -> None:
        queue = self.fleet.etcd.queue(f"{NAMESPACE}/{self.election}/")
        assert queue, "nobody leads"
        self.fleet.etcd.etcdctl("del", queue[0].name)


class AllKeysDeleted(Fault):
    """Every key of every candidate at once."""

    name = "all-keys-deleted"

    def inject(self) -> None:
        self.fleet.etcd.etcdctl("del", "--prefix", f"{NAMESPACE}/")


class LeaseRevoked(Fault):
    """Somebody revokes the leader's lease."""

    name = "lease-revoked"

    def inject(self) -> None:
        queue = self.fleet.etcd.queue(f"{NAMESPACE}/{self.election}/")
        assert queue, "nobody leads"
        self.fleet.etcd.etcdctl("lease", "revoke", format(queue[0].lease, "x"))


class KeyDeletedNodeCut(Fault):
    """The leader's key is deleted while its node hears nothing of it: only waiting is safe."""

    name = "key-deleted-node-cut"
    hold_ttls = 1.2

    def inject(self) -> None:
        queue = self.fleet.etcd.queue(f"{NAMESPACE}/{self.election}/")
        assert queue, "nobody leads"
        self.fleet.net.cut(self.node.name)
        self.fleet.etcd.etcdctl("del", queue[0].name)

    def heal(self) -> None:
        self.fleet.net.mend(self.node.name)


class Resigned(Fault):
    """The ordinary case among the others: ``supervisor resign``."""

    name = "resigned"

    def inject(self) -> None:
        argv = [sys.executable, "-m", "supervisor", "resign", self.election, "--socket", str(self.node.socket)]
        subprocess.run(argv, capture_output=True, timeout=30, check=True)


class DaemonStopped(Fault):
    """SIGTERM to the daemon, as at every upgrade."""

    name = "daemon-stopped"

    def inject(self) -> None:
        kill(self.node.pid, signal.SIGTERM)


def _put(fleet: Fleet, key: str, value: str) -> None:
    """A large value, by a file: no command line holds it."""
    etcd = fleet.etcd
    argv = [*fleet.net.inside(), etcd.binaries.etcdctl, "--endpoints", etcd.endpoints[0], "put", key]
    file = Path(fleet.home) / "filler"
    file.write_text(value)
    with file.open() as source:
        done = subprocess.run(
            argv, stdin=source, env={**os.environ, "ETCDCTL_API": "3"}, capture_output=True, text=True, timeout=20,
            check=False,
        )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr)


def _all(base: type[Fault]) -> list[type[Fault]]:
    found = [base] if hasattr(base, "name") else []
    return found + [one for child in base.__subclasses__() for one in _all(child)]


FAULTS: dict[str, type[Fault]] = {fault.name: fault for fault in _all(Fault)}
"""Every fault by its name."""

PROMISED: tuple[str, ...] = tuple(name for name, fault in FAULTS.items() if fault.promised)
"""Those under which overlap must be 0."""

NEEDLESS: tuple[str, ...] = (
    EtcdMemberKilled.name, EtcdMemberFrozen.name, EtcdEndpointKilled.name, EtcdEndpointFrozen.name,
    EtcdLeaderKilled.name, EtcdLeaderFrozen.name, EtcdLeaderMoved.name,
)  # fmt: skip
"""Those under which nobody may move, in the words of the promise."""
