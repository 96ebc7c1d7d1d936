"""The daemon is killed: what it ran ends, and its leases are given back once nothing of their terms is alive."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from supervisor.guardian.link import GuardianStartError, launch
from tests.etcd_server import EtcdServer
from tests.guardian.harness import DAEMONISE, on_duty, until, wait_dead, written_pid

SLEEPER = ["sleep", "1000"]
STUBBORN = [sys.executable, "-c", "import signal,time\nsignal.signal(15,signal.SIG_IGN)\ntime.sleep(1000)"]
GRACEFUL = [
    sys.executable, "-c",
    "import signal,sys,time\ndef end(*_):\n  time.sleep(.3); open(sys.argv[1],'w').write(str(time.time())); sys.exit()\n"
    "signal.signal(15,end)\nopen(sys.argv[1]+'.on','w').write('1')\nwhile 1: time.sleep(1)",
]  # fmt: skip


class Daemon:
    """A daemon to be killed."""

    def __init__(self, process: "subprocess.Popen[str]", said: dict[str, Any]) -> None:
        self.process = process
        self.guardian: int = said["guardian"]
        self.pids: list[int] = said["pids"]

    def die(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def daemon(state_dir: Path, runs: list[dict[str, object]], **orders: object) -> Iterator[Daemon]:
    """Start one. At the end neither it nor anything of it is alive."""
    text = json.dumps({"state_dir": str(state_dir), "runs": runs, "ttl": 60.0, "margin": 1.0} | orders)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.guardian.daemon", text], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        try:
            said = process.stdout.readline()
            assert said, "the daemon did not start"
            made = Daemon(process, json.loads(said))
            yield made
        finally:
            process.kill()
        for pid in made.pids:
            wait_dead(pid)
        wait_dead(made.guardian)


@pytest.mark.usefixtures("containment")
def test_everything_ends(tmp_path: Path) -> None:
    runs: list[dict[str, object]] = [
        {"argv": SLEEPER, "term": True},
        {"argv": STUBBORN, "term": True},
        {"argv": SLEEPER},
        {"argv": [sys.executable, "-c", DAEMONISE, "grandchild", str(tmp_path / "pid")], "stop": 0.2},
    ]
    with daemon(tmp_path / "state", runs) as made:
        grandchild = asyncio.run(written_pid(tmp_path / "pid"))
        made.die()
        for pid in made.pids:
            wait_dead(pid)
        wait_dead(grandchild)
        wait_dead(made.guardian)


@pytest.mark.usefixtures("containment")
def test_processes_get_their_stop_signal_first(tmp_path: Path) -> None:
    runs: list[dict[str, object]] = [{"argv": [*GRACEFUL, str(tmp_path / "done")], "term": True, "stop": 20.0}]
    with daemon(tmp_path / "state", runs) as made:
        asyncio.run(until((tmp_path / "done.on").exists))
        made.die()
        wait_dead(made.pids[0])
        assert (tmp_path / "done").exists()


@pytest.mark.usefixtures("containment")
def test_kill_by_ends_a_long_stop_timeout(tmp_path: Path) -> None:
    with daemon(tmp_path / "state", [{"argv": STUBBORN, "term": True, "stop": 600.0}], ttl=3.0, margin=1.5) as made:
        made.die()
        wait_dead(made.pids[0])


def grant(etcd: EtcdServer, ttl_seconds: int, *login: str) -> int:
    return int(etcd.etcdctl(*login, "lease", "grant", str(ttl_seconds)).split()[1], 16)


def exists(etcd: EtcdServer, lease: int, *login: str) -> bool:
    return "remaining" in etcd.etcdctl(*login, "lease", "timetolive", f"{lease:x}")


@pytest.mark.etcd
@pytest.mark.usefixtures("containment")
def test_the_lease_is_revoked_when_nothing_of_its_terms_lives(tmp_path: Path, etcd: EtcdServer) -> None:
    lease = grant(etcd, 600)
    runs: list[dict[str, object]] = [{"argv": STUBBORN, "term": True, "stop": 1.0}, {"argv": SLEEPER, "last": True}]
    endpoints = ["http://127.0.0.1:1", etcd.endpoint]  # nobody listens at the first
    with daemon(tmp_path / "state", runs, lease=lease, endpoints=endpoints, ttl=600.0) as made:
        stuck, last = made.pids
        made.die()
        assert exists(etcd, lease), "the stubborn one lives for another second"
        wait_dead(stuck)
        assert Path(f"/proc/{last}").exists(), "the store outlives those who need it"
        asyncio.run(until(lambda: not exists(etcd, lease)))
        wait_dead(last)


@pytest.mark.etcd
def test_a_lease_without_processes_is_revoked_at_once(tmp_path: Path, etcd: EtcdServer) -> None:
    lease = grant(etcd, 600)
    with daemon(tmp_path / "state", [], lease=lease, endpoints=[etcd.endpoint], ttl=600.0) as made:
        made.die()
        asyncio.run(until(lambda: not exists(etcd, lease)))


@pytest.mark.etcd
def test_terms_are_ended_on_record_before_the_lease_goes(tmp_path: Path, fresh_etcd: EtcdServer) -> None:
    etcd = fresh_etcd
    lease = grant(etcd, 600)
    key = f"/test/billing/{lease:x}"
    etcd.etcdctl("put", "--lease", f"{lease:x}", key, "document")
    token = json.loads(etcd.etcdctl("get", "-w", "json", key))["kvs"][0]["create_revision"]
    etcd.etcdctl("put", f"/test.log/billing/{token}", "started")
    tokens = [token, *range(1_000_000, 1_000_130)]  # those keep no record: none is invented for them
    runs: list[dict[str, object]] = [{"argv": STUBBORN, "stop": 0.5}]
    with daemon(tmp_path / "state", runs, lease=lease, endpoints=[etcd.endpoint], ttl=600.0, tokens=tokens) as made:
        made.die()
        asyncio.run(until(lambda: not exists(etcd, lease)))
    told = etcd.etcdctl("get", "--prefix", "/test").split()
    assert told == [f"/test.log/billing/{token}", "stopped"]
    # The record's end and the key's are one revision: nobody sees the key gone and the term still open.
    record = json.loads(etcd.etcdctl("get", "-w", "json", f"/test.log/billing/{token}"))["kvs"][0]["mod_revision"]
    assert etcd.etcdctl("get", "--rev", str(record), key) == ""
    assert etcd.etcdctl("get", "--rev", str(record - 1), key) != ""


@pytest.mark.etcd
def test_a_term_is_ended_though_another_under_its_lease_takes_its_time(tmp_path: Path, fresh_etcd: EtcdServer) -> None:
    etcd = fresh_etcd
    lease = grant(etcd, 600)
    etcd.etcdctl("put", "/test.log/billing/7", "started")
    etcd.etcdctl("put", "/test.log/billing/8", "started")
    deaf = [*STUBBORN[:2], STUBBORN[2].replace("\ntime", "\nopen(__import__('sys').argv[1], 'w').write('1')\ntime")]
    runs: list[dict[str, object]] = [
        {"argv": SLEEPER, "term": True},
        {"argv": [*deaf, str(tmp_path / "deaf")], "term": 8, "stop": 600.0},
    ]
    with daemon(tmp_path / "state", runs, lease=lease, endpoints=[etcd.endpoint], ttl=600.0, tokens=[7, 8]) as made:
        quick, slow = made.pids
        asyncio.run(until((tmp_path / "deaf").exists))
        made.die()
        wait_dead(quick)
        asyncio.run(until(lambda: "stopped" in etcd.etcdctl("get", "/test.log/billing/7")))
        assert "started" in etcd.etcdctl("get", "/test.log/billing/8")
        assert exists(etcd, lease)
        os.kill(slow, signal.SIGKILL)
        asyncio.run(until(lambda: not exists(etcd, lease)))
        assert "stopped" in etcd.etcdctl("get", "/test.log/billing/8")


@pytest.mark.etcd
def test_a_frozen_endpoint_delays_only_itself(tmp_path: Path, etcd: EtcdServer, fresh_etcd: EtcdServer) -> None:
    lease = grant(etcd, 600)
    with daemon(tmp_path / "state", [], lease=lease, endpoints=[fresh_etcd.endpoint, etcd.endpoint], ttl=600.0) as made:
        fresh_etcd.freeze()
        try:
            made.die()
            asyncio.run(until(lambda: not exists(etcd, lease)))
        finally:
            fresh_etcd.thaw()


@pytest.mark.etcd
def test_revocation_logs_in(tmp_path: Path, fresh_etcd: EtcdServer) -> None:
    etcd, login = fresh_etcd, ("--user", "root:secret")
    for words in ("user add root:secret", "role add root", "user grant-role root root", "auth enable"):
        etcd.etcdctl(*words.split())
    lease = grant(etcd, 600, *login)
    etcd.etcdctl(*login, "put", "--lease", f"{lease:x}", "key", "value")
    password = tmp_path / "password"
    password.write_text("secret\n")
    orders = {"lease": lease, "endpoints": [etcd.endpoint], "user": "root", "password_file": str(password)}
    with daemon(tmp_path / "state", [], ttl=600.0, **orders) as made:
        made.die()
        asyncio.run(until(lambda: not exists(etcd, lease, *login)))


@pytest.mark.usefixtures("containment")
def test_one_daemon_per_state_directory(tmp_path: Path) -> None:
    with daemon(tmp_path / "state", [{"argv": SLEEPER}]) as made:
        with pytest.raises(GuardianStartError, match=rf"another supervisor \(pid {made.process.pid}\)"):
            launch(state_dir=tmp_path / "state")
        assert Path(f"/proc/{made.pids[0]}").exists()


@pytest.mark.usefixtures("containment")
async def test_a_successor_waits_for_the_orphaned_guardian_then_hurries_it(tmp_path: Path) -> None:
    with daemon(tmp_path / "state", [{"argv": STUBBORN, "stop": 600.0}]) as made:
        made.die()
        launched = await asyncio.to_thread(launch, state_dir=tmp_path / "state", patience_seconds=0.2)
        wait_dead(made.pids[0])
        launched.wire.close()
        launched.process.wait()
        os.close(launched.pidfd)
        os.close(launched.lock_fd)


@pytest.mark.usefixtures("containment")
async def test_a_successor_wakes_an_orphaned_guardian_that_is_stopped(tmp_path: Path) -> None:
    with daemon(tmp_path / "state", [{"argv": SLEEPER}]) as made:
        os.kill(made.guardian, signal.SIGSTOP)
        made.die()
        # It would be patient for ever: what ends the wait is the guardian itself, awake.
        launched = await asyncio.to_thread(launch, state_dir=tmp_path / "state", patience_seconds=60.0)
        wait_dead(made.pids[0])
        launched.wire.close()
        launched.process.wait()
        os.close(launched.pidfd)
        os.close(launched.lock_fd)


async def test_leftovers_of_both_are_killed_before_anything_starts(containment: str, tmp_path: Path) -> None:
    runs: list[dict[str, object]] = [
        {"argv": [sys.executable, "-c", DAEMONISE, "grandchild", str(tmp_path / "pid")], "term": True}
    ]
    with daemon(tmp_path / "state", runs) as made:
        pid = await written_pid(tmp_path / "pid")
        # Both at once: PDEATHSIG ends the child, and nobody is left to see to its daemonised grandchild.
        os.kill(made.process.pid, signal.SIGSTOP)
        os.kill(made.guardian, signal.SIGKILL)
        made.die()
        wait_dead(made.guardian)
        assert Path(f"/proc/{pid}").exists()
        bystander = subprocess.Popen(SLEEPER)
        async with on_duty(tmp_path / "state") as duty:
            wait_dead(pid)
            assert any("earlier supervisor" in note and str(pid) in note for note in duty.link.ready.notes)
            assert bystander.poll() is None
        bystander.kill()
        bystander.wait()


def test_the_state_directory_that_cannot_be_used_is_named() -> None:
    with pytest.raises(GuardianStartError, match=r"/proc/no-such.*SUPERVISOR_STATE_DIR"):
        launch(state_dir=Path("/proc/no-such"))


@pytest.mark.usefixtures("containment")
def test_a_stop_sequence_goes_on_without_the_daemon(tmp_path: Path) -> None:
    told = tmp_path / "told"
    only_quit = (
        "import signal,sys,time\nfor n in (2, 15): signal.signal(n, lambda n, _: open(sys.argv[1],'a').write(f'{n} '))\n"
        "open(sys.argv[1],'w').close()\nwhile 1: time.sleep(1)"
    )
    sequence = {"argv": [sys.executable, "-c", only_quit, str(told)], "stop": 60.0, "then": [[2, 0.05], [3, 0.1]]}
    with daemon(tmp_path / "state", [sequence]) as made:
        asyncio.run(until(told.exists))
        made.die()
        for pid in made.pids:
            wait_dead(pid)
    assert told.read_text() == "15 2 "
