"""Deeds that move leaders about, or have nobody move: switchover, pause and resume, drain and undrain."""

from collections.abc import Iterable, Iterator
from typing import Final

from supervisor.cli.live.deeds import ELECTION, NODE, WAIT_SECONDS, Deed, Subject, Told
from supervisor.control import views
from supervisor.control.client import Client

DRAIN_SECONDS: Final = 120.0
PAUSE_SECONDS: Final = 15.0
_FINE: Final = frozenset({"done", "already", "scheduled"})


def _told(progress: Iterable[views.Progress]) -> Iterator[Told]:
    for one in progress:
        yield Told(text=one.text, good=one.outcome in _FINE if one.outcome else None)


def is_paused(status: views.Status) -> bool:
    """Whether the whole fleet is."""
    return any(r.subject == "fleet" and r.text.startswith("PAUSED") for r in status.reasons)


# --- switchover ----------------------------------------------------------------------------------------------------


def targets(subject: Subject) -> tuple[tuple[str, str, str], ...]:
    """Whom the election could be handed over to: the node, how it is shown, and why it cannot be (empty: it can)."""
    if subject.queue is None:
        return ()
    found = [(c.node, _shown(c), _unfit(c)) for c in subject.queue.candidates[1:]]
    anybody = "" if any(not why for _, _, why in found) else "(there is none)"
    return (("", "the next healthy candidate", anybody), *found)


def _shown(c: views.Standing) -> str:
    words = [c.node or "foreign", f"#{c.position} in the queue"]
    words += [c.health] if c.health else []
    words += [f"priority {c.priority}"] if c.priority else []
    return ", ".join(words) + (", this node" if c.ours else "")


def _unfit(c: views.Standing) -> str:
    if not c.node:
        return f"(another program's candidate: {c.key})"
    if c.state != "candidate":
        return f"(it is {c.state or 'nothing that is known'})"
    return "" if c.health == "healthy" else "(not healthy)"


def _switchover_hindrance(subject: Subject) -> str:
    e = subject.e
    if e.paused:
        return f"{e.name} is paused {e.paused}: nobody moves"
    if e.switchover:
        return f"a switchover is under way: {e.switchover}"
    if e.leader.foreign:
        return f"{e.name} is led by another program, which hands nothing over"
    return ""


def _switchover_warning(subject: Subject) -> str:
    e = subject.e
    leader = e.leader.words if e.leader.state == views.KNOWN else "whoever leads"
    target = subject.target or "the next healthy candidate"
    return (
        f"{leader} makes sure that {target} is a healthy candidate and alive, stops the leader processes of {e.name}, proves them "
        f"gone, and hands its place over to that node and to nobody else. Nobody runs them in between.\n\nIf {target} goes missing "
        f"meanwhile, {leader} leads on with the same token."
    )


def _switchover(client: Client, subject: Subject) -> Iterator[Told]:
    return _told(client.switchover(subject.e.name, to=subject.target, wait_seconds=WAIT_SECONDS))


# --- pause ---------------------------------------------------------------------------------------------------------

_PAUSED: Final = (
    "Leaders lead on and keep their leases. Nobody moves: no switchover, resignation, drain or takeover, and A LEADER THAT IS LOST IS "
    "NOT REPLACED until the pause is ended. It outlives every daemon."
)


def _pause_warning(subject: Subject) -> str:
    return f"{subject.e.name} is paused, on every node. {_PAUSED}"


def _pause(client: Client, subject: Subject) -> Iterator[Told]:
    return _told(client.pause(subject.e.name, wait_seconds=PAUSE_SECONDS))


def _resume_hindrance(subject: Subject) -> str:
    return "the whole fleet is paused, not this election alone: F ends that" if is_paused(subject.status) else ""


def _resume_warning(subject: Subject) -> str:
    e = subject.e
    return f"The pause of {e.name} ({e.paused}) ends: leaders may move, and whoever is first in the queue may lead at once."


def _resume(client: Client, subject: Subject) -> Iterator[Told]:
    return _told(client.pause(subject.e.name, resume=True, wait_seconds=PAUSE_SECONDS))


def _pause_fleet_warning(_subject: Subject) -> str:
    return f"EVERY ELECTION of this namespace is paused, on every node. {_PAUSED}"


def _pause_fleet(client: Client, _subject: Subject) -> Iterator[Told]:
    return _told(client.pause("", wait_seconds=PAUSE_SECONDS))


def _resume_fleet_warning(_subject: Subject) -> str:
    return "The pause of the fleet ends: leaders may move, and whoever is first in a queue may lead at once."


def _resume_fleet(client: Client, _subject: Subject) -> Iterator[Told]:
    return _told(client.pause("", resume=True, wait_seconds=PAUSE_SECONDS))


# --- drain ---------------------------------------------------------------------------------------------------------


def _no_etcd(subject: Subject) -> str:
    return "" if subject.status.store.used else "this node stands for no election"


def _drain_hindrance(subject: Subject) -> str:
    if is_paused(subject.status):
        return "the fleet is paused: nobody moves; F ends that"
    return _no_etcd(subject)


def _drain_warning(subject: Subject) -> str:
    led = [e.name for e in subject.status.elections if e.role == "leader"]
    what = f"hands over what it leads ({', '.join(led)})" if led else "leads nothing now"
    return (
        f"{subject.node} {what}, stands for no election, and stays so until it is undrained, restarts included. Follower processes "
        f"stay. Refused where nobody else could lead (`supervisor drain --force` does it all the same)."
    )


def _drain(client: Client, _subject: Subject) -> Iterator[Told]:
    return _told(client.drain("", wait_seconds=DRAIN_SECONDS))


def _undrain_warning(subject: Subject) -> str:
    return f"{subject.node} (drained {subject.status.daemon.drained}) stands again for its elections, and may lead."


def _undrain(client: Client, _subject: Subject) -> Iterator[Told]:
    return _told(client.drain("", undrain=True, wait_seconds=PAUSE_SECONDS))


ELECTION_MOVES: Final = (
    Deed(
        key="S",
        name="switchover",
        on=ELECTION,
        help="hand the election over to a node of your choice",
        hindrance=_switchover_hindrance,
        warning=_switchover_warning,
        perform=_switchover,
        asks_queue=True,
        asks_target=True,
    ),
    Deed(
        key="P",
        name="pause",
        on=ELECTION,
        help="nobody moves in the election",
        applies=lambda subject: not subject.e.paused,
        warning=_pause_warning,
        perform=_pause,
    ),
    Deed(
        key="P",
        name="resume",
        on=ELECTION,
        help="end its pause",
        applies=lambda subject: bool(subject.e.paused),
        hindrance=_resume_hindrance,
        warning=_resume_warning,
        perform=_resume,
    ),
)
NODE_MOVES: Final = (
    Deed(
        key="D",
        name="drain",
        on=NODE,
        help="this node leads nothing, and hands over what it leads",
        applies=lambda subject: not subject.status.daemon.drained,
        hindrance=_drain_hindrance,
        warning=_drain_warning,
        perform=_drain,
    ),
    Deed(
        key="D",
        name="undrain",
        on=NODE,
        help="this node stands again",
        applies=lambda subject: bool(subject.status.daemon.drained),
        warning=_undrain_warning,
        perform=_undrain,
    ),
    Deed(
        key="F",
        name="pause all",
        on=NODE,
        help="nobody moves in any election",
        applies=lambda subject: not is_paused(subject.status),
        hindrance=_no_etcd,
        warning=_pause_fleet_warning,
        perform=_pause_fleet,
    ),
    Deed(
        key="F",
        name="resume all",
        on=NODE,
        help="end the pause of the fleet",
        applies=lambda subject: is_paused(subject.status),
        warning=_resume_fleet_warning,
        perform=_resume_fleet,
    ),
)
