"""What one node does, story by story, in a world that answers (``world``). Every step checks every invariant."""

import json

import pytest

from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core import operator_events as oev
from supervisor.core import schedule
from supervisor.core.names import ElectionName, Instant, LeaseId, ProcessId, ProcessName, Role, Token
from supervisor.core.operator_events import RestartRequested
from supervisor.core.spec import GiveUp, Need, ProbeKind, ProbeSpec, RestartPolicy, RestartSpec, StopSpec
from supervisor.core.state import ElectionPhase, ProcessPhase
from supervisor.core.wording import AT_MOST_EVERY_SECONDS
from tests.core.world import World, election, process, spec

JOB = ElectionName("job")


def leading(*, follower: bool = False, **more: object) -> World:
    world = World()
    followers = (process("standby", role=Role.FOLLOWER),) if follower else ()
    world.load(spec(election(follower=followers, **more)))  # type: ignore[arg-type] # forwarded as they are
    assert world.phase() is ElectionPhase.LEADING
    return world


def test_an_empty_queue_is_won_at_once_and_work_begins() -> None:
    world = leading()
    assert world.running() == ["job/work"]
    assert world.checked > 5


def test_behind_another_the_follower_role_runs_until_the_key_before_ours_goes() -> None:
    world = World()
    other = world.foreign("job")
    world.pending.clear()
    world.load(spec(election(follower=(process("standby", role=Role.FOLLOWER),))))
    assert world.phase() is ElectionPhase.FOLLOWING
    assert world.running() == ["job/standby"]
    world.delete_key("job", other.create_revision)
    world.post(ev.Ticked())
    assert world.phase() is ElectionPhase.LEADING
    assert world.running() == ["job/work"]


def test_the_watch_alone_never_makes_a_leader() -> None:
    world = World()
    other = world.foreign("job")
    world.load(spec(election()))
    world.muted.add(ac.Prove)
    world.delete_key("job", other.create_revision)
    world.post(ev.Ticked())
    assert world.phase() is ElectionPhase.PROVING
    assert world.running() == []
    world.release()
    assert world.phase() is ElectionPhase.LEADING


def test_no_process_before_the_guardian_is_armed() -> None:
    world = World()
    world.muted.add(ac.Arm)
    world.load(spec(election()))
    assert world.phase() is ElectionPhase.LEADING
    assert world.running() == []
    world.release()
    assert world.running() == ["job/work"]


def test_renewals_keep_a_term_for_hours() -> None:
    world = leading()
    token = world.tokens[JOB]
    world.advance(7200)
    assert world.phase() is ElectionPhase.LEADING
    assert world.tokens[JOB] == token


def test_silence_ends_the_term_at_two_thirds_and_kills_by_kill_by() -> None:
    world = leading()
    world.stubborn = True
    world.crash("job/work")
    world.failing |= {ac.Renew, ac.GrantLease, ac.Resign, ac.RevokeLease}
    world.advance(20)
    assert world.running() == []
    steps = [line for line in world.log if "SignalRun" in line]
    assert steps, "SIGTERM was never sent"
    assert world.phase() is ElectionPhase.DETACHED


def test_a_store_that_comes_back_is_campaigned_in_again() -> None:
    world = leading()
    world.failing |= {ac.Renew, ac.GrantLease, ac.Resign, ac.RevokeLease}
    world.advance(30)
    assert world.phase() is ElectionPhase.DETACHED
    world.failing.clear()
    world.advance(30)
    assert world.phase() is ElectionPhase.LEADING
    assert world.running() == ["job/work"]


def test_our_key_deleted_kills_at_once_and_queues_again() -> None:
    world = leading()
    first = world.tokens[JOB]
    world.children[next(iter(world.children))].obeys = False
    world.delete_key("job", first)
    world.post(ev.Ticked())
    assert world.running() == []
    assert not [line for line in world.log if "SignalRun" in line], "no grace: the office is someone else's"
    world.advance(1)
    assert world.phase() is ElectionPhase.LEADING
    assert world.tokens[JOB] > first


def test_lease_gone_kills_at_once() -> None:
    world = leading()
    lease = world.state.sessions[10].lease
    assert lease is not None
    world.children[next(iter(world.children))].obeys = False
    world.keys["job"] = []
    world.post(ev.LeaseGone(lease=lease, detail="not found"))
    assert world.running() == []
    world.advance(1)
    assert world.phase() is ElectionPhase.LEADING
    assert world.running() == ["job/work"]


def test_a_crash_restarts_in_place_with_the_same_token() -> None:
    world = leading()
    token = world.tokens[JOB]
    world.crash("job/work")
    world.advance(1)
    assert world.running() == ["job/work"]
    assert world.tokens[JOB] == token
    assert world.state.processes[ProcessId(JOB, ProcessName("work"))].restarts == 1


def test_used_up_restarts_resign_and_stay_out_for_a_while() -> None:
    world = leading(leader=(process("work", restart=RestartSpec(limit=2)),))
    for _ in range(3):
        world.advance(1)
        world.crash("job/work")
    assert world.phase() in (ElectionPhase.DETACHED, ElectionPhase.RESIGNING)
    assert world.keys["job"] == []
    world.advance(9)
    assert world.phase() is ElectionPhase.DETACHED
    world.advance(2)
    assert world.phase() is ElectionPhase.LEADING


def test_on_giveup_stay_keeps_the_office() -> None:
    world = leading(leader=(process("work", restart=RestartSpec(policy=RestartPolicy.NEVER)),), on_giveup=GiveUp.STAY)
    world.crash("job/work")
    assert world.phase() is ElectionPhase.LEADING
    assert world.state.processes[ProcessId(JOB, ProcessName("work"))].phase is ProcessPhase.GAVE_UP


def test_shutdown_keeps_the_order_and_ends() -> None:
    world = leading(follower=True)
    world.post(ev.ShutdownRequested(reason="SIGTERM"))
    assert world.exit_code == 0
    order = [line.split("< ")[1].split("(")[0] for line in world.log if "< " in line]
    duties = [o for o in order if o in ("SignalRun", "Vacate", "Resign", "RevokeLease", "Exit")]
    assert duties == ["SignalRun", "Vacate", "Resign", "RevokeLease", "Exit"]


def test_a_stubborn_child_keeps_the_key_until_it_is_killed() -> None:
    world = leading(leader=(process("work", stop=StopSpec(timeout_seconds=60.0)),))
    world.children[next(iter(world.children))].obeys = False
    world.post(oev.ResignRequested(election=JOB))
    world.advance(59)
    assert world.phase() is ElectionPhase.STEPPING_DOWN
    assert world.keys["job"], "the key went before the process"
    world.advance(2)
    assert world.tokens[JOB] > 101


def test_shutdown_ends_though_etcd_is_away() -> None:
    world = leading()
    world.failing |= {ac.Renew, ac.Resign, ac.RevokeLease, ac.GrantLease}
    world.post(ev.ShutdownRequested(reason="SIGTERM"))
    world.advance(1.5)
    assert world.exit_code == 0


def test_guardian_death_ends_with_70() -> None:
    world = leading()
    for child in list(world.children.values()):
        world.end(child.run, signal=9)
    world.armed.clear()
    world.pending.append(ev.GuardianLost(detail="signal 9"))
    world.failing.add(ac.Spawn)
    world.post(ev.Ticked())
    world.advance(5)
    assert world.exit_code == 70


def test_a_changed_command_restarts_that_process_only() -> None:
    world = World()
    world.load(
        spec(election("a", leader=(process("x", election="a"),)), election("b", leader=(process("y", election="b"),)))
    )
    before = {str(c.spec.id): c.run for c in world.children.values()}
    changed = process("x", election="a", environment={"NEW": "1"})
    world.load(spec(election("a", leader=(changed,)), election("b", leader=(process("y", election="b"),))))
    after = {str(c.spec.id): c.run for c in world.children.values()}
    assert after["b/y"] == before["b/y"]
    assert after["a/x"] != before["a/x"]
    assert world.tokens[ElectionName("a")] < 110


def test_a_changed_ttl_campaigns_anew() -> None:
    world = leading()
    token = world.tokens[JOB]
    world.load(spec(election(ttl_seconds=20)))
    assert world.phase() is ElectionPhase.LEADING
    assert world.tokens[JOB] > token
    assert set(world.state.sessions) == {20}


def test_a_removed_election_is_stopped_resigned_and_forgotten() -> None:
    world = leading()
    world.load(spec(election("other", leader=(process("w", election="other"),))))
    assert JOB not in world.state.elections
    assert world.running() == ["other/w"]
    assert world.keys["job"] == []
    assert [str(p) for p in world.state.processes] == ["other/w"]


def test_a_campaign_timeout_renews_the_campaign_and_the_follower_goes_on() -> None:
    world = World()
    world.foreign("job")
    world.load(spec(election(follower=(process("standby", role=Role.FOLLOWER),), campaign_timeout_seconds=5.0)))
    run = next(iter(world.children))
    world.advance(6)
    assert len([line for line in world.log if "< Campaign(" in line]) == 2
    assert list(world.children) == [run]
    assert world.phase() is ElectionPhase.FOLLOWING


def test_after_a_long_sleep_nothing_is_believed() -> None:
    world = leading()
    world.muted.add(ac.Renew)
    world.now += 60  # the daemon was frozen; the guardian was not
    world.ticked_at = world.now
    world._strike()
    world.post(ev.Ticked())
    assert world.running() == []
    world.advance(1)
    assert world.tokens[JOB] > 101, "a new term, on a new lease"


def test_needs_are_started_in_order_and_stopped_in_reverse() -> None:
    world = leading(leader=(process("db"), process("api", needs={ProcessName("db"): Need.READY})))
    starts = [line for line in world.log if "< Spawn" in line]
    assert "db" in starts[0]
    assert "api" in starts[1]
    world.post(ev.ShutdownRequested(reason="SIGTERM"))
    runs = [int(line.split("run=")[1].split(",")[0]) for line in world.log if "< SignalRun" in line]
    assert runs == [2, 1]


def test_next_due_never_asks_for_the_past() -> None:
    world = leading()
    world.advance(3)
    due = schedule.next_due(world.state, after=Instant(world.now))
    assert due is not None
    assert due > world.now


# --- an operator's restart ------------------------------------------------------------------------------------------

WORK = ProcessId(JOB, ProcessName("work"))
ONCE = RestartSpec(policy=RestartPolicy.NEVER)


def test_a_restart_asked_for_while_what_is_left_is_cleared_is_kept() -> None:
    world = leading(leader=(process("work", restart=ONCE),), on_giveup=GiveUp.STAY)
    world.muted.add(ac.KillRun)
    (run,) = world.children
    world.post(ev.Exited(run=run, code=1, signal=None))
    assert world.state.processes[WORK].phase is ProcessPhase.CLEARING
    world.post(RestartRequested(process=WORK))
    assert list(world.children) == [run], "not before the old child's containment is empty"
    world.release()
    assert world.state.processes[WORK].phase is ProcessPhase.RUNNING
    assert list(world.children) != [run]


def test_a_restart_asked_for_while_a_failed_child_is_stopped_gives_a_fresh_budget() -> None:
    never_ready = ProbeSpec(kind=ProbeKind.TCP, address="127.0.0.1:1", within_seconds=1.0)
    work = process("work", restart=ONCE, ready=never_ready, stop=StopSpec(timeout_seconds=2.0))
    world = World(stubborn=True)
    world.load(spec(election(leader=(work,), on_giveup=GiveUp.STAY)))
    (run,) = world.children
    world.advance(1.5)
    assert world.state.processes[WORK].phase is ProcessPhase.STOPPING
    world.post(RestartRequested(process=WORK))
    world.advance(1.6)
    assert world.state.processes[WORK].phase is ProcessPhase.RUNNING
    assert list(world.children) != [run]


def test_a_restart_asked_for_while_the_term_ends_starts_nothing() -> None:
    world = leading(leader=(process("work", stop=StopSpec(timeout_seconds=2.0)),))
    for child in world.children.values():
        child.obeys = False
    world.post(ev.ShutdownRequested(reason="SIGTERM"))
    world.post(RestartRequested(process=WORK))
    world.advance(3)
    assert world.exit_code == 0


# --- what others write, and when it was last confirmed ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "key", "told"),
    [
        (json.dumps({"node": "a\0b\nc\x1b[2J\ud800"}).encode(), "/s/job/1", "a\ufffdb\ufffdc\ufffd[2J\ufffd"),
        (json.dumps({"node": "n" * 1_000_000}).encode(), "/s/job/1", "n" * 255 + "\u2026"),
        (b"plain text", "/s/job/\0\n1", "/s/job/\ufffd\ufffd1"),
        (b'{"node":"web 2"}', "/s/job/1", "web 2"),
    ],
)
def test_the_leader_a_follower_process_is_told_of_fits_an_environment(value: bytes, key: str, told: str) -> None:
    world = World()
    world.keys["job"] = [ev.Candidate(key=key, lease=LeaseId(1), create_revision=Token(7), value=value)]
    asked: list[ac.Spawn] = []
    world._on_spawn = asked.append  # type: ignore[method-assign,assignment]
    world.muted.add(ac.Campaign)
    world.load(spec(election(follower=(process("standby", role=Role.FOLLOWER),))))
    world.show_queue("job")
    world.release()
    assert dict(asked[0].variables)["SUPERVISOR_LEADER"] == told


def test_what_the_watch_showed_is_confirmed_without_anything_else_changing() -> None:
    world = leading()
    world.post(ev.StoreReachable(endpoint="http://store:2379"))
    assert world.state.store.confirmed_at == world.now
    world.now += 1.5
    before = world.state
    world.post(ev.StoreConfirmed())
    assert world.state.store.confirmed_at == world.now
    assert world.state.store.since == before.store.since
    assert (world.state.elections, world.state.processes) == (before.elections, before.processes)


def test_a_change_of_health_is_proclaimed_at_once_or_a_second_after_the_last_word() -> None:
    probe = ProbeSpec(kind=ProbeKind.TCP, address="127.0.0.1:1", failures=1)
    world = leading(leader=(process("work", health=probe),))
    (run,) = world.children
    words: list[tuple[float, bytes]] = []
    answer = world._on_proclaim

    def heard(a: ac.Proclaim) -> None:
        words.append((world.now, a.document))
        answer(a)

    world._on_proclaim = heard  # type: ignore[method-assign]
    world.advance(5)
    words.clear()
    changed = world.now
    world.post(ev.ProbeFailed(run=run, purpose="health", detail="refused"))
    assert words[0][0] == changed, "nothing was said for a while: at once"
    world.advance(0.3)
    world.post(ev.ProbeSucceeded(run=run, purpose="health"))
    world.advance(5)
    assert [b'"health":"unhealthy"' in said for _, said in words] == [True, False]
    assert words[1][0] == changed + AT_MOST_EVERY_SECONDS


def test_a_term_that_the_guardian_struck_is_over_though_its_lease_is_well() -> None:
    """A guardian that was frozen strikes before it reads that the lease was renewed, and starts nothing of the term after."""
    world = leading()
    term = world.state.elections[JOB].term
    assert term is not None
    world.post(ev.KillByStruck(term=term, late_seconds=1.0))
    again = world.state.elections[JOB]
    assert (again.phase, world.running()) == (ElectionPhase.LEADING, ["job/work"])
    assert again.term is not None
    assert again.term.token > term.token


def test_a_term_that_is_past_its_kill_by_when_it_is_armed_is_over_too() -> None:
    world = World()
    world.muted.add(ac.Arm)
    world.load(spec(election()))
    term = world.state.elections[JOB].term
    assert term is not None
    world.held.clear()
    world.muted.clear()
    world.armed[term] = (LeaseId(1), 0.5)  # held, and struck
    world.deadlines[LeaseId(1)] = world.now
    world.post(ev.KillByStruck(term=term, late_seconds=0.0))
    again = world.state.elections[JOB].term
    assert again is not None
    assert again.token > term.token


def test_an_answer_about_an_earlier_key_of_ours_proves_nothing() -> None:
    """It may show the present key first, and put nothing on record for it."""
    world = World()
    world.muted.add(ac.Prove)
    world.load(spec(election()))
    e = world.state.elections[JOB]
    assert e.phase is ElectionPhase.PROVING
    assert e.create_revision is not None
    ours = world.keys["job"][0]
    world.post(ev.FirstRead(election=JOB, asked_for=Token(e.create_revision - 1), first=ours, raft_term=2))
    assert world.phase() is ElectionPhase.PROVING
    world.release()
    assert world.phase() is ElectionPhase.LEADING
