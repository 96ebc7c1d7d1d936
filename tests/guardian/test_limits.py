"""Limits of a run's cgroup, on the kernel's own files; each as far as this machine gives the controller to cgroup v2."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from supervisor.guardian import cgroup, limits
from supervisor.guardian.limits import limit
from supervisor.guardian.setup import SetupError

SAY = """
import json, os, sys
here = next(line.rstrip()[3:] for line in open("/proc/self/cgroup") if line.startswith("0::"))
point = next(l.split()[4] for l in open("/proc/self/mountinfo") if " - cgroup2 " in l)
def text(name):
    try: return open(f"{point}{here}/{name}").read().strip()
    except OSError as e: return e.strerror
print(json.dumps({name: text(name) for name in sys.argv[1:] or FILES}))
"""
EAT = "import json\nprint(json.dumps('eating'), flush=True)\nheld=[]\nwhile True: held.append(bytearray(b'x' * 1_000_000))"
FORK = """
import json, os, time
made = 0
try:
    while made < 50:
        if os.fork() == 0: time.sleep(100); os._exit(0)
        made += 1
except OSError as e:
    print(json.dumps([made, e.strerror]))
else:
    print(json.dumps([made, "no limit"]))
"""


def need(controller: str) -> None:
    """Skip where this machine keeps the controller to cgroup v1, or to itself."""
    try:
        own = cgroup.find_own()
        given = Path(own, "cgroup.controllers").read_text().split()
    except (cgroup.CgroupUnusableError, OSError) as error:
        pytest.skip(f"no writable cgroup v2: {error}")
    if controller not in given:
        pytest.skip(f"no writable cgroup v2 with the {controller} controller")


@pytest.fixture
def unit(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A cgroup in which to make some as a service manager gives them to services: with the controllers of the test."""
    controllers: tuple[str, ...] = request.param
    for controller in controllers:
        need(controller)
    above = Path(cgroup.find_own())
    try:
        before = (above / "cgroup.subtree_control").read_text().split()
        for controller in controllers:
            (above / "cgroup.subtree_control").write_text(f"+{controller}")
        directory = above / f"test-{os.getpid()}"
        directory.mkdir()
        for controller in controllers:
            (directory / "cgroup.subtree_control").write_text(f"+{controller}")
    except OSError as error:
        pytest.skip(f"no writable cgroup v2: {error}")
    yield directory
    cgroup.kill(str(directory))
    while not cgroup.remove(str(directory)):
        pass  # what was killed is on its way out
    for controller in set(controllers) - set(before):
        (above / "cgroup.subtree_control").write_text(f"-{controller}")


def in_unit(
    unit: Path, tmp_path: Path, files: dict[str, str], code: str, **more: object
) -> dict[str, dict[str, object]]:
    """What two runs of the code under these limits came to, in a service of their own."""
    service = unit / f"service-{len(list(unit.iterdir()))}"
    service.mkdir()
    extras = json.dumps({"cgroup": files, **more})
    code = code.replace("FILES", repr(sorted(files)))
    done = subprocess.run(
        [sys.executable, "-m", "tests.guardian.limited", str(service), str(tmp_path / "state"), extras, code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, object]] = json.loads(done.stdout)
    assert "failed" not in found["first"], found["first"]
    return found


@pytest.mark.parametrize("unit", [("hugetlb",)], indirect=True)
def test_a_limit_is_in_the_runs_own_cgroup_and_the_daemon_has_made_room(unit: Path, tmp_path: Path) -> None:
    files = {"hugetlb.2MB.max": "0"}
    if not list(Path("/sys/kernel/mm/hugepages").glob("hugepages-2048kB")):
        pytest.skip("no writable cgroup v2 with 2 MB pages")
    found = in_unit(unit, tmp_path, files, SAY)
    for run in ("first", "second"):
        assert json.loads(str(found[run]["said"])) == files
    for who in ("daemon", "guardian"):
        assert str(found[who]).strip().endswith(cgroup.LEAF)
    assert all(not (service / "cgroup.procs").read_text() for service in unit.glob("service-*"))


@pytest.mark.parametrize("unit", [("memory", "cpu", "pids")], indirect=True)
def test_memory_cpu_and_pids(unit: Path, tmp_path: Path) -> None:
    files = {
        "memory.max": "536870912",
        "memory.high": "268435456",
        "cpu.max": "50000 100000",
        "cpu.weight": "50",
        "pids.max": "100",
    }
    found = in_unit(unit, tmp_path, files, SAY)
    assert json.loads(str(found["first"]["said"])) == files


@pytest.mark.parametrize("unit", [("memory",)], indirect=True)
def test_an_out_of_memory_kill_is_known_as_one(unit: Path, tmp_path: Path) -> None:
    found = in_unit(unit, tmp_path, {"memory.max": str(64 * 2**20)}, EAT, best_effort=False)
    assert found["first"]["signal"] == signal.SIGKILL
    assert found["first"]["oom_killed"] is True
    fine = in_unit(unit, tmp_path, {"memory.max": str(64 * 2**20)}, "import os\nos.kill(os.getpid(), 9)")
    assert (fine["first"]["signal"], fine["first"]["oom_killed"]) == (signal.SIGKILL, False)


@pytest.mark.parametrize("unit", [("pids",)], indirect=True)
def test_no_more_processes_than_allowed(unit: Path, tmp_path: Path) -> None:
    made, why = json.loads(str(in_unit(unit, tmp_path, {"pids.max": "10"}, FORK)["first"]["said"]))
    assert (made, why) == (9, os.strerror(11))


def test_a_cgroup_with_strangers_in_it_is_left_alone(tmp_path: Path) -> None:
    """Files as the kernel shows them, for a machine that has no such cgroup to give."""
    above, top, _ = made_up(tmp_path, controllers="memory")
    with stranger() as pid:
        (above / "cgroup.procs").write_text(f"{pid}\n")
        with pytest.raises(OSError, match=rf"also holds {pid} \(.*\), and a cgroup that is divided may hold none"):
            limits.make_room(str(above), f"{top}{cgroup.LEAF}", os.getppid())


def test_whoever_adopted_us_when_the_daemon_died_is_a_stranger(tmp_path: Path) -> None:
    above, top, _ = made_up(tmp_path, controllers="memory")
    (above / "cgroup.procs").write_text(f"{os.getpid()}\n")
    with subprocess.Popen([sys.executable, "-c", ""]) as daemon:
        pass
    guardian = f"from supervisor.guardian import limits; limits.make_room({str(above)!r}, {str(top) + cgroup.LEAF!r}, {daemon.pid})"
    done = subprocess.run([sys.executable, "-c", guardian], capture_output=True, text=True, check=False)
    assert f"also holds {os.getpid()} " in done.stderr


@contextmanager
def stranger() -> Iterator[int]:
    """The pid of a process that is neither ours nor our parent's child. Whose pid 1 is depends on who started the tests."""
    begin = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", begin], stdin=-1, stdout=-1, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        try:
            yield pid
        finally:
            os.kill(pid, signal.SIGKILL)
            parent.communicate("\n")


def made_up(tmp_path: Path, *, controllers: str) -> tuple[Path, Path, Path]:
    """Directories with the files of a cgroup."""
    above = tmp_path / "unit"
    top = above / "supervisor-x"
    run = top / "no-term" / "1.a"
    run.mkdir(parents=True)
    for directory in (above, top, run.parent, run):
        (directory / "cgroup.controllers").write_text(controllers)
        (directory / "cgroup.subtree_control").write_text("")
        (directory / "cgroup.procs").write_text("")
    return above, top, run


def test_a_limit_that_cannot_hold_is_a_failed_start_unless_told_otherwise(tmp_path: Path) -> None:
    _, top, run = made_up(tmp_path, controllers="pids")
    wanted = {"memory.max": "1", "memory.high": "1", "cpu.max": "1 2"}
    with pytest.raises(SetupError) as refused:
        limit(str(top), str(run), wanted, best_effort=False, daemon=os.getppid())
    text = refused.value.text
    assert text.startswith("cgroup: memory.max, memory.high cannot be set: the memory controller is not given to ")
    assert "cpu.max cannot be set" in text
    assert text.endswith("or set best_effort: on")
    limit(str(top), str(run), wanted, best_effort=True, daemon=os.getppid())


def test_without_cgroups_there_are_no_limits() -> None:
    with pytest.raises(SetupError, match="no limits without a cgroup v2"):
        limit(None, None, {"memory.max": "1"}, best_effort=False, daemon=os.getppid())
    limit(None, None, {"memory.max": "1"}, best_effort=True, daemon=os.getppid())
