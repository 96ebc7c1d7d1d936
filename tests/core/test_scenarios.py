"""Stories in full: what happened (``>``) and what the core asked for (``<``), kept as text that a person can review.

Rewrite them with ``SCENARIOS=rewrite pytest tests/core/test_scenarios.py``, and commit a changed one only when you can
say why it changed.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor.core import actions as ac
from supervisor.core import events as ev
from supervisor.core.names import ElectionName, Role
from tests.core.world import World, election, process, spec

FOLDER = Path(__file__).parent.parent / "scenarios"
JOB = ElectionName("job")


def failover() -> World:
    """A follower takes over when the key before its own goes, and is shut down."""
    world = World()
    other = world.foreign("job")
    world.load(spec(election(follower=(process("standby", role=Role.FOLLOWER),))))
    world.delete_key("job", other.create_revision)
    world.post(ev.Ticked())
    world.post(ev.ShutdownRequested(reason="received SIGTERM"))
    return world


def cut_off() -> World:
    """Renewals fail: stopped at two thirds of the TTL, dead by kill-by, leading again when the store is back."""
    world = World()
    world.load(spec(election()))
    next(iter(world.children.values())).obeys = False
    world.failing |= {ac.Renew, ac.GrantLease, ac.Resign, ac.RevokeLease}
    world.advance(11)
    world.failing.clear()
    world.advance(6)
    return world


def key_deleted() -> World:
    """Somebody deletes our key: no grace, the office is someone else's."""
    world = World()
    world.load(spec(election()))
    world.foreign("job")
    world.delete_key("job", world.tokens[JOB])
    world.post(ev.Ticked())
    world.advance(0.5)
    return world


def crash_loop() -> World:
    """A leader process keeps crashing: restarts with backoff, then the office is given up."""
    world = World()
    world.load(spec(election()))
    for _ in range(6):
        world.advance(1.0)
        world.crash("job/work")
    return world


@pytest.mark.parametrize("story", [failover, cut_off, key_deleted, crash_loop])
def test_scenario(story: Callable[[], World]) -> None:
    world = story()
    assert world.checked > 5
    told = f"# {story.__doc__}\n" + "\n".join(world.log) + "\n"
    path = FOLDER / f"{story.__name__}.txt"
    if os.environ.get("SCENARIOS") == "rewrite":
        path.write_text(told)
    assert told == path.read_text()
