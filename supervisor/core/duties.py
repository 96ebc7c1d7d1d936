"""Which duty goes before which, when there are more at once than a moment holds.

When a node that led a thousand elections dies, the next one has a thousand wins to decide and a thousand processes to start.
A decision costs a tenth of a millisecond, a start some milliseconds and a core. So decisions go first: until the last win is
decided, no other node can tell who leads, the guard against earlier terms still has questions open, and an election whose
processes take long to start would be late by those of all others. In this order:

1. events, oldest first; those about different elections are answered in one step, a transaction's worth at most, so that the
   proofs of the first are on their way while the next are looked at;
2. what the answers ask of etcd, whatever ends something (signals, kills, disarming), extensions of kill-by, all else: at once;
3. arming terms and noting their tokens; then starting processes; then the words for our keys. Each in the order asked for.

Promises: what the third kind waits for is events that are here already, and proofs of other wins that are on their way, for
``PATIENCE_SECONDS`` at most: ``FEW_PROOFS`` wins are put off by nothing; of one run or term nothing overtakes: an order to end it has
all of it that was put off, and all before that, done first. An extension may overtake an Arm, for a deadline only ever moves later.
Does not: perform anything, or look at a clock.
"""

from collections import Counter, deque
from typing import Final

from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core.names import ElectionName, Instant, ProcessId, RunId, Term
from supervisor.core.state import ElectionPhase, ProcessPhase, State
from supervisor.core.store_events import TokenRemembered

AT_ONCE: Final = 120
"""Events answered in one step: as many as one transaction proves, so that the first is sent while the others are looked at."""

PATIENCE_SECONDS: Final = 0.2
"""That a proven win waits for the proofs of others. They were asked for with it, and are answered within milliseconds of each
other unless something is wrong; forks on every core would be what they wait for."""

FEW_PROOFS: Final = 4
"""As many wins at once keep nothing waiting: their terms are prepared while they are being proven (``preparing``)."""


def gather(state: State, waiting: deque[ev.Event]) -> ev.Event:
    """Take the next event from those that wait, with those right behind it that may share its step."""
    first = waiting.popleft()
    if isinstance(first, ev.Exited) and first.empty:
        return _ending(state, first, waiting)
    subject = _subject(state, first)
    if subject is None:
        return first
    together, subjects = [first], {subject}
    while waiting and len(together) < AT_ONCE:
        subject = _subject(state, waiting[0])
        if subject is None or subject in subjects:
            break
        subjects.add(subject)
        together.append(waiting.popleft())
    return first if len(together) == 1 else ev.Together(events=tuple(together))


def _ending(state: State, exited: ev.Exited, waiting: deque[ev.Event]) -> ev.Event:
    """The end of a run that was asked to end, with its emptiness and its term's: who comes next waits for the last of them."""
    owner = state.runs.get(exited.run)
    p = state.processes.get(owner) if owner is not None else None
    if p is None or p.run != exited.run or p.phase is not ProcessPhase.STOPPING:
        return exited
    together: list[ev.Event] = [exited]
    emptied = waiting[0] if waiting else None
    if isinstance(emptied, ev.Emptied) and emptied.run == exited.run:
        together.append(waiting.popleft())
        disarmed = waiting[0] if waiting else None
        if isinstance(disarmed, ev.Disarmed) and disarmed.term == p.term:
            together.append(waiting.popleft())
    return exited if len(together) == 1 else ev.Together(events=tuple(together))


def _subject(state: State, event: ev.Event) -> ElectionName | ProcessId | None:
    """The one election, or the one process of none, that an event is about; None for one that has a step to itself."""
    match event:
        case ev.QueueChanged() | ev.FirstRead() | ev.Campaigned() | ev.Proclaimed() | ev.RecordsClosed():
            return event.election
        case ev.Armed():
            return event.term.election
        case TokenRemembered():
            return event.election
        case ev.Spawned():
            process = state.runs.get(event.run)
            return None if process is None else process.election or process
        case _:
            return None


class Backlog:
    """Actions of the third kind, until there is nothing else to do."""

    def __init__(self) -> None:
        self._terms: deque[ac.Action] = deque()
        self._starts: deque[ac.Action] = deque()
        self._words: deque[ac.Action] = deque()
        self._held: Counter[Term | RunId] = Counter()
        """Terms and runs that something here is about, and how much."""
        self._unproven: set[ElectionName] = set()
        """Elections whose win is being proven."""
        self._since: Instant | None = None
        """When something was put off while nothing else was, and wins were being proven."""

    def ready_at(self, now: Instant) -> Instant | None:
        """When to take the next, as far as is known ``now``; None while there is nothing."""
        if not (self._terms or self._starts or self._words):
            self._since = None
            return None
        if len(self._unproven) <= FEW_PROOFS:
            return now
        self._since = self._since if self._since is not None else now
        return Instant(self._since + PATIENCE_SECONDS)

    def hear(self, event: ev.Event) -> None:
        """What was answered."""
        match event:
            case ev.FirstRead(election=name) | ev.ReadFirstFailed(election=name):
                self._unproven.discard(name)
            case ev.Together(events=events):
                for one in events:
                    self.hear(one)
            case _:
                pass

    def admit(self, action: ac.Action, state: State) -> tuple[ac.Action, ...]:
        """What is to be performed now for this action: nothing, when it is put off; before it, what it must not overtake.

        ``state`` is the one after the step that asked for it.
        """
        match action:
            case ac.Prove(election=name):
                e = state.elections.get(name)
                if e is not None and e.phase is ElectionPhase.PROVING:
                    self._unproven.add(name)
                return (action,)
            case ac.Arm():
                self._terms.append(action)
                self._held.update(_about(action))
            case ac.Remember():
                self._terms.append(action)
            case ac.Spawn():
                self._starts.append(action)
                self._held.update(_about(action))
            case ac.ConfigureLog():
                self._starts.append(action)
            case ac.Proclaim() | ac.Chronicle():
                self._words.append(action)
            case ac.Exit():
                # Everything is detached: nothing can wait here but notes of tokens, and words for keys that are gone.
                return (*(note for note in self._terms if isinstance(note, ac.Remember)), action)
            case _:
                return (*self._through(_about(action)), action)
        return ()

    def take(self) -> ac.Action:
        """The next. IndexError when there is none."""
        action = (self._terms or self._starts or self._words).popleft()
        for each in _about(action):
            self._held[each] -= 1
            if not self._held[each]:
                del self._held[each]  # runs are numbered for ever
        return action

    def _through(self, about: tuple[Term | RunId, ...]) -> list[ac.Action]:
        taken: list[ac.Action] = []
        while any(each in self._held for each in about):
            taken.append(self.take())
        return taken


def _about(action: ac.Action) -> tuple[Term | RunId, ...]:
    """The run that something is to be done to, and the term; a term is about to end only when what it was to start has been started."""
    found = (getattr(action, "run", None), getattr(action, "term", None))
    return tuple(about for about in found if about is not None)
