"""What happens to leaders by somebody's wish: pauses, drains, switchovers and handovers, as turns that may be worth telling.

Part of ``happenings``, which gives them their time and words. Promises: pure; one turn for each that is seen.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from supervisor.core import requests
from supervisor.core.kinds import Kind
from supervisor.core.requests import Stage, Switchover
from supervisor.core.state import Election, State

TAKEN_BACK = "taken back"
"""A stage of a switchover, beside those of ``requests.Stage``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One of them."""

    kind: Kind
    election: str = ""
    """Empty: it concerns the fleet, or a node."""
    token: int | None = None
    facts: Mapping[str, str | int] = field(default_factory=dict)


def of_requests(before: State, after: State) -> Iterator[Turn]:
    """What is asked of nodes, when it changes."""
    was, now = before.requests, after.requests
    if was is now:
        return
    for name in sorted({*was.pauses, *now.pauses}):
        if name in now.pauses and name not in was.pauses:
            yield Turn(
                kind=Kind.PAUSED, election=name, facts={"by": now.pauses[name].by, "since": now.pauses[name].since}
            )
        elif name not in now.pauses:
            yield Turn(kind=Kind.RESUMED, election=name)
    for node in sorted({*was.drains, *now.drains}):
        if node in now.drains and node not in was.drains:
            drain = now.drains[node]
            yield Turn(kind=Kind.DRAINED, facts={"drained": node, "by": drain.by, "since": drain.since})
        elif node not in now.drains:
            yield Turn(kind=Kind.UNDRAINED, facts={"drained": node})
    for name in sorted({*was.switchovers, *now.switchovers}):
        if name in after.elections:
            yield from _switchover(name, was.switchovers.get(name), now.switchovers.get(name))


def of_election(was: Election, e: Election) -> Iterator[Turn]:
    """A handover that begins or comes to nothing; a first candidate that takes no office."""
    name = e.spec.name
    if e.handover is not None and was.handover is None:
        facts = {"to": e.handover.node, "why": e.handover.cause}
        yield Turn(kind=Kind.HANDING_OVER, election=name, token=e.create_revision, facts=facts)
    elif failed(was, e) and was.handover is not None:
        facts = {"to": was.handover.node, "why": e.unmoved}
        yield Turn(kind=Kind.HANDOVER_FAILED, election=name, token=e.create_revision, facts=facts)
    if e.withheld and was.withheld != e.withheld:
        yield Turn(kind=Kind.WITHHELD, election=name, facts={"why": e.withheld})


def failed(was: Election, e: Election) -> bool:
    """Whether a handover has just come to nothing."""
    return was.handover is not None and e.handover is None and bool(e.unmoved) and e.move_hold != was.move_hold


def _switchover(name: str, was: Switchover | None, now: Switchover | None) -> Iterator[Turn]:
    if now is None:
        if was is not None and was.stage is Stage.ASKED:
            yield Turn(kind=Kind.SWITCHOVER, election=name, facts={"stage": TAKEN_BACK, "to": was.to, "by": was.by})
        return
    if was is not None and (was.id, was.stage) == (now.id, now.stage):
        return
    facts: dict[str, str | int] = {"stage": now.stage.value, "to": now.to, "by": now.by}
    if now.at is not None:
        facts["at"] = requests.in_words(now.at)
    optional: dict[str, str | int] = {"from": now.node, "why": now.why, "new_token": now.token}
    yield Turn(
        kind=Kind.SWITCHOVER, election=name, facts=facts | {key: value for key, value in optional.items() if value}
    )
