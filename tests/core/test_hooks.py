"""When hooks run, in which order, and what follows when they fail or take too long. The world checks the order as well."""

import json

from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core import operator_events as oev
from supervisor.core.names import ElectionName, LeaseId, Role, Token
from supervisor.core.spec import GiveUp, HookKind, HookSpec, RestartSpec, Spec
from supervisor.core.state import ElectionPhase, ProcessPhase
from tests.core.world import World, election, hook, hooked, process, spec

JOB = ElectionName("job")
ELECTED = hook(HookKind.ELECTED)
DEMOTED = hook(HookKind.DEMOTED)
GAVE_UP = hook(HookKind.GAVE_UP)
CHANGED = hook(HookKind.LEADER_CHANGED, Role.FOLLOWER)


def names(world: World) -> list[str]:
    return [name for name, _, _ in world.hooks_run]


def started(world: World, name: str) -> int:
    return sum("Spawn(" in line and f"spec={name}," in line for line in world.log)


def waiting(*hooks: HookSpec) -> World:
    """Hooks that do not end by themselves."""
    world = World(hook_code=None)
    world.load(spec(hooked(*hooks)))
    return world


def test_elected_runs_in_the_armed_term_and_the_processes_wait_for_it() -> None:
    world = waiting(ELECTED)
    assert world.running() == ["job/@elected"]
    assert world.phase() is ElectionPhase.LEADING
    variables = world.hook_variables["@elected"]
    assert variables["SUPERVISOR_HOOK"] == "elected"
    assert int(variables["SUPERVISOR_FENCING_TOKEN"]) == world.tokens[JOB]
    world.crash("job/@elected", code=0, signal=None)
    assert world.running() == ["job/work"]


def test_elected_runs_once_for_a_term_however_often_its_processes_restart() -> None:
    world = World()
    world.load(spec(hooked(ELECTED)))
    world.crash("job/work")
    world.advance(30)
    assert world.running() == ["job/work"]
    assert names(world) == ["job/@elected"]


def test_a_failing_elected_gives_the_term_up_and_the_pause_grows() -> None:
    world = World(hook_code=3)
    world.load(spec(hooked(ELECTED, DEMOTED, on_giveup=GiveUp.STAY)))
    e = world.state.elections[JOB]
    assert e.phase is ElectionPhase.DETACHED
    assert "elected failed: it exited with code 3" in e.cause
    assert started(world, "job/work") == 0
    assert names(world) == ["job/@elected", "job/@demoted"], "what elected began must be undone"
    first = (e.hold_until or 0) - world.now
    world.advance(first + 0.1)
    assert (world.state.elections[JOB].hold_until or 0) - world.now > first


def test_an_elected_that_cannot_be_executed_gives_the_term_up() -> None:
    world = World()
    world.failing.add(ac.Spawn)
    world.load(spec(hooked(ELECTED)))
    e = world.state.elections[JOB]
    assert e.phase is ElectionPhase.DETACHED
    assert "elected failed: no such file" in e.cause


def test_an_elected_that_hangs_is_killed_at_its_timeout_and_the_term_is_given_up() -> None:
    world = waiting(hook(HookKind.ELECTED, timeout_seconds=7.0))
    world.stubborn = True
    world.advance(6.9)
    assert world.running() == ["job/@elected"]
    world.advance(0.2)
    assert world.running() == []
    assert world.phase() is ElectionPhase.DETACHED


def test_a_lease_lost_while_elected_runs_kills_it_by_kill_by() -> None:
    world = waiting(hook(HookKind.ELECTED, timeout_seconds=60.0))
    next(iter(world.children.values())).obeys = False
    world.failing.add(ac.Renew)
    world.failing.add(ac.ConfirmKeys)
    world.advance(9.6)
    assert world.running() == []


def test_demoted_runs_when_the_processes_are_gone_and_before_the_key_goes() -> None:
    world = World()
    world.load(spec(hooked(DEMOTED)))
    world.hook_code = None
    world.post(oev.ResignRequested(election=JOB))
    assert world.running() == ["job/@demoted"]
    assert world.phase() is ElectionPhase.STEPPING_DOWN
    assert len(world.keys["job"]) == 1
    assert world.hook_variables["@demoted"]["SUPERVISOR_CAUSE"] == "resigned by an operator"
    assert world.hook_variables["@demoted"]["SUPERVISOR_LOST"] == "0"
    world.hook_code = 0
    world.crash("job/@demoted", code=0, signal=None)
    assert names(world) == ["job/@demoted"]
    assert world.running() == ["job/work"], "resigned, queued anew and won again: nobody else was there"


def test_a_failing_demoted_holds_nobody_back_and_does_not_run_again() -> None:
    world = World(hook_code=1)
    world.load(spec(hooked(DEMOTED)))
    world.post(ev.ShutdownRequested(reason="test"))
    assert world.exit_code == 0
    assert names(world) == ["job/@demoted"]
    assert world.keys["job"] == []


def test_demoted_does_not_run_for_a_term_that_started_nothing() -> None:
    world = World()
    world.muted.add(ac.Arm)
    world.load(spec(hooked(DEMOTED)))
    world.post(ev.ShutdownRequested(reason="test"))
    world.release()
    assert world.exit_code == 0
    assert names(world) == []


def test_a_lost_lease_leaves_demoted_half_of_the_grace() -> None:
    """TTL 10: lost at 6.67, kill-by 9.5; the grace is 2.83, and processes that ignore SIGTERM die at 8.08."""
    world = World()
    world.load(spec(hooked(DEMOTED)))
    world.hook_code = None
    next(iter(world.children.values())).obeys = False
    world.failing |= {ac.Renew, ac.ConfirmKeys}
    world.advance(8.0)
    assert world.running() == ["job/work"]
    world.advance(0.2)
    assert world.running() == ["job/@demoted"]
    assert world.hook_variables["@demoted"]["SUPERVISOR_LOST"] == "1"
    world.advance(1.5)
    assert world.now >= world.kill_bys()[0] if world.kill_bys() else True


def test_demoted_cut_short_by_kill_by_runs_again_outside_of_the_term() -> None:
    world = World()
    world.load(spec(hooked(DEMOTED)))
    world.hook_code = None
    world.failing |= {ac.Renew, ac.ConfirmKeys}
    world.advance(9.0)
    assert world.running() == ["job/@demoted"]
    world.advance(1.5)
    late = world.hook_variables["@demoted"]
    assert late["SUPERVISOR_LATE"] == "1"
    assert late["SUPERVISOR_TERM"].startswith("job#")
    assert [c.term for c in world.children.values()] == [None]


def test_the_next_term_waits_for_a_late_demoted() -> None:
    world = World()
    world.load(spec(hooked(DEMOTED)))
    world.hook_code = None
    world.failing |= {ac.Renew, ac.ConfirmKeys}
    world.advance(10.5)
    world.failing.clear()
    world.store.expire(world.now)
    world.show_queue("job")
    world.post(ev.Ticked())
    world.advance(4.0)
    assert world.phase() is ElectionPhase.LEADING
    assert world.running() == ["job/@demoted"]
    world.hook_code = 0
    world.crash("job/@demoted", code=0, signal=None)
    assert world.running() == ["job/work"]


def test_a_deleted_key_ends_the_term_at_once_and_demoted_runs_outside_of_it() -> None:
    world = World()
    world.load(spec(hooked(DEMOTED)))
    world.delete_key("job", world.tokens[JOB])
    world.post(ev.Ticked())
    assert world.hooks_run == [("job/@demoted", None, 0)]
    assert world.hook_variables["@demoted"]["SUPERVISOR_LATE"] == "1"


def test_a_key_deleted_while_demoted_runs_kills_it_and_it_runs_again_outside() -> None:
    world = World()
    world.load(spec(hooked(DEMOTED)))
    world.hook_code = None
    token = world.tokens[JOB]
    world.post(oev.ResignRequested(election=JOB))
    world.hook_code = 0
    world.delete_key("job", token)
    world.post(ev.Ticked())
    assert [(term is None, code) for _, term, code in world.hooks_run] == [(False, None), (True, 0)]


def test_demoted_runs_late_before_the_daemon_ends() -> None:
    world = World()
    world.load(spec(hooked(DEMOTED)))
    world.hook_code = None
    world.failing |= {ac.Renew, ac.ConfirmKeys, ac.GrantLease, ac.RevokeLease, ac.Resign}
    world.advance(9.0)
    world.post(ev.ShutdownRequested(reason="test"))
    world.advance(4.0)
    assert world.exit_code is None
    world.crash("job/@demoted", code=0, signal=None)
    world.advance(30)
    assert world.exit_code == 0


def test_gave_up_tells_once_which_process_and_delays_nothing() -> None:
    world = World(hook_code=None)
    never = process("work", restart=RestartSpec(limit=1, backoff_min_seconds=0.1))
    world.load(spec(hooked(GAVE_UP, leader=(never,))))
    world.crash("job/work")
    world.advance(0.0)
    world.crash("job/work")
    assert world.running() == ["job/@gave_up"]
    assert world.hook_variables["@gave_up"]["SUPERVISOR_GAVE_UP"] == "work"
    assert world.phase() is ElectionPhase.DETACHED, "resigned although the hook still runs"
    world.crash("job/@gave_up", code=0, signal=None)
    assert names(world) == ["job/@gave_up"]


def test_gave_up_beside_a_leader_that_stays() -> None:
    world = World()
    never = process("work", restart=RestartSpec(limit=1, backoff_min_seconds=0.1))
    world.load(spec(hooked(GAVE_UP, leader=(never, process("other")), on_giveup=GiveUp.STAY)))
    world.crash("job/work")
    world.advance(0.0)
    world.crash("job/work")
    world.advance(100)
    assert names(world) == ["job/@gave_up"]
    assert world.running() == ["job/other"]


def test_a_follower_that_gave_up_is_told_as_well() -> None:
    world = World()
    world.foreign("job")
    world.pending.clear()
    standby = process("standby", role=Role.FOLLOWER, restart=RestartSpec(limit=1, backoff_min_seconds=0.1))
    world.load(spec(hooked(hook(HookKind.GAVE_UP, Role.FOLLOWER), follower=(standby,))))
    world.crash("job/standby")
    world.advance(0.0)
    world.crash("job/standby")
    assert names(world) == ["job/@standby_gave_up"]


def following(world: World, value: object = None) -> ev.Candidate:
    """Behind another whose document says this."""
    candidate = world.foreign("job")
    tell(world, candidate, value)
    world.pending.clear()
    world.load(spec(hooked(CHANGED)))
    assert world.phase() is ElectionPhase.FOLLOWING
    return candidate


def tell(world: World, candidate: ev.Candidate, value: object) -> None:
    document = json.dumps({"v": 1, "node": "two", "state": "leading", "value": value}).encode()
    changed = ev.Candidate(
        key=candidate.key, lease=candidate.lease, create_revision=candidate.create_revision, value=document
    )
    world.store.keys["job"] = [changed if c.key == candidate.key else c for c in world.store.keys["job"]]
    world.store.revision += 1


def test_a_follower_learns_who_leads_and_what_it_says_of_itself() -> None:
    world = World()
    candidate = following(world, {"address": "http://10.0.0.7:8080"})
    assert names(world) == ["job/@leader_changed"]
    variables = world.hook_variables["@leader_changed"]
    assert variables["SUPERVISOR_LEADER"] == "two"
    assert json.loads(variables["SUPERVISOR_LEADER_VALUE"]) == {"address": "http://10.0.0.7:8080"}
    assert variables["SUPERVISOR_LEADER_TOKEN"] == str(candidate.create_revision)


def test_a_new_value_is_told_and_the_same_again_is_not() -> None:
    world = World()
    candidate = following(world, {"address": "a"})
    tell(world, candidate, {"address": "a"})
    world.show_queue("job")
    world.post(ev.Ticked())
    assert len(names(world)) == 1
    tell(world, candidate, {"address": "b"})
    world.show_queue("job")
    world.post(ev.Ticked())
    assert len(names(world)) == 2
    assert "b" in world.hook_variables["@leader_changed"]["SUPERVISOR_LEADER_VALUE"]


def test_changes_that_come_while_it_runs_are_told_once_and_the_last_one_counts() -> None:
    world = World(hook_code=None)
    candidate = following(world, {"n": 0})
    for n in range(1, 5):
        tell(world, candidate, {"n": n})
        world.show_queue("job")
        world.post(ev.Ticked())
    assert started(world, "job/@leader_changed") == 1
    world.crash("job/@leader_changed", code=0, signal=None)
    assert started(world, "job/@leader_changed") == 2
    assert world.hook_variables["@leader_changed"]["SUPERVISOR_LEADER_VALUE"] == '{"n":4}'


def test_a_running_leader_changed_never_delays_our_own_term() -> None:
    world = World(hook_code=None)
    candidate = world.foreign("job")
    world.pending.clear()
    world.load(spec(hooked(CHANGED)))
    assert world.running() == ["job/@leader_changed"]
    world.stubborn = True
    world.delete_key("job", candidate.create_revision)
    world.post(ev.Ticked())
    assert world.running() == ["job/work"]


def test_a_strangers_words_are_handed_on_as_json_without_harm() -> None:
    world = World()
    world.store.keys["job"] = [
        ev.Candidate(key="/s/job/1", lease=LeaseId(1), create_revision=Token(7), value=b"x\0\n\xff$(reboot)")
    ]
    world.store.revision += 1
    world.show_queue("job")
    world.pending.clear()
    world.load(spec(hooked(CHANGED)))
    value = world.hook_variables["@leader_changed"]["SUPERVISOR_LEADER_VALUE"]
    assert json.loads(value) == "x\0\n\ufffd$(reboot)"
    assert "\0" not in value
    assert "\n" not in value


def test_a_reload_that_adds_hooks_disturbs_no_term() -> None:
    world = World(hook_code=None)
    world.load(spec(election()))
    run = next(iter(world.children))
    world.load(spec(hooked(ELECTED, DEMOTED)))
    assert list(world.children) == [run]
    world.post(oev.ResignRequested(election=JOB))
    assert world.running() == ["job/@demoted"]


def test_a_reload_that_removes_hooks_lets_the_term_end_without_them() -> None:
    world = World()
    world.load(spec(hooked(ELECTED, DEMOTED)))
    world.load(spec(election()))
    assert world.running() == ["job/work"]
    world.post(ev.ShutdownRequested(reason="test"))
    assert world.exit_code == 0
    assert names(world) == ["job/@elected"]


def test_removing_the_election_runs_demoted_first() -> None:
    world = World()
    world.load(spec(hooked(ELECTED, DEMOTED)))
    world.load(Spec(node=world.state.node, etcd=spec(election()).etcd, processes={}))
    assert names(world) == ["job/@elected", "job/@demoted"]
    assert JOB not in world.state.elections
    assert not any(pid.is_hook for pid in world.state.processes)


def test_a_lost_guardian_ends_all_of_it() -> None:
    world = waiting(ELECTED, DEMOTED)
    world.children.clear()
    world.armed.clear()
    world.post(ev.GuardianLost(detail="killed"))
    world.advance(30)
    assert world.exit_code == 70


def test_hooks_are_not_among_the_documents_processes() -> None:
    world = World()
    world.load(spec(hooked(ELECTED, GAVE_UP)))
    world.advance(0.1)
    document = json.loads(world.state.elections[JOB].proclaimed)
    assert list(document["processes"]) == ["work"]
    elected = next(p for p in world.state.processes.values() if p.id.name == "@elected")
    assert elected.phase is ProcessPhase.COMPLETED
