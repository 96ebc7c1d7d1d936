"""Faults of etcd, by accident and by hand."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Final

from tests.drills.fault import Fault, Leads, kill
from tests.drills.fleet import NAMESPACE, Fleet
from tests.drills.members import Member

_FILLER_BYTES: Final = 1_000_000
QUOTA_BYTES: Final = 24 * 1024 * 1024
"""``--quota-backend-bytes`` of a drill's members, so that their disk can be full in a second."""


# --- etcd ------------------------------------------------------------------------------------------------------------


class OfEtcd(Fault):
    """A fault of etcd itself: by the promise, no reason to move."""

    leads = Leads.STAY

    def etcd_leader(self) -> Member:
        return self.fleet.etcd.wait_leader(tend=self.fleet.look)

    def etcd_follower(self) -> Member:
        leader = self.etcd_leader()
        return self.chance.choice([m for m in self.fleet.etcd.members if m is not leader])

    def heal(self) -> None:
        self.fleet.etcd.start()


class EtcdMemberKilled(OfEtcd):
    """One that does not lead."""

    name = "etcd-member-killed"
    hold_ttls = 1.2

    def inject(self) -> None:
        self.etcd_follower().kill()


class EtcdMemberFrozen(OfEtcd):
    """One that does not lead: connections stay open and nothing answers."""

    name = "etcd-member-frozen"
    hold_ttls = 1.2

    def inject(self) -> None:
        self.etcd_follower().freeze()


class EtcdEndpointKilled(OfEtcd):
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


class EtcdLeaderCut(OfEtcd):
    """etcd's leader alone behind a black hole, for clients and members alike."""

    name = "etcd-leader-cut"
    hold_ttls = 1.5

    def inject(self) -> None:
        self._cut = self.etcd_leader().name
        self.fleet.net.cut(self._cut)

    def heal(self) -> None:
        self.fleet.net.mend(self._cut)


class EtcdLeaderKilled(OfEtcd):
    """The others elect another and extend every lease."""

    name = "etcd-leader-killed"
    hold_ttls = 1.2

    def inject(self) -> None:
        leader = self.etcd_leader()
        leader.kill()
        self.fleet.etcd.wait_leader(unlike=leader, tend=self.fleet.look)


class EtcdLeaderFrozen(OfEtcd):
    """Frozen until the others have another leader, and woken soon."""

    name = "etcd-leader-frozen"

    def inject(self) -> None:
        leader = self.etcd_leader()
        leader.freeze()
        self.fleet.etcd.wait_leader(unlike=leader, tend=self.fleet.look)


class EtcdLeaderFrozenPastTtl(OfEtcd):
    """Woken when, by its own clock, every lease has run out: it may revoke leases that are being kept alive."""

    name = "etcd-leader-frozen-past-ttl"
    leads = Leads.MAY
    hold_ttls = 1.6

    def inject(self) -> None:
        self.etcd_leader().freeze()


class EtcdLeaderMoved(OfEtcd):
    """``etcdctl move-leader``."""

    name = "etcd-leader-moved"

    def inject(self) -> None:
        self.fleet.etcd.move_leader()


class EtcdQuorumLost(OfEtcd):
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


class EtcdRestarted(OfEtcd):
    """All three die at once and come back on their data."""

    name = "etcd-restarted"
    leads = Leads.MAY

    def inject(self) -> None:
        for member in self.fleet.etcd.members:
            member.kill()
        self.fleet.etcd.start()


class EtcdRollingRestart(OfEtcd):
    """An upgrade of etcd: one member after the other is stopped, started, and waited for until it answers."""

    name = "etcd-rolling-restart"
    stays_from_ttl = 10.0

    def inject(self) -> None:
        members = self.fleet.etcd.members
        for member in self.chance.sample(members, len(members)):
            member.stop()
            self.fleet.etcd.start()


class EtcdFull(OfEtcd):
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


class KeyDeletedDaemonFrozen(KeyDeletedNodeCut):
    """The same with a daemon that sleeps: its guardian knows of no deletion, and strikes at kill-by only."""

    name = "key-deleted-daemon-frozen"

    def inject(self) -> None:
        queue = self.fleet.etcd.queue(f"{NAMESPACE}/{self.election}/")
        assert queue, "nobody leads"
        self._pid = self.node.pid
        kill(self._pid, signal.SIGSTOP)
        self.fleet.etcd.etcdctl("del", queue[0].name)

    def heal(self) -> None:
        kill(self._pid, signal.SIGCONT)


class LeaseRevokedNodeCut(KeyDeletedNodeCut):
    """The lease goes instead of the key: that etcd does not know a lease says nothing about when it would have ended."""

    name = "lease-revoked-node-cut"

    def inject(self) -> None:
        queue = self.fleet.etcd.queue(f"{NAMESPACE}/{self.election}/")
        assert queue, "nobody leads"
        self.fleet.net.cut(self.node.name)
        self.fleet.etcd.etcdctl("lease", "revoke", format(queue[0].lease, "x"))


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
