"""Who is alive, by /proc.

Promises: a process is known by its pid *and* its start time, and is signalled through a pidfd whose start time was read
after it was opened, so a stranger with a recycled pid is never hit. A zombie is not alive, unless other threads of it
still run.
Does not: know about runs or terms.
"""

import os
import select
import signal
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from supervisor.guardian.record import record

_READ_BYTES: Final = 1 << 16
_FREEZE_PASSES: Final = 20


@record
class Living:
    """A process as it was when looked at."""

    pid: int
    start: int
    """Clock ticks since boot; with the pid it names a process for good."""
    parent: int
    group: int
    session: int
    name: str
    zombie: bool

    @property
    def key(self) -> tuple[int, int]:
        """The process, and no other that will ever have its pid."""
        return self.pid, self.start

    def __str__(self) -> str:
        """``1234 (nginx)``: how blockers are named."""
        return f"{self.pid} ({self.name})"


def read_file(path: str) -> bytes | None:
    """A file of /proc, or None when the process is gone or its file is not ours to read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        parts = []
        while part := os.read(fd, _READ_BYTES):
            parts.append(part)
        return b"".join(parts)
    except OSError:
        return None
    finally:
        os.close(fd)


def look(pid: int) -> Living | None:
    """The process with this pid, or None."""
    stat = read_file(f"/proc/{pid}/stat")
    if not stat:
        return None
    # The name is in parentheses and may contain any of them; it ends at the last one.
    head, _, tail = stat.rpartition(b") ")
    fields = tail.split()
    return Living(
        pid=pid,
        start=int(fields[19]),
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        name=head.partition(b"(")[2].decode(errors="replace"),
        # A main thread that ended shows as a zombie while its other threads go on (field 20, num_threads).
        zombie=fields[0] in {b"X", b"x"} or (fields[0] == b"Z" and int(fields[17]) <= 1),
    )


def everyone() -> dict[int, Living]:
    """Every process, by pid. Not one instant's picture: some may have come or gone meanwhile."""
    # Read backwards: a parent that forks and exits while we look is met after its child more often than before.
    pids = sorted((int(name) for name in os.listdir("/proc") if name.isdigit()), reverse=True)
    return {pid: process for pid in pids if (process := look(pid)) is not None}


def own_children() -> dict[int, Living] | None:
    """Our own children by pid, zombies included; None where the kernel does not list them (CONFIG_PROC_CHILDREN).

    Exact, for a process of one thread that reaps its children itself: nobody leaves the list while we read it, and who
    becomes our child meanwhile is added at its end.
    """
    me = os.getpid()
    listed = read_file(f"/proc/{me}/task/{me}/children")
    if listed is None:
        return None
    return {pid: process for pid in map(int, listed.split()) if (process := look(pid)) is not None}


def descendants(roots: Iterable[int], processes: dict[int, Living]) -> Iterator[Living]:
    """Those below the given pids (and they themselves), by parent."""
    children: dict[int, list[Living]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process)
    waiting = [processes[pid] for pid in roots if pid in processes]
    seen: set[int] = set()
    while waiting:
        process = waiting.pop()
        if process.pid not in seen:
            seen.add(process.pid)
            yield process
            waiting.extend(children.get(process.pid, ()))


def variable(pid: int, name: bytes) -> bytes | None:
    """An environment variable as it was at exec; None when it is not there or not ours to read."""
    environment = read_file(f"/proc/{pid}/environ")
    if not environment:
        return None
    _, found, rest = (b"\0" + environment).partition(b"\0" + name + b"=")
    return rest.partition(b"\0")[0] if found else None


def cgroup_path(pid: int) -> str | None:
    """The process's cgroup v2 path, as /proc/PID/cgroup gives it."""
    for line in (read_file(f"/proc/{pid}/cgroup") or b"").splitlines():
        if line.startswith(b"0::"):
            return os.fsdecode(line[3:])
    return None


def readable(fd: int) -> bool:
    """Not by select(): it knows no descriptor above 1023."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))


def send(process: Living, signo: int) -> bool:
    """Signal exactly this process. False when it is gone, or not ours to signal."""
    try:
        fd = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        now = look(process.pid)
        if now is None or now.key != process.key:
            return False
        signal.pidfd_send_signal(fd, signo)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def kill_all(find: Callable[[], Iterable[Living]]) -> list[Living]:
    """SIGKILL everyone that ``find`` finds, frozen first; returns whom it found last.

    SIGSTOP until a look finds nobody new, so that a fork bomb is still when it is killed: a fork with a signal pending
    is begun again after the signal (copy_process, ERESTARTNOINTR), so one who was signalled adds no more children.
    """
    frozen: set[tuple[int, int]] = set()
    found: list[Living] = []
    for _ in range(_FREEZE_PASSES):
        found = list(find())
        fresh = [process for process in found if process.key not in frozen]
        if not fresh:
            break
        for process in fresh:
            send(process, signal.SIGSTOP)
            frozen.add(process.key)
    for process in found:
        send(process, signal.SIGKILL)
    return found
