"""``supervisor status --fleet``: every election of a namespace, from etcd alone, on any machine.

Promises: asks no daemon; what is shown was so at one revision of etcd, which is named with the time it was read; candidates of
other programs are shown as what they are. Does not: repair, or believe what a document says of its leader (the queue says that).
"""

import asyncio
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import click

from supervisor.cli import exits, fleet_requests
from supervisor.cli.etcd_options import chosen_etcd
from supervisor.cli.sheet import NOTHING, Cell, Column, Sheet, Table, Tone
from supervisor.cli.text import as_json, safe
from supervisor.control import documents, views
from supervisor.control.words import duration
from supervisor.core.events import Candidate
from supervisor.core.names import ElectionName
from supervisor.core.requests import Requests
from supervisor.core.spec import EtcdSpec
from supervisor.etcd import errors
from supervisor.etcd.fleet import Fleet, LeaseLeft, read

TIMEOUT_SECONDS: Final = 10.0
FEW: Final = 20
"""As many candidates are shown a line each; more only for an election that was named."""
NAMED: Final = 3
"""So many of those who wait are named in an election's line."""
SHOWN_VALUE: Final = 60

_CODES: Final[tuple[tuple[type[errors.StoreError], int], ...]] = (
    (errors.PermissionDenied, exits.NOT_PERMITTED),
    (errors.AuthFailed, exits.NOT_PERMITTED),
    (errors.FileUnusable, exits.USAGE),
    (errors.StoreError, exits.ETCD_UNREACHABLE),
)
_TONES: Final = {"healthy": Tone.GOOD, "starting": Tone.WARN, "degraded": Tone.BAD, "unhealthy": Tone.BAD}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One candidate. What its document does not say is None or empty."""

    position: int
    node: str
    """Empty: no document of ours, another program's candidate."""
    foreign: bool
    state: str
    health: str
    since: str
    since_seconds: float | None
    """By the clocks of two machines."""
    priority: int | None
    token: int
    """The create revision of its key: the fencing token when it leads."""
    key: str
    lease: str
    lease_seconds_left: int | None
    lease_granted_seconds: int | None
    value: object
    """What it proclaims: the user's own fields; of another program, its whole text."""


_FIELDS: Final = tuple(field.name for field in fields(Standing))


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """One election; the first candidate leads."""

    name: str
    candidates: tuple[Standing, ...]

    @property
    def leader(self) -> Standing | None:
        """The first of the queue."""
        return self.candidates[0] if self.candidates else None


def fleet_status(election: str, *, json_wanted: bool, color: str) -> int:
    """Ask, and show. Raises Failure when etcd cannot be asked."""
    spec = chosen_etcd()
    began = time.time()
    try:
        fleet = asyncio.run(read(spec, election=election, timeout_seconds=TIMEOUT_SECONDS))
    except errors.StoreError as error:
        code = next(code for kind, code in _CODES if isinstance(error, kind))
        raise exits.Failure(f"etcd cannot be asked: {error}", code) from None
    now = time.time()
    many = sum(map(len, fleet.queues.values())) > FEW and not election and not json_wanted
    contests = tuple(
        contest(name, queue[: 1 + NAMED] if many else queue, fleet, now) for name, queue in fleet.queues.items()
    )
    if election and not contests:
        raise exits.Failure(f'no election is named "{election}" below {spec.namespace}', exits.USAGE)
    asked = fleet_requests.read(fleet.requests, election=election)
    if json_wanted:
        # Python indents twenty times slower than it writes: a large answer comes on one line.
        indent = 2 if sum(map(len, fleet.queues.values())) <= FEW else None
        click.echo(as_json(plain(contests, fleet, spec, asked, read_at=began, now=now), indent=indent))
    else:
        from supervisor.cli.render import show  # noqa: PLC0415 # rich, which JSON does without

        show(sheet(contests, fleet, spec, asked, now=now, seconds=now - began, named=bool(election)), sys.stdout, color)
    well = all(c.leader is not None and _leads_well(c.leader) for c in contests) and not fleet.problems
    well = well and not fleet_requests.holds(asked)
    return exits.OK if well else exits.DEGRADED


def _leads_well(leader: Standing) -> bool:
    return leader.foreign or (leader.state == "leading" and leader.health == "healthy")


def contest(name: ElectionName, queue: Iterable[Candidate], fleet: Fleet, now: float) -> Contest:
    """One queue, read."""
    return Contest(
        name=name,
        candidates=tuple(_standing(n, c, fleet.leases.get(c.lease), now) for n, c in enumerate(queue, 1)),
    )


def _standing(position: int, c: Candidate, left: LeaseLeft | None, now: float) -> Standing:
    document, said = documents.read_whole(c.value) or (None, {})
    priority = said.get("priority")
    return Standing(
        position=position,
        node=document.node if document is not None else "",
        foreign=document is None,
        state=document.state if document is not None else "",
        health=document.health if document is not None else "",
        since=document.since if document is not None else "",
        since_seconds=_age(document.since, now) if document is not None else None,
        priority=priority if isinstance(priority, int) and not isinstance(priority, bool) else None,
        token=c.create_revision,
        key=c.key,
        lease=f"{c.lease:x}" if c.lease else "",
        lease_seconds_left=max(0, left.seconds_left) if left is not None else None,
        lease_granted_seconds=left.granted_seconds if left is not None else None,
        value=said.get("value") if document is not None else documents.text(c.value, documents.SHOWN_CHARACTERS),
    )


def _age(since: str, now: float) -> float | None:
    then = _instant(since)
    return None if then is None else max(0.0, round(now - then, 3))


@lru_cache(maxsize=1024)
def _instant(text: str) -> float | None:
    try:
        then = datetime.fromisoformat(text)
    except ValueError:
        return None
    return then.timestamp() if then.tzinfo is not None else None


# --- as JSON -------------------------------------------------------------------------------------------------------


def plain(
    contests: Iterable[Contest], fleet: Fleet, spec: EtcdSpec, asked: Requests, *, read_at: float, now: float
) -> dict[str, object]:
    """``status --fleet --json``: see docs/status.md."""
    return {
        "schema_version": views.SCHEMA_VERSION,
        "source": "etcd",
        "at": datetime.fromtimestamp(read_at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "age_seconds": round(now - read_at, 3),
        "endpoints": list(spec.endpoints),
        "namespace": spec.namespace,
        "cluster": fleet.cluster,
        "revision": fleet.revision,
        "problems": list(fleet.problems),
        **fleet_requests.plain(asked, now),
        "elections": [
            {
                "name": c.name,
                "leader": _row(c.leader) if c.leader is not None else None,
                "candidates": [_row(one) for one in c.candidates],
            }
            for c in contests
        ],
    }


def _row(one: Standing) -> dict[str, object]:
    """As dataclasses.asdict, which copies every value, in a tenth of its time: there may be ten thousand."""
    return {name: getattr(one, name) for name in _FIELDS}


# --- for people ----------------------------------------------------------------------------------------------------


def sheet(
    contests: tuple[Contest, ...],
    fleet: Fleet,
    spec: EtcdSpec,
    asked: Requests,
    *,
    now: float,
    seconds: float,
    named: bool,
) -> Sheet:
    """The fleet as facts and tables."""
    candidates = sum(map(len, fleet.queues.values()))
    led = sum(c.leader is not None for c in contests)
    where = ", ".join(spec.endpoints) or f"SRV records of {spec.discovery_srv}"
    tables = [_contests(contests, fleet)]
    if named or candidates <= FEW:
        tables.append(_candidates(contests))
    return Sheet(
        facts=(
            ("fleet", Cell(f"{led} of {len(contests)} elections led", Tone.GOOD if led == len(contests) else Tone.BAD)),
            ("queues", Cell(f"{candidates} candidates under {len(fleet.leases)} leases")),
            ("etcd", Cell(f"{where}, namespace {spec.namespace}, cluster {fleet.cluster}")),
            ("read", Cell(f"revision {fleet.revision}, in {duration(seconds)}, all from etcd")),
        ),
        tables=tuple(table for table in tables if table.rows),
        remarks=(*fleet_requests.remarks(asked, now), *_remarks(contests, fleet)),
    )


def _contests(contests: Iterable[Contest], fleet: Fleet) -> Table:
    return Table(
        columns=(
            Column("ELECTION", folds=True),
            Column("LEADER", folds=True, marked=True),
            Column("TOKEN", right=True),
            Column("SINCE", right=True, spare=2),
            Column("HEALTH"),
            Column("LEASE", right=True, spare=2),
            Column("QUEUE", right=True, spare=3),
            Column("NEXT", folds=True, spare=1),
        ),
        rows=tuple(_contest(c, len(fleet.queues[ElectionName(c.name)])) for c in contests),
    )


def _contest(c: Contest, queue: int) -> tuple[Cell, ...]:
    leader = c.leader
    nothing = Cell(NOTHING, Tone.DIM)
    if leader is None:
        none = Cell("nobody", Tone.BAD)
        return (Cell(c.name, Tone.STRONG), none, nothing, nothing, nothing, nothing, Cell("0"), nothing)
    return (
        Cell(c.name, Tone.STRONG),
        _name(leader),
        Cell(str(leader.token)),
        _since(leader),
        _health(leader),
        _lease(leader),
        Cell(str(queue)),
        Cell(_upcoming(c.candidates[1:], queue - 1) or NOTHING, Tone.DIM),
    )


def _upcoming(waiting: tuple[Standing, ...], length: int) -> str:
    named = []
    for one in waiting[:NAMED]:
        ill = f" ({one.health})" if one.health not in ("", "healthy") else ""
        named.append((one.node or "foreign") + ill)
    more = length - len(named)
    return ", ".join(named) + (f", {more} more" if more else "")


def _candidates(contests: Iterable[Contest]) -> Table:
    return Table(
        columns=(
            Column("CANDIDATE OF", folds=True),
            Column("#", right=True),
            Column("NODE", folds=True, marked=True),
            Column("STATE"),
            Column("HEALTH"),
            Column("PRIORITY", right=True, spare=3),
            Column("LEASE", right=True, spare=2),
            Column("SINCE", right=True, spare=2),
            Column("VALUE", folds=True, spare=1),
        ),
        rows=tuple(
            (
                Cell(c.name),
                Cell(str(one.position)),
                _name(one),
                Cell(one.state or NOTHING),
                _health(one),
                Cell(NOTHING if one.priority is None else str(one.priority)),
                _lease(one),
                _since(one),
                Cell(_value(one.value), Tone.DIM),
            )
            for c in contests
            for one in c.candidates
        ),
    )


def _name(one: Standing) -> Cell:
    if one.foreign:
        return Cell("foreign", Tone.WARN)
    return Cell(one.node, Tone.GOOD if one.position == 1 and one.state == "leading" else Tone.PLAIN)


def _since(one: Standing) -> Cell:
    return Cell(NOTHING, Tone.DIM) if one.since_seconds is None else Cell(duration(one.since_seconds))


def _health(one: Standing) -> Cell:
    return Cell(one.health, _TONES.get(one.health, Tone.WARN)) if one.health else Cell(NOTHING, Tone.DIM)


def _lease(one: Standing) -> Cell:
    if not one.lease:
        return Cell("none", Tone.WARN)
    if one.lease_seconds_left is None:
        return Cell("unknown", Tone.WARN)
    return Cell(f"{one.lease_seconds_left}s")


def _value(value: object) -> str:
    if value in (None, {}, ""):
        return NOTHING
    text = value if isinstance(value, str) else as_json(value)
    return text if len(text) <= SHOWN_VALUE else text[: SHOWN_VALUE - 3] + "..."


def _remarks(contests: Iterable[Contest], fleet: Fleet) -> Iterator[tuple[str, Cell]]:
    for problem in fleet.problems:
        yield "etcd", Cell(problem, Tone.WARN)
    for c in contests:
        leader = c.leader
        if leader is None:
            yield safe(c.name), Cell("nobody stands; it has had terms", Tone.WARN)
        elif leader.foreign:
            said = f' that says "{str(leader.value)[:40]}"' if leader.value else ""
            yield safe(c.name), Cell(f"led by another program's candidate{said}: {leader.key}", Tone.WARN)
        elif leader.state != "leading":
            yield safe(c.name), Cell(f"{leader.node} is first but says it is {leader.state or 'nothing'}", Tone.WARN)
