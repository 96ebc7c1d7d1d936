"""A plan as the control API says it, and whether what was planned has come true.

Promises: pure; a reload is over when all that it changed is well, or when what is not well cannot become so by waiting.
Does not: look at what the reload did not change: that a neighbour is ill is no reason to call a reload failed.
"""

from supervisor.control import condition, views
from supervisor.core import document, planning
from supervisor.core.names import Instant
from supervisor.core.state import ProcessPhase, State

_CONCERNS_ALL = ("daemon",)


def planned(state: State, plan: planning.Plan, *, source: str, token: str) -> views.Planned:
    """The view of a plan that was made in this state."""
    return _view(state, source=source, token=token, changes=tuple(map(_change, plan.items)), notes=plan.notes)


def refused(state: State, problems: tuple[str, ...], *, token: str) -> views.Planned:
    """The view of a file that is bad."""
    return _view(state, token=token, problems=problems)


def _view(
    state: State,
    *,
    token: str,
    source: str = "",
    problems: tuple[str, ...] = (),
    changes: tuple[views.Change, ...] = (),
    notes: tuple[str, ...] = (),
) -> views.Planned:
    return views.Planned(
        schema_version=views.SCHEMA_VERSION,
        problems=problems,
        source=source,
        in_force=state.source,
        generation=state.generation,
        token=token,
        changes=changes,
        notes=notes,
        in_force_since="" if state.spec is None else document.wall_time(state, state.loaded_at),
    )


def _change(item: planning.Planned) -> views.Change:
    who, gap = item.successor, item.gap
    return views.Change(
        cost=item.cost.value,
        kind=item.kind,
        name=item.name,
        role=item.role,
        here=item.here,
        ends=item.ends,
        keys=tuple(views.KeyChange(key=k.key, how=k.how, old=k.old, new=k.new) for k in item.keys),
        why=item.why,
        successor=None
        if who is None
        else views.Successor(
            words=str(who), node=who.node, key=who.key, health=who.health, priority=who.priority, certain=who.certain
        ),
        gap="" if gap is None else gap.words,
        stop_seconds=None if gap is None else gap.stop_seconds,
        seen_stop_seconds=None if gap is None else gap.seen_seconds,
    )


# --- convergence -----------------------------------------------------------------------------------------------------


def converged(state: State, now: Instant, changed: frozenset[str]) -> bool:
    """Whether waiting is over: all that changed is well, or will not become so by itself.

    When nothing changed: what an earlier reload has set in motion has settled.
    """
    if not changed:
        return condition.settled(state, now)
    return all(_final(state, reason) for reason in missing(state, now, changed))


def missing(state: State, now: Instant, changed: frozenset[str]) -> tuple[views.Reason, ...]:
    """Why what changed is not as it should be; empty when it is."""
    if not changed:
        return condition.reasons(state, now)
    return tuple(r for r in condition.reasons(state, now) if r.subject in changed or r.subject in _CONCERNS_ALL)


def _final(state: State, reason: views.Reason) -> bool:
    if reason.kind == views.UNSETTLED:
        return False
    found = [p for pid, p in state.processes.items() if str(pid) == reason.subject]
    return any(p.phase is ProcessPhase.GAVE_UP or (p.halted and not p.alive) for p in found)
