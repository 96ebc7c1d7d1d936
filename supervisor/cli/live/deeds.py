"""What the keys do to elections, processes and this node: one row each, and nothing about screens.

A deed says why it cannot be done just now, what will happen if it is, and does it. Here are those of one node alone; ``moves`` has
those that move leaders about, ``keys`` the whole list, of which the footer, the help and the confirmations are made. Promises: a deed asks the daemon as the verb of its name does, and tells what
the daemon answered. Does not: judge: what the daemon would refuse beyond what can be seen, it refuses when asked.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from supervisor.control import views
from supervisor.control.client import Client
from supervisor.control.words import duration

WAIT_SECONDS: Final = 60.0
ELECTION, PROCESS, NODE = "election", "process", "node"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a deed would be done to: what is selected, as last heard."""

    status: views.Status
    election: views.Election | None = None
    process: views.Process | None = None
    queue: views.Queue | None = None
    """Who stands for the election; where the deed asks for it."""
    target: str = ""
    """The node that was chosen; empty: any."""

    @property
    def node(self) -> str:
        """Of the daemon."""
        return self.status.daemon.node

    @property
    def e(self) -> views.Election:
        """The election, which there is."""
        assert self.election is not None
        return self.election

    @property
    def p(self) -> views.Process:
        """The process, which there is."""
        assert self.process is not None
        return self.process

    def others(self) -> tuple[views.Standing, ...]:
        """Who stands beside this node, in the order of the queue."""
        return () if self.queue is None else tuple(c for c in self.queue.candidates if not c.ours)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How it goes; at last ``good`` says how it went."""

    text: str
    good: bool | None = None


Perform = Callable[[Client, Subject], Iterator[Told]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One thing that can be done."""

    key: str
    name: str
    """The verb: ``resign``."""
    on: str
    help: str
    """Completes "KEY  ..." in the help."""
    applies: Callable[[Subject], bool] = lambda _: True
    """Which of two deeds with one key is meant: pause or resume."""
    hindrance: Callable[[Subject], str] = lambda _: ""
    """Why it cannot be done now; empty when it can."""
    warning: Callable[[Subject], str]
    """What will happen."""
    perform: Perform
    asks_queue: bool = False
    asks_target: bool = False

    def title(self, subject: Subject) -> str:
        """``resign billing``."""
        match self.on:
            case "election":
                return f"{self.name} {subject.e.name}"
            case "process":
                return f"{self.name} {subject.p.name}"
            case _:
                return self.name


def hindrance(deed: Deed, subject: Subject, *, allowed: views.Allowed | None, silent: str) -> str:
    """Why a deed cannot be done now, whatever it is; empty when it can."""
    if silent:
        return f"the supervisor cannot be asked now: {silent}"
    if allowed is not None and not allowed.control:
        return allowed.reason
    if deed.on == ELECTION and subject.election is None:
        return "no election is selected"
    if deed.on == PROCESS and subject.process is None:
        return "no process is selected"
    return deed.hindrance(subject)


def has_subject(deed: Deed, subject: Subject) -> bool:
    """Whether what it would be done to is there."""
    return {ELECTION: subject.election, PROCESS: subject.process}.get(deed.on, subject) is not None


# --- elections -----------------------------------------------------------------------------------------------------


def leads(subject: Subject) -> str:
    """Why the lead of an election cannot be given up here."""
    e = subject.e
    if e.paused:
        return f"{e.name} is paused {e.paused}: nobody moves"
    if e.role == "leader":
        return ""
    who = f"{e.leader.words} leads" if e.leader.state == views.KNOWN else f"the leader is {e.leader.words}"
    return f"this node does not lead {e.name}: {who}"


def _running(subject: Subject) -> str:
    alive = [p for p in subject.status.processes if p.election == subject.e.name and p.role == "leader" and p.pid]
    if not alive:
        return "No leader process runs"
    names = ", ".join(p.name.partition("/")[2] for p in alive)
    return f"Its leader process{'es' if len(alive) > 1 else ''} here ({names}) will be stopped and proven gone"


def _next(subject: Subject) -> str:
    others = subject.others()
    if subject.queue is None or subject.queue.age_seconds is None:
        return "Who is next in the queue is not known."
    if not others:
        return "NOBODY ELSE STANDS FOR IT: nobody leads until this node has entered the queue again."
    first = others[0]
    health = f" ({first.health})" if first.health else ""
    return f"Next in the queue is {first.node or 'another program'}{health}."


def _resign_warning(subject: Subject) -> str:
    token = f" (token {subject.e.token})" if subject.e.token is not None else ""
    return (
        f"{subject.node} gives up the lead of {subject.e.name}{token}. {_running(subject)}; then its key is deleted, and the next "
        f"in the queue leads. Nobody runs them in between. {subject.node} queues again at the end.\n\n{_next(subject)}"
    )


def _resign(client: Client, subject: Subject) -> Iterator[Told]:
    name = subject.e.name
    yield Told(text="its processes are being stopped")
    found = client.resign(name, WAIT_SECONDS)
    match found.outcome:
        case "resigned":
            yield Told(text=f"resigned (token {found.token}); {_led_by(found.leader)}", good=True)
        case "not-held":
            yield Told(text=f"this node does not lead it; {_led_by(found.leader)}", good=False)
        case "timed-out":
            waits = f", waiting for {found.waiting_for}" if found.waiting_for else ""
            yield Told(text=f"not resigned within {WAIT_SECONDS:g}s, still at it{waits}", good=False)
        case other:
            yield Told(text=f"not resigned: {other}", good=False)


def _led_by(leader: views.Leader) -> str:
    if leader.state == views.KNOWN:
        return f"{leader.words} leads (token {leader.token})"
    return "nobody leads yet" if leader.state == views.NONE else f"the leader is {leader.words}"


# --- processes -----------------------------------------------------------------------------------------------------


def _wanted(subject: Subject) -> str:
    p = subject.p
    return "" if p.wanted else f"this node does not run {p.name} now: it is a {p.role} process"


def _restart_hindrance(subject: Subject) -> str:
    if subject.p.halted:
        return f"{subject.p.name} was stopped by an operator: start it (s)"
    return _wanted(subject)


def _restart_warning(subject: Subject) -> str:
    p = subject.p
    term = " The term and its token stay." if p.role == "leader" else ""
    runs = f"{p.name} (pid {p.pid}, up {duration(p.uptime_seconds or 0)})" if p.pid else p.name
    return f"{runs} is stopped, proven gone, and started with a fresh restart budget.{term} Nobody runs it in between."


def _start_hindrance(subject: Subject) -> str:
    p = subject.p
    if not p.halted and p.phase != "gave-up":
        return f"{p.name} is neither stopped by an operator nor given up"
    return ""


def _start_warning(subject: Subject) -> str:
    p = subject.p
    lifted = "the operator's stop" if p.halted else "its give-up"
    then = "It is started now." if p.wanted else "This node does not run it now; it will when it is wanted here."
    return f"{p.name}: {lifted} is lifted, and its restart budget is fresh. {then}"


def _stop_hindrance(subject: Subject) -> str:
    p = subject.p
    return f"{p.name} is stopped already" if p.halted and p.pid is None else ""


def _stop_warning(subject: Subject) -> str:
    p = subject.p
    runs = f" (pid {p.pid})" if p.pid else ""
    leading = p.role == "leader" and p.wanted
    term = " THIS NODE GOES ON LEADING WITHOUT IT: nobody runs it, here or elsewhere." if leading else ""
    return f"{p.name}{runs} is stopped, and stays so on this node until somebody starts it (s).{term}"


_Ended: TypeAlias = views.Restarted | views.Started | views.Stopped


def _waited(
    words: str, call: Callable[[Client], Callable[[str, float], _Ended]]
) -> Callable[[Client, Subject], Iterator[Told]]:
    """What a call does to a process, told of before and after."""

    def perform(client: Client, subject: Subject) -> Iterator[Told]:
        yield Told(text=words)
        yield _outcome(call(client)(subject.p.name, WAIT_SECONDS))

    return perform


_GOOD: Final = frozenset({"restarted", "started", "stopped", "already"})
_IN_WORDS: Final = {
    "already": "nothing was to do",
    "failed": "it ended again",
    "timed-out": f"not done within {WAIT_SECONDS:g}s, still at it",
    "not-wanted": "this node does not run it now",
    "refused": "refused: the supervisor needs it",
}


def _outcome(found: _Ended) -> Told:
    p = found.process
    words = _IN_WORDS.get(found.outcome, found.outcome)
    if found.outcome == "failed" and p.last_exit:
        words = f"{words}: {p.last_exit}"
    pid = f" (pid {p.pid})" if p.pid is not None and found.outcome in _GOOD else ""
    return Told(text=words + pid, good=found.outcome in _GOOD)


RESIGN: Final = Deed(
    key="R",
    name="resign",
    on=ELECTION,
    help="give up its lead; the next in the queue leads",
    hindrance=leads,
    warning=_resign_warning,
    perform=_resign,
    asks_queue=True,
)
PROCESS_DEEDS: Final = (
    Deed(
        key="r",
        name="restart",
        on=PROCESS,
        help="stop and start the process, with a fresh restart budget",
        hindrance=_restart_hindrance,
        warning=_restart_warning,
        perform=_waited("being stopped and started", lambda client: client.restart),
    ),
    Deed(
        key="s",
        name="start",
        on=PROCESS,
        help="start a process that an operator stopped or that gave up",
        hindrance=_start_hindrance,
        warning=_start_warning,
        perform=_waited("being started", lambda client: client.start),
    ),
    Deed(
        key="x",
        name="stop",
        on=PROCESS,
        help="stop the process, until somebody starts it",
        hindrance=_stop_hindrance,
        warning=_stop_warning,
        perform=_waited("being stopped", lambda client: client.stop),
    ),
)
