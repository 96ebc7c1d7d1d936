"""Requests to nodes, kept in etcd below ``<namespace>.ctl/`` so that they outlive who made them and who is to follow them.

    switchover/<election>    hand the election over: to whom, when, and what became of it
    pause, pause/<election>  nobody moves: no term begins, and none is given up willingly
    drain/<node>             that node leads nothing

JSON objects, version 1. Readers must expect anything: whoever may write to the range can write nonsense, and what cannot be
understood asks for nothing. Promises: pure. Does not: judge what follows (``handover``, ``election``, ``standing`` do).
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from supervisor.core.evolve import replace
from supervisor.core.names import EPOCH, ElectionName, Instant, LeaseId, NodeName, Token
from supervisor.core.request_events import Entry

VERSION = 1
FLEET = ElectionName("")
"""In place of an election: all of them."""
LOOK_AT_DATE_SECONDS = 60.0
"""While a request waits for a date: the wall clock may be set meanwhile."""


class Stage(StrEnum):
    """How far a switchover has come."""

    ASKED = "asked"
    ACCEPTED = "accepted"
    """The leader is handing over."""
    DONE = "done"
    REFUSED = "refused"
    """Nothing was touched."""
    ABORTED = "aborted"
    """Begun, and come to nothing: the old leader leads on, under the same token."""


OPEN = frozenset({Stage.ASKED, Stage.ACCEPTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Switchover:
    """A request to hand an election over."""

    id: str
    to: NodeName
    """Empty: to the next that is healthy."""
    at: float | None
    """Date, in seconds of the wall clock; None: at once."""
    until: float
    """Past this date it is nobody's wish any more."""
    by: str
    """Who asked, for people."""
    stage: Stage = Stage.ASKED
    why: str = ""
    """Why it was refused or aborted."""
    node: str = ""
    """Who answered."""
    token: int = 0
    """Of the term that follows, when it is done."""
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Nobody moves."""

    by: str
    since: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """A node that is to lead nothing."""

    by: str
    since: str
    followers_stop: bool = False
    """Its follower processes end, too."""
    force: bool = False
    """It gives up also what nobody else can lead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """All that is asked of the nodes of one namespace."""

    known: bool = False
    """They have been seen, or cannot be: before, no node stands, since it may be drained."""
    problem: str = ""
    """Why they cannot be seen."""
    switchovers: Mapping[ElectionName, Switchover] = field(default_factory=dict)
    pauses: Mapping[ElectionName, Pause] = field(default_factory=dict)
    """By election; ``FLEET`` for all."""
    drains: Mapping[NodeName, Drain] = field(default_factory=dict)
    offset_seconds: float = 0.0
    """Date less CLOCK_BOOTTIME, as last seen."""
    dated_at: Instant = EPOCH
    """When that was."""
    asked_date: bool = False

    def paused(self, election: ElectionName) -> Pause | None:
        """Why nobody moves in an election; None when they may."""
        return self.pauses.get(FLEET) or self.pauses.get(election)

    def date(self, now: Instant) -> float:
        """The wall clock, as far as is known."""
        return now + self.offset_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """A term that is being handed over, from the first question after the next leader to the deletion of our key."""

    node: str
    lease: LeaseId
    token: Token
    """Create revision of its key."""
    cause: str
    request: Switchover | None = None
    """None: nobody's but our own wish (a drain, a priority)."""
    by: Instant = EPOCH
    """Without an answer about its lease by then it comes to nothing."""


def read(entries: Iterable[Entry], before: Requests) -> Requests:
    """What the keys ask for."""
    switchovers: dict[ElectionName, Switchover] = {}
    pauses: dict[ElectionName, Pause] = {}
    drains: dict[NodeName, Drain] = {}
    for entry in entries:
        kind, _, subject = entry.path.partition("/")
        fields = _fields(entry.value)
        if fields is None:
            continue
        by, since = _text(fields.get("by")), _text(fields.get("since"))
        match kind:
            case "switchover" if subject:
                found = _switchover(fields, entry.revision)
                if found is not None:
                    switchovers[ElectionName(subject)] = found
            case "pause":
                pauses[ElectionName(subject)] = Pause(by=by, since=since)
            case "drain" if subject:
                stop, force = fields.get("followers") == "stop", fields.get("force") is True
                drains[NodeName(subject)] = Drain(by=by, since=since, followers_stop=stop, force=force)
            case _:
                pass
    return replace(before, known=True, problem="", switchovers=switchovers, pauses=pauses, drains=drains)


def date_due(known: Requests) -> Instant | None:
    """When to look at the wall clock next; None: nothing waits for a date."""
    waiting = [
        s.at
        for s in known.switchovers.values()
        if s.stage is Stage.ASKED and s.at is not None and s.at > known.date(known.dated_at)
    ]
    if not waiting or known.asked_date:
        return None
    return Instant(min(min(waiting) - known.offset_seconds, known.dated_at + LOOK_AT_DATE_SECONDS))


def written(s: Switchover) -> bytes:
    """A switchover as it stands in etcd."""
    fields: dict[str, object] = {
        "v": VERSION,
        "id": s.id,
        "by": s.by,
        "until": in_words(s.until),
        "stage": s.stage.value,
    }
    optional = {"to": s.to, "why": s.why[:300], "node": s.node, "token": s.token}
    fields.update({name: value for name, value in optional.items() if value})
    if s.at is not None:
        fields["at"] = in_words(s.at)
    return _encoded(fields)


def paused_now(by: str, date: float) -> bytes:
    """The value of a pause."""
    return _encoded({"v": VERSION, "by": by, "since": in_words(date)})


def drained_now(by: str, date: float, *, followers_stop: bool, force: bool) -> bytes:
    """The value of a drain."""
    followers = "stop" if followers_stop else "go on"
    return _encoded({"v": VERSION, "by": by, "since": in_words(date), "followers": followers, "force": force})


def switchover_path(election: ElectionName) -> str:
    """Where a switchover is asked for."""
    return f"switchover/{election}"


def pause_path(election: ElectionName) -> str:
    """Where a pause stands."""
    return f"pause/{election}" if election else "pause"


def drain_path(node: NodeName) -> str:
    """Where a drain stands."""
    return f"drain/{node}"


def in_words(date: float) -> str:
    """A date as people and JSON write it, UTC, to the second, rounded up: never before it was meant."""
    return datetime.fromtimestamp(math.ceil(date), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _switchover(fields: dict[str, object], revision: int) -> Switchover | None:
    stage, until = _text(fields.get("stage")), _date(fields.get("until"))
    at = _date(fields.get("at"))
    token = fields.get("token")
    if until is None or stage not in set(Stage) or ("at" in fields and at is None) or not _text(fields.get("id")):
        return None
    return Switchover(
        id=_text(fields.get("id")),
        to=NodeName(_text(fields.get("to"))),
        at=at,
        until=until,
        by=_text(fields.get("by")),
        stage=Stage(stage),
        why=_text(fields.get("why")),
        node=_text(fields.get("node")),
        token=token if isinstance(token, int) else 0,
        revision=revision,
    )


def _fields(value: bytes) -> dict[str, object] | None:
    try:
        fields = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _text(value: object) -> str:
    return "".join(c for c in value[:300] if c.isprintable()) if isinstance(value, str) else ""


def _date(value: object) -> float | None:
    try:
        found = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return found.timestamp() if found.tzinfo is not None else None


def _encoded(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")
