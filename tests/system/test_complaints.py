"""Complaints about other supervisors (``docs/complaints.md``) that are about the whole program, each provoked on ours."""

import concurrent.futures
from pathlib import Path

import pytest

from tests.system.nodes import Make, until

pytestmark = [pytest.mark.system]

ALONE = """\
import fcntl, os, sys, time
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    open(sys.argv[1] + ".two", "a").write("two at once\\n")
open(sys.argv[1] + ".runs", "a").write(f"{os.getpid()}\\n")
time.sleep(1000)
"""


@pytest.fixture
def alone(tmp_path: Path) -> str:
    """A process that notes when another of its kind runs beside it."""
    (tmp_path / "alone.py").write_text(ALONE)
    return f"""\
processes:
  one:
    command: [python3, {tmp_path}/alone.py, {tmp_path}/lock]
    stop: {{timeout: 5s}}
"""


def test_complaint_18_many_restarts_at_once_never_run_two_copies(node: Make, alone: str, tmp_path: Path) -> None:
    """process-compose#347: two concurrent restarts ran three copies."""
    one = node("one", alone)
    runs = tmp_path / "lock.runs"
    until(lambda: runs.exists() and runs.read_text().count("\n") == 1, "the first run")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: one.run("restart", "one").returncode, range(8)))
    assert 0 in done
    assert one.run("status").returncode == 0
    assert not (tmp_path / "lock.two").exists(), "two copies ran at once"
    assert runs.read_text().count("\n") >= 2


def test_complaint_20_a_reload_that_changes_nothing_touches_nothing_and_an_edit_is_applied(
    node: Make, alone: str, tmp_path: Path
) -> None:
    """process-compose#494: a no-op update bounced the database. patroni#1149: an edit and a reload changed nothing."""
    one = node("one", alone)
    runs = tmp_path / "lock.runs"
    until(lambda: runs.exists() and runs.read_text().count("\n") == 1, "the first run")
    pid = one.pid_of("one")
    one.file.write_text("# only a comment\n" + alone.replace("{timeout: 5s}", '{timeout: "5s"}'))
    reloaded = one.run("reload")
    assert reloaded.returncode == 0, reloaded.stdout + reloaded.stderr
    assert one.pid_of("one") == pid
    one.file.write_text(alone + "    environment: {A: b}\n")
    assert one.run("reload").returncode == 0
    until(lambda: one.pid_of("one") != pid, "the new environment")
    until(lambda: runs.read_text().count("\n") >= 2, "the second run")
    assert runs.read_text().count("\n") == 2


def test_complaint_22_what_is_only_starting_is_not_called_well(node: Make, tmp_path: Path) -> None:
    """Supervisor#1488, #1223: status exits 0 while a process is STARTING."""
    go = tmp_path / "go"
    text = f"processes: {{slow: {{command: [sleep, '1000'], ready: {{exec: [test, -e, {go}], every: 50ms}}}}}}\n"
    one = node("one", text)
    until(lambda: "slow: started" in one.says(), "the process")
    status = one.run("status")
    assert status.returncode == 1
    assert "not ready yet" in status.stdout + status.stderr
    go.touch()
    until(lambda: one.run("status").returncode == 0, "the process ready")
