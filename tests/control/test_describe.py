"""What status says of each situation, and what it makes of it."""

from dataclasses import replace

import pytest

from supervisor.control import condition, describe, leaders, views, words
from supervisor.core import document
from supervisor.core.events import TermRecord
from supervisor.core.names import ElectionName, Instant, ProcessId, ProcessName, Role, RunId, Token
from supervisor.core.others import Predecessor
from supervisor.core.spec import Need, Spec
from supervisor.core.state import (
    Election,
    ElectionPhase,
    Health,
    LastExit,
    Process,
    ProcessPhase,
    Session,
    State,
)
from supervisor.core.store import Store
from supervisor.report.transitions import exit_in_words
from tests.control import states
from tests.control.states import NOW, ago

BILLING = ElectionName("billing")
SEARCH = ElectionName("search")
API = ProcessId(BILLING, ProcessName("api"))
STANDBY = ProcessId(SEARCH, ProcessName("standby"))
LATER = document.wall_time(states.healthy(), Instant(NOW + 20))


def status(state: State, only: str | None = None) -> views.Status:
    return describe.status(state, states.FACTS, NOW, only=None if only is None else ElectionName(only))


def with_election(state: State, name: ElectionName, **changes: object) -> State:
    changed: Election = replace(state.elections[name], **changes)  # type: ignore[arg-type]
    return replace(state, elections={**state.elections, name: changed})


def with_process(state: State, pid: ProcessId, **changes: object) -> State:
    changed: Process = replace(state.processes[pid], **changes)  # type: ignore[arg-type]
    return replace(state, processes={**state.processes, pid: changed})


def reasons(state: State) -> list[tuple[str, str, str]]:
    return [(r.kind, r.subject, r.text) for r in condition.reasons(state, NOW)]


def leader(state: State, name: ElectionName) -> views.Leader:
    return leaders.leader(state, state.elections[name], NOW)


# --- who leads -----------------------------------------------------------------------------------------------------


def test_our_own_lead_is_known_by_the_lease_and_as_old_as_its_last_renewal() -> None:
    found = leader(states.healthy(), BILLING)
    assert (found.state, found.ours, found.node, found.token) == (views.KNOWN, True, "web-1", 1234)
    assert found.source == "lease"
    assert found.age_seconds == pytest.approx(2.8)
    assert found.key == "/supervisor/billing/694d8e3f2a1c0b05"


def test_our_own_lead_is_known_without_etcd_while_the_lease_can_be_proven_and_not_after() -> None:
    cut_off = states.cut_off()
    assert leader(cut_off, BILLING).ours
    late = replace(cut_off, sessions={10: replace(cut_off.sessions[10], sent_at=ago(10.0))})
    assert leader(late, BILLING).state == views.UNKNOWN


def test_a_lost_key_is_no_lead() -> None:
    state = with_election(states.healthy(), BILLING, phase=ElectionPhase.STEPPING_DOWN, key_lost=True, queue=())
    assert leader(state, BILLING).words == "none"


def test_another_leader_is_known_by_the_watch() -> None:
    found = leader(states.healthy(), SEARCH)
    assert (found.state, found.node, found.words, found.ours) == (views.KNOWN, "web-2", "web-2", False)
    assert (found.source, found.token) == ("watch", 1201)
    assert found.age_seconds == pytest.approx(1.2)
    assert found.proclaimed_health == "healthy"


@pytest.mark.parametrize("reachable", [False, None])
def test_without_etcd_another_leader_is_unknown_with_what_was_last_known(reachable: bool | None) -> None:
    state = states.healthy()
    found = leader(replace(state, store=replace(state.store, reachable=reachable)), SEARCH)
    assert (found.state, found.node, found.token) == (views.UNKNOWN, "", None)
    assert found.words == "unknown (last confirmed 1.2s ago: web-2)"


def test_a_watch_that_was_long_silent_makes_another_leader_unknown_but_not_our_own() -> None:
    state = states.healthy()
    state = replace(state, store=replace(state.store, confirmed_at=states.ago(12)))
    assert leader(state, SEARCH).words == "unknown (last confirmed 12s ago: web-2)"
    assert leader(state, BILLING).ours


def test_a_change_of_the_queue_confirms_it() -> None:
    state = with_election(states.healthy(), SEARCH, queue_at=states.ago(0.2))
    assert leader(state, SEARCH).age_seconds == pytest.approx(0.2)


def test_a_lease_in_doubt_makes_the_watch_doubtful_too() -> None:
    state = states.healthy()
    state = replace(state, sessions={10: replace(state.sessions[10], lost=True)})
    assert leader(state, SEARCH).state == views.UNKNOWN
    assert leader(state, BILLING).ours


def test_a_leader_never_seen_is_unknown() -> None:
    assert (
        leader(with_election(states.healthy(), SEARCH, queue_at=None, queue=()), SEARCH).words == "unknown (never seen)"
    )


def test_a_foreign_leader_is_named_by_its_key() -> None:
    first = states.candidate("search", token=7, value=b"other")
    found = leader(states.state(states.following("search", first=first)), SEARCH)
    assert (found.foreign, found.node, found.words, found.value) == (True, "", first.key, "other")


# --- condition -----------------------------------------------------------------------------------------------------


def test_all_is_well() -> None:
    found = status(states.healthy())
    assert (found.condition, found.reasons, found.schema_version) == (views.HEALTHY, (), 1)
    assert [p.name for p in found.processes] == [
        "billing/api", "billing/migrate", "search/index", "search/standby", "exporter",
    ]  # fmt: skip
    assert [(p.wanted, p.health) for p in found.processes][2] == (False, None)


def test_a_file_without_elections_needs_no_etcd() -> None:
    exporter = states.process_spec("", "exporter", Role.ALWAYS)
    state = states.state(processes=(states.running(exporter, run=1, pid=5),), always=(exporter,))
    found = status(replace(state, store=Store(), sessions={}))
    assert (found.condition, found.store.used, found.store.reachable) == (views.HEALTHY, False, "unknown")


DEGRADED: dict[str, tuple[State, tuple[str, str, str]]] = {
    "no file": (
        State(node=states.healthy().node, started_at=ago(1)),
        (views.UNSETTLED, "config", "no file is in force yet"),
    ),
    "file refused": (
        replace(states.healthy(), problems=("x:1:1: bad",), rejected_at=ago(1)),
        (views.UNHEALTHY, "config", "the last file was refused (1 problem); the one before it is in force"),
    ),
    "ending": (
        replace(states.healthy(), stopping="SIGTERM"),
        (views.UNSETTLED, "daemon", "is ending: SIGTERM"),
    ),
    "guardian dead": (replace(states.healthy(), guardian_lost=True), (views.UNHEALTHY, "daemon", "the guardian died")),
    "etcd away": (
        states.cut_off(),
        (views.UNHEALTHY, "etcd", "unreachable for 4.1s: 10.0.0.1:2379: connection refused"),
    ),
    "lease in doubt": (
        states.cut_off(),
        (views.UNHEALTHY, "billing", "its lease is in doubt: no renewal acknowledged for 7.1s"),
    ),
    "not armed": (
        with_election(states.healthy(), BILLING, armed=False),
        (views.UNSETTLED, "billing", "leading, waits for the guardian to be armed"),
    ),
    "cooling down": (
        with_election(
            states.healthy(), SEARCH, phase=ElectionPhase.DETACHED, hold_until=Instant(NOW + 20), giveups=1, cause="api gave up"
        ),
        (views.UNHEALTHY, "search", f"waits for the cool-down after a give-up, 20s more (until {LATER}); api gave up"),
    ),
    "withdrawn": (
        with_election(
            states.healthy(), SEARCH, phase=ElectionPhase.DETACHED, hold_until=Instant(NOW + 20), cause="withdrawn: sick"
        ),
        (views.UNHEALTHY, "search", f"waits for the cool-down after a withdrawal, 20s more (until {LATER}); withdrawn: sick"),
    ),
    "about to withdraw": (
        with_election(states.healthy(), SEARCH, withdraw_at=Instant(NOW + 2), unfit="search/standby is unhealthy"),
        (views.UNHEALTHY, "search", "leaves the queue in 2.0s: search/standby is unhealthy"),
    ),
    "not fit to stand": (
        with_process(
            with_election(
                states.healthy(), SEARCH, phase=ElectionPhase.DETACHED, unfit="search/standby is stopped by an operator"
            ),
            STANDBY, halted=True, phase=ProcessPhase.STOPPED, run=None,
        ),
        (views.UNHEALTHY, "search", "does not stand: search/standby is stopped by an operator"),
    ),
    "still there after a kill": (
        with_process(states.healthy(), API, phase=ProcessPhase.CLEARING, blockers=("77 (tar)",)),
        (views.UNHEALTHY, "billing/api", "still clearing; still alive: 77 (tar)"),
    ),
    "no lease": (
        replace(
            with_election(states.healthy(), SEARCH, phase=ElectionPhase.DETACHED, lease=None),
            sessions={10: Session(ttl_seconds=10, detail="permission denied")},
        ),
        (views.UNSETTLED, "search", "detached, waits for a lease from etcd (permission denied)"),
    ),
    "unhealthy": (
        with_process(states.healthy(), API, health=Health.UNHEALTHY, probe_detail="503"),
        (views.UNHEALTHY, "billing/api", "unhealthy: 503"),
    ),
    "not ready": (
        with_process(states.healthy(), API, health=Health.STARTING, ready=False),
        (views.UNSETTLED, "billing/api", "not ready yet"),
    ),
    "backing off": (
        with_process(
            states.healthy(), API, phase=ProcessPhase.BACKOFF, run=None, retry_at=Instant(NOW + 3),
            last_exit=LastExit(at=NOW, code=1, signal=None, core_dumped=False, ran_seconds=2),
        ),
        (views.UNHEALTHY, "billing/api", "exit 1 after 2.0s; starts again in 3.0s"),
    ),
    "gave up": (
        with_process(states.healthy(), API, phase=ProcessPhase.GAVE_UP, run=None, restarts=5),
        (views.UNHEALTHY, "billing/api", "gave up after 5 restarts (ended); `supervisor start billing/api` starts it again"),
    ),
    "not wanted and alive": (
        with_election(states.healthy(), SEARCH, standby=False),
        (views.UNSETTLED, "search/standby", "still running"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DEGRADED)
def test_every_trouble_has_a_reason(case: str) -> None:
    state, expected = DEGRADED[case]
    assert expected in reasons(state)
    assert status(state).condition == views.DEGRADED
    assert condition.settled(state, NOW) == all(kind == views.UNHEALTHY for kind, _, _ in reasons(state))


def test_before_etcd_has_answered_the_condition_is_unknown() -> None:
    state = states.healthy()
    starting = replace(state, store=replace(state.store, reachable=None))
    assert status(starting).condition == views.UNKNOWN
    assert status(with_election(state, SEARCH, queue_at=None)).condition == views.UNKNOWN


def test_known_trouble_says_more_than_unknown() -> None:
    assert status(states.troubled()).condition == views.DEGRADED


def test_one_election_is_shown_with_its_processes_and_what_concerns_all() -> None:
    found = status(states.troubled(), only="search")
    assert [e.name for e in found.elections] == ["search"]
    assert {p.election for p in found.processes} == {"search"}
    assert {r.subject for r in found.reasons} == {"config", "search", "search/standby"}
    assert len(found.sessions) == 1


@pytest.mark.parametrize("phase", list(ElectionPhase))
def test_every_phase_can_be_described(phase: ElectionPhase) -> None:
    state = with_election(states.healthy(), BILLING, phase=phase)
    found = status(state).elections[0]
    assert found.phase == phase.value
    assert bool(found.waiting_for) == (phase not in (ElectionPhase.LEADING, ElectionPhase.FOLLOWING))


@pytest.mark.parametrize("phase", list(ProcessPhase))
def test_every_process_phase_can_be_described(phase: ProcessPhase) -> None:
    state = with_process(states.healthy(), API, phase=phase, run=RunId(7))
    found = next(p for p in status(state).processes if p.name == "billing/api")
    assert found.phase == phase.value
    assert (found.uptime_seconds is not None) == (phase is ProcessPhase.RUNNING)


def test_a_started_process_waits_for_what_it_needs() -> None:
    billing = states.leading("billing", leader=("api", "migrate"))
    api = replace(billing.spec.leader[ProcessName("api")], needs={ProcessName("migrate"): Need.READY})
    spec = replace(billing.spec, leader={**billing.spec.leader, ProcessName("api"): api})
    state = states.state(replace(billing, spec=spec))
    assert (views.UNSETTLED, "billing/api", "waits for migrate") in reasons(state)
    assert (views.UNSETTLED, "billing/migrate", "is about to start") in reasons(state)


def test_a_new_file_not_in_force_yet_and_an_election_that_is_gone() -> None:
    state = states.healthy()
    assert state.spec is not None
    longer = replace(state.spec.elections[BILLING], ttl_seconds=20)
    changed = replace(state, spec=replace(state.spec, elections={BILLING: longer}))
    assert (views.UNSETTLED, "billing", "the file's settings are not in force yet") in reasons(changed)
    assert (views.UNSETTLED, "search", "is removed from the file") in reasons(changed)


def test_a_term_that_cannot_end_names_what_is_alive() -> None:
    found = status(states.troubled(), only="mail").elections[0]
    assert found.role == "stepping-down"
    assert found.waiting_for == "its containment to be empty; still alive: 4977 (sendmail), 4978 (sendmail)"
    alive = with_election(states.healthy(), BILLING, phase=ElectionPhase.STEPPING_DOWN)
    term = alive.elections[BILLING].term
    alive = with_process(alive, API, phase=ProcessPhase.STOPPING, term=term, kill_at=Instant(NOW + 4))
    assert status(alive).elections[0].waiting_for == "its processes to end: billing/api (SIGKILL in 4.0s)"


def test_a_winner_that_starts_nothing_yet_says_whom_it_waits_for() -> None:
    predecessor = Predecessor(
        token=Token(1200),
        node="web-2",
        clear_at=Instant(NOW + 8.3),
        detail="nothing says that term 1200 of web-2 has stopped; it is dead by then at the latest",
        record=TermRecord(token=Token(1200), value=b""),
    )
    waits = with_election(states.healthy(), BILLING, waits_for=(predecessor,))
    assert (
        views.UNSETTLED,
        "billing",
        "leading, waits for its predecessor's end, 8.3s at most: nothing says that term 1200 of web-2 has stopped;"
        " it is dead by then at the latest",
    ) in reasons(waits)


def test_local_etcd_is_wanted_while_declared() -> None:
    local = states.process_spec("", "local-etcd", Role.ALWAYS)
    state = states.state(processes=(states.running(local, run=1, pid=9),))
    assert state.spec is not None
    state = replace(state, spec=replace(state.spec, local_etcd=local))
    found = status(state)
    assert found.store.local
    assert [(p.name, p.wanted) for p in found.processes] == [("local-etcd", True)]


def test_nothing_is_negative_when_clocks_disagree() -> None:
    found = describe.status(states.healthy(), states.FACTS, Instant(0.0))
    assert found.daemon.uptime_seconds == 0
    assert found.sessions[0].confirmed_age_seconds == 0


def test_an_empty_state_can_be_described() -> None:
    found = status(State(node=states.healthy().node, started_at=NOW))
    assert (found.config.source, found.config.loaded_age_seconds, found.elections) == ("", None, ())
    assert isinstance(Spec(node=states.healthy().node), Spec)


# --- words ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-1, "0.0s"), (0.44, "0.4s"), (9.9, "9.9s"), (9.96, "9s"), (59.9, "59s"), (60, "1m"), (3599, "59m 59s"),
     (7500, "2h 5m"), (86400, "1d"), (100_000, "1d 3h")],
)  # fmt: skip
def test_durations(seconds: float, expected: str) -> None:
    assert words.duration(seconds) == expected


@pytest.mark.parametrize(
    ("code", "signal", "core", "detail", "expected"),
    [
        (3, None, False, "", "exit 3 after 2.0s"),
        (None, 9, False, "", "SIGKILL after 2.0s"),
        (None, 11, True, "", "SIGSEGV after 2.0s, core dumped"),
        (None, 45, False, "", "signal 45 after 2.0s"),
        (None, None, False, "no such file", "not started: no such file"),
        (None, None, False, "", "not started"),
    ],
)
def test_how_a_child_ended(code: int | None, signal: int | None, core: bool, detail: str, expected: str) -> None:
    last = LastExit(at=NOW, code=code, signal=signal, core_dumped=core, ran_seconds=2.0, detail=detail)
    assert words.last_exit(last) == expected


def test_a_span_that_is_not_known_is_not_told() -> None:
    last = LastExit(at=NOW, code=None, signal=15, core_dumped=False, ran_seconds=0.0)
    assert words.last_exit(last) == "SIGTERM"


def test_a_kill_for_want_of_memory_is_told_as_one() -> None:
    last = LastExit(at=NOW, code=None, signal=9, core_dumped=False, ran_seconds=2.0, oom_killed=True)
    assert words.last_exit(last) == "SIGKILL after 2.0s, out of memory"
    assert (
        exit_in_words(last) == "killed by signal 9 after 2.0 s, out of memory: the kernel killed it or a process of it"
    )
