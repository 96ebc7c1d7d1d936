"""``init``: what it writes passes ``check``, and nothing that is there is lost."""

import http.server
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.cli import init, main
from tests.etcd_server import EtcdServer
from tests.ports import free_port


@pytest.fixture(autouse=True)
def nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init, "_PORT", free_port())


@pytest.fixture
def another_server() -> Iterator[int]:
    """A web server that is no etcd."""
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_is_written_passes_check_and_says_what_comes_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "new" / "node.yaml"
    assert main.run(["init", str(file)]) == 0
    out = capsys.readouterr().out
    for step in ("check", "doctor", "run"):
        assert f"  supervisor {step} {file}" in out
    assert main.run(["check", str(file)]) == 0
    assert "etcd      local, run by the supervisor itself" in capsys.readouterr().out
    assert file.stat().st_mode & 0o777 == 0o640
    assert [p.name for p in file.parent.iterdir()] == ["node.yaml"]


def test_every_line_that_is_commented_out_may_be_used(tmp_path: Path) -> None:
    file = tmp_path / "node.yaml"
    assert main.run(["init", str(file)]) == 0
    lines = file.read_text().splitlines()
    marks = ("# etcd:", "#   endpoints:", "#     - http", "    # follower:", "    #   processes:", "    #     replica:",
             "# processes:", "#   exporter:", "          # log:")  # fmt: skip
    used = [line.replace("# ", "", 1) if line.startswith(marks) else line for line in lines]
    assert sum(one != other for one, other in zip(lines, used, strict=True)) == 11
    text = re.sub("/usr/bin/my-[a-z]+", "/bin/sh", "\n".join(used))  # theirs are not on this machine
    file.write_text(text + "\n")
    assert main.run(["check", str(file)]) == 0


def test_a_node_may_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["init", str(tmp_path / "f.yaml"), "--node", "no"]) == 0
    assert 'node: "no"' in (tmp_path / "f.yaml").read_text()
    assert main.run(["check", str(tmp_path / "f.yaml")]) == 0
    assert "node      no" in capsys.readouterr().out
    assert main.run(["init", str(tmp_path / "g.yaml"), "--node", "a/b"]) == 64
    assert not (tmp_path / "g.yaml").exists()


def test_a_host_name_that_no_node_can_have_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "my host/1")
    assert main.run(["init", str(tmp_path / "f.yaml")]) == 0
    assert "\nnode: node-1\n" in (tmp_path / "f.yaml").read_text()


def test_a_file_that_is_there_is_kept_unless_forced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "node.yaml"
    file.write_text("precious")
    assert main.run(["init", str(file)]) == 64
    assert "is there already; --force writes over it" in capsys.readouterr().err
    assert file.read_text() == "precious"
    assert main.run(["init", str(file), "--force"]) == 0
    assert "elections:" in file.read_text()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link.yaml"
    link.symlink_to(target)
    assert main.run(["init", str(link)]) == 64
    assert main.run(["init", str(link), "--force"]) == 0
    assert not target.exists()
    assert not link.is_symlink()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main.run(["init", str(tmp_path / "file" / "node.yaml")]) == 64
    assert "cannot be written" in capsys.readouterr().err


def test_an_etcd_that_answers_here_is_named(
    tmp_path: Path, etcd: EtcdServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(init, "_PORT", etcd.client_port)
    assert main.run(["init", str(tmp_path / "f.yaml")]) == 0
    assert main.run(["check", str(tmp_path / "f.yaml")]) == 0
    assert f"etcd      {etcd.endpoint}; namespace /supervisor" in capsys.readouterr().out


def test_what_is_no_etcd_is_not_named(tmp_path: Path, another_server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init, "_PORT", another_server)
    assert main.run(["init", str(tmp_path / "f.yaml")]) == 0
    assert str(another_server) not in (tmp_path / "f.yaml").read_text()
