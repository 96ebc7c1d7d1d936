"""What the service manager is told: signs of life only from a living daemon, more time only while a stop may last."""

import asyncio
from typing import Any

import pytest

from supervisor.core import machine
from supervisor.core.evolve import replace
from supervisor.core.names import Home, Instant, NodeName
from supervisor.core.spec import Spec, StopSpec
from supervisor.core.state import State
from supervisor.core.stop_budget import LAST_STEPS_SECONDS
from supervisor.daemon import manager
from supervisor.daemon.manager import ServiceManager, status_line
from supervisor.report.systemd import Notifier
from tests.core.test_stop_budget import named, process


class Heard(Notifier):
    """A notifier that keeps what it was given."""

    def __init__(self, watchdog_seconds: float | None = None) -> None:
        super().__init__("/somewhere", watchdog_seconds=watchdog_seconds)
        self.messages: list[dict[str, str]] = []
        self.heard = asyncio.Event()

    def _send(self, message: Any, *, hold: bool = False) -> bool:  # noqa: ARG002 # as it is called
        self.messages.append(dict(message))
        self.heard.set()
        return True


def state(*, stop_seconds: float = 10.0) -> State:
    began = machine.initial(NodeName("a"), now=Instant(0.0), home=Home(boot="b", mark="m"), wall_offset_seconds=0.0)
    declared = named(process("p", StopSpec(timeout_seconds=stop_seconds)))
    return replace(began, spec=Spec(node=NodeName("a"), processes=declared))


async def test_a_sign_of_life_is_given_only_while_there_is_life() -> None:
    notifier = Heard(watchdog_seconds=0.03)
    asked: list[bool] = []
    answers = iter([True, False, False, True])
    enough = asyncio.Event()

    def alive() -> bool:
        answer = next(answers, None)
        if answer is None:
            enough.set()
            return False
        asked.append(answer)
        return answer

    keeping = asyncio.create_task(ServiceManager(notifier, state=state).keep_watchdog(alive))
    async with asyncio.timeout(10):
        await enough.wait()
    keeping.cancel()
    assert asked == [True, False, False, True]
    assert notifier.messages == [{"WATCHDOG": "1"}] * 2


async def test_nobody_who_watches_is_told_nothing() -> None:
    notifier = Heard()
    await ServiceManager(notifier, state=state).keep_watchdog(lambda: True)
    assert notifier.messages == []


async def test_a_stop_asks_for_time_until_its_budget_is_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager, "EXTEND_EVERY_SECONDS", 8.0)
    notifier, before = Heard(), state(stop_seconds=15.0)
    delays: list[float] = []
    loop = asyncio.get_running_loop()

    def call_later(delay: float, callback: Any, *args: Any) -> None:
        delays.append(delay)
        loop.call_soon(callback, *args)

    monkeypatch.setattr(loop, "call_later", call_later)
    ServiceManager(notifier, state=lambda: before).report(before, replace(before, stopping="received SIGTERM"))
    while len(delays) * 8.0 < 15.0 + LAST_STEPS_SECONDS:
        await asyncio.sleep(0)
    for _ in range(3):  # and no more follows
        await asyncio.sleep(0)
    assert notifier.messages[0] == {"STOPPING": "1", "STATUS": "received SIGTERM"}
    asked = [int(m["EXTEND_TIMEOUT_USEC"]) / 1e6 for m in notifier.messages if "EXTEND_TIMEOUT_USEC" in m]
    assert asked == [15.0, 12.0, 4.0]


def test_the_line_of_status_says_what_is_amiss() -> None:
    now = state()
    assert status_line(now) == "leads 0 of 0 elections"
    assert status_line(replace(now, problems=("x",))).endswith("; the file has 1 problem and was not adopted")
