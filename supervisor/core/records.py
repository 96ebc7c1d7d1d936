"""The record of a term, version 1: what is left in etcd when the candidate's key is gone.

*started* is written with the proof of the win, before the first process; *stopped* when the term's containment is proven
empty, by its daemon or its guardian; *over* by a successor that has waited the term out. JSON, the same for the same
facts. Readers must expect anything: what cannot be understood is taken for a term that may still run.
Does not: carry secrets, or say who leads (the queue does).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from supervisor.core import document
from supervisor.core.events import TermRecord
from supervisor.core.names import Home, Token
from supervisor.core.state import Election, State

VERSION = 1
KEPT = 20
"""Records of terms that are over which stay where winners read them; older ones go to the ledger (``ledger``)."""
SPARE = 30
"""So many more may wait for that: a term that ends before it has written to the ledger takes those beyond along."""
LONGEST_TTL_SECONDS = 9_000_000_000
"""etcd's own bound (lease.MaxLeaseTTL)."""


class Mark(StrEnum):
    """How far a term has come."""

    STARTED = "started"
    STOPPED = "stopped"
    OVER = "over"


_MARKS = {mark.value: mark for mark in Mark}
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a record says."""

    token: Token
    mark: Mark
    node: str
    home: Home
    ttl_seconds: float
    """Of the term's lease, as granted."""
    margin_seconds: float
    """Its processes are dead this long before the lease's end."""


def build(
    state: State,
    election: Election,
    mark: Mark,
    *,
    ttl_seconds: float,
    margin_seconds: float,
    more: Mapping[str, object] | None = None,
) -> bytes:
    """The record of this election's present term, or of the one about to begin. ``more``: for the ledger alone."""
    told: dict[str, object] = {
        **(more or {}),
        "v": VERSION,
        "mark": mark.value,
        "node": state.node,
        "lease": f"{election.lease or 0:x}",
        "ttl": ttl_seconds,
        "margin": margin_seconds,
        "boot": state.home.boot,
        "home": state.home.mark,
    }
    if election.won_at is not None:
        told["since"] = document.wall_time(state, election.won_at)
    if mark is Mark.STOPPED:
        told["cause"] = election.cause[:200]
    return _encode(told)


def read(record: TermRecord, *, otherwise_ttl_seconds: float) -> Told:
    """What a record says; for one that says nothing clear, *started* with the ttl given and no margin."""
    told = fields(record.value)
    mark = told.get("mark")
    ttl = _seconds(told.get("ttl"), otherwise_ttl_seconds)
    return Told(
        token=record.token,
        mark=_MARKS.get(mark, Mark.STARTED) if isinstance(mark, str) else Mark.STARTED,
        node=document.shown_name(_text(told.get("node"))) or "an unknown node",
        home=Home(boot=_text(told.get("boot")), mark=_text(told.get("home"))),
        ttl_seconds=ttl,
        margin_seconds=min(ttl, _seconds(told.get("margin"), 0.0)),
    )


def closed(record: TermRecord) -> TermRecord:
    """The same record, saying that the term is over."""
    return TermRecord(
        token=record.token, value=_encode({"v": VERSION, **fields(record.value), "mark": Mark.OVER.value})
    )


def fields(value: bytes) -> dict[str, object]:
    """What a record holds, whatever it holds; nothing when it is none."""
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _seconds(value: object, otherwise: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return otherwise
    if not 0 <= value <= LONGEST_TTL_SECONDS:  # neither NaN is, nor a whole number that no float can hold
        return otherwise
    return float(value)


def _encode(fields: dict[str, object]) -> bytes:
    return _ENCODER.encode(fields).encode(errors="replace")
