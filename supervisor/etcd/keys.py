"""The key layout: public, versioned by this file, and the one that etcd's own Election clients write.

    <namespace>/<election>/<lease id in hex>   a candidate; oldest create revision first
    <namespace>.ctl/...                        requests to nodes (switchover, pause, drain)
    <namespace>.log/<election>/<token>         the record of a term: its present state, then its end
    <namespace>.log//<election>/<token>/began  the ledger: how a term began, once it was ready
    <namespace>.log//<election>/<token>/ended  the record of a term long over, moved there

Promises: whatever lies below ``<namespace>/<election>/`` is in that election's queue, as it is for etcd's Election
service and ``etcdctl elect``, who look at the prefix alone. Does not: allow a slash in an election's name, since the
queue of ``a`` would then hold the candidates of ``a/b``.
"""

from typing import Final

from supervisor.core.names import ElectionName, LeaseId, Token, candidate_key, grant_line, record_key

BEGAN: Final = "began"
ENDED: Final = "ended"


def candidate(namespace: str, election: ElectionName, lease: LeaseId) -> bytes:
    """The key of a candidate; ``ValueError`` for an election that no key can name and for lease 0."""
    if lease == 0:
        raise ValueError("lease 0 is no lease: such a key would outlive its node")
    return candidate_key(namespace, _checked(election), lease).encode()


def election_name(namespace: str, election: ElectionName) -> bytes:
    """What the Election service and ``etcdctl elect`` call this election."""
    return f"{namespace}/{_checked(election)}".encode()


def election_prefix(namespace: str, election: ElectionName) -> bytes:
    """Where the candidates of an election lie."""
    return election_name(namespace, election) + b"/"


def namespace_prefix(namespace: str) -> bytes:
    """Where the candidates of all elections lie."""
    return f"{namespace}/".encode()


def record(namespace: str, election: ElectionName, token: Token) -> bytes:
    """Where the record of a term lies."""
    return record_key(namespace, _checked(election), token).encode()


def records_prefix(namespace: str, election: ElectionName) -> bytes:
    """Where the records of an election's terms lie."""
    return f"{namespace}.log/{_checked(election)}/".encode()


def ledger(namespace: str, election: ElectionName, token: Token, part: str) -> bytes:
    """Where one part of a term's history lies: ``BEGAN`` or ``ENDED``."""
    return ledger_prefix(namespace, election) + f"{token}/{part}".encode()


def ledger_prefix(namespace: str, election: ElectionName) -> bytes:
    """Where the history of an election lies: no election is named by nothing, so these are no election's records."""
    return f"{namespace}.log//{_checked(election)}/".encode()


def election_of(namespace: str, key: bytes) -> ElectionName | None:
    """The election in whose queue a key is; None for a key in none."""
    prefix = namespace_prefix(namespace)
    if not key.startswith(prefix):
        return None
    name, slash, _rest = key[len(prefix) :].decode(errors="replace").partition("/")
    return ElectionName(name) if name and slash else None


def requests_prefix(namespace: str) -> bytes:
    """Where requests to nodes lie."""
    return f"{namespace}.ctl/".encode()


def range_end(prefix: bytes) -> bytes:
    """The first key beyond all keys with this prefix: the prefix with its last byte raised (ours end in a slash)."""
    return prefix[:-1] + bytes((prefix[-1] + 1,))


def ranges(namespace: str) -> tuple[str, ...]:
    """The prefixes that a node reads and writes, and no other."""
    return f"{namespace}/", f"{namespace}.ctl/", f"{namespace}.log/"


def grants(namespace: str, *, role: str) -> tuple[str, ...]:
    """The ``etcdctl`` lines that give a role all that a node needs."""
    return tuple(grant_line(prefix, role=role) for prefix in ranges(namespace))


def _checked(election: ElectionName) -> ElectionName:
    if not election or "/" in election:
        raise ValueError(f"an election's name is not empty and holds no slash: {election!r}")
    return election
