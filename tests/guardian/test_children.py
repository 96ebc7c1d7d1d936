"""Spawn, exit, failure, and the end of whatever a run has become."""

import os
import resource
import signal
import sys
from pathlib import Path

import pytest

from supervisor.core import events
from supervisor.guardian import protocol
from tests.guardian.harness import DAEMONISE, STAY, Duty, dead, until, written_pid


async def test_spawn_exit_empty_in_this_order(duty: Duty) -> None:
    run, pid = await duty.start("sh", "-c", "exit 3")
    await duty.expect(events.Emptied, run)
    assert duty.about(run) == ["Spawned", "Exited", "Emptied"]
    exited = await duty.expect(events.Exited, run)
    assert (exited.code, exited.signal) == (3, None)
    assert dead(pid)


async def test_a_signal_reaches_the_group_and_is_reported(duty: Duty) -> None:
    run, _ = await duty.start("sh", "-c", "sleep 1000 & wait")
    duty.link.signal(run, signal.SIGTERM)
    await duty.expect(events.Emptied, run)
    assert (await duty.expect(events.Exited, run)).signal == signal.SIGTERM


APART = """
import os, signal, sys, time
def note(name):
    signal.signal(signal.SIGUSR1, lambda *_: open(sys.argv[1] + name, "w").write("heard"))
    open(sys.argv[1] + name + ".on", "w").write("1")
    while True: time.sleep(1)
if os.fork() == 0: note("group")
if os.fork() == 0: os.setsid(); note("elsewhere")
note("main")
"""


@pytest.mark.parametrize(
    ("to", "heard"), [("main", {"main"}), ("group", {"main", "group"}), ("all", {"main", "group", "elsewhere"})]
)
@pytest.mark.usefixtures("containment")
async def test_a_signal_reaches_whom_it_is_for(duty: Duty, tmp_path: Path, to: str, heard: set[str]) -> None:
    names = ("main", "group", "elsewhere")
    run, _ = await duty.python(APART, f"{tmp_path}/")
    await until(lambda: all((tmp_path / f"{name}.on").exists() for name in names))
    duty.link.signal(run, signal.SIGUSR1, to)
    await until(lambda: all((tmp_path / name).exists() for name in heard))
    duty.link.kill(run)
    await duty.expect(events.Emptied, run)
    assert {name for name in names if (tmp_path / name).exists()} == heard


async def test_what_a_child_is_given(duty: Duty, tmp_path: Path) -> None:
    read_fd, write_fd = os.pipe()
    code = (
        "import os,resource,signal,sys;"
        "print(os.getcwd(), oct(os.umask(0)), resource.getrlimit(resource.RLIMIT_NOFILE), sorted(os.listdir('/proc/self/fd'))[:3],"
        "len(os.listdir('/proc/self/fd')), os.getsid(0)==os.getpid(), os.sched_getscheduler(0), os.getpriority(0,0),"
        "signal.getsignal(signal.SIGTERM)==signal.SIG_DFL, len(signal.pthread_sigmask(0,())), os.environ['GREETING'], os.environ['SUPERVISOR_RUN'] != '', sys.stdin.read()=='')"
    )
    run = duty.begin(
        sys.executable,
        "-c",
        code,
        out=write_fd,
        directory=str(tmp_path),
        umask=0o027,
        rlimits={resource.RLIMIT_NOFILE: (98, 99)},
        environment={"GREETING": "\udcff hello", "PYTHONIOENCODING": ":surrogateescape", "PATH": os.environ["PATH"]},
    )
    os.close(write_fd)
    await duty.expect(events.Emptied, run)
    said = os.read(read_fd, 4096)
    os.close(read_fd)
    expected = f"{tmp_path} 0o27 (98, 99) ['0', '1', '2'] 4 True {os.SCHED_OTHER} {os.getpriority(0, 0)} True 0 "
    assert said == expected.encode() + b"\xff hello True True\n"


@pytest.mark.parametrize(
    ("argv", "more", "said"),
    [
        (("no-such-command",), {}, "command not found: no-such-command is in no directory of PATH"),
        (("/no/such/file",), {}, "/no/such/file does not exist"),
        (("/etc/passwd",), {}, "Permission denied; it must be an executable file"),
        (("true",), {"directory": "/no/such/place"}, "cannot enter directory /no/such/place"),
        ((), {}, "the command is empty"),
        (("true", "nul\0byte"), {}, "null byte"),
        (("true",), {"rlimits": {9999: (1, 1)}}, "cannot set limits"),
    ],
)
async def test_failure_to_start_is_told_in_words(
    duty: Duty, argv: tuple[str, ...], more: dict[str, object], said: str
) -> None:
    run = duty.begin(*argv, **more)  # type: ignore[arg-type]
    failed = await duty.expect(events.SpawnFailed, run)
    assert said in failed.detail
    assert duty.about(run) == ["SpawnFailed"]


async def test_an_order_that_is_too_large_fails_and_nothing_else_does(duty: Duty) -> None:
    other, pid = await duty.start("sleep", "1000")
    run = duty.begin("true", "x" * protocol.MAX_PACKET_BYTES)
    assert duty.about(run) == [], "never from within the call"
    assert "too large" in (await duty.expect(events.SpawnFailed, run)).detail
    await duty.start("true")
    assert not dead(pid)
    assert duty.about(other) == ["Spawned"]


@pytest.mark.skipif(os.geteuid() != 0, reason="changing user needs root")
async def test_user_and_groups(duty: Duty) -> None:
    read_fd, write_fd = os.pipe()
    run = duty.begin("id", out=write_fd, uid=65534, gid=65534, groups=(65534, 12))
    os.close(write_fd)
    await duty.expect(events.Emptied, run)
    said = os.read(read_fd, 4096).decode()
    os.close(read_fd)
    assert said.startswith("uid=65534")
    assert "12(" in said


async def test_user_that_cannot_be_had_is_told(duty: Duty) -> None:
    run = duty.begin("true", uid=2**32 + 5, gid=0)
    assert "cannot become uid" in (await duty.expect(events.SpawnFailed, run)).detail


@pytest.mark.parametrize("how", ["known", "clean"])
async def test_kill_reaches_a_daemonised_grandchild(duty: Duty, tmp_path: Path, how: str) -> None:
    # "clean": its environment is empty, too, so that neither session, parent nor marker gives it away.
    code = DAEMONISE.replace('sys.argv[1], "stay"', 'STAY, "stay"').replace("import os", f"STAY={STAY!r}\nimport os", 1)
    run, _ = await duty.python(code, how, str(tmp_path / "pid"))
    pid = await written_pid(tmp_path / "pid")
    duty.link.kill(run)
    await duty.expect(events.Emptied, run)
    assert dead(pid)
    assert duty.about(run) == ["Spawned", "Exited", "Emptied"]


async def test_a_run_is_not_empty_while_a_daemonised_grandchild_lives(duty: Duty, tmp_path: Path) -> None:
    run, _ = await duty.python(DAEMONISE, "leave", str(tmp_path / "pid"))
    pid = await written_pid(tmp_path / "pid")
    await duty.expect(events.Exited, run)
    other, _ = await duty.start("true")
    await duty.expect(events.Emptied, other)  # a later run is through the whole of it
    assert duty.about(run) == ["Spawned", "Exited"]
    os.kill(pid, signal.SIGKILL)
    await duty.expect(events.Emptied, run)


async def test_others_survive_the_kill_of_one(duty: Duty) -> None:
    first, _ = await duty.start("sleep", "1000")
    second, pid = await duty.start("sh", "-c", "sleep 1000; true")
    duty.link.kill(first)
    await duty.expect(events.Emptied, first)
    assert not dead(pid)
    assert duty.about(second) == ["Spawned"]


async def test_a_fork_bomb_is_killed_to_the_last(duty: Duty, tmp_path: Path) -> None:
    # Bounded by its own age, not by a limit: what forks in 20 s at most, and is to be dead long before.
    bomb = (
        "import os,sys,time\nend=time.monotonic()+20\nopen(sys.argv[1],'w').write('1')\n"
        "while time.monotonic()<end:\n  try:\n    if os.fork(): time.sleep(0.02)\n    elif os.fork(): os._exit(0)\n"
        "    else: os.setsid()\n  except OSError: time.sleep(0.01)\n"
    )
    run, _ = await duty.python(bomb, str(tmp_path / "on"), rlimits={resource.RLIMIT_CPU: (20, 20)})
    await written_pid(tmp_path / "on")
    duty.link.kill(run)
    await duty.expect(events.Emptied, run)
    other, _ = await duty.start("true")
    await duty.expect(events.Emptied, other)


async def test_many_at_once(duty: Duty) -> None:
    runs = [duty.begin("sleep", "1000") for _ in range(40)]
    for run in runs:
        await duty.expect(events.Spawned, run)
        duty.link.kill(run)
    for run in runs:
        await duty.expect(events.Emptied, run)
        assert duty.about(run) == ["Spawned", "Exited", "Emptied"]


async def test_a_kill_right_behind_a_spawn(duty: Duty) -> None:
    for _ in range(10):
        run = duty.begin("sleep", "1000")
        duty.link.kill(run)
        await until_over(duty, run)
        assert duty.about(run) in (["SpawnFailed"], ["Spawned", "Exited", "Emptied"])


async def until_over(duty: Duty, run: object) -> None:
    from tests.guardian.harness import until

    await until(lambda: any(isinstance(e, events.Emptied | events.SpawnFailed) and e.run == run for e in duty.news))


async def test_beyond_a_thousand_descriptors(duty: Duty) -> None:
    """select() ends there; a node of a thousand elections does not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard) if hard != -1 else 4096, hard))
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
    try:
        run, pid = await duty.start("sleep", "1000")
        duty.link.kill(run)
        await duty.expect(events.Emptied, run)
        assert dead(pid)
    finally:
        for fd in held:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
