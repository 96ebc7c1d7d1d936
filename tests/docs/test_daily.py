"""examples/cron/daily: it runs its command at the time of day, lets one that has begun end, and does not begin another."""

import datetime
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.nodes import until

DAILY = Path(__file__).parents[2] / "examples" / "cron" / "daily"


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait(10)


def test_a_run_that_has_begun_ends_and_none_follows(tmp_path: Path, started: list[subprocess.Popen[bytes]]) -> None:
    soon = datetime.datetime.now(datetime.UTC).astimezone() + datetime.timedelta(seconds=2)
    job = f"echo began >> {tmp_path}/log; until [ -e {tmp_path}/go ]; do sleep 0.05; done; echo ended >> {tmp_path}/log"
    daily = subprocess.Popen([DAILY, soon.strftime("%H:%M:%S"), "sh", "-c", job])
    started.append(daily)
    log = tmp_path / "log"
    until(log.exists, "the run", 30)
    daily.send_signal(signal.SIGTERM)
    assert daily.poll() is None
    (tmp_path / "go").touch()
    assert daily.wait(20) == 0
    assert log.read_text() == "began\nended\n"


def test_between_two_runs_it_ends_at_once(tmp_path: Path, started: list[subprocess.Popen[bytes]]) -> None:
    later = datetime.datetime.now(datetime.UTC).astimezone() + datetime.timedelta(hours=5)
    daily = subprocess.Popen([DAILY, later.strftime("%H:%M"), "touch", str(tmp_path / "ran")])
    started.append(daily)
    until(
        lambda: b"sleep" in subprocess.run(["pgrep", "-lP", str(daily.pid)], capture_output=True, check=False).stdout,
        "its nap",
        20,
    )
    daily.send_signal(signal.SIGTERM)
    assert daily.wait(20) == 0
    assert not (tmp_path / "ran").exists()
