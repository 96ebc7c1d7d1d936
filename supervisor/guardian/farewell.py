"""What the guardian does when the daemon is dead.

Promises, in this order and each as soon as it can be:
1. every run gets its stop signals, except those marked ``last``; SIGKILL follows after the run's own stop timeout, or at
   its term's kill-by, whichever is earlier;
2. when nothing of a term is left, its hook ``demoted`` is run, if it has one (``undo``);
   when every run of a term is proven empty, and not before, its record says *stopped* and its key goes in the same
   transaction; when that is so of every term under a lease, the lease goes: a process that will not die keeps both, until
   the lease ends by itself;
3. when nothing is left to revoke and all other runs are empty, the ``last`` runs (the local etcd) are stopped;
4. when these are empty, too, it is over.
Does not: revoke anything itself. A forked helper does, while the killing goes on here.
"""

import os
import sys
from collections.abc import Callable

from supervisor.guardian.children import Children
from supervisor.guardian.linux import boottime, die_with_parent, set_name
from supervisor.guardian.loop import Loop
from supervisor.guardian.protocol import Store
from supervisor.guardian.run import Run
from supervisor.guardian.terms import Terms
from supervisor.guardian.undo import Undos


class Farewell:
    """Begun once, and then advanced at the end of every turn until it is over."""

    def __init__(
        self,
        *,
        children: Children,
        terms: Terms,
        undos: Undos,
        loop: Loop,
        store: Store | None,
        isolate: Callable[[int], None],
    ) -> None:
        """``isolate`` is called in the helper with the only descriptor it is to keep."""
        self._children = children
        self._terms = terms
        self._undos = undos
        self._loop = loop
        self._isolate = isolate
        self._orders_fd = -1
        self._helper = 0
        self._leases = terms.leases(boottime())
        endings = (term for lease in self._leases for term in terms.endings(lease, boottime()))
        self._endings = {term.term: term for term in endings}
        self._open = set(self._endings)
        self._last_stopped = False
        self.over = False
        for run in children.runs():
            if not run.stop.last:
                self._stop(run)
        if store is not None and store.endpoints and self._leases:
            self._start_helper(store)
        for deadline in self._leases.values():
            loop.at(deadline, _wake)

    def advance(self) -> None:
        """Whatever has become possible."""
        # Nobody is left whom a stop signal would reach: what such a run still holds is killed, as the daemon would.
        stopping = {run.number for run in self._children.runs() if not run.stop.last or self._last_stopped}
        self._children.kill(self._children.headless() & stopping)
        self._undos.advance(self._children, self._terms, self._loop)
        if self._orders_fd >= 0:
            self._revoke_what_is_free()
        if self._helper and self._children.helper_ended(self._helper):
            self._helper = 0
        runs = self._children.runs()
        if self._helper or any(not run.stop.last for run in runs):
            return
        if not self._last_stopped:
            self._last_stopped = True
            for run in runs:
                self._stop(run)
        self.over = not runs

    def hurry(self) -> None:
        """A successor waits: SIGKILL instead of patience."""
        self._children.kill({run.number for run in self._children.runs() if not run.stop.last or self._last_stopped})

    def _stop(self, run: Run) -> None:
        if self._children.is_held(run.number):
            self._children.kill({run.number})
            return
        stop = run.stop
        self._children.signal(run.number, stop.signal, stop.to)
        for signo, seconds in stop.then:
            self._signal_later(run, signo, seconds)
        kill_at = boottime() + stop.timeout_seconds
        reserve = self._undos.reserve_seconds(run.term)
        if reserve and run.term is not None:
            kill_at = min(kill_at, self._terms.kill_by(run.term) - reserve)
        self._loop.at(kill_at, lambda: self._children.kill({run.number}))

    def _signal_later(self, run: Run, signo: int, seconds: float) -> None:
        self._loop.at(boottime() + seconds, lambda: self._children.signal(run.number, signo, run.stop.to))

    def _revoke_what_is_free(self) -> None:
        now = boottime()
        alive = {run.term for run in self._children.runs() if run.term is not None}
        for term in sorted(self._open - alive):
            self._open.discard(term)
            self._say(f"term {term}")
        held = {self._terms.lease_of(term) for term in alive}
        for lease, deadline in list(self._leases.items()):
            if deadline <= now:
                del self._leases[lease]
            elif lease not in held:
                del self._leases[lease]
                self._say(f"lease {lease} {deadline!r}")
        if not self._leases:
            os.close(self._orders_fd)
            self._orders_fd = -1

    def _say(self, line: str) -> None:
        try:
            os.write(self._orders_fd, f"{line}\n".encode(errors="replace"))
        except OSError:
            return  # the helper died, or its pipe is full of orders it does not take: the deadline will do

    def _start_helper(self, store: Store) -> None:
        """Now, while the processes are still stopping: imports, connections and logins are then behind us."""
        orders_fd, self._orders_fd = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._orders_fd, False)
        guardian = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            os.close(orders_fd)
            os.close(self._orders_fd)
            self._orders_fd = -1
            return
        if pid == 0:
            try:
                die_with_parent(guardian)
                set_name("sv-revoke")
                self._isolate(orders_fd)
                if not any(endpoint.startswith(("https:", "unixs:")) for endpoint in store.endpoints):
                    # http.client imports ssl if it is there: 10 ms before a lease can be revoked that needs none.
                    sys.modules["ssl"] = None  # type: ignore[assignment] # documented: "not there"
                from supervisor.guardian.revoke import run_helper  # noqa: PLC0415 # http.client costs the guardian 7 MB

                run_helper(store, self._endings, orders_fd)
            finally:
                os._exit(1)
        os.close(orders_fd)
        self._helper = pid
        self._children.adopt_helper(pid)


def _wake() -> None:
    """Only to have the loop turn."""
