"""Faults of one node: its processes, its processor, its cable; and its orderly ends, for comparison."""

import signal
import subprocess
import sys
from typing import Final

from tests.drills.fault import Fault, Leads, kill
from tests.drills.net import leash

_BUSY_LOOPS: Final = 8


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


class NodeLossy(Fault):
    """30 % of all frames each way are lost on the leader's cable, so that half of all round trips fail; none is late."""

    name = "node-lossy"
    leads = Leads.STAY
    stays_from_ttl = 10.0
    hold_ttls = 2.0

    def inject(self) -> None:
        self.fleet.net.lose(self.node.name, 0.3)

    def heal(self) -> None:
        self.fleet.net.lose_nothing(self.node.name)


class NodeCutFromEtcdLeader(Fault):
    """The leader's node reaches the other members only."""

    name = "node-cut-from-etcd-leader"
    leads = Leads.STAY
    hold_ttls = 1.5

    def inject(self) -> None:
        self.fleet.net.cut_between(self.node.name, [self.fleet.etcd.wait_leader(tend=self.fleet.look).name])

    def heal(self) -> None:
        self.fleet.net.mend(self.node.name)


# --- orderly ends ----------------------------------------------------------------------------------------------------


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
