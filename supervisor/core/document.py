"""The proclaimed document, version 1: what a candidate's key says to everyone who reads it.

JSON under 4 KiB, the same for the same facts (keys sorted), so that it is written only when something changed. Readers
must expect anything: whoever may write to the range can write nonsense, and foreign candidates write plain text.
Does not: carry secrets. Only names, states, counts and the user's own ``proclaim.value`` go in.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from supervisor.core.names import ElectionName, Instant, NodeName
from supervisor.core.spec import ElectionSpec
from supervisor.core.state import Election, ElectionPhase, Health, Process, ProcessPhase, State

VERSION = 1
MAX_BYTES = 4096

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_MOST_KNOWN = 20_000
_SEVERITY = {health: rank for rank, health in enumerate(Health)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What an election's last document was built from. Every step that touches an election asks for its document."""

    facts: tuple[object, ...]
    spec: ElectionSpec
    processes: tuple[Process, ...]
    encoded: bytes


_known: dict[ElectionName, _Known] = {}
"""A memory of a pure function, as ``lru_cache`` has one; what is remembered is compared by identity, and so never wrong."""


def process_health(process: Process) -> Health:
    """How well one process serves, its restarts included. One that an operator has stopped does not serve."""
    if process.halted:
        return Health.DEGRADED
    match process.phase:
        case ProcessPhase.RUNNING:
            return process.health
        case ProcessPhase.COMPLETED:
            return Health.HEALTHY
        case ProcessPhase.GAVE_UP:
            return Health.UNHEALTHY
        case ProcessPhase.BACKOFF | ProcessPhase.CLEARING:
            return Health.DEGRADED
        case ProcessPhase.STOPPED | ProcessPhase.STARTING | ProcessPhase.STOPPING:
            return Health.DEGRADED if process.failed or process.failures else Health.STARTING


def worst(healths: Iterable[Health]) -> Health:
    """The worst of several; healthy when there is none."""
    return max(healths, key=_SEVERITY.__getitem__, default=Health.HEALTHY)


def wall_time(state: State, at: Instant) -> str:
    """An instant as people write it, UTC, to the second."""
    return _written(math.floor(at + state.wall_offset_seconds))


@lru_cache(maxsize=1024)
def _written(second: int) -> str:
    """A thousand terms that begin together begin in the same second; and each repeats its own in every document."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def build(state: State, election: Election, processes: Iterable[Process]) -> bytes:
    """The document of this node for an election, from the processes of the role it plays."""
    processes = tuple(processes)
    token = election.term.token if election.term is not None else None
    facts = (
        state.node, state.wall_offset_seconds, election.phase, election.since, election.won_at, token,
        election.leave_at is not None,
    )  # fmt: skip
    known = _known.get(election.spec.name)
    if known is not None and known.facts == facts and known.spec is election.spec and _same(known.processes, processes):
        return known.encoded
    encoded = _build(state, election, processes)
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known[election.spec.name] = _Known(facts=facts, spec=election.spec, processes=processes, encoded=encoded)
    return encoded


def _same(some: tuple[Process, ...], others: tuple[Process, ...]) -> bool:
    return len(some) == len(others) and all(a is b for a, b in zip(some, others, strict=True))


def _build(state: State, election: Election, processes: tuple[Process, ...]) -> bytes:
    shown = {
        p.id.name: {
            "state": p.phase.value,
            "pid": p.pid,
            "restarts": p.restarts,
            "health": process_health(p).value,
        }
        for p in processes
    }
    match election.phase:
        case ElectionPhase.LEADING:
            standing = "stopping" if election.leave_at is not None else "leading"
        case ElectionPhase.STEPPING_DOWN | ElectionPhase.RESIGNING:
            standing = "stopping"
        case _:
            standing = "candidate"
    since = election.since if election.won_at is None else election.won_at
    document: dict[str, object] = {
        "v": VERSION,
        "node": state.node,
        "state": standing,
        "health": worst(map(process_health, processes)).value,
        "since": wall_time(state, since),
        **({"token": election.term.token} if election.term is not None and standing != "candidate" else {}),
        "processes": shown,
        "priority": 0,
        "value": dict(election.spec.proclaim.value),
    }
    encoded = _encode(document)
    if len(encoded) > MAX_BYTES:
        # Hundreds of processes: the sum of them still says what a reader decides on.
        document["processes"] = {}
        encoded = _encode(document)
    return encoded


def shown_name(text: str, *, longest: int = 100) -> str:
    """A stranger's text as it may be shown or handed on: printable, on one line, bounded."""
    return "".join(c for c in text[:longest] if c.isprintable())


def node_of(value: bytes) -> NodeName | None:
    """The node that wrote a candidate's value, or None when it is not a document of ours."""
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        return None
    node = document.get("node") if isinstance(document, dict) else None
    return NodeName(node) if isinstance(node, str) and node else None


def says_stopping(value: bytes) -> bool:
    """Whether a candidate's value is a document of ours that says that its term is coming to its end."""
    if b'"state":"stopping"' not in value:  # as ``build`` writes it; a thousand values are looked through for it
        return False
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("state") == "stopping" and node_of(value) is not None


def says_candidate(value: bytes) -> bool:
    """Whether it is a document of ours whose writer has not said yet that it leads."""
    return b'"state":"candidate"' in value and node_of(value) is not None


def _encode(document: dict[str, object]) -> bytes:
    return _ENCODER.encode(document).encode()
