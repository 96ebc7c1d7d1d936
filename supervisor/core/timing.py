"""When a lease is to be renewed, doubted, and its processes dead: the arithmetic of trust, and the proof that it fits.

Promises: pure functions of their arguments. Every instant counts from the moment a renewal was *sent*, so it is never
later than the truth; ``kill_by`` is always before ``lease_deadline``; with a budget that has no problem, one lost renewal
is survived and a stop still fits before the kill. Does not: read a clock, or decide what to do when an instant passes.

    sent                renew_every          renew_deadline            kill_by      lease_deadline
     |---- ttl / 3 ---------|---- ttl / 3 ---------|---- lost_grace ----|-- margin ------|
"""

import math
from dataclasses import dataclass

from supervisor.core.evolve import replace
from supervisor.core.names import Instant
from supervisor.core.spec import ElectionSpec

RENEWALS_PER_TTL = 3
ETCD_STALL_SECONDS = 4.6
"""For how long an etcd that recovers may answer nothing: an election of its own takes up to 2.1 s at its default timeouts,
and half a second to be found out; on a disk that needs 2 s for an fsync, two of them hold up whatever is applied."""
DEFAULT_SAFETY_MARGIN_SECONDS = 0.5
SAFETY_MARGIN_SHARE = 0.05
SHORTEST_SAFETY_MARGIN_SECONDS = 0.05
"""What waking a process and killing a handful of others may take on a machine that is only a little busy."""
ROUNDING_SECONDS = 1e-6
"""Sums of thirds are not exact in binary; a microsecond is far below what any timer here can keep."""


def renew_every_seconds(ttl_seconds: float) -> float:
    """Seconds between renewals: a third of the TTL, as etcd's own client does, so that two may go missing."""
    return ttl_seconds / RENEWALS_PER_TTL


def renewal_patience_seconds(ttl_seconds: float) -> float:
    """How long one try of a renewal may take: a third of ``renew_every``.

    Members that do not lead etcd hand a renewal on to the one that does, and wait 7 s for it though another leads by then: so
    it is put to them anew. Where a slow disk holds it up, it and those that follow it are answered at the same moment.
    """
    return max(0.2, renew_every_seconds(ttl_seconds) / 3)


def sight_patience_seconds(ttl_seconds: float) -> float:
    """How long a look at our keys may take: until trust in the one before ends.

    A member that is frozen is no reason to ask anew, since others are asked beside it; a change of etcd's leader ends the
    question; and on a slow disk it is answered late, and who asks anew waits anew.
    """
    return max(0.2, 2 * renew_every_seconds(ttl_seconds) - renewal_pause_seconds(ttl_seconds))


def renewal_pause_seconds(ttl_seconds: float) -> float:
    """Seconds from one renewal to the next while all is well: ``renew_every``, or sooner where the TTL is short.

    What remains until the renew deadline, in the worst case, must outlast an election of etcd's own, or every change of
    its leader moves ours: at a TTL of 5 s a third leaves 1.7 s, and etcd was without a leader for 1.3 to 2.1 s (40 tries at
    its default election timeout of 1 s). From a TTL of about 10 s it outlasts a slow disk, too.
    """
    every = renew_every_seconds(ttl_seconds)
    return min(every, max(every / 2, 2 * every - ETCD_STALL_SECONDS))


def safety_margin_seconds(election: ElectionSpec, ttl_seconds: float) -> float:
    """Seconds between kill-by and the lease deadline: the election's own, else max(0.5 s, 5 % of ``ttl_seconds``).

    It pays for what the arithmetic cannot see: the guardian's wake-up, the kernel's killing, and clocks that drift.
    """
    if election.safety_margin_seconds is not None:
        return election.safety_margin_seconds
    return max(DEFAULT_SAFETY_MARGIN_SECONDS, SAFETY_MARGIN_SHARE * ttl_seconds)


def lost_grace_seconds(election: ElectionSpec, ttl_seconds: float) -> float:
    """Seconds the processes have between the stop signal and SIGKILL when the lease is lost.

    The election's own, else what the TTL leaves: a third of it less the safety margin, and never below 0.
    """
    if election.lost_grace_seconds is not None:
        return election.lost_grace_seconds
    return max(0.0, renew_every_seconds(ttl_seconds) - safety_margin_seconds(election, ttl_seconds))


def lease_deadline(sent_at: Instant, granted_seconds: float) -> Instant:
    """The last instant at which the lease is provably alive.

    etcd starts the TTL when it handles the renewal, which is after it was sent: counting from the sending errs on the
    safe side by the time the request took.
    """
    return Instant(sent_at + granted_seconds)


def renew_deadline(sent_at: Instant, granted_seconds: float) -> Instant:
    """Past this instant without a newer acknowledgement leadership is lost: two thirds of the TTL after the sending."""
    return Instant(sent_at + 2 * renew_every_seconds(granted_seconds))


def kill_by(deadline: Instant, margin_seconds: float) -> Instant:
    """The instant by which every leader process is dead: the lease deadline less the safety margin."""
    return Instant(deadline - margin_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How one TTL is spent, and whether it is enough."""

    ttl_seconds: float
    """As granted, or as asked for before any grant."""
    granted: bool
    renew_every_seconds: float
    renewal_pause_seconds: float
    """How often it is renewed while all is well."""
    lost_grace_seconds: float
    safety_margin_seconds: float
    needed_seconds: float
    """2 renew_every + lost_grace + safety_margin."""
    problem: str | None
    """The arithmetic in words when ``needed_seconds`` exceeds the TTL, or the margin is too short for a kill; else None."""
    remedy: str | None
    """What to change, when there is a problem."""

    @property
    def left_seconds(self) -> float:
        """What a lost lease leaves: from the stop signal to the kill. Never less than lost_grace, when there is no problem."""
        return self.ttl_seconds - self.safety_margin_seconds - 2 * self.renew_every_seconds

    def __str__(self) -> str:
        """The sum in one line, as ``check`` prints it."""
        return (
            f"2 x renew_every {text(self.renew_every_seconds)} + lost_grace {text(self.lost_grace_seconds)}"
            f" + safety_margin {text(self.safety_margin_seconds)} = {text(self.needed_seconds)}"
            f" of ttl {text(self.ttl_seconds)}" + (" as granted by etcd" if self.granted else "")
        )


def budget(election: ElectionSpec, granted_seconds: float | None = None) -> Budget:
    """Spend the election's TTL, or the one that etcd granted when it is known, and say whether it is enough."""
    ttl = election.ttl_seconds if granted_seconds is None else granted_seconds
    renew = renew_every_seconds(ttl)
    grace = lost_grace_seconds(election, ttl)
    margin = safety_margin_seconds(election, ttl)
    needed = 2 * renew + grace + margin
    spent = Budget(
        ttl_seconds=ttl,
        granted=granted_seconds is not None,
        renew_every_seconds=renew,
        renewal_pause_seconds=renewal_pause_seconds(ttl),
        lost_grace_seconds=grace,
        safety_margin_seconds=margin,
        needed_seconds=needed,
        problem=None,
        remedy=None,
    )
    if margin >= SHORTEST_SAFETY_MARGIN_SECONDS and needed <= ttl + ROUNDING_SECONDS:
        return spent
    return _with_problem(election, spent)


def _with_problem(election: ElectionSpec, spent: Budget) -> Budget:
    shortest = text(SHORTEST_SAFETY_MARGIN_SECONDS)
    if spent.safety_margin_seconds < SHORTEST_SAFETY_MARGIN_SECONDS:
        problem = f"safety_margin {text(spent.safety_margin_seconds)} is shorter than a kill may take: {shortest}"
        remedy = f"leave safety_margin out, or write {shortest} or more"
    else:
        problem = f"the ttl is too short for what it must hold: {spent}, {text(spent.needed_seconds - spent.ttl_seconds)} too much"
        remedy = f"raise ttl to {least_ttl_seconds(election)}s{_or_lower(election, spent)}"
    return replace(spent, problem=problem, remedy=remedy)


def _or_lower(election: ElectionSpec, spent: Budget) -> str:
    """The setting that could shrink instead, with the most it may be."""
    left = spent.ttl_seconds - 2 * spent.renew_every_seconds
    if election.lost_grace_seconds is not None and left > spent.safety_margin_seconds:
        return f", or lower lost_grace to {_floor_text(left - spent.safety_margin_seconds)}"
    if election.safety_margin_seconds is not None and left > spent.lost_grace_seconds:
        return f", or lower safety_margin to {_floor_text(left - spent.lost_grace_seconds)}"
    return ""


def least_ttl_seconds(election: ElectionSpec) -> int:
    """The shortest whole TTL that holds the election's lost_grace and safety_margin (each as set, or by default)."""
    grace = election.lost_grace_seconds or 0.0
    if election.safety_margin_seconds is not None:
        least = RENEWALS_PER_TTL * (grace + election.safety_margin_seconds)
    else:
        share_left = 1 / RENEWALS_PER_TTL - SAFETY_MARGIN_SHARE
        least = max(RENEWALS_PER_TTL * (grace + DEFAULT_SAFETY_MARGIN_SECONDS), grace / share_left)
    return math.ceil(least - ROUNDING_SECONDS)


def text(seconds: float) -> str:
    """``3.333s``, ``10s``: at most milliseconds, without zeros that say nothing."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


def _floor_text(seconds: float) -> str:
    """As ``text``, rounded down, so that the suggested value itself fits."""
    return text(math.floor(seconds * 1000 + ROUNDING_SECONDS) / 1000)
