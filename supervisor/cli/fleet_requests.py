"""What is asked of nodes, as ``status --fleet`` shows it: pauses, drains, switchovers.

Promises: what nobody wishes any more is not shown. Does not: ask etcd, or judge what follows.
"""

from collections.abc import Iterable, Iterator

from supervisor.cli.sheet import Cell, Tone
from supervisor.cli.text import safe
from supervisor.core import requests
from supervisor.core.names import ElectionName
from supervisor.core.request_events import Entry
from supervisor.core.requests import OPEN, Requests, Stage, Switchover


def read(entries: Iterable[Entry], *, election: str) -> Requests:
    """All of them; of an election that was named, its own, and what concerns the fleet."""
    found = requests.read(entries, Requests())
    if not election:
        return found
    name = ElectionName(election)
    pauses = {key: pause for key, pause in found.pauses.items() if key in (requests.FLEET, name)}
    switchovers = {key: one for key, one in found.switchovers.items() if key == name}
    return Requests(known=True, pauses=pauses, drains=found.drains, switchovers=switchovers)


def holds(asked: Requests) -> bool:
    """Whether anything keeps leaders from moving, or a node from leading: no state to be left so."""
    return bool(asked.pauses or asked.drains)


def plain(asked: Requests, now: float) -> dict[str, object]:
    """Of ``status --fleet --json``: see docs/status.md."""
    return {
        "pauses": [
            {"election": name or None, "by": pause.by, "since": pause.since} for name, pause in asked.pauses.items()
        ],
        "drains": [{"node": node, "by": drain.by, "since": drain.since} for node, drain in asked.drains.items()],
        "switchovers": [
            {
                "election": name,
                "stage": one.stage.value,
                "to": one.to,
                "at": "" if one.at is None else requests.in_words(one.at),
                "by": one.by,
                "from": one.node,
            }
            for name, one in _under_way(asked, now)
        ],
    }


def remarks(asked: Requests, now: float) -> Iterator[tuple[str, Cell]]:
    """A line for each."""
    for name, pause in asked.pauses.items():
        text = f"PAUSED by {pause.by or 'somebody'} since {pause.since or 'some time'}: nobody moves, and nobody takes over"
        yield safe(name or "fleet"), Cell(safe(text), Tone.BAD)
    for node, drain in asked.drains.items():
        text = f"DRAINED by {drain.by or 'somebody'} since {drain.since or 'some time'}: leads nothing"
        yield safe(node), Cell(safe(text), Tone.WARN)
    for name, one in _under_way(asked, now):
        yield safe(name), Cell(safe(_words(one)), Tone.PLAIN)


def _under_way(asked: Requests, now: float) -> Iterator[tuple[ElectionName, Switchover]]:
    for name, one in asked.switchovers.items():
        if one.stage in OPEN and now < one.until:
            yield name, one


def _words(one: Switchover) -> str:
    whom = one.to or "the next healthy node"
    if one.stage is Stage.ACCEPTED:
        return f"switchover: {one.node} hands over to {whom}"
    when = "" if one.at is None else f" at {requests.in_words(one.at)}"
    return f"switchover: to {whom}{when}, asked for by {one.by or 'somebody'}"
