"""For how long nobody serves while something is stopped and started again: at most, and as last seen.

Promises: pure; what is at most is made of the stop settings that are in force for what runs now (needs are stopped after
what needs them, pre-stop commands and the hook *demoted* take their own time); what was seen is the longest of the last
stops that this daemon remembers, and is left out where it remembers none. Does not: guess how long a start takes: it says
what it is made of.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from supervisor.core.differences import seconds
from supervisor.core.names import Role
from supervisor.core.spec import HookKind, ProcessSpec, hook_name
from supervisor.core.state import Election, Process

DEMOTED = hook_name(HookKind.DEMOTED, Role.LEADER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """From the first stop signal on, or the pre-stop command before it, in seconds and in words."""

    stop_seconds: float
    """At most, until everything of it is killed and gone."""
    seen_seconds: float | None
    """The longest of the last stops of the same processes."""
    words: str


def of_handover(e: Election, term: Sequence[Process], *, succeeded: bool, again: bool) -> Gap:
    """Of a term that is given up. ``succeeded``: somebody else queues; ``again``: this node stands again."""
    most, slowest = _slowest_chain(term)
    parts = (
        [f"about the time its processes take to stop, at most {seconds(most)} ({slowest}{_seen(term)})"] if term else []
    )
    hook = e.spec.hooks.get(DEMOTED)
    if hook is not None:
        most += hook.timeout_seconds
        parts.append(f"its hook demoted, at most {seconds(hook.timeout_seconds)}")
    if succeeded:
        parts += ["a few ms until the next node leads", "what its processes take to be ready"]
    elif again:
        parts += ["a few ms until this node leads again, with a new token", "what its processes take to be ready"]
    words = ", plus ".join(parts)
    if not succeeded and not again:
        words = f"{words}; after that nobody leads it" if words else "nobody leads it from then on"
    return Gap(stop_seconds=most, seen_seconds=_seen_seconds(term), words=words)


def of_restart(p: Process, after: ProcessSpec) -> Gap:
    """Of one process that is restarted in its term."""
    most, ready = _stop_seconds(p.spec), after.ready
    words = f"about the time it takes to stop, at most {seconds(most)}{_seen([p], ' (', ')')}, plus its start"
    if ready is not None:
        within = f", at most {seconds(ready.within_seconds)}" if ready.within_seconds else ""
        words += f" until it is ready{within}"
    return Gap(stop_seconds=most, seen_seconds=_seen_seconds([p]), words=words)


def _slowest_chain(term: Sequence[Process]) -> tuple[float, str]:
    """What is needed is stopped after what needs it: the longest such sequence, and who is in it."""
    found: dict[str, tuple[float, str]] = {}

    def until_gone(p: Process) -> tuple[float, str]:
        if p.id.name not in found:
            found[p.id.name] = (0.0, "")  # needs have no cycles; should they, this ends all the same
            leaning = [until_gone(o) for o in term if p.id.name in o.spec.needs and o.spec.role is p.spec.role]
            first, names = max(leaning, default=(0.0, ""))
            whole = first + _stop_seconds(p.spec)
            found[p.id.name] = (whole, f"{names}, then {p.id}" if names else str(p.id))
        return found[p.id.name]

    return max((until_gone(p) for p in term), default=(0.0, ""))


def _stop_seconds(spec: ProcessSpec) -> float:
    before = spec.stop.before_timeout_seconds if spec.stop.before else 0.0
    return before + spec.stop.timeout_seconds


def _seen_seconds(processes: Sequence[Process]) -> float | None:
    last = (
        next((x.stopping_seconds for x in reversed(p.exits) if x.stopping_seconds is not None), None) for p in processes
    )
    return max((s for s in last if s is not None), default=None)


def _seen(processes: Sequence[Process], before: str = "; ", after: str = "") -> str:
    seen = _seen_seconds(processes)
    return "" if seen is None else f"{before}the last time {seconds(round(seen, 3))}{after}"
