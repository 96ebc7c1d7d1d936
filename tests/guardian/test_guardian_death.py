"""The guardian is killed, or frozen: the daemon's end kills everything, proves it, and says so."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor.core import events
from supervisor.core.names import RunId
from supervisor.guardian.link import GuardianLink, SpawnRequest, launch
from tests.guardian.harness import BILLING, DAEMONISE, LEASE, Duty, arm, dead, kill, now, until, written_pid


async def test_everything_is_killed_then_it_is_told(duty: Duty, tmp_path: Path) -> None:
    await duty.arm()
    run, pid = await duty.python(DAEMONISE, "grandchild", str(tmp_path / "pid"), term=BILLING)
    over, _ = await duty.start("true")
    await duty.expect(events.Emptied, over)
    grandchild = await written_pid(tmp_path / "pid")
    os.kill(duty.pid, signal.SIGKILL)
    lost = await duty.expect(events.GuardianLost)
    assert "signal 9" in lost.detail
    assert dead(pid)
    assert dead(grandchild)
    assert duty.about(run) == ["Spawned", "Exited", "Emptied"]
    assert duty.about(over) == ["Spawned", "Exited", "Emptied"]
    assert duty.news[-1] is lost
    assert "guardian is gone" in (await refused(duty)).detail


async def refused(duty: Duty) -> events.SpawnFailed:
    run = duty.begin("true")
    # ``run`` has ended with GuardianLost; what is refused later is told by the next turn of the loop, or not at all.
    await until(lambda: duty.link._undelivered or duty.about(run))
    duty.link._deliver()
    return await duty.expect(events.SpawnFailed, run)


async def test_a_frozen_guardian_blocks_nothing_and_is_given_up(containment: str, tmp_path: Path) -> None:
    news: list[events.Event] = []

    launched = launch(state_dir=tmp_path / "state")
    link = GuardianLink(launched, on_event=news.append, chance=lambda: 0.5, silence_seconds=1.0)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(link.run())
        os.kill(launched.ready.pid, signal.SIGSTOP)
        link.arm(arm(BILLING, LEASE, now(60.0), 1.0))
        for _ in range(20_000):
            link.extend(LEASE, now(60.0))  # far more than the socket holds
        link.spawn(SpawnRequest(run=RunId(1), scope="x", term=None, argv=("true",), environment={}), 2, 2)
        await until(lambda: any(isinstance(e, events.GuardianLost) for e in news))
        assert [type(e).__name__ for e in news] == ["SpawnFailed", "GuardianLost"]
        await link.close()


NEVER = 1_000_000
"""Rounds of silence, which alone would take for ever."""


async def test_a_guardian_that_is_frozen_at_kill_by_is_put_down_and_its_term_with_it(duty: Duty) -> None:
    await duty.arm(seconds=1.5, margin=0.5)
    run, pid = await duty.start("sleep", "1000", term=BILLING)
    duty.link._pulse._silent_turns_allowed = NEVER
    os.kill(duty.pid, signal.SIGSTOP)
    await duty.expect(events.GuardianLost)
    assert dead(pid)
    assert duty.about(run) == ["Spawned", "Exited", "Emptied"]


async def test_a_frozen_guardian_does_not_keep_alive_what_is_to_be_killed(duty: Duty) -> None:
    await duty.arm()
    run, pid = await duty.start("sleep", "1000", term=BILLING)
    duty.link._pulse._silent_turns_allowed = NEVER
    os.kill(duty.pid, signal.SIGSTOP)
    duty.link.kill(run)
    await duty.expect(events.GuardianLost)
    assert dead(pid)


async def test_a_guardian_that_is_put_off_in_time_is_left_alone(duty: Duty) -> None:
    await duty.arm(seconds=0.5, margin=0.1)
    run, pid = await duty.start("sleep", "1000", term=BILLING)
    duty.link.extend(LEASE, now(60.0))
    over, _ = await duty.start("sleep", "0.7")
    await duty.expect(events.Emptied, over)
    assert not dead(pid)
    duty.link.kill(run)
    await duty.expect(events.Emptied, run)
    assert not any(isinstance(e, events.GuardianLost) for e in duty.news)


async def test_closing_kills_what_is_left_and_leaves_no_cgroup(duty: Duty) -> None:
    run, pid = await duty.start("sleep", "1000")
    top = duty.link.ready.path
    await duty.link.close()
    assert dead(pid)
    assert not top or not Path(top).exists()
    assert run == 1


@pytest.mark.usefixtures("containment")
async def test_what_the_guardian_loads(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "supervisor" / "guardian" / "__main__.py"
    code = (
        "import runpy,sys\nsys.argv=['x','-1']\n"
        f"try: runpy.run_path({str(script)!r}, run_name='guardian')\nexcept BaseException as e: print('ERR',repr(e))\n"
        "import supervisor.guardian.revoke\n"
        "print('\\n'.join(f'{n} {getattr(m,\"__file__\",None)}' for n,m in sys.modules.items()))"
    )
    out = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True).stdout
    lines = [line.split(" ", 1) for line in out.splitlines()]
    names = {name for name, _ in lines}
    assert "ERR" not in names
    assert "supervisor.guardian.duty" in names
    assert not names & {"asyncio", "grpc", "google", "yaml", "supervisor.core", "supervisor.guardian.link"}
    assert not [line for line in lines if "site-packages" in line[1]]


async def test_a_kill_does_not_wait_for_a_guardian_that_is_frozen(duty: Duty) -> None:
    await duty.arm()
    run, pid = await duty.start("sleep", "1000", term=BILLING)
    kill(duty.pid, signal.SIGSTOP)
    try:
        duty.link.kill(run)
        await until(lambda: dead(pid))
    finally:
        kill(duty.pid, signal.SIGCONT)
    await duty.expect(events.Emptied, run)
