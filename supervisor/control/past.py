"""The past as views: terms as they are on record, and what happened lately.

Does not: judge what the entries say (``core.history`` does).
"""

from supervisor.control import views
from supervisor.control.ports import Ledger
from supervisor.core.history import Story, stories


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
