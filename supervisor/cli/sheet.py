"""A status as a sheet of labelled facts, tables and remarks: what is shown, before anybody decides how.

Promises: pure; every text is safe for a terminal; what is not known is shown as ``unknown``, what does not apply as ``-``.
Does not: know widths or colours: a tone says only whether something is good.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from supervisor.cli.text import safe
from supervisor.control import views
from supervisor.control.words import duration

NOTHING = "-"
_LAGGING_SECONDS = 0.1


class Tone(Enum):
    """How to take a text."""

    PLAIN = "plain"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    DIM = "dim"
    STRONG = "strong"


@dataclass(frozen=True, slots=True)
class Cell:
    """A text, safe by construction, and its tone."""

    text: str
    tone: Tone = Tone.PLAIN

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", safe(self.text))


@dataclass(frozen=True, slots=True)
class Column:
    """A heading; numbers stand to the right. Where the terminal is narrow, ``folds`` are folded and ``spare`` ones go."""

    heading: str
    right: bool = False
    folds: bool = False
    spare: int = 0
    """When it goes: 1 as soon as the table does not fit, 2 when it does not even with its cells folded, 3 before 2; 0 never."""
    marked: bool = False
    """Its tone is shown by a sign, too, where there are signs."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of as many cells as there are columns."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """All there is to show."""

    facts: tuple[tuple[str, Cell], ...]
    tables: tuple[Table, ...]
    remarks: tuple[tuple[str, Cell], ...]
    """What is wrong: subject and text."""
    tails: tuple[tuple[str, tuple[Cell, ...]], ...] = ()
    """The last lines of processes that have ended: name and lines."""


def sheet(status: views.Status) -> Sheet:
    """The sheet of a status."""
    tables = (elections_table(status.elections), processes_table(status.processes), _exits(status.processes))
    return Sheet(
        facts=tuple(_facts(status)),
        tables=tuple(table for table in tables if table.rows),
        remarks=tuple(remarks(status)),
        tails=tuple(_tails(status.processes)),
    )


# --- facts ---------------------------------------------------------------------------------------------------------


def _facts(status: views.Status) -> Iterable[tuple[str, Cell]]:
    yield safe(status.daemon.node), condition(status)
    yield "daemon", _daemon(status.daemon)
    yield "config", _config(status.config)
    yield "etcd", _store(status.store)
    for session in status.sessions:
        yield "lease", _session(session)


def condition(status: views.Status) -> Cell:
    """Whether it is well, in a word."""
    return Cell(status.condition, _CONDITION.get(status.condition, Tone.WARN))


def _daemon(daemon: views.Daemon) -> Cell:
    guardian = "no guardian yet" if daemon.guardian_pid is None else f"guardian {daemon.guardian_pid}"
    words = [f"pid {daemon.pid}", f"up {duration(daemon.uptime_seconds)}", f"version {daemon.version}"]
    words.append("guardian dead" if daemon.guardian_lost else f"{guardian} ({daemon.containment})")
    if daemon.loop_lag_seconds > _LAGGING_SECONDS:
        words.append(f"{duration(daemon.loop_lag_seconds)} behind")
    if daemon.stopping:
        words.append(f"ending: {daemon.stopping}")
    tone = Tone.BAD if daemon.guardian_lost else Tone.WARN if daemon.stopping else Tone.PLAIN
    return Cell(", ".join(words), tone)


def _config(config: views.Config) -> Cell:
    if config.loaded_age_seconds is None:
        return Cell("none in force", Tone.WARN)
    text = f"{config.source}, generation {config.generation}, loaded {duration(config.loaded_age_seconds)} ago"
    if config.last_good:
        return Cell(f"{text}: the last good one, of {config.last_good}", Tone.WARN)
    return Cell(text)


def _store(store: views.Store) -> Cell:
    if not store.used:
        return Cell("not needed", Tone.DIM)
    where = ", ".join(store.endpoints) or "no endpoint yet"
    span = "" if store.since_seconds is None else f" for {duration(store.since_seconds)}"
    local = "local, " if store.local else ""
    match store.reachable:
        case "yes":
            words, tone = f"reachable{span}", Tone.PLAIN
        case "no":
            words, tone = f"unreachable{span}", Tone.BAD
        case _:
            words, tone = "unknown, no answer yet", Tone.WARN
    return Cell(f"{local}{words}: {where}, namespace {store.namespace}", tone)


def _session(session: views.Session) -> Cell:
    if session.seconds_left is None:
        detail = f": {session.detail}" if session.detail else ""
        return Cell(f"none yet for ttl {session.ttl_seconds}s{detail}", Tone.WARN)
    granted = f", granted {session.granted_seconds}s" if session.granted_seconds != session.ttl_seconds else ""
    age = duration(session.confirmed_age_seconds or 0.0)
    words = f"{session.lease}, ttl {session.ttl_seconds}s{granted}, {duration(session.seconds_left)} left"
    doubt = ", in doubt" if session.state == "doubted" else ""
    return Cell(f"{words}, confirmed {age} ago{doubt}", Tone.BAD if doubt else Tone.PLAIN)


# --- tables --------------------------------------------------------------------------------------------------------


def elections_table(elections: Iterable[views.Election]) -> Table:
    """A row for each election."""
    return Table(
        columns=(
            Column("ELECTION", folds=True),
            Column("ROLE", marked=True),
            Column("LEADER", folds=True),
            Column("TOKEN", right=True),
            Column("LEASE", right=True, spare=2),
            Column("QUEUE", right=True, spare=3),
            Column("HEALTH"),
            Column("SINCE", right=True, spare=2),
            Column("KNOWN BY", spare=1),
        ),
        rows=tuple(_election(e) for e in elections),
    )


def _election(e: views.Election) -> tuple[Cell, ...]:
    role = {"leader": Tone.GOOD, "follower": Tone.PLAIN}.get(e.role, Tone.WARN)
    token = e.token if e.token is not None else e.leader.token
    left = Cell(NOTHING, Tone.DIM) if e.lease_seconds_left is None else Cell(duration(e.lease_seconds_left))
    return (
        Cell(e.name, Tone.STRONG),
        Cell(e.role, role),
        _leader(e.leader),
        _number(token),
        left,
        _queue(e),
        _health(e.health),
        Cell(duration(e.since_seconds)),
        _known_by(e.leader),
    )


def _known_by(leader: views.Leader) -> Cell:
    """Whence what is said of the leader is known, and since when: an answer without an age is no answer."""
    if leader.age_seconds is None:
        return Cell(NOTHING, Tone.DIM)
    return Cell(f"{leader.source}, {duration(leader.age_seconds)} ago", Tone.DIM)


def _leader(leader: views.Leader) -> Cell:
    if leader.state == views.UNKNOWN:
        return Cell(leader.words, Tone.WARN)
    if leader.state == views.NONE:
        return Cell("none", Tone.WARN)
    if leader.foreign:
        return Cell("foreign", Tone.WARN)
    return Cell(leader.words, Tone.GOOD if leader.ours else Tone.PLAIN)


def _queue(e: views.Election) -> Cell:
    if e.queue_length is None:
        return Cell("unknown", Tone.DIM)
    return Cell(f"{e.queue_position or NOTHING}/{e.queue_length}")


def processes_table(processes: Iterable[views.Process]) -> Table:
    """A row for each process."""
    return Table(
        columns=(
            Column("PROCESS", folds=True),
            Column("ROLE", spare=3),
            Column("STATE", marked=True),
            Column("PID", right=True),
            Column("UPTIME", right=True, spare=2),
            Column("HEALTH"),
            Column("RESTARTS", right=True, spare=2),
            Column("LAST EXIT", folds=True, spare=1),
        ),
        rows=tuple(_process(p) for p in processes),
    )


def _process(p: views.Process) -> tuple[Cell, ...]:
    ended = NOTHING
    if p.last_exit:
        ended = f"{p.last_exit}, {duration(p.last_exit_age_seconds or 0.0)} ago"
    idle = not p.wanted and p.pid is None
    state, tone = p.phase, _PHASE.get(p.phase, Tone.WARN) if not idle else Tone.DIM
    if p.halted and p.pid is None:
        state, tone = "stopped by operator", Tone.WARN
    return (
        Cell(p.name, Tone.DIM if idle else Tone.STRONG),
        Cell(p.role, Tone.DIM if idle else Tone.PLAIN),
        Cell(state, tone),
        _number(p.pid),
        Cell(NOTHING, Tone.DIM) if p.uptime_seconds is None else Cell(duration(p.uptime_seconds)),
        _health(p.health),
        Cell(str(p.restarts), Tone.WARN if p.restarts else Tone.PLAIN),
        Cell(ended, Tone.DIM if ended == NOTHING else Tone.PLAIN),
    )


def _exits(processes: Iterable[views.Process]) -> Table:
    """What was asked for only: every exit that is kept, newest first."""
    return Table(
        columns=(
            Column("EXIT OF", folds=True),
            Column("ENDED", right=True),
            Column("HOW", folds=True),
            Column("WHY", folds=True),
            Column("DECIDED", folds=True),
        ),
        rows=tuple(_exit(p, e) for p in processes for e in p.exits),
    )


def _exit(p: views.Process, e: views.Exit) -> tuple[Cell, ...]:
    again = f", in {duration(e.next_seconds)}" if e.next_seconds is not None else ""
    bad = e.decision.startswith(("restart", "gave up"))
    return (
        Cell(p.name),
        Cell(f"{duration(e.age_seconds)} ago"),
        Cell(e.how, Tone.WARN if bad else Tone.PLAIN),
        Cell(e.cause or NOTHING, Tone.PLAIN if e.cause else Tone.DIM),
        Cell(e.decision + again, Tone.BAD if e.decision.startswith("gave up") else Tone.PLAIN),
    )


def _tails(processes: Iterable[views.Process]) -> Iterable[tuple[str, tuple[Cell, ...]]]:
    for p in processes:
        if p.exits and p.exits[0].lines:
            yield safe(p.name), tuple(Cell(line) for line in p.exits[0].lines)


def _health(health: str | None) -> Cell:
    return Cell(NOTHING, Tone.DIM) if health is None else Cell(health, _HEALTH.get(health, Tone.WARN))


def _number(value: int | None) -> Cell:
    return Cell(NOTHING, Tone.DIM) if value is None else Cell(str(value))


_CONDITION = {views.HEALTHY: Tone.GOOD, views.DEGRADED: Tone.BAD}
_HEALTH = {"healthy": Tone.GOOD, "starting": Tone.WARN, "degraded": Tone.BAD, "unhealthy": Tone.BAD}
_PHASE = {"running": Tone.GOOD, "completed": Tone.PLAIN, "gave-up": Tone.BAD, "backoff": Tone.BAD}


# --- remarks -------------------------------------------------------------------------------------------------------


def remarks(status: views.Status) -> Iterable[tuple[str, Cell]]:
    """What is wrong, or worth knowing: subject and text."""
    for p in status.processes:
        if p.log_lines_lost and not p.log_trouble:
            yield safe(p.name), Cell(f"{p.log_lines_lost} of its log lines were dropped since the start", Tone.WARN)
    for reason in status.reasons:
        yield safe(reason.subject), Cell(reason.text, Tone.BAD if reason.kind == views.UNHEALTHY else Tone.WARN)
        if reason.subject == "config":
            for problem in status.config.problems:
                yield "", Cell(problem)
    if status.config.unkept:
        yield "config", Cell(f"is not kept for --last-good: {status.config.unkept}", Tone.WARN)
    for member in status.store.members:
        if member.state in ("ill", "foreign"):
            yield "etcd", Cell(f"{member.endpoint}: {member.detail}", Tone.WARN)
    for warning in status.store.warnings:
        yield "etcd", Cell(warning, Tone.WARN)
    for p in status.processes:
        if p.status_text:
            yield safe(p.name), Cell(f"says: {safe(p.status_text)}", Tone.PLAIN)
    for e in status.elections:
        if e.switchover:
            yield safe(e.name), Cell(f"switchover: {safe(e.switchover)}", Tone.PLAIN)
        leader = e.leader
        if leader.foreign:
            # It has no name; what it proclaims is what its people know it by.
            said = f' that says "{leader.value[:40]}"' if leader.value else ""
            yield safe(e.name), Cell(f"led by another program's candidate{said}: {leader.key}", Tone.WARN)
