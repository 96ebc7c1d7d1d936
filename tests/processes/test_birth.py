"""From a spec to what the guardian is told, and a terminal in place of two pipes."""

import asyncio
import os
import threading

import pytest

from supervisor.core.birth import (
    Capabilities,
    CgroupSpec,
    IoClass,
    IoPriority,
    Scheduling,
    SocketKind,
    SocketSpec,
)
from supervisor.core.names import ElectionName, ProcessId, ProcessName, Role
from supervisor.core.spec import ProcessSpec
from supervisor.processes import advice
from supervisor.processes.birth import cgroup_files, extras
from supervisor.processes.environment import build_environment
from supervisor.processes.identity import Identity, UnknownUser, resolve_groups
from supervisor.processes.reader import Pipe, Reader

WHO = Identity(uid=7, gid=8, groups=(8,), home="/", name="who", shell="/bin/sh")


def spec(**more: object) -> ProcessSpec:
    pid = ProcessId(ElectionName("billing"), ProcessName("api"))
    return ProcessSpec(id=pid, role=Role.LEADER, command=("api",), **more)  # type: ignore[arg-type]


def test_nothing_asked_for_is_nothing_to_be_told() -> None:
    assert extras(spec(), WHO) is None


def test_numbers_and_only_what_was_asked_for() -> None:
    full = spec(
        nice=-5,
        scheduling=Scheduling.BATCH,
        ionice=IoPriority(io_class=IoClass.IDLE),
        oom_score_adj=0,
        cpu_affinity=(0, 2),
        capabilities=Capabilities(names=("CAP_NET_BIND_SERVICE", "CAP_CHOWN"), keep=True),
        no_new_privileges=True,
        private_tmp=True,
        cgroup=CgroupSpec(memory_bytes=-1, pids=5, best_effort=True),
        sockets={"ctl": SocketSpec(kind=SocketKind.UNIX, path="/run/x")},
    )
    of_both = {
        "nice": -5,
        "scheduling": os.SCHED_BATCH,
        "ionice": [3, 0],
        "oom_score_adj": 0,
        "cpu_affinity": [0, 2],
        "capabilities": [0, 10],
        "keep": True,
        "no_new_privileges": True,
    }
    assert extras(full, WHO, of_probe=True) == of_both
    found = extras(full, WHO)
    assert found is not None
    sockets = found.pop("sockets")
    assert isinstance(sockets, list)
    assert [(s["name"], s["path"], s["uid"], s["gid"]) for s in sockets] == [("ctl", "/run/x", 7, 8)]
    of_itself = {
        "private_tmp": True,
        "cgroup": {"memory.max": "max", "pids.max": "5"},
        "best_effort": True,
        "owner": "billing/api",
    }
    assert found == of_both | of_itself


@pytest.mark.parametrize(
    ("limits", "files"),
    [
        (CgroupSpec(cpu_percent=50), {"cpu.max": "50000 100000"}),
        (CgroupSpec(cpu_percent=150.5), {"cpu.max": "150500 100000"}),
        (CgroupSpec(memory_high_bytes=4096, swap_bytes=0), {"memory.high": "4096", "memory.swap.max": "0"}),
        (CgroupSpec(cpu_weight=1, io_weight=10000), {"cpu.weight": "1", "io.weight": "10000"}),
    ],
)
def test_limits_as_the_kernel_writes_them(limits: CgroupSpec, files: dict[str, str]) -> None:
    assert cgroup_files(limits) == files


def test_groups() -> None:
    assert resolve_groups(("root", "44")) == (0, 44)
    with pytest.raises(UnknownUser, match="groups: no group 'no-such' on this machine: create it"):
        resolve_groups(("no-such",))


def test_passed_variables_come_before_the_files_own() -> None:
    wanted = spec(pass_environment=("ONE", "TWO", "NOT_SET"), environment={"TWO": "ours"})
    found = build_environment(wanted, (), {"ONE": "1", "TWO": "2", "THREE": "3"})
    assert (found["ONE"], found["TWO"]) == ("1", "ours")
    assert not {"THREE", "NOT_SET"} & found.keys()


def test_what_needs_root_is_said_to_who_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    monkeypatch.setattr(os, "getegid", lambda: 65534)
    wanted = spec(
        user="root",
        groups=("root",),
        nice=-20,
        ionice=IoPriority(io_class=IoClass.REALTIME),
        oom_score_adj=-1000,
        capabilities=Capabilities(names=("CAP_CHOWN",), keep=False),
        private_tmp=True,
        sockets={"http": SocketSpec(kind=SocketKind.TCP, host="127.0.0.1", port=0)},
    )
    keys = [line.partition(" needs a supervisor that runs as root")[0] for line in advice.warnings(wanted)]
    assert keys[:7] == [
        "user",
        "groups",
        "nice: -20",
        "ionice: {class: realtime}",
        "oom_score_adj: -1000",
        "capabilities",
        "private_tmp",
    ]
    assert advice.warnings(spec(user="65534:65534", nice=19)) == []


def test_who_runs_as_itself_needs_to_become_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not WHO.is_ours
    monkeypatch.setattr(os, "geteuid", lambda: 7)
    monkeypatch.setattr(os, "getegid", lambda: 8)
    assert WHO.is_ours


async def test_a_terminal_is_read_to_its_end() -> None:
    chunks: list[bytes] = []
    ended = threading.Event()

    class Taker(Pipe):
        def may_read(self) -> bool:
            return True

        def take(self, chunk: bytes) -> None:
            chunks.append(chunk)

        def ended(self) -> None:
            ended.set()

    pipe = Taker(threading.RLock())
    reader = Reader(on_trouble=chunks.append)  # type: ignore[arg-type] # none is expected
    fd = pipe.open(terminal=True)
    assert os.isatty(fd)
    reader.add(pipe)
    os.write(fd, b"one\ntwo\n\x03three")  # neither a signal nor \r comes of it
    os.close(fd)
    assert await asyncio.to_thread(ended.wait, 10)
    assert b"".join(chunks) == b"one\ntwo\n\x03three"
    await reader.close(timeout_seconds=5)
