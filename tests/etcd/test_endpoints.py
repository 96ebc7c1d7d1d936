"""Every way to name etcd's members, and what becomes of one that is ill."""

import asyncio
import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.message
import dns.rrset
import pytest

from supervisor.core.events import StoreReachable
from supervisor.core.spec import EtcdSpec, TlsSpec
from supervisor.core.store_events import EndpointsSeen
from supervisor.etcd.address import Address, parse
from supervisor.etcd.channel import Channels
from supervisor.etcd.directory import Directory
from supervisor.etcd.errors import Unreachable
from supervisor.etcd.members import Members
from supervisor.etcd.srv import NAMESERVERS_VARIABLE
from tests.etcd.support import CALL_SECONDS, PATIENCE_SECONDS, Recorder, enter, grant, opened, spec
from tests.etcd_server import BRISK, Binaries, EtcdCluster, EtcdServer
from tests.ports import free_port


@pytest.fixture
def many_ways(binaries: Binaries, tmp_path: Path) -> Iterator[tuple[EtcdServer, str, str]]:
    """An etcd on IPv4, IPv6 and a unix socket; the latter two's URLs."""
    port = free_port()
    ports = (free_port(), free_port())
    six = f"http://[::1]:{port}"
    listen = f"http://127.0.0.1:{ports[0]},{six},unix://s:0"
    extra = ("--listen-client-urls", listen, *BRISK)
    with EtcdServer(tmp_path / "etcd", binaries=binaries, ports=ports, arguments=extra) as server:
        yield server, six, f"unix://{tmp_path}/etcd/s:0"


async def whole_life(etcd: EtcdSpec) -> str:
    """Queue, see it, renew; the endpoint that answered."""
    seen = Recorder()
    async with opened(etcd, seen) as store:
        held = await grant(store)
        await enter(store, "e", held, b"doc")
        await seen.queue("e", [b"doc"])
        await store.renew(held.lease, timeout_seconds=CALL_SECONDS)
        await store.revoke(held.lease, timeout_seconds=CALL_SECONDS)
        return (await seen.wait(StoreReachable)).endpoint


async def test_ipv6_and_unix_sockets(many_ways: tuple[EtcdServer, str, str]) -> None:
    _, six, path = many_ways
    assert await whole_life(spec(six)) == six
    assert await whole_life(spec(path)) == path


async def test_a_name_is_as_many_members_as_it_has_addresses(many_ways: tuple[EtcdServer, str, str]) -> None:
    server, _, _ = many_ways
    found = await Directory(spec(f"http://localhost:{server.client_port}"), lambda _: None).known()
    assert "127.0.0.1" in {address.host for address in found}
    label = f"http://localhost:{server.client_port} (127.0.0.1)"
    assert label in {address.label for address in found}
    assert await whole_life(spec(f"http://localhost:{server.client_port}")) == label


async def test_a_frozen_member_behind_a_name_is_left(
    binaries: Binaries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One name, three members: gRPC alone would hang on the first that accepts connections."""
    monkeypatch.setattr("supervisor.etcd.members.random.choice", lambda some: some[0])
    with EtcdCluster(tmp_path, binaries=binaries) as cluster:
        frozen = next(m for m in cluster.members if m is not cluster.leader())
        order = [frozen, *(m for m in cluster.members if m is not frozen)]
        members = [Address(scheme="http", host="127.0.0.1", port=m.client_port, name="etcd") for m in order]

        async def look_up(given: Address) -> list[Address]:
            return members

        monkeypatch.setattr("supervisor.etcd.directory._addresses", look_up)
        seen = Recorder()
        async with opened(spec("http://etcd:2379"), seen) as store:
            held = await grant(store)
            await store.renew(held.lease, timeout_seconds=CALL_SECONDS)
            frozen.freeze()
            await store.renew(held.lease, timeout_seconds=2.0)
            ill = await seen.wait(EndpointsSeen, lambda e: any(s.well is False for s in e.endpoints))
            assert [s.endpoint for s in ill.endpoints if s.well is False] == [members[0].label]
            at = len(seen.events)
            for _ in range(5):
                await store.renew(held.lease, timeout_seconds=2.0)
            frozen.thaw()
            await seen.wait(EndpointsSeen, lambda e: all(s.well for s in e.endpoints), after=at)
    told = [e for e in seen.events if isinstance(e, EndpointsSeen)]
    changes = [tuple(s.well for s in e.endpoints) for e in told]
    assert sum(one != other for one, other in itertools.pairwise(changes)) <= 5  # three answer, one falls ill


async def test_every_member_says_its_version_and_cluster(etcd: EtcdServer) -> None:
    seen = Recorder()
    async with opened(spec(etcd.endpoint), seen):
        told = await seen.wait(EndpointsSeen, lambda e: all(s.version for s in e.endpoints))
    (member,) = told.endpoints
    assert (member.version, member.cluster) == (etcd.binaries.version, told.cluster)


async def test_a_name_that_is_unknown_is_unreachable_and_named() -> None:
    async with opened(spec("http://nobody.invalid:2379")) as store:
        with pytest.raises(Unreachable, match=r"the name nobody\.invalid cannot be looked up"):
            await grant(store)


async def test_what_was_found_stays_while_dns_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[list[str] | None] = [["10.0.0.1", "10.0.0.2"], None, ["10.0.0.2", "10.0.0.3"]]

    def look_up(*_: object, **__: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        hosts = answers.pop(0)
        if hosts is None:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 1)) for host in hosts]

    monkeypatch.setattr("supervisor.etcd.directory.socket.getaddrinfo", look_up)
    told: list[tuple[Address, ...]] = []
    directory = Directory(spec("http://etcd:1"), told.append)

    async def again() -> list[str]:
        directory.look_again(0.0)
        assert directory._looking is not None
        await directory._looking
        return [a.host for a in directory.addresses]

    assert await again() == ["10.0.0.1", "10.0.0.2"]
    assert await again() == ["10.0.0.1", "10.0.0.2"]
    assert "Temporary failure" in directory.detail
    assert await again() == ["10.0.0.2", "10.0.0.3"]
    assert len(told) == 2


# --- SRV ---------------------------------------------------------------------------------------------------------------


@contextmanager
def name_server(records: dict[str, list[str]]) -> Iterator[str]:
    """A DNS server that knows these SRV records; ``address:port``."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        ending = threading.Event()
        server.settimeout(0.05)

        def serve() -> None:
            while not ending.is_set():
                try:
                    data, client = server.recvfrom(4096)
                except TimeoutError:
                    continue
                query = dns.message.from_wire(data)
                question = query.question[0]
                reply = dns.message.make_response(query)
                found = records.get(question.name.to_text(omit_final_dot=True))
                if found is None:
                    reply.set_rcode(dns.rcode.NXDOMAIN)
                else:
                    reply.answer.append(dns.rrset.from_text(question.name, 1, "IN", "SRV", *found))
                server.sendto(reply.to_wire(), client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            ending.set()
            thread.join()


def discovered(tls: TlsSpec | None = None, name: str | None = None) -> EtcdSpec:
    return EtcdSpec(discovery_srv="example.org", discovery_srv_name=name, tls=tls)


async def found_by(etcd: EtcdSpec) -> list[str]:
    directory = Directory(etcd, lambda _: None)
    return [address.label for address in await directory.known()]


async def test_srv_records_name_the_endpoints(etcd: EtcdServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with name_server({"_etcd-client._tcp.example.org": [f"0 0 {etcd.client_port} localhost."]}) as where:
        monkeypatch.setenv(NAMESERVERS_VARIABLE, where)
        assert await whole_life(discovered()) == f"http://localhost:{etcd.client_port} (127.0.0.1)"


async def test_which_srv_records_count(monkeypatch: pytest.MonkeyPatch) -> None:
    records = {
        "_etcd-client._tcp.example.org": ["0 0 1 127.0.0.1."],
        "_etcd-client-ssl._tcp.example.org": ["20 0 3 127.0.0.1.", "10 0 2 127.0.0.1."],
        "_etcd-client-blue._tcp.example.org": ["0 0 4 127.0.0.1."],
    }
    with name_server(records) as where:
        monkeypatch.setenv(NAMESERVERS_VARIABLE, where)
        assert await found_by(discovered()) == ["https://127.0.0.1:2", "https://127.0.0.1:3"]
        assert await found_by(discovered(tls=TlsSpec())) == ["https://127.0.0.1:2", "https://127.0.0.1:3"]
        assert await found_by(discovered(name="blue")) == ["http://127.0.0.1:4"]
        with pytest.raises(Unreachable, match=r"no SRV records _etcd-client-ssl-blue\._tcp\.example\.org"):
            await found_by(discovered(name="blue", tls=TlsSpec()))


async def test_a_name_server_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv(NAMESERVERS_VARIABLE, f"127.0.0.1:{port}")
    monkeypatch.setattr("supervisor.etcd.directory.SRV_TIMEOUT_SECONDS", 30.0)
    with pytest.raises(Unreachable, match=r"SRV records of example\.org"):
        await found_by(discovered())


# --- sharing -----------------------------------------------------------------------------------------------------------


def test_what_an_endpoint_is_called_and_dialled() -> None:
    four, six, path = parse("http://10.0.0.1:2379"), parse("https://[::1]:2379"), parse("unix:///run/etcd.sock")
    assert (four.label, four.target, four.dialled) == ("http://10.0.0.1:2379", "ipv4:10.0.0.1:2379", four.label)
    assert (six.label, six.target, six.dialled) == ("https://[::1]:2379", "ipv6:[::1]:2379", six.label)
    assert (path.label, path.target, path.dialled) == ("unix:///run/etcd.sock", "unix:/run/etcd.sock", path.label)
    named = Address(scheme="https", host="::1", port=2, name="etcd.example")
    assert (named.label, named.dialled) == ("https://etcd.example:2 (::1)", "https://[::1]:2#etcd.example")


async def test_calls_at_once_are_shared_by_the_members_and_a_fleet_by_chance(
    binaries: Binaries, tmp_path: Path
) -> None:
    with EtcdCluster(tmp_path, binaries=binaries) as cluster:
        async with opened(spec(*cluster.endpoints)) as store:
            await asyncio.gather(*(grant(store) for _ in range(30)))
            served = [member.answers for member in store._channels.members]
            assert min(served) >= 5
    homes: set[int] = set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(homes) < 3:
            homes.add(Channels(spec(*cluster.endpoints)).members.home().address.port)


async def test_an_endpoint_of_another_cluster_is_not_used(
    etcd: EtcdServer, fresh_etcd: EtcdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file lists members of two clusters: a lease of the one is none in the other."""
    seen = Recorder()
    async with opened(spec(etcd.endpoint, fresh_etcd.endpoint), seen) as store:
        mixed = await seen.wait(EndpointsSeen, lambda e: any(s.foreign for s in e.endpoints))
        (stranger,) = (s for s in mixed.endpoints if s.foreign)
        assert stranger.cluster != mixed.cluster
        before = next(m.answers for m in store._channels.members if m.address.label == stranger.endpoint)
        for _ in range(10):
            held = await grant(store)
            await store.renew(held.lease, timeout_seconds=CALL_SECONDS)
        after = next(m.answers for m in store._channels.members if m.address.label == stranger.endpoint)
    assert after - before <= 1  # but for the question how it is


async def test_what_was_begun_with_a_stranger_before_it_was_known_as_one_is_given_up() -> None:
    """A watch opened while nobody had said yet whose member he is would show another cluster's keys for ever."""
    members = Members(None, lambda _: None)
    members.start((parse("http://127.0.0.1:1"), parse("http://127.0.0.1:2")))
    ours, theirs = members
    kept, left = members.endpoint(ours), members.endpoint(theirs)
    members.answered(ours)
    members.told(ours, cluster="a", version="3.5.1", alarm="")
    assert members.leavers() == []
    members.told(theirs, cluster="b", version="3.5.1", alarm="")
    assert members.leavers() == [left]
    assert theirs.connections() == []
    assert ours.connections() == [kept]
    assert members.home() is ours
    for endpoint in (kept, left):
        await endpoint.close()
