"""When the processes of each term must be dead.

Promises: kill-by = lease deadline - margin, of the lease the term was armed under; a deadline only ever moves later;
what has been struck stays struck until it is disarmed, whatever is said later; how a term is to be ended in etcd is
known as long as its daemon may not have done so.
Does not: kill, or look at a clock.
"""

from typing import Final

from supervisor.guardian.protocol import Arm
from supervisor.guardian.record import changing_record

_GIVEN_UP_WITHIN_SECONDS: Final = 5.0
"""After a disarm the daemon deletes the key itself. If it dies just then, we do: the same again does no harm."""


@changing_record
class _Term:
    lease: int
    margin_seconds: float
    order: Arm
    struck: bool = False


class Terms:
    """All armed terms, and the leases that the daemon has spoken of."""

    def __init__(self) -> None:
        self._terms: dict[str, _Term] = {}
        self._alike: dict[tuple[int, float], dict[str, None]] = {}
        """Lease and margin -> those not struck, which therefore share a kill-by: a thousand terms have one or two."""
        self._deadlines: dict[int, float] = {}
        self._disarmed: dict[str, tuple[float, Arm]] = {}

    def arm(self, order: Arm) -> None:
        """Hold a kill-by for a term. One that was struck keeps that."""
        self.extend(order.lease, order.lease_deadline)
        before = self._terms.get(order.term)
        struck = before is not None and before.struck
        if before is not None:
            self._part(before)
        self._terms[order.term] = _Term(
            lease=order.lease, margin_seconds=order.margin_seconds, order=order, struck=struck
        )
        if not struck:
            self._alike.setdefault((order.lease, order.margin_seconds), {})[order.term] = None

    def extend(self, lease: int, lease_deadline: float) -> None:
        """The lease was renewed. An earlier deadline than known changes nothing."""
        self._deadlines[lease] = max(lease_deadline, self._deadlines.get(lease, lease_deadline))

    def disarm(self, term: str, now: float) -> None:
        """Forget a term's kill-by. Unknown ones are forgotten already."""
        held = self._terms.pop(term, None)
        self._disarmed = {t: (at, o) for t, (at, o) in self._disarmed.items() if at > now - _GIVEN_UP_WITHIN_SECONDS}
        if held is not None:
            self._part(held)
            self._disarmed[term] = (now, held.order)

    def endings(self, lease: int, now: float) -> list[Arm]:
        """The terms under a lease whose records their daemon may not have ended."""
        armed = [held.order for held in self._terms.values() if held.lease == lease]
        lately = [o for at, o in self._disarmed.values() if o.lease == lease and at > now - _GIVEN_UP_WITHIN_SECONDS]
        return armed + lately

    def kill_by(self, term: str) -> float:
        """Raises KeyError for a term that is not armed."""
        held = self._terms[term]
        return self._deadlines[held.lease] - held.margin_seconds

    def margin_seconds(self, term: str) -> float:
        """Raises KeyError for a term that is not armed."""
        return self._terms[term].margin_seconds

    def refusal(self, term: str, now: float) -> str | None:
        """Why nothing of this term may be started; None when it may."""
        if term not in self._terms:
            return f"term {term} is not armed"
        if self._terms[term].struck or now >= self.kill_by(term):
            return f"term {term} is past its kill-by: its lease is no longer proven"
        return None

    def strike(self, now: float) -> list[tuple[str, float]]:
        """The terms whose kill-by has passed since the last call, with how many seconds ago; they are struck now."""
        struck = []
        for (lease, margin), terms in list(self._alike.items()):
            late = now - (self._deadlines[lease] - margin)
            if late >= 0:
                del self._alike[lease, margin]
                struck += [(term, late) for term in terms]
        for term, _ in struck:
            self._terms[term].struck = True
        return struck

    def next_kill_by(self) -> float | None:
        """The nearest kill-by of a term that is not struck."""
        return min((self._deadlines[lease] - margin for lease, margin in self._alike), default=None)

    def lease_of(self, term: str) -> int | None:
        """The lease a term was armed under."""
        return self._terms[term].lease if term in self._terms else None

    def leases(self, now: float) -> dict[int, float]:
        """Leases that may still be alive, with their deadlines; others are forgotten unless a term needs them."""
        needed = {held.lease for held in self._terms.values()}
        self._deadlines = {n: until for n, until in self._deadlines.items() if until > now or n in needed}
        return {lease: until for lease, until in self._deadlines.items() if until > now}

    def _part(self, held: _Term) -> None:
        """From those that share its kill-by."""
        alike = (held.lease, held.margin_seconds)
        terms = self._alike.get(alike, {})
        terms.pop(held.order.term, None)
        if not terms:
            self._alike.pop(alike, None)
