"""Rotation by age, packing, reopening, and who may lead a log file where."""

import gzip
import os
import shutil
import tempfile
import threading
from pathlib import Path

import pytest

from supervisor.core.spec import LogSpec
from supervisor.processes import rotation
from supervisor.processes.logfile import FileOutlet
from supervisor.processes.packer import Packer
from supervisor.processes.rotation import Series
from supervisor.processes.sink import OutletError

MIDNIGHT = 20_000 * 86_400.0


class Log:
    def __init__(self, path: Path, **spec: object) -> None:
        self.path = path
        self.warnings: list[str] = []
        self.now = MIDNIGHT
        self.packer = Packer()
        self.outlet = FileOutlet(
            str(path),
            LogSpec(file=str(path), **spec),  # type: ignore[arg-type]
            warn=self.warnings.append,
            packer=self.packer,
            wall_clock=lambda: self.now,
        )

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.path.parent.iterdir()}

    def packed(self) -> None:
        """Wait for the packer."""
        if (thread := self.packer._thread) is not None:
            thread.join(20)


def test_each_day_of_utc_has_its_file(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", max_age_seconds=86_400.0)
    log.outlet.write(b"first day\n")
    log.now += 86_399
    log.outlet.write(b"still\n")
    log.now += 1
    log.outlet.write(b"second day\n")
    log.now += 3 * 86_400
    log.outlet.write(b"later\n")
    log.outlet.close()
    assert log.files() == {"log": b"later\n", "log.1": b"second day\n", "log.2": b"first day\nstill\n"}


def test_the_day_of_a_file_that_was_there_before_is_that_of_its_last_line(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"yesterday\n")
    os.utime(tmp_path / "log", (MIDNIGHT - 1, MIDNIGHT - 1))
    log = Log(tmp_path / "log", max_age_seconds=86_400.0)
    log.outlet.write(b"today\n")
    log.outlet.close()
    assert log.files() == {"log": b"today\n", "log.1": b"yesterday\n"}


def test_old_files_are_packed_and_go_on_moving(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", max_size_bytes=6, keep=2, compress=True)
    os.umask(os.umask(0o022))
    for number in range(5):
        log.outlet.write(b"line%d\n" % number)
        log.packed()
    log.outlet.close()
    assert set(log.files()) == {"log", "log.1.gz", "log.2.gz"}
    assert [gzip.decompress(log.files()[f"log.{n}.gz"]) for n in (1, 2)] == [b"line3\n", b"line2\n"]
    assert (tmp_path / "log.1.gz").stat().st_mode & 0o777 == 0o640
    assert log.warnings == []


def test_a_file_that_moves_while_it_is_packed_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    series = Series(tmp_path / "log")
    (tmp_path / "log").write_bytes(b"one\n")
    series.shift(keep=5)
    begun, go_on = threading.Event(), threading.Event()
    pack = rotation._gzip

    def slowly(source: int, target: int) -> None:
        begun.set()
        assert go_on.wait(20)
        pack(source, target)

    monkeypatch.setattr(rotation, "_gzip", slowly)
    packing = threading.Thread(target=series.pack)
    packing.start()
    assert begun.wait(20)
    (tmp_path / "log").write_bytes(b"two\n")
    series.shift(keep=5)
    go_on.set()
    packing.join(20)
    names = {path.name for path in tmp_path.iterdir()}
    assert "log.2.gz" in names
    assert "log.2" not in names
    assert gzip.decompress((tmp_path / "log.2.gz").read_bytes()) == b"one\n"


def test_a_crash_while_packing_leaves_no_half_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log.1").write_bytes(b"whole\n")
    (tmp_path / "log.gz.part").write_bytes(b"half an arch")  # what a killed supervisor leaves
    (tmp_path / "log.2").write_bytes(b"older\n")
    (tmp_path / "log.2.gz").write_bytes(gzip.compress(b"older\n"))  # killed between rename and unlink
    Series(tmp_path / "log").pack()
    assert {path.name for path in tmp_path.iterdir()} == {"log.1.gz", "log.2.gz"}
    assert gzip.decompress((tmp_path / "log.1.gz").read_bytes()) == b"whole\n"
    assert gzip.decompress((tmp_path / "log.2.gz").read_bytes()) == b"older\n"


def test_a_full_disk_while_packing_keeps_the_file_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_source: int, _target: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rotation, "_gzip", full)
    log = Log(tmp_path / "log", max_size_bytes=4, keep=3, compress=True)
    for text in (b"one\n", b"two\n", b"six\n"):
        log.outlet.write(text)
        log.packed()
    log.outlet.close()
    assert log.files() == {"log": b"six\n", "log.1": b"two\n", "log.2": b"one\n"}
    assert len(log.warnings) == 1
    assert "cannot be packed: No space left on device" in log.warnings[0]


def test_reopening_finds_what_another_program_put_there(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    log.outlet.write(b"one\n")
    (tmp_path / "log").rename(tmp_path / "log-20261124")
    log.outlet.reopen()
    assert (tmp_path / "log").exists(), "at once, and not with the next line"
    log.outlet.write(b"two\n")
    log.outlet.close()
    assert log.files() == {"log-20261124": b"one\n", "log": b"two\n"}


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"root:x:0:0\n")
    (tmp_path / "log").symlink_to("precious")
    log = Log(tmp_path / "log")
    with pytest.raises(OutletError) as error:
        log.outlet.write(b"evil\n")
    log.outlet.trouble = error.value.cause
    log.outlet.failed()
    assert "name the file itself, not a symbolic link to it" in log.warnings[0]
    assert (tmp_path / "precious").read_bytes() == b"root:x:0:0\n"


def test_a_link_put_there_while_it_is_written_is_not_followed_either(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    log.outlet.write(b"one\n")
    (tmp_path / "log").unlink()
    (tmp_path / "log").symlink_to("precious")
    with pytest.raises(OutletError):
        log.outlet.write(b"two\n")
    assert not (tmp_path / "precious").exists()


def test_shared_memory_is_no_device(tmp_path: Path) -> None:
    """Anybody may make a link in /dev/shm."""
    directory = Path(tempfile.mkdtemp(dir="/dev/shm"))
    try:
        (directory / "log").symlink_to(tmp_path / "precious")
        with pytest.raises(OutletError):
            Log(directory / "log").outlet.write(b"evil\n")
        assert not (tmp_path / "precious").exists()
    finally:
        shutil.rmtree(directory)


def test_an_old_file_that_is_a_link_is_not_packed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret\n")
    (tmp_path / "log.1").symlink_to("secret")
    with pytest.raises(OSError, match="symbolic"):
        Series(tmp_path / "log").pack()
    assert {path.name for path in tmp_path.iterdir()} == {"secret", "log.1"}


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away needs root")
def test_mode_and_owner_stay_with_the_name(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", max_size_bytes=4)
    log.outlet.write(b"one\n")
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o640
    (tmp_path / "log").chmod(0o604)
    os.chown(tmp_path / "log", 65534, 65534)
    log.outlet.write(b"two\n")
    log.outlet.close()
    status = (tmp_path / "log").stat()
    assert (status.st_mode & 0o777, status.st_uid, status.st_gid) == (0o604, 65534, 65534)
