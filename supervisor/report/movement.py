"""Log lines about pauses, drains and handovers. Part of ``transitions``."""

from collections.abc import Iterator

from supervisor.core import movements, requests
from supervisor.core.requests import Stage, Switchover
from supervisor.core.state import Election, State
from supervisor.report.logline import Level, LogLine


def of_requests(before: State, after: State) -> Iterator[LogLine]:
    """What is asked of nodes, when it changes."""
    was, now = before.requests, after.requests
    if now.problem and now.problem != was.problem:
        text = f"requests to nodes cannot be seen, so no switchover, pause or drain: {now.problem}"
        yield LogLine(level=Level.ERROR, message=text)
    for name in sorted({*was.pauses, *now.pauses}):
        what = "the fleet" if name == requests.FLEET else name
        if name in now.pauses and name not in was.pauses:
            text = f"{what}: PAUSED by {now.pauses[name].by}: nobody moves, and nobody takes over until it is resumed"
            yield LogLine(level=Level.WARN, message=text)
        elif name not in now.pauses:
            yield LogLine(level=Level.WARN, message=f"{what}: resumed: leaders may move again")
    mine, before_mine = now.drains.get(after.node), was.drains.get(after.node)
    if mine is not None and before_mine is None:
        yield LogLine(level=Level.WARN, message=f"drained by {mine.by}: this node leads nothing from now on")
    elif mine is None and before_mine is not None:
        yield LogLine(level=Level.WARN, message="not drained any more: this node stands again")
    for name, asked in now.switchovers.items():
        old = was.switchovers.get(name)
        if name in after.elections and (old is None or (old.id, old.stage) != (asked.id, asked.stage)):
            yield from _switchover(name, asked)
    for name, old in was.switchovers.items():
        if name in after.elections and name not in now.switchovers and old.stage is Stage.ASKED:
            yield LogLine(level=Level.INFO, message=f"{name}: the switchover is taken back")


def _switchover(name: str, asked: Switchover) -> Iterator[LogLine]:
    whom = asked.to or "the next healthy node"
    match asked.stage:
        case Stage.ASKED:
            when = f" at {requests.in_words(asked.at)}" if asked.at is not None else ""
            yield LogLine(level=Level.INFO, message=f"{name}: {asked.by} asks for a switchover to {whom}{when}")
        case Stage.REFUSED | Stage.ABORTED:
            level = Level.WARN
            yield LogLine(
                level=level, message=f"{name}: switchover to {whom} {asked.stage} by {asked.node}: {asked.why}"
            )
        case Stage.DONE:
            text = f"{name}: switchover from {asked.node} to {whom} is done"
            yield LogLine(level=Level.INFO, message=text, fields={"token": asked.token})
        case Stage.ACCEPTED:
            pass  # whoever hands over says so


def of_election(was: Election | None, e: Election) -> Iterator[LogLine]:
    """A handover that begins, comes to nothing; a first candidate that takes no office."""
    if e.handover is not None and (was is None or was.handover is None):
        text = f"{e.spec.name}: hands over to {e.handover.node}: {e.handover.cause}"
        yield LogLine(level=Level.INFO, message=text, fields={"token": e.term.token if e.term else None})
    if was is not None and was.handover is not None and movements.failed(was, e):
        text = f"{e.spec.name}: the handover to {was.handover.node} came to nothing: {e.unmoved}"
        yield LogLine(level=Level.WARN, message=text)
    if e.withheld and (was is None or was.withheld != e.withheld):
        yield LogLine(level=Level.WARN, message=f"{e.spec.name}: first in the queue, but {e.withheld}")
