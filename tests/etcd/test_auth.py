"""A user with the least rights on an etcd that asks for one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.core.events import Campaigned, Candidate, StoreReachable, StoreUnreachable
from supervisor.core.names import ElectionName, LeaseId, Token
from supervisor.core.spec import AuthSpec, EtcdSpec
from supervisor.etcd.errors import AuthFailed, FileUnusable, PermissionDenied
from supervisor.etcd.keys import grants
from tests.etcd.support import CALL_SECONDS, Recorder, enter, eventually, grant, opened, proclaim, resign, spec
from tests.etcd_server import BRISK, Binaries, EtcdServer

E = ElectionName("e")
NOBODYS = Campaigned(
    election=E,
    lease=LeaseId(1),
    create_revision=Token(1),
    first=Candidate(key="", lease=LeaseId(1), create_revision=Token(1)),
)
ROOT = ("--user", "root:root-secret")


@pytest.fixture
def guarded(binaries: Binaries, tmp_path: Path) -> Iterator[EtcdServer]:
    """An etcd with auth on, and a user that has the three ranges of /supervisor and nothing else."""
    with EtcdServer(tmp_path / "etcd", binaries=binaries, arguments=BRISK) as etcd:
        etcd.etcdctl("user", "add", "root:root-secret")
        etcd.etcdctl("role", "add", "root")
        etcd.etcdctl("user", "grant-role", "root", "root")
        etcd.etcdctl("user", "add", "node:node-secret")
        etcd.etcdctl("role", "add", "node")
        for line in grants("/supervisor", role="node"):  # the lines that our error message tells people to use
            etcd.etcdctl(*line.split()[1:])
        etcd.etcdctl("user", "grant-role", "node", "node")
        etcd.etcdctl("auth", "enable")
        yield etcd


@pytest.fixture
def auth(tmp_path: Path) -> AuthSpec:
    file = tmp_path / "password"
    file.write_text("node-secret\n")
    return AuthSpec(user="node", password_file=str(file))


def there(etcd: EtcdServer, auth: AuthSpec | None, namespace: str = "/supervisor") -> EtcdSpec:
    return spec(etcd.endpoint, auth=auth, namespace=namespace)


async def test_the_whole_life_of_a_candidate(guarded: EtcdServer, auth: AuthSpec) -> None:
    seen = Recorder()
    async with opened(there(guarded, auth), seen) as store:
        held = await grant(store)
        mine = await enter(store, "e", held, b"doc")
        await seen.queue("e", [b"doc"])
        await store.renew(held.lease, timeout_seconds=CALL_SECONDS)
        await proclaim(store, mine, b"new")
        await seen.queue("e", [b"new"])
        await resign(store, mine)
        await seen.queue("e", [])
        await store.revoke(held.lease, timeout_seconds=CALL_SECONDS)


async def test_a_change_of_roles_means_a_new_login_and_nothing_else(guarded: EtcdServer, auth: AuthSpec) -> None:
    """etcd refuses the old token with "revision of auth store is old"."""
    seen = Recorder()
    async with opened(there(guarded, auth), seen) as store:
        held = await grant(store)
        mine = await enter(store, "e", held, b"doc")
        await seen.queue("e", [b"doc"])
        guarded.etcdctl(*ROOT, "role", "add", "another")
        await store.renew(held.lease, timeout_seconds=CALL_SECONDS)
        await proclaim(store, mine, b"new")
        await seen.queue("e", [b"new"])  # the stream of the old login goes on, or was opened again
        assert not any(isinstance(e, StoreUnreachable) for e in seen.events)


async def test_a_restart_forgets_tokens_and_we_log_in_again(guarded: EtcdServer, auth: AuthSpec) -> None:
    seen = Recorder()
    async with opened(there(guarded, auth), seen) as store:
        held = await grant(store)
        await enter(store, "e", held, b"doc")
        await seen.queue("e", [b"doc"])
        start = len(seen.events)
        guarded.kill()
        await seen.wait(StoreUnreachable, after=start)
        guarded.launch()
        await seen.wait(StoreReachable, after=start)
        await seen.queue("e", [b"doc"], after=start)
        await eventually(lambda: store.renew(held.lease, timeout_seconds=CALL_SECONDS))


async def test_another_namespace_is_denied_with_the_grants_that_help(guarded: EtcdServer, auth: AuthSpec) -> None:
    seen = Recorder()
    async with opened(there(guarded, auth, namespace="/other"), seen) as store:
        # Not a proof: etcd without the fix of GHSA-rfx7-8w68-q57q does not look at nested transactions.
        with pytest.raises(PermissionDenied) as caught:
            await proclaim(store, NOBODYS, b"")
        for line in grants("/other", role="ROLE"):
            assert line in str(caught.value)
        assert "grant-permission" in (await seen.wait(StoreUnreachable)).detail


async def test_a_wrong_password_says_what_to_check(guarded: EtcdServer, auth: AuthSpec) -> None:
    Path(auth.password_file).write_text("guess")
    async with opened(there(guarded, auth)) as store:
        with pytest.raises(AuthFailed, match=r"'node'.*password_file") as caught:
            await grant(store)
    assert "guess" not in str(caught.value)


async def test_a_corrected_password_file_is_read_again(guarded: EtcdServer, auth: AuthSpec) -> None:
    Path(auth.password_file).write_text("guess")
    async with opened(there(guarded, auth)) as store:
        with pytest.raises(AuthFailed):
            await grant(store)
        Path(auth.password_file).write_text("node-secret")
        await grant(store)


async def test_no_user_where_one_is_needed_says_which_keys_to_set(guarded: EtcdServer) -> None:
    async with opened(there(guarded, None)) as store:
        with pytest.raises(AuthFailed, match=r"etcd\.auth\.user"):
            await proclaim(store, NOBODYS, b"")


async def test_an_unreadable_password_file_is_named(etcd: EtcdServer) -> None:
    lost = AuthSpec(user="node", password_file="/nonexistent/password")
    async with opened(there(etcd, lost)) as store:
        with pytest.raises(FileUnusable, match=r"etcd\.auth\.password_file: cannot read /nonexistent/"):
            await grant(store)


async def test_a_user_may_be_configured_before_auth_is_switched_on(etcd: EtcdServer, auth: AuthSpec) -> None:
    async with opened(there(etcd, auth)) as store:
        await grant(store)
