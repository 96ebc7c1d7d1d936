"""The rotating file, on a real file system."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor.core.spec import LogSpec
from supervisor.processes.logfile import FileOutlet
from supervisor.processes.packer import Packer
from supervisor.processes.sink import Gap, OutletError


class Log:
    def __init__(self, path: Path, *, max_size_bytes: int = 50, keep: int = 3) -> None:
        self.path = path
        self.warnings: list[str] = []
        spec = LogSpec(file=str(path), max_size_bytes=max_size_bytes, keep=keep)
        self.outlet = FileOutlet(str(path), spec, warn=self.warnings.append, packer=Packer())

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.path.parent.iterdir()}


def test_rotation_is_exact(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", max_size_bytes=10, keep=2)
    for number in range(9):
        log.outlet.write(b"%04d\n" % number)
    log.outlet.close()
    assert log.files() == {"log": b"0008\n", "log.1": b"0006\n0007\n", "log.2": b"0004\n0005\n"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    blocks=st.lists(
        st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b".") + b"\n"), min_size=1), max_size=9
    ),
    max_size_bytes=st.integers(1, 60),
)
def test_nothing_is_lost_by_rotating(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[list[bytes]], max_size_bytes: int
) -> None:
    log = Log(tmp_path_factory.mktemp("rotate") / "log", max_size_bytes=max_size_bytes, keep=1000)
    for block in blocks:
        log.outlet.write(b"".join(block))
    log.outlet.close()
    files = log.files()
    in_order = [files[f"log.{number}"] for number in range(len(files) - 1, 0, -1)] + [files.get("log", b"")]
    assert b"".join(in_order) == b"".join(line for block in blocks for line in block)
    for content in in_order:
        assert len(content) <= max_size_bytes or content.count(b"\n") == 1
        assert not content or content.endswith(b"\n")


@pytest.mark.parametrize(("keep", "expected"), [(0, {"log"}), (1, {"log", "log.1"})])
def test_keeping_few(tmp_path: Path, keep: int, expected: set[str]) -> None:
    log = Log(tmp_path / "log", max_size_bytes=5, keep=keep)
    for _ in range(4):
        log.outlet.write(b"1234\n")
    log.outlet.close()
    assert set(log.files()) == expected


def test_limits_change_while_running_and_surplus_files_go(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", max_size_bytes=5, keep=8)
    for _ in range(8):
        log.outlet.write(b"1234\n")
    log.outlet.spec = LogSpec(file=str(log.path), max_size_bytes=5, keep=2)
    log.outlet.write(b"last\n")
    log.outlet.close()
    assert set(log.files()) == {"log", "log.1", "log.2"}


def test_an_existing_file_is_continued(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"old\n")
    log = Log(tmp_path / "log", max_size_bytes=8)
    log.outlet.write(b"new\n")
    log.outlet.write(b"one more\n")
    log.outlet.close()
    assert log.files() == {"log": b"one more\n", "log.1": b"old\nnew\n"}


def test_a_file_moved_or_removed_by_others_is_made_again(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    log.outlet.write(b"one\n")
    (tmp_path / "log").rename(tmp_path / "moved")
    log.outlet.write(b"two\n")
    (tmp_path / "log").unlink()
    log.outlet.write(b"three\n")
    os.truncate(tmp_path / "log", 0)
    log.outlet.write(b"four\n")
    log.outlet.close()
    assert log.files() == {"moved": b"one\n", "log": b"four\n"}


def test_a_directory_that_goes_away_is_made_again_as_it_was(tmp_path: Path) -> None:
    directory = tmp_path / "logs"
    directory.mkdir(mode=0o750)
    log = Log(directory / "log")
    log.outlet.write(b"one\n")
    (directory / "log").unlink()
    directory.rmdir()
    log.outlet.write(b"two\n")
    log.outlet.close()
    assert log.files() == {"log": b"two\n"}
    assert directory.stat().st_mode & 0o777 == 0o750
    assert log.warnings == []


def test_a_directory_never_seen_is_not_made(tmp_path: Path) -> None:
    log = Log(tmp_path / "mistyped" / "log")
    with pytest.raises(OutletError, match="No such file") as error:
        log.outlet.write(b"two\n")
    assert error.value.written == 0
    log.outlet.trouble = error.value.cause
    log.outlet.failed()
    (tmp_path / "mistyped").mkdir()
    log.outlet.write(b"three\n")
    log.outlet.recovered(Gap(source="billing/api", lines=1, size_bytes=4, cause="No such file or directory"))
    log.outlet.close()
    assert log.files() == {"log": b"three\n"}
    assert "create its directory" in log.warnings[0]
    assert log.warnings[1].endswith("1 line (4 bytes) of billing/api were dropped: No such file or directory")


def test_devices_are_written_and_never_rotated() -> None:
    null = Log(Path("/dev/null"), max_size_bytes=5)
    null.outlet.write(b"1234\n" * 3)
    null.outlet.close()
    full = Log(Path("/dev/full"), max_size_bytes=5)
    with pytest.raises(OutletError, match="No space"):
        full.outlet.write(b"1234\n" * 3)
    full.outlet.close()
    assert not list(Path("/dev").glob("full.*"))


def test_a_fifo_without_a_reader_is_an_error_and_not_a_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    log = Log(tmp_path / "log")
    with pytest.raises(OutletError):
        log.outlet.write(b"one\n")


def test_a_torn_line_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(tmp_path / "log", max_size_bytes=1000)
    write, calls = os.write, 0

    def fills_up(fd: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(28, "No space left on device")
        return write(fd, data[:6] if calls == 1 else data)

    monkeypatch.setattr(os, "write", fills_up)
    with pytest.raises(OutletError) as error:
        log.outlet.write(b"one\ntwo\nthree\n")
    assert error.value.written == 4
    log.outlet.write(b"four\n")
    log.outlet.close()
    assert log.files() == {"log": b"one\nfour\n"}


def test_a_file_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:  # root, who may run this, is never refused
        raise PermissionError(13, "Permission denied")

    log = Log(tmp_path / "log")
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OutletError, match="Permission denied") as error:
        log.outlet.write(b"one\n")
    log.outlet.trouble = error.value.cause
    log.outlet.failed()
    assert "let the supervisor's user write there" in log.warnings[0]


def test_a_file_that_cannot_be_rotated_grows_and_says_so_once(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", max_size_bytes=5)
    (tmp_path / "log.1").touch()
    (tmp_path / "log.2").touch()
    (tmp_path / "log.3").mkdir()  # in the way of the one that is to fall off
    for _ in range(4):
        log.outlet.write(b"1234\n")
    log.outlet.close()
    assert (tmp_path / "log").read_bytes() == b"1234\n" * 4
    assert len(log.warnings) == 1
    assert "cannot be rotated" in log.warnings[0]
