"""What the guardian runs for a term when the daemon cannot any more: the hook ``demoted``.

Promises: only for a term of which something was started; when nothing else of the term is left, so before it ends on record; in
the term while that may run anything, dead by its kill-by, else outside of it; once. Its output goes nowhere: who read it is dead.
Does not: hold anybody back beyond its timeout.
"""

import os
from typing import Final

from supervisor.guardian import protocol as say
from supervisor.guardian.children import Children
from supervisor.guardian.linux import boottime
from supervisor.guardian.loop import Loop
from supervisor.guardian.terms import Terms

_FIRST_RUN: Final = -1_000_000_000
"""Far from the daemon's own numbers, which rise from 1, and fall from -1 for what it runs beside."""


class Undos:
    """What each armed term wants to be undone, by the term."""

    def __init__(self) -> None:
        self._orders: dict[str, say.Undo] = {}
        self._entered: set[str] = set()
        self._begun = 0

    def note(self, order: say.Undo) -> None:
        """Remember it. Raises ProtocolError when what it holds is no order to spawn."""
        if not isinstance(say.decode(order.spawn.encode()), say.Spawn):
            raise say.ProtocolError("Undo.spawn: not an order to spawn")
        self._orders[order.term] = order

    def entered(self, term: str | None) -> None:
        """Something of the term was started."""
        if term in self._orders:
            self._entered.add(term)

    def forget(self, term: str) -> None:
        """The daemon ended the term itself."""
        self._orders.pop(term, None)
        self._entered.discard(term)

    def reserve_seconds(self, term: str | None) -> float:
        """What it keeps for itself before the term's kill-by."""
        return self._orders[term].reserve_seconds if term in self._entered else 0.0

    def advance(self, children: Children, terms: Terms, loop: Loop) -> None:
        """Run what has become due."""
        alive = {run.term for run in children.runs()}
        for term in sorted(self._entered - alive):
            order = self._orders[term]
            self.forget(term)
            spawn = say.decode(order.spawn.encode())
            if isinstance(spawn, say.Spawn):
                self._begin(spawn, order.timeout_seconds, children, terms, loop)

    def _begin(self, spawn: say.Spawn, timeout_seconds: float, children: Children, terms: Terms, loop: Loop) -> None:
        late = spawn.term is None or terms.refusal(spawn.term, boottime()) is not None
        self._begun += 1
        values = {field: getattr(spawn, field) for field in type(spawn).__annotations__}
        values["run"] = run = _FIRST_RUN - self._begun
        if late:
            values["term"] = None
            values["environment"] = (*spawn.environment, ("SUPERVISOR_LATE", "1"))
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            children.spawn(say.Spawn(**values), null, null)
        finally:
            os.close(null)
        loop.at(boottime() + timeout_seconds, lambda: children.kill({run}))
