"""What happened, typed: each turn of an election, a process or the daemon that somebody may want to know of, once.

A function of one transition, as the log's lines are (``report.transitions``), but for programs: the stream of events, the
notifications, the metrics and ``status --why`` are all made of these. Kinds and facts are public: kinds are added, never
renamed; a kind's facts likewise. Promises: pure; costs a step nothing that changes nothing of note; carries no command
line, no environment and no value of a key. Words are made when somebody reads them (``in_words``).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from supervisor.core import document, ledger, movements
from supervisor.core import events as ev
from supervisor.core.kinds import Kind
from supervisor.core.names import HOOK_MARK, Instant
from supervisor.core.state import Election, ElectionPhase, Health, Process, ProcessPhase, State
from supervisor.core.written import written

VERSION = 1
Fact = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One thing that happened."""

    kind: Kind
    at: Instant
    election: str = ""
    process: str = ""
    token: int | None = None
    """Of this node's term."""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    """What else belongs to the kind."""


def of_step(before: State, event: ev.Event, after: State, *, now: Instant) -> list[Happening]:
    """Everything of note in one step, in an order that can be read."""
    found = list(_news(event, now))
    if before.generation != after.generation:
        found.append(_h(Kind.CONFIG_ADOPTED, now, source=after.source, generation=after.generation))
    if after.rejected_at is not None and after.rejected_at != before.rejected_at:
        first = after.problems[0] if after.problems else ""
        found.append(_h(Kind.CONFIG_REFUSED, now, problems=len(after.problems), first=first))
    found += (_turn(turn, now) for turn in movements.of_requests(before, after))
    if before.sessions is not after.sessions:
        for ttl, session in after.sessions.items():
            was = before.sessions.get(ttl)
            if session.lost and was is not None and not was.lost:
                found.append(_h(Kind.LEASE_IN_DOUBT, now, ttl=ttl, detail=session.detail))
    for pid in written(before.processes, after.processes):
        p = after.processes.get(pid)
        if p is not None and (was_p := before.processes.get(pid)) is not p and was_p is not None:
            found += _hook(was_p, p, now) if pid.is_hook else _process(was_p, p, now)
    for name in written(before.elections, after.elections):
        was_e, e = before.elections.get(name), after.elections.get(name)
        if was_e is not None and was_e is not e:
            found += _election(was_e, e, after, now)
    if after.stopping and not before.stopping:
        found.append(_h(Kind.STOPPING, now, why=after.stopping))
    return found


def in_words(h: Happening) -> str:
    """A sentence without its subject's time: ``billing: this node leads (token 12): after term 6 of web-2: ...``."""
    subject = h.process or h.election or ("the fleet" if h.kind in (Kind.PAUSED, Kind.RESUMED) else "")
    text = _WORDS[h.kind](h.facts)
    token = f" (token {h.token})" if h.token is not None and not h.process else ""
    head, colon, rest = text.partition(": ")
    return f"{subject + ': ' if subject else ''}{head}{token}{colon}{rest}"


def _h(
    kind: Kind, at: Instant, *, election: str = "", process: str = "", token: int | None = None, **facts: Fact
) -> Happening:
    return Happening(kind=kind, at=at, election=election, process=process, token=token, facts=facts)


def _turn(turn: movements.Turn, now: Instant) -> Happening:
    facts: dict[str, Fact] = dict(turn.facts)
    return Happening(kind=turn.kind, at=now, election=turn.election, token=turn.token, facts=facts)


def _news(event: ev.Event, now: Instant) -> Iterator[Happening]:
    match event:
        case ev.StoreReachable(endpoint=endpoint):
            yield _h(Kind.ETCD_REACHABLE, now, endpoint=endpoint)
        case ev.StoreUnreachable(detail=detail):
            yield _h(Kind.ETCD_UNREACHABLE, now, detail=detail)
        case ev.Woke(gap_seconds=gap):
            yield _h(Kind.SLEPT, now, seconds=round(gap, 3))
        case ev.KillByStruck(term=term, late_seconds=late):
            late = round(late, 6)
            yield _h(Kind.KILL_BY_STRUCK, now, election=term.election, token=term.token, late_seconds=late)
        case ev.Together(events=events):
            for one in events:
                yield from _news(one, now)
        case _:
            pass


def _election(was: Election, e: Election | None, state: State, now: Instant) -> Iterator[Happening]:
    name = was.spec.name
    token = was.create_revision if e is None or e.create_revision is None else e.create_revision
    over = was.lost_at is not None and (e is None or e.lost_at is None)
    if e is not None and ledger.goes_on(was, e):
        yield _h(Kind.TERM_GOES_ON, now, election=name, token=token, why=e.unmoved)
    elif e is not None and e.phase is ElectionPhase.LEADING and was.phase is not ElectionPhase.LEADING:
        yield _h(Kind.TERM_WON, now, election=name, token=token, why=ledger.why_begun(e))
    elif was.lost_at is not None and over:
        took = round(now - was.lost_at, 3)
        yield _h(Kind.TERM_ENDED, now, election=name, token=was.create_revision, stop_seconds=took)
    if e is None:
        return
    for turn in movements.of_election(was, e):
        yield _turn(turn, now)
    if e.waits_for and not was.waits_for:
        p = e.waits_for[0]
        yield _h(Kind.WAITING, now, election=name, token=token, for_node=p.node, for_token=p.token, detail=p.detail)
    if e.ready_at is not None and was.ready_at is None:
        gap = ledger.gap(state, e)
        facts: dict[str, Fact] = {} if gap is None else {"gap_seconds": round(gap.seconds, 3), "gap_by": gap.by.value}
        took = round(e.ready_at - (e.won_at or e.ready_at), 3)
        facts["start_seconds"] = took
        yield Happening(kind=Kind.TERM_READY, at=now, election=name, token=token, facts=facts)
    if e.lost_at is not None and was.lost_at is None:
        yield _h(Kind.TERM_ENDING, now, election=name, token=token, why=e.cause, lost=e.lost)
    if e.unfit and not was.unfit:
        yield _h(Kind.UNFIT, now, election=name, why=e.unfit)
    if e.refused and not was.refused:
        yield _h(Kind.TOKEN_REFUSED, now, election=name, why=e.refused)
    if e.queue is not was.queue:
        yield from _leader(was, e, now)


def _leader(was: Election, e: Election, now: Instant) -> Iterator[Happening]:
    """Somebody else is first. Our own terms have kinds of their own."""
    leader, before = e.leader, was.leader
    if leader is None or leader.lease == e.lease:
        return
    if before is None or before.create_revision != leader.create_revision:
        node = document.shown_name(document.node_of(leader.value) or "") or "another program"
        token = leader.create_revision
        yield _h(Kind.LEADER_CHANGED, now, election=e.spec.name, leader=node, leader_token=token)


def _process(was: Process, p: Process, now: Instant) -> Iterator[Happening]:
    who = {"election": str(p.id.election), "process": str(p.id)}
    token = p.term.token if p.term is not None else None
    if p.exits is not was.exits and p.exits:
        last = p.exits[-1]
        told: dict[str, Fact] = {"decision": last.decision, "ran_seconds": round(last.ran_seconds, 3)}
        told |= {"code": last.code} if last.code is not None else {}
        told |= {"signal": last.signal} if last.signal is not None else {}
        told |= {"cause": last.cause or last.detail} if last.cause or last.detail else {}
        gave_up = last.decision.startswith("gave up")
        yield _h(Kind.PROCESS_GAVE_UP if gave_up else Kind.PROCESS_EXITED, now, token=token, **who, **told)  # type: ignore[arg-type] # names are no facts
    if p.phase is not ProcessPhase.RUNNING:
        return
    if was.phase is ProcessPhase.STARTING:
        yield _h(Kind.PROCESS_STARTED, now, token=token, pid=p.pid or 0, **who)
    if p.ready and not was.ready:
        yield _h(Kind.PROCESS_READY, now, token=token, **who)
    if p.health is Health.UNHEALTHY and was.health is not Health.UNHEALTHY:
        yield _h(Kind.PROCESS_UNHEALTHY, now, token=token, detail=p.probe_detail, **who)


def _hook(was: Process, p: Process, now: Instant) -> Iterator[Happening]:
    if p.phase is ProcessPhase.GAVE_UP and was.phase is not ProcessPhase.GAVE_UP:
        token = p.term.token if p.term is not None else None
        hook = p.id.name.removeprefix(HOOK_MARK)
        yield _h(Kind.HOOK_FAILED, now, election=p.id.election, token=token, hook=hook)


def _ready(f: Mapping[str, Fact]) -> str:
    gap = f": {f['gap_seconds']:.3f} s after the term before" if "gap_seconds" in f else ""
    return "all it runs serves" + gap


def _exit(f: Mapping[str, Fact]) -> str:
    if "code" in f:
        how = f"exited with code {f['code']}"
    else:
        how = f"killed by signal {f['signal']}" if "signal" in f else "could not be started"
    because = f" ({f['cause']})" if "cause" in f else ""
    return f"{how}{because}: {f['decision']}"


def _asked(f: Mapping[str, Fact]) -> str:
    whom = f["to"] or "the next healthy node"
    by = f["by"] or "somebody"
    match f["stage"]:
        case "asked":
            when = f" at {f['at']}" if "at" in f else ""
            return f"a switchover to {whom}{when} is asked for by {by}"
        case "accepted":
            return f"{f.get('from', 'its leader')} hands over to {whom}"
        case "done":
            return (
                f"{f.get('from', 'its leader')} has handed over to {whom}: its token is {f.get('new_token', 'unknown')}"
            )
        case _:
            return f"the switchover to {whom} is {f['stage']}" + (f": {f['why']}" if "why" in f else "")


_WORDS: Mapping[Kind, Callable[[Mapping[str, Fact]], str]] = {
    Kind.TERM_WON: lambda f: f"this node leads: {f['why']}",
    Kind.TERM_GOES_ON: lambda f: f"this node leads on: {f['why']}",
    Kind.TERM_READY: _ready,
    Kind.TERM_ENDING: lambda f: f"{'lost' if f['lost'] else 'gives up'} the lead: {f['why']}",
    Kind.TERM_ENDED: lambda f: f"the term is over: it took {f['stop_seconds']:.3f} s to stop",
    Kind.LEADER_CHANGED: lambda f: f"{f['leader']} leads: its token is {f['leader_token']}",
    Kind.WAITING: lambda f: f"starts nothing yet: {f['detail']}",
    Kind.UNFIT: lambda f: f"this node does not stand: {f['why']}",
    Kind.TOKEN_REFUSED: lambda f: f"takes no office: {f['why']}",
    Kind.PAUSED: lambda f: f"PAUSED by {f['by'] or 'somebody'}: nobody moves, and nobody takes over",
    Kind.RESUMED: lambda _: "resumed: leaders may move again",
    Kind.DRAINED: lambda f: f"{f['drained']} is DRAINED by {f['by'] or 'somebody'}: it leads nothing from now on",
    Kind.UNDRAINED: lambda f: f"{f['drained']} is not drained any more",
    Kind.SWITCHOVER: _asked,
    Kind.HANDING_OVER: lambda f: f"hands over to {f['to']}: {f['why']}",
    Kind.HANDOVER_FAILED: lambda f: f"the handover to {f['to']} came to nothing: {f['why']}",
    Kind.WITHHELD: lambda f: f"this node is first and takes no office: {f['why']}",
    Kind.PROCESS_STARTED: lambda f: f"started: pid {f['pid']}",
    Kind.PROCESS_READY: lambda _: "ready",
    Kind.PROCESS_UNHEALTHY: lambda f: f"unhealthy: {f['detail']}",
    Kind.PROCESS_EXITED: _exit,
    Kind.PROCESS_GAVE_UP: _exit,
    Kind.HOOK_FAILED: lambda f: f"hook {f['hook']} failed",
    Kind.CONFIG_ADOPTED: lambda f: f"the file is in force: {f['source']}",
    Kind.CONFIG_REFUSED: lambda f: f"the file was refused: {f['first']}",
    Kind.ETCD_UNREACHABLE: lambda f: f"etcd cannot be reached: {f['detail']}",
    Kind.ETCD_REACHABLE: lambda f: f"etcd is reached: {f['endpoint']}",
    Kind.LEASE_IN_DOUBT: lambda f: f"the lease of TTL {f['ttl']} s is in doubt, its terms end: {f['detail']}",
    Kind.KILL_BY_STRUCK: lambda f: f"the guardian killed what was left: kill-by had passed {f['late_seconds']:.3f} s ago",
    Kind.SLEPT: lambda f: f"did not run for {f['seconds']:.1f} s",
    Kind.STOPPING: lambda f: f"the daemon ends: {f['why']}",
}
