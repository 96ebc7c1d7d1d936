"""The children of the guardian, from order to the proof that none is left.

Promises: each order to spawn is answered by SpawnFailed, or by Spawned, Exited and Emptied in this order and once each;
a kill is repeated until the run is empty; nothing here waits.
Does not: know deadlines, or why something is to be stopped.
"""

import os
import select
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from supervisor.guardian import cgroup
from supervisor.guardian import protocol as say
from supervisor.guardian.containment import Box, Containment
from supervisor.guardian.linux import Inherited, boottime
from supervisor.guardian.loop import Loop
from supervisor.guardian.run import Run, begun
from supervisor.guardian.spawn import OPEN, fork_exec, read_report

if TYPE_CHECKING:
    from supervisor.guardian.setup import Setup
    from supervisor.guardian.sockets import Sockets

_LAST_RETRY_SECONDS = 0.2
_CLEAR_AFTER_SECONDS = 0.02
_LONGEST_MESSAGE = 2000
MOST_BLOCKERS = 20
"""Of those who are alive, this many are named."""

Tell = Callable[[say.News, Sequence[int]], None]
"""Tells the daemon; takes the descriptors over."""


class Children:
    """All runs."""

    def __init__(self, containment: Containment, inherited: Inherited, loop: Loop, tell: Tell) -> None:
        self._containment = containment
        self._inherited = inherited
        self._loop = loop
        self._tell = tell
        self._runs: dict[int, Run] = {}
        self._changed = False
        self._helpers_ended: list[int] = []
        self._untold: dict[int, int] = {}
        """Statuses of main pids that were reaped in this turn."""
        self._emptied_terms: set[str] = set()
        self._unclosed: list[int] = []
        self._sockets: Sockets | None = None
        self._on_cgroup = self._cgroup_changed
        """One object for all: each look at a method makes another."""

    # --- what is there -----------------------------------------------------------------------------------------------

    def runs(self) -> list[Run]:
        """Those that are not proven empty."""
        return list(self._runs.values())

    def run(self, number: int) -> Run | None:
        """One that is not proven empty."""
        return self._runs.get(number)

    def of_term(self, term: str) -> set[int]:
        """The runs of a term that are not proven empty."""
        return {number for number, run in self._runs.items() if run.term == term}

    def headless(self) -> set[int]:
        """The runs whose main pid has ended, while something of them may be alive."""
        return {number for number, run in self._runs.items() if run.exited}

    def emptied_terms(self) -> set[str]:
        """Terms of which a run was proven empty since the last call, and no other is left."""
        emptied, self._emptied_terms = self._emptied_terms, set()
        return emptied - {run.term for run in self._runs.values()} if emptied else emptied

    def names(self, runs: set[int]) -> tuple[str, ...]:
        """``pid (name)`` of those alive in these runs."""
        return self._containment.names(runs & self._runs.keys())

    # --- what to do --------------------------------------------------------------------------------------------------

    def spawn(self, order: say.Spawn, stdout: int, stderr: int, stdin: int = -1) -> None:
        """Start a child; without ``stdin`` it reads from /dev/null. The descriptors stay the caller's to close."""
        self.clear_away()
        if order.run in self._runs:
            self.refuse(order, "order", 0, f"run {order.run} exists already")
            return
        try:
            box = self._containment.open(order.run, order.term, order.scope)
        except OSError as error:
            self.refuse(order, "containment", error.errno or 0, f"cannot make a containment: {error.strerror}")
            return
        marks = self._containment.variables(order.run)
        stage = "setup"
        try:
            setup = None if order.extras is None else self._prepare(order, order.extras, box)
            stage = "fork"
            forked = fork_exec(
                order,
                marks=marks,
                stdout=stdout,
                stderr=stderr,
                stdin=stdin,
                procs=box.procs,
                inherited=self._inherited,
                setup=setup,
            )
        except OSError as error:
            self._containment.close(order.run)
            # What a key asked for and cannot have comes with its own words.
            text = getattr(error, "text", f"cannot start one more process: {error.strerror}")
            self.refuse(order, getattr(error, "stage", stage), error.errno or 0, text)
            return
        self._containment.enter(order.run, forked.pid)
        run = self._runs[order.run] = begun(order, box, forked)
        # Its end only, by exec or death: to be woken by what is in it would take the CPU from who is about to exec.
        self._loop.watch(forked.report_fd, 0, lambda _: self._learn(run))
        if box.events_fd is not None:
            self._loop.watch(box.events_fd, select.POLLPRI, self._on_cgroup)

    def release(self, number: int, refusal: str | None) -> None:
        """Let a held run execute its command, or, when there is a reason against it, end it. Nobody once it has ended."""
        run = self._runs.get(number)
        if run is None or run.birth is None or not run.birth.held or run.exited:
            return
        if refusal is not None or run.killing:
            self.kill({number})
            return
        run.birth.released = True
        with suppress(BrokenPipeError):  # it failed before it came to the gate
            os.write(run.birth.forked.gate_fd, OPEN)

    def is_held(self, number: int) -> bool:
        """Whether nothing of the run's command can have been executed."""
        run = self._runs.get(number)
        return run is not None and run.birth is not None and run.birth.held

    def _prepare(self, order: say.Spawn, extras: dict[str, object], box: Box) -> "Setup":
        """What the child needs beyond the ordinary, as far as it is done before the fork. Raises SetupError.

        The first order that asks for it imports it: never the child, and never a guardian that needs none of it.
        """
        from supervisor.guardian.setup import prepare  # noqa: PLC0415

        setup = prepare(extras)
        if setup.extras.cgroup is not None:
            from supervisor.guardian.limits import limit  # noqa: PLC0415

            limit(
                self._containment.top,
                box.directory,
                setup.extras.cgroup,
                best_effort=setup.extras.best_effort,
                daemon=self._inherited.parent,
            )
        if setup.extras.sockets:
            from supervisor.guardian.sockets import Sockets  # noqa: PLC0415

            self._sockets = self._sockets or Sockets()
            held = self._sockets.hold(setup.extras.owner, order.term, setup.extras.sockets)
            setup.sockets = tuple(one.fileno() for one in held)
            setup.names = tuple(str(one["name"]) for one in setup.extras.sockets)
        return setup

    def close_sockets(self, *, owner: str | None = None, term: str | None = None) -> None:
        """Of one process, of a term, or all: nothing is started there again."""
        if self._sockets is None:
            return
        if owner is not None:
            self._sockets.close(owner)
        elif term is not None:
            self._sockets.close_term(term)
        else:
            self._sockets.close_all()

    def refuse(self, order: say.Spawn, stage: str, number: int, message: str) -> None:
        """Answer an order that is not, or could not be, followed. ``number`` is an errno, or 0."""
        self._refused(order.run, stage, number, message)

    def _refused(self, run: int, stage: str, number: int, message: str) -> None:
        self._tell(say.SpawnFailed(run=run, stage=stage, errno=number, message=message[:_LONGEST_MESSAGE]), ())

    def signal(self, number: int, signo: int, to: str) -> None:
        """Signal the main pid, its process group or everybody (``main``, ``group``, ``all``); nobody once that is reaped."""
        run = self._runs.get(number)
        if run is None or run.exited or not 0 < signo < signal.NSIG:
            return
        pid = run.pid  # not reaped, so neither the pid nor its group can be anyone else's
        if to == "all":
            self._containment.signal(number, signo, but=pid)
        with suppress(PermissionError):
            try:
                if to == "group":
                    os.killpg(pid, signo)
                else:
                    os.kill(pid, signo)
            except ProcessLookupError:
                os.kill(pid, signo)  # forked a moment ago: its setsid is still to come

    def kill(self, runs: set[int]) -> None:
        """SIGKILL these runs at the end of this turn, and again until they are empty."""
        for number in runs & self._runs.keys():
            run = self._runs[number]
            if not run.killing:
                run.killing, run.blow_at = True, boottime()

    # --- what happens ------------------------------------------------------------------------------------------------

    def reap(self) -> None:
        """Wait for all that have ended: main pids, orphans that became ours, helpers."""
        mains = {run.pid: run for run in self._runs.values() if not run.exited}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._changed = True
            if pid in self._containment.helpers:
                self._containment.helpers.discard(pid)
                self._helpers_ended.append(pid)
            elif (run := mains.pop(pid, None)) is not None:
                self._exited(run, status)

    def adopt_helper(self, pid: int) -> None:
        """A child of the guardian that is not a run."""
        self._containment.helpers.add(pid)

    def helper_ended(self, pid: int) -> bool:
        """Whether a helper was reaped."""
        return pid in self._helpers_ended

    def settle(self) -> None:
        """At the end of a turn: kill what is to be killed, and see who is empty. One look serves all runs."""
        self._strike()
        if not self._changed:
            return
        self._changed = False
        waiting = [number for number, run in self._runs.items() if run.exited]
        empty = self._containment.empty(waiting)
        self._tell_exits(empty)
        for number in sorted(empty):
            self._emptied(self._runs.pop(number))

    def kill_everything(self) -> None:
        """The last resort of a guardian that cannot go on: one blow for all, now."""
        self._containment.kill(set(self._runs))

    def _strike(self) -> None:
        now = boottime()
        due = {number for number, run in self._runs.items() if run.killing and run.blow_at <= now}
        if not due:
            return
        self._containment.kill(due)
        for number in due:
            run = self._runs[number]
            run.blow_at = boottime() + run.retry_seconds
            if run.exited and run.retry_seconds == _LAST_RETRY_SECONDS:
                self._name(run)
            run.retry_seconds = min(2 * run.retry_seconds, _LAST_RETRY_SECONDS)
            self._loop.at(run.blow_at, self._look_again)

    def _name(self, run: Run) -> None:
        """Tell who will not die, once for each company of them."""
        blockers = self._containment.names({run.number})[:MOST_BLOCKERS]
        if blockers and blockers != run.blockers:
            run.blockers = blockers
            self._tell(say.Lingering(run=run.number, blockers=blockers), ())

    def _look_again(self) -> None:
        self._changed = True

    def _cgroup_changed(self, events_fd: int) -> None:
        os.pread(events_fd, 256, 0)  # so that the next change is told, too
        self._changed = True

    def _learn(self, run: Run, *, reaped: bool = False) -> None:
        """Read the child's report; its end says that exec succeeded or that the child is gone."""
        if run.birth is None:
            return
        birth, forked = run.birth, run.birth.forked
        try:
            while part := os.read(forked.report_fd, 4096):
                birth.report += part
        except BlockingIOError:
            if not reaped:
                return
        self._loop.unwatch(forked.report_fd)
        os.close(forked.report_fd)
        if forked.gate_fd >= 0:
            os.close(forked.gate_fd)
        run.birth = None
        run.failure = read_report(birth.report, birth.order)
        if run.failure is None:
            # Once it is reaped its pid is nobody's, and may soon be somebody else's.
            pidfds = [] if reaped else [os.pidfd_open(run.pid)]
            self._tell(say.Spawned(run=run.number, pid=run.pid), pidfds)

    def _exited(self, run: Run, status: int) -> None:
        self._learn(run, reaped=True)
        run.exited = True
        self._containment.reaped(run.number)
        if run.failure is not None:
            return
        self._untold[run.number] = status

    def _tell_exits(self, empty: set[int]) -> None:
        """Who has ended, and whether that was all of it: then there is nothing to be killed."""
        untold, self._untold = self._untold, {}
        for number, status in untold.items():
            code = os.waitstatus_to_exitcode(status)
            directory = self._runs[number].box.directory
            exited = say.Exited(
                run=number,
                code=code if code >= 0 else None,
                signal=-code if code < 0 else None,
                core=os.WCOREDUMP(status),
                empty=number in empty,
                oom_killed=directory is not None and cgroup.oom_kills(directory),
            )
            self._tell(exited, ())

    def _emptied(self, run: Run) -> None:
        if run.term is not None:
            self._emptied_terms.add(run.term)
        if run.failure is None:
            self._tell(say.Emptied(run=run.number), ())
        else:
            self._refused(run.number, run.failure.stage, run.failure.number, run.failure.message)
        if run.box.events_fd is not None:
            self._loop.unwatch(run.box.events_fd)
        if not self._unclosed:
            self._loop.at(boottime() + _CLEAR_AFTER_SECONDS, self.clear_away)
        self._unclosed.append(run.number)

    def clear_away(self) -> None:
        """Remove what held the runs that are over. A moment after the news of it: somebody waits for what follows from those."""
        over, self._unclosed = self._unclosed, []
        for number in over:
            self._containment.close(number)
