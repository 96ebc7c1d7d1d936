"""The only caller of ``step``: what it tells the core of its own absences, and what it puts off."""

import asyncio

from supervisor.core import machine
from supervisor.core.actions import Action, ConfigureLog, Spawn
from supervisor.core.events import ConfigLoaded, Emptied, Event, Exited, ShutdownRequested, Spawned, Ticked, Woke
from supervisor.core.names import Instant, NodeName, Role
from supervisor.core.state import State
from supervisor.daemon.loop import GAP_SECONDS, LONGEST_SLEEP_SECONDS, Loop
from tests.core.world import process, spec


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.at = Instant(1000.0)

    def __call__(self) -> Instant:
        return self.at


async def told(gap_seconds: float) -> tuple[list[Event], Loop]:
    """What is answered when an event is met after a gap."""
    clock, seen = Clock(), []

    def observe(_before: State, event: Event, _after: State, _actions: tuple[Action, ...]) -> None:
        seen.append(event)

    loop = Loop(machine.initial(NodeName("one"), now=clock.at), clock=clock, perform=lambda _: None)
    loop.observe(observe)
    loop.post(Ticked())
    loop.post(ShutdownRequested(reason="test"))
    clock.at = Instant(clock.at + gap_seconds)
    await loop.run()
    return seen, loop


async def test_a_gap_is_told_of_before_what_waited() -> None:
    seen, loop = await told(7.5)
    assert seen == [Woke(gap_seconds=7.5), Ticked(), ShutdownRequested(reason="test")]
    assert loop.longest_gap_seconds == 7.5


async def test_an_ordinary_sleep_is_no_gap() -> None:
    seen, _ = await told(GAP_SECONDS)
    assert seen[0] == Ticked()
    assert GAP_SECONDS > 2 * LONGEST_SLEEP_SECONDS


async def test_what_is_put_off_is_performed_when_no_event_is_left() -> None:
    clock = Clock()
    seen: list[type] = []
    loop = Loop(
        machine.initial(NodeName("one"), now=clock.at), clock=clock, perform=lambda action: seen.append(type(action))
    )
    loop.observe(lambda _before, event, _after, _actions: seen.append(type(event)))
    loop.post(ConfigLoaded(spec=spec(always=(process("work", role=Role.ALWAYS),)), source="test"))
    loop.post(Ticked())
    running = asyncio.create_task(loop.run())
    async with asyncio.timeout(10):
        while Spawn not in seen:
            await asyncio.sleep(0)
    assert seen[:4] == [ConfigLoaded, Ticked, ConfigureLog, Spawn]
    run = next(iter(loop.state.runs))
    loop.post(ShutdownRequested(reason="test"))
    loop.post(Spawned(run=run, pid=1))
    loop.post(Exited(run=run, code=0, signal=None))
    loop.post(Emptied(run=run, chance=0.5))
    assert await running == 0
