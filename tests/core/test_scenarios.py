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
from supervisor.core.operator_events import StartRequested, StopRequested
from supervisor.core.spec import (
    CampaignWhen,
    Need,
    ProbeKind,
    ProbeSpec,
    ProcessKind,
    RestartPolicy,
    RestartSpec,
    StopSpec,
)
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


def a_life() -> World:
    """A task runs first; its dependent is stopped by an operator through every step of its stop, stays so, and is started again."""
    stop = StopSpec(
        signal="SIGINT",
        timeout_seconds=3.0,
        then=(("SIGTERM", 1.0),),
        before=("/bin/drain",),
        before_timeout_seconds=2.0,
    )
    migrate = process("migrate", kind=ProcessKind.TASK, restart=RestartSpec(policy=RestartPolicy.ON_FAILURE))
    work = process("work", needs={migrate.id.name: Need.COMPLETED}, stop=stop)
    world = World()
    world.load(spec(election(leader=(work, migrate))))
    world.crash("job/migrate", code=0, signal=None)
    next(c for c in world.children.values() if c.spec.id == work.id).obeys = False
    world.dawdling = True
    world.post(StopRequested(process=work.id))
    world.advance(6)
    world.post(StartRequested(process=work.id))
    return world


def a_sick_standby() -> World:
    """A node stands when its standby is well, leaves the queue when it has been sick for a while, and comes back later."""
    health = ProbeSpec(kind=ProbeKind.TCP, address="x:1", failures=1)
    standby = process("standby", role=Role.FOLLOWER, health=health)
    world = World()
    world.foreign("job")
    world.pending.clear()
    world.load(spec(election(follower=(standby,), campaign_when=CampaignWhen.HEALTHY)))
    run = world.process("job/standby").run
    assert run is not None
    world.post(ev.ProbeSucceeded(run=run, purpose="health"))
    world.post(ev.ProbeFailed(run=run, purpose="health", detail="refused"))
    world.advance(4)
    world.post(ev.ProbeSucceeded(run=run, purpose="health"))
    world.advance(10)
    return world


@pytest.mark.parametrize("story", [failover, cut_off, key_deleted, crash_loop, a_life, a_sick_standby])
def test_scenario(story: Callable[[], World]) -> None:
    world = story()
    assert world.checked > 5
    told = f"# {story.__doc__}\n" + "\n".join(world.log) + "\n"
    path = FOLDER / f"{story.__name__}.txt"
    if os.environ.get("SCENARIOS") == "rewrite":
        path.write_text(told)
    assert told == path.read_text()
