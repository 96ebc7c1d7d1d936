"""What a guardian and its children would get here: tried in a process of its own, which says it as JSON and ends.

Promises: what ``linux.protect`` achieves is tried by calling it; a cgroup is made, entered and removed again; a child whose
parent dies is seen to die. Standard library only. Does not: touch what a running guardian has, or judge.

    python -m supervisor.guardian.trial
"""

import json
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from typing import Final

from supervisor.guardian import cgroup, linux
from supervisor.guardian.census import read_file

_PATIENCE_SECONDS: Final = 3.0


def strength(pid: int) -> dict[str, object]:
    """How hard to delay or to end a process is. Raises OSError when it is gone, or not ours to look at."""
    status = (read_file(f"/proc/{pid}/status") or b"").decode(errors="replace")
    locked = next((line.split()[1] for line in status.splitlines() if line.startswith("VmLck:")), "0")
    with open(f"/proc/{pid}/oom_score_adj", encoding="ascii") as file:
        score = int(file.read())
    policy = os.sched_getscheduler(pid) & 0xFF
    return {
        "memory_locked": locked != "0",
        "realtime": policy in {os.SCHED_RR, os.SCHED_FIFO},
        "oom_score_adj": score,
        "nofile": _limit(resource.prlimit(pid, resource.RLIMIT_NOFILE)[0]),
    }


def main() -> None:
    """All trials, the one that changes this process last."""
    found: dict[str, object] = {
        "deathsig_error": _deathsig(),
        "nproc": _limit(resource.getrlimit(resource.RLIMIT_NPROC)[0]),
    }
    found["cgroup"], found["cgroup_error"] = _cgroup()
    found["pids_max"] = _pids_max()
    found["words"] = linux.protect()
    found["strength"] = strength(os.getpid())
    json.dump(found, sys.stdout)


def _limit(value: int) -> int:
    return -1 if value == resource.RLIM_INFINITY else value


def _cgroup() -> tuple[str, str]:
    try:
        top = cgroup.create(f"doctor-{os.getpid()}")
    except (cgroup.CgroupUnusableError, OSError) as error:
        return "", str(error)
    cgroup.remove(top)
    return os.path.dirname(top), ""


def _pids_max() -> int:
    """The smallest of our cgroup and those above it; -1: none."""
    try:
        at = cgroup.find_own()
    except (cgroup.CgroupUnusableError, OSError):
        return -1
    found = []
    while at not in ("", "/"):
        word = (read_file(f"{at}/pids.max") or b"max").strip()
        if word.isdigit():
            found.append(int(word))
        at = os.path.dirname(at)
    return min(found, default=-1)


def _deathsig() -> str:
    """A child, and its child that asked to die with it: why the second outlives the first; empty when it does not."""
    linux.become_subreaper()  # so that the orphan is ours to wait for
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        _be_parent(theirs)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        said = pipe.read(200).decode(errors="replace")  # ends when the grandchild has said it, and its parent is gone
    os.waitpid(child, 0)
    if not said.isdigit():
        return f"prctl(PR_SET_PDEATHSIG) failed: {said or 'no answer'}"
    return _awaited(int(said))


def _be_parent(pipe: int) -> None:
    try:
        parent = os.getpid()
        inner, outer = os.pipe()
        if os.fork() == 0:
            _be_child(parent, pipe, outer)
        os.close(outer)
        os.read(inner, 1)
    finally:
        os._exit(0)


def _be_child(parent: int, pipe: int, ready: int) -> None:
    """Says its pid, or why it cannot die with its parent."""
    try:
        linux.die_with_parent(parent)
        os.write(pipe, str(os.getpid()).encode())
        os.close(pipe)
        os.write(ready, b".")
        signal.pause()
    except OSError as error:
        os.write(pipe, str(error).encode())
    finally:
        os._exit(1)


def _awaited(pid: int) -> str:
    ends = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < ends:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            killed = os.waitstatus_to_exitcode(status) == -signal.SIGKILL
            return "" if killed else f"it ended otherwise: {os.waitstatus_to_exitcode(status)}"
        time.sleep(0.001)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return f"a child lived on for {_PATIENCE_SECONDS:g} s after its parent"


if __name__ == "__main__":
    main()
