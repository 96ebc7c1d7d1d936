"""One daemon per socket."""

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor import paths
from supervisor.control.lock import AlreadyRunning, LockRefused, acquire


def bind(path: Path) -> None:
    """Leave a socket file behind, as a killed daemon does."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))


def test_a_second_daemon_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    lock = acquire(tmp_path / "s")
    with pytest.raises(AlreadyRunning, match=f"pid {os.getpid()}") as refused:
        acquire(tmp_path / "s")
    assert refused.value.pid == os.getpid()
    lock.release()
    lock.release()
    acquire(tmp_path / "s").release()


def test_another_process_is_told_the_pid_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s"
    code = "import sys, pathlib; from supervisor.control.lock import acquire; kept = acquire(pathlib.Path(sys.argv[1]))"
    code += "; print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunning) as refused:
            acquire(path)
        assert refused.value.pid == holder.pid
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        acquire(path).release()


def test_a_holder_that_has_not_said_its_pid_is_still_refused(tmp_path: Path) -> None:
    lock = acquire(tmp_path / "s")
    (tmp_path / "s.lock").write_bytes(b"")
    with pytest.raises(AlreadyRunning, match="unknown pid") as refused:
        acquire(tmp_path / "s")
    assert refused.value.pid is None
    lock.release()


def test_a_stale_socket_is_removed_under_the_lock_only(tmp_path: Path) -> None:
    path = tmp_path / "s"
    lock = acquire(path)
    bind(path)
    with pytest.raises(AlreadyRunning):
        acquire(path)
    assert path.is_socket()
    lock.release()
    again = acquire(path)
    assert not path.exists()
    again.release()


def test_nothing_but_a_socket_is_ever_removed(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(LockRefused, match="not a socket"):
        acquire(path)
    assert path.read_text() == "data"


def test_a_planted_lock_file_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    (tmp_path / "s.lock").symlink_to(target)
    with pytest.raises(LockRefused, match="choose another place"):
        acquire(tmp_path / "s")
    assert not target.exists()


def test_the_directory_is_made(tmp_path: Path) -> None:
    acquire(tmp_path / "a" / "b" / "s").release()
    mode = stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode)
    assert mode == (0o755 if os.geteuid() == 0 else 0o700)


def test_a_directory_of_somebody_else_in_a_shared_place_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    planted = shared / "supervisor-1000"
    planted.mkdir()
    planted.chmod(0o777)
    with pytest.raises(LockRefused, match="not this user's alone"):
        acquire(planted / "s")
    planted.chmod(0o700)
    acquire(planted / "s").release()
    (shared / "link").symlink_to(planted)
    assert "not this user's alone" in paths.problem_of_shared_place(shared / "link", os.geteuid())
    assert paths.problem_of_shared_place(tmp_path / "gone", os.geteuid())
    assert paths.problem_of_shared_place(Path("/"), os.geteuid()) == ""


def test_children_do_not_inherit_the_lock(tmp_path: Path) -> None:
    lock = acquire(tmp_path / "s")
    with subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        lock.release()
        acquire(tmp_path / "s").release()
        child.kill()
