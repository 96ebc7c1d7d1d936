"""Spans of time, and how a child ended, in words for people.

Does not: translate, or know a terminal.
"""

import signal

from supervisor.core.state import LastExit


def duration(seconds: float) -> str:
    """``0.4s``, ``12s``, ``3m 20s``, ``2h 5m``, ``4d 3h``: two units at most, rounded down; never negative."""
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    for size, unit, size_below, unit_below in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            rest = whole % size // size_below
            return f"{whole // size}{unit} {rest}{unit_below}" if rest else f"{whole // size}{unit}"
    return f"{whole}s"


def last_exit(last: LastExit | None) -> str:
    """``exit 1 after 3.2s``, ``SIGKILL after 2m, core dumped``, ``not started: no such file``; empty for None."""
    if last is None:
        return ""
    if last.code is None and last.signal is None:
        return f"not started: {last.detail}" if last.detail else "not started"
    how = f"exit {last.code}" if last.signal is None else signal_name(last.signal)
    # Nothing is said of a span that is not known: a child that was being stopped has none.
    span = f" after {duration(last.ran_seconds)}" if last.ran_seconds > 0 else ""
    notes = (", core dumped" if last.core_dumped else "") + (", out of memory" if last.oom_killed else "")
    return f"{how}{span}{notes}"


def signal_name(number: int) -> str:
    """``SIGKILL``; ``signal 35`` for one without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
