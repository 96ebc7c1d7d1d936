"""A child that is made ready and held just before exec: nothing but Release lets it go on, and whatever else comes ends it."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from supervisor.core import events
from tests.guardian.harness import BILLING, LEASE, Duty, arm, dead, kill, now, until, wait_dead
from tests.guardian.test_daemon_death import SLEEPER, daemon

AT_THE_GATE = 5
"""Descriptors: the standard ones, the report, the gate."""


def children(pid: int) -> list[int]:
    """Of a process of one thread."""
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


async def held_child(guardian: int) -> int:
    """The one child of the guardian, when it has come to its gate."""
    await until(lambda: [pid for pid in children(guardian) if len(os.listdir(f"/proc/{pid}/fd")) == AT_THE_GATE])
    (pid,) = children(guardian)
    return pid


async def test_it_is_executed_when_released_and_not_before(duty: Duty, tmp_path: Path) -> None:
    await duty.arm()
    run = duty.begin("touch", str(tmp_path / "executed"), term=BILLING, held=True)
    pid = await held_child(duty.pid)
    assert duty.about(run) == []
    assert not (tmp_path / "executed").exists()
    duty.link.release(run)
    assert (await duty.expect(events.Spawned, run)).pid == pid
    await duty.expect(events.Emptied, run)
    assert (tmp_path / "executed").exists()
    assert duty.about(run) == ["Spawned", "Exited", "Emptied"]


async def test_released_before_it_has_come_to_its_gate(duty: Duty) -> None:
    await duty.arm()
    run = duty.begin("true", term=BILLING, held=True)
    duty.link.release(run)
    duty.link.release(run)
    await duty.expect(events.Emptied, run)
    assert duty.about(run) == ["Spawned", "Exited", "Emptied"]


async def test_it_counts_until_it_is_killed_and_was_never_executed(duty: Duty, tmp_path: Path) -> None:
    await duty.arm()
    run = duty.begin("touch", str(tmp_path / "executed"), term=BILLING, held=True)
    pid = await held_child(duty.pid)
    duty.link.disarm(BILLING)
    assert (await duty.expect(events.DisarmRefused)).blockers
    duty.link.kill(run)
    duty.link.release(run)  # too late
    assert "killed before" in (await duty.expect(events.SpawnFailed, run)).detail
    assert dead(pid)
    assert not (tmp_path / "executed").exists()
    assert duty.about(run) == ["SpawnFailed"]
    duty.link.disarm(BILLING)
    await duty.expect(events.Disarmed)


async def test_kill_by_ends_it(duty: Duty, tmp_path: Path) -> None:
    await duty.arm(seconds=1.0)
    run = duty.begin("touch", str(tmp_path / "executed"), term=BILLING, held=True)
    pid = await held_child(duty.pid)
    await duty.expect(events.KillByStruck)
    await duty.expect(events.SpawnFailed, run)
    duty.link.release(run)
    assert dead(pid)
    assert not (tmp_path / "executed").exists()


async def test_a_release_past_kill_by_ends_it(duty: Duty, tmp_path: Path) -> None:
    """The order to release waits in the socket of a guardian that is stopped meanwhile."""
    await duty.arm(seconds=1.0)
    run = duty.begin("touch", str(tmp_path / "executed"), term=BILLING, held=True)
    await held_child(duty.pid)
    kill(duty.pid, signal.SIGSTOP)
    due = now(1.0)
    duty.link.release(run)
    await until(lambda: now() > due)
    kill(duty.pid, signal.SIGCONT)
    await duty.expect(events.SpawnFailed, run)
    assert not (tmp_path / "executed").exists()


async def test_what_fails_before_the_gate_says_why(duty: Duty) -> None:
    await duty.arm()
    run = duty.begin("true", term=BILLING, held=True, directory="/nowhere")
    assert "/nowhere" in (await duty.expect(events.SpawnFailed, run)).detail
    run = duty.begin("/no/such/program", term=BILLING, held=True)
    await held_child(duty.pid)
    duty.link.release(run)
    assert "/no/such/program" in (await duty.expect(events.SpawnFailed, run)).detail


async def test_none_is_held_in_a_term_that_is_not_armed(duty: Duty) -> None:
    run = duty.begin("true", term=BILLING, held=True)
    assert "not armed" in (await duty.expect(events.SpawnFailed, run)).detail


@pytest.mark.usefixtures("containment")
def test_it_dies_with_its_daemon_unexecuted(tmp_path: Path) -> None:
    runs: list[dict[str, object]] = [{"argv": ["touch", str(tmp_path / "executed")], "term": True, "held": True}]
    with daemon(tmp_path / "state", runs) as made:
        pid = asyncio.run(held_child(made.guardian))
        made.die()
        wait_dead(pid)
        wait_dead(made.guardian)
    assert not (tmp_path / "executed").exists()


async def test_it_dies_with_the_guardian_unexecuted(duty: Duty, tmp_path: Path) -> None:
    await duty.arm()
    run = duty.begin("touch", str(tmp_path / "executed"), term=BILLING, held=True)
    pid = await held_child(duty.pid)
    kill(duty.pid)
    await duty.expect(events.GuardianLost)
    wait_dead(pid)
    assert duty.about(run) == ["SpawnFailed"]
    assert not (tmp_path / "executed").exists()


async def test_a_term_that_is_vacated_is_disarmed_as_soon_as_it_is_empty(duty: Duty) -> None:
    await duty.arm()
    run, _ = await duty.start(*SLEEPER, term=BILLING)
    duty.link.vacate(BILLING)
    late = duty.begin("true", term=BILLING)
    assert "is ending" in (await duty.expect(events.SpawnFailed, late)).detail
    assert not any(isinstance(e, events.Disarmed) for e in duty.news)
    duty.link.kill(run)
    await duty.expect(events.Disarmed)
    assert [type(e).__name__ for e in duty.news[-3:]] == ["Exited", "Emptied", "Disarmed"]
    again = duty.begin("true", term=BILLING)
    assert "not armed" in (await duty.expect(events.SpawnFailed, again)).detail


async def test_a_vacant_term_is_disarmed_at_once(duty: Duty) -> None:
    duty.link.arm(arm(BILLING, LEASE, now(60.0), 0.0))
    duty.link.vacate(BILLING)
    await duty.expect(events.Disarmed)
