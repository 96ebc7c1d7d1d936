"""A cgroup v2 subtree of our own.

Promises: ``find_own`` looks where this machine mounts cgroup2 (often /sys/fs/cgroup, /sys/fs/cgroup/unified beside v1);
``create`` returns a directory only after a trial process has really entered a child of it, or says why it cannot.
Needs Linux 5.14 for ``cgroup.kill``, which ends a whole subtree at once, whatever it forks meanwhile.
Does not: enable controllers (``limits`` does, for the runs that ask for them): processes are held together here.
"""

import os
import time
from typing import Final

from supervisor.guardian.census import read_file

PREFIX: Final = "supervisor-"
LEAF: Final = ".self"
"""Ends the name of the cgroup that the daemon and its guardian move to when theirs is divided (``limits``)."""
_TRIAL_TIMEOUT_SECONDS: Final = 2.0


class CgroupUnusableError(Exception):
    """There is no cgroup v2 that we may divide. The message says why."""


def find_own() -> str:
    """The directory of this process's own cgroup. Raises CgroupUnusableError."""
    own = next((line[3:] for line in _lines("/proc/self/cgroup") if line.startswith("0::")), None)
    if own is None:
        raise CgroupUnusableError("this kernel gives no process a cgroup v2")
    for line in _lines("/proc/self/mountinfo"):
        left, _, right = line.partition(" - ")
        if not right.startswith("cgroup2 "):
            continue
        root, point = (_unescape(field) for field in left.split()[3:5])
        # In a container without a cgroup namespace the mount shows only a part of the hierarchy, beginning at ``root``.
        below = own if root == "/" else own.removeprefix(root) if (own + "/").startswith(root + "/") else None
        if below is not None and "/.." not in below:
            above, _, name = (point + below.rstrip("/")).rpartition("/")
            moved = name.startswith(PREFIX) and name.endswith(LEAF)  # by an earlier guardian: a leaf has no children
            return above if moved else f"{above}/{name}"
    raise CgroupUnusableError("no cgroup2 mount shows this process's cgroup")


def create(name: str) -> str:
    """Make and try a subtree under our own cgroup. Raises CgroupUnusableError, leaving nothing behind."""
    above = find_own()
    top = f"{above}/{PREFIX}{name}"
    try:
        os.mkdir(top)
    except OSError as error:
        raise CgroupUnusableError(
            f"cannot make a cgroup under {above}: {error.strerror} (systemd: Delegate=yes)"
        ) from None
    try:
        _try(above, f"{top}/trial")
    except (OSError, CgroupUnusableError) as error:
        remove(top)
        raise CgroupUnusableError(str(error)) from None
    return top


def _try(above: str, directory: str) -> None:
    """A process enters: whether it may depends on the common ancestor, the kernel's rules and the container."""
    os.mkdir(directory)
    if not os.path.exists(f"{directory}/cgroup.kill"):
        raise CgroupUnusableError("this kernel has no cgroup.kill (Linux 5.14)")
    pid = os.fork()
    if pid == 0:
        try:
            join(procs_file(directory))
        except OSError as error:
            os._exit(min(error.errno or 1, 255))
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    deadline = time.monotonic() + _TRIAL_TIMEOUT_SECONDS
    while populated(directory) and time.monotonic() < deadline:
        time.sleep(0.001)
    os.rmdir(directory)
    if number := os.waitstatus_to_exitcode(status):
        raise CgroupUnusableError(f"no process may enter a cgroup under {above}: {os.strerror(number)}")


def procs_file(directory: str) -> str:
    """The file that a process writes itself into."""
    return f"{directory}/cgroup.procs"


def join(procs: str) -> None:
    """Move the calling process. It may take milliseconds (the kernel waits for a grace period): never in the guardian."""
    fd = os.open(procs, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, b"0")
    finally:
        os.close(fd)


def kill(directory: str) -> None:
    """SIGKILL everything in the subtree at once, forks in flight included. A directory that is gone is empty."""
    try:
        fd = os.open(f"{directory}/cgroup.kill", os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.write(fd, b"1")
    except OSError:
        if os.path.exists(directory):
            raise
    finally:
        os.close(fd)


def populated(directory: str) -> bool:
    """Whether anything lives in the subtree. Zombies do not."""
    events = read_file(f"{directory}/cgroup.events")
    return events is not None and b"populated 1" in events


def oom_kills(directory: str) -> bool:
    """Whether the OOM killer killed anything in the subtree. False where the memory controller is off."""
    events = read_file(f"{directory}/memory.events") or b""
    return any(line.startswith(b"oom_kill ") and line != b"oom_kill 0" for line in events.splitlines())


def pids(directory: str) -> list[int]:
    """Everyone in the subtree, for names; zombies are left out by the kernel."""
    found: list[int] = []
    for at, _, _ in os.walk(directory):
        found += map(int, (read_file(f"{at}/cgroup.procs") or b"").split())
    return found


def remove(directory: str) -> bool:
    """Remove the subtree, children first. False when something in it is alive."""
    for at, _, _ in os.walk(directory, topdown=False):
        try:
            os.rmdir(at)
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True


def _lines(path: str) -> list[str]:
    return os.fsdecode(read_file(path) or b"").splitlines()


def _unescape(field: str) -> str:
    """Mountinfo writes blanks and backslashes of a path in octal."""
    return field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
