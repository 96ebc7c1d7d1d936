"""Which duty goes before which: a burst is decided before anything of it is started, and nothing overtakes what it is about."""

from collections import Counter, deque
from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, settings

from supervisor.core import actions as ac
from supervisor.core import duties, machine
from supervisor.core import events as ev
from supervisor.core import store_events as sev
from supervisor.core.names import ElectionName, Instant, LeaseId, ProcessId, RunId, SeenToken, Term, Token
from supervisor.core.spec import LogSpec
from supervisor.core.state import ElectionPhase, State
from tests.core.test_invariants import Fleet
from tests.core.world import World, election, process, spec

NAMES = tuple(ElectionName(f"e{n}") for n in range(5))
NOW = Instant(1000.0)


@dataclass
class BusyWorld(World):
    """Does what the shell does with a burst: news that may share a step share it, and start work waits its turn."""

    backlog: duties.Backlog = field(default_factory=duties.Backlog)
    order: list[ac.Action] = field(default_factory=list)
    """What was performed."""

    def post(self, event: ev.Event) -> None:
        """As the loop does it."""
        self.pending.append(event)
        while True:
            ready = self.backlog.ready_at(Instant(self.now))
            if self.pending:
                event = duties.gather(self.state, self.pending)
                self.backlog.hear(event)
                self._step(event)
            elif ready is not None and ready <= self.now:
                self._perform(self.backlog.take())
            else:
                return

    def _answer(self, action: ac.Action) -> None:
        for admitted in self.backlog.admit(action, self.state):
            self._perform(admitted)

    def _perform(self, action: ac.Action) -> None:
        self.order.append(action)
        super()._answer(action)


class BusyFleet(Fleet):
    """The same faults, and the same judge, over worlds with a backlog."""

    world = BusyWorld


TestBusyFleet = BusyFleet.TestCase
TestBusyFleet.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


def waiting() -> BusyWorld:
    """A node that is second in the queue of five elections."""
    world = BusyWorld()
    for name in NAMES:
        world.keys[name] = [ev.Candidate(key="k", lease=LeaseId(9), create_revision=Token(5), value=b"another's")]
    world.load(spec(*(election(name) for name in NAMES)))
    assert {e.phase for e in world.state.elections.values()} == {ElectionPhase.FOLLOWING}
    return world


def gone(world: World) -> list[ev.QueueChanged]:
    """What the watch shows when those before us go."""
    for name in NAMES:
        world.keys[name] = [c for c in world.keys[name] if c.lease != 9]
    world.store.revision += 1
    return [ev.QueueChanged(election=n, candidates=tuple(world.keys[n]), revision=world.store.revision) for n in NAMES]


def test_every_win_is_decided_before_anything_is_started() -> None:
    world = waiting()
    world.order.clear()
    world.pending.extend(gone(world))
    world.post(ev.Ticked())
    world.advance(0.1)
    kinds = [type(a) for a in world.order]
    assert kinds.index(ac.Arm) > max(i for i, kind in enumerate(kinds) if kind is ac.Prove)
    assert kinds.index(ac.Spawn) > max(i for i, kind in enumerate(kinds) if kind is ac.Arm)
    first_word = next(i for i, kind in enumerate(kinds) if kind is ac.Proclaim)
    assert first_word > max(i for i, kind in enumerate(kinds[: len(NAMES) * 5]) if kind is ac.Spawn)
    assert Counter(kinds)[ac.Spawn] == len(NAMES)


def test_news_together_come_to_the_same_as_one_after_another() -> None:
    world = waiting()
    state = world.state
    batches: list[list[ev.Event]] = [list(gone(world))]
    first = {n: world.keys[n][0] for n in NAMES}
    batches.append(
        [ev.FirstRead(election=n, asked_for=first[n].create_revision, first=first[n], raft_term=2) for n in NAMES]
    )
    terms = [Term(n, first[n].create_revision) for n in NAMES]
    batches.append([ev.Armed(term=t) for t in terms])
    batches.append([sev.TokenRemembered(election=t.election, token=t.token) for t in terms])
    runs = range(state.next_run, state.next_run + len(NAMES))
    batches.append([ev.Spawned(run=RunId(run), pid=100 + run) for run in runs])
    batches.append([ev.Proclaimed(election=t.election, create_revision=t.token) for t in terms])
    apart = state
    for batch in batches:
        state, together = machine.step(state, ev.Together(events=tuple(batch)), now=NOW)
        alone: list[ac.Action] = []
        for event in batch:
            apart, asked = machine.step(apart, event, now=NOW)
            alone += asked
        assert state == apart
        assert sorted(map(repr, together)) == sorted(map(repr, alone))
    assert all(p.pid for p in state.processes.values())


def test_gathered_are_news_of_different_elections_in_their_order() -> None:
    state = waiting().state
    news: list[ev.Event] = [ev.RecordsClosed(election=n) for n in NAMES[:3]]
    queue: deque[ev.Event] = deque([*news, news[1], ev.Ticked(), news[0]])
    found = []
    while queue:
        found.append(duties.gather(state, queue))
    assert found == [ev.Together(events=tuple(news)), news[1], ev.Ticked(), news[0]]


def test_no_more_are_gathered_than_one_transaction_takes() -> None:
    news = deque[ev.Event](ev.RecordsClosed(election=ElectionName(f"e{n}")) for n in range(duties.AT_ONCE + 1))
    gathered = duties.gather(waiting().state, news)
    assert isinstance(gathered, ev.Together)
    assert len(gathered.events) == duties.AT_ONCE
    assert len(news) == 1


TERM = Term(NAMES[0], Token(7))
SPAWN = ac.Spawn(run=RunId(3), spec=process("work", election="e0"), term=TERM, variables=())
LOG = ac.ConfigureLog(process=ProcessId(NAMES[0], SPAWN.spec.id.name), log=LogSpec())
ARM = ac.Arm(
    term=TERM, lease=LeaseId(1), lease_deadline=NOW, margin_seconds=1.0, candidate_key="k", record_key="r", stopped_record=b""
)  # fmt: skip
NOTE = ac.Remember(place="p", seen=SeenToken(token=Token(7), cluster=""), election=NAMES[0], token=Token(7))


def held(state: State, *actions: ac.Action) -> duties.Backlog:
    """A backlog of these."""
    backlog = duties.Backlog()
    for action in actions:
        assert backlog.admit(action, state) == ()
    return backlog


def test_what_ends_a_run_or_term_has_its_beginning_done_first() -> None:
    state = waiting().state
    kill, other = ac.KillRun(run=RunId(3)), ac.KillRun(run=RunId(4))
    backlog = held(state, LOG, SPAWN, ARM)
    assert backlog.admit(other, state) == (other,)
    assert backlog.admit(kill, state) == (ARM, LOG, SPAWN, kill)
    assert backlog.admit(kill, state) == (kill,)
    backlog = held(state, SPAWN, ARM, NOTE)
    disarm = ac.Disarm(term=TERM)
    assert backlog.admit(disarm, state) == (ARM, NOTE, SPAWN, disarm)
    assert backlog.ready_at(NOW) is None


def test_a_proven_win_waits_for_the_proofs_of_others_but_not_for_long() -> None:
    world = waiting()
    world.muted.add(ac.Prove)
    world.pending.extend(gone(world))
    world.post(ev.Ticked())
    backlog = held(world.state, ARM)
    for name in NAMES:
        assert backlog.ready_at(NOW) == NOW, "a few wins keep nothing waiting"
        prove = ac.Prove(election=name, lease=LeaseId(1), create_revision=Token(1), record=b"")
        assert backlog.admit(prove, world.state) == (prove,)
    assert backlog.ready_at(NOW) == NOW + duties.PATIENCE_SECONDS
    assert backlog.ready_at(Instant(NOW + 0.1)) == NOW + duties.PATIENCE_SECONDS
    backlog.hear(ev.Together(events=(ev.ReadFirstFailed(election=NAMES[1], detail="", chance=0.5),)))
    assert backlog.ready_at(Instant(NOW + 0.1)) == NOW + 0.1


def test_the_end_notes_tokens_and_starts_nothing() -> None:
    state = waiting().state
    end = ac.Exit(code=0)
    assert held(state, SPAWN, NOTE).admit(end, state) == (NOTE, end)


def test_what_was_started_is_forgotten() -> None:
    """Runs are numbered for ever, and a process may crash for ever while nothing is asked for that something is held for."""
    state = waiting().state
    backlog = held(state, ARM, *(replace(SPAWN, run=RunId(n)) for n in range(100)))
    assert len(backlog._held) == 101
    for _ in range(101):
        backlog.take()
    assert not backlog._held
