"""The guard against keys that vanish while their lease, and their processes, live on."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core import operator_events as oev
from supervisor.core import records, takeover
from supervisor.core.events import LeaseSeen, TermRecord
from supervisor.core.names import EPOCH, ElectionName, Instant, LeaseId, Token
from supervisor.core.notice import NOTICE_SECONDS
from supervisor.core.others import LeaseSight
from supervisor.core.records import Mark
from supervisor.core.state import ElectionPhase
from tests.core.world import FakeStore, World, election, pass_time, share, spec

JOB = ElectionName("job")
LEASE = LeaseId(7)
ETCD = [
    ac.Renew,
    ac.GrantLease,
    ac.Campaign,
    ac.Prove,
    ac.Resign,
    ac.RevokeLease,
    ac.AskLease,
    ac.Proclaim,
    ac.ConfirmKeys,
]


def pair(**more: object) -> tuple[World, World]:
    """One leads, two waits; TTL 10 s, margin 0.5 s."""
    store = FakeStore()
    one, two = World(name="one", store=store), World(name="two", store=store, next_lease=0x2000)
    for world in (one, two):
        world.load(spec(election(**more)))  # type: ignore[arg-type] # forwarded as they are
        share(one, two)
    assert (one.phase(), two.phase()) == (ElectionPhase.LEADING, ElectionPhase.FOLLOWING)
    return one, two


def mark_of(world: World, token: int) -> str:
    record = TermRecord(token=Token(token), value=world.store.records["job"][Token(token)])
    return records.read(record, otherwise_ttl_seconds=10).mark.value


def delete_first(one: World, *others: World) -> int:
    """By hand, or by etcd when its frozen leader wakes: the lease lives. Only the others' watches see it."""
    gone = one.store.keys["job"].pop(0)
    one.store.revision += 1
    if others:
        share(*others)
    return gone.create_revision


def test_a_win_is_put_on_record_before_anything_starts() -> None:
    one, _ = pair()
    token = one.tokens[JOB]
    assert mark_of(one, token) == "started"
    proved = next(i for i, line in enumerate(one.log) if "< Prove" in line)
    spawned = next(i for i, line in enumerate(one.log) if "< Spawn" in line)
    assert proved < spawned


def test_a_willing_end_is_on_record_and_the_next_starts_at_once() -> None:
    one, two = pair()
    one.post(oev.ResignRequested(election=JOB))
    share(one, two)
    pass_time(NOTICE_SECONDS, one, two)
    assert mark_of(one, one.tokens[JOB]) == "stopped"
    assert two.running() == ["job/work"]


def test_a_lease_that_ran_out_by_itself_is_a_natural_end() -> None:
    one, two = pair()
    one.muted |= set(ETCD)  # frozen, or cut off: kill-by strikes there
    pass_time(8.0, one, two)
    assert two.running() == []
    ends = one.store.leases[one.state.elections[JOB].lease or LeaseId(0)][1]
    pass_time(ends - one.now + 0.3, one, two)  # etcd itself looks for expired leases twice a second
    assert two.running() == ["job/work"]
    assert two.state.elections[JOB].waits_for == ()


def test_a_key_deleted_while_its_lease_lives_is_waited_for_until_its_daemon_says_stopped() -> None:
    one, two = pair()
    pass_time(4.0, one, two)
    token = delete_first(one, two)
    assert two.phase() is ElectionPhase.LEADING
    assert two.running() == []
    (waited,) = two.state.elections[JOB].waits_for
    assert (waited.token, waited.node) == (token, "one")
    share(one, two)
    assert one.running() == []
    assert mark_of(one, token) == "stopped"
    pass_time(0.2, one, two)
    assert two.running() == ["job/work"]


@pytest.mark.parametrize("asked_before", [False, True])
def test_an_answer_of_a_deposed_leader_of_etcd_is_no_natural_end(asked_before: bool) -> None:
    """A leader of etcd froze, another followed; now it wakes, says that a lease is about to end, and has its keys deleted."""
    one, two = pair()
    if not asked_before:
        two.failing.add(ac.AskLease)
    one.store.raft_term += 1
    pass_time(4.0, one, two)
    two.failing.clear()
    one.muted |= set(ETCD)
    one.store.stale_looks = True
    pass_time(4.0, two)
    delete_first(one, two)
    pass_time(2.0, two)  # past what the deposed leader said
    assert two.phase() is ElectionPhase.LEADING
    assert two.running() == []
    assert len(two.state.elections[JOB].waits_for) == 1


def test_without_a_word_the_wait_ends_when_the_guardian_has_killed() -> None:
    one, two = pair()
    pass_time(4.0, one, two)
    one.muted |= set(ETCD)
    begun = two.now
    token = delete_first(one, two)
    pass_time(9.7, two)
    assert two.running() == []
    assert two.state.elections[JOB].waits_for[0].clear_at == pytest.approx(begun + 10 - 0.25)
    pass_time(0.1, two)
    assert two.running() == ["job/work"]
    one.advance(two.now - one.now)
    assert one.running() == []
    assert mark_of(two, token) == "over"


def test_one_who_comes_late_waits_from_when_it_first_looked_and_the_third_not_at_all() -> None:
    one, two = pair()
    one.muted |= set(ETCD)
    two.muted |= set(ETCD)  # one machine, or one switch, takes both
    one.store.keys["job"].clear()
    one.store.revision += 1
    third = World(name="three", store=one.store, next_lease=0x3000, now=one.now)
    third.load(spec(election()))
    share(third)
    assert third.phase() is ElectionPhase.LEADING
    pass_time(9.7, third)
    assert third.running() == []
    pass_time(0.1, third)
    assert third.running() == ["job/work"]
    third.post(oev.ResignRequested(election=JOB))
    third.post(ev.ShutdownRequested(reason="done"))
    fourth = World(name="four", store=one.store, next_lease=0x4000, now=third.now)
    fourth.load(spec(election()))
    assert fourth.running() == ["job/work"], "what the third has waited out is closed"


def test_a_term_begun_at_home_is_over_when_we_start() -> None:
    one, _ = pair()
    one.store.keys["job"].clear()
    again = World(name="one", store=one.store, next_lease=0x3000, now=one.now)
    again.load(spec(election()))
    assert again.running() == ["job/work"]


def test_a_foreign_candidate_keeps_no_record_and_is_believed() -> None:
    world = World()
    other = world.foreign("job")
    world.load(spec(election()))
    world.delete_key("job", other.create_revision)
    world.post(ev.Ticked())
    assert world.running() == ["job/work"]


def test_the_guard_can_be_switched_off() -> None:
    one, two = pair(takeover_guard=False)
    one.muted |= set(ETCD)
    delete_first(one, two)
    assert two.running() == ["job/work"]


def test_a_key_lost_while_waiting_starts_nothing() -> None:
    one, two = pair()
    one.muted |= set(ETCD)
    delete_first(one, two)
    delete_first(two, two)
    assert two.running() == []
    assert two.phase() is not ElectionPhase.LEADING or two.state.elections[JOB].waits_for
    pass_time(5.0, two)
    assert two.running() == []


def test_a_proof_without_an_answer_is_ended_on_record_when_the_candidacy_is() -> None:
    world = World()
    world.muted.add(ac.Prove)
    world.load(spec(election()))
    (held,) = (a for a in world.held if isinstance(a, ac.Prove))
    world.store.records["job"] = {held.create_revision: held.record}  # carried out, and the answer lost
    world.post(ev.ReadFirstFailed(election=JOB, detail="timed out", chance=0.5))
    world.load(spec())
    assert mark_of(world, held.create_revision) == "stopped"


@pytest.mark.parametrize(("term_seconds", "stay"), [(3.0, records.KEPT), (0.5, records.KEPT + records.SPARE)])
def test_old_records_go_to_the_ledger_or_with_later_ends(term_seconds: float, stay: int) -> None:
    world = World()
    world.load(spec(election()))
    for _ in range(stay + 5):
        world.post(oev.ResignRequested(election=JOB))
        world.advance(term_seconds)
    assert world.running() == ["job/work"]
    assert len(world.store.records["job"]) <= stay + 2


@pytest.mark.parametrize(
    "value",
    [b"", b"nonsense", b"[]", b'{"mark":"gone"}', b'{"mark":["started"],"ttl":"x","margin":-1}', b'{"ttl":1e999}'],
)
def test_a_record_that_says_nothing_clear_is_waited_out(value: bytes) -> None:
    world = World()
    world.store.records["job"] = {Token(50): value}
    world.load(spec(election()))
    assert world.running() == []
    world.advance(10.0)
    assert world.running() == ["job/work"]
    assert mark_of(world, 50) == "over"


@given(
    ttl=st.integers(2, 30),
    renewals=st.lists(st.tuples(st.floats(0, 40), st.floats(0, 3)), max_size=8),
    looks=st.lists(st.tuples(st.floats(0, 60), st.floats(0, 0.5), st.floats(0, 0.5)), min_size=1, max_size=25),
)
def test_a_term_that_is_called_lost_was_lost(
    ttl: int, renewals: list[tuple[float, float]], looks: list[tuple[float, float, float]]
) -> None:
    """Whatever renewals arrive when, and whenever we look: the verdict implies the daemon's own.

    A renewal is (sent, seconds until it reaches etcd), a look (sent, way there, way back).
    """
    began = 100.0
    reached = sorted((began + s + way, began + s) for s, way in [(0.0, 0.0), *renewals])
    sight = LeaseSight(lease=LEASE)
    for sent_offset, way, back in sorted(looks):
        sent = began + sent_offset
        at, now = sent + way, sent + way + back
        ends, trusted_from = began, began
        for arrival, sent_at in reached:
            if arrival <= at and (arrival < ends or ends == began):
                ends, trusted_from = arrival + ttl, max(trusted_from, sent_at)
        left = math.floor(ends - at) if ends > at else -1
        answer = LeaseSeen(
            lease=LEASE, sent_at=Instant(sent), remaining_seconds=left, granted_seconds=ttl if left >= 0 else 0
        )
        sight = takeover.saw(sight, answer, Instant(now))
        lost = takeover.lost_by(sight, led_since=EPOCH)
        if lost is not None and left >= 0:
            assert sent >= trusted_from + 2 / 3 * ttl - 1e-6, "the daemon still believed in its lease"
            assert lost >= ends - 1e-6, "the lease was to end later"


def test_a_sight_from_before_the_term_says_nothing_of_it() -> None:
    sight = LeaseSight(lease=LEASE, sent_at=Instant(100.0), granted_seconds=10, ends_by=Instant(101.0))
    assert takeover.lost_by(sight, led_since=Instant(99.0)) == 101.0
    assert takeover.lost_by(sight, led_since=Instant(100.5)) is None


def test_marks_are_these() -> None:
    assert [m.value for m in Mark] == ["started", "stopped", "over"]


def test_a_leader_whose_watch_hangs_finds_its_key_gone_with_the_next_renewal() -> None:
    one, two = pair()
    pass_time(4.0, one, two)
    one.blind = True
    token = delete_first(one, two)
    assert two.running() == []
    pass_time(10 / 3, one, two)
    assert one.running() == []
    assert mark_of(one, token) == "stopped"
    pass_time(0.3, one, two)
    assert two.running() == ["job/work"]


def test_a_lease_that_is_renewed_is_not_enough_when_our_keys_cannot_be_seen() -> None:
    one, two = pair()
    pass_time(4.0, one, two)
    one.blind = True
    one.failing.add(ac.ConfirmKeys)
    next(iter(one.children.values())).obeys = False
    delete_first(one, two)
    while one.running():
        assert one.now < 1000.0 + 10 / 3 + 9.6, "not killed by the last sight of our key, and the TTL, less the margin"
        assert two.running() == []
        pass_time(0.05, one, two)
    pass_time(0.3, one, two)
    assert two.running() == ["job/work"]


def test_sight_of_our_keys_is_renewed_and_moves_no_term() -> None:
    one, two = pair()
    pass_time(60.0, one, two)
    assert one.phase() is ElectionPhase.LEADING
    assert sum("< ConfirmKeys" in line for line in one.log) >= 15
    one.failing.add(ac.ConfirmKeys)
    pass_time(3.0, one, two)
    one.failing.clear()
    pass_time(20.0, one, two)
    assert one.tokens[JOB] == one.state.elections[JOB].create_revision
    assert len(one.tokens) == 1
    assert one.phase() is ElectionPhase.LEADING


def test_after_a_gap_nothing_is_started_or_rewritten_before_our_keys_are_seen() -> None:
    one, two = pair()
    pass_time(2.0, one, two)
    one.muted.add(ac.ConfirmKeys)
    one.post(ev.Woke(gap_seconds=3.0))
    one.crash("job/work")
    one.advance(1.5)
    assert one.running() == []
    said = len([line for line in one.log if "< Proclaim" in line])
    one.advance(0.5)
    assert len([line for line in one.log if "< Proclaim" in line]) == said
    one.release()
    assert one.running() == ["job/work"]


def test_an_answer_from_before_a_gap_is_no_answer_to_what_is_asked_after_it() -> None:
    one, two = pair()
    one.muted.add(ac.ConfirmKeys)
    pass_time(3.4, one, two)
    (early,) = (a for a in one.held if isinstance(a, ac.ConfirmKeys))
    one.held.remove(early)
    one.post(ev.Woke(gap_seconds=3.0))
    one.post(ev.KeysConfirmed(lease=early.lease, asked_at=early.asked_at, missing=()))
    assert next(iter(one.state.sessions.values())).unchecked
    one.release()
    assert not next(iter(one.state.sessions.values())).unchecked


def full_pair() -> tuple[World, World]:
    """As ``pair``, but etcd could not put the first one's term on record."""
    store = FakeStore()
    one, two = World(name="one", store=store, full=True), World(name="two", store=store, next_lease=0x2000)
    for world in (one, two):
        world.load(spec(election()))
        share(one, two)
    assert one.running() == ["job/work"], "a full etcd keeps nobody from leading"
    assert store.records.get("job", {}) == {}
    return one, two


def test_a_term_that_etcd_had_no_space_to_record_is_waited_for_all_the_same() -> None:
    one, two = full_pair()
    one.muted |= set(ETCD)
    pass_time(4.0, two)
    begun = two.now
    delete_first(one, two)
    assert two.running() == []
    assert two.state.elections[JOB].waits_for[0].clear_at == pytest.approx(begun + 10 - 0.25)
    pass_time(10.0, two)
    assert two.running() == ["job/work"]


def test_and_not_when_its_lease_ran_out_by_itself() -> None:
    one, two = full_pair()
    one.muted |= set(ETCD)
    ends = one.store.leases[one.state.elections[JOB].lease or LeaseId(0)][1]
    pass_time(ends - one.now + 0.3, one, two)
    assert two.running() == ["job/work"]
