"""No process of a term outlives its kill-by; none is started without one; none is forgotten while it lives."""

import os
import signal
from pathlib import Path

from supervisor.core import events
from supervisor.core.names import ElectionName, Term, Token
from tests.guardian.harness import BILLING, DAEMONISE, LEASE, Duty, arm, dead, now, until, written_pid

STUBBORN = "trap '' TERM INT HUP; echo on > $0; while :; do sleep 1; done"


async def test_nothing_of_a_term_is_started_before_it_is_armed(duty: Duty) -> None:
    run = duty.begin("true", term=BILLING)
    assert "billing#7 is not armed" in (await duty.expect(events.SpawnFailed, run)).detail


async def test_kill_by_strikes(duty: Duty, tmp_path: Path) -> None:
    await duty.arm(seconds=2.0, margin=1.0)
    run, pid = await duty.start("sh", "-c", STUBBORN, str(tmp_path / "on"), term=BILLING)
    other, _ = await duty.start("sleep", "1000")
    struck = await duty.expect(events.KillByStruck)
    assert now() >= struck.late_seconds
    assert 0 <= struck.late_seconds < 5
    assert struck.term == BILLING
    await duty.expect(events.Emptied, run)
    assert dead(pid)
    assert duty.about(other) == ["Spawned"]
    late = duty.begin("true", term=BILLING)
    assert "past its kill-by" in (await duty.expect(events.SpawnFailed, late)).detail
    duty.link.disarm(BILLING)
    await duty.expect(events.Disarmed)


async def test_extend_moves_it_later_and_never_earlier(duty: Duty) -> None:
    await duty.arm(seconds=1.5)
    run, _ = await duty.start("sleep", "1000", term=BILLING)
    end = now(3.0)
    duty.link.extend(LEASE, end)
    duty.link.extend(LEASE, now(0.1))
    await duty.expect(events.KillByStruck)
    assert now() >= end
    await duty.expect(events.Emptied, run)


async def test_arming_too_late_strikes(duty: Duty) -> None:
    for _ in range(2):
        duty.news.clear()
        duty.link.arm(arm(BILLING, LEASE, now(1.0), 2.0))
        assert (await duty.expect(events.KillByStruck)).late_seconds > 0
    run = duty.begin("true", term=BILLING)
    await duty.expect(events.SpawnFailed, run)


async def test_disarm_is_refused_over_a_daemonised_grandchild(duty: Duty, tmp_path: Path) -> None:
    await duty.arm()
    run, _ = await duty.python(DAEMONISE, "leave", str(tmp_path / "pid"), term=BILLING)
    pid = await written_pid(tmp_path / "pid")
    await duty.expect(events.Exited, run)
    duty.link.disarm(BILLING)
    refused = await duty.expect(events.DisarmRefused)
    assert any(blocker.startswith(f"{pid} (") for blocker in refused.blockers)
    duty.link.kill(run)
    await duty.expect(events.Emptied, run)
    duty.link.disarm(BILLING)
    assert (await duty.expect(events.Disarmed)).term == BILLING


async def test_terms_of_other_leases_are_not_struck(duty: Duty) -> None:
    mail = Term(ElectionName("mail"), Token(8))
    await duty.arm(seconds=60.0)
    keep, _ = await duty.start("sleep", "1000", term=BILLING)
    duty.link.arm(arm(mail, type(LEASE)(99), now(0.5), 0.0))
    run, _ = await duty.start("sleep", "1000", term=mail)
    assert (await duty.expect(events.KillByStruck)).term == mail
    await duty.expect(events.Emptied, run)
    assert duty.about(keep) == ["Spawned"]


async def test_a_terminal_s_signals_change_nothing(duty: Duty) -> None:
    _, pid = await duty.start("sleep", "1000")
    for signo in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        os.kill(duty.pid, signo)
    run, _ = await duty.start("true")
    await duty.expect(events.Emptied, run)
    assert not dead(pid)
    await until(lambda: not dead(duty.pid))
