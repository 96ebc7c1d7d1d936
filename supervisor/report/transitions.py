"""From one transition to the lines that tell of it: a function of the state before, the event and the state after.

Promises: one line per change that an operator would ask about, with term and lease in hand; nothing for what repeats
(renewals, probes, proclaims). Does not: carry anything that a key or a command line could hide a secret in.
"""

from collections.abc import Iterator

from supervisor.core import alarms, versions
from supervisor.core import events as ev
from supervisor.core import store_events as sev
from supervisor.core.advice import advice, nobody
from supervisor.core.evolve import replace
from supervisor.core.names import HOOK_MARK, grant_line
from supervisor.core.spec import LogTarget, ProbeKind, ProcessKind
from supervisor.core.state import Election, ElectionPhase, Health, LastExit, Process, ProcessPhase, State
from supervisor.core.written import written
from supervisor.report.logline import Level, LogLine


def lines(before: State, event: ev.Event, after: State) -> list[LogLine]:
    """What to say about one step."""
    said = list(_daemon(before, event, after))
    if before.store.endpoints is not after.store.endpoints:
        said += _endpoints(before, after)
    given_up: list[LogLine] = []
    for name in written(before.elections, after.elections):
        was, e = before.elections.get(name), after.elections.get(name)
        if e is None:
            said.append(LogLine(level=Level.INFO, message=f"{name}: removed"))
        elif was is not e:
            # The end of a run and what follows from it may be one step: the key goes last, in the log as well.
            to = given_up if e.phase in _GIVEN_UP else said
            to += _election(was, e)
            said += _takeover(was, e)
            said += _tokens(was, e)
            said += _standing(was, e)
    for pid in written(before.processes, after.processes):
        was_p, p = before.processes.get(pid), after.processes.get(pid)
        if p is not None and was_p is not p:
            said += _process(was_p, p)
    said += given_up
    if before.sessions is not after.sessions:
        said += _sessions(before, after)
    return said


def _daemon(before: State, event: ev.Event, after: State) -> Iterator[LogLine]:
    yield from _config(before, after)
    yield from _news(event, before)
    if after.stopping and not before.stopping:
        level = Level.ERROR if after.guardian_lost else Level.INFO
        yield LogLine(level=level, message=f"stopping: {after.stopping}")


def _news(event: ev.Event, before: State) -> Iterator[LogLine]:
    """What is said of an event itself, whatever it changed."""
    match event:
        case sev.TokenRemembered(election=name, token=token, problem=problem) if problem:
            text = f"{name}: its token is not noted, a later one may be below it: {problem}"
            yield LogLine(level=Level.WARN, message=text, fields={"token": token})
        case sev.PermissionsSeen(missing=missing):
            for prefix in (p for p in missing if p not in before.store.missing):
                text = f"etcd's user may not read and write {prefix}: {grant_line(prefix)}"
                yield LogLine(level=Level.ERROR, message=text)
            if (text := nobody(replace(before.store, missing=missing))) and not nobody(before.store):
                yield LogLine(level=Level.ERROR, message=text)
            if before.store.missing and not missing:
                yield LogLine(level=Level.INFO, message="etcd's user may use all it needs again")
        case sev.GatewaySeen(refusal=refusal) if refusal != before.store.gateway:
            yield _gateway(refusal)
        case sev.RevisionRaised(problem=problem):
            text = (
                f"the local etcd could not be raised: {problem}" if problem else "the local etcd's revision was raised"
            )
            yield LogLine(level=Level.WARN if problem else Level.INFO, message=text)
        case ev.StoreReachable(endpoint=endpoint):
            yield LogLine(level=Level.INFO, message="etcd reachable", fields={"endpoint": endpoint})
        case ev.StoreUnreachable(detail=detail):
            yield LogLine(level=Level.WARN, message=f"etcd unreachable, trying on: {detail}")
        case ev.Woke(gap_seconds=gap):
            text = f"did not run for {gap:.1f} s (stopped, starved or suspended); looking for our keys first"
            yield LogLine(level=Level.WARN, message=text)
        case ev.KillByStruck(term=term, late_seconds=late):
            ms = round(late * 1000, 1)
            yield LogLine(level=Level.WARN, message=f"{term}: kill-by struck", fields={"late_ms": ms})
        case ev.DisarmRefused(term=term, blockers=blockers):
            still = ", ".join(blockers) or "something"
            yield LogLine(level=Level.WARN, message=f"{term}: still alive: {still}; the key is kept")
        case ev.Together(events=events):
            for one in events:
                yield from _news(one, before)
        case _:
            pass


def _gateway(refusal: str) -> LogLine:
    """What nobody would notice before the daemon dies."""
    if not refusal:
        return LogLine(level=Level.INFO, message="etcd's HTTP gateway would serve the guardian again")
    remedy = (
        "give this node a client certificate without one: a subject such as /O=supervisor, and its names in subjectAltName"
        if "CommonName" in refusal
        else "switch it on"
    )
    text = (
        f"etcd's HTTP gateway would refuse the guardian: {refusal}; should this daemon die, its leases cannot be given back and "
        f"the next leader waits for the TTL: {remedy}"
    )
    return LogLine(level=Level.WARN, message=text)


_PHASES = {
    ElectionPhase.FOLLOWING: "following",
    ElectionPhase.LEADING: "became leader",
    ElectionPhase.STEPPING_DOWN: "stepping down",
    ElectionPhase.RESIGNING: "resigning",
    ElectionPhase.DETACHED: "not a candidate",
}
_GIVEN_UP = frozenset({ElectionPhase.RESIGNING, ElectionPhase.DETACHED})


def _config(before: State, after: State) -> Iterator[LogLine]:
    if after.generation != before.generation:
        yield LogLine(level=Level.INFO, message="configuration adopted", fields={"source": after.source})
        known = advice(before.spec) if before.spec is not None else ()
        for text in advice(after.spec) if after.spec is not None else ():
            if text not in known:
                yield LogLine(level=Level.WARN, message=text)
    if after.rejected_at is not None and after.rejected_at != before.rejected_at:
        yield LogLine(level=Level.ERROR, message="configuration refused; what runs goes on")
        for problem in after.problems:
            yield LogLine(level=Level.ERROR, message=problem)
    if after.pending is not None and before.pending is None:
        text = "the file changes the way to etcd: asking there first whether it is the same cluster"
        yield LogLine(level=Level.INFO, message=text)


def _endpoints(before: State, after: State) -> Iterator[LogLine]:
    """One line for each endpoint that fell ill, recovered or turned out to be a stranger."""
    known = {e.endpoint: e for e in before.store.endpoints}
    for version in sorted({e.version for e in after.store.endpoints} - before.store.versions):
        # A local etcd has one member, one user and one node: none of its faults matters there.
        local = after.spec is not None and after.spec.local_etcd is not None
        if (warning := versions.warning(version)) and not local:
            yield LogLine(level=Level.WARN, message=warning)
    if before.store.cluster and after.store.cluster != before.store.cluster and after.store.cluster:
        text = f"etcd is another cluster now: id {after.store.cluster}, was {before.store.cluster}"
        yield LogLine(level=Level.ERROR, message=text)
    for e in after.store.endpoints:
        was = known.get(e.endpoint)
        alarm = was.alarm if was is not None else ""
        if e.alarm and e.alarm != alarm:
            yield LogLine(level=Level.ERROR, message=f"etcd endpoint {e.endpoint}: {alarms.in_words(e.alarm)}")
        elif alarm and not e.alarm:
            yield LogLine(level=Level.INFO, message=f"etcd endpoint {e.endpoint}: the alarm is over")
        if e.foreign and not (was is not None and was.foreign):
            text = f"etcd endpoint {e.endpoint} is not used: it {e.detail}, the others to {after.store.cluster}"
            yield LogLine(level=Level.ERROR, message=text)
        elif e.well is False and (was is None or was.well is not False):
            yield LogLine(level=Level.WARN, message=f"etcd endpoint {e.endpoint} does not serve: {e.detail}")
        elif e.well and was is not None and was.well is False:
            text = f"etcd endpoint {e.endpoint} serves again"
            yield LogLine(level=Level.INFO, message=text, fields={"failures": e.failures})


def _tokens(was: Election | None, e: Election) -> Iterator[LogLine]:
    """A candidacy that was given up for its token: the same reason is said once."""
    before = was.refused if was is not None else ""
    if e.refused and not before:
        yield LogLine(level=Level.ERROR, message=f"{e.spec.name}: takes no office: {e.refused}")
    elif before and not e.refused:
        yield LogLine(level=Level.INFO, message=f"{e.spec.name}: its token is high enough again")


def _election(was: Election | None, e: Election) -> Iterator[LogLine]:
    phase = None if was is None else was.phase
    if e.phase is phase or e.phase not in _PHASES or (was is None and e.phase is ElectionPhase.DETACHED):
        return
    fields: dict[str, str | int | float | bool | None] = {
        "token": e.term.token if e.term else None,
        "lease": f"{e.lease:x}" if e.lease else None,
    }
    if e.phase is ElectionPhase.DETACHED and e.hold_until is not None and was is not None:
        fields["cooldown"] = round(max(0.0, e.hold_until - e.since), 1)
    because = "" if e.phase in (ElectionPhase.LEADING, ElectionPhase.FOLLOWING) else f": {e.cause}"
    level = Level.WARN if e.phase is ElectionPhase.STEPPING_DOWN and e.lost else Level.INFO
    yield LogLine(level=level, message=f"{e.spec.name}: {_PHASES[e.phase]}{because}", fields=fields)


def _takeover(was: Election | None, e: Election) -> Iterator[LogLine]:
    """A winner that starts nothing yet must say why, and when it no longer waits."""
    before = was.waits_for if was is not None else ()
    token = e.term.token if e.term else None
    name = e.spec.name
    if e.waits_for and not before:
        for p in e.waits_for:
            text = f"{name}: waits for the end of term {p.token}: {p.detail}"
            yield LogLine(level=Level.WARN, message=text, fields={"token": token, "node": p.node})
    elif before and not e.waits_for and e.phase is ElectionPhase.LEADING:
        yield LogLine(level=Level.INFO, message=f"{name}: no earlier term is alive", fields={"token": token})


def _process(was: Process | None, p: Process) -> Iterator[LogLine]:
    token = p.term.token if p.term else None
    phase = None if was is None else was.phase
    exited = p.last_exit if was is not None and p.last_exit is not was.last_exit else None
    if p.id.is_hook:
        yield from _hook(was, p)
        return
    yield from _words(was, p)
    told = (was is not None and p.exits is not was.exits and phase is not ProcessPhase.STOPPING) or _failed(was, p)
    if told:
        yield from _story(p, token)
    if p.phase is ProcessPhase.RUNNING and phase is ProcessPhase.STARTING:
        yield LogLine(level=Level.INFO, message=f"{p.id}: started", fields={"pid": p.pid, "token": token})
    elif told and p.exits[-1].decision.startswith("gave up"):
        pass  # the election may have stepped down for it in the same step: the process is at rest by now, and that is all told
    elif p.phase is ProcessPhase.STOPPED and phase in (ProcessPhase.STOPPING, ProcessPhase.CLEARING):
        how = exit_in_words(p.exits[-1]) if was is not None and p.exits is not was.exits else None
        why = p.exits[-1].cause or None if how is not None else None
        yield LogLine(level=Level.INFO, message=f"{p.id}: stopped", fields={"token": token, "how": how, "why": why})
    elif was is not None and exited is None and p.killed and not was.killed and p.phase is ProcessPhase.STOPPING:
        yield LogLine(level=Level.WARN, message=f"{p.id}: killed, it did not stop in time", fields={"token": token})
    if was is not None and phase is ProcessPhase.RUNNING:
        yield from _probes(was, p)


def _probes(was: Process, p: Process) -> Iterator[LogLine]:
    """Health when it changes; why a probe fails when it begins to, and when the reason becomes another."""
    fields: dict[str, str | int | float | bool | None] = {"token": p.term.token if p.term else None}
    if p.phase is ProcessPhase.RUNNING and p.health is not was.health:
        level = Level.WARN if p.health is Health.UNHEALTHY else Level.INFO
        detail = f": {p.probe_detail}" if p.probe_detail else ""
        yield LogLine(level=level, message=f"{p.id}: {p.health}{detail}", fields=fields)
    elif p.phase is ProcessPhase.STOPPING and p.failed and not was.failed:
        what = "is unhealthy" if was.ready else "was not ready in time"
        said = p.why if p.spec.kind is ProcessKind.TASK else f"{what}: {p.probe_detail or _awaited(was)}"
        yield LogLine(level=Level.WARN, message=f"{p.id}: {said}", fields=fields)
    elif p.probe_detail and _reason(p.probe_detail) != _reason(was.probe_detail) and p.phase is ProcessPhase.RUNNING:
        purpose = "health" if p.ready else "ready"
        text = f"{p.id}: the {purpose} probe failed: {p.probe_detail}"
        yield LogLine(level=Level.INFO, message=text, fields=fields)


def _reason(detail: str) -> str:
    """Without what may differ from look to look: a command's last line."""
    return detail.partition(": ")[0]


def _awaited(p: Process) -> str:
    """What a process that is not ready, and whose probe has not failed, was to do."""
    match p.spec.ready.kind if p.spec.ready is not None else None:
        case ProbeKind.NOTIFY:
            return "it did not say READY=1"
        case ProbeKind.LOG:
            return "no line matched"
        case _:
            return "its probe did not pass often enough"


def _hook(was: Process | None, p: Process) -> Iterator[LogLine]:
    """That it was started, and how it ended; a hook whose occasion was over before it ended has not failed."""
    phase, token = None if was is None else was.phase, p.term.token if p.term else None
    if p.phase is phase or was is None:
        return
    name = f"{p.id.election}: hook {p.id.name.removeprefix(HOOK_MARK)}"
    if p.phase is ProcessPhase.RUNNING:
        yield LogLine(level=Level.INFO, message=f"{name} started", fields={"pid": p.pid, "token": token})
    elif p.phase is ProcessPhase.COMPLETED:
        ran = p.last_exit.ran_seconds if p.last_exit else 0.0
        yield LogLine(level=Level.INFO, message=f"{name} succeeded after {ran:.1f} s", fields={"token": token})
    elif p.phase is ProcessPhase.GAVE_UP:
        late = " (it ran out of time)" if was.killed and was.failed else ""
        text = f"{name} failed: {exit_in_words(p.last_exit) if p.last_exit else 'it ended'}{late}"
        yield LogLine(level=Level.ERROR, message=text, fields={"token": token})
    elif p.phase is ProcessPhase.STOPPED:
        yield LogLine(level=Level.INFO, message=f"{name} was ended: its occasion is over", fields={"token": token})


def _failed(was: Process | None, p: Process) -> bool:
    """Ended by us for a failure of its own: not ready in time, unhealthy."""
    return was is not None and was.failed and p.exits is not was.exits


def _story(p: Process, token: int | None) -> Iterator[LogLine]:
    """How a child ended, why, and what was decided; where nobody sees its output beside this, the last of it, too."""
    last = p.exits[-1]
    well = last.decision == "completed" or last.decision.startswith("asked to stop")
    because = f" ({last.cause})" if last.cause else ""
    text = f"{p.id}: {exit_in_words(last)}{because}; {last.decision}"
    level = Level.INFO if well else Level.ERROR if last.decision.startswith("gave up") else Level.WARN
    yield LogLine(level=level, message=text, fields={"restarts": p.restarts or None, "token": token})
    if not well and LogTarget.STDOUT not in p.spec.log.destinations():
        for line in last.lines:
            yield LogLine(level=Level.WARN, message=f"{p.id}: it said last: {line}")


def _words(was: Process | None, p: Process) -> Iterator[LogLine]:
    """An operator's word, and who is left of a killed process."""
    if p.halted and not (was is not None and was.halted):
        yield LogLine(level=Level.INFO, message=f"{p.id}: an operator stops it, until an operator starts it")
    elif was is not None and was.halted and not p.halted:
        yield LogLine(level=Level.INFO, message=f"{p.id}: an operator starts it again")
    if p.blockers and (was is None or p.blockers != was.blockers):
        text = f"{p.id}: killed, and still alive: {', '.join(p.blockers)}"
        yield LogLine(level=Level.WARN, message=text)


def _standing(was: Election | None, e: Election) -> Iterator[LogLine]:
    """Why this node does not stand, or is about to leave the queue; and when it does stand again."""
    before = was.unfit if was is not None else ""
    if e.unfit == before or (e.unfit and e.phase not in (ElectionPhase.DETACHED, ElectionPhase.FOLLOWING)):
        return
    if e.unfit:
        level = Level.INFO if e.phase is ElectionPhase.DETACHED and e.unfit.endswith("not ready") else Level.WARN
        what = (
            "does not stand" if e.phase is ElectionPhase.DETACHED else "leaves the queue unless it is well again soon"
        )
        yield LogLine(level=level, message=f"{e.spec.name}: {what}: {e.unfit}")
    else:
        yield LogLine(level=Level.INFO, message=f"{e.spec.name}: its standby is healthy")


def exit_in_words(last: LastExit) -> str:
    """``exited with code 1 after 3.2 s``, ``killed by signal 9 after 3.2 s``, or why it never started."""
    if last.detail:
        return f"could not be started: {last.detail}"
    how = f"exited with code {last.code}" if last.code is not None else f"killed by signal {last.signal}"
    core = ", core dumped" if last.core_dumped else ""
    memory = ", out of memory: the kernel killed it or a process of it" if last.oom_killed else ""
    return f"{how} after {last.ran_seconds:.1f} s{core}{memory}"


def _sessions(before: State, after: State) -> Iterator[LogLine]:
    for ttl, session in after.sessions.items():
        was = before.sessions.get(ttl)
        if was is None:
            continue
        if session.lease is not None and session.lease != was.lease:
            fields: dict[str, str | int | float | bool | None] = {
                "lease": f"{session.lease:x}",
                "ttl": session.granted_seconds,
            }
            yield LogLine(level=Level.INFO, message="lease granted", fields=fields)
        if session.lost and not was.lost:
            yield LogLine(level=Level.WARN, message="lease in doubt: terms under it end", fields={"ttl": ttl})
        if was.lease is not None and session.lease is None:
            yield LogLine(level=Level.WARN, message=f"lease given up: {session.detail}", fields={"ttl": ttl})
