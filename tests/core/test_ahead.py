"""A win decided by the watch: only on a look that is newer than all that the guardian counts from, and on the leader's *stopped*."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from supervisor.core import actions as ac
from supervisor.core import ahead, timing
from supervisor.core import events as ev
from supervisor.core import operator_events as oev
from supervisor.core import store_events as sev
from supervisor.core.ahead import LINGER_SECONDS
from supervisor.core.draft import Draft
from supervisor.core.names import ElectionName, Instant, Token
from supervisor.core.notice import NOTICE_SECONDS
from supervisor.core.requests import Pause, drain_path, drained_now, pause_path, paused_now
from supervisor.core.state import ElectionPhase
from tests.core.test_handover import begin, fleet, leaders
from tests.core.test_notice import asked, held, pair, says
from tests.core.world import World, election, pass_time, share, spec

JOB = ElectionName("job")
LEAVING = b'{"node":"other","state":"stopping","v":1}'
STOPPED = b'{"v":1,"mark":"stopped","node":"other","ttl":10,"margin":0.5}'


def leaving() -> tuple[World, World]:
    """A leader that has said that it leaves, and who comes next."""
    one, two = pair()
    one.post(oev.ResignRequested(election=JOB))
    share(one, two)
    return one, two


def behind(*muted: type[ac.Action], failing: type[ac.Action] | None = None) -> World:
    """Behind a leader of which only key and record are there, that says that it leaves."""
    world = World(muted=set(muted), failing={failing} if failing else set())
    leader = world.foreign("job")
    world.store.records["job"] = {leader.create_revision: STOPPED.replace(b"stopped", b"started")}
    world.load(spec(election()))
    says(world, LEAVING)
    return world


def leave(world: World, record: bytes = STOPPED) -> None:
    """What the leader's last transaction does."""
    leader = world.store.keys["job"][0].create_revision
    if record:
        world.store.records["job"][leader] = record
    world.delete_key("job", leader)
    world.post(ev.Ticked())


def test_the_win_needs_no_other_transaction() -> None:
    one, two = leaving()
    proofs = asked(two, ac.Prove)
    pass_time(NOTICE_SECONDS, one, two)
    assert two.running() == ["job/work"]
    assert two.state.elections[JOB].won_at is not None
    assert (asked(two, ac.LookAhead), asked(two, ac.Prove)) == (1, proofs)


def test_the_term_is_on_record_before_its_win_and_ended_with_it() -> None:
    one, two = leaving()
    token = two.state.elections[JOB].create_revision
    assert token is not None
    assert b'"mark":"started"' in two.store.records["job"][token]
    two.post(ev.ShutdownRequested(reason="end"))
    share(one, two)
    assert b'"mark":"stopped"' in two.store.records["job"][token]
    assert not held(two)


def test_trust_in_the_term_counts_from_the_look() -> None:
    world = behind()
    looked_at = world.now
    world.advance(0.5)
    leave(world)
    (session,) = world.state.sessions.values()
    assert world.phase() is ElectionPhase.LEADING
    assert session.trusted_at <= session.confirmed_at == looked_at
    assert world.deadlines[session.lease] <= looked_at + 10 if session.lease else False


def renewed(world: World) -> None:
    """The guardian counts from a renewal that was sent after the look."""
    (session,) = world.state.sessions.values()
    assert session.lease is not None
    world.advance(0.1)
    world.post(ev.Renewed(lease=session.lease, granted_seconds=10, sent_at=Instant(world.now)))


def woken(world: World) -> None:
    """We did not run for a while."""
    world.muted |= {ac.ConfirmKeys, ac.Renew}
    world.post(ev.Woke(gap_seconds=3.0))


def doubted(world: World) -> None:
    """The renew deadline passed, and then a renewal from before the look is acknowledged after all."""
    (session,) = world.state.sessions.values()
    assert session.lease is not None
    world.muted.add(ac.Renew)
    world.advance(session.renew_deadline - world.now + 0.01)
    assert world.state.sessions[10].lost
    look = world.now - 6
    world.post(ev.Renewed(lease=session.lease, granted_seconds=10, sent_at=Instant(min(look, session.sent_at + 0.1))))


@pytest.mark.parametrize("happens", [renewed, woken, doubted])
def test_a_look_that_is_not_the_newest_wins_nothing(happens: Callable[[World], None]) -> None:
    world = behind()
    happens(world)
    world.muted.add(ac.Prove)
    before = asked(world, ac.Prove)
    leave(world)
    assert world.phase() is ElectionPhase.PROVING
    assert asked(world, ac.Prove) == before + 1
    assert not world.running()


def test_a_leader_whose_key_vanishes_has_not_stopped() -> None:
    world = behind(ac.Prove)
    leave(world, record=b"")
    assert world.phase() is ElectionPhase.FOLLOWING
    assert not world.running()
    world.advance(LINGER_SECONDS)
    assert world.phase() is ElectionPhase.PROVING
    assert held(world) == ["job/work"]


def test_stopped_may_be_seen_before_the_key_is_gone_or_after() -> None:
    world = behind()
    world.deaf = True
    leave(world)
    assert world.phase() is ElectionPhase.FOLLOWING
    world.deaf = False
    world.show_queue("job")
    world.post(ev.Ticked())
    assert world.phase() is ElectionPhase.LEADING
    assert not asked(world, ac.Prove)
    world = behind()
    leader = world.store.keys["job"][0].create_revision
    world.store.records["job"][leader] = STOPPED
    world.show_queue("job")
    world.post(ev.Ticked())
    assert world.phase() is ElectionPhase.FOLLOWING
    assert not world.running()
    world.delete_key("job", leader)
    world.post(ev.Ticked())
    assert world.running() == ["job/work"]


def test_a_record_that_is_written_again_as_started_ends_nothing() -> None:
    world = behind(ac.Prove)
    e = world.state.elections[JOB]
    record = ev.TermRecord(token=e.queue[0].create_revision, value=STOPPED.replace(b"stopped", b"started"))
    assert e.create_revision is not None
    world.post(sev.LeaderStopped(election=JOB, asked_for=e.create_revision, record=record))
    leave(world, record=b"")
    world.advance(LINGER_SECONDS)
    assert world.phase() is ElectionPhase.PROVING


def test_who_has_no_answer_proves_as_ever() -> None:
    world = behind(failing=ac.LookAhead)
    leave_at = world.now
    leave(world)
    assert asked(world, ac.Prove) == 1
    assert world.running() == ["job/work"]
    assert world.now == leave_at


def test_another_in_front_is_not_who_was_looked_for() -> None:
    world = behind(ac.LookAhead)
    (look,) = (a for a in world.held if isinstance(a, ac.LookAhead))
    e = world.state.elections[JOB]
    stranger = replace(e.queue[0], create_revision=Token(look.leader - 1))
    answer = sev.LookedAhead(
        election=JOB, asked_for=look.create_revision, front=(stranger, e.queue[0]), records=(), raft_term=2
    )
    world.post(answer)
    assert world.state.elections[JOB].ahead is None


def test_an_earlier_term_that_is_open_is_waited_for() -> None:
    world = World()
    leader = world.foreign("job")
    started = STOPPED.replace(b"stopped", b"started")
    world.store.records["job"] = {leader.create_revision: started, Token(leader.create_revision - 50): started}
    world.load(spec(election()))
    says(world, LEAVING)
    leave(world)
    assert asked(world, ac.Prove) == 1
    assert world.phase() is ElectionPhase.LEADING
    assert [p.token for p in world.state.elections[JOB].waits_for] == [leader.create_revision - 50]
    assert not world.running()


def test_our_own_key_gone_since_the_look_ends_what_was_prepared() -> None:
    world = behind()
    e = world.state.elections[JOB]
    assert e.create_revision is not None
    world.delete_key("job", e.create_revision)
    world.post(ev.Ticked())
    assert not held(world)
    assert b'"mark":"stopped"' in world.store.records["job"][e.create_revision]


def test_whoever_comes_next_waits_for_a_term_that_is_on_record_ahead() -> None:
    """Our key goes unseen, and so does the leader's: we begin on what the watch showed, and are dead before the next begins."""
    one, two = leaving()
    three = World(name="three", store=one.store, next_lease=0x3000, now=one.now)
    three.load(spec(election(), node="three"))
    share(one, two, three)
    looked_at = two.state.elections[JOB].ahead
    assert looked_at is not None
    token = two.state.elections[JOB].create_revision
    assert token is not None
    pass_time(NOTICE_SECONDS, one, two, three)
    assert two.running() == ["job/work"]
    two.blind = True
    two.muted |= {ac.ConfirmKeys}
    three.delete_key("job", token)
    share(one, three)
    assert [p.token for p in three.state.elections[JOB].waits_for] == [token]
    begins = three.state.elections[JOB].waits_for[0].clear_at
    (session,) = two.state.sessions.values()
    margin = timing.safety_margin_seconds(election(), 10)
    assert timing.kill_by(session.trust_deadline, margin) <= looked_at.asked_at + 10 - margin < begins


# --- where no term may begin ------------------------------------------------------------------------------------------

PAUSE = pause_path(ElectionName(""))
PAUSED = paused_now("a test", 1.6e9)
DRAINED = drained_now("a test", 1.6e9, followers_stop=False, force=False)


def record_of(world: World, token: int | None) -> bytes:
    assert token is not None
    return world.store.records["job"][Token(token)]


def test_a_pause_that_comes_after_the_look_ends_what_was_put_on_record() -> None:
    world = behind()
    token = world.state.elections[JOB].create_revision
    assert held(world) == ["job/work"]
    world.ask(PAUSE, PAUSED)
    assert not held(world)
    assert b'"mark":"stopped"' in record_of(world, token)
    world.advance(1.0)
    assert world.phase() is ElectionPhase.FOLLOWING
    assert world.state.elections[JOB].create_revision != token
    assert world.state.elections[JOB].term is None
    leave(world)
    world.advance(1.0)
    assert not world.running()
    assert world.state.elections[JOB].withheld == "nobody moves: it is paused"
    assert not asked(world, ac.Prove)
    world.ask(PAUSE, None)
    assert world.running() == ["job/work"]


def test_a_pause_between_stopped_and_the_end_of_the_key_is_in_time() -> None:
    world = behind()
    leader = world.store.keys["job"][0].create_revision
    world.store.records["job"][leader] = STOPPED
    world.show_queue("job")
    world.post(ev.Ticked())
    assert (seen := world.state.elections[JOB].ahead) is not None
    assert seen.stopped is not None
    world.ask(PAUSE, PAUSED)
    world.delete_key("job", leader)
    world.advance(1.0)
    assert not world.running()
    assert not asked(world, ac.Prove)


def test_while_it_lingers_for_stopped_a_pause_is_in_time() -> None:
    world = behind()
    leave(world, record=b"")
    token = world.state.elections[JOB].create_revision
    world.ask(PAUSE, PAUSED)
    world.advance(1.0)
    assert not asked(world, ac.Prove)
    assert not held(world)
    assert b'"mark":"stopped"' in record_of(world, token)


def test_a_pause_that_comes_when_the_proof_is_asked_for_is_too_late() -> None:
    world = behind(ac.Prove)
    leave(world, record=b"")
    world.advance(LINGER_SECONDS)
    assert world.phase() is ElectionPhase.PROVING
    assert world.state.elections[JOB].ahead is None
    world.store.records["job"] = dict.fromkeys(world.store.records["job"], STOPPED)
    world.ask(PAUSE, PAUSED)
    assert world.phase() is ElectionPhase.PROVING
    world.release()
    assert world.phase() is ElectionPhase.LEADING


def test_an_answer_to_a_look_that_comes_after_the_pause_is_old_news() -> None:
    world = behind(ac.LookAhead)
    world.ask(PAUSE, PAUSED)
    world.release()
    world.advance(1.0)
    assert world.state.elections[JOB].ahead is None
    assert not held(world)
    leave(world)
    world.advance(1.0)
    assert not world.running()


def test_a_drain_of_this_node_ends_what_was_put_on_record() -> None:
    world = behind()
    token = world.state.elections[JOB].create_revision
    world.ask(drain_path(world.state.node), DRAINED)
    leave(world)
    world.advance(1.0)
    assert not held(world)
    assert not world.running()
    assert b'"mark":"stopped"' in record_of(world, token)
    assert not world.store.keys["job"]


def test_nobody_looks_ahead_while_it_is_paused_or_drained() -> None:
    one, two = pair()
    one.store.ask(PAUSE, PAUSED)
    share(one, two)
    one.post(ev.ShutdownRequested(reason="end"))
    share(one, two)
    pass_time(NOTICE_SECONDS, one, two)
    assert (asked(two, ac.LookAhead), asked(two, ac.Arm), asked(two, ac.Prove)) == (0, 0, 0)
    one, two = pair()
    one.store.ask(drain_path(two.state.node), DRAINED)
    share(one, two)
    one.post(oev.ResignRequested(election=JOB))
    share(one, two)
    assert (asked(two, ac.LookAhead), asked(two, ac.Arm)) == (0, 0)


def test_of_a_switchover_only_the_target_looks_ahead() -> None:
    worlds = fleet("one", "two", "three")
    begin(worlds, "three")
    assert [asked(w, ac.LookAhead) for w in worlds] == [0, 0, 1]
    pass_time(1.0, *worlds)
    assert leaders(worlds) == ["three"]


def test_a_pause_while_an_office_is_handed_over_lets_nobody_begin() -> None:
    worlds = fleet("one", "two", "three")
    for child in worlds[0].children.values():
        child.obeys = False
    begin(worlds, "three")
    assert held(worlds[2]) == ["job/work"]
    token = worlds[2].state.elections[JOB].create_revision
    worlds[0].store.ask(PAUSE, PAUSED)
    share(*worlds)
    assert not held(worlds[2])
    assert b'"mark":"stopped"' in record_of(worlds[2], token)
    pass_time(12.0, *worlds)
    assert [w.running() for w in worlds[1:]] == [[], []]
    assert not [w for w in leaders(worlds) if w != "one"]


def test_the_judgement_itself_asks_whether_a_term_may_begin() -> None:
    """However it is come to: a look that is good in all else begins nothing."""
    world = behind()
    world.deaf = True
    leave(world)
    state = world.state
    asks = replace(state.requests, pauses={ElectionName(""): Pause(by="a test", since="")})
    for paused in (False, True):
        draft = Draft(replace(state, requests=asks) if paused else state, now=Instant(world.now))
        e = state.elections[JOB]
        assert e.ahead is not None
        told = ev.TermRecord(token=e.ahead.leader, value=STOPPED)
        e = draft.put_election(replace(e, ahead=replace(e.ahead, stopped=told)))
        after = ahead.first(draft, e)
        assert after.phase is (ElectionPhase.FOLLOWING if paused else ElectionPhase.LEADING)
