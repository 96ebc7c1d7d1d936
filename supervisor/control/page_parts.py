"""The state as a page shows it: one JSON object for the node, each election and each process, by itself.

They are the views of ``status``, with the queue in order; so that a page can be told of what changed alone. Every object
has the instant (CLOCK_BOOTTIME) at which its ages were so: the page lets them grow by itself.

Promises: pure; what a process writes itself (its words in status and probes) is in none of them unless it was asked for; a
stranger's value is text, bounded. Does not: know HTTP or HTML, or judge.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Final

from supervisor.control import condition, describe, documents, leaders, past, views
from supervisor.control.ports import Facts, Ledger, LogTrouble
from supervisor.core.events import Candidate
from supervisor.core.happenings import Happening
from supervisor.core.history import gaps
from supervisor.core.kinds import Kind
from supervisor.core.names import ElectionName, Instant
from supervisor.core.state import Election, Process, State

MOST_CANDIDATES: Final = 50
"""Of one election, told of one by one; of the others only how many they are."""
MOST_VALUE_CHARACTERS: Final = 1000
MOST_TERMS: Final = 200
"""Of one election's history."""
_VIEWS: Final = (views.Endpoint, views.Reason)
"""Those inside others that are shown here."""
_NOT_HERE: Final = "what a process writes is not shown here"
_OWN_WORDS: Final = {Kind.PROCESS_UNHEALTHY: "detail", Kind.CONFIG_REFUSED: "first"}
"""Facts that hold what a process, or the file, says in its own words."""


def node(state: State, facts: Facts, now: Instant, loop_lag_seconds: float) -> bytes:
    """The daemon, its file, its etcd and its leases; and what is wrong with them."""
    config = describe.config(state, facts, now)
    return _encode(
        {
            "at": now,
            "daemon": _plain(describe.daemon(state, facts, now, loop_lag_seconds)),
            "config": {
                "generation": config.generation,
                "loaded_age_seconds": config.loaded_age_seconds,
                "hash": config.hash[:8],
                "problems": len(config.problems),
                "last_good": config.last_good,
            },
            "store": _plain(describe.store(state, facts, now)),
            "confirmed_age_seconds": None if state.store.confirmed_at is None else now - state.store.confirmed_at,
            "sessions": [_plain(describe.session(s, now)) for _, s in sorted(state.sessions.items())],
            "reasons": [_plain(reason) for reason in condition.of_node(state, now)],
        }
    )


def election(state: State, e: Election, now: Instant) -> bytes:
    """One election of this node's file, with its queue."""
    view = describe.election(state, e, now)
    leader = _plain(view.leader)
    del leader["value"], leader["key"]
    return _encode(
        {
            **_fields(view),
            "leader": leader,
            "at": now,
            "declared": True,
            "leading": view.leader.leading,
            **_queue(e.queue),
        }
    )


def undeclared(state: State, name: ElectionName, queue: tuple[Candidate, ...], now: Instant) -> bytes:
    """One that others hold in the same namespace: what the watch shows of its queue, and no more."""
    sure = watch_stands(state, now)
    first = queue[0] if queue else None
    age = None if state.store.confirmed_at is None else now - state.store.confirmed_at
    leader = {
        "state": views.UNKNOWN if not sure else views.KNOWN if first is not None else views.NONE,
        "token": first.create_revision if first is not None else None,
        "source": leaders.BY_WATCH,
        "age_seconds": age,
    }
    return _encode({"name": name, "at": now, "declared": False, "leader": leader, **_queue(queue)})


def watch_stands(state: State, now: Instant) -> bool:
    """Whether what the watch shows of queues that this node is not in may be taken for the present."""
    at = state.store.confirmed_at
    return state.store.reachable is True and at is not None and now - at <= leaders.STALE_SECONDS


def process(state: State, p: Process, now: Instant, log: LogTrouble | None, *, own_words: bool) -> bytes:
    """One process; ``own_words``: with what it says of itself."""
    view = describe.process(state, p, now, log)
    told = _fields(view)
    del told["exits"]
    if not own_words:
        told |= {"probe_detail": "", "status_text": ""}
    return _encode({**told, "at": now})


def happened(state: State, found: Iterable[tuple[int, Happening]], *, missed: int, own_words: bool) -> bytes:
    """What happened; ``missed``: so many before these are not kept any more."""
    told = []
    for number, one in found:
        fact = _OWN_WORDS.get(one.kind)
        if fact is not None and not own_words:
            one = dataclasses.replace(one, facts={**one.facts, fact: _NOT_HERE})  # noqa: PLW2901 # the same, less said
        view = _fields(past.happening(state, number, one))
        told.append({key: view[key] for key in ("number", "at", "kind", "election", "process", "token", "text")})
    return _encode({"missed": missed, "events": told})


def history(name: str, ledger: Ledger) -> bytes:
    """An election's terms, newest first, and how long the gaps were."""
    found = past.describe_history(name, ledger)
    terms = found.terms[:MOST_TERMS]
    return _encode(
        {
            "election": name,
            "source": found.source,
            "detail": found.detail,
            "more": len(found.terms) - len(terms),
            "terms": [_fields(term) for term in terms],
            "gaps": dataclasses.asdict(gaps(found.terms)),
        }
    )


def _queue(queue: tuple[Candidate, ...]) -> dict[str, object]:
    return {"candidates": [_candidate(c) for c in queue[:MOST_CANDIDATES]], "candidates_count": len(queue)}


def _candidate(c: Candidate) -> dict[str, object]:
    """One key of a queue. What its document does not say is empty or None."""
    told: dict[str, object] = {"token": c.create_revision, "lease": f"{c.lease:x}" if c.lease else "", "key": c.key}
    found = documents.read_whole(c.value)
    if found is None:
        return told | {"node": "", "foreign": True, "value": documents.text(c.value, MOST_VALUE_CHARACTERS)}
    document, said = found
    priority, value = said.get("priority"), said.get("value")
    return told | {
        "node": document.node,
        "foreign": False,
        "state": document.state,
        "health": document.health,
        "since": document.since,
        "priority": priority if isinstance(priority, int) and not isinstance(priority, bool) else None,
        "processes": _processes(said.get("processes")),
        "value": "" if value in (None, {}) else json.dumps(value, ensure_ascii=False)[:MOST_VALUE_CHARACTERS],
    }


def _processes(said: object) -> dict[str, dict[str, str]]:
    """How a node's processes are, as its document says; none where it says something else."""
    if not isinstance(said, dict):
        return {}
    words = {name: p for name, p in said.items() if isinstance(p, dict)}
    return {
        name[: documents.WORD_CHARACTERS]: {
            part: str(p.get(part, ""))[: documents.WORD_CHARACTERS] for part in ("state", "health")
        }
        for name, p in list(words.items())[:MOST_CANDIDATES]
    }


def _fields(view: views.View) -> dict[str, object]:
    """As ``dataclasses.asdict``, one level deep and in a tenth of its time."""
    return {name: getattr(view, name) for name in view.__dataclass_fields__}


def _plain(view: views.View) -> dict[str, object]:
    """A view and those inside it."""
    return {
        name: [_plain(one) if isinstance(one, _VIEWS) else one for one in value] if isinstance(value, tuple) else value
        for name, value in _fields(view).items()
    }


def _encode(told: Mapping[str, object]) -> bytes:
    """ASCII on one line, whatever the texts are: as the stream of a page wants it."""
    return json.dumps(told, separators=(",", ":")).encode()
