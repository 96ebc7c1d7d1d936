"""Completion: scripts for three shells, names from the daemon, and silence where there is none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor.cli import main
from tests.control.serving import Serve


def complete(*words: str, socket: Path | None = None, incomplete: str = "") -> list[str]:
    """What bash would be offered after these words."""
    environment = dict(os.environ) | {
        "_SUPERVISOR_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["supervisor", *words, incomplete]),
        "COMP_CWORD": str(1 + len(words)),
    }
    if socket is not None:
        environment["SUPERVISOR_SOCKET"] = str(socket)
    # As the script does: the name is the program's.
    code = "import sys; sys.argv = ['supervisor']; from supervisor.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_verbs_and_options(tmp_path: Path) -> None:
    assert complete(incomplete="st") == ["status", "start", "stop"]
    assert "--watch" in complete("status", incomplete="--")
    assert complete("status", incomplete="--fl") == ["--fleet"]
    assert complete("nonsense", incomplete="x") == []


def test_names_come_from_the_daemon(serve: Serve) -> None:
    socket = serve().socket
    assert complete("resign", socket=socket) == ["billing", "search"]
    assert complete("resign", socket=socket, incomplete="se") == ["search"]
    assert complete("restart", socket=socket, incomplete="billing/") == ["billing/api", "billing/migrate"]
    assert "exporter" in complete("status", socket=socket)
    assert "search" in complete("status", socket=socket)
    assert complete("switchover", socket=socket) == ["billing", "search"]
    assert "web-1" in complete("switchover", "billing", "--to", socket=socket)
    assert complete("drain", socket=socket, incomplete="web-1") == ["web-1"]
    assert complete("--socket", str(socket), "leader", socket=Path("/nobody")) == ["billing", "search"]


def test_without_a_daemon_it_is_silent_and_loads_nothing(tmp_path: Path) -> None:
    assert complete("resign", socket=tmp_path / "nobody") == []
    (tmp_path / "file").write_text("")
    assert complete("resign", socket=tmp_path / "file") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main.run(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"_SUPERVISOR_COMPLETE={shell}_complete" in script
    if (program := shutil.which(shell)) is not None:
        path = tmp_path / "script"
        path.write_text(script)
        subprocess.run([program, "-n", str(path)], check=True)


def test_an_unknown_shell_is_a_usage_error() -> None:
    assert main.run(["completion", "tcsh"]) == 64
