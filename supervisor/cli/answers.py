"""Views as JSON: the shape of ``--json`` and of ``observe``'s lines, which is public.

Every field of ``control.proto`` is always there, null where nothing is known; a leader's ``document`` is its value read as
JSON, null when that is no JSON object. Seconds have at most three decimals.
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from supervisor.control import documents, views

if TYPE_CHECKING:  # it brings the core's state: a third of the start of a command that shows none
    from supervisor.core.history import Gaps

Json = dict[str, object]

COSTS = ("keep", "live", "restart", "re-campaign", "stop", "start")


def status(view: views.Status) -> Json:
    """``status --json``."""
    shown = _plain(view)
    shown["elections"] = [{**_plain(e), "leader": _leader(e.leader)} for e in view.elections]
    return shown


def observation(view: views.Observation) -> Json:
    """A line of ``observe``, and ``leader --json``."""
    return {
        "schema_version": views.SCHEMA_VERSION,
        "at": view.at,
        "election": view.election,
        "leader": _leader(view.leader),
    }


def plan(view: views.Planned) -> Json:
    """``plan --json``, and ``reload --dry-run --json``: what is kept only by name."""
    shown = _plain(view)
    del shown["token"]
    shown["problems"] = [problem.partition("\n")[0] for problem in view.problems]  # the line below is for people
    changes = [c for c in view.changes if c.cost != "keep"]
    kept = [c for c in view.changes if c.cost == "keep"]
    counts = {cost: sum(c.cost == cost for c in view.changes) for cost in COSTS}
    shown["counts"] = counts
    shown["changes"] = [_plain(c) for c in changes]
    shown["kept"] = {
        "elections": [c.name for c in kept if c.kind == "election"],
        "processes": [c.name for c in kept if c.kind == "process"],
    }
    return shown


def reloaded(planned: views.Planned, view: views.Reloaded) -> Json:
    """``reload --json``."""
    return {
        "schema_version": views.SCHEMA_VERSION,
        "plan": plan(planned),
        "adopted": view.adopted,
        "converged": view.settled,
        "problems": [problem.partition("\n")[0] for problem in view.problems],
        "reasons": [_plain(r) for r in view.reasons],
        "changed_since": view.changed_since,
    }


def happening(view: views.Happening) -> Json:
    """A line of ``events --json``."""
    shown = _plain(view)
    shown["facts"] = documents.parse(view.facts) or {}
    return {"schema_version": views.SCHEMA_VERSION, **shown}


def history(view: views.History, terms: Sequence[views.TermStory], gaps: "Gaps") -> Json:
    """``history --json``."""
    return {
        "schema_version": views.SCHEMA_VERSION,
        **_plain(view),
        "terms": [_plain(term) for term in terms],
        "gaps": {
            "count": gaps.count,
            "whole": gaps.sure,
            "p50_seconds": gaps.p50,
            "p90_seconds": gaps.p90,
            "p99_seconds": gaps.p99,
            "max_seconds": gaps.most,
        },
    }


def _leader(view: views.Leader) -> Json:
    return {**_plain(view), "document": documents.parse(view.value)}


def _plain(view: views.View) -> Json:
    return dataclasses.asdict(view, dict_factory=lambda pairs: {name: _rounded(value) for name, value in pairs})


def _rounded(value: object) -> object:
    return round(value, 3) if isinstance(value, float) else value
