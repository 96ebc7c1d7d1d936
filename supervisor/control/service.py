"""The calls of the control API: each a short story of post, wait, describe.

Promises: an answer tells what was seen in the state, never what was hoped; waiting ends at the caller's time limit, when
the caller hangs up, and when the daemon ends. A name that does not exist is NOT_FOUND, with the nearest that does.
Does not: decide: whether a node resigns or a process restarts is the core's affair.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import grpc

from supervisor.control import asked, condition, describe, leaders, outcomes, past, plans, views, watching
from supervisor.control.convert import to_message
from supervisor.control.guard import LONGEST_WORD
from supervisor.control.mover import MovingCalls
from supervisor.control.ports import Ports
from supervisor.core import document, planning
from supervisor.core.access import Caller
from supervisor.core.names import ElectionName, Instant, ProcessId, RunId
from supervisor.core.operator_events import ResignRequested, RestartRequested, StartRequested, StopRequested
from supervisor.core.state import Election, ElectionPhase, Process, State
from supervisor.pb import control_pb2

NEW_LEADER_WAIT_SECONDS = 2.0
"""How long a finished resignation looks for the next leader before it says what it sees."""

NOT_THE_OWNER = (
    "only the daemon's own user and root may have it judge another file: it is read in the daemon's environment"
)

_NOBODY_KNOWS = views.Leader(state=views.UNKNOWN, words="unknown (removed from the file)")
_HELD = frozenset({ElectionPhase.LEADING, ElectionPhase.STEPPING_DOWN, ElectionPhase.RESIGNING})

_Chosen: TypeAlias = tuple[ElectionName | None, ProcessId | None]

if TYPE_CHECKING:
    from supervisor.control.asked import Context


class ControlService(MovingCalls):
    """Answers through ``Ports``."""

    def __init__(self, ports: Ports, key: bytes, caller: Callable[[str], Caller | None] = lambda _: None) -> None:
        """``key``: what a caller with the rights of the daemon's user can read, and nobody else. ``caller``: who is behind a peer."""
        super().__init__(ports, caller)
        self._key = key

    async def Status(  # noqa: N802 # the name of the call
        self, request: control_pb2.StatusRequest, context: "Context"
    ) -> control_pb2.Status:
        """What this node knows, at once."""
        chosen = await self._chosen(request, context)
        return to_message(self._status(chosen, exits=request.exits), control_pb2.Status())

    async def WatchStatus(  # noqa: N802
        self, request: control_pb2.StatusRequest, context: "Context"
    ) -> AsyncGenerator[control_pb2.Status, None]:
        """The same, now and at every change."""
        chosen = await self._chosen(request, context)

        def message() -> control_pb2.Status:
            return to_message(self._status(chosen, exits=request.exits), control_pb2.Status())

        async with aclosing(watching.messages(self._ports, message)) as messages:
            async for one in messages:
                yield one

    async def _chosen(self, request: control_pb2.StatusRequest, context: "Context") -> _Chosen:
        """The election or the process that a status is asked for; neither: all."""
        state, name = self._ports.state(), request.election
        if not name:
            return None, None
        if ElectionName(name) not in state.elections and asked.names_process(state, name):
            return None, await asked.process(state, name, context)
        return (await asked.election(state, name, context)).spec.name, None

    def _status(self, chosen: _Chosen, *, exits: bool) -> views.Status:
        ports, (only, process) = self._ports, chosen
        return describe.status(
            ports.state(),
            ports.facts,
            ports.now(),
            loop_lag_seconds=ports.loop_lag_seconds(),
            only=only,
            log_troubles=ports.log_troubles(),
            process_only=process,
            exits=exits,
        )

    async def Version(  # noqa: N802
        self, _request: control_pb2.VersionRequest, _context: "Context"
    ) -> control_pb2.Version:
        """Which program answers."""
        facts = self._ports.facts
        view = views.Version(
            version=facts.version,
            pid=facts.pid,
            node=self._ports.state().node,
            schema_version=views.SCHEMA_VERSION,
        )
        return to_message(view, control_pb2.Version())

    # --- acting ----------------------------------------------------------------------------------------------------

    async def Plan(  # noqa: N802
        self, request: control_pb2.PlanRequest, context: "Context"
    ) -> control_pb2.Planned:
        """What adopting the file, or a content in its place, would do."""
        content = request.content if request.HasField("content") else None
        if content is not None and not _same(request.key.encode(), self._key):
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, NOT_THE_OWNER)
        ports = self._ports
        found = await ports.read(content, request.name)
        state = ports.state()
        if found.spec is None:
            return to_message(plans.refused(state, found.problems, token=found.token), control_pb2.Planned())
        plan = planning.plan(state, found.spec)
        return to_message(plans.planned(state, plan, source=found.source, token=found.token), control_pb2.Planned())

    async def Reload(  # noqa: N802
        self, request: control_pb2.ReloadRequest, _context: "Context"
    ) -> control_pb2.Reloaded:
        """Read the file again, or take what a plan has read; wait for what it changed to converge when asked to."""
        ports = self._ports
        before = ports.state()
        outcome = await ports.reload(request.token)
        settled: bool | None = None
        found: tuple[views.Reason, ...] = ()
        if outcome.adopted and request.HasField("wait_seconds"):
            spec = ports.state().spec
            changed = planning.subjects(planning.plan(before, spec).items) if spec is not None else frozenset()
            wait_seconds = asked.limited(request.wait_seconds)
            after = await ports.wait(lambda s: plans.converged(s, ports.now(), changed), wait_seconds)
            settled = after is not None
            found = plans.missing(after or ports.state(), ports.now(), changed)
        view = views.Reloaded(
            adopted=outcome.adopted,
            problems=outcome.problems,
            summary=outcome.summary,
            settled=settled,
            reasons=found,
            outdated=outcome.outdated,
            changed_since=outcome.changed_since,
        )
        return to_message(view, control_pb2.Reloaded())

    async def Resign(  # noqa: N802
        self, request: control_pb2.ResignRequest, context: "Context"
    ) -> control_pb2.Resigned:
        """Give up the lead: over when our key of that term is gone, not before."""
        ports = self._ports
        e = await asked.election(ports.state(), request.election, context)
        name, token = e.spec.name, e.create_revision
        if e.phase not in _HELD or token is None:
            return self._resigned("not-held", name, None)
        if e.phase is ElectionPhase.LEADING and ports.state().requests.paused(name) is not None:
            return self._resigned("paused", name, token)

        def gone(state: State) -> bool:
            present = state.elections.get(name)
            return present is None or present.create_revision != token

        def succeeded(state: State) -> bool:
            present = state.elections.get(name)
            if present is None:
                return True
            first = present.leader
            return first is not None and first.create_revision != token and not document.says_candidate(first.value)

        if e.phase is ElectionPhase.LEADING:
            ports.post(ResignRequested(election=name))
        wait_seconds = asked.limited(request.wait_seconds)
        if await ports.wait(gone, wait_seconds) is None:
            return self._resigned("timed-out", name, token)
        await ports.wait(succeeded, NEW_LEADER_WAIT_SECONDS)
        return self._resigned("resigned", name, token)

    def _resigned(self, outcome: str, name: ElectionName, token: int | None) -> control_pb2.Resigned:
        state, now = self._ports.state(), self._ports.now()
        e = state.elections.get(name)
        view = views.Resigned(
            outcome=outcome,
            token=token,
            leader=leaders.leader(state, e, now) if e else _NOBODY_KNOWS,
            waiting_for=condition.waiting_for(state, e, now) if e else "",
        )
        return to_message(view, control_pb2.Resigned())

    async def Restart(  # noqa: N802
        self, request: control_pb2.RestartRequest, context: "Context"
    ) -> control_pb2.Restarted:
        """Stop and start a process: over when the next child is ready, or has ended."""
        ports, state = self._ports, self._ports.state()
        pid = await asked.process(state, request.process, context)
        before = state.processes[pid]
        if not condition.wanted(state, before):
            return self._restarted("not-wanted", before)
        first = RunId(state.next_run)
        ports.post(RestartRequested(process=pid))
        wait_seconds = asked.limited(request.wait_seconds)
        after = await ports.wait(lambda s: outcomes.of_restart(s, before, first) != outcomes.TIMED_OUT, wait_seconds)
        return self._restarted(outcomes.of_restart(after or ports.state(), before, first), before)

    def _restarted(self, outcome: str, before: Process) -> control_pb2.Restarted:
        return to_message(views.Restarted(outcome=outcome, process=self._shown(before)), control_pb2.Restarted())

    async def Start(  # noqa: N802
        self, request: control_pb2.StartRequest, context: "Context"
    ) -> control_pb2.Started:
        """Lift a stop or a give-up: over when the process is ready, or has ended."""
        ports, state = self._ports, self._ports.state()
        pid = await asked.process(state, request.process, context)
        before = state.processes[pid]
        ports.post(StartRequested(process=pid))
        # Posted always: that it runs, or is halted, may have changed by the time the core is asked.
        wait_seconds = asked.limited(request.wait_seconds)
        after = await ports.wait(lambda s: outcomes.of_start(s, before) != outcomes.TIMED_OUT, wait_seconds)
        outcome = outcomes.of_start(after or ports.state(), before)
        return to_message(views.Started(outcome=outcome, process=self._shown(before)), control_pb2.Started())

    async def Stop(  # noqa: N802
        self, request: control_pb2.StopRequest, context: "Context"
    ) -> control_pb2.Stopped:
        """Stop a process and halt it: over when nothing of it is left."""
        ports, state = self._ports, self._ports.state()
        pid = await asked.process(state, request.process, context)
        before = state.processes[pid]
        outcome = outcomes.before_stop(state, before)
        if not outcome:
            ports.post(StopRequested(process=pid))
            after = await ports.wait(lambda s: outcomes.is_stopped(s, pid), asked.limited(request.wait_seconds))
            outcome = outcomes.TIMED_OUT if after is None else "stopped"
        return to_message(views.Stopped(outcome=outcome, process=self._shown(before)), control_pb2.Stopped())

    def _shown(self, before: Process) -> views.Process:
        state = self._ports.state()
        log = self._ports.log_troubles().get(before.id)
        return describe.process(state, state.processes.get(before.id, before), self._ports.now(), log)

    # --- watching --------------------------------------------------------------------------------------------------

    async def Leader(  # noqa: N802
        self, request: control_pb2.LeaderRequest, context: "Context"
    ) -> control_pb2.Observation:
        """Who leads now."""
        state = self._ports.state()
        e = await asked.election(state, request.election, context)
        return to_message(describe.observation(state, e, self._ports.now()), control_pb2.Observation())

    async def Queue(  # noqa: N802
        self, request: control_pb2.QueueRequest, context: "Context"
    ) -> control_pb2.Queue:
        """Who stands for it now."""
        state = self._ports.state()
        e = await asked.election(state, request.election, context)
        return to_message(leaders.queue(state, e, self._ports.now()), control_pb2.Queue())

    async def Observe(  # noqa: N802
        self, request: control_pb2.ObserveRequest, context: "Context"
    ) -> AsyncGenerator[control_pb2.Observation, None]:
        """Who leads, now and at every change."""
        ports = self._ports
        listed = await asked.named(request.elections, context)
        chosen = [(await asked.election(ports.state(), name, context)).spec.name for name in listed]
        said: dict[ElectionName, _Said] = {}
        async with aclosing(ports.subscribe()) as states:
            async for state in states:
                for name in set(said) - set(state.elections):
                    del said[name]
                for name in chosen or sorted(state.elections):
                    observation = _news(state, name, ports.now(), said)
                    if observation is not None:
                        yield to_message(observation, control_pb2.Observation())

    async def Logs(  # noqa: N802
        self, request: control_pb2.LogsRequest, context: "Context"
    ) -> AsyncGenerator[control_pb2.LogLines, None]:
        """What processes said, and say."""
        state = self._ports.state()
        chosen = [await asked.process(state, name, context) for name in await asked.named(request.processes, context)]
        heard = self._ports.logs(
            list(dict.fromkeys(chosen)) or sorted(state.processes),
            lines=max(0, request.lines) if request.HasField("lines") else None,
            since_seconds=asked.limited(request.since_seconds) if request.HasField("since_seconds") else None,
            follow=request.follow,
        )
        async with aclosing(heard) as pieces:
            async for piece in pieces:
                view = views.LogLines(
                    process=str(piece.process),
                    stream=piece.stream,
                    at=piece.at,
                    text=piece.text,
                    missed=piece.missed,
                )
                yield to_message(view, control_pb2.LogLines())

    async def Events(  # noqa: N802
        self, request: control_pb2.EventsRequest, context: "Context"
    ) -> AsyncGenerator[control_pb2.Happening, None]:
        """What happened, and happens."""
        ports = self._ports
        listed = await asked.named(request.elections, context)
        names = {(await asked.election(ports.state(), name, context)).spec.name for name in listed}
        wanted = partial(past.is_asked_for, elections=names, kinds=frozenset(request.kinds))
        kept = ports.happened()
        shown = [(n, h) for n, h in kept if wanted(h)]
        if request.HasField("lines"):
            shown = shown[max(0, len(shown) - max(0, request.lines)) :]
        for number, happened in shown:
            yield to_message(past.happening(ports.state(), number, happened), control_pb2.Happening())
        if not request.follow:
            return
        missed = 0
        async with aclosing(ports.happenings(after=kept[-1][0] if kept else 0)) as news:
            async for number, happened, more in news:
                missed += more
                if wanted(happened):
                    yield to_message(past.happening(ports.state(), number, happened, missed), control_pb2.Happening())
                    missed = 0

    async def History(  # noqa: N802
        self, request: control_pb2.HistoryRequest, context: "Context"
    ) -> control_pb2.History:
        """What is on record of an election's terms; of one that no file names any more, too."""
        name = request.election
        nameable = 0 < len(name) <= LONGEST_WORD and "/" not in name and "\0" not in name
        told = await self._ports.history(ElectionName(name)) if nameable else None
        if told is None or not told.pages:
            await asked.election(self._ports.state(), request.election, context)
        view = past.describe_history(request.election, told)
        return to_message(view, control_pb2.History())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What an observer was last told of an election, and what that was made of."""

    election: Election
    confirmed: bool
    leader: views.Leader


def _news(state: State, name: ElectionName, now: Instant, said: dict[ElectionName, _Said]) -> views.Observation | None:
    """What to tell an observer; None when nothing changed but ages."""
    e = state.elections.get(name)
    last = said.get(name)
    if e is None:
        return None
    confirmed = leaders.confirmed(state, e, now)
    if last is not None and last.election is e and last.confirmed == confirmed:
        return None
    observation = describe.observation(state, e, now)
    ageless = replace(observation.leader, age_seconds=None, source="", words="")
    said[name] = _Said(election=e, confirmed=confirmed, leader=ageless)
    return None if last is not None and last.leader == ageless else observation


def _same(one: bytes, other: bytes) -> bool:
    """Whether two secrets are, in a time that does not tell how far."""
    return bool(other) and len(one) == len(other) and not sum(a ^ b for a, b in zip(one, other, strict=True))
