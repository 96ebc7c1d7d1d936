"""Keys and errors: no etcd needed."""

import grpc
import pytest

from supervisor.core.names import ElectionName, LeaseId
from supervisor.etcd import errors, keys


def test_a_candidate_key_is_what_other_clients_write() -> None:
    assert keys.candidate("/supervisor", ElectionName("billing"), LeaseId(0x694D)) == b"/supervisor/billing/694d"
    assert keys.election_name("/supervisor", ElectionName("billing")) == b"/supervisor/billing"


def test_a_range_holds_one_election_or_one_namespace_and_no_neighbour() -> None:
    prefix = keys.election_prefix("/supervisor", ElectionName("a"))
    inside = (b"/supervisor/a/1", b"/supervisor/a/ffff")
    outside = (b"/supervisor/a", b"/supervisor/ab/1", b"/supervisor/a.b/1", b"/supervisor/b/1")
    assert all(prefix <= key < keys.range_end(prefix) for key in inside)
    assert not any(prefix <= key < keys.range_end(prefix) for key in outside)
    everything = keys.namespace_prefix("/supervisor")
    assert not any(
        everything <= key < keys.range_end(everything) for key in (b"/supervisor.log/a/1", b"/supervisor.ctl/x")
    )


@pytest.mark.parametrize(
    ("key", "election"),
    [
        (b"/supervisor/billing/694d", "billing"),
        (b"/supervisor/billing/not-hex", "billing"),
        (b"/supervisor/a/b/1", "a"),
        (b"/supervisor/note", None),
        (b"/supervisor//1", None),
        (b"/supervisor.log/billing/1", None),
        (b"/elsewhere/billing/1", None),
    ],
)
def test_the_election_of_a_key(key: bytes, election: str | None) -> None:
    assert keys.election_of("/supervisor", key) == election


@pytest.mark.parametrize("name", ["", "a/b"])
def test_an_election_that_no_key_can_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="slash"):
        keys.election_prefix("/supervisor", ElectionName(name))
    with pytest.raises(ValueError, match="lease 0"):
        keys.candidate("/supervisor", ElectionName("a"), LeaseId(0))


@pytest.mark.parametrize(
    ("code", "text", "kind", "part"),
    [
        (grpc.StatusCode.NOT_FOUND, "etcdserver: requested lease not found", errors.LeaseNotFound, ""),
        (grpc.StatusCode.UNAVAILABLE, "etcdserver: no leader", errors.Unreachable, "majority"),
        (grpc.StatusCode.UNAVAILABLE, "etcdserver: request timed out", errors.TimedOut, ""),
        (grpc.StatusCode.UNKNOWN, "context deadline exceeded", errors.TimedOut, ""),
        (grpc.StatusCode.UNKNOWN, "Stream removed", errors.Undecided, "Stream removed"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", errors.TimedOut, ""),
        (grpc.StatusCode.UNAVAILABLE, "failed; last error: UNKNOWN: refused", errors.Unreachable, "at X: UNKNOWN: ref"),
        (grpc.StatusCode.UNAUTHENTICATED, "etcdserver: invalid auth token", errors.AuthFailed, ""),
        (grpc.StatusCode.INVALID_ARGUMENT, "etcdserver: revision of auth store is old", errors.AuthFailed, ""),
        (grpc.StatusCode.INVALID_ARGUMENT, "etcdserver: user name is empty", errors.AuthFailed, "etcd.auth.user"),
        (grpc.StatusCode.PERMISSION_DENIED, "etcdserver: permission denied", errors.PermissionDenied, "readwrite /ns/"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded", errors.OutOfSpace, "defrag"),
        (grpc.StatusCode.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted", errors.Compacted, ""),
        (grpc.StatusCode.UNKNOWN, "election: no leader", errors.NobodyLeads, ""),
        (grpc.StatusCode.UNIMPLEMENTED, None, errors.Rejected, "UNIMPLEMENTED"),
    ],
)
def test_what_etcd_says_and_what_we_make_of_it(
    code: grpc.StatusCode, text: str | None, kind: type[errors.StoreError], part: str
) -> None:
    error = errors.from_rpc(code, text, what="renewal at X", namespace="/ns")
    assert type(error) is kind
    assert str(error).startswith("renewal at X: ")
    assert part in str(error)


@pytest.mark.parametrize(
    ("code", "text", "kind", "remedy"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, "etcdserver: request is too large", errors.TooLarge, "--max-request-bytes"),
        (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "grpc: received message larger than max (2 vs. 1)",
            errors.TooLarge,
            "--max-request-bytes",
        ),
        (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "etcdserver: mvcc: database space exceeded",
            errors.OutOfSpace,
            "etcdctl alarm disarm",
        ),
    ],
)
def test_an_unhappy_etcd_is_a_refusal_with_its_remedy(
    code: grpc.StatusCode, text: str, kind: type[errors.StoreError], remedy: str
) -> None:
    error = errors.from_rpc(code, text, what="proof", namespace="/s")
    assert type(error) is kind
    assert isinstance(error, errors.Refused)
    assert remedy in str(error)
    assert "\n" not in str(error)


def test_a_member_that_is_behind_is_one_that_cannot_serve_now() -> None:
    """So that the next is asked within the call."""
    code, text = grpc.StatusCode.RESOURCE_EXHAUSTED, "etcdserver: too many requests"
    error = errors.from_rpc(code, text, what="proof", namespace="/s")
    assert type(error) is errors.Overloaded
    assert isinstance(error, errors.Unreachable)
    assert "5000 entries behind" in str(error)
