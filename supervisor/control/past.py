"""The past as views: terms as they are on record, and what happened lately.

Does not: judge what the entries say (``core.history`` does).
"""

import json
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime

from supervisor.control import views
from supervisor.control.ports import Ledger
from supervisor.core.happenings import Happening, in_words
from supervisor.core.history import Story, stories
from supervisor.core.state import State


def describe_history(election: str, told: Ledger | None) -> views.History:
    """An election's terms, newest first."""
    return views.History(
        election=election,
        source="local" if told is not None and told.detail else "etcd",
        detail="" if told is None else told.detail,
        terms=() if told is None else tuple(map(term, stories(told.pages))),
    )


def term(story: Story) -> views.TermStory:
    """One term."""
    return views.TermStory(
        token=story.token,
        node=story.node,
        standing=story.standing.value,
        why_begun=story.why_begun,
        why_ended=story.why_ended,
        won=story.won,
        ready=story.ready,
        lost=story.lost,
        ended=story.ended,
        gap_seconds=story.gap_seconds,
        gap_by=story.gap_by,
    )


def happening(state: State, number: int, happened: Happening, missed: int = 0) -> views.Happening:
    """One thing that happened, with its time on the wall clock."""
    at = datetime.fromtimestamp(happened.at + state.wall_offset_seconds, UTC).isoformat(timespec="milliseconds")
    return views.Happening(
        number=number,
        at=at.removesuffix("+00:00") + "Z",
        node=state.node,
        kind=happened.kind.value,
        election=happened.election,
        process=happened.process,
        token=happened.token,
        text=in_words(happened),
        facts=json.dumps(dict(happened.facts)),
        missed=missed,
    )


def is_asked_for(happened: Happening, *, elections: AbstractSet[str], kinds: AbstractSet[str]) -> bool:
    """Whether somebody asked for this: what concerns no election concerns all of them."""
    if kinds and happened.kind.value not in kinds:
        return False
    return not elections or not (happened.election or happened.process) or happened.election in elections
