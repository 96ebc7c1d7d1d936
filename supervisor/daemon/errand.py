"""``supervisor elect``: the daemon as a wrapper around one command of one election.

Promises: the command is the leader process of that election like any other (guardian, kill-by, proof, token in its environment),
and the daemon ends with it and with its exit code: 128 and the number for a signal; 126 and 127 as shells have it for what cannot
be executed or found; 75 when the office was not had in time, or was lost; signals that come to us go to the command, which
decides what they mean; before it runs they end the waiting; the daemon's log is silent unless it is wanted. Does not: decide about the term, which is the core's affair.
"""

import asyncio
import json
import shutil
import signal
import sys
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from supervisor.core.actions import Action
from supervisor.core.document import shown_name
from supervisor.core.events import Event, ShutdownRequested
from supervisor.core.names import ElectionName, ProcessId, ProcessName, RunId
from supervisor.core.state import Election, ElectionPhase, LastExit, Process, ProcessPhase, State
from supervisor.daemon.loop import Loop
from supervisor.guardian.link import GuardianLink

PROCESS: Final = ProcessName("command")
"""What the command is called in ``status``."""
NOT_HELD, ETCD_UNREACHABLE = 75, 69
_NOT_EXECUTABLE, _NOT_FOUND, _BY_SIGNAL = 126, 127, 128
_NO_ANSWER_SECONDS: Final = 5.0
"""With ``nonblock``: for etcd to say who leads."""
_TO_MAIN: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_TO_GROUP: Final = (signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH)
"""As a terminal sends them: to all that run in the foreground."""
_ENDING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""What these mean while nothing runs that could be asked."""
_UNHEEDED: Final = (signal.SIGTSTP, signal.SIGTTOU, signal.SIGTTIN)
"""A wrapper that is stopped renews no lease, and its command would be killed at the lease's end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was asked for on the command line, for the way through exec."""

    election: str
    wait_seconds: float | None = None
    nonblock: bool = False
    verbose: bool = False

    def text(self) -> str:
        """For the daemon's command line; nothing secret is in it."""
        return json.dumps(asdict(self))


@dataclass(slots=True)
class Errand:
    """One errand, and what came of it."""

    wish: Wish
    process: ProcessId
    _code: int | None = None
    _ran: bool = False
    _kept: list[signal.Signals] = field(default_factory=list)
    """What came for a command that was being started: it may run already, and we have not heard so yet."""
    _loop: Loop | None = None
    _link: GuardianLink | None = None
    _timers: list[asyncio.TimerHandle] = field(default_factory=list)

    @staticmethod
    def parse(text: str) -> "Errand":
        """The inverse of ``Wish.text``."""
        wish = Wish(**json.loads(text))
        return Errand(wish, ProcessId(ElectionName(wish.election), PROCESS))

    def begin(self, events: asyncio.AbstractEventLoop, loop: Loop, link: GuardianLink) -> None:
        """Take signals, and begin to wait."""
        self._loop, self._link = loop, link
        for number in (*_TO_MAIN, *_TO_GROUP):
            events.add_signal_handler(number, self._signalled, number)
        for number in _UNHEEDED:
            signal.signal(number, signal.SIG_IGN)
        wait_seconds = _NO_ANSWER_SECONDS if self.wish.nonblock else self.wish.wait_seconds
        if wait_seconds is not None:
            self._timers.append(events.call_later(wait_seconds, self._wait_over))

    def observe(self, before: State, _event: Event, after: State, _actions: tuple[Action, ...]) -> None:
        """See whether the command has begun or ended, or somebody else leads."""
        command, election = after.processes.get(self.process), after.elections.get(self.process.election)
        earlier = before.processes.get(self.process)
        if command is not None and command is not earlier:
            self._command(command, None if earlier is None else earlier.last_exit)
        if after.store.reachable is False and before.store.reachable is not False:
            _say(f"etcd cannot be reached: {after.store.detail}")
        if self.wish.nonblock and self._code is None and election is not None and _is_behind(election):
            self._end(NOT_HELD, f"{self.wish.election} is led by another")

    def exit_code(self, code: int) -> int:
        """What to end with, when the daemon itself would end with ``code``."""
        for timer in self._timers:
            timer.cancel()
        return code if self._code is None else self._code

    @staticmethod
    def clear_away(directory: Path) -> None:
        """Remove the private directory that the errand was given."""
        shutil.rmtree(directory, ignore_errors=True)

    # --- what happens

    def _command(self, command: Process, earlier: LastExit | None) -> None:
        self._ran = self._ran or _runs(command) is not None
        if command.phase is not ProcessPhase.STARTING:
            kept, self._kept = self._kept, []
            for number in kept:
                self._signalled(number)
        last = command.last_exit
        if self._code is not None or last is None or last is earlier:
            return
        if last.code is None and last.signal is None:
            if command.phase not in (ProcessPhase.STARTING, ProcessPhase.RUNNING) and last.detail:
                self._end(_NOT_FOUND if "not found" in last.detail else _NOT_EXECUTABLE, last.detail)
        elif not self._ran:
            return  # it was made ready beside the proof of a win that was none, and never executed
        elif last.cause:
            self._end(NOT_HELD, f"{self.wish.election} is not ours any more, the command was ended: {last.cause}")
        else:
            self._end(last.code if last.code is not None else _BY_SIGNAL + (last.signal or 0))

    def _signalled(self, number: signal.Signals) -> None:
        # As it is now: what observers are shown may be a moment old, and a signal that came meanwhile would be lost.
        assert self._loop is not None
        command = self._loop.state.processes.get(self.process)
        run = _runs(command) if command is not None else None
        if run is not None and self._link is not None:
            self._link.signal(run, number, "main" if number in _TO_MAIN else "group")
        elif command is not None and command.phase is ProcessPhase.STARTING and not command.held:
            self._kept.append(number)
        elif number in _ENDING and self._code is None:
            self._end(_BY_SIGNAL + number)

    def _wait_over(self) -> None:
        assert self._loop is not None
        if self._ran or self._code is not None:
            return
        if self._loop.state.store.reachable is not True:
            detail = self._loop.state.store.detail or "no answer"
            self._end(ETCD_UNREACHABLE, f"etcd was not reached in time: {detail}")
        else:
            self._end(NOT_HELD, f"{self.wish.election} was not had in time")

    def _end(self, code: int, trouble: str = "") -> None:
        assert self._loop is not None
        self._code = code
        if trouble:
            _say(trouble)
        # Not from inside a step: an observer returns at once.
        asyncio.get_running_loop().call_soon(
            partial(self._loop.post, ShutdownRequested(reason="the command has ended", exit_code=code))
        )


def _runs(command: Process) -> RunId | None:
    running = command.phase in (ProcessPhase.RUNNING, ProcessPhase.STOPPING) and command.pid is not None
    return command.run if running else None


def _say(text: str) -> None:
    sys.stderr.write(f"supervisor: {shown_name(text, longest=1000)}\n")
    sys.stderr.flush()


def _is_behind(election: Election) -> bool:
    """Whether the watch shows us in the queue, and somebody before us."""
    first = election.leader
    if election.phase is not ElectionPhase.FOLLOWING or first is None or election.create_revision is None:
        return False
    return first.create_revision < election.create_revision
