"""Regular expressions that cannot hold up the daemon.

Promises: a comparison ends after ``LONGEST_SECONDS`` of our own CPU time, whatever the pattern and the text: Python's
matcher looks for signals while it backtracks, and a timer of this thread's process sends one. Who took longer is counted,
and one that did so ``MOST_OVERRUNS`` times is not tried again.
Does not: refuse a pattern for its looks. What takes exponential time in theory often never does on the lines at hand,
and what looks harmless (``.*a.*b.*c``) can take minutes on one long line; only trying tells.

In the main thread only: Python handles signals there. SIGVTALRM, so that a machine that has no time for us does not count.
"""

import re
import signal
from typing import Final

LONGEST_SECONDS: Final = 0.02
MOST_OVERRUNS: Final = 5


class _TooLongError(Exception):
    """The time was over."""


class _Timer:
    """The handler of the signal, installed by the first pattern that is compared."""

    def __init__(self) -> None:
        self.running = False
        self._installed = False

    def begin(self) -> None:
        if not self._installed:
            signal.signal(signal.SIGVTALRM, self._strike)
            self._installed = True
        self.running = True
        # Again and again: one that comes between two lines of ours must not be the only one.
        signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST_SECONDS, LONGEST_SECONDS)

    def end(self) -> None:
        self.running = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    def _strike(self, _signo: int, _frame: object) -> None:
        if self.running:
            raise _TooLongError


_timer = _Timer()


class Pattern:
    """One regular expression, and how often it took too long."""

    def __init__(self, text: str) -> None:
        """Raises ValueError for what is no regular expression."""
        try:
            self._compiled = re.compile(text)
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"not a regular expression: {error}") from None
        self.overruns = 0

    @property
    def unfit(self) -> bool:
        """It took too long too often: nothing matches any more."""
        return self.overruns >= MOST_OVERRUNS

    def search(self, text: str) -> bool:
        """Whether it matches somewhere; False, too, when that is not known in time."""
        return self.first([text]) is not None

    def first(self, lines: list[str]) -> int | None:
        """The first line in which it matches. All of them together have the time of one."""
        if self.unfit:
            return None
        try:
            _timer.begin()
            try:
                for number, line in enumerate(lines):
                    if self._compiled.search(line) is not None:
                        return number
            finally:
                _timer.end()
        except _TooLongError:
            self.overruns += 1
        return None
