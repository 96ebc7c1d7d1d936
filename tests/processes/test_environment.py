"""What a child's environment is made of, and in which order."""

import os
from pathlib import Path

import pytest

from supervisor.core.names import ElectionName, ProcessId, ProcessName, Role
from supervisor.core.spec import ProcessSpec
from supervisor.processes.environment import (
    DEFAULT_PATH,
    LARGEST_FILE_BYTES,
    EnvironmentFileError,
    build_environment,
    read_environment_files,
)
from supervisor.processes.identity import Identity

BASE = {
    "PATH": "/bin",
    "HOME": "/root",
    "USER": "root",
    "LANG": "C.UTF-8",
    "LC_TIME": "de_DE.UTF-8",
    "TZ": "UTC",
    "TMPDIR": "/tmp/private",
    "NOTIFY_SOCKET": "/run/systemd/notify",
    "ETCD_PASSWORD": "secret",
    "SUPERVISOR_SOCKET": "/run/other.sock",
    "PYTHONPATH": "/odd",
}
BILLING = Identity(uid=1000, gid=1000, groups=(1000,), home="/home/billing", name="billing", shell="/bin/bash")


def spec(*, environment: dict[str, str] | None = None, files: tuple[str, ...] = ()) -> ProcessSpec:
    return ProcessSpec(
        id=ProcessId(ElectionName("billing"), ProcessName("api")),
        role=Role.LEADER,
        command=("billing",),
        environment=environment or {},
        environment_files=files,
    )


def test_only_the_minimum_is_inherited() -> None:
    assert build_environment(spec(), (), BASE) == {
        name: BASE[name] for name in ("PATH", "HOME", "USER", "LANG", "LC_TIME", "TZ", "TMPDIR")
    }
    assert build_environment(spec(), (), {}) == {"PATH": DEFAULT_PATH}


def test_another_user_brings_its_own() -> None:
    assert build_environment(spec(), (), BASE, BILLING) == {
        "PATH": "/bin",
        "LANG": "C.UTF-8",
        "LC_TIME": "de_DE.UTF-8",
        "TZ": "UTC",
        "HOME": "/home/billing",
        "USER": "billing",
        "LOGNAME": "billing",
        "SHELL": "/bin/bash",
    }


def test_later_sources_win(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("A=file\nB=file\nHOME=/from/file\nSUPERVISOR_TERM=forged\nD=one\n")
    (tmp_path / "two").write_text("D=two\n")
    environment = build_environment(
        spec(
            environment={"B": "spec", "C": "spec", "SUPERVISOR_NODE": "forged"},
            files=(str(tmp_path / "one"), f"-{tmp_path / 'missing'}", f"-{tmp_path / 'two'}"),
        ),
        (("SUPERVISOR_NODE", "web-1"), ("SUPERVISOR_TERM", "billing#7")),
        {"PATH": "/bin", "HOME": "/root"},
    )
    assert environment == {
        "PATH": "/bin",
        "HOME": "/from/file",
        "A": "file",
        "B": "spec",
        "C": "spec",
        "D": "two",
        "SUPERVISOR_NODE": "web-1",
        "SUPERVISOR_TERM": "billing#7",
    }


def test_every_problem_of_every_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("A=1\noops\n2=x\n")
    (tmp_path / "latin").write_bytes(b"A=1\nB=\xe4\n")
    (tmp_path / "large").write_bytes(b"#" * (LARGEST_FILE_BYTES + 1))
    os.mkfifo(tmp_path / "fifo")
    names = ("missing", "bad", "latin", "large", "fifo")
    with pytest.raises(EnvironmentFileError) as error:
        read_environment_files((*(str(tmp_path / name) for name in names), f"-{tmp_path}"))
    missing, oops, two, latin, large, fifo, directory = error.value.problems
    assert missing.startswith(f"{tmp_path}/missing: no such file: create it, or write -{tmp_path}/missing")
    assert oops.startswith(f"{tmp_path}/bad:2: 'oops' has no '='")
    assert two.startswith(f"{tmp_path}/bad:3: '2' is not a variable name")
    assert latin.startswith(f"{tmp_path}/latin:2: not UTF-8")
    assert large.startswith(f"{tmp_path}/large: {LARGEST_FILE_BYTES + 1} bytes are too many")
    assert fifo.startswith(f"{tmp_path}/fifo: not a regular file")
    assert directory.startswith(f"{tmp_path}: not a regular file")
    assert str(error.value) == "; ".join(error.value.problems)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("A=1\n")

    def refuse(self: Path) -> bytes:  # root, who may run this, is never refused
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(EnvironmentFileError, match=r"secret: Permission denied: the supervisor's user must"):
        read_environment_files((f"-{tmp_path / 'secret'}",))
