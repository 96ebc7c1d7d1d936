"""Whether and when a process is started again: restart policy, intensity and backoff, as arithmetic.

As OTP's ``add_restart/3``, time is an argument; chance is another. Promises: never more than ``limit`` restarts within
``period``; the delay grows from the minimum by doubling, is capped, and is spread by up to a quarter so that a fleet
does not restart in step; the first restart after a stable run is at once.
Does not: know what an operator wants. That is above this and always wins.
"""

from dataclasses import dataclass

from supervisor.core.names import Instant
from supervisor.core.spec import RestartPolicy, RestartSpec

JITTER = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Start it again, not before ``at``."""

    at: Instant
    failures: int
    recent: tuple[Instant, ...]


@dataclass(frozen=True, slots=True)
class Leave:
    """It ended as its policy expects; leave it at that."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """One more restart would be one too many."""


Decision = Again | Leave | GiveUp


def is_failure(spec: RestartSpec, *, code: int | None) -> bool:
    """Whether an exit is unexpected: a signal (``code`` None), or a code that is not in ``expected_exit_codes``."""
    return code is None or code not in spec.expected_exit_codes


def decide(
    spec: RestartSpec,
    *,
    failure: bool,
    ran_seconds: float,
    failures: int,
    recent: tuple[Instant, ...],
    chance: float,
    now: Instant,
) -> Decision:
    """What follows the end of a child that nobody asked to end.

    ``failures`` counts restarts since the last stable run, ``recent`` holds the instants of restarts so far,
    ``chance`` is uniform in [0, 1).
    """
    match spec.policy:
        case RestartPolicy.NEVER:
            return Leave()
        case RestartPolicy.ON_FAILURE if not failure:
            return Leave()
        case _:
            pass
    window = tuple(at for at in recent if at > now - spec.period_seconds)
    if spec.limit is not None and len(window) >= spec.limit:
        return GiveUp()
    failures = 0 if ran_seconds >= spec.reset_after_seconds else failures
    recent = () if spec.limit is None else (*window, now)  # what nobody counts is not kept
    return Again(at=Instant(now + backoff_seconds(spec, failures, chance)), failures=failures + 1, recent=recent)


def backoff_seconds(spec: RestartSpec, failures: int, chance: float) -> float:
    """Delay before restart number ``failures`` (from 0) since the last stable run: 0, min, 2 min, 4 min ... max."""
    if failures == 0:
        return 0.0
    doubled: float = spec.backoff_min_seconds * 2.0 ** min(failures - 1, 64)
    return min(spec.backoff_max_seconds, doubled) * (1.0 - JITTER * chance)


def retry_seconds(failures: int, chance: float, *, least: float = 0.2, most: float = 5.0) -> float:
    """Delay before asking etcd again after ``failures`` failures in a row: doubling, capped, spread."""
    return min(most, least * 2.0 ** min(max(failures - 1, 0), 16)) * (1.0 - JITTER * chance)
