"""When the processes of each term must be dead.

Promises: kill-by = lease deadline - margin, of the lease the term was armed under; a deadline only ever moves later;
what has been struck stays struck until it is disarmed, whatever is said later.
Does not: kill, or look at a clock.
"""

from supervisor.guardian.record import changing_record


@changing_record
class _Term:
    lease: int
    margin_seconds: float
    struck: bool = False


class Terms:
    """All armed terms, and the leases that the daemon has spoken of."""

    def __init__(self) -> None:
        self._terms: dict[str, _Term] = {}
        self._deadlines: dict[int, float] = {}

    def arm(self, term: str, *, lease: int, lease_deadline: float, margin_seconds: float) -> None:
        """Hold a kill-by for a term. One that was struck keeps that."""
        self.extend(lease, lease_deadline)
        struck = term in self._terms and self._terms[term].struck
        self._terms[term] = _Term(lease=lease, margin_seconds=margin_seconds, struck=struck)

    def extend(self, lease: int, lease_deadline: float) -> None:
        """The lease was renewed. An earlier deadline than known changes nothing."""
        self._deadlines[lease] = max(lease_deadline, self._deadlines.get(lease, lease_deadline))

    def disarm(self, term: str) -> None:
        """Forget a term. Unknown ones are forgotten already."""
        self._terms.pop(term, None)

    def kill_by(self, term: str) -> float:
        """Raises KeyError for a term that is not armed."""
        held = self._terms[term]
        return self._deadlines[held.lease] - held.margin_seconds

    def refusal(self, term: str, now: float) -> str | None:
        """Why nothing of this term may be started; None when it may."""
        if term not in self._terms:
            return f"term {term} is not armed"
        if self._terms[term].struck or now >= self.kill_by(term):
            return f"term {term} is past its kill-by: its lease is no longer proven"
        return None

    def strike(self, now: float) -> list[tuple[str, float]]:
        """The terms whose kill-by has passed since the last call, with how many seconds ago; they are struck now."""
        due = [(t, now - self.kill_by(t)) for t, held in self._terms.items() if not held.struck]
        struck = [(term, late) for term, late in due if late >= 0]
        for term, _ in struck:
            self._terms[term].struck = True
        return struck

    def next_kill_by(self) -> float | None:
        """The nearest kill-by of a term that is not struck."""
        return min((self.kill_by(t) for t, held in self._terms.items() if not held.struck), default=None)

    def lease_of(self, term: str) -> int | None:
        """The lease a term was armed under."""
        return self._terms[term].lease if term in self._terms else None

    def leases(self, now: float) -> dict[int, float]:
        """Leases that may still be alive, with their deadlines; others are forgotten unless a term needs them."""
        needed = {held.lease for held in self._terms.values()}
        self._deadlines = {n: until for n, until in self._deadlines.items() if until > now or n in needed}
        return {lease: until for lease, until in self._deadlines.items() if until > now}
