"""The guardian at work: orders in, news out, and every term's end on time.

Promises: an order has its effect only within the deadlines that were set before it; a term past its kill-by is killed
at once, whoever says otherwise; nothing of a term is started unless the term is armed; a term is disarmed only when
nothing of it is alive; the daemon's death, however it died, is seen at once and begins the farewell.
Does not: forgive. An exception that nobody expected kills everything first and ends the guardian after.
"""

import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from supervisor.guardian import protocol as say
from supervisor.guardian.children import MOST_BLOCKERS, Children
from supervisor.guardian.containment import Containment
from supervisor.guardian.farewell import Farewell
from supervisor.guardian.linux import Inherited, boottime
from supervisor.guardian.loop import Loop
from supervisor.guardian.spawn import HANDLED_SIGNALS
from supervisor.guardian.terms import Terms
from supervisor.guardian.undo import Undos
from supervisor.guardian.wire import Wire, WireClosedError

_SPAWN_DESCRIPTORS: Final = (2, 3)
_ORDERS_AT_ONCE: Final = 16
_PEER_CREDENTIALS: Final = struct.Struct("iii")


class Guardian:
    """From Ready to the end."""

    def __init__(self, *, sock: socket.socket, wire: Wire, containment: Containment, inherited: Inherited) -> None:
        self._wire = wire
        self._inherited = inherited
        self._containment = containment
        self._loop = Loop()
        self._children = Children(containment, inherited, self._loop, self.tell)
        self._terms = Terms()
        self._undos = Undos()
        self._store: say.Store | None = None
        self._quitting = self._writing = False
        self._farewell: Farewell | None = None
        self._daemon_fd = _pidfd_of_peer(sock)
        self._next_strike: float | None = None
        self._vacating: set[str] = set()

    def run(self) -> None:
        """Return when the daemon is gone, or has said Quit, and nothing of it is left."""
        self._wake_on_signals()
        self._loop.watch(self._wire.fileno(), select.POLLIN, self._listen_some)
        if self._daemon_fd is not None:
            # Beside the end of the socket, which a descendant of the daemon might hold open.
            self._loop.watch(self._daemon_fd, select.POLLIN, self._daemon_died)
        try:
            while not self._over():
                self._loop.turn()
                self._children.reap()
                self._children.settle()
                self._see_vacated()
                if self._farewell is not None:
                    self._farewell.advance()
                    self._children.settle()
                    self._children.clear_away()
        except BaseException:
            self._children.kill_everything()
            raise
        self._containment.remove()

    def tell(self, news: say.News, descriptors: Sequence[int] = ()) -> None:
        """Tell the daemon. The descriptors are closed when it is gone or has them."""
        if self._farewell is not None:
            for descriptor in descriptors:
                os.close(descriptor)
            return
        self._wire.send(say.encode(news), descriptors)
        if self._wire.pending and not self._writing:
            self._writing = True
            self._loop.watch(self._wire.fileno(), select.POLLIN | select.POLLOUT, self._listen_some)

    def _over(self) -> bool:
        if self._quitting:
            return not self._children.runs()
        return self._farewell is not None and self._farewell.over

    # --- the daemon --------------------------------------------------------------------------------------------------

    def _listen_some(self, _fd: int) -> None:
        """A turn's worth of orders, so that those who wait for news of the first do not wait for the last."""
        self._listen(_ORDERS_AT_ONCE)

    def _listen(self, most: int = sys.maxsize) -> None:
        # Whatever waited may have gone with a later send: not asking for that as well would have poll return at once, for ever.
        if self._writing and self._wire.flush():
            self._writing = False
            self._loop.watch(self._wire.fileno(), select.POLLIN, self._listen_some)
        for _ in range(most):
            if self._farewell is not None:
                return
            try:
                received = self._wire.receive()
            except WireClosedError:
                self._daemon_died()
                return
            if received is None:
                return
            packet, descriptors = received
            self._loop.fire()  # a deadline that passed while we read is a deadline that passed
            try:
                self._obey(say.decode(packet), descriptors)
            except say.ProtocolError as error:
                self.tell(say.Dropped(reason=str(error)))
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)

    def _obey(self, order: say.Message, descriptors: list[int]) -> None:
        match order:
            case say.Arm():
                self._arm(order)
            case say.Extend(lease=lease, lease_deadline=deadline):
                self._terms.extend(lease, deadline)
                self._terms.leases(boottime())
            case say.Disarm(term=term):
                self._disarm(term)
            case say.Vacate(term=term):
                self._vacate(term)
            case say.Spawn():
                self._spawn(order, descriptors)
            case say.Release(run=run):
                self._release(run)
            case say.Undo():
                self._undos.note(order)
            case say.Signal(run=run, signo=signo, to=to):
                self._children.signal(run, signo, to)
            case say.Kill(run=run):
                self._children.kill({run})
            case say.CloseSockets(owner=owner):
                self._children.close_sockets(owner=owner)
            case say.Store():
                self._store = order
            case say.Ping(number=number):
                self.tell(say.Pong(number=number))
            case say.Quit():
                self._quitting = True
                self._children.close_sockets()
                self._children.kill({run.number for run in self._children.runs()})
            case _:
                raise say.ProtocolError(f"{type(order).__name__} is not for the guardian")

    def _daemon_died(self, _fd: int = -1) -> None:
        """Everything it still managed to say was read before: it may have extended a lease or disarmed a term."""
        if self._daemon_fd is not None:
            self._loop.unwatch(self._daemon_fd)
            os.close(self._daemon_fd)
            self._daemon_fd = None
            self._listen()
        if self._farewell is not None:
            return
        self._loop.unwatch(self._wire.fileno())
        self._wire.close()
        if self._quitting:
            return
        self._children.close_sockets()
        self._farewell = Farewell(
            children=self._children,
            terms=self._terms,
            undos=self._undos,
            loop=self._loop,
            store=self._store,
            isolate=self._isolate,
        )

    def _refusal(self, term: str | None) -> str | None:
        """Why nothing of this term may be executed now; None when it may."""
        if self._quitting:
            return "the guardian is ending"
        if term is None:
            return None
        return f"term {term} is ending" if term in self._vacating else self._terms.refusal(term, boottime())

    def _release(self, number: int) -> None:
        run = self._children.run(number)
        if run is not None:
            self._children.release(number, self._refusal(run.term))

    def _spawn(self, order: say.Spawn, descriptors: list[int]) -> None:
        refusal = self._refusal(order.term)
        if refusal is not None:
            self._children.refuse(order, "term", 0, f"not started: {refusal}")
        elif len(descriptors) not in _SPAWN_DESCRIPTORS:
            self._children.refuse(order, "output", 0, "stdout and stderr did not come with the order")
        elif not order.argv:
            self._children.refuse(order, "exec", 0, "the command is empty")
        else:
            self._undos.entered(order.term)
            self._children.spawn(order, *descriptors)

    # --- terms -------------------------------------------------------------------------------------------------------

    def _arm(self, order: say.Arm) -> None:
        self._terms.arm(order)
        struck = self._strike()
        now = boottime()
        if self._terms.refusal(order.term, now) is None:
            self.tell(say.Armed(term=order.term))
        elif order.term not in struck:  # struck before, and that stands: say it again, for this is the answer
            self.tell(say.Struck(term=order.term, late_seconds=max(0.0, now - self._terms.kill_by(order.term))))

    def _disarm(self, term: str) -> None:
        self._children.reap()
        self._children.settle()
        runs = self._children.of_term(term)
        if not runs:
            self._disarmed(term)
            return
        # A run counts until its emptiness is proven, even in the instant when nobody can be named.
        names = self._children.names(runs) or tuple(f"run {run}, not yet proven empty" for run in sorted(runs))
        shown = names[:MOST_BLOCKERS]
        if len(names) > len(shown):
            shown = (*shown, f"{len(names) - len(shown)} more")
        self.tell(say.DisarmRefused(term=term, blockers=shown))

    def _vacate(self, term: str) -> None:
        if self._children.of_term(term):
            self._vacating.add(term)
        else:
            self._disarmed(term)

    def _see_vacated(self) -> None:
        """Terms that are to end, and are empty now: who waits for it need not ask."""
        for term in self._children.emptied_terms() & self._vacating:
            self._disarmed(term)

    def _disarmed(self, term: str) -> None:
        self._vacating.discard(term)
        self._children.close_sockets(term=term)
        self._terms.disarm(term, boottime())
        self._undos.forget(term)
        self.tell(say.Disarmed(term=term))

    def _strike(self) -> set[str]:
        """Kill the terms that are past their kill-by, return them, and be called again at the next."""
        struck = self._terms.strike(boottime())
        for term, late in struck:
            self._children.kill(self._children.of_term(term))
            self._children.close_sockets(term=term)
            self.tell(say.Struck(term=term, late_seconds=late))
        # An alarm is never put off: one that comes too early, because its lease was extended, finds the next.
        due = self._terms.next_kill_by()
        if due is not None and (self._next_strike is None or due < self._next_strike):
            self._next_strike = due
            self._loop.at(due, self._strike_alarm)
        return {term for term, _ in struck}

    def _strike_alarm(self) -> None:
        self._next_strike = None
        self._strike()

    # --- the process -------------------------------------------------------------------------------------------------

    def _wake_on_signals(self) -> None:
        """SIGCHLD wakes the loop; the others are for the daemon, which decides. SIGUSR1: a successor waits for our end."""
        read_fd, write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        for signo in HANDLED_SIGNALS:
            signal.signal(signo, _ignore)
            signal.siginterrupt(signo, False)  # noqa: FBT003 # its own signature
        signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
        self._loop.watch(read_fd, select.POLLIN, self._signalled)

    def _signalled(self, read_fd: int) -> None:
        with suppress(BlockingIOError):
            if signal.SIGUSR1 in os.read(read_fd, 4096) and self._farewell is not None:
                self._farewell.hurry()

    def _isolate(self, kept_fd: int) -> None:
        """In a forked helper: ordinary priority, default signals, none of the guardian's descriptors."""
        self._inherited.restore(HANDLED_SIGNALS)
        for name in os.listdir("/proc/self/fd"):
            if int(name) > 2 and int(name) != kept_fd:
                with suppress(OSError):
                    os.close(int(name))


def _ignore(_signo: int, _frame: object) -> None:
    """Handled, not ignored: exec resets handlers, and an ignored SIGTERM would be ignored by every child."""


def _pidfd_of_peer(sock: socket.socket) -> int | None:
    """The daemon: who made the socketpair. None when it is gone already, which the socket will tell."""
    pid, _, _ = _PEER_CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size))
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return None
    if os.getppid() != pid:  # not our parent (any more): the pid may be someone else's by now
        os.close(fd)
        return None
    return fd
