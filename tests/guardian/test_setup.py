"""What a child is born with: asked of the child itself."""

import errno
import json
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor.core import events
from supervisor.core.capabilities import NAMES
from supervisor.guardian import setup
from tests.guardian.harness import BILLING, Duty, until

NOBODY = 65534
NET_BIND, CHOWN = NAMES.index("CAP_NET_BIND_SERVICE"), NAMES.index("CAP_CHOWN")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give these away")

SAY = """
import ctypes, json, os, re, sys
status = dict(map(str.strip, line.split(":", 1)) for line in open("/proc/self/status"))
libc = ctypes.CDLL(None)
call = {"x86_64": 251, "aarch64": 30}.get(os.uname().machine)
said = {
    "status": status, "nice": os.getpriority(os.PRIO_PROCESS, 0), "policy": os.sched_getscheduler(0),
    "cpus": sorted(os.sched_getaffinity(0)), "oom": int(open("/proc/self/oom_score_adj").read()),
    "ionice": libc.syscall(call + 1, 1, 0) if call else None, "groups": os.getgroups(), "uid": os.getuid(),
    "tmp": os.listdir("/tmp"), "tmp_mode": oct(os.stat("/tmp").st_mode), "cgroup": open("/proc/self/cgroup").read(),
    "listen": {k: v for k, v in os.environ.items() if k.startswith("LISTEN_")}, "pid": os.getpid(),
    "fds": sorted(int(n) for n in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + n)),
}
sys.stdout.write(json.dumps(said))
"""


def python_for_all() -> str:
    """A Python that nobody, too, may execute: those in root's home are not."""
    for candidate in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        path = Path(candidate)
        if path.exists() and all(one.stat().st_mode & 0o001 for one in (path, *path.parents)):
            return candidate
    return sys.executable


PYTHON = python_for_all()


async def said(duty: Duty, code: str = SAY, **more: object) -> dict[str, object]:
    """Run Python with these extras and read what it says of itself."""
    read_fd, write_fd = os.pipe()
    run = duty.begin(PYTHON, "-S", "-c", code, out=write_fd, **more)
    os.close(write_fd)
    try:
        await until(lambda: any(isinstance(e, events.Emptied | events.SpawnFailed) and e.run == run for e in duty.news))
        words = os.read(read_fd, 65536)
    finally:
        os.close(read_fd)
    assert words, [e for e in duty.news if getattr(e, "run", None) == run]
    found = json.loads(words)
    assert isinstance(found, dict)
    return found


async def refusal(duty: Duty, extras: dict[str, object], **more: object) -> str:
    """Why a child with these extras is not started."""
    run = duty.begin("true", extras=extras, **more)  # type: ignore[arg-type]
    failed = await duty.expect(events.SpawnFailed, run)
    assert duty.about(run) == ["SpawnFailed"]
    return failed.detail


def test_a_guardian_whose_children_ask_for_nothing_loads_nothing_of_it() -> None:
    code = "import supervisor.guardian.duty, sys; print(*[m for m in sys.modules if m.startswith('supervisor.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rare = {f"supervisor.guardian.{name}" for name in ("setup", "sockets", "limits")}
    assert "supervisor.guardian.spawn" in done.stdout.split()
    assert not rare & set(done.stdout.split())


async def test_what_anyone_may_ask_for(duty: Duty) -> None:
    cpu = min(os.sched_getaffinity(0))
    extras = {
        "nice": 7,
        "scheduling": os.SCHED_BATCH,
        "ionice": [2, 6],
        "oom_score_adj": 321,
        "cpu_affinity": [cpu],
        "no_new_privileges": True,
    }
    found = await said(duty, extras=extras)
    assert (found["nice"], found["policy"], found["cpus"], found["oom"]) == (7, os.SCHED_BATCH, [cpu], 321)
    assert found["ionice"] in (2 << 13 | 6, None)
    assert found["status"]["NoNewPrivs"] == "1"  # type: ignore[index]


async def test_the_next_child_is_as_every_other(duty: Duty) -> None:
    before = await said(duty)
    await said(duty, extras={"nice": 7, "oom_score_adj": 321, "cpu_affinity": [min(os.sched_getaffinity(0))]})
    after = await said(duty)
    for key in ("nice", "policy", "cpus", "oom", "groups", "fds"):
        assert before[key] == after[key]


@needs_root
async def test_root_gives_more_than_it_was_born_with(duty: Duty) -> None:
    extras: dict[str, object] = {"nice": -11, "ionice": [1, 3]}
    found = await said(duty, extras=extras, uid=NOBODY, gid=NOBODY, groups=(NOBODY, 12))
    assert (found["nice"], found["uid"], found["groups"]) == (-11, NOBODY, [12, NOBODY])
    assert found["ionice"] in (1 << 13 | 3, None)


@needs_root
async def test_a_lower_oom_score_is_given_or_refused_in_words(duty: Duty) -> None:
    """Containers often keep CAP_SYS_RESOURCE to themselves."""
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    if int(status["CapEff"], 16) >> NAMES.index("CAP_SYS_RESOURCE") & 1:
        assert (await said(duty, extras={"oom_score_adj": -600}))["oom"] == -600
    else:
        text = await refusal(duty, {"oom_score_adj": -600})
        assert text == f"oom_score_adj: Permission denied; {setup.REMEDIES['oom_score_adj']}"


@needs_root
async def test_a_plain_user_keeps_the_capability_that_it_is_given(duty: Duty) -> None:
    extras = {"capabilities": [NET_BIND], "keep": True, "no_new_privileges": True}
    found = await said(duty, extras=extras, uid=NOBODY, gid=NOBODY, groups=(NOBODY,))
    status = found["status"]
    assert isinstance(status, dict)
    for which in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[which], 16) == 1 << NET_BIND, which


@needs_root
async def test_a_plain_user_binds_a_low_port_with_it_and_not_without(duty: Duty) -> None:
    code = "import json,socket\ntry: socket.socket().bind(('127.0.0.1', 87)); print(json.dumps({'bound': True}))\nexcept OSError as e: print(json.dumps({'bound': e.errno}))"
    # Other machines may let anyone: the port is lower than what this one lets.
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 87:
        pytest.skip("no freezer of cgroup v1")
    who = {"uid": NOBODY, "gid": NOBODY, "groups": (NOBODY,)}
    assert await said(duty, code, extras={"capabilities": [NET_BIND], "keep": True}, **who) == {"bound": True}
    assert await said(duty, code, extras={"capabilities": [CHOWN], "keep": True}, **who) == {"bound": errno.EACCES}


@needs_root
async def test_root_loses_what_is_dropped_and_keeps_the_rest(duty: Duty) -> None:
    bounding = int((await said(duty))["status"]["CapBnd"], 16)  # type: ignore[index]
    dropped = (await said(duty, extras={"capabilities": [NET_BIND, CHOWN], "keep": False}))["status"]
    assert isinstance(dropped, dict)
    left = bounding & ~(1 << NET_BIND | 1 << CHOWN)
    assert int(dropped["CapBnd"], 16) == left
    assert int(dropped["CapEff"], 16) == left & int(dropped["CapPrm"], 16)
    kept = (await said(duty, extras={"capabilities": [CHOWN], "keep": True}))["status"]
    assert isinstance(kept, dict)
    assert [int(kept[which], 16) for which in ("CapPrm", "CapEff", "CapBnd")] == [1 << CHOWN] * 3


@needs_root
async def test_a_tmp_of_its_own(duty: Duty, tmp_path: Path) -> None:
    found = await said(duty, extras={"private_tmp": True}, uid=NOBODY, gid=NOBODY, groups=(NOBODY,))
    assert (found["tmp"], found["tmp_mode"]) == ([], "0o41777")
    assert os.listdir("/tmp"), "ours is as it was"
    assert tmp_path.exists()


async def test_it_still_dies_with_the_guardian(duty: Duty, tmp_path: Path) -> None:
    """The kernel forgets PR_SET_PDEATHSIG when credentials change, and capabilities are credentials."""
    code = (
        "import ctypes,json\nv=ctypes.c_int()\n"
        "ctypes.CDLL(None).prctl(2, ctypes.byref(v), 0, 0, 0)\nprint(json.dumps({'signal': v.value}))"
    )
    extras: dict[str, object] = {"no_new_privileges": True, "nice": 1}
    if os.geteuid() == 0:
        extras |= {"capabilities": [NET_BIND], "keep": True, "private_tmp": True}
    who = {"uid": NOBODY, "gid": NOBODY, "groups": (NOBODY,)} if os.geteuid() == 0 else {}
    assert await said(duty, code, extras=extras, **who) == {"signal": 9}


@pytest.mark.parametrize(
    ("extras", "words"),
    [
        ({"cpu_affinity": [0, 4000]}, "cpu_affinity: "),
        ({"oom_score_adj": 5000}, "oom_score_adj: "),
        ({"ionice": [7, 7]}, "ionice: "),
        ({"dance": 1}, "daemon and guardian differ"),
    ],
)
async def test_what_cannot_be_is_told_by_its_key(duty: Duty, extras: dict[str, object], words: str) -> None:
    assert words in await refusal(duty, extras)
    run, _ = await duty.start("true")
    await duty.expect(events.Emptied, run)


@pytest.mark.parametrize("key", ["nice", "scheduling", "oom_score_adj", "capabilities", "private_tmp"])
def test_words_of_a_refusal_say_what_to_do(key: str) -> None:
    text = setup.explain(f"{key}:", errno.EPERM, "")
    assert text.startswith(f"{key}: Operation not permitted; ")


@pytest.fixture
def port() -> int:
    """One that nobody listens on just now."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        number: int = trial.getsockname()[1]
    return number


def tcp(port: int, name: str = "http", **more: object) -> dict[str, object]:
    """A socket as the daemon asks for it."""
    plain: dict[str, object] = {"name": name, "kind": "tcp", "host": "127.0.0.1", "port": port, "path": ""}
    return plain | {"backlog": 100, "mode": 0o660, "uid": -1, "gid": -1, "reuse_port": False} | more


async def test_sockets_are_passed_as_sd_listen_fds_wants_them(duty: Duty, port: int, tmp_path: Path) -> None:
    path = tmp_path / "s"
    wanted = [tcp(port), tcp(0, "ctl", kind="unix", host="", path=str(path), mode=0o600)]
    found = await said(duty, extras={"owner": "a", "sockets": wanted})
    assert found["listen"] == {
        "LISTEN_PID": str(found["pid"]),
        "LISTEN_FDS": "2",
        "LISTEN_FDNAMES": "http:ctl",
    }
    assert found["fds"] == [0, 1, 2, 3, 4]
    assert path.stat().st_mode & 0o777 == 0o600
    with socket.create_connection(("127.0.0.1", port)):
        pass  # nobody runs, and it is taken all the same
    duty.link.close_sockets("a")
    await said(duty)
    assert not path.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


@needs_root
async def test_a_unix_socket_has_the_owner_it_is_given(duty: Duty, tmp_path: Path) -> None:
    path = tmp_path / "s"
    one = tcp(0, kind="unix", host="", path=str(path), uid=NOBODY, gid=12)
    await said(duty, extras={"owner": "a", "sockets": [one]})
    assert (path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) == (NOBODY, 12, 0o660)


async def test_a_stale_socket_is_replaced_and_a_live_one_is_not(duty: Duty, tmp_path: Path) -> None:
    path = tmp_path / "s"
    one = tcp(0, kind="unix", host="", path=str(path))
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        assert "something else listens there" in await refusal(duty, {"owner": "a", "sockets": [one]})
    await said(duty, extras={"owner": "a", "sockets": [one]})
    path.unlink()
    path.write_text("not a socket")
    duty.link.close_sockets("a")
    assert "something else listens there" in await refusal(duty, {"owner": "b", "sockets": [one]})
    assert path.read_text() == "not a socket"


async def test_an_address_in_use_is_told_and_the_others_stay(duty: Duty, port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        wanted = [tcp(port), tcp(taken, "two")]
        text = await refusal(duty, {"owner": "a", "sockets": wanted})
        assert text.startswith(f"sockets: two: cannot listen on tcp://127.0.0.1:{taken}: Address already in use; ")
    await said(duty, extras={"owner": "a", "sockets": wanted})


async def test_a_changed_socket_is_opened_anew(duty: Duty, port: int) -> None:
    await said(duty, extras={"owner": "a", "sockets": [tcp(port, backlog=5)]})
    await said(duty, extras={"owner": "a", "sockets": [tcp(port, backlog=6)]})
    await said(duty, extras={"owner": "b", "sockets": []})
    with socket.create_connection(("127.0.0.1", port)):
        pass


async def test_a_terms_sockets_end_with_it(duty: Duty, port: int) -> None:
    await duty.arm()
    await said(duty, extras={"owner": "billing/a", "sockets": [tcp(port)]}, term=BILLING)
    with socket.create_connection(("127.0.0.1", port)):
        pass
    duty.link.disarm(BILLING)
    await duty.expect(events.Disarmed)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


async def test_limits_are_pairs(duty: Duty) -> None:
    code = "import json,resource\nprint(json.dumps({'n': resource.getrlimit(resource.RLIMIT_NOFILE)}))"
    assert await said(duty, code, rlimits={resource.RLIMIT_NOFILE: (50, 60)}) == {"n": [50, 60]}


async def test_fewer_descriptors_than_the_guardian_has_open_are_no_hindrance(duty: Duty) -> None:
    """What the guardian holds for its other runs is not the child's: neither to have, nor to count against it."""
    for _ in range(40):
        await duty.start("sleep", "1000")
    code = "import json,os,resource\nprint(json.dumps({'n': resource.getrlimit(resource.RLIMIT_NOFILE)}))"
    assert await said(duty, code, rlimits={resource.RLIMIT_NOFILE: (20, 30)}) == {"n": [20, 30]}


# --- a supervisor that is not root -----------------------------------------------------------------------------------


def as_plain_user(extras: dict[str, object]) -> str:
    """What becomes of these extras in a child of someone who is not root."""
    prepared = setup.prepare(extras)
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            prepared.before_user()
            prepared.after_user()
            os.write(write_fd, b"done")
        except setup.SetupError as error:
            os.write(write_fd, f"{error.stage}\0{error.errno}\0{error}".encode())
        finally:
            os._exit(0)
    os.close(write_fd)
    said = os.read(read_fd, 4096).decode()
    os.close(read_fd)
    os.waitpid(pid, 0)
    if said == "done":
        return said
    stage, number, detail = said.split("\0")
    return setup.explain(stage, int(number), detail)


@needs_root
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.parametrize(
    ("extras", "words"),
    [
        ({"nice": 19, "ionice": [3, 0], "scheduling": os.SCHED_IDLE}, "done"),
        ({"no_new_privileges": True}, "done"),
        ({"nice": -5}, "nice: Permission denied; a value below the supervisor's own needs root or CAP_SYS_NICE"),
        ({"ionice": [1, 0]}, "ionice: Operation not permitted; 'realtime' needs root"),
        ({"capabilities": [NET_BIND], "keep": True}, "capabilities: Operation not permitted; only a supervisor that"),
        ({"capabilities": [NET_BIND], "keep": False}, "capabilities: Operation not permitted; only a supervisor that"),
        ({"private_tmp": True}, "private_tmp: Operation not permitted; a mount namespace needs root"),
    ],
)
def test_a_plain_user_is_told_what_needs_root(extras: dict[str, object], words: str) -> None:
    assert as_plain_user(extras).startswith(words)
