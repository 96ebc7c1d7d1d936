"""What is said of a process's end: why it came, and what was decided. Words for people, made where the decision is.

Promises: pure; the same words in the log, in ``status`` and in its JSON, because they are made once; what is kept of a
process is bounded: ``KEPT_EXITS`` exits, and the last lines of the newest only.
Does not: decide.
"""

from collections.abc import Iterable

from supervisor.core import restarts
from supervisor.core.draft import Draft
from supervisor.core.evolve import replace
from supervisor.core.names import Instant
from supervisor.core.spec import ProcessKind
from supervisor.core.state import ElectionPhase, Process

KEPT_EXITS = 10
KEPT_LINES = 10
MOST_LINE_CHARACTERS = 200


def told(p: Process, decision: str, *, lines: Iterable[str] = (), next_at: Instant | None = None) -> Process:
    """The process with its last exit's story complete. A process that has none is left as it is."""
    if p.last_exit is None:
        return p
    last = replace(p.last_exit, decision=decision, next_at=next_at, lines=_kept(lines))
    older = tuple(e if not e.lines else replace(e, lines=()) for e in p.exits[1 - KEPT_EXITS :])
    return replace(p, last_exit=last, exits=(*older, last))


def of_decision(p: Process, decision: restarts.Decision, *, failure: bool, now: Instant) -> str:
    """``restart in 400 ms (2 of 5 in 1 m)``, ``gave up: 5 restarts in 1 m``, ``completed``; ``failed`` of a hook."""
    spec = p.spec.restart
    match decision:
        case restarts.Again(at=at, recent=recent):
            when = f"restart in {span(at - now)}" if at > now else "restart at once"
            if spec.limit is None:
                return f"{when} (without limit)"
            return f"{when} ({len(recent)} of {spec.limit} in {span(spec.period_seconds)})"
        case restarts.Leave():
            if not failure:
                return "completed"
            if p.id.is_hook:
                return "failed"
            return f"gave up: its restart policy is {spec.policy}"
        case restarts.GiveUp():
            times = "1 restart" if spec.limit == 1 else f"{spec.limit} restarts"
            return f"gave up: {times} in {span(spec.period_seconds)}"


ASKED = "asked to stop"
"""What was decided when a child is gone that was to go; why it was stands in its exit."""


def why_unwanted(draft: Draft, p: Process) -> str:
    """Why a running process is not to run any more."""
    if p.halted:
        return "stopped by an operator"
    if draft.base.stopping:
        return draft.base.stopping
    e = draft.elections.get(p.id.election)
    if e is not None and p.term is not None:
        return e.cause if e.phase is ElectionPhase.STEPPING_DOWN else "its term is over"
    if e is not None and e.phase is ElectionPhase.LEADING:
        return "this node leads now"
    return "removed from the file"


def why_overdue(p: Process) -> str:
    """Why a child that has not come far enough in time is ended."""
    if p.spec.kind is ProcessKind.TASK:
        return f"not completed within {span(p.spec.timeout_seconds or 0.0)}"
    within = p.spec.ready.within_seconds if p.spec.ready is not None else None
    detail = f": {p.probe_detail}" if p.probe_detail else ""
    return f"not ready within {span(within or 0.0)}{detail}"


def span(seconds: float) -> str:
    """``400 ms``, ``1.5 s``, ``12 s``, ``1 m``, ``1 m 30 s``, ``2 h``: two units at most."""
    if seconds < 0.9995:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    for size, unit, size_below, unit_below in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            rest = whole % size // size_below
            return f"{whole // size} {unit} {rest} {unit_below}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def _kept(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(line[:MOST_LINE_CHARACTERS] for line in tuple(lines)[-KEPT_LINES:])
