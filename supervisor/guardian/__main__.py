"""The guardian's process: ``python -I -S .../guardian/__main__.py FD STATE_DIR``. One thread, one poll loop.

Promises: an answer to every order; a strike at every kill-by, by a timer that counts suspended time; on the daemon's
death everything it ran ended, and its leases revoked once nothing of their terms is alive.
Does not: renew, campaign, restart, or keep anything for later. When it dies, the daemon ends everything itself.
"""

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass

if __name__ == "__main__":
    # -I and -S leave only the standard library on the path; our own package is added behind it.
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))  # noqa: PTH100, PTH120

from supervisor.guardian import linux, spawn
from supervisor.guardian import protocol as p
from supervisor.guardian.containment import Cgroup, Containment, Found, Yard, kill_found

RETRY_KILL_SECONDS = 0.02


def boot_time() -> float:
    """CLOCK_BOOTTIME, the clock every deadline is on."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(slots=True)
class Run:
    """A child and what holds it."""

    request: p.Spawn
    containment: Containment
    pid: int
    exec_pipe: int | None
    """Open until exec is known to have succeeded or failed."""
    events: int | None = None
    """cgroup.events, watched once the main process has ended."""
    exited: bool = False
    failed: str = ""
    killing: bool = False
    kill_at: float | None = None

    def alive(self) -> bool:
        """Whether anything of it is."""
        return not self.exited or not self.containment.empty()


class Guardian:
    """Everything the process holds."""

    def __init__(self, link: socket.socket, yard: Yard, inherited: spawn.Inherited) -> None:
        self.link = link
        # Non-blocking as a whole: Python 3.11's recv_fds ignores its flags.
        link.settimeout(0.0)
        self.yard = yard
        self.inherited = inherited
        self.runs: dict[int, Run] = {}
        self.terms: dict[str, tuple[int, float]] = {}
        """term -> lease, margin"""
        self.deadlines: dict[int, float] = {}
        self.struck: set[str] = set()
        self.store: p.Store | None = None
        self.untold: deque[bytes] = deque()
        self.orphaned = False
        self.quitting = False
        self.revoker: int | None = None
        self.revoked: set[int] = set()
        self.timer = linux.timer()
        self.wake, wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.poll = select.poll()
        for fd in (link.fileno(), self.timer, self.wake):
            self.poll.register(fd, select.POLLIN)

    # --- the loop

    def run(self) -> None:
        """Until the daemon is gone and nothing of it is left."""
        while not (self.orphaned and not self.runs and self.revoker is None):
            linux.set_timer(self.timer, self.next_due())
            for fd, _ in self.poll.poll():
                if fd == self.link.fileno():
                    self.tell()
                    self.read()
                elif fd in (self.timer, self.wake):
                    with contextlib.suppress(BlockingIOError):
                        os.read(fd, 4096)
            self.strike()
            self.reap()
            self.settle()
            if self.orphaned:
                self.wind_up()

    def next_due(self) -> float | None:
        """The next instant at which something must be done though nobody speaks."""
        alive = {r.request.term for r in self.runs.values()}
        due = [self.kill_by(t) for t in self.terms if t in alive and t not in self.struck]
        due += [r.kill_at for r in self.runs.values() if r.kill_at is not None and not r.killing]
        if any(r.killing or (r.exited and r.events is None) for r in self.runs.values()):
            due.append(boot_time() + RETRY_KILL_SECONDS)
        return min(due, default=None)

    def read(self) -> None:
        """Every packet that waits."""
        while True:
            try:
                packet, fds, _, _ = socket.recv_fds(self.link, p.MAX_PACKET_BYTES + 1024, 2)
            except BlockingIOError:
                return
            except OSError:
                packet, fds = b"", []
            if not packet:
                self.bereaved()
                return
            try:
                self.obey(p.decode(packet), fds)
            finally:
                for fd in fds:
                    os.close(fd)

    def say(self, message: p.Message) -> None:
        """Tell the daemon, in order, and never wait for it: a frozen one gets its news when it wakes."""
        if not self.orphaned:
            self.untold.append(p.encode(message))
            self.tell()

    def tell(self) -> None:
        """Send what waits, as far as it goes; the poll wakes us when there is room again."""
        while self.untold:
            try:
                self.link.send(self.untold[0])
            except BlockingIOError:
                self.poll.modify(self.link.fileno(), select.POLLIN | select.POLLOUT)
                return
            except OSError:
                return  # it died: the end of file says so
            self.untold.popleft()
        self.poll.modify(self.link.fileno(), select.POLLIN)

    # --- orders

    def obey(self, order: p.Message, fds: list[int]) -> None:
        """One order of the daemon's."""
        match order:
            case p.Arm(term=term, lease=lease, lease_deadline=deadline, margin_seconds=margin):
                self.deadlines[lease] = max(deadline, self.deadlines.get(lease, 0.0))
                self.terms[term] = (lease, margin)
                self.say(p.Armed(term=term))
            case p.Extend(lease=lease, lease_deadline=deadline):
                self.deadlines[lease] = max(deadline, self.deadlines.get(lease, 0.0))
                self.forget_leases()
            case p.Disarm(term=term):
                self.disarm(term)
            case p.Spawn():
                self.start(order, fds)
            case p.Signal(run=run, signo=number):
                self.signal(run, number)
            case p.Kill(run=run):
                self.kill(run)
            case p.Store():
                self.store = order
            case p.Quit():
                self.quitting = True
            case _:
                raise p.ProtocolError(f"not an order: {type(order).__name__}")

    def disarm(self, term: str) -> None:
        """Forget a term that is proven empty."""
        blockers: list[Found] = []
        for run in self.runs.values():
            if run.request.term == term:
                blockers += run.containment.members()
        if any(r.request.term == term for r in self.runs.values()):
            self.say(p.DisarmRefused(term=term, blockers=tuple(str(b) for b in blockers[:10])))
            return
        self.terms.pop(term, None)
        self.struck.discard(term)
        self.say(p.Disarmed(term=term))

    def start(self, order: p.Spawn, fds: list[int]) -> None:
        """Spawn, unless its term is not armed, or past its kill-by: then nothing may begin."""
        if len(fds) != 2:  # stdout and stderr
            self.say(p.SpawnFailed(run=order.run, stage="", errno=0, message="the output descriptors were lost"))
            return
        if order.term is not None and (order.term not in self.terms or boot_time() >= self.kill_by(order.term)):
            self.say(p.SpawnFailed(run=order.run, stage="", errno=0, message=f"term {order.term} is not armed"))
            return
        try:
            containment = self.yard.make(order.scope)
            join = str(containment.path / "cgroup.procs") if isinstance(containment, Cgroup) else None
            pid, pipe = spawn.fork_exec(order, fds[0], fds[1], join, self.inherited)
        except OSError as error:
            self.say(p.SpawnFailed(run=order.run, stage="", errno=0, message=f"cannot fork: {error.strerror}"))
            return
        if not isinstance(containment, Cgroup):
            containment.join(pid)
        self.runs[order.run] = Run(request=order, containment=containment, pid=pid, exec_pipe=pipe)
        self.poll.register(pipe, select.POLLIN)

    def signal(self, number: int, signo: int) -> None:
        """A run's process group; its main process is not reaped yet, so the group is still its own."""
        run = self.runs.get(number)
        if run is not None and not run.exited:
            with contextlib.suppress(OSError):
                os.killpg(run.pid, signo)
            with contextlib.suppress(OSError):
                os.kill(run.pid, signo)  # before its setsid there is no group

    def kill(self, number: int) -> None:
        """Everything of a run, until it is empty."""
        run = self.runs.get(number)
        if run is not None:
            run.killing = True
            self.strike_run(run)

    def strike_run(self, run: Run) -> None:
        """One blow. The main process by pid as well: between fork and its containment it is in nobody's list."""
        run.containment.kill()
        if not run.exited:
            with contextlib.suppress(OSError):
                os.kill(run.pid, signal.SIGKILL)

    # --- time

    def kill_by(self, term: str) -> float:
        """When everything of a term must be dead."""
        lease, margin = self.terms[term]
        return self.deadlines[lease] - margin

    def strike(self) -> None:
        """Whoever says otherwise: past kill-by, the containment is killed."""
        now = boot_time()
        for term in self.terms:
            late = now - self.kill_by(term)
            if late < 0:
                self.struck.discard(term)
                continue
            victims = [r for r in self.runs.values() if r.request.term == term and not r.killing]
            for run in victims:
                run.killing = True
                self.strike_run(run)
            if victims and term not in self.struck:
                self.struck.add(term)
                self.say(p.Struck(term=term, late_seconds=late))
        for run in self.runs.values():
            if run.kill_at is not None and now >= run.kill_at and not run.killing:
                run.killing = True
                self.strike_run(run)

    def forget_leases(self) -> None:
        """Leases that ran out and hold no term are nobody's business any more."""
        used = {lease for lease, _ in self.terms.values()}
        now = boot_time()
        self.deadlines = {n: until for n, until in self.deadlines.items() if n in used or until > now}

    # --- children

    def reap(self) -> None:
        """Wait for everything that ended, orphans that came to us included."""
        for run in [r for r in self.runs.values() if r.exec_pipe is not None]:
            self.learn_exec(run)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.revoker:
                self.revoker = None
            for run in self.runs.values():
                if run.pid == pid and not run.exited:
                    self.ended(run, status)

    def learn_exec(self, run: Run) -> None:
        """End of the pipe: exec succeeded. A report in it: it did not."""
        assert run.exec_pipe is not None
        try:
            report = os.read(run.exec_pipe, 64)
        except BlockingIOError:
            return
        self.poll.unregister(run.exec_pipe)
        os.close(run.exec_pipe)
        run.exec_pipe = None
        if report:
            run.failed = spawn.failure(report, run.request)
        else:
            self.say(p.Spawned(run=run.request.run, pid=run.pid))

    def ended(self, run: Run, status: int) -> None:
        """The main process is reaped; whether that empties the containment is for ``settle`` to see."""
        if run.exec_pipe is not None:
            self.learn_exec(run)
        run.exited = True
        if run.failed:
            return
        code = os.waitstatus_to_exitcode(status)
        self.say(
            p.Exited(
                run=run.request.run,
                code=code if code >= 0 else None,
                signal=-code if code < 0 else None,
                core=os.WCOREDUMP(status),
            )
        )
        if isinstance(run.containment, Cgroup):
            with contextlib.suppress(OSError):
                run.events = os.open(run.containment.path / "cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
                # kernfs tells of a change by POLLPRI, once it has been read.
                os.read(run.events, 256)
                self.poll.register(run.events, select.POLLPRI)

    def settle(self) -> None:
        """Runs whose main process ended and whose containment is seen empty are over; the others are struck again."""
        for number, run in list(self.runs.items()):
            if run.exited and run.containment.empty():
                self.over(number, run)
            elif run.killing:
                self.strike_run(run)

    def over(self, number: int, run: Run) -> None:
        """Nothing of it is alive."""
        if run.events is not None:
            self.poll.unregister(run.events)
            os.close(run.events)
        run.containment.remove()
        del self.runs[number]
        if run.failed:
            self.say(p.SpawnFailed(run=number, stage="", errno=0, message=run.failed))
        else:
            self.say(p.Emptied(run=number))

    # --- the daemon's death

    def bereaved(self) -> None:
        """The daemon is gone: end what it ran, the store last."""
        self.poll.unregister(self.link.fileno())
        self.orphaned = True
        for run in self.runs.values():
            if not run.request.last or self.quitting:
                self.part(run)

    def part(self, run: Run) -> None:
        """Its own stop signal now; SIGKILL after its stop timeout (kill-by strikes on its own)."""
        self.signal(run.request.run, run.request.stop_signal)
        run.kill_at = boot_time() + (0.0 if self.quitting or run.exited else run.request.stop_timeout_seconds)

    def wind_up(self) -> None:
        """After the daemon: revoke what is proven empty; when nothing else is left, end the store."""
        if not self.quitting:
            self.revoke_free_leases()
        others = [r for r in self.runs.values() if not r.request.last]
        if others or self.revoker is not None:
            return
        for run in self.runs.values():
            if run.kill_at is None:
                self.part(run)

    def revoke_free_leases(self) -> None:
        """In a process of its own, so that a slow etcd delays no kill. A term with anything alive keeps its lease."""
        held = {
            self.terms[t][0] for t in {r.request.term for r in self.runs.values()} if t is not None and t in self.terms
        }
        free = {n: until for n, until in self.deadlines.items() if n not in held and n not in self.revoked}
        if not free or self.store is None or self.revoker is not None:
            return
        self.revoked |= set(free)
        pid = os.fork()
        if pid:
            self.revoker = pid
            return
        with contextlib.suppress(BaseException):  # a child: nothing may escape into the guardian's code
            self.inherited.restore()
            # Only here: http.client brings ssl along, megabytes that every guardian would carry for its rare last act.
            from supervisor.guardian import revoke  # noqa: PLC0415

            revoke.revoke(self.store, free)
        os._exit(0)


def end_leftovers(yard: Yard) -> int:
    """Kill what an earlier daemon of this state directory left, until it is seen gone; returns how many there were."""
    count = 0
    deadline = boot_time() + 10.0
    while found := yard.leftovers():
        count = max(count, len(found))
        for process in found:
            kill_found(process)
        if boot_time() > deadline:
            names = ", ".join(str(process) for process in found[:5])
            raise SystemExit(f"processes of an earlier run cannot be ended: {names}")
        time.sleep(RETRY_KILL_SECONDS)
    return count


def main() -> None:
    """Set the process up, say Ready, guard."""
    link = socket.socket(fileno=int(sys.argv[1]))
    state_dir, mark = sys.argv[2], sys.argv[3]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    linux.set_name("sv-guardian")
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    inherited = spawn.Inherited()
    from pathlib import Path  # noqa: PLC0415 # beside its only use

    yard = Yard(Path(state_dir), mark)
    left = end_leftovers(yard)
    notes = spawn.protect()
    if left:
        notes.append(f"ended {left} processes that an earlier run had left")
    guardian = Guardian(link, yard, inherited)
    gc.freeze()
    guardian.say(
        p.Ready(pid=os.getpid(), containment=yard.kind, path=str(yard.root or ""), marker=mark, notes=tuple(notes))
    )
    guardian.run()
    yard.remove()


if __name__ == "__main__":
    main()
