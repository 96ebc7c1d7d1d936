"""Every rule of ``doctor``, without the machine that breaks it."""

from collections.abc import Sequence

import pytest

from supervisor.core.evolve import replace
from supervisor.core.fitness import machine, places, store
from supervisor.core.fitness.facts import (
    ClockFacts,
    EndpointFacts,
    GuardianFacts,
    LeaseFacts,
    MachineFacts,
    PlaceFacts,
    RangeFacts,
    StepFacts,
    StoreFacts,
    TrialFacts,
    UnitFacts,
)
from supervisor.core.fitness.finding import Finding, Grade, fine, problem, warn, worst
from supervisor.core.names import ElectionName
from supervisor.core.spec import ElectionSpec

E = ElectionName("e")
TEN = {E: ElectionSpec(name=E, ttl_seconds=10)}
A = EndpointFacts(url="http://a", cluster="c", version="3.5.99", trips_seconds=(0.001, 0.002, 0.003))
B, C = replace(A, url="http://b"), replace(A, url="http://c")
RANGES = tuple(RangeFacts(prefix=p, written_seconds=0.002) for p in ("/s/", "/s.ctl/", "/s.log/"))
WELL = StoreFacts(
    endpoints=(A, B, C),
    members=("a", "b", "c"),
    leases=(LeaseFacts(asked_seconds=10, granted_seconds=10),),
    ranges=RANGES,
)
CLOCK = ClockFacts(source="tsc", available=("tsc", "hpet"))
GUARDIAN = GuardianFacts(of="a trial as root", memory_locked=True, realtime=True, oom_score_adj=-999, nofile=524288)
TRIAL = TrialFacts(cgroup="/sys/fs/cgroup/x")
UNIT = UnitFacts(
    name="supervisor.service", kill_mode="process", delegate=True, watchdog_seconds=20, memlock=-1, rtprio=10,
    nofile=524288, stop_seconds=90, restart="always", notify=True,
)  # fmt: skip
MACHINE = MachineFacts(clock=CLOCK, guardian=GUARDIAN, trial=TRIAL, processes=3)


def wrong(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    for one in findings:
        assert bool(one.why) == bool(one.remedy) == (one.grade is not Grade.OK), one
    return [(one.check, one.grade) for one in findings if one.grade is not Grade.OK]


def test_the_worst_grade_counts() -> None:
    ok, warning = fine("a", "", "b"), warn("a", "", "b", why="c", remedy="d")
    bad = problem("a", "", "b", why="c", remedy="d")
    assert worst([]) is Grade.OK
    assert worst([ok, warning, ok]) is Grade.WARNING
    assert worst([warning, bad, ok]) is Grade.PROBLEM


# --- etcd ----------------------------------------------------------------------------------------------------------


def test_an_etcd_that_is_well() -> None:
    findings = store.findings(WELL, TEN)
    assert wrong(findings) == []
    checks = {one.check for one in findings}
    assert checks == {
        "etcd.reachable", "etcd.version", "etcd.alarm", "etcd.members", "etcd.permissions", "etcd.roundtrip", "etcd.ttl",
        "budget",
    }  # fmt: skip


DEAD = EndpointFacts(url="http://b", error="refused")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"endpoints": (A, DEAD, C)}, [("etcd.reachable", "warning")]),
        ({"endpoints": (DEAD,)}, [("etcd.reachable", "problem")]),
        ({"endpoints": (), "detail": "no such name"}, [("etcd.reachable", "problem")]),
        ({"detail": "no such name"}, [("etcd.reachable", "warning")]),
        ({"endpoints": (A, replace(B, cluster="d"), C)}, [("etcd.cluster", "problem")]),
        ({"endpoints": (A, replace(B, version="3.5.1"), C)}, [("etcd.version", "warning")]),
        ({"endpoints": (A, replace(B, version="3.3.9"), C)}, [("etcd.version", "warning")]),
        ({"endpoints": (replace(A, alarms=("NOSPACE",)), B, C)}, [("etcd.alarm", "problem")]),
        ({"endpoints": (replace(A, alarms=("CORRUPT",)), B, C)}, [("etcd.alarm", "problem")]),
        ({"endpoints": (replace(A, db_size_bytes=2_000_000_000), B, C)}, [("etcd.size", "warning")]),
        ({"endpoints": (replace(A, leader=False), B, C)}, [("etcd.members", "problem")]),
        ({"endpoints": (replace(A, learner=True), B, C)}, [("etcd.members", "warning")]),
        ({"members": ("a",)}, [("etcd.members", "warning")]),
        ({"members": ("a",), "local": True}, []),
        ({"members": ("a", "b", "c", "d")}, [("etcd.members", "warning")]),
        ({"members": ("a", "b", "c", "d", "e")}, [("etcd.members", "warning")]),
        ({"members": None}, []),
        ({"login_error": "invalid user", "ranges": ()}, [("etcd.permissions", "problem")]),
        ({"ranges": (*RANGES[:2], RangeFacts(prefix="/s.log/", permitted=False))}, [("etcd.permissions", "problem")]),
        ({"ranges": (*RANGES[:2], RangeFacts(prefix="/s.log/", error="no"))}, [("etcd.permissions", "problem")]),
        ({"endpoints": (replace(A, trips_seconds=(0.4, 0.4)), B, C)}, [("etcd.roundtrip", "warning")]),
        ({"endpoints": (replace(A, trips_seconds=(0.1, 0.1, 1.2)), B, C)}, [("etcd.roundtrip", "warning")]),
        ({"endpoints": (replace(A, trips_seconds=(1.2,)), B, C)}, [("etcd.roundtrip", "problem")]),
        ({"endpoints": (replace(A, trips_error="late", trips_seconds=()), B, C)}, [("etcd.roundtrip", "warning")]),
        ({"leases": (LeaseFacts(asked_seconds=10, granted_seconds=15),)}, [("etcd.ttl", "warning")]),
        ({"leases": (LeaseFacts(asked_seconds=10, granted_seconds=8),)}, [("etcd.ttl", "warning")]),
        ({"leases": (LeaseFacts(asked_seconds=10, granted_seconds=1),)}, [("etcd.ttl", "warning"), ("budget", "problem")]),
        ({"leases": (LeaseFacts(asked_seconds=10, error="full"),)}, [("etcd.ttl", "problem")]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_etcd(changes: dict[str, object], expected: list[tuple[str, str]]) -> None:
    facts = replace(WELL, **changes)  # type: ignore[arg-type] # its own fields
    assert wrong(store.findings(facts, TEN)) == expected


def test_the_ttl_that_a_slow_etcd_is_told_is_enough_for_it() -> None:
    slow = replace(A, trips_seconds=(0.7, 0.7, 0.9))
    told = next(f for f in store.findings(replace(WELL, endpoints=(slow, B, C)), TEN) if f.grade is not Grade.OK)
    seconds = int(told.remedy.rpartition("ttl to ")[2].removesuffix("s"))
    raised = {E: ElectionSpec(name=E, ttl_seconds=seconds)}
    leases = (LeaseFacts(asked_seconds=seconds, granted_seconds=seconds),)
    assert wrong(store.findings(replace(WELL, endpoints=(slow, B, C), leases=leases), raised)) == []


# --- the machine ---------------------------------------------------------------------------------------------------


def test_a_machine_that_is_well() -> None:
    findings = machine.findings(MACHINE)
    assert wrong(findings) == []
    assert {one.check for one in findings} == {
        "clock.source", "clock.suspend", "guardian.memory", "guardian.scheduling", "guardian.oom", "limits.nofile",
        "processes.deathsig", "processes.cgroup", "limits.nproc",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (replace(MACHINE, clock=replace(CLOCK, source="hpet")), [("clock.source", "warning")]),
        (replace(MACHINE, clock=replace(CLOCK, source=None)), [("clock.source", "warning")]),
        (replace(MACHINE, clock=replace(CLOCK, suspended_seconds=60)), [("clock.suspend", "warning")]),
        (replace(MACHINE, clock=replace(CLOCK, steal_share=0.2)), [("clock.steal", "warning")]),
        (replace(MACHINE, clock=replace(CLOCK, steal_share=0.01, hypervisor=True)), []),
        (replace(MACHINE, guardian=replace(GUARDIAN, memory_locked=False)), [("guardian.memory", "warning")]),
        (replace(MACHINE, guardian=replace(GUARDIAN, realtime=False)), [("guardian.scheduling", "warning")]),
        (replace(MACHINE, guardian=replace(GUARDIAN, oom_score_adj=0)), [("guardian.oom", "warning")]),
        (replace(MACHINE, guardian=replace(GUARDIAN, nofile=70)), [("limits.nofile", "problem")]),
        (replace(MACHINE, guardian=replace(GUARDIAN, nofile=256)), [("limits.nofile", "warning")]),
        (replace(MACHINE, guardian=replace(GUARDIAN, nofile=-1)), []),
        (replace(MACHINE, trial=replace(TRIAL, deathsig_error="EPERM")), [("processes.deathsig", "problem")]),
        (replace(MACHINE, trial=TrialFacts(cgroup_error="none")), [("processes.cgroup", "warning")]),
        (replace(MACHINE, trial=TrialFacts(cgroup_error="none"), containment="cgroup"), []),
        (replace(MACHINE, containment="session"), [("processes.cgroup", "warning")]),
        (replace(MACHINE, trial=replace(TRIAL, nproc=20), uid=1000), [("limits.nproc", "problem")]),
        (replace(MACHINE, trial=replace(TRIAL, nproc=20), uid=0), []),
        (replace(MACHINE, trial=replace(TRIAL, pids_max=100), uid=0), [("limits.nproc", "warning")]),
        (replace(MACHINE, unit=UNIT), []),
        (replace(MACHINE, unit=replace(UNIT, kill_mode="mixed")), [("unit.killmode", "problem")]),
        (replace(MACHINE, unit=replace(UNIT, delegate=False)), [("unit.delegate", "warning")]),
        (replace(MACHINE, unit=replace(UNIT, watchdog_seconds=0)), [("unit.watchdog", "warning")]),
        (replace(MACHINE, unit=replace(UNIT, notify=False)), [("unit.type", "warning")]),
        (replace(MACHINE, unit=replace(UNIT, restart="no")), [("unit.restart", "warning")]),
        (replace(MACHINE, unit=UNIT, stop_seconds=90), []),
        (replace(MACHINE, unit=UNIT, stop_seconds=91), [("unit.stop", "warning")]),
        (replace(MACHINE, unit=replace(UNIT, stop_seconds=0), stop_seconds=3600), []),
        (
            replace(MACHINE, unit=replace(UNIT, notify=False, stop_seconds=5), stop_seconds=6),
            [("unit.type", "warning"), ("unit.stop", "warning")],
        ),
        (replace(MACHINE, unit=replace(UNIT, memlock=8_388_608)), [("guardian.memory", "warning")]),
        (replace(MACHINE, unit=replace(UNIT, rtprio=0)), [("guardian.scheduling", "warning")]),
        (replace(MACHINE, unit=replace(UNIT, nofile=32)), [("limits.nofile", "problem")]),
        (MachineFacts(), []),
    ],
)
def test_what_is_wrong_with_a_machine(facts: MachineFacts, expected: list[tuple[str, str]]) -> None:
    assert wrong(machine.findings(facts)) == expected


def test_what_a_shell_lacks_says_nothing_of_the_unit() -> None:
    poor = GuardianFacts(of="a trial as me", memory_locked=False, realtime=False, oom_score_adj=0, nofile=64)
    assert wrong(machine.findings(replace(MACHINE, guardian=poor, unit=UNIT))) == []
    running = replace(poor, of="the running guardian (pid 7)")
    found = wrong(machine.findings(replace(MACHINE, guardian=running, unit=UNIT)))
    assert [check for check, _ in found] == ["guardian.memory", "guardian.scheduling", "guardian.oom", "limits.nofile"]


def test_a_trial_s_own_words_are_shown() -> None:
    poor = replace(GUARDIAN, memory_locked=False, words=("memory not locked: RLIMIT_MEMLOCK is 8", "20 descriptors"))
    told = next(f for f in machine.findings(replace(MACHINE, guardian=poor)) if f.check == "guardian.memory")
    assert told.seen == "memory not locked: RLIMIT_MEMLOCK is 8"


# --- places --------------------------------------------------------------------------------------------------------

ROOTS = StepFacts(path="/etc", uid=0, gid=0, mode=0o755)
FILE = StepFacts(path="/etc/f", uid=0, gid=0, mode=0o644, last=True)
READ = PlaceFacts(check="file.permissions", path="/etc/f", what="a file", steps=(ROOTS, FILE))
STATE = PlaceFacts(check="state.directory", path="/s", what="the state directory", free_bytes=10**9, free_inodes=10**6)


@pytest.mark.parametrize(
    ("place", "uid", "expected"),
    [
        (READ, 0, []),
        (READ, 1000, []),
        (replace(READ, steps=(ROOTS, replace(FILE, uid=1000))), 0, ["problem"]),
        (replace(READ, steps=(ROOTS, replace(FILE, uid=1000))), 1000, []),
        (replace(READ, steps=(ROOTS, replace(FILE, mode=0o666))), 0, ["problem"]),
        (replace(READ, steps=(ROOTS, replace(FILE, mode=0o664))), 0, []),
        (replace(READ, steps=(ROOTS, replace(FILE, mode=0o664, gid=5))), 0, ["problem"]),
        (replace(READ, steps=(replace(ROOTS, mode=0o777), FILE)), 0, ["problem"]),
        (replace(READ, steps=(replace(ROOTS, mode=0o1777), FILE)), 0, []),
        (replace(READ, steps=(replace(ROOTS, mode=0o777, link=True), FILE)), 0, []),
        (replace(READ, steps=(replace(ROOTS, uid=7, link=True), FILE)), 0, ["problem"]),
        (replace(READ, steps=()), 0, []),
        (replace(READ, secret=True), 0, ["warning"]),
        (replace(READ, secret=True, steps=(ROOTS, replace(FILE, mode=0o600))), 0, []),
        (STATE, 0, []),
        (replace(STATE, write_error="read-only", free_bytes=0), 0, ["problem"]),
        (replace(STATE, network="nfs4"), 0, ["warning"]),
        (replace(STATE, free_bytes=1000), 0, ["problem"]),
        (replace(STATE, free_bytes=100_000_000), 0, ["warning"]),
        (replace(STATE, free_inodes=3), 0, ["warning"]),
        (replace(STATE, free_inodes=None), 0, []),
    ],
)
def test_places(place: PlaceFacts, uid: int, expected: list[str]) -> None:
    assert [grade for _, grade in wrong(places.findings(place, uid))] == expected
