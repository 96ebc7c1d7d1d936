"""The ledger of terms: what each was, when it began, served and ended, and how long nobody had served before it.

A term's own record (``records``) says how it ended. Beside it, once the term is ready and everything has calmed down, its
leader writes how it began (``Chronicle``); in the same transaction the ends of terms long over are moved out of the way of
those who win, and what is beyond the election's ``history`` goes. Nothing of this is in the way of a failover: it is asked
for ``CALM_SECONDS`` after the term was ready, and a failure costs a line of the history and nothing else.

How a gap is known is a part of it (``GapBy``): two nodes' wall clocks are never compared where a span on one clock, or the
sum of two, will do. Does not: decide who leads, or carry secrets.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from supervisor.core import records
from supervisor.core.actions import Chronicle
from supervisor.core.draft import Draft
from supervisor.core.events import TermRecord
from supervisor.core.evolve import replace
from supervisor.core.names import Instant, ProcessId
from supervisor.core.others import Past
from supervisor.core.records import Mark
from supervisor.core.state import Election, ElectionPhase, ProcessPhase, State
from supervisor.core.store_events import Chronicled

VERSION = 1
CALM_SECONDS = 2.0
"""After a term is ready. A thousand that were won together are written in the same second, in their turn."""
CALM_ANSWER_SECONDS = 0.5
"""Half a second for a look at our keys: etcd is slow, and is not troubled with what can wait."""
RETRY_SECONDS = 10.0
MOST_TRIES = 6
MOST_CAUSE_CHARACTERS = 200
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class GapBy(StrEnum):
    """How a gap is known. All count to the instant at which the new term was ready."""

    ONE_CLOCK = "one-clock"
    """From the instant at which the earlier term began to end: it was this daemon's own."""
    TWO_SPANS = "two-spans"
    """The same, as a sum: how long the old leader took to stop, by its clock; and from the sight of its key's end, by ours."""
    KEY_GONE = "key-gone"
    """From the sight of the key's end: the old leader did not say when it stopped serving, and that was earlier."""
    WALL_CLOCKS = "wall-clocks"
    """The difference of two wall clocks, the old leader's and ours: as good as they are set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """How long nobody served before a term."""

    seconds: float
    by: GapBy


def reconcile(draft: Draft, e: Election) -> Election:
    """Of an election that leads: note when it is ready, and have its beginning written when it is time."""
    if e.ready_at is None:
        if not _is_ready(draft, e):
            return e
        at = Instant(draft.now + CALM_SECONDS) if e.spec.history else None
        e = draft.put_election(replace(e, ready_at=draft.now, note_at=at))
    if e.note_at is None or draft.now < e.note_at or e.term is None:
        return e
    if not _is_calm(draft, e):
        return draft.put_election(replace(e, note_at=Instant(draft.now + RETRY_SECONDS)))
    draft.do(
        Chronicle(
            election=e.spec.name,
            token=e.term.token,
            began=_began(draft.base, e),
            ended=e.overdue,
            keep=e.spec.history,
        )
    )
    return draft.put_election(replace(e, note_at=None, note_tries=e.note_tries + 1))


def _is_calm(draft: Draft, e: Election) -> bool:
    """Whether etcd answers as a healthy one does. On one that is slow, a write more may cost the term that it is about."""
    session = None if e.lease is None else draft.session_of(e.lease)
    if session is None or session.unconfirmed or session.failures:
        return False
    waits = 0.0 if session.confirming_at is None else draft.now - session.confirming_at
    return max(session.sight_seconds, waits) < CALM_ANSWER_SECONDS


def on_chronicled(draft: Draft, e: Election, event: Chronicled) -> None:
    """It is written, or is tried again a few times: a history with a hole is no reason to trouble etcd for ever."""
    if e.term is None or e.term.token != event.token or e.phase is not ElectionPhase.LEADING:
        return
    if not event.problem:
        draft.put_election(replace(e, overdue=()))
    elif e.note_tries < MOST_TRIES:
        draft.put_election(replace(e, note_at=Instant(draft.now + RETRY_SECONDS)))


def note_earlier(e: Election, found: tuple[TermRecord, ...], overdue: frozenset[int]) -> Election:
    """Of what was read with the proof: the record of the term before ours, and those that are long over."""
    mine = e.create_revision or 0
    earlier = max((r for r in found if r.token < mine), key=lambda r: r.token, default=None)
    return replace(e, previous=earlier, overdue=tuple(r for r in found if r.token in overdue))


def ended(state: State, e: Election, now: Instant) -> dict[str, object]:
    """What a record says, beyond what a successor needs, of a term that is being given up."""
    told: dict[str, object] = {}
    if e.won_at is not None:
        told["won"] = wall(state, e.won_at)
    if e.ready_at is not None:
        told["ready"] = wall(state, e.ready_at)
        told |= _gap_fields(gap(state, e))
    if e.lost_at is not None:
        told |= {"lost": wall(state, e.lost_at), "ended": wall(state, now), "stop_seconds": _ms(now - e.lost_at)}
    return told


def past(e: Election) -> Past | None:
    """What stays of a term when the candidacy is over: enough to know, by our own clock, a gap that follows."""
    if e.lost_at is None or e.create_revision is None:
        return e.past
    return Past(token=e.create_revision, lost_at=e.lost_at)


def goes_on(was: Election, e: Election) -> bool:
    """Whether a term that was ending is led on: its handover came to nothing (``ending.go_on``)."""
    began = e.phase is ElectionPhase.LEADING and was.phase is not ElectionPhase.LEADING
    return began and was.won_at is not None and was.won_at == e.won_at


def gap(state: State, e: Election) -> Gap | None:
    """How long nobody had served when this term was ready; None where nothing is known of a term before it."""
    if e.ready_at is None or e.previous is None:
        return None
    token = e.previous.token
    if e.past is not None and e.past.token == token:
        return Gap(seconds=e.ready_at - e.past.lost_at, by=GapBy.ONE_CLOCK)
    told = records.fields(e.previous.value)
    stopping = told.get("stop_seconds")
    known = isinstance(stopping, int | float) and not isinstance(stopping, bool) and 0 <= stopping < 1e9
    # One that a read, and not the watch, showed to be gone has no name: we came late, and know of no beginning.
    seen = next((d for d in e.departed if d.token == token and d.node), None)
    if seen is not None:
        since = e.ready_at - seen.gone_at
        if known and isinstance(stopping, int | float):
            return Gap(seconds=since + stopping, by=GapBy.TWO_SPANS)
        return Gap(seconds=since, by=GapBy.KEY_GONE)
    lost = _wall_seconds(told.get("lost"))
    seconds = None if lost is None else e.ready_at + state.wall_offset_seconds - lost
    return None if seconds is None or seconds < 0 else Gap(seconds=seconds, by=GapBy.WALL_CLOCKS)


def why_begun(e: Election, *, otherwise_ttl_seconds: float = 0.0) -> str:
    """Why a term began: what became of the one before."""
    if e.previous is None:
        return "no earlier term is known"
    told = records.read(e.previous, otherwise_ttl_seconds=otherwise_ttl_seconds)
    cause = records.fields(e.previous.value).get("cause")
    why = cause if isinstance(cause, str) and cause else "it left no word, its lease or key ended"
    if told.mark is not Mark.STOPPED:
        why = "it left no word, its lease or key ended"
    return f"after term {told.token} of {told.node}: {why}"[:MOST_CAUSE_CHARACTERS]


def wall(state: State, at: Instant) -> str:
    """An instant as people write it, UTC, to the millisecond."""
    return datetime.fromtimestamp(at + state.wall_offset_seconds, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _is_ready(draft: Draft, e: Election) -> bool:
    """Whether the term is under way and everything that it runs serves, or has done its work."""
    if not e.armed or e.waits_for or not e.opened:
        return False
    for name in e.spec.leader:
        p = draft.processes.get(ProcessId(e.spec.name, name))
        if p is None:
            return False
        serves = p.phase is ProcessPhase.RUNNING and p.ready and p.term == e.term
        if not (serves or p.phase is ProcessPhase.COMPLETED or p.halted):
            return False
    return True


def _began(state: State, e: Election) -> bytes:
    assert e.won_at is not None
    assert e.ready_at is not None
    told: dict[str, object] = {
        "v": VERSION,
        "node": state.node,
        "won": wall(state, e.won_at),
        "ready": wall(state, e.ready_at),
        "why": why_begun(e),
        **_gap_fields(gap(state, e)),
    }
    return _ENCODER.encode(told).encode(errors="replace")


def _gap_fields(found: Gap | None) -> dict[str, object]:
    return {} if found is None else {"gap": _ms(found.seconds), "gap_by": found.by.value}


def _ms(seconds: float) -> float:
    return round(seconds, 3)


def _wall_seconds(written: object) -> float | None:
    if not isinstance(written, str):
        return None
    try:
        return datetime.fromisoformat(written).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
