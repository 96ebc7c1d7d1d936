"""Any file to any other: what runs after the reload is what a fresh start would run, and what is equal is not touched.

Hypothesis draws files, and moments: a reload comes while the node campaigns, starts, stops or is being demoted, while etcd
or the guardian is silent, and while the children are deaf. ``World.check`` judges every step meanwhile; here is judged what
is left, against a world that begins with the last file, and against the plan of each reload (``core.planning``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core import operator_events as oev
from supervisor.core import planning
from supervisor.core.diff import Cost
from supervisor.core.names import ElectionName, ProcessId, RunId
from supervisor.core.spec import ProcessKind, Spec
from supervisor.core.state import ElectionPhase, ProcessPhase
from tests.core.files import LED_BY_OTHERS, Json, contents, spec_of
from tests.core.world import World

CHILD = (ProcessPhase.STARTING, ProcessPhase.RUNNING)
HELD = (ElectionPhase.LEADING, ElectionPhase.STEPPING_DOWN)
MUTES = [
    ac.GrantLease,
    ac.Campaign,
    ac.Prove,
    ac.Arm,
    ac.Remember,
    ac.Spawn,
    ac.Release,
    ac.Resign,
    ac.SignalRun,
    ac.Vacate,
]
OF_A_TERM = ("FENCING_TOKEN", "ELECTION_KEY", "LEASE_ID", "TERM", "LEADER")
"""What differs from term to term, or tells who else leads, and says nothing about the file."""


@dataclass
class Watched(World):
    """A world that remembers what was asked of it."""

    acted: list[ac.Action] = field(default_factory=list)
    said: dict[RunId, dict[str, str]] = field(default_factory=dict)
    logs: dict[ProcessId, object] = field(default_factory=dict)
    probes: set[tuple[RunId, str, object]] = field(default_factory=set)

    def _answer(self, action: ac.Action) -> None:
        self.acted.append(action)
        match action:
            case ac.Spawn():
                self.said[action.run] = dict(action.variables)
            case ac.ConfigureLog():
                self.logs[action.process] = action.log
            case ac.StartProbe():
                self.probes.add((action.run, action.purpose, action.probe))
            case ac.StopProbe():
                self.probes = {p for p in self.probes if p[:2] != (action.run, action.purpose)}
        super()._answer(action)

    def _on_connect(self, _action: ac.Connect) -> None:
        """The watch lists what there is, and says that etcd answers."""
        self.pending.append(ev.StoreReachable(endpoint="http://store:2379"))
        for name in list(self.store.keys):
            self.show_queue(name)

    def serve(self) -> bool:
        """Probes pass and tasks complete; whether anything of the kind was to be told."""
        told = False
        for p in list(self.state.processes.values()):
            if p.phase is not ProcessPhase.RUNNING or p.run not in self.children or p.held:
                continue
            if p.spec.kind is ProcessKind.TASK:
                self.crash(str(p.id), code=0, signal=None)
                told = True
            elif not p.ready or p.health.value == "starting":
                purpose = "health" if p.ready else "ready"
                self.post(ev.ProbeSucceeded(run=p.run, purpose=purpose))
                told = True
        return told

    def live(self, seconds: float) -> None:
        """Time in which all goes well."""
        end = self.now + seconds
        while self.now < end - 1e-9:
            for _ in range(10):
                if not self.serve():
                    break
            self.advance(min(0.5, end - self.now))
            if self.store.expire(self.now):
                for name in list(self.store.keys):
                    self.show_queue(name)
                self.post(ev.Ticked())


def begun() -> Watched:
    """A world in which somebody else leads one of the elections."""
    world = Watched()
    world.once = False  # a task whose file changed runs again
    world.foreign(LED_BY_OTHERS)
    return world


def seen(world: Watched) -> dict[str, object]:
    """All of it that depends on the file alone."""
    state = world.state
    alive = {p.run: p for p in state.processes.values() if p.alive and p.run is not None}
    leases = {s.lease for s in state.sessions.values()}
    assert set(alive) == set(world.children)
    named = {run: {k: v for k, v in world.said[run].items() if not k.endswith(OF_A_TERM)} for run in alive}
    return {
        "elections": {
            name: (e.phase, e.standby, e.spec, e.create_revision is not None) for name, e in state.elections.items()
        },
        "processes": {p.id: (p.phase, p.spec, p.ready, p.health) for p in state.processes.values() if not p.id.is_hook},
        "children": {str(p.id): (p.spec, named[run]) for run, p in alive.items() if run},
        "logs": {pid: log for pid, log in world.logs.items() if pid in {p.id for p in alive.values()}},
        "probes": {(alive[run].id, purpose, probe) for run, purpose, probe in world.probes if run in alive},
        "leases": set(state.sessions),
        "keys": {name for name, queue in world.keys.items() for c in queue if c.lease in leases},
        "left": (state.doomed, world.held, state.problems),
    }


def same(world: Watched, fresh: Watched) -> None:
    """Nobody can tell which of the two had another file before."""
    here, there = seen(world), seen(fresh)
    differing = {key: (here[key], there[key]) for key in here if here[key] != there[key]}
    words = "\n".join(f"{key}:\n  reloaded {one}\n  fresh    {other}" for key, (one, other) in differing.items())
    assert not differing, words


@dataclass(frozen=True)
class Promise:
    """What was there when a file was adopted, and what its plan said."""

    plan: planning.Plan
    runs: dict[str, RunId]
    """Of every child."""
    tokens: dict[str, int]
    """Of every key of ours in a queue."""
    leading: frozenset[str]
    acted: int

    @staticmethod
    def of(world: Watched, spec: Spec) -> Promise:
        """Before it is adopted."""
        state = world.state
        return Promise(
            plan=planning.plan(state, spec),
            runs={str(p.id): p.run for p in state.processes.values() if p.run is not None and p.phase in CHILD},
            tokens={n: e.create_revision for n, e in state.elections.items() if e.create_revision is not None},
            leading=frozenset(n for n, e in state.elections.items() if e.phase is ElectionPhase.LEADING),
            acted=len(world.acted),
        )

    def check(self, world: Watched, *, settled: bool) -> None:
        """Nothing equal was touched; and what the plan ends has ended, once it is all over."""
        state, since = world.state, world.acted[self.acted :]
        struck = {a.run for a in since if isinstance(a, ac.SignalRun | ac.KillRun)}
        logged = {a.process for a in since if isinstance(a, ac.ConfigureLog)}
        items = {(i.kind, i.name): i for i in self.plan.items}
        for name, token in self.tokens.items():
            item = items.get(("election", name))
            e = state.elections.get(ElectionName(name))
            if item is not None and not item.ends and name in self.leading:
                assert e is not None
                assert e.create_revision == token, f"{name} was to {item.cost}, and its token changed"
                assert e.phase is ElectionPhase.LEADING
            elif item is not None and item.ends and settled:
                assert e is None or e.create_revision != token, f"{name} was to {item.cost}, and did not"
        for pid, run in self.runs.items():
            item = items.get(("process", pid))
            p = next((p for p in state.processes.values() if str(p.id) == pid), None)
            if item is None:
                continue  # on its way out since an earlier reload
            if item.ends:
                assert not settled or p is None or p.run != run, f"{pid} was to {item.cost}, and did not"
            elif self._stays(world, pid):
                assert p is not None, f"{pid} was to {item.cost}, and is gone"
                assert p.restarts == 0
                if p.spec.kind is ProcessKind.TASK:
                    continue  # it may have completed meanwhile
                assert p.run == run, f"{pid} was to {item.cost}, and was restarted"
                assert run not in struck, f"{pid} was to {item.cost}, and was signalled"
                if item.cost is Cost.KEEP:
                    assert p.id not in logged, f"{pid} was to be kept, and its log was touched"

    def _stays(self, world: Watched, pid: str) -> bool:
        """Whether nothing but the file could have ended it: an election may be won, or given up, meanwhile."""
        name = pid.partition("/")[0] if "/" in pid else ""
        if not name:
            return True
        e = world.state.elections.get(ElectionName(name))
        p = next((p for p in world.state.processes.values() if str(p.id) == pid), None)
        if e is None or p is None:
            return False
        return (
            name in self.leading if p.spec.role.value == "leader" else e.phase not in HELD and name not in self.leading
        )


@dataclass(frozen=True)
class Moment:
    """What is going on when the next file comes."""

    seconds: float = 30.0
    mute: type[ac.Action] | None = None
    deaf: bool = False
    demote: bool = False


MOMENTS = st.builds(
    Moment,
    seconds=st.sampled_from([0.0, 0.01, 0.4, 1.2, 7.0, 30.0]),
    mute=st.none() | st.sampled_from(MUTES),
    deaf=st.booleans(),
    demote=st.booleans(),
)


def live_through(world: Watched, moment: Moment) -> None:
    """Until the next file."""
    world.live(moment.seconds)
    if moment.demote:
        for name in list(world.state.elections):
            world.post(oev.ResignRequested(election=name))


def reload(world: Watched, spec: Spec, moment: Moment) -> Promise:
    """The file, while what the moment says is so."""
    world.stubborn = moment.deaf
    for child in world.children.values():
        child.obeys = not moment.deaf
    if moment.mute is not None:
        world.muted.add(moment.mute)
    promise = Promise.of(world, spec)
    world.load(spec)
    return promise


SETTLED = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@SETTLED
@given(contents(), contents())
def test_a_settled_system_after_a_reload_is_one_that_began_with_the_file(a: Json, b: Json) -> None:
    world, promises = begun(), []
    for spec in (spec_of(a), spec_of(b)):
        promises.append(promise := Promise.of(world, spec))
        world.load(spec)
        world.live(60)
        promise.check(world, settled=True)
    assert world.checked > 2
    fresh = begun()
    fresh.load(spec_of(b))
    fresh.live(60)
    same(world, fresh)
    event("changes " + ", ".join(sorted({i.cost.value for i in promises[-1].plan.items})))


@SETTLED
@given(st.lists(st.tuples(contents(), MOMENTS), min_size=2, max_size=4))
def test_whatever_is_under_way_when_the_file_comes(files: list[tuple[Json, Moment]]) -> None:
    world = begun()
    promises: list[Promise] = []
    for content, moment in files:
        promises.append(reload(world, spec_of(content), moment))
        live_through(world, moment)
        if not moment.demote:
            promises[-1].check(world, settled=False)
    world.stubborn = False
    for child in world.children.values():
        child.obeys = True
    world.release()
    world.live(90)
    fresh = begun()
    fresh.load(spec_of(files[-1][0]))
    fresh.live(90)
    same(world, fresh)
