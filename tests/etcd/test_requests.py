"""Requests to nodes and handovers, on a real etcd."""

from supervisor.core.events import Campaigned, Candidate
from supervisor.core.names import ElectionName, candidate_key
from supervisor.core.request_events import RequestsSeen
from supervisor.etcd.election import Ending, Succession
from tests.etcd.support import CALL_SECONDS, Recorder, enter, grant, opened, prove, resign, spec
from tests.etcd_server import EtcdServer

E = ElectionName("e")


def candidate(namespace: str, c: Campaigned) -> Candidate:
    key = candidate_key(namespace, E, c.lease)
    return Candidate(key=key, lease=c.lease, create_revision=c.create_revision)


def ending(c: Campaigned) -> Ending:
    return Ending(election=E, lease=c.lease, create_revision=c.create_revision, record=b"stopped")


def values(etcd: EtcdServer, prefix: str) -> list[str]:
    return etcd.etcdctl("get", "--prefix", "--print-value-only", "--sort-by=CREATE", prefix).split()


async def test_a_handover_takes_those_between_along_and_settles_the_request(etcd: EtcdServer, namespace: str) -> None:
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        one, two, three, _ = [
            await enter(store, "e", await grant(store), w) for w in (b"one", b"two", b"three", b"four")
        ]
        await prove(store, one, b"started")
        between = (candidate(namespace, two),)
        over = Succession(
            end=ending(one), to=candidate(namespace, three), ahead=between, path="switchover/e", done=b"done"
        )
        assert await store.hand_over(over, timeout_seconds=CALL_SECONDS)
        assert values(etcd, f"{namespace}/e/") == ["three", "four"]
        assert values(etcd, f"{namespace}.ctl/") == ["done"]
        assert values(etcd, f"{namespace}.log/e/") == ["stopped"]
        assert await store.hand_over(over, timeout_seconds=CALL_SECONDS), "again: our key is gone, as it should be"
        assert values(etcd, f"{namespace}/e/") == ["three", "four"]


async def test_a_target_that_has_left_changes_nothing(etcd: EtcdServer, namespace: str) -> None:
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        one, two, three = [await enter(store, "e", await grant(store), w) for w in (b"one", b"two", b"three")]
        await prove(store, one, b"started")
        await resign(store, three)
        over = Succession(
            end=ending(one), to=candidate(namespace, three), ahead=(candidate(namespace, two),), path="p", done=b"done"
        )
        assert not await store.hand_over(over, timeout_seconds=CALL_SECONDS)
        assert values(etcd, f"{namespace}/e/") == ["one", "two"]
        assert values(etcd, f"{namespace}.log/e/") == ["started"]
        assert values(etcd, f"{namespace}.ctl/") == []


async def test_who_entered_anew_meanwhile_keeps_its_place_and_a_lost_key_its_record(
    etcd: EtcdServer, namespace: str
) -> None:
    async with opened(spec(etcd.endpoint, namespace=namespace)) as store:
        one = await enter(store, "e", await grant(store), b"one")
        held = await grant(store)
        old = await enter(store, "e", held, b"two")
        three = await enter(store, "e", await grant(store), b"three")
        await prove(store, one, b"started")
        await resign(store, old)
        await enter(store, "e", held, b"two")
        over = Succession(end=ending(one), to=candidate(namespace, three), ahead=(candidate(namespace, old),))
        etcd.etcdctl("del", candidate_key(namespace, E, one.lease))
        assert await store.hand_over(over, timeout_seconds=CALL_SECONDS), "our key is gone, whoever took it"
        assert values(etcd, f"{namespace}/e/") == ["three", "two"]
        assert values(etcd, f"{namespace}.log/e/") == ["stopped"]


async def test_requests_are_shown_at_first_and_at_every_change(etcd: EtcdServer, namespace: str) -> None:
    heard = Recorder()
    async with opened(spec(etcd.endpoint, namespace=namespace), heard) as store:
        await heard.wait(RequestsSeen, lambda r: r.entries == ())
        assert await store.write_request("pause", b"one", 0, timeout_seconds=CALL_SECONDS)
        seen = await heard.wait(RequestsSeen, lambda r: len(r.entries) == 1)
        (entry,) = seen.entries
        assert (entry.path, entry.value) == ("pause", b"one")
        assert not await store.write_request("pause", b"two", 0, timeout_seconds=CALL_SECONDS), "it is there already"
        assert await store.write_request("pause", b"two", entry.revision, timeout_seconds=CALL_SECONDS)
        await heard.wait(RequestsSeen, lambda r: [e.value for e in r.entries] == [b"two"])
        after = len(heard.events)
        assert await store.write_request("pause", None, None, timeout_seconds=CALL_SECONDS)
        await heard.wait(RequestsSeen, lambda r: r.entries == (), after=after)
