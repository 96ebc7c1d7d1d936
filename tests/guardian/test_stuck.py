"""A process that not even SIGKILL ends: stuck in the kernel, as on a dead NFS server. Here the v1 freezer holds it so."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.core import events
from supervisor.guardian.census import everyone, look, send
from tests.guardian.harness import BILLING, Duty, dead, until

FREEZER = Path("/sys/fs/cgroup/freezer")


@pytest.fixture
def freezer() -> Iterator[Path]:
    """A group whose members do not run, whatever they are sent."""
    if not (FREEZER / "tasks").exists() or os.geteuid() != 0:
        pytest.skip("no freezer of cgroup v1 to hold a process in the kernel")
    group = FREEZER / f"sv-test-{os.getpid()}"
    group.mkdir()
    yield group
    (group / "freezer.state").write_text("THAWED")
    while group.exists():
        try:
            group.rmdir()
        except OSError:  # whoever was in it is still ending
            os.sched_yield()


async def test_a_process_stuck_in_the_kernel_keeps_its_term_and_is_named(duty: Duty, freezer: Path) -> None:
    await duty.arm()
    run, pid = await duty.start("sleep", "1000", term=BILLING)
    (freezer / "tasks").write_text(str(pid))
    (freezer / "freezer.state").write_text("FROZEN")
    await until(lambda: (freezer / "freezer.state").read_text().strip() == "FROZEN")
    duty.link.kill(run)
    duty.link.disarm(BILLING)
    refused = await duty.expect(events.DisarmRefused)
    assert refused.blockers == (f"{pid} (sleep)",)
    assert not dead(pid)
    assert not any(isinstance(e, events.Emptied) for e in duty.news)
    (freezer / "freezer.state").write_text("THAWED")
    await duty.expect(events.Emptied, run)
    duty.link.disarm(BILLING)
    await duty.expect(events.Disarmed)
    assert dead(pid)


async def test_who_is_left_of_a_run_whose_main_process_has_ended_is_named(duty: Duty, freezer: Path) -> None:
    run, _ = await duty.start("sh", "-c", "sleep 1000 & sleep 1001 & wait")
    session = (await duty.expect(events.Spawned, run)).pid

    def sleepers() -> list[int]:
        return [p.pid for p in everyone().values() if p.name == "sleep" and p.session == session]

    await until(lambda: len(sleepers()) == 2)
    stuck = sleepers()
    (freezer / "tasks").write_text(str(stuck[0]))
    (freezer / "freezer.state").write_text("FROZEN")
    await until(lambda: (freezer / "freezer.state").read_text().strip() == "FROZEN")
    duty.link.kill(run)
    lingering = await duty.expect(events.Lingering, run)
    assert lingering.blockers == (f"{stuck[0]} (sleep)",)
    assert duty.about(run) == ["Spawned", "Exited", "Lingering"]
    (freezer / "freezer.state").write_text("THAWED")
    await duty.expect(events.Emptied, run)


async def test_a_pid_that_is_somebody_else_s_by_now_is_left_alone(duty: Duty) -> None:
    _, pid = await duty.start("sleep", "1000")
    process = look(pid)
    assert process is not None
    stranger = type(process)(
        pid=pid, start=process.start - 1, parent=process.parent, group=process.group, session=process.session,
        name=process.name, zombie=False,
    )  # fmt: skip
    assert not send(stranger, 9)
    assert not dead(pid)
    assert send(process, 9)
