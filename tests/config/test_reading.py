"""A file that somebody is writing is not taken for a whole one."""

import time
from pathlib import Path

import pytest

from supervisor.config import reading
from supervisor.config.problems import Problems


def test_a_file_that_is_open_for_writing_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, problems, looks = tmp_path / "f.yaml", Problems(), 0
    writer = path.open("w")
    writer.write("processes: {half: {command: x}}\n")
    writer.flush()

    def sleep(_seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            writer.write("  # the rest\n")
            writer.close()

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(reading, "QUIET_SECONDS", 60.0)
    data = reading.read(path, problems, patience_seconds=60.0)
    assert data is not None
    assert data.endswith(b"# the rest\n")
    assert looks == 3
    assert not problems


def test_a_writer_that_keeps_it_open_and_writes_no_more_is_not_waited_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, problems = tmp_path / "f.yaml", Problems()
    path.write_text("x")
    monkeypatch.setattr(reading, "QUIET_SECONDS", 0.05)
    with path.open("a"):
        assert reading.read(path, problems, patience_seconds=60.0) == b"x"
        assert reading.read(path, problems, patience_seconds=0.0) == b"x"
