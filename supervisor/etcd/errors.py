"""What can go wrong with etcd, named by what it tells us.

    StoreError
    ├── Undecided             no answer: the request may have been carried out or not; nothing is known about the state
    │   ├── Unreachable         the endpoint is not there, or cannot serve now (no raft leader, shutting down)
    │   │   └── Overloaded        it is behind with what it has accepted, and takes no more for now; another may not be
    │   └── TimedOut            the deadline passed
    └── Refused               etcd, or this machine, said no: the request was not carried out
        ├── LeaseNotFound       the lease does not exist (any more), and its keys are gone with it
        ├── KeyNotOurs          the key is gone, or is a later one than ours
        ├── NobodyLeads         the election has no candidate, says the Election service
        ├── PermissionDenied    the user may not; names the grants that are needed
        ├── AuthFailed          user or password is wrong, or one is needed
        ├── FileUnusable        a certificate or password file cannot be read
        ├── OutOfSpace          etcd's database is full: it refuses every write until someone makes room
        ├── TooLarge            more in one request than etcd takes (--max-request-bytes, or gRPC's own bound)
        ├── Compacted           that revision is no longer kept
        └── Rejected            anything else: the message is etcd's own

Promises: every message says what was asked of whom, what etcd answered and, where someone can help, what to do.
Does not: retry. ``from_rpc`` and ``from_text`` are the only places that read etcd's error texts (api/v3rpc/rpctypes).
"""

import grpc

from supervisor.etcd.keys import grants


class StoreError(Exception):
    """Base of everything that a call to etcd raises."""


class Undecided(StoreError):  # noqa: N818 # these names say what is known; "Error" would add nothing
    """No answer: whether the request was carried out is unknown."""


class Refused(StoreError):  # noqa: N818 # as above
    """An answer, and it is no: the request was not carried out."""


class Unreachable(Undecided):
    """The endpoint does not answer, or cannot serve now; another may."""


class Overloaded(Unreachable):
    """This member takes no more requests for now: it has far more committed than it has applied."""


class TimedOut(Undecided):
    """The deadline of the call passed."""


class LeaseNotFound(Refused):
    """The lease does not exist (any more)."""


class KeyNotOurs(Refused):
    """The key does not exist with the create revision that we know as ours."""


class NobodyLeads(Refused):
    """The election has no candidate: how the Election service says it."""


class PermissionDenied(Refused):
    """The user has no permission for the key range."""


class AuthFailed(Refused):
    """Wrong user or password, none where one is needed, or a login that has lapsed (``channel`` logs in again)."""


class FileUnusable(Refused):
    """A file that the connection needs cannot be read or used."""


class OutOfSpace(Refused):
    """The database has reached its quota."""


class TooLarge(Refused):
    """The request is larger than etcd takes."""


class Compacted(Refused):
    """The revision asked for is no longer kept."""


class Rejected(Refused):
    """Any other refusal."""


_TEXTS: tuple[tuple[str, type[StoreError], str], ...] = (
    ("requested lease not found", LeaseNotFound, ""),
    ("election: not leader", KeyNotOurs, ""),
    ("election: no leader", NobodyLeads, ""),
    ("invalid auth token", AuthFailed, ""),
    ("revision of auth store is old", AuthFailed, ""),
    ("user name is empty", AuthFailed, "etcd wants a user: set etcd.auth.user and etcd.auth.password_file"),
    ("invalid user id or password", AuthFailed, "check etcd.auth.user and the content of etcd.auth.password_file"),
    ("permission denied", PermissionDenied, ""),
    ("database space exceeded", OutOfSpace, "compact and defragment etcd, then run 'etcdctl alarm disarm'"),
    ("required revision has been compacted", Compacted, ""),
    ("request is too large", TooLarge, "etcd must run with --max-request-bytes 65536 at least; its default is 1572864"),
    (
        "message larger than max",
        TooLarge,
        "etcd must run with --max-request-bytes 65536 at least; its default is 1572864",
    ),
    (
        "too many requests",
        Overloaded,
        "this member is more than 5000 entries behind: its disk or processor is too slow for what is written",
    ),
    ("no leader", Unreachable, "this member sees no majority of its cluster"),
    ("leader changed", Unreachable, ""),
    ("request timed out", TimedOut, ""),
    ("context deadline exceeded", TimedOut, ""),
    ("server stopped", Unreachable, ""),
    ("too many operations in txn", Rejected, "etcd must run with --max-txn-ops 128, its default, or more"),
    ("handshake failed", Unreachable, "check etcd.tls: ca, cert, key, server_name, and that this endpoint speaks TLS"),
    ("certificate verify failed", Unreachable, "check etcd.tls.ca and etcd.tls.server_name"),
)
"""Parts of etcd's and gRPC's messages in lower case, first match wins; what each means, and what to do about it."""

_CODES: dict[grpc.StatusCode, type[StoreError]] = {
    grpc.StatusCode.UNAVAILABLE: Unreachable,
    grpc.StatusCode.CANCELLED: Unreachable,
    grpc.StatusCode.ABORTED: Unreachable,
    grpc.StatusCode.INTERNAL: Unreachable,  # a broken http2 stream, as C-core reports it
    grpc.StatusCode.UNKNOWN: Undecided,  # whatever it was, it is no answer
    grpc.StatusCode.DEADLINE_EXCEEDED: TimedOut,
    grpc.StatusCode.UNAUTHENTICATED: AuthFailed,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
}


def from_rpc(code: grpc.StatusCode, text: str | None, *, what: str, namespace: str) -> StoreError:
    """The error for a failed call. ``what``: verb and endpoint, for people. etcd's text says more than its code."""
    reason = (text or code.name).rpartition("last error: ")[2]  # before it C-core only says that it tried
    return _build(reason, _CODES.get(code, Rejected), what, namespace)


def from_text(text: str, *, what: str, namespace: str) -> StoreError:
    """The error for a reason given inside a response, as a cancelled watch gives it."""
    return _build(text, Unreachable, what, namespace)


def _build(text: str, otherwise: type[StoreError], what: str, namespace: str) -> StoreError:
    low = text.lower()
    kind, remedy = next(((kind, remedy) for part, kind, remedy in _TEXTS if part in low), (otherwise, ""))
    if kind is PermissionDenied:
        remedy = "grant the user's role: " + "; ".join(grants(namespace, role="ROLE"))
    return kind(f"{what}: {text}" + (f" ({remedy})" if remedy else ""))
