"""The documentation's store refuses whoever leads no more."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "fenced_store.py"


def write(path: Path, token: int, value: int) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SUPERVISOR_FENCING_TOKEN": str(token)}
    argv = [sys.executable, str(EXAMPLE), str(path), "alice", str(value)]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=30)


def test_a_late_write_of_an_earlier_term_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    assert write(path, 12, 100).returncode == 0
    assert write(path, 12, 101).returncode == 0
    assert write(path, 15, 200).returncode == 0
    late = write(path, 12, 102)
    assert late.returncode == 1
    assert "token 12 is not the newest" in late.stderr
    assert write(path, 15, 201).returncode == 0
