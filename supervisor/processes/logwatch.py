"""Ready by its output: waiting for a line that matches.

Promises: from a run's first byte on no line is missed, whenever the probe is started; stdout and stderr alike; a line is
compared by its first ``LINE_CHARACTERS``; output that cannot be compared in time holds up nothing and nobody (``patterns``);
once a line has matched nothing is compared any more.
Does not: read pipes, or match across lines: ``LogCapture`` gives whole lines.
"""

from collections.abc import Callable
from typing import Final

from supervisor.core.actions import StartProbe
from supervisor.core.events import Event, ProbeFailed, ProbeSucceeded
from supervisor.core.names import RunId
from supervisor.core.spec import ProbeKind, ProcessSpec
from supervisor.processes.patterns import MOST_OVERRUNS, Pattern

LINE_CHARACTERS: Final = 4096
BATCH_LINES: Final = 200
"""Compared under one timer."""


class _Watch:
    """One run's output."""

    __slots__ = ("matched", "pattern", "source", "told")

    def __init__(self, source: str) -> None:
        self.source = source
        self.pattern = Pattern(source)
        self.matched = False
        self.told: StartProbe | None = None
        """Who waits for it."""

    def over(self) -> bool:
        """Nothing more is compared."""
        return self.matched or self.pattern.unfit

    def feed(self, block: bytes) -> None:
        """Whole lines."""
        if self.over():
            return
        lines = [line[: 4 * LINE_CHARACTERS].decode("utf-8", "replace") for line in block.splitlines()]
        for begin in range(0, len(lines), BATCH_LINES):
            batch = [line[:LINE_CHARACTERS] for line in lines[begin : begin + BATCH_LINES]]
            self._compare(batch)
            if self.over():
                return

    def _compare(self, batch: list[str]) -> None:
        before = self.pattern.overruns
        self.matched = self.pattern.first(batch) is not None
        if self.pattern.overruns > before and len(batch) > 1:
            # One line of them was too much: the others must not go unseen for it.
            self.pattern.overruns = before
            for line in batch:
                if self.over():
                    return
                self.matched = self.pattern.search(line)


class LogWatches:
    """The runs whose lines are compared."""

    def __init__(self, *, on_event: Callable[[Event], None]) -> None:
        self._on_event = on_event
        self._watches: dict[RunId, _Watch] = {}

    def open(self, spec: ProcessSpec, run: RunId) -> bool:
        """Whether the lines of this run are wanted, from the first on, by ``feed``."""
        if spec.ready is None or spec.ready.kind is not ProbeKind.LOG:
            return False
        self._watches[run] = _Watch(spec.ready.pattern)
        return True

    def feed(self, run: RunId, block: bytes) -> bool:
        """Lines of a run. Returns whether more are wanted."""
        watch = self._watches.get(run)
        if watch is None:
            return False
        watch.feed(block)
        self._tell(watch)
        return not watch.over()

    def start(self, action: StartProbe, said: bytes = b"") -> None:
        """Tell when a line has matched: at once if one has. ``said``: what is known of the output, for another pattern."""
        watch = self._watches.get(action.run)
        if watch is None or watch.source != action.probe.pattern:
            watch = self._watches[action.run] = _Watch(action.probe.pattern)
            watch.feed(said)
        watch.told = action
        self._tell(watch)

    def stop(self, run: RunId) -> None:
        """Nothing more is told of a run."""
        if (watch := self._watches.get(run)) is not None:
            watch.told = None

    def close(self, run: RunId) -> None:
        """Forget a run."""
        self._watches.pop(run, None)

    def _tell(self, watch: _Watch) -> None:
        action = watch.told
        if action is None or not watch.over():
            return
        watch.told = None
        if watch.matched:
            self._on_event(ProbeSucceeded(run=action.run, purpose=action.purpose))
            return
        detail = f"given up: the pattern took too long on {MOST_OVERRUNS} lines; write a simpler one"
        self._on_event(ProbeFailed(run=action.run, purpose=action.purpose, detail=detail))
