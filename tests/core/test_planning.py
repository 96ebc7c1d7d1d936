"""What a plan says of one change at a time; that it comes true is ``test_reloading.py``'s."""

from dataclasses import replace
from typing import Any

import pytest

from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core import planning
from supervisor.core.diff import Cost
from supervisor.core.differences import differences, seconds
from supervisor.core.names import ElectionName, ProcessName, Role
from supervisor.core.spec import (
    HookKind,
    HttpSpec,
    LogSpec,
    Need,
    ProbeKind,
    ProbeSpec,
    ProclaimSpec,
    ReloadPolicy,
    RestartSpec,
    Spec,
    StopSpec,
)  # fmt: skip
from tests.core.world import World, election, hook, hooked, process, spec

JOB = ElectionName("job")
STORE = ev.StoreReachable(endpoint="http://store:2379")


def begun(desired: Spec, *, behind: bytes | None = None) -> World:
    world = World()
    world.load(desired)
    world.post(STORE)
    if behind is not None:
        other = world.foreign("job")
        queue = world.store.keys["job"]
        queue[queue.index(other)] = replace(other, value=behind)
        world.show_queue("job")
        world.post(STORE)
    assert world.state.elections[JOB].leading
    return world


def costs(plan: planning.Plan) -> dict[str, Cost]:
    return {f"{i.kind} {i.name}": i.cost for i in plan.items}


def item(plan: planning.Plan, name: str) -> planning.Planned:
    return next(i for i in plan.items if i.name == name)


def test_the_same_file_keeps_everything() -> None:
    world = begun(spec(election()))
    assert planning.plan(world.state, spec(election())).changes == ()


def test_a_new_ttl_ends_the_term_and_who_is_next_is_named() -> None:
    document = b'{"v":1,"node":"web-2","state":"candidate","health":"degraded","priority":50}'
    world = begun(spec(election()), behind=document)
    plan = planning.plan(world.state, spec(election(ttl_seconds=20)))
    assert costs(plan) == {"election job": Cost.RECAMPAIGN, "process job/work": Cost.RECAMPAIGN}
    job = item(plan, "job")
    assert (job.here, job.ends, str(job.keys[0])) == ("leads", True, "ttl: 10s -> 20s")
    assert str(job.successor) == "web-2 (degraded, priority 50)"
    assert job.gap is not None
    assert (job.gap.stop_seconds, job.gap.seen_seconds) == (10.0, None)
    assert "until the next node leads" in job.gap.words


@pytest.mark.parametrize(
    "value", [b"other", b"[" * 100_000, b"\xff", b'{"node": 7}', b'{"node": "x", "health": [], "priority": 1e999}']
)
def test_whoever_queues_behind_us_breaks_no_plan(value: bytes) -> None:
    world = begun(spec(election()), behind=value)
    who = item(planning.plan(world.state, spec(election(ttl_seconds=20))), "job").successor
    assert who is not None
    assert who.key
    assert (who.health, who.priority) == ("", None)


def test_nobody_else_queues_and_an_election_that_goes() -> None:
    world = begun(spec(election(), election("more", leader=())))
    plan = planning.plan(world.state, spec(election("more", leader=())))
    job = item(plan, "job")
    assert (job.cost, str(job.successor)) == (Cost.STOP, "nobody else queues")
    assert job.gap is not None
    assert job.gap.words.endswith("after that nobody leads it")
    assert item(plan, "job/work").cost is Cost.STOP


def test_a_follower_gives_up_its_place_and_nothing_that_runs() -> None:
    world = World()
    world.foreign("job")
    standby = process("standby", role=Role.FOLLOWER)
    world.load(spec(election(follower=(standby,))))
    plan = planning.plan(world.state, spec(election(follower=(standby,), ttl_seconds=20)))
    job = item(plan, "job")
    assert (job.cost, job.here, job.ends, job.successor, job.gap) == (Cost.RECAMPAIGN, "queues", True, None, None)
    assert costs(plan)["process job/standby"] is Cost.KEEP
    assert costs(plan)["process job/work"] is Cost.KEEP


def test_what_does_not_run_here_does_not_end() -> None:
    world = World()
    world.foreign("job")
    world.load(spec(election()))
    plan = planning.plan(world.state, spec(election(leader=(process("work", environment={"A": "1"}),))))
    work = item(plan, "job/work")
    assert (work.cost, work.ends, work.here) == (Cost.RESTART, False, "")
    assert "its next start is with the new settings" in work.why


def test_reload_resign_makes_any_change_a_new_campaign() -> None:
    world = begun(spec(election(reload=ReloadPolicy.RESIGN)))
    new = election(reload=ReloadPolicy.RESIGN, leader=(process("work", log=LogSpec(keep=3)),))
    plan = planning.plan(world.state, spec(new))
    assert item(plan, "job").cost is Cost.RECAMPAIGN
    assert "reload: resign" in item(plan, "job").why


def test_another_namespace_is_a_new_campaign_and_another_endpoint_is_asked_first() -> None:
    world = begun(spec(election()))
    there = spec(election())
    moved = planning.plan(world.state, replace(there, etcd=replace(there.etcd, namespace="/other")))
    assert (item(moved, "job").cost, item(moved, "job").why) == (Cost.RECAMPAIGN, "etcd changes")
    way = planning.plan(world.state, replace(there, etcd=replace(there.etcd, endpoints=("http://new:2379",))))
    assert costs(way) == {"etcd etcd": Cost.LIVE, "election job": Cost.KEEP, "process job/work": Cost.KEEP}
    assert any("same cluster" in note for note in way.notes)


def test_the_gap_is_that_of_the_longest_chain_of_stops_with_its_hook() -> None:
    base = process("base", stop=StopSpec(timeout_seconds=2.0))
    stop = StopSpec(timeout_seconds=3.0, before=("/bin/drain",), before_timeout_seconds=4.0)
    user = process("user", stop=stop, needs={ProcessName("base"): Need.READY})
    demoted = hook(HookKind.DEMOTED, timeout_seconds=5.0)
    world = begun(spec(hooked(demoted, leader=(base, user))))
    gap = item(planning.plan(world.state, spec()), "job").gap
    assert gap is not None
    assert gap.stop_seconds == 2 + 3 + 4 + 5
    assert "at most 9s (job/user, then job/base)" in gap.words
    assert "its hook demoted, at most 5s" in gap.words


def test_the_last_stop_is_remembered() -> None:
    always = process("x", role=Role.ALWAYS, stop=StopSpec(timeout_seconds=7.0))
    world = World(stubborn=True)
    world.load(spec(always=(always,)))
    changed = replace(always, environment={"A": "1"})
    world.load(spec(always=(changed,)))
    world.advance(8)
    gap = item(planning.plan(world.state, spec(always=(always,))), "x").gap
    assert gap is not None
    assert gap.seen_seconds == pytest.approx(7.0)
    assert "at most 7s (the last time 7s)" in gap.words


def test_a_campaign_that_is_not_answered_yet_goes_on() -> None:
    world = World(muted={ac.Campaign})
    world.load(spec(election()))
    assert world.state.elections[JOB].create_revision is None
    plan = planning.plan(world.state, spec(election()))
    assert item(plan, "job").cost is Cost.KEEP


PROBE = ProbeSpec(kind=ProbeKind.HTTP, url="http://u:pw@h/")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ({"restart": RestartSpec()}, {"restart": RestartSpec(backoff_max_seconds=60)},
         ["restart.backoff: 100ms..30s -> 100ms..60s"]),
        ({"restart": RestartSpec()}, {"restart": RestartSpec(limit=None)}, ["restart.limit: 5 per 60s -> unlimited"]),
        ({"environment": {"A": "s3cret", "C": "x"}}, {"environment": {"A": "other", "B": "more"}},
         ["environment.A (changed)", "environment.C (removed)", "environment.B (added)"]),
        ({"ready": PROBE}, {"ready": replace(PROBE, url="http://u:other@h/")}, ["ready.http (changed)"]),
        ({"ready": PROBE}, {"ready": replace(PROBE, http=HttpSpec(headers=(("X-Key", "s3cret"),)))},
         ["ready.http.headers.X-Key (added)"]),
        ({"ready": PROBE}, {"ready": ProbeSpec(kind=ProbeKind.TCP, address="h:1")}, ["ready: http -> tcp"]),
        ({}, {"health": ProbeSpec(kind=ProbeKind.WATCHDOG, every_seconds=3)}, ["health: - -> watchdog"]),
        ({"log": LogSpec(file="/a")}, {"log": LogSpec(file="/b", max_size_bytes=1_000_000)},
         ["log.file: /a -> /b", "log.max_size: 50MB -> 1MB"]),
        ({"umask": 0o22}, {"umask": 0o77}, ["umask: 022 -> 077"]),
        ({"limits": {"nofile": (1, 2)}}, {"limits": {"nofile": (1, 3)}}, ["limits.nofile: [1, 2] -> [1, 3]"]),
    ],
)  # fmt: skip
def test_keys_are_called_as_in_the_file_and_secrets_are_not_told(
    old: dict[str, Any], new: dict[str, Any], words: list[str]
) -> None:
    assert [str(k) for k in differences(process("x", **old), process("x", **new))] == words


def test_commands_hide_what_looks_like_a_password() -> None:
    one = replace(process("x"), command=("app", "--password", "s3cret", "--api-key=s3cret", "postgres://u:s3cret@h/d"))
    (change,) = differences(process("x"), one)
    assert change.new == "[app, --password, ***, --api-key=***, postgres://***@h/d]"


def test_what_an_election_says_is_told_by_its_keys_alone() -> None:
    new = hooked(hook(HookKind.ELECTED), proclaim=ProclaimSpec(value={"address": "s3cret"}), cooldown_min_seconds=1.0)
    words = [str(k) for k in differences(election(), new)]
    assert words == ["proclaim.value.address (added)", "cooldown: 10s..5m -> 1s..5m", "hooks.elected: - -> declared"]


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "0s"), (0.05, "50ms"), (1.5, "1.5s"), (60.0, "60s"), (90.0, "90s"), (300.0, "5m"), (7200.0, "2h")],
)
def test_durations_are_written_as_in_the_file(value: float, words: str) -> None:
    assert seconds(value) == words
