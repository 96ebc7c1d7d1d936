"""Whether the guardian lives, as the daemon's end sees it.

A guardian that is frozen can neither strike nor stop anything, and nobody but its daemon can tell. So it is asked every second,
and besides when something waits for it: an order to kill, and every kill-by. One that does not answer is put down: then the
daemon kills by itself, within the safety margin.

Promises: time is counted in turns of our own loop, so that a suspend, or our own freeze, is not taken for the guardian's; an
answer that waits to be read counts; whatever it says is a sign of life: one that is busy with a thousand orders before our
question is not frozen, and its deadlines come before any order. Does not: kill, or decide about terms.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from supervisor.guardian.linux import boottime
from supervisor.guardian.protocol import Arm, Ping
from supervisor.guardian.terms import Terms

PING_SECONDS: Final = 0.5
KILL_PATIENCE_SECONDS: Final = 1.0
"""For an order to kill to be read: less than the shortest wait of a winner whose predecessor's key was deleted."""
STRIKE_PATIENCE: Final = 0.25
"""Of the safety margin: past kill-by the guardian has this long to say that it lives; the rest is ours to kill in."""
LEAST_PATIENCE_SECONDS: Final = 0.1
"""A machine that is only busy must not cost a node its guardian. With a margin below twice this, a frozen one may."""


class Pulse:
    """Asks, counts answers, and keeps the terms that the guardian holds if it has read what it was told."""

    def __init__(
        self,
        *,
        silence_seconds: float,
        ask: Callable[[Ping], None],
        read: Callable[[], None],
        put_down: Callable[[], None],
    ) -> None:
        """``read``: take in what has arrived."""
        self._silent_turns_allowed = max(1, round(silence_seconds / PING_SECONDS))
        self._send = ask
        self._read = read
        self._put_down = put_down
        self._loop: asyncio.AbstractEventLoop | None = None
        self._terms = Terms()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_due = 0.0
        self._kills_asked_about = True
        self._asked = self._answered = 0
        self._last_turns = self._silent_turns = 0
        self._heard = self._heard_last_turn = 0

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on."""
        self._loop = loop
        self._watch_terms()

    def end(self) -> None:
        """Nothing follows any more."""
        self._loop = None
        if self._alarm is not None:
            self._alarm.cancel()

    def turn(self) -> None:
        """Once in ``PING_SECONDS``."""
        silent = self._answered < self._last_turns and self._heard == self._heard_last_turn
        self._silent_turns = self._silent_turns + 1 if silent else 0
        self._heard_last_turn = self._heard
        if self._silent_turns >= self._silent_turns_allowed:
            self._put_down()
        else:
            self._last_turns = self._ask()

    @property
    def answers(self) -> bool:
        """Whether it answered what it was last asked in time, or said anything else since."""
        return not self._silent_turns

    def heard(self) -> None:
        """It said something, whatever it was."""
        self._heard += 1

    def answered(self, number: int) -> None:
        """It has read everything before this question."""
        self._answered = number

    # --- what it was told

    def armed(self, order: Arm) -> None:
        """A term."""
        self._terms.arm(order)
        self._watch_terms()

    def extended(self, lease: int, lease_deadline: float) -> None:
        """A lease."""
        self._terms.extend(lease, lease_deadline)
        self._terms.leases(boottime())

    def disarmed(self, term: str) -> None:
        """It has said so."""
        self._terms.disarm(term, boottime())

    def kill_sent(self) -> None:
        """An order to kill went out: one question for all of a turn follows them."""
        if self._kills_asked_about and self._loop is not None:
            self._kills_asked_about = False
            self._loop.call_soon(self._ask_about_kills)

    # --- questions

    def _ask(self) -> int:
        self._asked += 1
        self._send(Ping(number=self._asked))
        return self._asked

    def _ask_about_kills(self) -> None:
        self._kills_asked_about = True
        self._expect(KILL_PATIENCE_SECONDS)

    def _watch_terms(self) -> None:
        due = self._terms.next_kill_by()
        if due is None or self._loop is None or (self._alarm is not None and due >= self._alarm_due):
            return  # one that comes too early looks again
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_due = due
        self._alarm = self._loop.call_later(max(0.0, due - boottime()), self._look_at_terms)

    def _look_at_terms(self) -> None:
        """A kill-by that was put off meanwhile is looked at again."""
        self._alarm = None
        struck = self._terms.strike(boottime())
        if struck:
            margin = min(self._terms.margin_seconds(term) for term, _ in struck)
            self._expect(max(LEAST_PATIENCE_SECONDS, STRIKE_PATIENCE * margin))
        self._watch_terms()

    def _expect(self, seconds: float) -> None:
        if self._loop is not None:
            self._loop.call_later(seconds, self._judge, self._ask(), self._heard, seconds)

    def _judge(self, number: int, heard: int, seconds: float) -> None:
        if self._loop is None or self._answered >= number:
            return
        self._read()  # we may be the one who is late
        if self._answered >= number:
            return
        if self._heard == heard:
            self._put_down()
        else:
            self._loop.call_later(seconds, self._judge, number, self._heard, seconds)
